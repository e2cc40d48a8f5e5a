"""A pure stand-in for engine.reconcile: our books after the corrections, for tests of the comparison."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from msgspec.structs import replace

from shared.models.enums import OrderStatus, Side
from shared.models.trading import Fill, WorkingOrder
from shared.store.book_rows import Books, KnownOrder, KnownPosition
from workers.positions.diff import Correction

D = Decimal


def known(order: WorkingOrder) -> KnownOrder:
    """Our row of an order."""
    digits = "".join(each for each in order.venue_order_id or "0" if each.isdigit())
    return KnownOrder(
        int(digits) + 1,
        order.client_order_id or f"x{order.venue_order_id}",
        order.venue_order_id,
        order.symbol,
        order.root,
        order.side,
        order.type,
        order.status,
        order.qty,
        order.filled_qty,
        order.reduce_only,
        "broker",
        price=order.price,
        stop_price=order.stop_price,
    )


def summed(fills: Sequence[Fill], before: Sequence[KnownPosition]) -> tuple[KnownPosition, ...]:
    """Positions after more fills: the sum of what was bought and sold in each."""
    held = {each.venue_position_id: each for each in before}
    for each in fills:
        pid = each.venue_position_id or ""
        old = held.get(pid) or KnownPosition(pid, each.symbol, each.symbol, each.side, D(0), each.price)
        net = old.qty * (1 if old.side is Side.BUY else -1) + each.qty * (1 if each.side is Side.BUY else -1)
        side = old.side if net == 0 else Side.BUY if net > 0 else Side.SELL
        held[pid] = replace(old, side=side, qty=abs(net))
    return tuple(held.values())


def applied(
    ours: Books, found: Sequence[Correction], fills: Sequence[Fill], shown: Sequence[WorkingOrder]
) -> Books:
    """Our books after the corrections; `shown`: the orders of the read that found them."""
    told = {each.fill["venue_fill_id"] for each in found if each.fill is not None}
    news = [each for each in fills if each.venue_fill_id in told]
    positions = {each.venue_position_id: each for each in summed(news, ours.positions)}
    orders = {each.venue_order_id: each for each in ours.orders}
    for fill in news:
        if (order := orders.get(fill.venue_order_id)) is not None:
            done = order.filled_qty + fill.qty
            status = OrderStatus.FILLED if done >= order.qty else OrderStatus.PARTIALLY_FILLED
            orders[order.venue_order_id] = replace(order, filled_qty=done, status=status)
    for each in found:
        if each.position is not None:
            pid = each.position["venue_position_id"]
            old = positions.get(pid) or KnownPosition(pid, each.symbol, each.root, Side.BUY, D(0), D(1))
            side = each.position.get("side", old.side)
            positions[pid] = replace(old, qty=each.position["qty"], side=side, adjusted=old.adjusted + 1)
        elif each.kind == "order_unknown" and each.order is not None:
            adopted = next(one for one in shown if one.venue_order_id == each.order["venue_order_id"])
            orders[adopted.venue_order_id] = known(adopted)
        elif each.kind == "order_changed" and each.order is not None:
            old_order = next(one for one in orders.values() if one.id == each.order["id"])
            values = {name: each.order[name] for name in ("qty", "price", "stop_price")}
            orders[old_order.venue_order_id] = replace(old_order, **values)
        elif each.kind == "order_ended" and each.order is not None:
            gone = next(one for one in orders.values() if one.id == each.order["id"])
            orders[gone.venue_order_id] = replace(gone, status=each.order["status"])
    return Books(ours.since, ours.fills | told, tuple(positions.values()), tuple(orders.values()))
