"""What an account holds once a plan is done, and the margin of it: every quantity that limits on size look at."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from shared.models.command import Leg
from shared.models.context import InFlight, RiskContext
from shared.models.enums import CommandKind, OrderStatus, OrderType
from shared.models.reasons import Reason
from shared.risk.book import Held, book_after, sizes
from shared.risk.decision import Denied
from shared.risk.margin import last_price, margin_after, margin_of
from tests.unit.risk.asking import CANCEL, CLOSE, ENTRY, PROTECT
from tests.unit.risk.builders import (
    BUY,
    EURUSD,
    HEDGING,
    NETTING,
    SELL,
    USDJPY,
    XAUUSD,
    D,
    context,
    guard,
    order,
    position,
    risk_state,
)

CHANGE = replace(ENTRY, kind=CommandKind.MODIFY, adds_risk=True, venue_order_id="o1", qty=D(3))
WITH_MARGIN = replace(EURUSD, margin_per_unit=D(3000))


def book(*legs: Leg, **facts: Any) -> dict[str, Held]:
    """What is held by root."""
    return dict(book_after(legs, context(**facts)))


def held(**quantities: str) -> Held:
    return Held(**{name: D(each) for name, each in quantities.items()})


def test_the_most_that_a_root_can_become() -> None:
    """Net of both sides on netting, the larger side on hedging; what is pending may fill on one side alone."""
    made = Held()
    for side, qty in ((BUY, 1), (BUY, 2), (SELL, D("0.5")), (SELL, D("0.5"))):
        made.hold(side, D(qty))
        made.wait(side.opposite, D(qty))
    assert made == held(long="3", short="1", buys="1", sells="3")
    assert [made.worst(mode) for mode in (NETTING, HEDGING)] == [3, 4]
    assert held(long="3", short="1", buys="2", sells="5").worst(NETTING) == 4
    assert held(long="1", sells="5").worst(NETTING) == 4
    assert held(long="3", short="1", buys="2", sells="5").worst(HEDGING) == 6


@pytest.mark.parametrize(
    ("legs", "long"),
    [
        ([], "2"),
        ([CLOSE], None),
        ([replace(CLOSE, qty=D("0.5"))], "1.5"),
        ([replace(CLOSE, qty=D("0.5")), replace(CLOSE, qty=D("0.5"))], "1"),
        ([CANCEL, replace(CLOSE, qty=D("0.5"))], "1.5"),
        ([replace(CLOSE, qty=D(3))], None),
        ([replace(CLOSE, symbol="?", venue_position_id="p1")], None),
        ([replace(CLOSE, venue_position_id="p2")], "2"),
        ([replace(CLOSE, symbol="?")], "2"),
        ([replace(CLOSE, side=SELL, qty=D("0.5"))], "1.5"),
    ],
)
def test_what_a_plan_closes_is_not_held_any_more(legs: list[Leg], long: str | None) -> None:
    """A close names a position, or means its symbol; nothing of it is left on the other side."""
    assert book(*legs, positions=(position(BUY, "2"),)) == (
        {} if long is None else {"EURUSD": held(long=long)}
    )


def test_what_a_plan_opens_waits() -> None:
    """Entries, and pending ones that it changes; a change of protection holds nothing."""
    assert book(ENTRY) == {"EURUSD": held(buys="0.5")}
    assert book(ENTRY, CHANGE) == {"EURUSD": held(buys="3.5")}
    assert book(replace(CHANGE, adds_risk=False), PROTECT) == {}
    assert book(replace(ENTRY, side=None)) == {}
    assert (sizes([PROTECT, CLOSE]), sizes([PROTECT, ENTRY]), sizes([CHANGE])) == (False, True, True)
    assert not sizes([replace(CHANGE, adds_risk=False)])


def test_entries_that_wait_count_with_what_is_not_filled() -> None:
    """Ours and those placed elsewhere, each by its side; what is gone, and what only reduces, does not wait."""
    facts: dict[str, Any] = {
        "orders": (
            order(BUY, "1", number=1, filled_qty=D("0.25")),
            order(BUY, "2", number=2),
            order(SELL, "1", number=3),
            order(BUY, "4", number=4, id=None),
            order(BUY, "5", number=5, id=None, venue_order_id=None),
            order(BUY, "9", number=6, status=OrderStatus.CANCELED),
            guard(position(SELL, "9"), OrderType.LIMIT, status=OrderStatus.WORKING),
        )
    }
    assert book(**facts) == {"EURUSD": held(buys="11.75", sells="1")}
    assert book(CANCEL, **facts) == {"EURUSD": held(buys="11", sells="1")}
    assert book(replace(CANCEL, venue_order_id="o4"), **facts) == {"EURUSD": held(buys="7.75", sells="1")}
    assert book(CHANGE, **facts) == {"EURUSD": held(buys="14", sells="1")}
    for leg in (replace(CHANGE, adds_risk=False), replace(PROTECT, venue_order_id="o1")):
        assert book(leg, **facts) == book(**facts)


@pytest.mark.parametrize(
    ("flying", "canceled", "buys"),
    [("4", None, "9"), ("1", None, "8"), ("4", "o1", "8"), ("4", "o4", "4"), ("0", None, "8")],
)
def test_ours_are_counted_once(flying: str, canceled: str | None, buys: str) -> None:
    """As the database counts them or as the broker lists them (3), whichever is more, and what is not ours (5)."""
    orders = (
        order(BUY, "1", number=1),
        order(BUY, "2", number=2),
        order(BUY, "5", number=4, id=None),
    )
    known = tuple(InFlight("EURUSD", BUY, D(flying) / 2) for _ in range(2))
    legs = () if canceled is None else (replace(CANCEL, venue_order_id=canceled),)
    assert book(*legs, orders=orders, risk=risk_state(in_flight=known)) == {"EURUSD": held(buys=buys)}


def test_what_is_in_flight_counts_before_any_list_has_it() -> None:
    """By root and side."""
    known = (InFlight("EURUSD", BUY, D(1)), InFlight("XAUUSD", SELL, D(2)))
    assert book(risk=risk_state(in_flight=known)) == {"EURUSD": held(buys="1"), "XAUUSD": held(sells="2")}


# --- margin -------------------------------------------------------------------------------------------------------


def test_the_margin_of_a_plan_is_that_of_its_entries() -> None:
    """0.5 lots at 3,000 each, twice; a close needs none."""
    ctx = context(instrument=WITH_MARGIN)
    assert margin_of([ENTRY, replace(CLOSE, qty=D(1)), ENTRY], ctx) == 3000
    assert margin_of([replace(ENTRY, qty=None)], ctx) == 0
    unknown = Denied(Reason.INSTRUMENT_UNKNOWN, {"symbol": "XAUUSD", "what": "margin"})
    assert margin_of([ENTRY, replace(ENTRY, root="XAUUSD")], ctx, D(30)) == unknown


def test_margin_once_everything_is_filled() -> None:
    """What the broker says is used and the larger side of what waits; without its word all that is held, too."""
    made = {"EURUSD": held(long="1", short="2", buys="0.5", sells="0.25"), "XAUUSD": Held()}
    ctx = context(instrument=WITH_MARGIN)
    assert margin_after(made, [], ctx) == 10500
    stated = replace(ctx, margin_used=D(1000))
    assert margin_after(made, [], stated) == 2500
    close = replace(CLOSE, qty=D("0.1"))
    assert margin_after(made, [close, replace(close, qty=None, held_qty=D("0.2"))], stated) == 1600
    assert margin_after(made, [replace(close, root="XAUUSD")], stated) == 2500
    assert margin_after(made, [replace(close, qty=D(2))], stated) == 0


def test_margin_by_leverage_needs_price_and_rate() -> None:
    """Three lots at the ask of 1.1, 30 times: 330,000 / 30. Without one of them it is not known."""
    made = {"EURUSD": held(buys="3")}
    assert margin_after(made, [], context(), D(30)) == 11000
    assert margin_after(made, [], context(quote=None), D(30)) == Denied(Reason.NO_QUOTE)
    yen = {"USDJPY": held(buys="3")}
    no_rate = Denied(Reason.CONVERSION_UNKNOWN, {"from": "JPY", "to": "USD"})
    assert margin_after(yen, [], context(instrument=USDJPY), D(30)) == no_rate


def test_the_last_price_of_another_symbol_is_the_highest_it_was_opened_or_ordered_at() -> None:
    """Never too low for a margin; an exit and other symbols say nothing, and without any price there is none."""

    def price(*orders: Any, entries: tuple[str, ...] = ()) -> Any:
        gold = tuple(position(symbol="XAUUSD", entry=each) for each in entries)
        held_ = {"XAUUSD": XAUUSD}
        ctx: RiskContext = context(positions=(*gold, position(entry="9999")), orders=orders, held=held_)
        return last_price("XAUUSD", ctx)

    limit = order(symbol="XAUUSD", price=D(2390))
    trigger = order(symbol="XAUUSD", type_=OrderType.STOP, stop_price=D(2410))
    assert price(entries=("2400", "2380")) == 2400
    assert price(limit, entries=("2380",)) == 2390
    assert price(limit, trigger, entries=("2400",)) == 2410
    others = (
        order(price=D(9999)),
        order(symbol="XAUUSD", price=D(9999), reduce_only=True),
        order(symbol="XAUUSD", type_=OrderType.MARKET),
    )
    assert price(limit, *others) == 2390
    assert price(*others) == Denied(Reason.NO_QUOTE, {"symbol": "XAUUSD"})
