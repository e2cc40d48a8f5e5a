"""Rows as our models: positions, working orders, fills, outcomes. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from msgspec.structs import replace

from shared.brokers.metatrader.catalogue import Names
from shared.brokers.metatrader.rows import DealRow, OrderRow, PositionRow
from shared.models.enums import Effect, OrderStatus, OrderType, Side
from shared.models.outcome import Accepted, Rejected
from shared.models.reasons import Reason
from shared.models.trading import Fill, OrderState, Position, WorkingOrder

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Lens:
    """Whose rows they are, and what the account's symbols are called."""

    account_id: str
    names: Names

    def position(self, row: PositionRow) -> Position:
        """A position with its stop and target."""
        symbol = self.names.symbol(row.symbol)
        return Position(
            account_id=self.account_id,
            venue_position_id=row.id,
            symbol=symbol,
            root=symbol,
            side=row.side,
            qty=row.volume,
            entry_price=row.open_price,
            stop_loss=row.stop_loss,
            take_profit=row.take_profit,
            unrealized_pnl=row.profit if row.unrealized_profit is None else row.unrealized_profit,
            opened_at=row.time,
            venue_symbol=row.symbol,
            price=row.current_price,
            doubt=row.doubt,
        )

    def gone(self, position_id: str, name: str, side: Side, entry_price: Decimal) -> Position:
        """A position that was closed: nothing is left of it."""
        symbol = self.names.symbol(name)
        return Position(
            account_id=self.account_id,
            venue_position_id=position_id,
            symbol=symbol,
            root=symbol,
            side=side,
            qty=ZERO,
            entry_price=entry_price,
            venue_symbol=name,
        )

    def working(self, row: OrderRow) -> WorkingOrder:
        """An order that waits. Stops and targets of positions are no orders here."""
        symbol, kind = self.names.symbol(row.symbol), row.kind
        return WorkingOrder(
            account_id=self.account_id,
            symbol=symbol,
            root=symbol,
            side=row.side,
            type=kind,
            qty=row.volume,
            filled_qty=row.filled,
            status=row.working,
            venue_order_id=row.id,
            client_order_id=row.client_id,
            price=row.open_price if kind is OrderType.LIMIT else row.stop_limit_price,
            stop_price=row.open_price if kind is OrderType.STOP else None,
            origin="broker",
            venue_symbol=row.symbol,
        )

    def fills(self, deal: DealRow, client_order_id: str | None, held: Decimal = ZERO) -> tuple[Fill, ...]:
        """A deal as one fill, or as two where it turned a net position of `held` lots around.

        Commission and swap are told as MetaTrader books them, as what is added to the balance: ours are costs.
        """
        whole = Fill(
            venue_fill_id=deal.id,
            side=deal.side,
            qty=deal.volume,
            price=deal.price,
            at=deal.time,
            symbol=self.names.symbol(deal.symbol),
            effect=Effect.OPEN if deal.opens else Effect.CLOSE,
            venue_order_id=deal.order_id,
            client_order_id=client_order_id,
            venue_position_id=deal.position_id,
            commission=-deal.commission,
            swap=-deal.swap,
            realised=deal.profit,
        )
        if not deal.turns or held >= deal.volume:
            return (whole,)
        opened = replace(
            whole, venue_fill_id=f"{deal.id}-open", qty=deal.volume - held, effect=Effect.OPEN,
            commission=ZERO, swap=ZERO, realised=ZERO,
        )  # fmt: skip
        return (replace(whole, qty=held), opened) if held else (replace(whole, effect=Effect.OPEN),)

    def state(self, row: OrderRow, fills: Sequence[Fill] = ()) -> OrderState:
        """What became of an order of the history."""
        qty, average = total(fills)
        return OrderState(row.id, row.client_id, row.ended, qty or row.filled, average, tuple(fills), None)

    def ended(
        self, row: OrderRow, fills: Sequence[Fill], positions: Sequence[Position] = ()
    ) -> Accepted | Rejected:
        """An order of the history as the outcome of its command."""
        if row.ended is OrderStatus.REJECTED and not fills:
            return Rejected(Reason.BROKER_REJECTED, "the order was taken and then rejected by the broker")
        qty, average = total(fills)
        return Accepted(row.id, row.ended, qty, average, tuple(fills), tuple(positions))


def total(fills: Sequence[Fill]) -> tuple[Decimal, Decimal | None]:
    """Quantity and average price of fills."""
    qty = sum((each.qty for each in fills), ZERO)
    return qty, sum((each.qty * each.price for each in fills), ZERO) / qty if qty else None


def net_before(deals: Sequence[DealRow], deal: DealRow) -> Decimal:
    """How many lots of a net position were there before one of its deals, either way."""
    earlier = [each for each in deals if each.age < deal.age]
    signed = (each.volume if each.side is Side.BUY else -each.volume for each in earlier)
    return abs(sum(signed, ZERO))
