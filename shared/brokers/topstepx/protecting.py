"""Stops and targets as they really are, and made what they should be.

The gateway makes them in ticks from the fill, so a price that was asked for has to be set once the fill is known; and
what it has dropped is placed by us, under the tag its child would have: a second one cannot come to be.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from decimal import Decimal

from shared import clock, log
from shared.brokers.errors import OVERTAKEN, BrokerError, NotSent, UnreadableError
from shared.brokers.port import Sent
from shared.brokers.topstepx import wording
from shared.brokers.topstepx.account import Desk, or_else
from shared.brokers.topstepx.errors import outcome_of
from shared.brokers.topstepx.rows import STOP_LOSS, TAKE_PROFIT, OrderRow, PositionRow
from shared.brokers.topstepx.views import guards, levels
from shared.models.command import Protection, is_overtaken
from shared.models.enums import OrderStatus, OrderType, Side
from shared.models.outcome import Accepted, Outcome, Rejected, Unknown
from shared.models.reasons import Reason
from shared.models.trading import Position

_log = log.get("topstepx")


@dataclass(frozen=True, slots=True)
class _Level:
    """One of the two: which orders it is made of, and where it should be (None = as it is)."""

    type: OrderType
    suffix: str
    price: Decimal | None
    clear: bool = False

    def now(self, row: OrderRow) -> Decimal | None:
        return row.stop_price if self.type is OrderType.STOP else row.price

    def change(self, price: Decimal) -> dict[str, Decimal]:
        return {"stopPrice" if self.type is OrderType.STOP else "limitPrice": price}


def _levels(wanted: Protection) -> tuple[_Level, _Level]:
    return (
        _Level(OrderType.STOP, STOP_LOSS, wanted.stop_loss, wanted.clear_stop_loss),
        _Level(OrderType.LIMIT, TAKE_PROFIT, wanted.take_profit, wanted.clear_take_profit),
    )


class Guard:
    """Sees to the stops and targets of one account."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    # Of an entry that was filled.

    async def after_fill(self, command: Sent, order_id: str, contract_id: str, filled: Decimal) -> None:
        """Children at the prices that were asked for and of the quantity that was filled; missing ones made.

        What cannot be done is left as it is: the position is shown with the stop it has.
        """
        wanted, began = command.leg.protection, clock.monotonic()
        names = [each for each in _levels(wanted) if each.price is not None]

        async def look() -> dict[str, OrderRow] | None:
            found = _children(await self._desk.unfinished(), order_id, command.client_order_id)
            patient = clock.monotonic() - began < self._desk.patience.reapply
            missing = [e for e in names if e.suffix not in found or found[e.suffix].suspended]
            return None if missing and patient else found

        children = await self._desk.until(look, self._desk.patience.confirm)
        if children is None:
            return
        for level in names:
            await self._quietly(self._exact(command, level, children, contract_id, filled))

    async def _exact(
        self, command: Sent, level: _Level, children: dict[str, OrderRow], contract_id: str, filled: Decimal
    ) -> None:
        child, by = children.get(level.suffix), self._desk.send_by(command)
        assert level.price is not None
        assert command.leg.side is not None
        if child is None:
            _log.warning("the broker dropped a stop or target, placing it", contract_id=contract_id)
            await self._place(contract_id, command.leg.side, filled, command.client_order_id, level, by)
            return
        change: dict[str, object] = {}
        if level.now(child) != level.price and not child.suspended:
            change |= level.change(level.price)
        if child.qty > filled:
            change["size"] = int(filled)
        if change:
            await self._desk.client.modify(child.id, change, by)

    # Of a position, by a command.

    async def protect(self, command: Sent, by: float) -> Outcome:
        """Set, move and remove what the command names, and see it done; what it does not name stays."""
        contract_id, wanted = command.leg.venue_symbol, command.leg.protection
        if wanted.empty:
            return Rejected(Reason.NOTHING_TO_MODIFY, "no stop and no target was named")
        try:
            held, before = await self._desk.held(contract_id), await self._desk.unfinished()
        except (BrokerError, UnreadableError) as error:
            raise NotSent(f"the position could not be read: {error}") from error
        if held is None:
            return Rejected(Reason.POSITION_NOT_FOUND, "there is no such position")
        if is_overtaken(command.leg, held.side, levels(held, before)[0]):
            shown = self._desk.lens.position(held, before)
            return Rejected(Reason.NOTHING_TO_MODIFY, OVERTAKEN, positions=(shown,))
        try:
            for level in _levels(wanted):
                await self._set(command, held, level, guards(held, before), by)
        except BrokerError as error:
            outcome = outcome_of(error)
            if isinstance(outcome, Unknown):
                return outcome
            # Of several changes the first may have been done: the position says.
            return Rejected(outcome.reason, outcome.text, positions=await self._as_is(contract_id))
        doubt = Unknown("stop and target were taken, and the lists do not show them")
        return await or_else(doubt, self._seen(command, _complete(wanted, levels(held, before)), doubt))

    async def _set(
        self, command: Sent, held: PositionRow, level: _Level, protecting: list[OrderRow], by: float
    ) -> None:
        mine = [each for each in protecting if each.type is level.type]
        if level.clear:
            for each in mine:
                await self._desk.client.cancel(each.id, by)
        if level.price is None:
            return
        for each in mine:
            if level.now(each) != level.price:
                await self._desk.client.modify(each.id, level.change(level.price), by)
        covered = sum((each.qty - each.filled for each in mine), Decimal(0))
        if covered < held.qty:
            rest = held.qty - covered
            await self._place(held.contract_id, held.side, rest, command.client_order_id, level, by)

    async def _seen(self, command: Sent, wanted: Protection, doubt: Unknown) -> Outcome:
        """The position once it is as wanted. A sibling that went with what was removed is placed again, once."""
        contract_id, again = command.leg.venue_symbol, False
        half = self._desk.patience.confirm / 2
        while True:
            found = await self._desk.until(lambda: self._as_wanted(contract_id, wanted), half)
            if found is not None:
                held, orders = found
                position = self._desk.lens.position(held, orders)
                return Accepted(None, OrderStatus.WORKING, positions=(position,))
            if again:
                return doubt
            again = True
            await self._missing_again(command, wanted)

    async def _missing_again(self, command: Sent, wanted: Protection) -> None:
        held = await self._desk.held(command.leg.venue_symbol)
        if held is None:
            return
        protecting = guards(held, await self._desk.unfinished())
        by = self._desk.send_by(command)
        for level in _levels(wanted):
            if level.price is not None and not any(each.type is level.type for each in protecting):
                await self._place(held.contract_id, held.side, held.qty, command.client_order_id, level, by)

    async def _as_wanted(
        self, contract_id: str, wanted: Protection
    ) -> tuple[PositionRow, list[OrderRow]] | None:
        held = await self._desk.held(contract_id)
        if held is None:
            return None
        orders = await self._desk.unfinished()
        return (held, orders) if is_set(held, orders, wanted) else None

    async def _as_is(self, contract_id: str) -> tuple[Position, ...]:
        try:
            held = await self._desk.held(contract_id)
            return () if held is None else (self._desk.lens.position(held, await self._desk.unfinished()),)
        except (BrokerError, UnreadableError):
            return ()

    # After an exit.

    async def fit(self, command: Sent, held: PositionRow, orders: list[OrderRow]) -> bool:
        """Stops, and targets, together no larger than what is left: the rest would open a position. Whether one was."""
        changed = False
        for kind in (OrderType.STOP, OrderType.LIMIT):
            left = held.qty
            for each in (row for row in guards(held, orders) if row.type is kind):
                room = min(left, each.qty - each.filled)
                left -= room
                if room < each.qty - each.filled:
                    by, size = self._desk.send_by(command), {"size": int(room + each.filled)}
                    client = self._desk.client
                    change = client.modify(each.id, size, by) if room else client.cancel(each.id, by)
                    changed |= await self._quietly(change)
        return changed

    async def sweep(self, command: Sent, contract_id: str) -> list[OrderRow]:
        """Cancel what protected a position that is gone: left alone it would open one. Those that are canceled."""
        try:
            left = [e for e in await self._desk.unfinished() if e.contract_id == contract_id and e.reduces]
        except (BrokerError, UnreadableError) as error:
            _log.warning("orders of a closed position could not be read", error=str(error))
            return []
        gone = []
        for each in (row for row in left if not row.suspended):
            by = self._desk.send_by(command)
            if await self._quietly(self._desk.client.cancel(each.id, by)):
                gone.append(each)
        return gone

    # How.

    async def _place(
        self, contract_id: str, side: Side, qty: Decimal, tag: str, level: _Level, by: float
    ) -> None:
        stop = level.price if level.type is OrderType.STOP else None
        target = level.price if level.type is OrderType.LIMIT else None
        body = wording.guarding(contract_id, side, qty, tag, stop=stop, target=target)
        await self._desk.client.place(body, by)

    async def _quietly(self, doing: Awaitable[object]) -> bool:
        """Whether it was done; it must not undo what it comes after."""
        try:
            await doing
        except (BrokerError, UnreadableError) as error:
            _log.warning("a stop or target could not be changed", error=str(error))
            return False
        return True


def _children(orders: list[OrderRow], entry_id: str, tag: str) -> dict[str, OrderRow]:
    """The children of an entry by what they are; ours in their place too."""
    found = {}
    for each in orders:
        for suffix, kind in ((STOP_LOSS, OrderType.STOP), (TAKE_PROFIT, OrderType.LIMIT)):
            mine = each.parent_id == entry_id or each.custom == tag + suffix
            if mine and each.type is kind:
                found[suffix] = each
    return found


def is_set(held: PositionRow, orders: list[OrderRow], wanted: Protection) -> bool:
    """Whether stop and target of a position are what a command wanted."""
    stop, target = levels(held, orders)
    protecting = guards(held, orders)
    cleared = (wanted.clear_stop_loss and any(e.type is OrderType.STOP for e in protecting)) or (
        wanted.clear_take_profit and any(e.type is OrderType.LIMIT for e in protecting)
    )
    return wanted.stop_loss in (None, stop) and wanted.take_profit in (None, target) and not cleared


def _complete(wanted: Protection, before: tuple[Decimal | None, Decimal | None]) -> Protection:
    """What is wanted, and what was there and is to stay."""
    stop = None if wanted.clear_stop_loss else wanted.stop_loss or before[0]
    target = None if wanted.clear_take_profit else wanted.take_profit or before[1]
    return Protection(stop, target, wanted.clear_stop_loss, wanted.clear_take_profit)
