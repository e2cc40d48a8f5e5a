"""Exits that are larger than what they protect: filled, they would turn the position around. Pure.

Where stops and targets are orders that know nothing of one another, one that fills leaves the others as they were.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from shared.models.enums import OrderType
from shared.models.trading import AccountSnapshot, Position, WorkingOrder
from shared.store.book_rows import Books
from workers.positions.diff import Correction


def oversized(ours: Books, theirs: AccountSnapshot) -> Iterable[Correction]:
    """Positions whose stops together, or whose targets, are larger: they are asked to be fitted to it."""
    known = {each.venue_order_id for each in ours.orders if each.reduce_only and each.origin != "broker"}
    for position in theirs.positions:
        exits = [each for each in theirs.orders if each.venue_order_id in known and _protects(each, position)]
        stops = [each for each in exits if each.type is OrderType.STOP and each.stop_price is not None]
        stopped = sum((_working(each) for each in stops), Decimal(0))
        targets = sum((_working(each) for each in exits if each.type is OrderType.LIMIT), Decimal(0))
        if stops and max(stopped, targets) > position.qty:
            yield _fit(position, stops, max(stopped, targets), theirs)


def _fit(
    position: Position, stops: Sequence[WorkingOrder], size: Decimal, theirs: AccountSnapshot
) -> Correction:
    pid, qty = position.venue_position_id, position.qty
    return Correction(
        # Should it stay so, it is asked for again, with a row a minute.
        key=f"oversized:{pid}:{qty:f}:{theirs.at:%Y%m%d%H%M}",
        doubt=f"oversized:{pid}:{qty:f}",
        kind="oversized",
        symbol=position.symbol,
        root=position.root,
        level="info",
        doubtful=True,
        told=f"{position.symbol}: a stop or targets of {size:f} stand at the broker for a position of {qty:f}: "
        "they are being fitted to it.",
        numbers={"position": pid, "qty": f"{qty:f}", "size": f"{size:f}"},
        position={"venue_position_id": pid, "stop_loss": stops[0].stop_price},
    )


def _protects(order: WorkingOrder, position: Position) -> bool:
    return order.reduce_only and order.symbol == position.symbol and order.side is position.side.opposite


def _working(order: WorkingOrder) -> Decimal:
    return order.qty - order.filled_qty
