"""What an account can still lose, to the cent: every part of the worst case that the money rules count."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from shared.models.command import Leg, Protection
from shared.models.context import TradingDefaults
from shared.models.enums import CommandKind, MarginMode, OrderStatus, OrderType, Side
from shared.models.trading import Position, WorkingOrder
from shared.risk.open_risk import AtRisk, at_risk
from tests.unit.risk.asking import CANCEL, CLOSE, ENTRY, PROTECT
from tests.unit.risk.builders import (
    BUY,
    EURUSD,
    HEDGING,
    NETTING,
    SELL,
    USDJPY,
    D,
    account,
    context,
    guard,
    limits,
    order,
    position,
    risk_state,
)

LONG = position(BUY, "2", stop_loss=D("1.098"))
"""Two lots from 1.1, worth 1.0999 now: 20 lost already, 400 at the stop, so 380 more."""
SHORT = position(SELL, "2", entry="1.101", stop_loss=D("1.103"))
"""Two lots from 1.101, worth 1.1 now: 200 won, 400 lost at the stop: 600 in all."""
NAKED = replace(LONG, stop_loss=None)
YEN = position(BUY, "0.2", symbol="USDJPY", entry="150", stop_loss=D(149), number=2)
WITH_MARGIN = replace(EURUSD, margin_per_unit=D(3000))
ASSUMED = D(500)
"""5 % of 10,000: what an account allows a trade, where nothing else is known."""


def left(*legs: Leg, mode: MarginMode = HEDGING, **facts: Any) -> AtRisk | None:
    """What is at risk once these legs are done."""
    return at_risk(legs, context(mode, **facts))


def opened(*legs: Leg, **facts: Any) -> Any:
    """What is at risk without the plan's own orders."""
    found = left(*legs, **facts)
    assert found is not None
    return found.open_risk


@pytest.mark.parametrize(
    ("held", "loss"),
    [
        (LONG, "380"),
        (replace(LONG, unrealized_pnl=D(100)), "500"),
        (SHORT, "600"),
        (replace(SHORT, unrealized_pnl=D(50)), "450"),
        (replace(LONG, stop_loss=D("1.1")), "0"),  # above what it is worth: it cannot lose any more
        (NAKED, "500"),
    ],
)
def test_a_position_loses_from_the_equity_of_now_down_to_its_stop(held: Position, loss: str) -> None:
    """What it has won is part of the equity and can be lost, what it has lost is gone already; never less than 0."""
    assert opened(positions=(held,)) == D(loss)
    assert opened(positions=(held, replace(LONG, venue_position_id="p2"))) == D(loss) + 380


def test_what_closing_costs_is_lost_too() -> None:
    """Two lots, 4 ticks of slippage at 2 dollars and a commission of 3 each: 22 beside the 800 of the way."""
    market = replace(EURUSD, tick_value=D(2), commission_per_unit=D(3))
    facts: dict[str, Any] = {"instrument": market, "defaults": TradingDefaults(slippage_ticks=D(4))}
    assert opened(positions=(replace(LONG, unrealized_pnl=D(0)),), **facts) == 822


@pytest.mark.parametrize(
    ("held", "facts", "loss"),
    [
        (LONG, {"quote": None}, ASSUMED),
        (LONG, {"quote": None, "instrument": WITH_MARGIN}, D(6000)),
        (NAKED, {"instrument": WITH_MARGIN}, D(6000)),
        (YEN, {}, ASSUMED),  # nobody says what it is
        (YEN, {"held": {"USDJPY": USDJPY}}, ASSUMED),  # no rate
        (YEN, {"held": {"USDJPY": USDJPY}, "rates": {"JPY": D("0.0067")}}, ASSUMED),  # the quote is another's
        (YEN, {"held": {"USDJPY": replace(USDJPY, margin_per_unit=D(1000))}}, D(200)),
        (
            YEN,
            {"held": {"USDJPY": replace(USDJPY, margin_per_unit=D(1000))}, "rates": {"JPY": D("0.0067")}},
            D(200),
        ),
        (
            replace(YEN, unrealized_pnl=D(0)),
            {"held": {"USDJPY": replace(USDJPY, tick_size=D(0))}, "rates": {"JPY": D("0.0067")}},
            ASSUMED,
        ),
    ],
)
def test_what_cannot_be_measured_counts_its_margin_or_the_ceiling_of_a_trade(
    held: Position, facts: dict[str, Any], loss: Any
) -> None:
    """Without a stop, a price, a rate or an instrument a loss is assumed, never left out."""
    assert opened(positions=(held,), **facts) == loss


@pytest.mark.parametrize(
    "facts",
    [{"account": account(balance=None)}, {"limits": limits(max_risk_per_trade_pct=None)}],
)
def test_what_cannot_even_be_assumed_is_not_known(facts: dict[str, Any]) -> None:
    """No base and no ceiling: None, on which nothing is opened; known losses beside it do not hide that."""
    assert left(positions=(LONG, replace(NAKED, venue_position_id="p2")), **facts) is None
    assert left(replace(ENTRY, worst_loss=None), **facts) is None


@pytest.mark.parametrize(
    ("qty", "closes", "loss"),
    [
        ("2", [None], "0"),
        ("2", ["2"], "0"),
        ("2", ["0.5"], "270"),  # 1.5 lots: 300 at the stop, 30 of the 40 lost already
        ("2", ["0.5", "1"], "90"),
        ("2", ["1.5", "1"], "0"),
        ("1", ["0.4"], "96"),  # 0.6 lots: 120 at the stop, 24 of the 40
    ],
)
def test_what_a_plan_closes_is_no_risk_any_more(qty: str, closes: list[str | None], loss: str) -> None:
    """A part takes its part of the loss of now with it; on netting by the symbol, on hedging by the position's name."""
    held = replace(LONG, qty=D(qty), unrealized_pnl=D(-40))
    other = replace(LONG, venue_position_id="p2", symbol="EURUSDX", unrealized_pnl=D(0))
    parts = [replace(CLOSE, qty=None if each is None else D(each)) for each in closes]
    named = [replace(each, venue_position_id="p1", symbol="?") for each in parts]
    for legs in (parts, named):
        assert opened(*legs, positions=(held, other)) == D(loss) + 400


def test_a_part_of_what_nobody_valued_is_valued_at_the_quote() -> None:
    """1.5 lots, 15 lost already of the 300; and a naked position that is closed to the last lot counts nothing."""
    assert opened(replace(CLOSE, qty=D("0.5")), positions=(LONG,)) == 285
    assert opened(replace(CLOSE, qty=D(2)), positions=(NAKED,)) == 0
    assert opened(replace(CLOSE, qty=D("0.5")), positions=(NAKED,), instrument=WITH_MARGIN) == 4500


def test_a_stop_that_the_plan_moves_counts_as_its_order() -> None:
    """Wider: the way to the new stop, as this order. Removed: as without one. Nearer: no order, the old stop counts."""
    wider = replace(PROTECT, protection=Protection(stop_loss=D("1.097")), worst_loss=None)
    assert left(wider, positions=(LONG,)) == AtRisk(D(0), D(580))
    removed = replace(wider, protection=Protection(clear_stop_loss=True))
    assert left(removed, positions=(LONG,)) == AtRisk(D(0), ASSUMED)
    nearer = replace(wider, adds_risk=False, protection=Protection(stop_loss=D("1.099")))
    assert left(nearer, ENTRY, positions=(LONG,)) == AtRisk(D(380), D(100))
    target = replace(wider, protection=Protection(take_profit=D("1.2")))
    assert left(target, positions=(LONG,)) == AtRisk(D(0), D(380))
    changed = replace(ENTRY, kind=CommandKind.MODIFY, adds_risk=True, venue_position_id="p1")
    assert left(changed, positions=(LONG,)) == AtRisk(D(380), D(100))


def stops(side: Side, *made: tuple[str, str, str], **changes: Any) -> tuple[WorkingOrder, ...]:
    """Stops that are orders of their own: price, quantity, and how much of it is filled."""
    held = replace(NAKED, side=side)
    return tuple(
        guard(held, OrderType.STOP, number, stop_price=D(price), qty=D(qty), filled_qty=D(filled), **changes)
        for number, (price, qty, filled) in enumerate(made)
    )


@pytest.mark.parametrize(
    ("side", "made", "loss"),
    [
        (BUY, [("1.098", "2", "0")], "400"),
        (BUY, [("1.098", "1", "0"), ("1.097", "1", "0")], "600"),
        (BUY, [("1.097", "1", "0"), ("1.098", "1", "0")], "600"),
        (SELL, [("1.102", "1", "0"), ("1.103", "1", "0")], "600"),
        (SELL, [("1.103", "1", "0"), ("1.102", "1", "0")], "600"),
        (BUY, [("1.098", "1.99", "0")], "500"),
        (BUY, [("1.098", "3", "1.01")], "500"),
        (BUY, [("1.098", "3", "1")], "400"),
        (BUY, [], "500"),
    ],
)
def test_stops_that_are_orders_cover_all_of_it_or_count_for_nothing(
    side: Side, made: list[tuple[str, str, str]], loss: str
) -> None:
    """The furthest of them is where all of the position ends; what is filled covers nothing any more."""
    held = replace(NAKED, side=side, unrealized_pnl=D(0))
    for mode in (HEDGING, NETTING):
        assert opened(mode=mode, positions=(held,), orders=stops(side, *made)) == D(loss)


@pytest.mark.parametrize(
    "changes",
    [
        {"reduce_only": False},
        {"type": OrderType.LIMIT},
        {"stop_price": None},
        {"status": OrderStatus.CANCELED},
    ],
)
def test_only_a_live_stop_that_reduces_covers(changes: dict[str, Any]) -> None:
    """An entry, a target, a stop without a price and one that is gone protect nothing."""
    [plain] = stops(BUY, ("1.098", "2", "0"), id=5)
    held = replace(NAKED, unrealized_pnl=D(0))
    assert opened(positions=(held,), orders=(plain,)) == 400
    assert opened(positions=(held,), orders=(replace(plain, **changes),)) == ASSUMED


def adding(price: str | None, side: Side = BUY, **changes: Any) -> Leg:
    """An order whose protection has this stop."""
    stop = Protection(stop_loss=None if price is None else D(price))
    return replace(ENTRY, side=side, protection=stop, **changes)


@pytest.mark.parametrize(
    ("side", "legs", "loss"),
    [
        (BUY, [adding("1.097")], "600"),
        (BUY, [adding("1.099")], "400"),
        (BUY, [adding(None), adding("1.097"), adding("1.0975")], "600"),
        (SELL, [adding("1.103", SELL)], "600"),
        (SELL, [adding("1.101", SELL)], "400"),
        (BUY, [adding("1.097", SELL)], "400"),
        (BUY, [adding("1.097", symbol="XAUUSD")], "400"),
        (BUY, [adding("1.097", reduce_only=True)], "400"),
        (SELL, [adding(None, BUY)], "400"),
    ],
)
def test_on_netting_what_adds_brings_its_stop_for_all_of_it(side: Side, legs: list[Leg], loss: str) -> None:
    """The further one counts; an order of the other side, of another symbol or that reduces brings none."""
    price = D("1.098") if side is BUY else D("1.102")
    held = replace(LONG, side=side, stop_loss=price, unrealized_pnl=D(0))
    assert opened(*legs, mode=NETTING, positions=(held,)) == D(loss)
    assert opened(*legs, mode=HEDGING, positions=(held,)) == 400


def test_entries_that_were_placed_elsewhere_count_without_a_stop() -> None:
    """What is not filled yet, unless the plan cancels it; our own are in what is in flight."""
    foreign = order(BUY, "2", id=None, filled_qty=D("0.5"))
    own = order(BUY, "1", number=2)
    facts: dict[str, Any] = {"orders": (foreign, own), "instrument": WITH_MARGIN}
    assert opened(**facts) == 4500
    assert opened(CANCEL, **facts) == 0
    assert opened(replace(ENTRY, venue_order_id="o1"), **facts) == 4500
    assert opened(risk=risk_state(in_flight_loss=D(70)), **facts) == 4570


@pytest.mark.parametrize(
    ("changes", "loss"),
    [
        ({}, "100"),
        ({"worst_loss": None}, "1500"),
        ({"worst_loss": None, "qty": None, "held_qty": D(3)}, "9000"),
        ({"worst_loss": None, "qty": None}, "0"),
        ({"kind": CommandKind.MODIFY, "adds_risk": True, "worst_loss": D(70)}, "70"),
        ({"reduce_only": True}, "0"),
    ],
)
def test_what_the_plan_itself_may_lose(changes: dict[str, Any], loss: str) -> None:
    """Its stated loss, else the margin of its quantity; orders that only reduce lose nothing."""
    found = left(replace(ENTRY, **changes), instrument=WITH_MARGIN)
    assert found == AtRisk(D(0), D(loss))
    assert left(ENTRY, replace(ENTRY, **changes), instrument=WITH_MARGIN) == AtRisk(D(0), D(loss) + 100)
