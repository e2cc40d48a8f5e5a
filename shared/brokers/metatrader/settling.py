"""Asks what became of a command whose outcome we do not know. Reads only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace

from shared import clock
from shared.brokers.errors import BrokerError, UnreadableError
from shared.brokers.metatrader.account import SKEW, Desk
from shared.brokers.metatrader.following import Follower, shows
from shared.brokers.metatrader.rows import OrderRow, PositionRow
from shared.brokers.port import Sent
from shared.models.command import Leg
from shared.models.enums import CommandKind, OrderStatus, OrderType
from shared.models.outcome import Absent, Accepted, CannotTell, Found, Lookup, Rejected
from shared.models.reasons import Reason

_BY_US = frozenset({"EXPERT", "UNKNOWN", ""})
"""Reasons of an order that can be one of MetaApi's; CLIENT, MOBILE and WEB are the trader's own hand."""


class Settler:
    """Looks commands up on one account."""

    def __init__(self, desk: Desk, follower: Follower) -> None:
        self._desk, self._follower = desk, follower

    async def look(self, command: Sent) -> Lookup:
        """Found, Absent (only when it has had time to come to light) or CannotTell; never raises."""
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

    # Entries.

    async def _placed(self, command: Sent, asked_at: datetime) -> Lookup:
        """By our label among pending orders, the history and positions; else by what only it can be."""
        working = await self._desk.client.orders()
        ended = await self._desk.client.ended_orders(command.submitted_at - SKEW)
        tag = command.client_order_id
        mine = {each.id: each for each in (*working, *ended) if each.client_id == tag and not each.is_levels}
        if len(mine) > 1:
            return CannotTell(f"{len(mine)} orders carry our id: {', '.join(sorted(mine))}")
        if mine:
            [row] = mine.values()
            return await self._found(command, row, pending=row.id in {each.id for each in working})
        held = [each.id for each in await self._desk.positions() if each.client_id == tag]
        if held:
            return CannotTell(f"position {held[0]} carries our id, and no order of it is listed yet")
        return await self._unlabelled(command, asked_at, working, ended)

    async def _found(self, command: Sent, row: OrderRow, *, pending: bool) -> Lookup:
        self._desk.memory.told(row.id, command.client_order_id)
        if pending:
            return Found(Accepted(row.id, row.working, row.filled))
        traded = await self._follower.traded(command, row.id)
        if traded is None:
            return CannotTell(f"order {row.id} has ended, and not all of its deals are listed yet")
        fills = await self._desk.fills_of(traded.deals, command.client_order_id)
        outcome = (await self._desk.lens()).ended(row, fills)
        if isinstance(outcome, Accepted):
            position = await self._follower.opened(command, outcome)
            outcome = outcome if position is None else replace(outcome, positions=(position,))
        return Found(outcome)

    async def _unlabelled(
        self, command: Sent, asked_at: datetime, working: Sequence[OrderRow], ended: Sequence[OrderRow]
    ) -> Lookup:
        """Brokers may overwrite the comment in which our label travels. One order that was sent through MetaApi in
        that time, of that symbol, side, type and volume, and is nobody else's, is ours; of more, or of one that
        may be the trader's own, only a person can tell."""
        alike = [each for each in (*working, *ended) if self._is_alike(each, command)]
        if not alike:
            return self._absent(command, asked_at)
        if len(alike) == 1 and self._is_through_us(alike[0]):
            return await self._found(command, alike[0], pending=alike[0] in working)
        names = ", ".join(sorted(each.id for each in alike))
        return CannotTell(f"without any label of ours, but as it was asked for: order {names}")

    def _is_alike(self, row: OrderRow, command: Sent) -> bool:
        leg = command.leg
        same = (row.symbol, row.side, row.kind, row.volume) == (leg.venue_symbol, leg.side, leg.type, leg.qty)
        if (
            not same
            or row.client_id is not None
            or row.is_levels
            or not row.is_order
            or row.id in command.taken
        ):
            return False
        if row.kind is not OrderType.MARKET and row.open_price not in (leg.price, leg.stop_price):
            return False
        longest = self._desk.patience.lag + self._desk.timing.trade_timeout
        after = None if row.time is None else (row.time - command.submitted_at).total_seconds()
        in_time = after is None or -SKEW.total_seconds() <= after <= SKEW.total_seconds() + longest
        return in_time and not self._desk.memory.is_anothers(row.id, command.client_order_id)

    def _is_through_us(self, row: OrderRow) -> bool:
        """The account's magic number is on whatever MetaApi sends for it, and on nothing a person does."""
        magic = self._desk.entry.magic
        return bool(magic) and row.magic == magic and row.reason.removeprefix("ORDER_REASON_") in _BY_US

    # Exits.

    async def _closed(self, command: Sent, asked_at: datetime) -> Lookup:
        """By the deals that closed; else by what is left of the position."""
        leg = command.leg
        wanted = leg.qty if leg.qty is not None else leg.held_qty
        positions = await self._held(leg)
        left = sum((each.volume for each in positions), Decimal(0))
        # Where as much is left as there was, whatever was closed meanwhile was closed before.
        untouched = leg.held_qty is not None and left >= leg.held_qty
        # And as long as anything is left, what was closed was no close of all there is.
        guess = not positions if leg.qty is None else not untouched
        accepted = await self._follower.closed(command, None, wanted, 0, guess=guess)
        if accepted.fills:
            whole = leg.qty is None and not positions
            return Found(replace(accepted, status=OrderStatus.FILLED) if whole else accepted)
        if not positions:
            return self._absent(command, asked_at, Found(Accepted(None, OrderStatus.FILLED)))
        if leg.qty is not None and leg.held_qty is not None and not untouched:
            if left + await self._follower.others(command) >= leg.held_qty:
                return self._absent(command, asked_at)
            return self._absent(
                command, asked_at, CannotTell(f"{left} lots are left, and history does not show why")
            )
        return self._absent(command, asked_at)

    async def _held(self, leg: Leg) -> list[PositionRow]:
        """What there is of what a close was to close."""
        if leg.venue_position_id is not None:
            row = await self._desk.position(leg.venue_position_id)
            rows = [] if row is None else [row]
        else:
            rows = [each for each in await self._desk.positions() if each.symbol == leg.venue_symbol]
        return [each for each in rows if leg.side is None or each.side is not leg.side]

    # Pending orders and protection.

    async def _canceled(self, command: Sent, asked_at: datetime) -> Lookup:
        order_id = command.leg.venue_order_id or ""
        if await self._desk.client.order(order_id) is not None:
            return self._absent(command, asked_at)
        row = await self._desk.client.ended_order(order_id)
        if row is None:
            return CannotTell(f"order {order_id} is in no list")
        if row.ended is OrderStatus.FILLED:
            return Found(await self._was_final(command, row))
        return Found(Accepted(order_id, OrderStatus.CANCELED, row.filled))

    async def _modified(self, command: Sent, asked_at: datetime) -> Lookup:
        leg, order_id = command.leg, command.leg.venue_order_id or ""
        row = await self._desk.client.order(order_id)
        if row is None:
            ended = await self._desk.client.ended_order(order_id)
            if ended is None:
                return CannotTell(f"order {order_id} is in no list")
            return Found(await self._was_final(command, ended))
        price = leg.price if row.kind is OrderType.LIMIT else leg.stop_price
        if price in (None, row.open_price) and shows(row, leg.protection):
            return Found(Accepted(row.id, row.working, row.filled))
        return self._absent(command, asked_at)

    async def _protected(self, command: Sent, asked_at: datetime) -> Lookup:
        position_id = command.leg.venue_position_id or ""
        row = await self._desk.position(position_id)
        if row is None:
            gone = Rejected(Reason.POSITION_NOT_FOUND, f"there is no position {position_id}")
            return self._absent(command, asked_at, Found(gone))
        if shows(row, command.leg.protection):
            position = (await self._desk.lens()).position(row)
            return Found(Accepted(None, OrderStatus.WORKING, positions=(position,)))
        return self._absent(command, asked_at)

    async def _was_final(self, command: Sent, row: OrderRow) -> Rejected:
        deals = await self._desk.client.deals_of(row.position_id) if row.position_id else []
        fills = await self._desk.fills_of([each for each in deals if each.order_id == row.id])
        state = (await self._desk.lens()).state(row, fills)
        return Rejected(Reason.ORDER_NOT_FOUND, f"it had ended as {row.state}", effects=(state,))

    def _absent(self, command: Sent, asked_at: datetime, then: Lookup | None = None) -> Lookup:
        """What the lists say counts when it has had time to come to light. `then` instead of Absent."""
        age = (asked_at - command.submitted_at).total_seconds()
        if age <= self._desk.patience.lag:
            return CannotTell(f"not listed {age:.1f} s after it was sent; it may still come to light")
        return then or Absent()
