"""Whether a command arrived, and what became of it. Reads only; an absence proves nothing before the lag."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from msgspec.structs import replace

from shared import clock
from shared.brokers.errors import BrokerError, UnreadableError
from shared.brokers.port import Sent
from shared.brokers.topstepx.account import Desk
from shared.brokers.topstepx.protecting import is_set
from shared.brokers.topstepx.rows import OrderRow
from shared.brokers.topstepx.sending import Sender, as_close
from shared.models.enums import CommandKind, OrderStatus, OrderType
from shared.models.outcome import Absent, Accepted, CannotTell, Found, Lookup, Rejected
from shared.models.reasons import Reason


class Settler:
    """Looks for the effect of a command on one account."""

    def __init__(self, desk: Desk, sender: Sender) -> None:
        self._desk, self._sender = desk, sender

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
        """By our tag, which an account takes once: whoever carries it is ours."""
        leg = command.leg
        if leg.reduce_only and leg.type is OrderType.MARKET:
            return await self._closed(as_close(command), asked_at)
        row = await self._sender.by_tag(command, command.submitted_at)
        if row is None:
            return self._absent(command, asked_at)
        if row.status is OrderStatus.REJECTED and self._is_young(command, asked_at):
            # It may have been rejected because its tag was taken, by an order that is not listed yet.
            return CannotTell("an order under our id was rejected; whether it is the only one will show")
        found = await self._sender.told(command, row.id, row, reads_only=True)
        return Found(found)

    async def _closed(self, command: Sent, asked_at: datetime) -> Lookup:
        """All of a position by whether something is left of it; a part by the order that it made.

        The size that is left does not tell of a part: other orders add to a position and take from it, too.
        """
        leg = command.leg
        if leg.side is None:
            return await self._root_closed(command, asked_at)
        contract_id, closer = leg.venue_symbol, self._sender.closer
        held = await self._desk.held(contract_id)
        if held is not None and held.side is leg.side:
            held = None  # it is a position of the other side that has come since
        if held is not None and leg.qty is None:
            return self._absent(command, asked_at)
        told = await closer.closed(command, contract_id, None, frozenset(), 0, reads_only=True)
        if told.fills:
            return Found(replace(told, status=OrderStatus.FILLED) if held is None else told)
        if held is None:
            return self._absent(command, asked_at, Found(Accepted(None, OrderStatus.FILLED)))
        alike = await closer.alike(command)
        if alike:
            return CannotTell(f"{held.qty:f} is left, and an order may be its: {', '.join(sorted(alike))}")
        return self._absent(command, asked_at)

    async def _root_closed(self, command: Sent, asked_at: datetime) -> Lookup:
        """A close of whatever there was: done when nothing of the root is left."""
        held = await self._desk.client.positions()
        left = [e for e in held if self._desk.lens.root(e.contract_id) == command.leg.root]
        return self._absent(command, asked_at) if left else Found(Accepted(None, OrderStatus.FILLED))

    async def _canceled(self, command: Sent, asked_at: datetime) -> Lookup:
        row = await self._desk.order(command.leg.venue_order_id or "")
        if row is None:
            return CannotTell("the order is in no list")
        if not row.is_final:
            return self._absent(command, asked_at)
        if row.status is OrderStatus.FILLED:
            return Found(self._was_final(row))
        return Found(Accepted(row.id, OrderStatus.CANCELED, row.filled, row.average))

    async def _modified(self, command: Sent, asked_at: datetime) -> Lookup:
        leg = command.leg
        row = await self._desk.order(leg.venue_order_id or "")
        if row is None:
            return CannotTell("the order is in no list")
        if row.is_final:
            return Found(self._was_final(row))
        wanted = ((leg.price, row.price), (leg.stop_price, row.stop_price), (leg.qty, row.qty))
        if all(asked in (None, found) for asked, found in wanted):
            return Found(Accepted(row.id, row.status, row.filled, row.average))
        return self._absent(command, asked_at)

    async def _protected(self, command: Sent, asked_at: datetime) -> Lookup:
        held = await self._desk.held(command.leg.venue_symbol)
        if held is None:
            return self._absent(command, asked_at, Found(Rejected(Reason.POSITION_NOT_FOUND, "it is closed")))
        orders = await self._desk.unfinished()
        if is_set(held, orders, command.leg.protection):
            position = self._desk.lens.position(held, orders)
            return Found(Accepted(None, OrderStatus.WORKING, positions=(position,)))
        return self._absent(command, asked_at)

    def _was_final(self, row: OrderRow) -> Rejected:
        state = self._desk.lens.state(row)
        return Rejected(Reason.ORDER_NOT_FOUND, f"it had ended as {row.status}", effects=(state,))

    def _is_young(self, command: Sent, asked_at: datetime) -> bool:
        return (asked_at - command.submitted_at).total_seconds() <= self._desk.patience.lag

    def _absent(self, command: Sent, asked_at: datetime, then: Lookup | None = None) -> Lookup:
        """What the lists say counts when they have had time to say otherwise. `then` instead of Absent."""
        if self._is_young(command, asked_at):
            age = (asked_at - command.submitted_at).total_seconds()
            return CannotTell(f"not listed {age:.1f} s after it was sent; lists may lag behind")
        return then or Absent()
