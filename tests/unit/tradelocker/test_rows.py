"""Rows: whatever the simulator writes is read back as it was, in any layout, and nothing is read by guess."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.venues.market import CFDS, Market
from local.venues.tradelocker import config as wire_config
from local.venues.tradelocker import wire
from local.venues.tradelocker.desk import Desk, Listing
from local.venues.trading import Holding, Order, State
from shared import codec
from shared.brokers.errors import UnreadableError
from shared.brokers.tradelocker import parse, rows
from shared.models.enums import OrderStatus, OrderType, Side

LAYOUTS = [wire_config.Layout(), wire_config.Layout(True), wire_config.Layout(True, True)]
LISTINGS: list[Listing] = list(Desk(Market(), seed=1, accounts=1).accounts_of("a@b.c")[0].listings.values())
STATES = {
    State.WORKING: OrderStatus.WORKING,
    State.FILLED: OrderStatus.FILLED,
    State.CANCELED: OrderStatus.CANCELED,
    State.REFUSED: OrderStatus.REJECTED,
}

ids = st.integers(min_value=10**18, max_value=2**63 - 1).map(str)
amounts = st.decimals(min_value="0.00001", max_value="1000000", places=5)
moments = st.integers(1_577_836_800_000, 2_051_222_400_000).map(
    lambda ms: datetime.fromtimestamp(ms / 1000, UTC)
)
tags = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", max_size=31)


@st.composite
def orders(draw: st.DrawFn) -> tuple[Order, Listing]:
    """An order of the simulator in any state."""
    listing, state = draw(st.sampled_from(LISTINGS)), draw(st.sampled_from(State))
    qty = draw(amounts)
    filled = qty if state is State.FILLED else Decimal(0)
    made = draw(moments)
    order = Order(
        id=draw(ids),
        contract=listing.contract,
        side=draw(st.sampled_from(["buy", "sell"])),
        type=draw(st.sampled_from(["market", "limit", "stop"])),
        qty=qty,
        created=made,
        modified=made,
        tag=draw(tags),
        state=state,
        filled=filled,
        average=draw(amounts) if filled else None,
        position_id=draw(ids) if filled else None,
    )
    order.price = draw(amounts) if order.type == "limit" else None
    order.stop_price = draw(amounts) if order.type == "stop" else None
    return order, listing


def sent_over(layout: wire_config.Layout) -> rows.Config:
    """The layout as a client learns it."""
    body = codec.encode(wire_config.config(layout, limited=True))
    return rows.config(codec.decode(body))


@pytest.mark.parametrize("layout", LAYOUTS, ids=["usual", "reordered", "without tags"])
@given(made=orders())
def test_an_order_survives_the_wire(layout: wire_config.Layout, made: tuple[Order, Listing]) -> None:
    """parse(simulate(order)) = order, whatever the order of the columns."""
    order, listing = made
    table = "ordersConfig" if order.state is State.WORKING else "ordersHistoryConfig"
    cells = wire.cells([wire.order_row(order, listing)], layout.columns(table))
    [row] = rows.orders(sent_over(layout), table, codec.decode(codec.encode(cells)))
    assert (row.id, row.instrument_id, row.position_id) == (order.id, str(listing.id), order.position_id)
    assert (row.side, row.type) == (Side(order.side), OrderType(order.type))
    assert (row.qty, row.filled, row.average) == (order.qty, order.filled, order.average)
    assert row.status is STATES[order.state]
    assert (row.price if order.type == "limit" else None) == order.price
    assert (row.stop_price if order.type == "stop" else None) == order.stop_price
    assert row.at == order.created
    assert row.tag == (None if layout.without_tag else order.tag or None)


@pytest.mark.parametrize("layout", LAYOUTS, ids=["usual", "reordered", "without tags"])
@given(listing=st.sampled_from(LISTINGS), identifiers=st.lists(ids, min_size=3, max_size=3), qty=amounts,
       average=amounts, opened=moments, tag=tags, short=st.booleans())  # fmt: skip
def test_a_position_survives_the_wire(
    layout: wire_config.Layout, listing: Listing, identifiers: list[str], qty: Decimal, average: Decimal,
    opened: datetime, tag: str, short: bool,
) -> None:  # fmt: skip
    """parse(simulate(position)) = position."""
    own, stop, target = identifiers
    side = "sell" if short else "buy"
    holding = Holding(own, listing.contract, side, qty, average, opened, tag, stop, target)
    cells = wire.cells(
        [wire.position_row(holding, listing, Decimal("-1.50"))], layout.columns("positionsConfig")
    )
    [row] = rows.positions(sent_over(layout), codec.decode(codec.encode(cells)))
    assert (row.id, row.stop_loss_id, row.take_profit_id) == (own, stop, target)
    assert (row.side, row.qty, row.average, row.opened) == (Side(side), qty, average, opened)
    assert row.profit == Decimal("-1.50")


@pytest.mark.parametrize("spec", CFDS, ids=lambda spec: spec.name)
def test_an_instrument_survives_the_wire(spec: object) -> None:
    """parse(simulate(instrument)) = instrument, with the value of its tick."""
    listing = next(each for each in LISTINGS if each.spec == spec)
    rows_sent = codec.decode(codec.encode({"instruments": [wire.instrument(each) for each in LISTINGS]}))
    found = next(each for each in parse.listings(rows_sent) if each.id == str(listing.id))
    contract = listing.contract
    instrument = parse.instrument(found, codec.decode(codec.encode(wire.instrument_details(listing))), None)
    assert (instrument.tick_size, instrument.contract_size) == (contract.tick, contract.lot)
    assert instrument.tick_value == contract.tick * contract.lot
    assert (instrument.qty_step, instrument.qty_min, instrument.qty_max) == (
        contract.qty_step, contract.qty_min, contract.qty_max,
    )  # fmt: skip
    assert (found.trade_route, found.info_routes) == (listing.trade_route, listing.info_routes)


@pytest.mark.parametrize(
    "row",
    [
        ["1", "206", "buy"],
        ["1", "206", "9", "ten", "buy", "limit", "New", *[None] * 15],
        ["1", "206", "9", "1", "hold", "limit", "New", *[None] * 15],
        [None, "206", "9", "1", "buy", "limit", "New", *[None] * 15],
        ["1.5", "206", "9", "1", "buy", "limit", "New", *[None] * 15],
        ["1", "206", "9", "NaN", "buy", "limit", "New", *[None] * 15],
    ],
    ids=["too short", "no number", "no side", "no id", "an id with a fraction", "not a number"],
)
def test_a_row_that_does_not_fit_is_not_read(row: list[str | None]) -> None:
    """A row of another shape than the columns say is an error, never a guess."""
    with pytest.raises(UnreadableError):
        rows.orders(sent_over(wire_config.Layout()), "ordersConfig", [row])


def test_an_unknown_status_is_no_end() -> None:
    """A word we do not know means that the order may still be filled; known words in any case."""
    layout = sent_over(wire_config.Layout())
    for word, status in (("PartiallyMagic", OrderStatus.WORKING), ("CANCELLED", OrderStatus.CANCELED)):
        cells = ["1", "206", "9", "1", "buy", "limit", word, *[None] * 15]
        [row] = rows.orders(layout, "ordersConfig", [cells])
        assert row.status is status


@given(number=st.integers(min_value=1, max_value=2**63 - 1))
def test_ids_keep_every_digit(number: int) -> None:
    """19 digits, written as text or as a JSON number."""
    assert rows.identifier(str(number)) == rows.identifier(codec.decode(codec.encode(number))) == str(number)


def test_tick_sizes_by_price() -> None:
    """Several tick sizes: the one whose range the price is in; without a price the coarsest."""
    [listing] = parse.listings(
        {"instruments": [{"tradableInstrumentId": 1, "name": "X", "type": "EQUITY", "routes": []}]}
    )
    tiers = [
        {"leftRangeLimit": None, "tickSize": Decimal("0.0001")},
        {"leftRangeLimit": 1, "tickSize": Decimal("0.01")},
    ]
    details = {"tickSize": tiers, "lotSize": 1, "lotStep": 1, "minLot": 1, "quotingCurrency": "USD"}
    ticks = [
        parse.instrument(listing, details, price).tick_size for price in (Decimal("0.5"), Decimal(1), None)
    ]
    assert ticks == [Decimal("0.0001"), Decimal("0.01"), Decimal("0.01")]
