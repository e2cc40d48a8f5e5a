"""modify: what it changes, what it leaves alone, and when it counts as an entry."""

from typing import Any

import pytest
from msgspec.structs import replace

from shared.models.command import Leg
from shared.models.enums import Action, CommandKind, OrderType, QtyMode, StopMode
from shared.models.reasons import Reason
from shared.models.signal import Signal, StopSpec
from shared.risk.actions import plan
from shared.risk.decision import Denied, Plan, Skipped
from shared.risk.policy import evaluate
from tests.unit.risk.builders import (
    BUY,
    HEDGING,
    NETTING,
    SELL,
    D,
    account,
    context,
    limits,
    order,
    position,
    signal,
    stop,
)

LONG = position(BUY, "1", entry="1.09000", stop_loss=D("1.08000"), take_profit=D("1.12000"))


def change(ask: Signal, **about: Any) -> Leg:
    answer = plan(ask, context(NETTING, positions=(LONG,), **about))
    assert isinstance(answer, Plan), answer
    assert len(answer.legs) == 1
    return answer.legs[0]


def modify(sl: StopSpec | None = None, tp: StopSpec | None = None, **changes: Any) -> Signal:
    return signal(Action.MODIFY, sl=sl, tp=None if tp is None else (tp,), **changes)


def test_a_tighter_stop() -> None:
    """A stop nearer to the market is set for the position and never refused by a limit."""
    leg = change(modify(stop(StopMode.PRICE, "1.08500")))
    assert (leg.kind, leg.venue_position_id, leg.side) == (CommandKind.PROTECT, "p1", BUY)
    assert (leg.protection.stop_loss, leg.protection.take_profit) == (D("1.08500"), None)
    assert not leg.adds_risk
    locked = context(NETTING, positions=(LONG,), trading_halted=True)
    answer = plan(modify(stop(StopMode.PRICE, "1.08500")), locked)
    assert isinstance(answer, Plan)
    assert not isinstance(evaluate(answer, locked), Denied)


@pytest.mark.parametrize("sl", [stop(StopMode.PRICE, "1.07000"), stop(StopMode.NONE)])
def test_widening_or_removing_counts_as_an_entry(sl: StopSpec) -> None:
    """A stop widened or removed is more risk: what refuses an entry refuses it too."""
    leg = change(modify(sl))
    assert leg.adds_risk
    assert leg.is_limited
    assert not leg.is_entry
    halted = context(NETTING, positions=(LONG,), trading_halted=True)
    answer = plan(modify(sl), halted)
    assert isinstance(answer, Plan)
    refused = evaluate(answer, halted)
    assert isinstance(refused, Denied)
    assert refused.reason is Reason.KILL_SWITCH


def test_none_removes() -> None:
    """`none` removes a stop or target; absent leaves it; removing the stop is refused where one is
    required.
    """
    leg = change(modify(stop(StopMode.NONE), stop(StopMode.NONE)))
    assert (leg.protection.clear_stop_loss, leg.protection.clear_take_profit) == (True, True)
    demanding = context(NETTING, positions=(LONG,), limits=limits(stop_required=True))
    answer = plan(modify(stop(StopMode.NONE)), demanding)
    assert isinstance(answer, Plan)
    refused = evaluate(answer, demanding)
    assert isinstance(refused, Denied)
    assert refused.reason is Reason.STOP_REQUIRED


def test_distances_count_from_the_fill() -> None:
    """offset, pips and rr of an open position count from its entry price; offset 0 is break-even."""
    assert change(modify(stop(StopMode.OFFSET, "0"))).protection.stop_loss == D("1.09000")
    assert change(modify(stop(StopMode.PIPS, "40"))).protection.stop_loss == D("1.08600")
    assert change(modify(tp=stop(StopMode.RR, "2"))).protection.take_profit == D("1.11000")
    assert change(modify(stop(StopMode.USD, "500"))).protection.stop_loss == D("1.08500")


def test_worst_loss_of_a_moved_stop() -> None:
    """A widened stop is measured from the entry price: 2,000 ticks x 1 USD; past break-even nothing is at
    risk.
    """
    assert change(modify(stop(StopMode.PRICE, "1.07000"))).worst_loss == D(2000)
    assert change(modify(stop(StopMode.PRICE, "1.09500"))).worst_loss == D(0)


def test_a_stop_the_market_has_passed() -> None:
    """A stop at or beyond the market is refused; without a quote the broker judges it."""
    ask = modify(stop(StopMode.PRICE, "1.10500"))
    answer = plan(ask, context(NETTING, positions=(LONG,)))
    assert isinstance(answer, Denied)
    assert answer.reason is Reason.STOP_PASSED
    blind = plan(ask, context(NETTING, positions=(LONG,), quote=None))
    assert isinstance(blind, Plan)
    assert "no quote" in blind.notes[-1].text


@pytest.mark.parametrize("ask", [modify(), modify(stop(StopMode.PRICE, "1.08000"))])
def test_nothing_to_modify(ask: Signal) -> None:
    """A change that changes nothing is skipped."""
    answer = plan(ask, context(NETTING, positions=(LONG,)))
    assert isinstance(answer, Skipped)
    assert answer.reason is Reason.NOTHING_TO_MODIFY


def test_every_position_of_scope() -> None:
    """On hedging every position in scope gets the change."""
    second = replace(LONG, venue_position_id="p2", id=2)
    answer = plan(modify(stop(StopMode.PRICE, "1.085")), context(HEDGING, positions=(LONG, second)))
    assert isinstance(answer, Plan)
    assert [leg.venue_position_id for leg in answer.legs] == ["p1", "p2"]


def test_one_pending_entry_exactly() -> None:
    """Flat, modify means the one pending entry; none or two are ambiguous unless order_id names one."""
    ask = modify(price=D("1.085009"))
    for orders in ((), (order(number=1), order(number=2))):
        answer = plan(ask, context(HEDGING, orders=orders))
        assert isinstance(answer, Denied)
        assert (answer.reason, answer.numbers["pending_entries"]) == (Reason.AMBIGUOUS, str(len(orders)))
    two = context(HEDGING, orders=(order(number=1), order(number=2)))
    answer = plan(modify(price=D("1.085009"), order_id="o2"), two)
    assert isinstance(answer, Plan)
    (leg,) = answer.legs
    assert (leg.kind, leg.venue_order_id, leg.price, leg.qty) == (
        CommandKind.MODIFY,
        "o2",
        D("1.08500"),
        None,
    )
    assert leg.is_limited


def test_protection_and_size_of_a_pending_entry() -> None:
    """A pending entry's stop counts from its price, and a new size from that stop."""
    ctx = context(HEDGING, orders=(order(BUY, "1"),))
    ask = signal(Action.MODIFY, None, "1", mode=QtyMode.RISK_PCT, sl=stop(StopMode.PIPS, "50"))
    answer = plan(ask, ctx)
    assert isinstance(answer, Plan)
    (leg,) = answer.legs
    assert (leg.qty, leg.protection.stop_loss, leg.worst_loss) == (D("0.20"), D("1.08500"), D(100))
    wrong = plan(modify(stop(StopMode.PRICE, "1.095")), ctx)
    assert isinstance(wrong, Denied)
    assert wrong.reason is Reason.STOP_WRONG_SIDE


def test_a_pending_stop_entry() -> None:
    """A stop entry moves by stop_price; a price it does not have is ignored and noted."""
    pending = order(SELL, type_=OrderType.STOP)
    answer = plan(modify(stop_price=D("1.080001"), price=D(1)), context(HEDGING, orders=(pending,)))
    assert isinstance(answer, Plan)
    assert (answer.legs[0].stop_price, answer.legs[0].price) == (D("1.08000"), None)
    assert dict(answer.notes[0].numbers) == {"price": "1"}


def test_a_locked_account_keeps_its_pending_entries() -> None:
    """Changing a pending entry counts as an entry: not on an account that is switched off."""
    ctx = context(HEDGING, orders=(order(),), account=account(trading_enabled=False))
    answer = plan(modify(price=D("1.085")), ctx)
    assert isinstance(answer, Plan)
    refused = evaluate(answer, ctx)
    assert isinstance(refused, Denied)
    assert refused.reason is Reason.ACCOUNT_DISABLED
