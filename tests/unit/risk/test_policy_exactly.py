"""What the rules are asked and what is kept of their answers, to the last word."""

from __future__ import annotations

from msgspec.structs import replace

from shared.models.command import Leg
from shared.models.context import Limits
from shared.models.enums import CommandKind
from shared.models.reasons import Reason
from shared.risk.decision import Denied, Plan
from shared.risk.policy import Approved, evaluate
from tests.unit.risk.builders import BUY, D, account, context

ENTRY = Leg(0, CommandKind.PLACE, "EURUSD", "EURUSD.x", "EURUSD", side=BUY, qty=D("0.1"), worst_loss=D(1))


def test_a_check_says_yes_no_or_not_asked() -> None:
    """The rule that denies is False and has the reason; one that nobody has set is marked as not asked."""
    answer = evaluate(Plan((ENTRY,)), context(account=account(trading_enabled=False)))
    assert isinstance(answer, Denied)
    failed = [each for each in answer.checks if not each.ok]
    assert [(each.ok, each.reason) for each in failed] == [(False, Reason.ACCOUNT_DISABLED)]
    passed = evaluate(Plan((ENTRY,)), context())
    assert isinstance(passed, Approved)
    assert {each.asked for each in passed.checks} == {True, False}


def test_rules_calculate_exactly() -> None:
    """A size above the maximum by its 34th digit is above it."""
    slightly = replace(ENTRY, qty=D("0.1000000000000000000000000000000001"))
    answer = evaluate(Plan((slightly,)), context(limits=Limits(max_order_qty=D("0.1"))))
    assert isinstance(answer, Denied)
    assert answer.reason is Reason.MAX_ORDER_SIZE


def test_only_a_position_that_shrinks_is_worth_an_exit_alone() -> None:
    """A cancel that came with a refused entry goes with it."""
    cancel = replace(ENTRY, kind=CommandKind.CANCEL, qty=None, side=None, venue_order_id="o1")
    answer = evaluate(Plan((cancel, ENTRY)), context(account=account(trading_enabled=False)))
    assert isinstance(answer, Denied)
    assert answer.reason is Reason.ACCOUNT_DISABLED
