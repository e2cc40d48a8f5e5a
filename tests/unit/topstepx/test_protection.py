"""Stops, targets and exits on TopstepX, against its simulator."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from msgspec.structs import replace

from shared.brokers.port import Sent
from shared.models.command import Protection
from shared.models.enums import CommandKind, Effect, OrderStatus, OrderType, Side
from shared.models.market import Instrument
from shared.models.reasons import Reason
from tests.conformance.harness import (
    accepted,
    close_of,
    entry,
    eventually,
    leg_of,
    only_position,
    rejected,
    sent,
)
from tests.conformance.test_topstepx import TopstepXVenue
from tests.unit.topstepx.trades import ASK, BID, TICK, D, mnq, roll, settings, written


async def test_children_are_set_to_the_exact_prices(venue: TopstepXVenue) -> None:
    """Ticks count from the fill, prices do not: after slippage the children are where the alert wanted them."""
    broker = await venue.connect()
    instrument = await mnq(broker)
    await broker.quote(instrument, None)  # the last price, kept for a second
    venue.price(BID + 12 * TICK, ASK + 12 * TICK)
    wanted = Protection(BID - 50 * TICK, ASK + 90 * TICK)
    outcome = accepted(await broker.execute(sent(entry(instrument, D(2), protection=wanted))))
    [position] = outcome.positions
    assert (position.stop_loss, position.take_profit) == (wanted.stop_loss, wanted.take_profit)
    assert position.entry_price == ASK + 12 * TICK
    [placed] = [each for each in written(venue) if each["operation"] == "place"]
    assert placed["body"]["stopLossBracket"]["ticks"] < 0 < placed["body"]["takeProfitBracket"]["ticks"]


async def test_a_sold_entry_has_its_stop_above(venue: TopstepXVenue) -> None:
    """Signs turn around for a sell."""
    broker = await venue.connect()
    wanted = Protection(ASK + 50 * TICK, BID - 90 * TICK)
    leg = entry(await mnq(broker), D(1), side=Side.SELL, protection=wanted)
    [position] = accepted(await broker.execute(sent(leg))).positions
    assert (position.side, position.stop_loss, position.take_profit) == (
        Side.SELL, wanted.stop_loss, wanted.take_profit,
    )  # fmt: skip


async def test_a_stop_that_the_market_has_passed_is_not_sent(venue: TopstepXVenue) -> None:
    """A stop above the market of a buy would fire at once: nothing leaves."""
    broker = await venue.connect()
    leg = entry(await mnq(broker), D(1), protection=Protection(ASK + 4 * TICK))
    assert rejected(await broker.execute(sent(leg))).reason is Reason.STOP_PASSED
    assert not written(venue)


async def test_a_half_filled_entry_is_protected_for_what_it_has(venue: TopstepXVenue) -> None:
    """Stop and target are no larger than the position."""
    broker = await venue.connect()
    venue.fault("partial_fill", "place", value="0.5")
    leg = entry(await mnq(broker), D(4), protection=Protection(BID - 50 * TICK, ASK + 90 * TICK))
    outcome = accepted(await broker.execute(sent(leg)))
    assert (outcome.status, outcome.filled_qty) == (OrderStatus.CANCELED, D(2))
    assert {each.qty for each in (await broker.snapshot()).orders} == {D(2)}


async def test_a_waiting_entry_keeps_its_children_asleep(venue: TopstepXVenue) -> None:
    """They are shown when it is filled, at its price; and are gone when it is canceled."""
    broker = await venue.connect()
    instrument = await mnq(broker)
    low = BID - 20 * TICK
    wanted = Protection(low - 40 * TICK, low + 80 * TICK)
    command = sent(entry(instrument, D(1), type=OrderType.LIMIT, price=low, protection=wanted))
    accepted(await broker.execute(command))
    [order] = (await broker.snapshot()).orders
    assert (order.is_entry, order.client_order_id) == (True, command.client_order_id)
    venue.price(low - TICK, low)
    position = await only_position(broker)
    assert (position.stop_loss, position.take_profit) == (wanted.stop_loss, wanted.take_profit)
    other = accepted(await broker.execute(sent(entry(
        instrument, D(1), type=OrderType.LIMIT, price=low - 60 * TICK, protection=Protection(low - 90 * TICK)
    ))))  # fmt: skip
    cancel = leg_of(instrument, kind=CommandKind.CANCEL, venue_order_id=other.venue_order_id, side=Side.BUY)
    accepted(await broker.execute(sent(cancel)))
    assert len((await broker.snapshot()).orders) == 2


async def test_a_full_close_sweeps_what_protected(venue: TopstepXVenue) -> None:
    """The gateway leaves stops and targets behind, where they would open a position: they go with it."""
    broker = await venue.connect()
    instrument = await mnq(broker)
    wanted = Protection(BID - 50 * TICK, ASK + 90 * TICK)
    accepted(await broker.execute(sent(entry(instrument, D(2), protection=wanted))))
    position = await only_position(broker)
    done = accepted(await broker.execute(sent(close_of(instrument, position))))
    assert (done.status, [each.qty for each in done.positions]) == (OrderStatus.FILLED, [D(0)])
    assert not (await broker.snapshot()).orders
    venue.price(BID - 60 * TICK, ASK - 60 * TICK)
    assert venue.net() == 0


async def test_a_partial_close_fits_what_protects(venue: TopstepXVenue) -> None:
    """What is left keeps its stop, and no more of it: a stop for three would turn two around."""
    broker = await venue.connect()
    instrument = await mnq(broker)
    wanted = Protection(BID - 50 * TICK, ASK + 90 * TICK)
    accepted(await broker.execute(sent(entry(instrument, D(3), protection=wanted))))
    position = await only_position(broker)
    [rest] = accepted(await broker.execute(sent(close_of(instrument, position, D(1))))).positions
    assert (rest.qty, rest.stop_loss, rest.take_profit) == (D(2), wanted.stop_loss, wanted.take_profit)
    assert {each.qty for each in (await broker.snapshot()).orders} == {D(2)}
    venue.price(BID - 60 * TICK, ASK - 60 * TICK)
    assert venue.net() == 0


async def test_of_several_stops_so_many_stay_as_the_rest_needs(venue: TopstepXVenue) -> None:
    """Two entries, two stops: after a close of most of it they do not hold more than what is left."""
    broker = await venue.connect()
    instrument = await mnq(broker)
    for qty in (D(2), D(3)):
        wanted = Protection(BID - 50 * TICK, ASK + 90 * TICK)
        accepted(await broker.execute(sent(entry(instrument, qty, protection=wanted))))
    position = await only_position(broker)
    accepted(await broker.execute(sent(close_of(instrument, position, D(4)))))
    orders = (await broker.snapshot()).orders
    sizes = [
        sum(each.qty for each in orders if each.type is kind) for kind in (OrderType.STOP, OrderType.LIMIT)
    ]
    assert sizes == [D(1), D(1)]
    venue.price(BID - 60 * TICK, ASK - 60 * TICK)
    assert venue.net() == 0


async def test_removing_the_target_keeps_the_stop_either_way(venue: TopstepXVenue) -> None:
    """Where canceling one leg takes the other with it, the stop is placed again."""
    broker = await venue.connect()
    instrument = await mnq(broker)
    settings(venue, cancels_siblings=True)
    wanted = Protection(BID - 50 * TICK, ASK + 90 * TICK)
    accepted(await broker.execute(sent(entry(instrument, D(1), protection=wanted))))
    position = await only_position(broker)
    leg = leg_of(
        instrument, kind=CommandKind.PROTECT, side=position.side, qty=position.qty,
        venue_position_id=position.venue_position_id, protection=Protection(clear_take_profit=True),
    )  # fmt: skip
    [seen] = accepted(await broker.execute(sent(leg))).positions
    assert (seen.stop_loss, seen.take_profit) == (wanted.stop_loss, None)
    venue.price(BID - 60 * TICK, ASK - 60 * TICK)
    assert venue.net() == 0


async def test_a_naked_position_gets_its_first_stop(venue: TopstepXVenue) -> None:
    """Protection of a position that had none is a stop order of its size."""
    broker = await venue.connect()
    instrument = await mnq(broker)
    accepted(await broker.execute(sent(entry(instrument, D(3)))))
    position = await only_position(broker)
    leg = leg_of(
        instrument, kind=CommandKind.PROTECT, side=position.side, qty=position.qty,
        venue_position_id=position.venue_position_id, protection=Protection(stop_loss=BID - 30 * TICK),
    )  # fmt: skip
    [seen] = accepted(await broker.execute(sent(leg))).positions
    assert seen.stop_loss == BID - 30 * TICK
    [guard] = (await broker.snapshot()).orders
    assert (guard.qty, guard.is_entry, guard.client_order_id) == (D(3), False, None)


async def test_limit_exits_only_reduce(venue: TopstepXVenue) -> None:
    """Two targets of one position rest; none is taken that is larger than it, or without one."""
    broker = await venue.connect()
    instrument = await mnq(broker)
    high = ASK + 90 * TICK

    def target(qty: Decimal) -> Sent:
        leg = entry(instrument, qty, side=Side.SELL, type=OrderType.LIMIT, price=high, reduce_only=True)
        return sent(leg)

    assert rejected(await broker.execute(target(D(1)))).reason is Reason.POSITION_NOT_FOUND
    accepted(await broker.execute(sent(entry(instrument, D(3)))))
    assert rejected(await broker.execute(target(D(4)))).reason is Reason.REDUCE_TOO_LARGE
    commands = [target(D(1)), target(D(2))]
    for command in commands:
        assert accepted(await broker.execute(command)).status is OrderStatus.WORKING
    orders = (await broker.snapshot()).orders
    assert {(each.client_order_id, each.reduce_only) for each in orders} == {
        (each.client_order_id, True) for each in commands
    }
    began = datetime.now(UTC) - timedelta(seconds=2)
    venue.price(high, high + TICK)

    async def look() -> bool | None:
        closing = [each for each in await broker.fills(began) if each.effect is Effect.CLOSE]
        return {each.client_order_id for each in closing} == {
            each.client_order_id for each in commands
        } or None

    assert await eventually(look, "both targets filled")
    assert venue.net() == 0


async def test_a_market_order_that_only_reduces_is_the_gateways_close(venue: TopstepXVenue) -> None:
    """It can never turn a position around."""
    broker = await venue.connect()
    instrument = await mnq(broker)
    accepted(await broker.execute(sent(entry(instrument, D(3)))))
    done = accepted(await broker.execute(sent(entry(instrument, D(2), side=Side.SELL, reduce_only=True))))
    assert (done.status, done.filled_qty, [each.effect for each in done.fills]) == (
        OrderStatus.FILLED, D(2), [Effect.CLOSE],
    )  # fmt: skip
    assert venue.net() == 1
    too_much = await broker.execute(sent(entry(instrument, D(2), side=Side.SELL, reduce_only=True)))
    assert rejected(too_much).reason is Reason.INVALID_QUANTITY
    assert venue.net() == 1


async def test_a_close_of_the_wrong_side_closes_nothing(venue: TopstepXVenue) -> None:
    """A sell that was to close a long does not close the short that has come since."""
    broker = await venue.connect()
    instrument = await mnq(broker)
    accepted(await broker.execute(sent(entry(instrument, D(1)))))
    position = await only_position(broker)
    accepted(await broker.execute(sent(entry(instrument, D(2), side=Side.SELL))))
    late = rejected(await broker.execute(sent(close_of(instrument, position))))
    assert late.reason is Reason.POSITION_NOT_FOUND
    assert venue.net() == -1


async def test_an_exit_finds_the_month_it_is_in(venue: TopstepXVenue) -> None:
    """After the roll the symbol means another month: the position of the old one is seen, and closed there."""
    broker = await venue.connect()
    before = await broker.instrument("COMEX:GC1!")
    assert isinstance(before, Instrument)
    accepted(await broker.execute(sent(entry(before, D(2)))))
    roll(venue, "GC")
    other = await venue.connect()
    after = await other.instrument("COMEX:GC1!")
    assert isinstance(after, Instrument)
    assert (after.root, after.symbol == before.symbol) == (before.root, False)
    position = await only_position(other)
    assert (position.root, position.symbol, position.venue_symbol) == (
        "GC", before.symbol, before.venue_symbol,
    )  # fmt: skip
    stale = rejected(await other.execute(sent(entry(before, D(1)))))
    assert stale.reason is Reason.INSTRUMENT_UNKNOWN
    assert "not the active month" in stale.text
    part = close_of(after, position, D(1))
    by_our_name = replace(part, venue_symbol=position.symbol, venue_position_id=None)
    assert accepted(await other.execute(sent(by_our_name))).filled_qty == 1
    accepted(await other.execute(sent(entry(after, D(1)))))
    native = leg_of(after, kind=CommandKind.CLOSE, reduce_only=True)
    done = accepted(await other.execute(sent(native)))
    assert (done.status, {each.symbol for each in done.fills}) == (
        OrderStatus.FILLED, {before.symbol, after.symbol},
    )  # fmt: skip
    assert not (await other.snapshot()).positions
