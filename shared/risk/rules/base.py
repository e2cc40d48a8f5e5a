"""What a rule is, and how the settings of several scopes become one verdict.

A rule gets a case. It answers the numbers it looked at, OFF where nothing is set, or Denied with its numbers: `value`,
`limit` and `distance` (what is left, in the rule's unit; negative = beyond) where it compares, `scope` (whose setting
decided) and `until` (UTC, when a denial ends) where one ends by itself."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, localcontext
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from shared.models.command import Leg
from shared.models.enums import CommandKind
from shared.models.limits import RuleScope
from shared.models.reasons import Reason
from shared.risk.decision import Denied
from shared.risk.grid import EXACT, shown
from shared.risk.rules.case import Case

Verdict = Mapping[str, str] | Denied
Rule = Callable[[Case], Verdict]
Numbers = Mapping[str, str]

OFF: Final[Numbers] = MappingProxyType({})
"""The verdict of a rule that nobody has set."""

_SCOPES: Final[Mapping[str, int]] = {"user": 0, "broker": 1, "account": 2}
_BEYOND = Decimal("-Infinity")


class Judged(NamedTuple):
    """What one setting says. `refused` None = it lets the order through.

    `distance` None = it cannot be told, or nothing is measured. `numbers` may be a function: of several settings only
    the one that decides is written out, and only when somebody looks.
    """

    numbers: Numbers | Callable[[], Numbers]
    distance: Decimal | None = None
    refused: Reason | None = None


class Told(Mapping[str, str]):
    """The numbers of a setting that lets the order through, written out when somebody looks at them.

    A trace shows them, and it is written when the order is sent already.
    """

    __slots__ = ("_numbers", "_scope", "_tell")

    def __init__(self, tell: Callable[[], Numbers], scope: RuleScope) -> None:
        self._tell = tell
        self._scope = scope
        self._numbers: Numbers | None = None

    def _written(self) -> Numbers:
        if self._numbers is None:
            with localcontext(EXACT):
                self._numbers = {**self._tell(), "scope": self._scope}
        return self._numbers

    def __getitem__(self, name: str) -> str:
        return self._written()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._written())

    def __len__(self) -> int:
        return len(self._written())

    def __repr__(self) -> str:
        return repr(self._written())


Judge = Callable[[Any, Case], Judged | Iterable[Judged]]


def ask_scopes(rule: str, judge: Judge, case: Case) -> Verdict:
    """The tightest verdict of every scope that sets this rule; OFF when none does."""
    found: list[tuple[RuleScope, Judged]] = []
    for each in case.ctx.limits.rule_sets:
        setting = getattr(each.rules, rule)
        if setting is not None:
            judged = judge(setting, case)
            if isinstance(judged, Judged):
                found.append((each.scope, judged))
            else:
                found.extend((each.scope, one) for one in judged)
    return tightest(found)


def tightest(judged: Sequence[tuple[RuleScope, Judged]]) -> Verdict:
    """Of all settings the one that denies, else the one that leaves least; the order of scopes is irrelevant."""
    if not judged:
        return OFF
    scope, one = judged[0] if len(judged) == 1 else min(judged, key=_room)
    told = one.numbers
    if one.refused is not None:
        return Denied(one.refused, {**(told() if callable(told) else told), "scope": scope})
    return Told(told, scope) if callable(told) else {**told, "scope": scope}


def _room(found: tuple[RuleScope, Judged]) -> tuple[bool, Decimal, int]:
    scope, one = found
    return one.refused is None, _BEYOND if one.distance is None else one.distance, _SCOPES[scope]


def at_most(value: Decimal, limit: Decimal, reason: Reason, decimals: int = 8, more: Numbers = OFF) -> Judged:
    """A value that may reach its limit and not pass it. `more` numbers are told beside it."""
    distance = limit - value
    return Judged(
        lambda: {**compared(value, limit, distance, decimals), **more},
        distance,
        reason if distance < 0 else None,
    )


def at_least(value: Decimal, limit: Decimal, reason: Reason, decimals: int, more: Numbers) -> Judged:
    """A value that may not be smaller than its limit; `distance` is what it is above it."""
    distance = value - limit
    return Judged(
        lambda: {**compared(value, limit, distance, decimals), **more},
        distance,
        reason if distance < 0 else None,
    )


def compared(value: Decimal, limit: Decimal, distance: Decimal, decimals: int = 8) -> dict[str, str]:
    """The three numbers of a comparison."""
    return {
        "value": shown(value, decimals),
        "limit": shown(limit, decimals),
        "distance": shown(distance, decimals),
    }


def unknown(denied: Denied) -> Judged:
    """A fact is missing that the setting needs: whatever the order is, it is not let through."""
    return Judged(denied.numbers, None, denied.reason)


def closes(leg: Leg, venue_position_id: str, symbol: str) -> bool:
    """Whether a leg closes all of this position."""
    if leg.kind is not CommandKind.CLOSE or leg.qty is not None:
        return False
    return leg.venue_position_id == venue_position_id if leg.venue_position_id else leg.symbol == symbol


def moment(at: datetime) -> str:
    """A time as a trace shows it, UTC."""
    return at.isoformat(timespec="seconds")
