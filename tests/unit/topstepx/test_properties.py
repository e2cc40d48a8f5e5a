"""What holds for any order: it reads back as it was written, and ticks are signed, on the grid and near what was asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from local.venues.topstepx import wire
from local.venues.topstepx.book import HalfTurn, Order, Position
from local.venues.topstepx.contracts import PRODUCTS, Catalogue
from local.venues.topstepx.words import OrderType, PositionType, Status
from local.venues.topstepx.words import Side as WireSide
from shared import codec
from shared.brokers.topstepx import rows, wording
from shared.models import enums
from shared.models.command import Protection

D = Decimal
LISTINGS = list(Catalogue().by_id.values())
moments = st.integers(0, 15 * 365 * 86_400 * 10**6).map(
    lambda microseconds: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
)
ids = st.integers(1, 2**62)
sizes = st.integers(1, 500)


@st.composite
def orders(draw: st.DrawFn) -> Order:
    """Any order the simulator can have."""
    listing, size = draw(st.sampled_from(LISTINGS)), draw(sizes)
    level = draw(st.integers(1, 400_000)) * listing.product.tick
    kind = draw(st.sampled_from([OrderType.LIMIT, OrderType.MARKET, OrderType.STOP]))
    filled = draw(st.integers(0, size))
    return Order(
        id=draw(ids), listing=listing, type=kind, side=draw(st.sampled_from(WireSide)), size=size,
        created=draw(moments), updated=draw(moments), status=draw(st.sampled_from(Status)),
        limit_price=level if kind is OrderType.LIMIT else None,
        stop_price=level if kind is OrderType.STOP else None,
        tag=draw(st.none() | st.text("abcXYZ0123456789_", min_size=1, max_size=50)), filled=filled,
        average=level if filled else None, parent_id=draw(st.none() | ids),
    )  # fmt: skip


@given(orders(), st.booleans())
def test_an_order_reads_back(order: Order, bare: bool) -> None:
    """Through the wire, with nulls or without them."""
    row = wire.order_row(order, 101)
    text = codec.encode({"orders": [wire.without_nulls(row) if bare else row]})
    [found] = rows.orders(codec.decode(text))
    assert (found.id, found.contract_id, found.qty) == (str(order.id), order.listing.id, order.size)
    assert found.side is (enums.Side.BUY if order.side is WireSide.BID else enums.Side.SELL)
    assert (found.price, found.stop_price, found.average) == (
        order.limit_price,
        order.stop_price,
        order.average,
    )
    assert (found.filled, found.custom, found.created) == (order.filled, order.tag, order.created)
    assert found.is_final == (order.status in (2, 3, 4, 5))
    assert found.suspended == (order.status == 8)
    assert found.is_child == (order.parent_id is not None)


@given(st.sampled_from(LISTINGS), ids, sizes, st.integers(1, 400_000), st.booleans(), moments)
def test_positions_and_fills_read_back(
    listing: object, number: int, size: int, ticks: int, long: bool, at: datetime
) -> None:
    """Direction, size and prices."""
    contract = next(each for each in LISTINGS if each == listing)
    level = ticks * contract.product.tick
    kind = PositionType.LONG if long else PositionType.SHORT
    row = wire.position_row(Position(number, contract, kind, size, level, at), 101)
    [held] = rows.positions(codec.decode(codec.encode({"positions": [row]})))
    assert (held.side is enums.Side.BUY, held.qty, held.average, held.opened) == (long, size, level, at)
    side = WireSide.BID if long else WireSide.ASK
    turn = HalfTurn(number, 7, contract, side, size, level, None if long else D("-12.5"), D("0.37"), at)
    [fill] = rows.trades(codec.decode(codec.encode({"trades": [wire.trade_row(turn, 101)]})), {})
    assert (fill.id, fill.order_id, fill.qty, fill.price) == (str(number), "7", size, level)
    assert (fill.profit, fill.fees) == (turn.profit, turn.fees)


@given(
    st.sampled_from(PRODUCTS),
    st.integers(1_000, 400_000),
    st.integers(-900, 900),
    st.integers(-900, 900),
    st.sampled_from(enums.Side),
)
def test_brackets_are_signed_ticks(
    product: object, at: int, stop: int, target: int, side: enums.Side
) -> None:
    """A stop is on the losing side and a target on the other, or there are none; ticks lead back to the prices."""
    tick = next(each.tick for each in PRODUCTS if each == product)
    wanted = Protection((at + stop) * tick, (at + target) * tick)
    body = wording.brackets(wanted, side, at * tick, tick)
    sign = 1 if side is enums.Side.BUY else -1
    if stop * sign >= 0 or target * sign <= 0:
        assert body is None
        return
    assert body == {
        "stopLossBracket": {"ticks": stop, "type": 4},
        "takeProfitBracket": {"ticks": target, "type": 1},
    }


@given(moments, st.integers(0, 9))
def test_a_moment_is_read_in_any_of_its_spellings(at: datetime, digits: int) -> None:
    """Z, an offset, none; any number of digits."""
    whole = at.replace(microsecond=0)
    tail = "" if not digits else "." + "123456789"[:digits]
    for zone in ("Z", "+00:00", ""):
        found = rows.moment(f"{whole.replace(tzinfo=None).isoformat()}{tail}{zone}")
        assert timedelta(0) <= found - whole < timedelta(seconds=1)
