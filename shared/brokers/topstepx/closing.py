"""Closes positions by the gateway's own close, which has no id: what it did is told by position, time and fills."""

from __future__ import annotations

import asyncio
from datetime import timedelta
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

        `held` is the position before it, `before` the orders that were there: neither is known to a lookup.
        """
        leg = command.leg
        wanted = leg.qty if leg.qty is not None else held.qty if held is not None else leg.held_qty
        seen: list[TradeRow] = []
        rows: list[OrderRow] = []

        async def look() -> bool | None:
            orders = await self._desk.orders(command.submitted_at)
            mine = [e for e in orders if e.id not in before and self._fits(e, command, contract_id, wanted)]
            rows[:] = self._chosen(mine, command, wanted, known=bool(before) or held is not None)
            # At once, and kept: a close beside this one must not take the same orders for its own.
            self._desk.memory.told((each.id for each in rows), command.client_order_id)
            names = {each.id for each in rows}
            if not names:
                return None
            trades = await self._desk.trades(command.submitted_at)
            seen[:] = [each for each in trades if each.order_id in names and each.profit is not None]
            done = total(seen)[0]
            ended = all(each.is_final and each.filled <= done for each in rows)
            return True if (wanted is not None and done >= wanted) or ended else None

        await self._desk.until(look, seconds)
        return await self._told(command, contract_id, held, rows, seen, wanted, reads_only=reads_only)

    def _fits(self, row: OrderRow, command: Sent, contract_id: str, wanted: Decimal | None) -> bool:
        """An order that could be the one a close has made: at market, of that side, without any tag."""
        leg = command.leg
        plain = row.type is OrderType.MARKET and row.custom is None and row.parent_id is None
        recent = row.created >= command.submitted_at - SKEW
        same = row.contract_id == contract_id and leg.side in (None, row.side)
        size = leg.qty is None or row.qty == leg.qty
        unclaimed = not self._desk.memory.is_anothers(row.id, command.client_order_id)
        return plain and recent and same and size and unclaimed and (wanted is None or row.qty <= wanted)

    async def _rest(self, command: Sent, row: PositionRow, *, reads_only: bool) -> Position:
        """What is left of a position, with protection that is no larger."""
        orders = await self._desk.unfinished()
        if not reads_only and await self._guard.fit(command, row, orders):
            orders = await self._desk.unfinished()
        return self._desk.lens.position(row, orders)

    def _chosen(
        self, rows: list[OrderRow], command: Sent, wanted: Decimal | None, *, known: bool
    ) -> list[OrderRow]:
        """Of the orders that fit as many as what was wanted takes: those chosen before, then the first that came
        after the close (`known`: what was there before it is not among them), else those nearest to it in time."""

        def rank(row: OrderRow) -> tuple[bool, timedelta, int]:
            away = row.created - command.submitted_at
            return (
                not self._desk.memory.is_its(row.id, command.client_order_id),
                away if known else abs(away),
                int(row.id),
            )

        taken: list[OrderRow] = []
        room = wanted
        for each in sorted(rows, key=rank):
            if room is None or each.qty <= room:
                taken.append(each)
                room = None if room is None else room - each.qty
        return sorted(taken, key=lambda row: int(row.id))

    async def _told(
        self,
        command: Sent,
        contract_id: str,
        held: PositionRow | None,
        rows: list[OrderRow],
        trades: list[TradeRow],
        wanted: Decimal | None,
        *,
        reads_only: bool,
    ) -> Accepted:
        if not trades:
            rejected = bool(rows) and all(each.status is OrderStatus.REJECTED for each in rows)
            return Accepted(None, OrderStatus.CANCELED if rejected else OrderStatus.WORKING)
        done, average = total(trades)
        ended = all(each.is_final and each.filled <= done for each in rows)
        complete = wanted is None or done >= wanted
        status = OrderStatus.FILLED if complete else OrderStatus.CANCELED if ended else OrderStatus.WORKING
        fills = tuple(self._desk.lens.fill(each, command.client_order_id) for each in trades)
        left, swept = await self._after(command, contract_id, held, trades, reads_only=reads_only)
        positions = () if left is None else (left,)
        return Accepted(rows[-1].id, status, done, average, fills, positions, effects=swept)

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
