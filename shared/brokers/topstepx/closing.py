"""Closes positions by the gateway's own close, which has no id: what it did is told by position, time and fills."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal

from shared import log
from shared.brokers.errors import BrokerError, UnreadableError
from shared.brokers.port import Sent
from shared.brokers.topstepx.account import SKEW, Desk
from shared.brokers.topstepx.protecting import Guard
from shared.brokers.topstepx.rows import OrderRow, PositionRow, TradeRow
from shared.brokers.topstepx.views import total
from shared.models.enums import OrderStatus, OrderType
from shared.models.outcome import Accepted, Outcome, Rejected
from shared.models.reasons import Reason
from shared.models.trading import OrderState, Position

_log = log.get("topstepx")


class Closer:
    """Closes on one account."""

    def __init__(self, desk: Desk, guard: Guard) -> None:
        self._desk, self._guard = desk, guard

    async def close(self, command: Sent, by: float) -> Outcome:
        """All of a position, or a part. Without a side: whatever there is of the root, in any month."""
        leg = command.leg
        if leg.qty is not None and leg.qty != leg.qty.to_integral_value():
            return Rejected(Reason.INVALID_QUANTITY, f"{leg.qty:f} is no whole number of contracts")
        positions, before = await self._seen_before(command)
        if positions is not None and leg.side is None:
            months = [each for each in positions if self._desk.lens.root(each.contract_id) == leg.root]
            if len(months) > 1 or (months and months[0].contract_id != leg.venue_symbol):
                return await self._all_months(command, months, before, by)
        held = next((e for e in positions or () if e.contract_id == leg.venue_symbol), None)
        if held is not None and held.side is leg.side:
            text = f"the position is {held.side} {held.qty:f}: a {leg.side} would not close it"
            return Rejected(Reason.POSITION_NOT_FOUND, text)
        await self._desk.client.close_contract(leg.venue_symbol, leg.qty, by)
        # From here on the broker has it, whatever we fail to see.
        return await self.closed(command, leg.venue_symbol, held, before, self._desk.patience.confirm)

    async def _seen_before(self, command: Sent) -> tuple[list[PositionRow] | None, frozenset[str]]:
        """Positions and orders before the close. An exit does not wait for what cannot be read."""
        try:
            positions, orders = await asyncio.gather(
                self._desk.client.positions(), self._desk.orders(command.submitted_at)
            )
        except (BrokerError, UnreadableError) as error:
            _log.warning("closing without having seen the position", error=str(error))
            return None, frozenset()
        return positions, frozenset(each.id for each in orders)

    async def _all_months(
        self, command: Sent, months: list[PositionRow], before: frozenset[str], by: float
    ) -> Outcome:
        """Every month of a root. The first that is refused ends it: the others are seen by the next look."""
        found: list[Accepted] = []
        for held in months:
            try:
                await self._desk.client.close_contract(held.contract_id, None, by)
            except BrokerError:
                if not found:
                    raise
                _log.warning("not every month of a root was closed", contract_id=held.contract_id)
                break
            confirm = self._desk.patience.confirm
            found.append(await self.closed(command, held.contract_id, held, before, confirm))
        return _together(found, complete=len(found) == len(months))

    async def closed(
        self,
        command: Sent,
        contract_id: str,
        held: PositionRow | None,
        before: frozenset[str],
        seconds: float,
        *,
        reads_only: bool = False,
    ) -> Accepted:
        """What a close that the broker has taken did, as far as it shows within `seconds`.

        `held` is the position before it, `before` the orders that were there: neither is known to a lookup. What
        the leg says was held is not asked: our book may be behind, and the gateway closes what there is.
        """
        known = bool(before) or held is not None
        seen: list[TradeRow] = []
        rows: list[OrderRow] = []

        async def look() -> bool | None:
            since = command.submitted_at - (SKEW if known else timedelta(seconds=self._desk.patience.apart))
            orders = await self._desk.orders(command.submitted_at)
            mine = [e for e in orders if e.id not in before and self._fits(e, command, contract_id, since)]
            rows[:] = self._chosen(mine, command, held)
            if not rows:
                return None
            row = rows[0]
            # At once, and kept: a close beside this one must not take the same order for its own.
            self._desk.memory.told([row.id], command.client_order_id)
            trades = await self._desk.trades(command.submitted_at)
            seen[:] = [each for each in trades if each.order_id == row.id and each.profit is not None]
            done = total(seen)[0]
            return True if done >= row.qty or (row.is_final and row.filled <= done) else None

        await self._desk.until(look, seconds)
        row = rows[0] if rows else None
        return await self._told(command, contract_id, held, row, seen, reads_only=reads_only)

    async def alike(self, command: Sent) -> list[str]:
        """Ids of all orders that a close could have made, if the clocks differ as much as they ever may."""
        since = command.submitted_at - SKEW
        orders = await self._desk.orders(command.submitted_at)
        return [each.id for each in orders if self._fits(each, command, command.leg.venue_symbol, since)]

    def _fits(self, row: OrderRow, command: Sent, contract_id: str, since: datetime) -> bool:
        """An order that could be the one a close has made: at market, of that side, without any tag, nobody else's."""
        leg = command.leg
        plain = row.type is OrderType.MARKET and row.custom is None and row.parent_id is None
        same = row.contract_id == contract_id and leg.side in (None, row.side)
        size = leg.qty in (None, row.qty)
        taken = row.id in command.taken or self._desk.memory.is_anothers(row.id, command.client_order_id)
        return plain and row.created >= since and same and size and not taken

    async def _rest(self, command: Sent, row: PositionRow, *, reads_only: bool) -> Position:
        """What is left of a position, with protection that is no larger."""
        orders = await self._desk.unfinished()
        if not reads_only and await self._guard.fit(command, row, orders):
            orders = await self._desk.unfinished()
        return self._desk.lens.position(row, orders)

    def _chosen(self, rows: list[OrderRow], command: Sent, held: PositionRow | None) -> list[OrderRow]:
        """Of the orders that fit the one that was made: the gateway makes one of a close. The one chosen before,
        else one of all that was held, else the nearest in time."""

        def rank(row: OrderRow) -> tuple[bool, bool, timedelta, int]:
            return (
                not self._desk.memory.is_its(row.id, command.client_order_id),
                held is not None and command.leg.qty is None and row.qty != held.qty,
                abs(row.created - command.submitted_at),
                int(row.id),
            )

        return sorted(rows, key=rank)[:1]

    async def _told(
        self,
        command: Sent,
        contract_id: str,
        held: PositionRow | None,
        row: OrderRow | None,
        trades: list[TradeRow],
        *,
        reads_only: bool,
    ) -> Accepted:
        if row is None or not trades:
            rejected = row is not None and row.status is OrderStatus.REJECTED
            return Accepted(None, OrderStatus.CANCELED if rejected else OrderStatus.WORKING)
        done, average = total(trades)
        ended = row.is_final and row.filled <= done
        status = (
            OrderStatus.FILLED if done >= row.qty else OrderStatus.CANCELED if ended else OrderStatus.WORKING
        )
        fills = tuple(self._desk.lens.fill(each, command.client_order_id) for each in trades)
        left, swept = await self._after(command, contract_id, held, trades, reads_only=reads_only)
        positions = () if left is None else (left,)
        return Accepted(row.id, status, done, average, fills, positions, effects=swept)

    async def _after(
        self,
        command: Sent,
        contract_id: str,
        held: PositionRow | None,
        trades: list[TradeRow],
        *,
        reads_only: bool,
    ) -> tuple[Position | None, tuple[OrderState, ...]]:
        """The position as it is now; where nothing is left of it, what protected it is canceled."""
        done, average = total(trades)
        before = held.qty if held is not None else command.leg.held_qty
        try:
            row = await self._desk.held(contract_id)
            if row is not None:
                # A list that lags still shows what was there before: better none than that.
                lags = before is not None and row.qty > before - done
                return (None if lags else await self._rest(command, row, reads_only=reads_only)), ()
        except (BrokerError, UnreadableError) as error:
            _log.info("closed, and what is left could not be read", error=str(error))
            return None, ()
        swept = [] if reads_only else await self._guard.sweep(command, contract_id)
        states = tuple(
            OrderState(each.id, each.tag, OrderStatus.CANCELED, each.filled, each.average) for each in swept
        )
        side = trades[-1].side.opposite
        entry = held.average if held is not None else average or Decimal(0)
        return self._desk.lens.gone(contract_id, side, entry), states


def _together(found: list[Accepted], *, complete: bool) -> Accepted:
    """Several closes as one outcome."""
    fills = tuple(fill for each in found for fill in each.fills)
    qty = sum((each.qty for each in fills), Decimal(0))
    average = sum((each.qty * each.price for each in fills), Decimal(0)) / qty if qty else None
    whole = complete and all(each.status is OrderStatus.FILLED for each in found)
    positions = tuple(position for each in found for position in each.positions)
    effects = tuple(effect for each in found for effect in each.effects)
    status = OrderStatus.FILLED if whole else OrderStatus.WORKING
    return Accepted(found[-1].venue_order_id, status, qty, average, fills, positions, effects)
