"""One rule asked directly, with a leg as it would be sent: its whole answer, reason and numbers."""

from __future__ import annotations

from decimal import localcontext
from typing import Any

from msgspec.structs import replace

from shared.models.command import Leg, Protection
from shared.models.context import Limits
from shared.models.enums import CommandKind
from shared.models.limits import ScopedRules
from shared.models.reasons import Reason
from shared.risk.decision import Denied
from shared.risk.grid import EXACT
from shared.risk.rules import Rule
from shared.risk.rules.case import Case
from tests.unit.risk.builders import BUY, NOW, D, context, risk_state, scoped

ENTRY = Leg(
    0, CommandKind.PLACE, "EURUSD", "EURUSD.x", "EURUSD", side=BUY, qty=D("0.5"), worst_loss=D(100),
    protection=Protection(stop_loss=D("1.09800")),
)  # fmt: skip
"""Buys half a lot at 1.10000 and loses 100 at its stop, 200 ticks away."""
NAKED = replace(ENTRY, protection=Protection(), worst_loss=None)
CLOSE = replace(NAKED, kind=CommandKind.CLOSE, qty=None, side=None)
CANCEL = replace(CLOSE, kind=CommandKind.CANCEL, venue_order_id="o1")
PROTECT = replace(ENTRY, kind=CommandKind.PROTECT, venue_position_id="p1", adds_risk=True)

Answer = tuple[Reason | None, dict[str, str]]


def ask(rule: Rule, *legs: Leg, sets: tuple[ScopedRules, ...] = (), **facts: Any) -> Answer:
    """Why the rule denies (None = it does not) and its numbers. No legs = ENTRY; everything is known and fresh."""
    given: dict[str, Any] = {"risk": risk_state(), "fired_at": NOW} | facts
    ctx = context(**given)
    if sets:
        ctx = replace(ctx, limits=replace(ctx.limits, rule_sets=sets))
    with localcontext(EXACT):
        found = rule(Case(legs or (ENTRY,), ctx))
    return (found.reason, dict(found.numbers)) if isinstance(found, Denied) else (None, dict(found))


def set_for_account(rule: Rule, setting: Any, *legs: Leg, **facts: Any) -> Answer:
    """The answer where the account sets the rule of this name."""
    return ask(rule, *legs, sets=(scoped("account", **{rule.__name__: setting}),), **facts)


def two_scopes(rule: Rule, of_user: Any, of_account: Any, *legs: Leg, **facts: Any) -> Answer:
    """The answer where the user and the account set it, in whatever order they stand: it is the same."""
    sets = (scoped("user", **{rule.__name__: of_user}), scoped("account", **{rule.__name__: of_account}))
    answer = ask(rule, *legs, sets=sets, **facts)
    assert ask(rule, *legs, sets=sets[::-1], **facts) == answer
    return answer


__all__ = [
    "CANCEL",
    "CLOSE",
    "ENTRY",
    "NAKED",
    "PROTECT",
    "Answer",
    "Limits",
    "ask",
    "set_for_account",
    "two_scopes",
]
