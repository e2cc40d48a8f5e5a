"""Several targets that cannot all stand at the broker at once: which legs and which ladder an alert becomes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from shared.models.command import Leg
from shared.models.context import ExitTerms, RiskContext
from shared.models.enums import Action, CommandKind, OrderType, Side, StopMode
from shared.models.ladder import Ladder, Rung
from shared.models.reasons import Reason
from shared.models.signal import StopSpec
from shared.risk.actions import plan
from shared.risk.decision import Denied, Plan
from shared.risk.grid import shown
from shared.risk.reasons import sentence
from tests.unit.risk.builders import (
    BUY,
    HEDGING,
    MNQ,
    NETTING,
    SELL,
    D,
    context,
    guard,
    order,
    position,
    signal,
    stop,
)

ONE_TARGET = ExitTerms(limit_exits=False)
"""A broker that holds one target of a position."""
NO_PARTS = ExitTerms(limit_exits=False, partial_close=False)
THREE = (stop(StopMode.RR, "1", "0.34"), stop(StopMode.RR, "2", "0.33"), stop(StopMode.RR, "3", "0.33"))
TWO = (stop(StopMode.PRICE, "1.11", "0.5"), stop(StopMode.PRICE, "1.12", "0.5"))
LONG = position(BUY, "1", entry="1.10000", stop_loss=D("1.09500"), take_profit=D("1.13000"))


def legs(
    ctx: RiskContext, action: Action = Action.OPEN, side: Side | None = BUY, **changes: Any
) -> list[Leg]:
    """The legs that the alert becomes."""
    answer = plan(signal(action, side, changes.pop("qty", None), **changes), ctx)
    assert isinstance(answer, Plan), answer
    return list(answer.legs)


def denied(ctx: RiskContext, action: Action = Action.MODIFY, **changes: Any) -> str:
    """The sentence of the denial."""
    answer = plan(signal(action, **changes), ctx)
    assert isinstance(answer, Denied), answer
    assert answer.reason is Reason.NOT_SUPPORTED
    return sentence(answer.reason, answer.numbers)


def rungs(leg: Leg) -> list[tuple[str, str]]:
    """Quantity and value of each rung."""
    assert leg.ladder is not None
    return [(shown(each.qty), shown(each.spec.value or D(0))) for each in leg.ladder.rungs]


def test_a_waiting_entry_on_netting_takes_a_ladder_along() -> None:
    """One order with one stop for all of it; the targets go to the broker as it is filled, as distances from its fill."""
    (leg,) = legs(
        context(NETTING),
        qty="1",
        type=OrderType.LIMIT,
        price=D("1.09"),
        sl=stop(StopMode.PIPS, "50"),
        tp=THREE,
    )
    assert (leg.kind, leg.type, leg.qty) == (CommandKind.PLACE, OrderType.LIMIT, D(1))
    assert (leg.protection.stop_loss, leg.protection.take_profit) == (D("1.085"), None)
    assert leg.worst_loss == D(500)
    assert leg.ladder is not None
    assert (leg.ladder.at_broker, leg.ladder.whole, leg.ladder.stop) == (True, True, None)
    assert {each.spec.mode for each in leg.ladder.rungs} == {StopMode.OFFSET}
    assert rungs(leg) == [("0.34", "0.005"), ("0.33", "0.01"), ("0.33", "0.015")]


def test_multiples_of_a_stop_that_is_a_price_stay_multiples() -> None:
    """The distance to such a stop is known when the entry is filled, and the targets count from it."""
    sl = stop(StopMode.PRICE, "1.085")
    (leg,) = legs(context(NETTING), qty="1", type=OrderType.LIMIT, price=D("1.09"), sl=sl, tp=THREE)
    assert leg.ladder is not None
    assert leg.ladder.stop == D("1.085")
    assert leg.ladder.rungs[1] == Rung(D("0.33"), StopSpec(StopMode.RR, D(2)))


def test_the_broker_holds_the_farthest_where_it_holds_one() -> None:
    """A net position at a broker without limit exits: one entry with the farthest target, the nearer ones are ours."""
    sl = stop(StopMode.PIPS, "50")
    for changes in ({}, {"type": OrderType.LIMIT, "price": D("1.10000")}):
        (leg,) = legs(context(NETTING, exits=ONE_TARGET), qty="1", sl=sl, tp=THREE, **changes)
        assert (leg.protection.stop_loss, leg.protection.take_profit) == (D("1.095"), D("1.115"))
        assert leg.ladder is not None
        assert not leg.ladder.at_broker
        assert rungs(leg) == [("0.34", "0.005"), ("0.33", "0.01")]
        assert leg.tp == THREE[2], "it is anchored to the fill like the target of any entry"


def test_a_rest_that_runs_has_no_target_at_the_broker() -> None:
    """A target there would close it, too: then every target is ours."""
    part = (stop(StopMode.PRICE, "1.11", "0.5"),)
    (leg,) = legs(context(NETTING, exits=ONE_TARGET), qty="1", sl=stop(StopMode.PIPS, "50"), tp=part)
    assert leg.protection.take_profit is None
    assert rungs(leg) == [("0.5", "1.11")]


def test_a_market_entry_with_limit_exits_is_as_it_was() -> None:
    """Entry and exits are one plan: the exits go out as soon as it is filled."""
    made = legs(context(NETTING), qty="1", sl=stop(StopMode.PIPS, "50"), tp=TWO)
    assert [(each.qty, each.reduce_only, each.ladder) for each in made] == [
        (D(1), False, None),
        (D("0.5"), True, None),
        (D("0.5"), True, None),
    ]


def test_targets_of_an_open_net_position_replace_what_it_has() -> None:
    """Old limit exits and the position's own target go; then there are as many limit orders as targets, for all of it."""
    old = (guard(LONG, OrderType.LIMIT, 7, qty=D("0.5")), guard(LONG, OrderType.STOP, 8))
    terms = ExitTerms(stop_orders=False)
    cancel, protect, *exits = legs(
        context(NETTING, positions=(LONG,), orders=old, exits=terms), Action.MODIFY, None, tp=TWO
    )
    assert (cancel.kind, cancel.venue_order_id) == (CommandKind.CANCEL, "o7")
    assert (protect.kind, protect.protection.clear_take_profit) == (CommandKind.PROTECT, True)
    assert protect.protection.stop_loss is None
    assert [(each.side, each.type, each.qty, each.price) for each in exits] == [
        (SELL, OrderType.LIMIT, D("0.50"), D("1.11")),
        (SELL, OrderType.LIMIT, D("0.50"), D("1.12")),
    ]
    assert all(each.reduce_only and each.after_fill and not each.is_limited for each in exits)


def test_where_targets_are_orders_one_change_clears_them() -> None:
    """There the broker's adapter removes every limit exit of the position, and sees to its stop while it does."""
    old = (guard(LONG, OrderType.LIMIT, 7, qty=D("0.5")),)
    held = replace(LONG, take_profit=None)
    kinds = [
        each.kind
        for each in legs(context(NETTING, positions=(held,), orders=old), Action.MODIFY, None, tp=TWO)
    ]
    assert kinds == [CommandKind.PROTECT, CommandKind.PLACE, CommandKind.PLACE]


def test_targets_of_hedged_positions_are_shared_out() -> None:
    """Portions count of all there is, the oldest position first; each position's farthest target is the broker's."""
    second = replace(LONG, venue_position_id="p2", id=2, qty=D(3), opened_at=None, take_profit=None)
    ctx = context(HEDGING, positions=(LONG, second), exits=ONE_TARGET)
    tp = (stop(StopMode.PRICE, "1.11", "0.5"), stop(StopMode.PRICE, "1.12", "0.5"))
    first, later = legs(ctx, Action.MODIFY, None, tp=tp)
    assert (first.protection.take_profit, first.ladder) == (D("1.11"), Ladder((), at_broker=False))
    assert (later.protection.take_profit, rungs(later)) == (D("1.12"), [("1", "1.11")])


def test_one_target_ends_those_that_are_ours() -> None:
    """So does none: what was said last counts. Where the targets are orders at the broker nothing of ours is left."""
    for tp in (stop(StopMode.PRICE, "1.11"), stop(StopMode.NONE), stop(StopMode.PRICE, "1.13")):
        (leg,) = legs(context(HEDGING, positions=(LONG,), exits=ONE_TARGET), Action.MODIFY, None, tp=(tp,))
        assert leg.ladder == Ladder((), at_broker=False)
    assert leg.asks_nothing, "its target is there already: only ours are ended"
    (leg,) = legs(
        context(NETTING, positions=(LONG,)), Action.MODIFY, None, tp=(stop(StopMode.PRICE, "1.11"),)
    )
    assert leg.ladder is None


@pytest.mark.parametrize("known", [True, False])
def test_targets_of_an_entry_that_waits(known: bool) -> None:
    """They count for what it still fills. A target that it takes along goes; one we know it has not is left alone."""
    waits = order(BUY, "3", filled_qty=D(1), take_profit=D("1.12") if known else None)
    ctx = context(NETTING, orders=(waits,))
    (leg,) = legs(ctx, Action.MODIFY, None, order_id="o1", tp=TWO)
    assert leg.kind is CommandKind.MODIFY
    assert leg.protection.clear_take_profit is known
    assert leg.asks_nothing is not known
    assert leg.ladder is not None
    assert (leg.ladder.after, leg.ladder.at_broker) == (D(1), True)
    assert rungs(leg) == [("1", "1.11"), ("1", "1.12")]


def test_an_entry_that_waits_holds_the_farthest_itself() -> None:
    """On a hedging account one order stays one order: it takes the farthest target along."""
    ctx = context(HEDGING, orders=(order(BUY, "1"),), exits=ONE_TARGET)
    (leg,) = legs(ctx, Action.MODIFY, None, order_id="o1", tp=TWO)
    assert (leg.protection.take_profit, rungs(leg)) == (D("1.12"), [("0.5", "1.11")])


def test_what_no_broker_could_do_says_what_to_do() -> None:
    """A position that can be closed as a whole only, and the part of one that a tag holds."""
    ctx = context(HEDGING, positions=(LONG,), exits=NO_PARTS)
    assert denied(ctx, tp=TWO) == (
        "This is not supported: 2 targets on one position, which this broker closes as a whole only; give it one target. Change the alert."
    )
    tagged = context(NETTING, positions=(LONG,), tag_qty=D("0.5"))
    assert denied(tagged, tp=TWO, tag="a") == (
        "This is not supported: several targets for the part of a position that a tag holds; leave out the tag. Change the alert."
    )
    sized = {"qty": "1", "mode": "risk_pct", "sl": stop(StopMode.USD, "100")}
    told = denied(context(HEDGING), Action.OPEN, side=BUY, **sized)
    assert told == (
        "This is not supported: size in risk_pct with a stop in usd; give the stop as a price or a distance, or the size "
        "as a quantity. Change the alert."
    )


@settings(max_examples=100)
@given(
    qty=st.integers(1, 40),
    cuts=st.lists(st.integers(1, 200), min_size=2, max_size=5),
    exits=st.sampled_from((ExitTerms(), ONE_TARGET)),
)
def test_a_ladder_is_never_for_more_than_its_entry(qty: int, cuts: list[int], exits: ExitTerms) -> None:
    """Its rungs are whole steps, nearest first, and with the part that the broker's own target takes at most the entry."""
    tp = tuple(stop(StopMode.TICKS, str(10 * (n + 1)), f"0.{cut:03}") for n, cut in enumerate(cuts))
    made = legs(
        context(NETTING, instrument=MNQ, exits=exits), qty=str(qty), mode="contracts", symbol="MNQ",
        type=OrderType.LIMIT, price=D("19990"), sl=stop(StopMode.TICKS, "40"), tp=tp,
    )  # fmt: skip
    (leg,) = made
    mine = () if leg.ladder is None else leg.ladder.rungs
    assert sum(each.qty for each in mine) <= qty
    assert all(each.qty > 0 and each.qty % 1 == 0 for each in mine)
    assert [each.spec.value for each in mine] == sorted(each.spec.value or D(0) for each in mine)
