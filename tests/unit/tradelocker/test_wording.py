"""What goes over the wire for a leg: size and prices never leave the grid, and nothing is added to it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.venues.faults import Faults
from local.venues.market import CFDS, Market
from local.venues.tradelocker import entry
from local.venues.tradelocker.desk import Desk
from shared import codec
from shared.brokers.tradelocker import parse, wording
from shared.models.command import Leg, Protection
from shared.models.enums import CommandKind, OrderType, Side
from shared.risk.grid import floor_to, stop_on_grid, target_on_grid

LISTING = parse.Listing("278", "EURUSD", "EURUSD", "EURUSD", "FOREX", 948735, (452,))


def leg(**values: object) -> Leg:
    """A leg on EURUSD."""
    return Leg(leg=0, symbol="EURUSD", venue_symbol="EURUSD", root="EURUSD", **values)  # type: ignore[arg-type]


def test_a_market_order() -> None:
    """IOC, no price, levels absolute, our id as strategyId."""
    placed = leg(
        kind=CommandKind.PLACE, side=Side.BUY, qty=Decimal("0.50"), protection=Protection(Decimal("1.0900"))
    )
    assert wording.placing(placed, LISTING, "abc") == {
        "tradableInstrumentId": 278,
        "routeId": 948735,
        "qty": "0.50",
        "side": "buy",
        "type": "market",
        "validity": "IOC",
        "price": None,
        "stopPrice": None,
        "strategyId": "abc",
        "stopLoss": Decimal("1.0900"),
        "stopLossType": "absolute",
        "takeProfit": None,
        "takeProfitType": None,
    }


@pytest.mark.parametrize(("kind", "given"), [(OrderType.LIMIT, "price"), (OrderType.STOP, "stopPrice")])
def test_a_pending_order(kind: OrderType, given: str) -> None:
    """GTC; a limit has its price in `price`, a stop in `stopPrice`, and the other stays empty."""
    placed = leg(
        kind=CommandKind.PLACE, side=Side.SELL, qty=Decimal(1), type=kind, price=Decimal("1.1"),
        stop_price=Decimal("1.2"),
    )  # fmt: skip
    body = wording.placing(placed, LISTING, "abc")
    assert body["validity"] == "GTC"
    assert {name for name in ("price", "stopPrice") if body[name] is not None} == {given}


def test_what_is_not_changed_is_not_sent() -> None:
    """A change names only what changes; null removes a level, an absent key leaves it."""
    assert wording.modifying(leg(kind=CommandKind.MODIFY, price=Decimal("1.05"))) == {
        "price": Decimal("1.05")
    }
    only_stop = Protection(stop_loss=Decimal("1.05"))
    assert wording.protecting(only_stop) == {"stopLoss": Decimal("1.05")}
    assert wording.protecting(Protection(clear_take_profit=True)) == {"takeProfit": None}
    assert wording.protecting(Protection()) == {}


@given(qty=st.decimals("0.00000001", "1000000", places=8), price=st.decimals("0.00001", "99999", places=5))
def test_numbers_are_written_out(qty: Decimal, price: Decimal) -> None:
    """Never an exponent in a quantity, and every number is read back as it was."""
    placed = leg(kind=CommandKind.PLACE, side=Side.BUY, qty=qty, type=OrderType.LIMIT, price=price)
    body = codec.decode(codec.encode(wording.placing(placed, LISTING, "abc")))
    assert re.fullmatch(r"\d+(\.\d+)?", body["qty"])
    assert (Decimal(body["qty"]), Decimal(body["price"])) == (qty, price)


@given(
    spec=st.sampled_from(CFDS),
    side=st.sampled_from(Side),
    qty=st.decimals("0.01", "50", places=4),
    stop=st.decimals("0.003", "0.02", places=9),
    target=st.decimals("0.003", "0.02", places=9),
)
def test_a_fitted_leg_is_taken_as_it_is(
    spec: object, side: Side, qty: Decimal, stop: Decimal, target: Decimal
) -> None:
    """Whatever was on the grid before stays on it: the venue takes it and books exactly that size and those prices."""
    account = Desk(Market(), seed=1, accounts=1).accounts_of("a@b.c")[0]
    account.book.balance = Decimal(10) ** 9
    listing = next(each for each in account.listings.values() if each.spec == spec)
    contract, price = listing.contract, account.book.price_of(listing.contract)
    sign = 1 if side is Side.BUY else -1
    fitted = floor_to(qty, contract.qty_step)
    guard = Protection(
        stop_on_grid(price.bid * (1 - sign * stop), side, contract.tick),
        target_on_grid(price.ask * (1 + sign * target), side, contract.tick),
    )
    ours = parse.Listing(
        str(listing.id), contract.name, contract.name, contract.name, "", listing.trade_route, ()
    )
    placed = leg(kind=CommandKind.PLACE, side=side, qty=fitted, protection=guard)
    body = codec.decode(codec.encode(wording.placing(placed, ours, "abc")))
    order = entry.place(account, body, Faults())
    [holding] = account.book.holdings.values()
    brackets = account.book.working
    assert (order.qty, holding.qty, holding.side) == (fitted, fitted, side.value)
    assert brackets[holding.stop_loss_id or ""].stop_price == guard.stop_loss
    assert brackets[holding.take_profit_id or ""].price == guard.take_profit
    assert order.created <= datetime.now(UTC)
