"""Rows as our models: positions with their stops, working orders, fills, outcomes. Pure.

An account has one net position a contract, so the contract's id is the position's: it is in every fill.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from shared.brokers import futures
from shared.brokers.topstepx import products
from shared.brokers.topstepx.rows import OrderRow, PositionRow, TradeRow
from shared.models.enums import Effect, OrderStatus, OrderType, Side
from shared.models.outcome import Accepted, Rejected
from shared.models.reasons import Reason
from shared.models.trading import Fill, OrderState, Position, WorkingOrder

ZERO = Decimal(0)
LATER_REJECTED = "the order was taken and then rejected; the gateway does not tell why"


@dataclass(frozen=True, slots=True)
class Lens:
    """Whose rows they are."""

    account_id: str

    def root(self, contract_id: str) -> str:
        """What groups the months of a future."""
        return names(contract_id)[1]

    def position(
        self, row: PositionRow, orders: Iterable[OrderRow], profit: Decimal | None = None
    ) -> Position:
        """A position; stop and target are what the orders that protect it come to."""
        symbol, root = names(row.contract_id)
        stop, target = levels(row, orders)
        return Position(
            account_id=self.account_id,
            venue_position_id=row.contract_id,
            symbol=symbol,
            root=root,
            side=row.side,
            qty=row.qty,
            entry_price=row.average,
            stop_loss=stop,
            take_profit=target,
            unrealized_pnl=profit,
            opened_at=row.opened,
            venue_symbol=row.contract_id,
        )

    def gone(self, contract_id: str, side: Side, average: Decimal) -> Position:
        """A position that was closed: nothing is left of it."""
        symbol, root = names(contract_id)
        return Position(
            account_id=self.account_id,
            venue_position_id=contract_id,
            symbol=symbol,
            root=root,
            side=side,
            qty=ZERO,
            entry_price=average,
            venue_symbol=contract_id,
        )

    def working(self, row: OrderRow) -> WorkingOrder:
        """An order that waits."""
        symbol, root = names(row.contract_id)
        return WorkingOrder(
            account_id=self.account_id,
            symbol=symbol,
            root=root,
            side=row.side,
            type=row.type,
            qty=row.qty,
            filled_qty=row.filled,
            status=row.status,
            venue_order_id=row.id,
            client_order_id=row.tag,
            price=row.price if row.type is OrderType.LIMIT else None,
            stop_price=row.stop_price if row.type is OrderType.STOP else None,
            reduce_only=row.reduces,
            origin="broker",
            venue_symbol=row.contract_id,
        )

    def fill(self, row: TradeRow, tag: str | None) -> Fill:
        """One fill. The gateway tells the profit of closing ones, and only of those."""
        return Fill(
            venue_fill_id=row.id,
            side=row.side,
            qty=row.qty,
            price=row.price,
            at=row.at,
            symbol=names(row.contract_id)[0],
            effect=Effect.OPEN if row.profit is None else Effect.CLOSE,
            venue_order_id=row.order_id,
            client_order_id=tag,
            venue_position_id=row.contract_id,
            commission=row.commission,
            fee=row.fees,
            realised=row.profit or ZERO,
        )

    def state(self, row: OrderRow) -> OrderState:
        """What became of an order."""
        return OrderState(row.id, row.tag, row.status, row.filled, row.average)

    def outcome(
        self,
        order_id: str,
        wanted: Decimal,
        row: OrderRow | None,
        trades: Sequence[TradeRow],
        tag: str,
        positions: tuple[Position, ...] = (),
    ) -> Accepted | Rejected:
        """What became of an order of ours, from its row (None = not seen) and its fills."""
        done, average = total(trades)
        if row is not None and row.status is OrderStatus.REJECTED:
            return Rejected(Reason.BROKER_REJECTED, LATER_REJECTED)
        if done >= wanted:
            status = OrderStatus.FILLED
        elif row is not None and row.is_final:
            # Its word may be Filled before its fills are listed: then it is not over for us yet.
            status = OrderStatus.CANCELED if row.status is OrderStatus.FILLED and done else row.status
            status = OrderStatus.WORKING if row.filled > done else status
        else:
            status = OrderStatus.PARTIALLY_FILLED if done else OrderStatus.WORKING
        fills = tuple(self.fill(each, tag) for each in trades)
        return Accepted(order_id, status, done, average, fills, positions)


def names(contract_id: str) -> tuple[str, str]:
    """Our symbol and root of a contract; its id where it is written in a way we do not know."""
    found = products.parts(contract_id)
    return (contract_id, contract_id) if found is None else (futures.symbol_of(*found), found[0])


def total(trades: Sequence[TradeRow]) -> tuple[Decimal, Decimal | None]:
    """Quantity and average price of some fills."""
    done = sum((each.qty for each in trades), ZERO)
    return done, sum((each.qty * each.price for each in trades), ZERO) / done if done else None


def guards(row: PositionRow, orders: Iterable[OrderRow]) -> list[OrderRow]:
    """The orders that protect a position: those on its other side that only reduce and are awake."""
    return [
        each
        for each in orders
        if each.contract_id == row.contract_id
        and each.reduces
        and each.side is row.side.opposite
        and not each.is_final
        and not each.suspended
    ]


def levels(row: PositionRow, orders: Iterable[OrderRow]) -> tuple[Decimal | None, Decimal | None]:
    """Stop and target of a position.

    The stop is the worst of several, and none where they do not cover all of it; the target is none where several
    differ.
    """
    protecting = guards(row, orders)
    stops = [each for each in protecting if each.type is OrderType.STOP]
    prices = [each.stop_price for each in stops if each.stop_price is not None]
    covered = sum((each.qty - each.filled for each in stops), ZERO) >= row.qty
    targets = {e.price for e in protecting if e.type is OrderType.LIMIT and e.price is not None}
    worst = min if row.side is Side.BUY else max
    return (
        worst(prices) if covered and len(prices) == len(stops) and prices else None,
        targets.pop() if len(targets) == 1 else None,
    )
