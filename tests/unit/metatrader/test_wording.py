"""What goes over the wire for a leg: size and prices never leave the grid, and nothing is added to it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.venues.faults import Faults
from local.venues.market import CFDS, Market, Spec
from local.venues.metatrader.desk import KINDS, Desk
from local.venues.metatrader.fields import checked
from local.venues.metatrader.trade import Trades
from shared import codec
from shared.brokers.metatrader import wording
from shared.brokers.metatrader.rows import OrderRow, PositionRow
from shared.models.command import Leg, Protection
from shared.models.enums import CommandKind, OrderType, Side
from shared.risk.grid import floor_to, stop_on_grid, target_on_grid

D = Decimal
POSITION = PositionRow(
    id="7",
    type="POSITION_TYPE_BUY",
    symbol="EURUSD",
    volume=D("0.1"),
    open_price=D("1.1"),
    stop_loss=D("1.0"),
)


def leg(**values: object) -> Leg:
    """A leg on EURUSD."""
    return Leg(leg=0, symbol="EURUSD", venue_symbol="EURUSD", root="EURUSD", **values)  # type: ignore[arg-type]


def test_a_market_order() -> None:
    """Stop and target are prices on the order; our id is its clientId; no comment, no magic of ours."""
    placed = leg(kind=CommandKind.PLACE, side=Side.BUY, qty=D("0.50"), protection=Protection(D("1.0900")))
    assert wording.placing(placed, "Ea_1_0") == {
        "actionType": "ORDER_TYPE_BUY",
        "symbol": "EURUSD",
        "volume": D("0.50"),
        "stopLoss": D("1.0900"),
        "clientId": "Ea_1_0",
    }


@pytest.mark.parametrize(
    ("kind", "word", "price"), [(OrderType.LIMIT, "LIMIT", "1.1"), (OrderType.STOP, "STOP", "1.2")]
)
def test_a_pending_order(kind: OrderType, word: str, price: str) -> None:
    """Its price is the openPrice, whichever kind it is."""
    placed = leg(
        kind=CommandKind.PLACE, side=Side.SELL, qty=D(1), type=kind, price=D("1.1"), stop_price=D("1.2")
    )
    body = wording.placing(placed, "Ea_1_0")
    assert (body["actionType"], body["openPrice"]) == (f"ORDER_TYPE_SELL_{word}", D(price))


def test_both_levels_are_always_said() -> None:
    """Whether MetaApi keeps or removes a level that is not named is not known: what stays is said again, 0 removes."""
    stays = wording.levels(POSITION, Protection(take_profit=D("1.2")))
    assert wording.protecting("7", *stays) == {
        "actionType": "POSITION_MODIFY",
        "positionId": "7",
        "stopLoss": D("1.0"),
        "takeProfit": D("1.2"),
    }
    removed = wording.levels(POSITION, Protection(clear_stop_loss=True))
    assert wording.protecting("7", *removed)["stopLoss"] == 0


def test_an_order_is_said_as_a_whole() -> None:
    """Price, levels and expiry as they were, but for what changes."""
    row = OrderRow(
        id="9", type="ORDER_TYPE_BUY_LIMIT", state="ORDER_STATE_PLACED", symbol="EURUSD", volume=D(1),
        open_price=D("1.1"), stop_loss=D("1.0"), expiration_type="ORDER_TIME_SPECIFIED",
        expiration_time=datetime(2026, 1, 6, tzinfo=UTC),
    )  # fmt: skip
    body = wording.modifying(row, leg(kind=CommandKind.MODIFY, price=D("1.05")))
    assert (body["openPrice"], body["stopLoss"], body["takeProfit"]) == (D("1.05"), D("1.0"), 0)
    assert body["expiration"] == {"type": "ORDER_TIME_SPECIFIED", "time": "2026-01-06T00:00:00.000Z"}


@pytest.mark.parametrize(
    ("tag", "good"),
    [
        ("E1a2b_3c_0", True),
        ("a" * 22 + "_b_c", True),
        ("a" * 23 + "_b_c", False),
        ("E1_2", False),
        ("E-1_2_3", False),
    ],
)
def test_what_may_be_a_client_id(tag: str, good: bool) -> None:
    """Three parts of letters and digits, 26 characters with the comment; an exit goes without one rather than not."""
    assert wording.is_tag(tag) is good
    assert ("clientId" in wording.closing("7", None, tag)) is good
    assert ("clientId" in wording.closing_all("EURUSD", tag)) is good


@given(
    spec=st.sampled_from(CFDS),
    kind=st.sampled_from(KINDS),
    side=st.sampled_from(Side),
    qty=st.decimals("0.1", "50", places=4),
    stop=st.decimals("0.003", "0.02", places=9),
    target=st.decimals("0.003", "0.02", places=9),
)
def test_a_fitted_leg_is_taken_as_it_is(
    spec: Spec, kind: object, side: Side, qty: Decimal, stop: Decimal, target: Decimal
) -> None:
    """Whatever was on the grid before stays on it: the venue books exactly that size and those prices."""
    accounts = Desk(Market(), seed=1, accounts=len(KINDS)).accounts_of("0123456789")
    account = next(each for each in accounts if each.kind == kind)
    account.book.balance = D(10) ** 9
    name, listing = next((name, each) for name, each in account.listings.items() if each.spec == spec)
    contract, price = listing.contract, account.book.price_of(listing.contract)
    sign = 1 if side is Side.BUY else -1
    fitted = floor_to(qty, contract.qty_step)
    guard = Protection(
        stop_on_grid(price.bid * (1 - sign * stop), side, contract.tick),
        target_on_grid(price.ask * (1 + sign * target), side, contract.tick),
    )
    placed = Leg(
        leg=0, kind=CommandKind.PLACE, symbol=name, venue_symbol=name, root=name, side=side, qty=fitted,
        protection=guard,
    )  # fmt: skip
    body = codec.decode(codec.encode(wording.placing(placed, "Ea_1_0")))
    Trades(Faults()).do(account, checked(body))
    [holding] = account.book.holdings.values()
    brackets = account.book.working
    assert (holding.qty, holding.side) == (fitted, side.value)
    assert brackets[holding.stop_loss_id or ""].stop_price == guard.stop_loss
    assert brackets[holding.take_profit_id or ""].price == guard.take_profit
