"""Exits of an entry that was filled after its own answer: measured again from its average, once for each."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from shared.models.enums import Action, CommandState, DeliveryOutcome, OrderStatus, StopMode
from shared.models.guard import CLOSE, MOVE, Anchored, Asked, Guard
from shared.models.market import Quote
from shared.models.reasons import Reason
from shared.risk.actions import plan
from shared.risk.decision import Plan, Skipped
from shared.risk.guarding import Look, look
from shared.risk.levels import Market
from shared.risk.policy import Approved, evaluate
from shared.risk.reanchoring import is_due, measured
from tests.unit.risk.builders import BUY, EURUSD, HEDGING, NOW, SELL, D, context, position, signal, stop

ANCHOR = Anchored(
    sl=stop(StopMode.PIPS, "50"), tp=stop(StopMode.RR, "2"), stop=D("1.09500"), target=D("1.11000"), is_first=True
)  # fmt: skip
GUARD = Guard(
    id=1, version=1, side=BUY, symbol="EURUSD", root="EURUSD", command_state=CommandState.ACCEPTED, order_id=7,
    order_status=OrderStatus.FILLED, qty=D(1), entered_at=NOW, position_id="p1", row_opened_at=NOW, row_open=True,
    anchor=ANCHOR, entry_price=D("1.10030"),
)  # fmt: skip
HELD = position(BUY, "1", entry="1.10030", stop_loss=D("1.09500"), take_profit=D("1.11000"))


def seen(guard: Guard = GUARD, held: Any = HELD, bid: str = "1.10040", **instrument: Any) -> Look:
    """One read of the position at this price."""
    quote = Quote("EURUSD", D(bid), D(bid) + D("0.0001"), NOW)
    market = Market(quote, replace(EURUSD, **instrument))
    return measured(look(guard, held, market, NOW), guard, held, market, NOW)


def after(
    told: Look, outcome: DeliveryOutcome = DeliveryOutcome.EXECUTED, reason: Reason | None = None
) -> Guard:
    """The guard when what it asked for has this outcome."""
    then = NOW - timedelta(seconds=1)
    return replace(told.guard, asked=Asked(MOVE, then, outcome, reason, then))


def test_both_go_where_the_average_says() -> None:
    """3 pips worse: both 3 pips further, in one change, and then that is all. Nothing before anything is filled."""
    told = seen()
    assert told.act is not None
    assert (told.act.kind, told.act.stop, told.act.target) == (MOVE, D("1.09530"), D("1.11030"))
    assert told.act.told == (
        "1 of EURUSD is filled at 1.1003 on average: its stop goes to 1.0953 and its target goes to 1.1103, as far from "
        "there as was asked for."
    )
    done = replace(HELD, stop_loss=D("1.09530"), take_profit=D("1.11030"))
    assert seen(after(told), done).ended == "its exits stand where its fill says"
    assert not is_due(replace(GUARD, qty=D(0)))
    assert seen(replace(GUARD, asked=Asked(MOVE, NOW))).act is None, "one at a time"


def test_better_is_as_far_as_worse() -> None:
    """Filled better than asked for, the stop goes further away: the distance is what was approved."""
    told = seen(replace(GUARD, entry_price=D("1.09980")))
    assert told.act is not None
    assert told.act.stop == D("1.09480")


def test_a_short_is_its_mirror() -> None:
    """Its stop is above, its target below."""
    anchor = replace(ANCHOR, stop=D("1.10500"), target=D("1.09000"))
    held = position(SELL, "1", entry="1.09970", stop_loss=D("1.10500"), take_profit=D("1.09000"))
    told = seen(replace(GUARD, side=SELL, anchor=anchor, entry_price=D("1.09970")), held)
    assert told.act is not None
    assert (told.act.stop, told.act.target) == (D("1.10470"), D("1.08970"))


def test_further_parts_are_measured_again() -> None:
    """While its order fills on it is kept; another average moves both again, from where we have set them."""
    working = replace(GUARD, order_status=OrderStatus.PARTIALLY_FILLED, qty=D("0.5"))
    held = replace(HELD, qty=D("0.5"), stop_loss=D("1.09530"), take_profit=D("1.11030"))
    first = seen(working, held)
    assert (first.act, first.ended) == (None, None)
    assert first.guard.anchor is not None
    assert (first.guard.anchor.price, first.guard.anchor.stop) == (D("1.10030"), D("1.09530"))
    assert seen(first.guard, held).guard == first.guard
    more = replace(first.guard, order_status=OrderStatus.FILLED, qty=D(1), entry_price=D("1.10020"))
    told = seen(more, replace(held, qty=D(1)))
    assert told.act is not None
    assert told.act.stop == D("1.09520")


def test_who_has_moved_it_since_has_the_last_word() -> None:
    """By hand, by a trail or by a change: a stop that is not where our last word had it stays, and so does a target."""
    later = replace(GUARD, anchor=replace(ANCHOR, is_first=False))
    told = seen(later, replace(HELD, stop_loss=D("1.09700")))
    assert told.act is not None
    assert (told.act.stop, told.act.target) == (None, D("1.10690"))
    told = seen(later, replace(HELD, take_profit=D("1.12000")))
    assert told.act is not None
    assert (told.act.stop, told.act.target) == (D("1.09530"), None)
    others = replace(HELD, qty=D(3), stop_loss=D("1.09700"), take_profit=D("1.12000"))
    assert seen(GUARD, others).ended is not None, "of a net position others have their part, too"


def test_a_level_that_the_market_has_passed() -> None:
    """A stop that belongs nearer than the market is now would have closed it. A passed target is left where it stands."""
    told = seen(bid="1.09520")
    assert told.act is not None
    assert told.act.kind == CLOSE
    refused = seen(after(seen(), DeliveryOutcome.DENIED, Reason.STOP_PASSED))
    assert refused.act is None, "after a pause"
    late = replace(after(seen(), DeliveryOutcome.DENIED, Reason.STOP_PASSED))
    asked = late.asked
    assert asked is not None
    late = replace(late, asked=replace(asked, ended_at=NOW - timedelta(seconds=9)))
    again = seen(late)
    assert again.act is not None
    assert again.act.kind == CLOSE
    told = seen(bid="1.11040")
    assert told.act is not None
    assert (told.act.stop, told.act.target) == (D("1.09530"), None)


@pytest.mark.parametrize("stands", [None, D("1.09500"), D("1.09600")])
def test_the_plan_moves_it_only_where_it_still_stands(stands: D | None) -> None:
    """A change of ours that names position and entry may loosen a stop, counts as no entry, and yields to one that came
    between: the stop that it replaces has to stand still."""
    ctx = context(HEDGING, positions=(replace(HELD, stop_loss=stands),), trading_halted=True)
    asked = signal(
        Action.MODIFY, sl=stop(StopMode.PRICE, "1.09480"), stop_price=D("1.09500"), order_id="7", position_id="p1",
        tightens=True,
    )  # fmt: skip
    found = plan(asked, ctx)
    if stands == D("1.09600"):
        assert isinstance(found, Skipped)
        return
    assert isinstance(found, Plan)
    assert isinstance(evaluate(found, ctx), Approved)
    assert [each.protection.stop_loss for each in found.legs] == [D("1.09480")]
    assert [(each.tightens, each.replaces) for each in found.legs] == [(False, stands)]
