"""What a rule is, and how the settings of several scopes become one verdict.

A rule gets the legs of a plan and the context. It answers the numbers it looked at, OFF where nothing is set, or
Denied with its numbers: `value`, `limit` and `distance` (what is left, in the rule's unit; negative = beyond) where
it compares, `scope` (whose setting decided) and `until` (UTC, when a denial ends) where one ends by itself."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from shared.models.command import Leg
from shared.models.context import RiskContext
from shared.models.enums import CommandKind
from shared.models.limits import RuleScope
from shared.models.reasons import Reason
from shared.risk.decision import Denied
from shared.risk.grid import shown

Verdict = Mapping[str, str] | Denied
Rule = Callable[[Sequence[Leg], RiskContext], Verdict]

OFF: Final[Mapping[str, str]] = MappingProxyType({})
"""The verdict of a rule that nobody has set."""

_SCOPES: Final[Mapping[str, int]] = {"user": 0, "broker": 1, "account": 2}
_BEYOND = Decimal("-Infinity")


@dataclass(frozen=True, slots=True)
class Judged:
    """What one setting says. `distance` None = cannot be told. `refused` None = it lets the order through."""

    numbers: Mapping[str, str]
    distance: Decimal | None = None
    refused: Reason | None = None


Judge = Callable[[Any, Sequence[Leg], RiskContext], Judged | Iterable[Judged]]


def ask_scopes(rule: str, judge: Judge, legs: Sequence[Leg], ctx: RiskContext) -> Verdict:
    """The tightest verdict of every scope that sets this rule; OFF when none does."""
    if not ctx.limits.rule_sets:
        return OFF
    return tightest(_of_scopes(rule, judge, legs, ctx))


def _of_scopes(
    rule: str, judge: Judge, legs: Sequence[Leg], ctx: RiskContext
) -> Iterator[tuple[RuleScope, Judged]]:
    for each in ctx.limits.rule_sets:
        setting = getattr(each.rules, rule)
        if setting is None:
            continue
        judged = judge(setting, legs, ctx)
        if isinstance(judged, Judged):
            yield each.scope, judged
        else:
            for one in judged:
                yield each.scope, one


def tightest(judged: Iterable[tuple[RuleScope, Judged]]) -> Verdict:
    """Of all settings the one that denies, else the one that leaves least; the order of scopes is irrelevant."""
    found = min(judged, key=_room, default=None)
    if found is None:
        return OFF
    scope, one = found
    numbers = {**one.numbers, "scope": scope}
    return numbers if one.refused is None else Denied(one.refused, numbers)


def _room(found: tuple[RuleScope, Judged]) -> tuple[bool, Decimal, int, str]:
    scope, one = found
    left = _BEYOND if one.distance is None else one.distance
    return one.refused is None, left, _SCOPES[scope], str(one.numbers)


def at_most(
    value: Decimal, limit: Decimal, reason: Reason, decimals: int = 8, more: Mapping[str, str] = OFF
) -> Judged:
    """A value that may reach its limit and not pass it. `more` numbers are told beside it."""
    distance = limit - value
    numbers = {
        "value": shown(value, decimals),
        "limit": shown(limit, decimals),
        "distance": shown(distance, decimals),
    }
    return Judged({**numbers, **more}, distance, reason if distance < 0 else None)


def at_least(
    value: Decimal, limit: Decimal, reason: Reason, decimals: int = 8, more: Mapping[str, str] = OFF
) -> Judged:
    """A value that may not be smaller than its limit; `distance` is what it is above it."""
    distance = value - limit
    numbers = {
        "value": shown(value, decimals),
        "limit": shown(limit, decimals),
        "distance": shown(distance, decimals),
    }
    return Judged({**numbers, **more}, distance, reason if distance < 0 else None)


def unknown(denied: Denied) -> Judged:
    """A fact is missing that the setting needs: whatever the order is, it is not let through."""
    return Judged(denied.numbers, None, denied.reason)


def limited(legs: Iterable[Leg]) -> tuple[Leg, ...]:
    """The legs that limits apply to: entries, and changes that count as one."""
    return tuple(leg for leg in legs if leg.is_limited)


def opens_anything(legs: Iterable[Leg]) -> bool:
    """Whether there is a new order or a larger one: a change of protection opens nothing, no count refuses it."""
    return any(leg.is_entry for leg in legs)


def closes(leg: Leg, venue_position_id: str, symbol: str) -> bool:
    """Whether a leg closes all of this position."""
    if leg.kind is not CommandKind.CLOSE or leg.qty is not None:
        return False
    return leg.venue_position_id == venue_position_id if leg.venue_position_id else leg.symbol == symbol


def moment(at: datetime) -> str:
    """A time as a trace shows it, UTC."""
    return at.isoformat(timespec="seconds")
