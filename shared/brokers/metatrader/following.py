"""What a trade that was taken did, as the account's lists show it. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from msgspec.structs import replace

from shared.brokers.metatrader.account import SKEW, Desk
from shared.brokers.metatrader.rows import DealRow, OrderRow, PositionRow
from shared.brokers.metatrader.views import total
from shared.brokers.port import Sent
from shared.models.command import Protection
from shared.models.enums import MarginMode, OrderStatus
from shared.models.outcome import Accepted, Rejected
from shared.models.trading import Position

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Traded:
    """The deals of an order so far; `ended` is its row in the history, where it is looked for."""

    deals: tuple[DealRow, ...]
    ended: OrderRow | None = None


class Follower:
    """Looks at what commands did on one account."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    # Entries.

    async def placed(self, command: Sent, order_id: str, seconds: float) -> Accepted | Rejected:
        """A market order that was taken: filled, ended, or still working after `seconds`."""
        desk = self._desk
        desk.memory.told(order_id, command.client_order_id)
        seen = await desk.until(lambda: self.traded(command, order_id), seconds)
        if seen is None:
            return Accepted(order_id, OrderStatus.WORKING)
        fills = await desk.fills_of(seen.deals, command.client_order_id)
        if seen.ended is not None:
            return (await desk.lens()).ended(seen.ended, fills)
        qty, average = total(fills)
        return Accepted(order_id, OrderStatus.FILLED, qty, average, fills)

    async def traded(self, command: Sent, order_id: str) -> Traded | None:
        """All there will be of an order: its whole quantity, or what there is of one that has ended."""
        deals = await self._desk.deals(command.submitted_at - SKEW)
        mine = tuple(each for each in deals if each.order_id == order_id)
        qty = sum((each.volume for each in mine), ZERO)
        if command.leg.qty is not None and qty >= command.leg.qty:
            return Traded(mine)
        ended = await self._desk.client.ended_order(order_id)
        # History may show an order as filled before it shows its deals.
        return None if ended is None or qty < ended.filled else Traded(mine, ended)

    async def opened(self, command: Sent, accepted: Accepted) -> Position | None:
        """The position that a filled entry opened or grew, as it is; what is said of its levels is proven.

        On a hedging account without stop and target nothing has to be read for it.
        """
        position_id = next((each.venue_position_id for each in accepted.fills), None)
        if position_id is None or not accepted.filled_qty or accepted.avg_price is None:
            return None
        lens, leg = await self._desk.lens(), command.leg
        hedging = self._desk.seen.margin_mode is MarginMode.HEDGING
        if hedging and leg.protection.empty:
            fill = accepted.fills[0]
            gone = lens.gone(position_id, leg.venue_symbol, fill.side, accepted.avg_price)
            return _grown(gone, accepted)
        row = await self._desk.position(position_id)
        return None if row is None else lens.position(row)

    async def guarded(self, position_id: str, wanted: Protection) -> PositionRow | None:
        """The position once it shows the levels wanted, or as it is when it has had time to show them."""
        last: list[PositionRow] = []

        async def look() -> PositionRow | None:
            row = await self._desk.position(position_id)
            last[:] = [] if row is None else [row]
            return row if row is not None and shows(row, wanted) else None

        return await self._desk.until(look, self._desk.patience.reapply) or next(iter(last), None)

    # Exits.

    async def closed(
        self,
        command: Sent,
        order_id: str | None,
        wanted: Decimal | None,
        seconds: float,
        *,
        guess: bool = True,
    ) -> Accepted:
        """What a close did, as far as it shows within `seconds`. `wanted`: the quantity it was to take.

        `guess`: deals without a label count, where they can be nothing else.
        """
        seen: list[DealRow] = []
        ended: list[OrderRow] = []

        async def look() -> bool | None:
            deals = await self._desk.deals(command.submitted_at - SKEW)
            seen[:] = self.closings(command, deals, order_id, guess=guess)
            qty = sum((each.volume for each in seen), ZERO)
            if seen and wanted is not None and qty >= wanted:
                return True
            row = await self._desk.client.ended_order(order_id) if order_id and seconds else None
            ended[:] = [row] if row is not None and qty >= row.filled else []
            return True if ended else None

        await self._desk.until(look, seconds)
        if not seen:
            # The order is named before its deals are listed: nobody else's close may take it meanwhile.
            return Accepted(order_id, OrderStatus.CANCELED if ended else OrderStatus.WORKING)
        return await self._closing(command, seen, wanted, bool(ended))

    def closings(
        self, command: Sent, deals: Sequence[DealRow], order_id: str | None, *, guess: bool
    ) -> list[DealRow]:
        """Deals that are this close's: by its order's id, else by our label, else the only ones they can be."""
        leg, tag = command.leg, command.client_order_id
        if order_id is not None:
            return [each for each in deals if each.order_id == order_id and not each.opens]
        exits = [each for each in deals if not each.opens and self._is_of(each, command)]
        labelled = [each for each in exits if each.client_id == tag]
        if labelled or not guess:
            return labelled
        bare = [
            each
            for each in exits
            # MetaTrader 4 takes no label with a close: what it shows there is the entry's.
            if (each.client_id is None or self._desk.seen.is_mt4)
            and not each.is_levels
            and each.order_id not in command.taken
            and not self._desk.memory.is_anothers(each.id, tag)
        ]
        if leg.qty is None:
            return bare
        same = [each for each in bare if each.volume == leg.qty]
        return same if len(same) == 1 else []

    async def others(self, command: Sent) -> Decimal:
        """What other commands of ours have closed of what a close names, lately."""
        deals = await self._desk.deals(command.submitted_at - SKEW)
        theirs = [e for e in deals if not e.opens and e.order_id in command.taken and self._is_of(e, command)]
        return sum((each.volume for each in theirs), ZERO)

    def _is_of(self, deal: DealRow, command: Sent) -> bool:
        leg = command.leg
        if leg.side is not None and deal.side is not leg.side:
            return False
        if leg.venue_position_id is not None:
            return deal.position_id == leg.venue_position_id
        return deal.symbol == leg.venue_symbol

    async def _closing(
        self, command: Sent, deals: Sequence[DealRow], wanted: Decimal | None, ended: bool
    ) -> Accepted:
        for deal in deals:
            self._desk.memory.told(deal.id, command.client_order_id)
        fills = await self._desk.fills_of(deals, command.client_order_id)
        qty, average = total(fills)
        complete = wanted is not None and qty >= wanted
        status = OrderStatus.FILLED if complete else OrderStatus.CANCELED if ended else OrderStatus.WORKING
        left = await self._left(command, deals[-1])
        return Accepted(deals[-1].order_id, status, qty, average, fills, () if left is None else (left,))

    async def _left(self, command: Sent, deal: DealRow) -> Position | None:
        """The position after a close: as it is now, or gone."""
        if deal.position_id is None:
            return None
        lens = await self._desk.lens()
        row = await self._desk.position(deal.position_id)
        if row is not None:
            return lens.position(row)
        opening = [each for each in await self._desk.client.deals_of(deal.position_id) if each.opens]
        entry = opening[0].price if opening else deal.price
        return lens.gone(deal.position_id, deal.symbol, deal.side.opposite, entry)


def shows(row: PositionRow | OrderRow, wanted: Protection) -> bool:
    """Whether the levels are as they are wanted; what is not named may be anything."""
    stop = row.stop_loss is None if wanted.clear_stop_loss else wanted.stop_loss in (None, row.stop_loss)
    target = wanted.take_profit in (None, row.take_profit)
    return stop and (row.take_profit is None if wanted.clear_take_profit else target)


def _grown(position: Position, accepted: Accepted) -> Position:
    return replace(position, qty=accepted.filled_qty, opened_at=accepted.fills[0].at)
