"""The contract's first part: trading where nothing goes wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from msgspec.structs import replace

from shared.brokers.port import Broker
from shared.models.command import Leg, Protection
from shared.models.enums import CommandKind, Effect, OrderStatus, OrderType, Side
from shared.models.market import Instrument
from shared.models.outcome import Outcome, Rejected
from shared.models.reasons import Reason
from shared.models.trading import Fill, Position, WorkingOrder
from tests.conformance.harness import (
    ContractVenue,
    accepted,
    close_of,
    entry,
    eventually,
    instrument_of,
    leg_of,
    only_position,
    open_position,
    rejected,
    sent,
)

D = Decimal


class Trading:
    """Entries, exits, protection, reads."""

    async def test_instruments_say_what_they_are(self, venue: ContractVenue) -> None:
        """An instrument has a grid, a value of its tick and names; a symbol that is not traded is None."""
        broker = await venue.connect()
        instrument = await instrument_of(broker, venue)
        assert min(instrument.tick_size, instrument.qty_step, instrument.qty_min, instrument.tick_value) > 0
        assert instrument.qty_min <= venue.qty <= instrument.qty_max
        assert instrument.venue_symbol
        # Where every word is a symbol, a later month of a future still is none: which one is meant, nobody knows.
        missing = "CME_MINI:MES2!" if broker.capabilities.any_symbol else "NOSUCH:XYZZY9"
        assert await broker.instrument(missing) is None

    async def test_quotes_are_the_market(self, venue: ContractVenue) -> None:
        """Where an adapter has quotes they are the venue's bid and ask of this moment."""
        broker = await venue.connect()
        instrument = await instrument_of(broker, venue)
        quote = await broker.quote(instrument, venue.ask)
        assert quote is not None
        assert datetime.now(UTC) - quote.at < timedelta(seconds=5)
        if broker.capabilities.quotes:
            assert (quote.bid, quote.ask) == (venue.bid, venue.ask)

    async def test_a_fresh_account_is_flat(self, venue: ContractVenue) -> None:
        """A snapshot has money, and no position or order where there is none."""
        seen = await (await venue.connect()).snapshot()
        assert seen.balance > 0
        assert seen.equity > 0
        assert not seen.positions
        assert not seen.orders

    async def test_a_read_is_as_old_as_its_question(self, venue: ContractVenue) -> None:
        """What an answer shows that comes late was so when it was asked for, and says nothing about what came after."""
        broker = await venue.connect()
        await broker.snapshot()
        venue.fault("late", "reads", value="0.5")
        asked = datetime.now(UTC)
        seen = await broker.snapshot()
        assert datetime.now(UTC) - asked >= timedelta(seconds=0.4), "the answer came late"
        assert asked <= seen.at < asked + timedelta(seconds=0.4)

    async def test_a_market_order_is_filled_once(self, venue: ContractVenue) -> None:
        """Outcome, snapshot and fills tell the same story, and the venue has one order."""
        broker = await venue.connect()
        instrument, began = await instrument_of(broker, venue), datetime.now(UTC) - timedelta(seconds=2)
        done = accepted(await broker.execute(sent(entry(instrument, venue.qty))))
        assert (done.status, done.filled_qty) == (OrderStatus.FILLED, venue.qty)
        assert done.avg_price == venue.ask
        [fill] = done.fills
        assert (fill.effect, fill.qty, fill.symbol) == (Effect.OPEN, venue.qty, instrument.symbol)
        position = await only_position(broker)
        assert (position.side, position.qty, position.symbol) == (Side.BUY, venue.qty, instrument.symbol)
        assert position.venue_position_id == fill.venue_position_id
        assert [each.venue_fill_id for each in await broker.fills(began)] == [fill.venue_fill_id]
        assert venue.orders_made() == 1

    async def test_stop_and_target_protect_from_the_start(self, venue: ContractVenue) -> None:
        """Stop and target of an entry are on the position, and where they are orders, those only reduce."""
        broker = await venue.connect()
        position = await self._protected(broker, venue)
        if not broker.capabilities.stop_orders:
            assert not (await broker.snapshot()).orders
            return
        guards = await eventually(lambda: self._guards(broker), "two orders that protect")
        assert {each.qty for each in guards} == {position.qty}
        assert all(each.client_order_id is None for each in guards)

    async def test_dropped_protection_is_set_again(self, venue: ContractVenue) -> None:
        """A venue that takes an order and silently forgets its stop does not leave the position naked."""
        broker = await venue.connect()
        venue.fault("drop_bracket", "place")
        await self._protected(broker, venue)

    async def test_protection_moves_and_goes(self, venue: ContractVenue) -> None:
        """A stop moves, a target is removed, and what is not named stays."""
        broker = await venue.connect()
        position = await self._protected(broker, venue)
        stop = venue.bid - 40 * (await instrument_of(broker, venue)).tick_size
        moved = await self._protect(broker, venue, position, Protection(stop_loss=stop))
        assert (moved.stop_loss, moved.take_profit) == (stop, position.take_profit)
        cleared = await self._protect(broker, venue, position, Protection(clear_take_profit=True))
        assert (cleared.stop_loss, cleared.take_profit) == (stop, None)

    async def test_a_stop_moved_meanwhile_is_not_moved_back(self, venue: ContractVenue) -> None:
        """A stop that we move ourselves goes nearer, never back from where somebody has put it since it was decided; one that
        replaces another goes nowhere when that one is gone. What stands is told along with the refusal, or by a read."""
        broker = await venue.connect()
        position = await self._protected(broker, venue)
        tick = (await instrument_of(broker, venue)).tick_size
        first, nearer = venue.bid - 50 * tick, venue.bid - 30 * tick
        await self._protect(broker, venue, position, Protection(stop_loss=nearer))
        for wanted, how in (
            (venue.bid - 40 * tick, {"tightens": True}),
            (venue.bid - 20 * tick, {"replaces": first}),
        ):
            leg = await self._protecting(broker, venue, position, Protection(stop_loss=wanted))
            outcome = rejected(await broker.execute(sent(replace(leg, **how))))
            assert outcome.reason is Reason.NOTHING_TO_MODIFY
            assert [each.stop_loss for each in outcome.positions] in ([], [nearer])
            assert (await only_position(broker)).stop_loss == nearer
        leg = await self._protecting(broker, venue, position, Protection(stop_loss=venue.bid - 20 * tick))
        accepted(await broker.execute(sent(replace(leg, tightens=True))))
        assert (await only_position(broker)).stop_loss == venue.bid - 20 * tick

    async def test_a_limit_order_waits_moves_and_is_canceled(self, venue: ContractVenue) -> None:
        """A limit order away from the market works, keeps its id when changed, and is gone when canceled."""
        broker = await venue.connect()
        instrument = await instrument_of(broker, venue)
        low = venue.bid - 100 * instrument.tick_size
        command = sent(entry(instrument, venue.qty, type=OrderType.LIMIT, price=low))
        placed = accepted(await broker.execute(command))
        assert placed.status is OrderStatus.WORKING
        assert placed.venue_order_id is not None
        [order] = (await broker.snapshot()).orders
        assert (order.venue_order_id, order.price, order.is_entry) == (placed.venue_order_id, low, True)
        assert order.client_order_id == command.client_order_id
        lower = low - instrument.tick_size
        change = leg_of(
            instrument, kind=CommandKind.MODIFY, venue_order_id=placed.venue_order_id, price=lower,
            side=Side.BUY, type=OrderType.LIMIT,
        )  # fmt: skip
        accepted(await broker.execute(sent(change)))
        [order] = (await broker.snapshot()).orders
        assert (order.venue_order_id, order.price) == (placed.venue_order_id, lower)
        assert (
            accepted(await self._cancel(broker, instrument, placed.venue_order_id)).status
            is OrderStatus.CANCELED
        )
        assert not (await broker.snapshot()).orders
        late = rejected(await self._cancel(broker, instrument, placed.venue_order_id))
        assert late.reason is Reason.ORDER_NOT_FOUND

    async def test_a_stop_order_fires(self, venue: ContractVenue) -> None:
        """A stop order waits until the market reaches it; its fill is told afterwards."""
        broker, began = await venue.connect(), datetime.now(UTC) - timedelta(seconds=2)
        instrument = await instrument_of(broker, venue)
        trigger = venue.ask + 20 * instrument.tick_size
        command = sent(entry(instrument, venue.qty, type=OrderType.STOP, stop_price=trigger))
        assert accepted(await broker.execute(command)).status is OrderStatus.WORKING
        venue.price(venue.bid + 30 * instrument.tick_size, venue.ask + 30 * instrument.tick_size)

        async def look() -> bool | None:
            fills = await broker.fills(began)
            return [each.client_order_id for each in fills] == [command.client_order_id] or None

        assert await eventually(look, "the stop order's fill")
        assert venue.net() == venue.qty

    async def test_a_stop_loss_closes(self, venue: ContractVenue) -> None:
        """When the stop is hit the position is gone, its target too, and the fill is a closing one."""
        broker, began = await venue.connect(), datetime.now(UTC) - timedelta(seconds=2)
        position = await self._protected(broker, venue)
        tick = (await instrument_of(broker, venue)).tick_size
        venue.price(venue.bid - 80 * tick, venue.ask - 80 * tick)

        async def look() -> list[Effect] | None:
            seen, fills = await broker.snapshot(), await broker.fills(began)
            return [each.effect for each in fills] if len(fills) == 2 and not seen.orders else None

        assert await eventually(look, "two fills and no order") == [Effect.OPEN, Effect.CLOSE]
        assert not (await broker.snapshot()).positions
        assert position.qty == venue.qty

    async def test_a_stop_that_fired_is_no_entry_to_who_cancels_it(self, venue: ContractVenue) -> None:
        """Canceled a moment too late, by a worker that has just begun: what goes along with the refusal says nothing else of
        the fill than the lists do: it closed, with its result."""
        broker, began = await venue.connect(), datetime.now(UTC) - timedelta(seconds=2)
        await self._protected(broker, venue)
        if not broker.capabilities.stop_orders:
            return
        instrument = await instrument_of(broker, venue)
        guards = await eventually(lambda: self._guards(broker), "two orders that protect")
        stop = next(each for each in guards if each.type is OrderType.STOP)
        tick = instrument.tick_size
        venue.price(venue.bid - 80 * tick, venue.ask - 80 * tick)

        async def look() -> list[Fill] | None:
            return [each for each in await broker.fills(began) if each.effect is Effect.CLOSE] or None

        (closed,) = await eventually(look, "the stop's fill")
        other = await venue.connect()
        assert stop.venue_order_id is not None
        late = rejected(await self._cancel(other, instrument, stop.venue_order_id))
        told = [fill for state in late.effects for fill in state.fills]
        assert [(each.effect, each.realised) for each in told] in ([], [(Effect.CLOSE, closed.realised)])

    async def test_a_position_is_closed_in_parts(self, venue: ContractVenue) -> None:
        """A partial close keeps the position, a full one ends it, and nothing is ever turned around."""
        broker = await venue.connect()
        instrument = await instrument_of(broker, venue)
        position = await open_position(broker, instrument, 3 * venue.qty)
        part = accepted(await broker.execute(sent(close_of(instrument, position, venue.qty))))
        assert (part.status, part.filled_qty) == (OrderStatus.FILLED, venue.qty)
        assert [each.effect for each in part.fills] == [Effect.CLOSE]
        rest = await only_position(broker)
        assert (rest.venue_position_id, rest.qty) == (position.venue_position_id, 2 * venue.qty)
        whole = accepted(await broker.execute(sent(close_of(instrument, rest))))
        assert (whole.status, whole.filled_qty) == (OrderStatus.FILLED, 2 * venue.qty)
        assert [each.qty for each in whole.positions] == [D(0)]
        assert venue.net() == 0

    async def test_who_never_saw_a_position_closes_it_with_its_result(self, venue: ContractVenue) -> None:
        """A worker that has just begun closes what another has opened: the fill has the result that the other one is told."""
        broker, began = await venue.connect(), datetime.now(UTC) - timedelta(seconds=2)
        instrument = await instrument_of(broker, venue)
        position = await open_position(broker, instrument, venue.qty)
        venue.price(venue.bid + 80 * instrument.tick_size, venue.ask + 80 * instrument.tick_size)
        other = await venue.connect()
        outcome = accepted(await other.execute(sent(close_of(instrument, position))))

        async def look() -> list[D] | None:
            closed = [each for each in await broker.fills(began) if each.effect is Effect.CLOSE]
            return [each.realised for each in closed] or None

        told = await eventually(look, "the fill that has closed it")
        assert sum(told) > 0
        assert sum(told) == sum(each.realised for each in outcome.fills or await other.fills(began))

    async def test_what_is_not_there_is_refused(self, venue: ContractVenue) -> None:
        """Closing what was closed and canceling what never was are refusals with our word for them."""
        broker = await venue.connect()
        instrument = await instrument_of(broker, venue)
        position = await open_position(broker, instrument, venue.qty)
        accepted(await broker.execute(sent(close_of(instrument, position))))
        again = rejected(await broker.execute(sent(close_of(instrument, position))))
        assert again.reason is Reason.POSITION_NOT_FOUND
        assert (
            rejected(await self._cancel(broker, instrument, "7000000000000000001")).reason
            is Reason.ORDER_NOT_FOUND
        )
        assert venue.net() == 0

    async def test_opposite_orders_hedge_or_net_as_declared(self, venue: ContractVenue) -> None:
        """Buy and sell leave two positions on a hedging account and none on a netting one."""
        broker = await venue.connect()
        instrument = await instrument_of(broker, venue)
        for side in (Side.BUY, Side.SELL):
            accepted(await broker.execute(sent(entry(instrument, venue.qty, side=side))))
        positions = (await broker.snapshot()).positions
        assert len(positions) == (2 if broker.capabilities.hedging else 0)
        assert venue.net() == 0

    async def test_reduce_only_never_opens(self, venue: ContractVenue) -> None:
        """A reduce-only order on a flat account is refused, or does nothing."""
        broker = await venue.connect()
        instrument = await instrument_of(broker, venue)
        outcome = await broker.execute(sent(entry(instrument, venue.qty, side=Side.SELL, reduce_only=True)))
        assert isinstance(outcome, Rejected) or accepted(outcome).status is OrderStatus.CANCELED
        assert venue.net() == 0

    # Steps that several tests share.

    async def _protected(self, broker: Broker, venue: ContractVenue) -> Position:
        instrument = await instrument_of(broker, venue)
        wanted = Protection(venue.bid - 50 * instrument.tick_size, venue.ask + 90 * instrument.tick_size)
        accepted(await broker.execute(sent(entry(instrument, venue.qty, protection=wanted))))

        async def look() -> Position | None:
            position = await only_position(broker)
            levels = position.stop_loss, position.take_profit
            return position if levels == (wanted.stop_loss, wanted.take_profit) else None

        return await eventually(look, f"stop {wanted.stop_loss} and target {wanted.take_profit}")

    async def _guards(self, broker: Broker) -> list[WorkingOrder] | None:
        orders = [each for each in (await broker.snapshot()).orders if each.reduce_only]
        return list(orders) if len(orders) == 2 else None

    async def _protect(
        self, broker: Broker, venue: ContractVenue, position: Position, wanted: Protection
    ) -> Position:
        accepted(await broker.execute(sent(await self._protecting(broker, venue, position, wanted))))
        return await only_position(broker)

    async def _protecting(
        self, broker: Broker, venue: ContractVenue, position: Position, wanted: Protection
    ) -> Leg:
        return leg_of(
            await instrument_of(broker, venue), kind=CommandKind.PROTECT, side=position.side, qty=position.qty,
            venue_position_id=position.venue_position_id, protection=wanted,
        )  # fmt: skip

    async def _cancel(self, broker: Broker, instrument: Instrument, order_id: str) -> Outcome:
        return await broker.execute(
            sent(leg_of(instrument, kind=CommandKind.CANCEL, venue_order_id=order_id, side=Side.BUY))
        )
