"""Sends one command, once, and waits a while to see what it did. What does not show is left to `lookup`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace

from shared import clock, log
from shared.brokers.errors import OVERTAKEN, BrokerError, NotSent, Refused, UnreadableError
from shared.brokers.port import Sent
from shared.brokers.tradelocker import wording
from shared.brokers.tradelocker.account import Desk, or_else
from shared.brokers.tradelocker.closing import Closer
from shared.brokers.tradelocker.errors import outcome_of, reason_for
from shared.brokers.tradelocker.parse import Listing
from shared.brokers.tradelocker.rows import OrderRow, PositionRow
from shared.models.command import Leg, Protection, is_overtaken
from shared.models.enums import CommandKind, Effect, OrderStatus, OrderType
from shared.models.outcome import Accepted, Outcome, Rejected, Unknown
from shared.models.reasons import Reason
from shared.models.trading import Fill, Position

_log = log.get("tradelocker")


class Sender:
    """Executes commands on one account."""

    def __init__(self, desk: Desk, closer: Closer) -> None:
        self._desk, self._closer = desk, closer

    async def send(self, command: Sent) -> Outcome:
        """Exactly one write for the command, within `send_within` and by `send_by`, or never; no raising."""
        by = min(clock.monotonic() + self._desk.timing.send_within, command.send_by)
        does: dict[CommandKind, Callable[[Sent, float], Awaitable[Outcome]]] = {
            CommandKind.PLACE: self._place,
            CommandKind.CLOSE: self._close,
            CommandKind.CANCEL: self._cancel,
            CommandKind.MODIFY: self._modify,
            CommandKind.PROTECT: self._protect,
        }
        try:
            return await does[command.leg.kind](command, by)
        except BrokerError as error:
            return outcome_of(error)

    # Entries.

    async def _place(self, command: Sent, by: float) -> Outcome:
        leg = command.leg
        if leg.reduce_only:
            # Positions here are hedged: an order of the other side would open a second one.
            return Rejected(Reason.NOT_SUPPORTED, "TradeLocker has no reduce-only orders; close the position")
        if leg.side is None or leg.qty is None or len(command.client_order_id) > wording.TAG_LENGTH:
            return Rejected(
                Reason.INVALID, "an order needs a side, a quantity and an id of at most 31 characters"
            )
        listing = await self._listing(leg)
        body = wording.placing(leg, listing, command.client_order_id)
        order_id = await self._desk.client.place(body, by)
        # From here on the broker has it, whatever we fail to see.
        taken: Outcome = Accepted(order_id, OrderStatus.WORKING)
        row = await self._seen(order_id, leg.type, command.submitted_at)
        return taken if row is None else await or_else(taken, self._placed(command, row))

    async def _seen(self, order_id: str, kind: OrderType, since: datetime) -> OrderRow | None:
        """The order in a list: a market order when it is final, another one as soon as it is there."""

        async def look() -> OrderRow | None:
            if kind is not OrderType.MARKET:
                working = {each.id: each for each in await self._desk.orders()}
                if order_id in working:
                    return working[order_id]
            return {each.id: each for each in await self._desk.history(since)}.get(order_id)

        return await self._desk.until(look, self._desk.patience.confirm)

    async def _placed(self, command: Sent, row: OrderRow) -> Outcome:
        lens = await self._desk.lens()
        self._desk.memory.told(row.id, command.client_order_id)
        self._desk.memory.opened(row)
        position: Position | None = None
        if row.is_final and row.filled and row.position_id is not None:
            stop, target = await self._guarded(row.position_id, command.leg.protection)
            position = lens.opened(row, stop, target)
        return lens.entry(row, command.client_order_id, position)

    async def _guarded(self, position_id: str, wanted: Protection) -> tuple[Decimal | None, Decimal | None]:
        """Stop and target as they provably are; what the broker has dropped is set once more."""
        if wanted.stop_loss is None and wanted.take_profit is None:
            return None, None
        filled = clock.monotonic()

        async def look() -> PositionRow | None:
            found = {each.id: each for each in await self._desk.positions()}.get(position_id)
            patient = clock.monotonic() - filled < self._desk.patience.reapply
            return None if found is None or (patient and not _missing(found, wanted).empty) else found

        row = await self._desk.until(look, self._desk.patience.confirm)
        if row is None:
            return None, None
        missing = _missing(row, wanted)
        if not missing.empty and not await self._reapplied(position_id, missing):
            return _without(wanted.stop_loss, missing.stop_loss), _without(
                wanted.take_profit, missing.take_profit
            )
        return wanted.stop_loss, wanted.take_profit

    async def _reapplied(self, position_id: str, missing: Protection) -> bool:
        _log.warning("the broker dropped a stop or target, setting it again", position_id=position_id)
        outcome = await self._set_levels(
            position_id, missing, clock.monotonic() + self._desk.timing.send_within
        )
        return isinstance(outcome, Accepted)

    # Exits.

    async def _close(self, command: Sent, by: float) -> Outcome:
        if command.leg.venue_position_id is None:
            return await self._close_symbol(command, by)
        return await self._closer.close(command, by)

    async def _close_symbol(self, command: Sent, by: float) -> Outcome:
        """Whatever there is of an instrument, by the broker's own close of all of it."""
        listing = await self._listing(command.leg)
        await self._desk.client.close_all(listing.id, by)

        async def look() -> bool | None:
            left = [each for each in await self._desk.positions() if each.instrument_id == listing.id]
            return None if left else True

        gone = await self._desk.until(look, self._desk.patience.confirm)
        return Accepted(None, OrderStatus.FILLED if gone else OrderStatus.WORKING)

    # Working orders and protection.

    async def _cancel(self, command: Sent, by: float) -> Outcome:
        order_id = command.leg.venue_order_id or ""
        try:
            await self._desk.client.cancel(order_id, by)
        except Refused as error:
            return await self._too_late(order_id, error)

        async def look() -> OrderRow | None:
            if any(each.id == order_id for each in await self._desk.orders()):
                return None
            return await self._desk.ended(order_id)

        row = await self._desk.until(look, self._desk.patience.confirm)
        if row is not None and row.status is OrderStatus.FILLED:
            late = Rejected(Reason.ORDER_NOT_FOUND, "it was filled before")
            return await or_else(late, self._with_news(order_id, late))
        filled = row.filled if row is not None else Decimal(0)
        average = row.average if row is not None else None
        return Accepted(order_id, OrderStatus.CANCELED, filled, average)

    async def _modify(self, command: Sent, by: float) -> Outcome:
        order_id = command.leg.venue_order_id or ""
        body = wording.modifying(command.leg)
        if not body:
            return Rejected(Reason.NOTHING_TO_MODIFY, "nothing to change was named")
        try:
            await self._desk.client.modify_order(order_id, body, by)
        except Refused as error:
            return await self._too_late(order_id, error)
        return Accepted(order_id, OrderStatus.WORKING)

    async def _too_late(self, order_id: str, error: Refused) -> Outcome:
        """A refusal to touch an order is often news about it: what became of it goes along."""
        rejected = outcome_of(error)
        if not isinstance(rejected, Rejected) or reason_for(error.text, error.status) not in _ABOUT_THE_ORDER:
            return rejected
        return await or_else(rejected, self._with_news(order_id, rejected))

    async def _with_news(self, order_id: str, rejected: Rejected) -> Rejected:
        row = await self._desk.ended(order_id)
        if row is None:
            return rejected
        state = (await self._desk.lens()).state(row, await self.filled(row))
        return replace(rejected, effects=(state,))

    async def filled(self, row: OrderRow) -> tuple[Fill, ...]:
        """What an order has filled that may have opened a position or, as its stop or target, closed one.

        Nothing where nobody knows its position (any more): the watch of the account finds the fill with its result."""
        if not row.is_final or not row.filled or row.position_id is None:
            return ()
        await self._desk.meet(row.position_id)
        known = self._desk.memory.position(row.position_id)
        if known is None:
            return ()
        lens = await self._desk.lens()
        if row.side is known.side:
            return (lens.fill(row, Effect.OPEN, row.tag),)
        return (lens.fill(row, Effect.CLOSE, None, await self._desk.realised(row)),)

    async def _protect(self, command: Sent, by: float) -> Outcome:
        leg, position_id = command.leg, command.leg.venue_position_id or ""
        if leg.yields:
            try:
                held = await self._held(position_id)
            except (BrokerError, UnreadableError) as error:
                raise NotSent(f"the position could not be read: {error}") from error
            if held is not None and is_overtaken(leg, held.side, held.stop_loss):
                return Rejected(Reason.NOTHING_TO_MODIFY, OVERTAKEN, positions=(held,))
        return await self._set_levels(position_id, leg.protection, by)

    async def _set_levels(self, position_id: str, wanted: Protection, by: float) -> Outcome:
        """Set stop and target and see them set. The broker may say yes and drop them: then once more."""
        body = wording.protecting(wanted)
        if not body:
            return Rejected(Reason.NOTHING_TO_MODIFY, "no stop and no target was named")
        try:
            await self._desk.client.modify_position(position_id, body, by)
            position = await self._levels_seen(position_id, wanted)
            if position is None:
                again = clock.monotonic() + self._desk.timing.send_within
                await self._desk.client.modify_position(position_id, body, again)
                position = await self._levels_seen(position_id, wanted)
        except BrokerError as error:
            return outcome_of(error)
        if position is None:
            return Unknown("the broker took stop and target, and its lists do not show them")
        return Accepted(None, OrderStatus.WORKING, positions=(position,))

    async def _levels_seen(self, position_id: str, wanted: Protection) -> Position | None:
        async def look() -> Position | None:
            row = await self._row(position_id)
            if row is None:
                return None
            position = await self._shown(row)
            return position if _as_wanted(row, position, wanted) else None

        return await self._desk.until(look, self._desk.patience.confirm / 2)

    async def _held(self, position_id: str) -> Position | None:
        row = await self._row(position_id)
        return None if row is None else await self._shown(row)

    async def _row(self, position_id: str) -> PositionRow | None:
        return {each.id: each for each in await self._desk.positions()}.get(position_id)

    async def _shown(self, row: PositionRow) -> Position:
        lens = await self._desk.lens()
        return lens.position(row, {each.id: each for each in await self._desk.orders()})

    async def _listing(self, leg: Leg) -> Listing:
        """The instrument of a leg. NotSent when the list cannot be read: nothing has left yet."""
        try:
            found = (await self._desk.catalogue.names()).find(leg.venue_symbol)
        except (BrokerError, UnreadableError) as error:
            raise NotSent(f"the instrument list could not be read: {error}") from error
        if found is None or found.trade_route is None:
            raise Refused(400, f"{{tradableInstrumentId=[{leg.venue_symbol} is not tradable here]}}")
        return found


_ABOUT_THE_ORDER = frozenset({Reason.ORDER_NOT_FOUND, Reason.BROKER_REJECTED, Reason.INVALID})


def _missing(row: PositionRow, wanted: Protection) -> Protection:
    return Protection(
        stop_loss=None if row.stop_loss_id else wanted.stop_loss,
        take_profit=None if row.take_profit_id else wanted.take_profit,
    )


def _without(wanted: Decimal | None, missing: Decimal | None) -> Decimal | None:
    return None if missing is not None else wanted


def _as_wanted(row: PositionRow, position: Position, wanted: Protection) -> bool:
    stop_ok = wanted.stop_loss in (None, position.stop_loss)
    target_ok = wanted.take_profit in (None, position.take_profit)
    cleared = (wanted.clear_stop_loss and row.stop_loss_id) or (
        wanted.clear_take_profit and row.take_profit_id
    )
    return stop_ok and target_ok and not cleared
