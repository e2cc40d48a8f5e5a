"""Rows as our models: positions with their stops, working orders, fills, outcomes. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from shared.brokers.tradelocker.catalogue import Names
from shared.brokers.tradelocker.memory import KnownPosition
from shared.brokers.tradelocker.rows import OrderRow, PositionRow
from shared.models.enums import Effect, OrderStatus, OrderType, Side
from shared.models.outcome import Accepted, Rejected
from shared.models.reasons import Reason
from shared.models.trading import Fill, OrderState, Position, WorkingOrder

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Lens:
    """Whose rows they are, and what the account's instruments are called."""

    account_id: str
    names: Names

    def symbol(self, instrument_id: str) -> str:
        """Our symbol of an instrument; its id where the list does not have it."""
        listing = self.names.by_id.get(instrument_id)
        return listing.symbol if listing else instrument_id

    def key(self, instrument_id: str) -> str:
        """What a leg calls it."""
        listing = self.names.by_id.get(instrument_id)
        return listing.key if listing else instrument_id

    def position(self, row: PositionRow, orders: Mapping[str, OrderRow]) -> Position:
        """A position; stop and target are orders behind its ids."""
        stop = orders.get(row.stop_loss_id or "")
        target = orders.get(row.take_profit_id or "")
        symbol = self.symbol(row.instrument_id)
        return Position(
            account_id=self.account_id,
            venue_position_id=row.id,
            symbol=symbol,
            root=symbol,
            side=row.side,
            qty=row.qty,
            entry_price=row.average,
            stop_loss=(stop.stop_price or stop.price) if stop else None,
            take_profit=(target.price or target.stop_price) if target else None,
            unrealized_pnl=row.profit,
            opened_at=row.opened,
            venue_symbol=self.key(row.instrument_id),
        )

    def working(self, row: OrderRow, protects: Mapping[str, PositionRow]) -> WorkingOrder:
        """An order that waits. `protects`: order id -> the position whose stop or target it is."""
        guarded = protects.get(row.id)
        symbol = self.symbol(row.instrument_id)
        return WorkingOrder(
            account_id=self.account_id,
            symbol=symbol,
            root=symbol,
            side=row.side,
            type=row.type,
            qty=row.qty,
            filled_qty=row.filled,
            status=row.status,
            venue_order_id=row.id,
            # The broker may repeat the entry's tag on the orders that protect it: they are not the entry.
            client_order_id=None if guarded else row.tag,
            price=row.price if row.type is OrderType.LIMIT else None,
            stop_price=row.stop_price if row.type is OrderType.STOP else None,
            reduce_only=guarded is not None,
            origin="broker",
            position_id=guarded.id if guarded else None,
            venue_symbol=self.key(row.instrument_id),
        )

    def fill(
        self, row: OrderRow, effect: Effect, client_order_id: str | None, realised: Decimal = Decimal(0)
    ) -> Fill:
        """What an order has filled, as one fill with the order's id: the broker shows no single executions
        beyond the current session."""
        return Fill(
            venue_fill_id=row.id,
            side=row.side,
            qty=row.filled,
            price=row.average or row.price or Decimal(0),
            at=row.at or _LONG_AGO,
            symbol=self.symbol(row.instrument_id),
            effect=effect,
            venue_order_id=row.id,
            client_order_id=client_order_id,
            venue_position_id=row.position_id,
            commission=row.commission,
            realised=realised,
        )

    def state(self, row: OrderRow, fills: tuple[Fill, ...]) -> OrderState:
        """What became of an order, with what it has filled as far as that is known."""
        return OrderState(row.id, row.tag, row.status, row.filled, row.average, fills, None)

    def opened(
        self, row: OrderRow, stop_loss: Decimal | None, take_profit: Decimal | None
    ) -> Position | None:
        """The position that a filled entry has opened."""
        if row.position_id is None or not row.filled or row.average is None:
            return None
        symbol = self.symbol(row.instrument_id)
        return Position(
            account_id=self.account_id,
            venue_position_id=row.position_id,
            symbol=symbol,
            root=symbol,
            side=row.side,
            qty=row.filled,
            entry_price=row.average,
            stop_loss=stop_loss,
            take_profit=take_profit,
            opened_at=row.at,
            venue_symbol=self.key(row.instrument_id),
        )

    def gone(self, position_id: str, known: KnownPosition) -> Position:
        """A position that was closed: nothing is left of it."""
        symbol = self.symbol(known.instrument_id)
        return Position(
            account_id=self.account_id,
            venue_position_id=position_id,
            symbol=symbol,
            root=symbol,
            side=known.side,
            qty=Decimal(0),
            entry_price=known.average,
            venue_symbol=self.key(known.instrument_id),
        )

    def entry(self, row: OrderRow, tag: str, position: Position | None = None) -> Accepted | Rejected:
        """What became of an entry of ours."""
        if row.status is OrderStatus.REJECTED:
            return Rejected(Reason.BROKER_REJECTED, f"the order was taken and then ended as {row.word}")
        fills = (self.fill(row, Effect.OPEN, tag),) if row.is_final and row.filled else ()
        positions = (position,) if position else ()
        return Accepted(row.id, row.status, row.filled, row.average, fills, positions)


def guarded(positions: Sequence[PositionRow]) -> dict[str, PositionRow]:
    """Order id -> the position whose stop or target it is."""
    found = {each.stop_loss_id: each for each in positions if each.stop_loss_id}
    return found | {each.take_profit_id: each for each in positions if each.take_profit_id}


def closings(
    history: Sequence[OrderRow], position_id: str, side: Side | None, since: datetime
) -> list[OrderRow]:
    """Filled orders that have taken from a position since a time. `side` is that of the closing order."""
    return [
        each
        for each in history
        if each.position_id == position_id
        and each.filled
        and (side is None or each.side is side)
        and (each.created is None or each.created >= since)
    ]


def looks_like(row: OrderRow, side: Side | None, kind: OrderType, qty: Decimal | None) -> bool:
    """An order that could be one of ours whose tag was lost."""
    return row.tag is None and row.side is side and row.type is kind and row.qty == qty
