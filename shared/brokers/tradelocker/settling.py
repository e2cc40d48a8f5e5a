"""Whether a command arrived, and what became of it. Reads only; an absence proves nothing before the lag."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from msgspec.structs import replace

from shared import clock
from shared.brokers.errors import BrokerError, UnreadableError
from shared.brokers.port import Sent
from shared.brokers.tradelocker.account import SKEW, Desk
from shared.brokers.tradelocker.closing import Closer
from shared.brokers.tradelocker.rows import OrderRow, PositionRow
from shared.brokers.tradelocker.sending import Sender
from shared.brokers.tradelocker.views import guarded, looks_like
from shared.models.enums import CommandKind, OrderStatus, OrderType
from shared.models.outcome import Absent, Accepted, CannotTell, Found, Lookup, Rejected
from shared.models.reasons import Reason


class Settler:
    """Looks for the effect of a command on one account."""

    def __init__(self, desk: Desk, sender: Sender, closer: Closer) -> None:
        self._desk, self._sender, self._closer = desk, sender, closer

    async def look(self, command: Sent) -> Lookup:
        """Found, Absent (only when the lists have had time to show it) or CannotTell; never raises."""
        asks: dict[CommandKind, Callable[[Sent, datetime], Awaitable[Lookup]]] = {
            CommandKind.PLACE: self._placed,
            CommandKind.CLOSE: self._closed,
            CommandKind.CANCEL: self._canceled,
            CommandKind.MODIFY: self._modified,
            CommandKind.PROTECT: self._protected,
        }
        try:
            # What comes in answer may be as old as the question, however long the answer takes.
            return await asks[command.leg.kind](command, clock.now())
        except (BrokerError, UnreadableError) as error:
            return CannotTell(str(error))

    async def _placed(self, command: Sent, asked_at: datetime) -> Lookup:
        """By our tag, among what is neither a stop nor a target of a position."""
        positions = await self._desk.positions()
        working = await self._desk.orders()
        history = await self._desk.history(command.submitted_at)
        entries = [each for each in (*working, *history) if each.id not in guarded(positions)]
        mine = {each.id: each for each in entries if _is_ours(each, command)}
        if len(mine) > 1:
            return CannotTell(f"{len(mine)} orders carry our id: {', '.join(sorted(mine))}")
        if not mine:
            return await self._not_found(command, asked_at, entries, positions)
        [row] = mine.values()
        self._desk.memory.told(row.id, command.client_order_id)
        self._desk.memory.opened(row)
        lens = await self._desk.lens()
        held = next((each for each in positions if each.id == row.position_id), None)
        position = lens.position(held, {each.id: each for each in working}) if held else None
        return Found(lens.entry(row, command.client_order_id, position or lens.opened(row, None, None)))

    async def _not_found(
        self, command: Sent, asked_at: datetime, entries: list[OrderRow], positions: list[PositionRow]
    ) -> Lookup:
        leg = command.leg
        strangers = [
            each.id
            for each in entries
            if looks_like(each, leg.side, leg.type, leg.qty)
            and (each.created is None or each.created >= command.submitted_at - SKEW)
            and each.id not in command.taken
            and not self._desk.memory.is_anothers(each.id, command.client_order_id)
            and not _has_closed(each, entries, positions)
        ]
        if strangers:
            # It may be ours with the tag lost, or the trader's own: only a person can tell.
            return CannotTell(f"an order without any tag looks like it: {', '.join(sorted(strangers))}")
        return self._absent(command, asked_at)

    async def _closed(self, command: Sent, asked_at: datetime) -> Lookup:
        """By comparing the position, and by the order that it made."""
        leg = command.leg
        if leg.venue_position_id is None:
            return await self._symbol_closed(command, asked_at)
        held = next((e for e in await self._desk.positions() if e.id == leg.venue_position_id), None)
        if held is not None and (leg.qty is None or (leg.held_qty is not None and held.qty >= leg.held_qty)):
            return self._absent(command, asked_at)
        told = await self._closer.found(command, asked_at, gone=held is None)
        if isinstance(told, CannotTell):
            return told
        if told is not None:
            return Found(replace(told, status=OrderStatus.FILLED) if held is None else told)
        if held is None:
            return self._absent(command, asked_at, Found(Accepted(None, OrderStatus.FILLED)))
        alike = await self._closer.alike(command)
        if alike:
            return CannotTell(f"{held.qty} is left, and an order may be its: {', '.join(sorted(alike))}")
        return self._absent(command, asked_at)

    async def _symbol_closed(self, command: Sent, asked_at: datetime) -> Lookup:
        listing = (await self._desk.catalogue.names()).find(command.leg.venue_symbol)
        left = [e for e in await self._desk.positions() if listing and e.instrument_id == listing.id]
        return self._absent(command, asked_at) if left else Found(Accepted(None, OrderStatus.FILLED))

    async def _canceled(self, command: Sent, asked_at: datetime) -> Lookup:
        order_id = command.leg.venue_order_id or ""
        if any(each.id == order_id for each in await self._desk.orders()):
            return self._absent(command, asked_at)
        row = await self._desk.ended(order_id)
        if row is None:
            return CannotTell("the order is in no list")
        if row.status is OrderStatus.FILLED:
            return Found(await self._was_final(row))
        return Found(Accepted(order_id, OrderStatus.CANCELED, row.filled, row.average))

    async def _modified(self, command: Sent, asked_at: datetime) -> Lookup:
        leg = command.leg
        row = next((each for each in await self._desk.orders() if each.id == leg.venue_order_id), None)
        if row is None:
            ended = await self._desk.ended(leg.venue_order_id or "")
            return (
                CannotTell("the order is in no list")
                if ended is None
                else Found(await self._was_final(ended))
            )
        wanted = ((leg.price, row.price), (leg.stop_price, row.stop_price), (leg.qty, row.qty))
        if all(asked in (None, found) for asked, found in wanted):
            return Found(Accepted(row.id, row.status, row.filled, row.average))
        return self._absent(command, asked_at)

    async def _protected(self, command: Sent, asked_at: datetime) -> Lookup:
        wanted, position_id = command.leg.protection, command.leg.venue_position_id
        row: PositionRow | None = next((e for e in await self._desk.positions() if e.id == position_id), None)
        if row is None:
            return self._absent(command, asked_at, Found(Rejected(Reason.POSITION_NOT_FOUND, "it is closed")))
        orders = {each.id: each for each in await self._desk.orders()}
        position = (await self._desk.lens()).position(row, orders)
        kept = wanted.stop_loss in (None, position.stop_loss) and wanted.take_profit in (
            None,
            position.take_profit,
        )
        cleared = (wanted.clear_stop_loss and row.stop_loss_id) or (
            wanted.clear_take_profit and row.take_profit_id
        )
        if kept and not cleared:
            return Found(Accepted(None, OrderStatus.WORKING, positions=(position,)))
        return self._absent(command, asked_at)

    async def _was_final(self, row: OrderRow) -> Rejected:
        state = (await self._desk.lens()).state(row, await self._sender.filled(row))
        return Rejected(Reason.ORDER_NOT_FOUND, f"it had ended as {row.word}", effects=(state,))

    def _absent(self, command: Sent, asked_at: datetime, then: Lookup | None = None) -> Lookup:
        """What the lists say counts when they have had time to say otherwise. `then` instead of Absent."""
        age = (asked_at - command.submitted_at).total_seconds()
        if age <= self._desk.patience.lag:
            return CannotTell(f"not listed {age:.1f} s after it was sent; lists lag behind")
        return then or Absent()


def _is_ours(row: OrderRow, command: Sent) -> bool:
    leg = command.leg
    return row.tag == command.client_order_id and row.side is leg.side and row.type is leg.type


def _has_closed(row: OrderRow, rows: list[OrderRow], positions: list[PositionRow]) -> bool:
    """Whether an order has surely taken from a position: a close, which has no tag, whoever sent it.

    The position is of the other side, or an order at market had opened it before. Of stops, targets and limits
    that is not believed: what protects a position names it, too.
    """
    if row.position_id is None or row.created is None:
        return False
    if any(each.id == row.position_id and each.side is not row.side for each in positions):
        return True
    return any(
        each.position_id == row.position_id
        and each.side is not row.side
        and each.type is OrderType.MARKET
        and each.filled > 0
        and each.at is not None
        and each.at < row.created
        for each in rows
    )
