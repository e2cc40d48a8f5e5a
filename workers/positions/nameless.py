"""Closes of ours that a broker has taken without telling their number: which of its orders they were. Pure.

Where a close makes an order that carries no name of ours, a broker that is slow to list it leaves us without both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal

from shared.models.enums import Effect, OrderStatus, OrderType
from shared.models.trading import Fill
from shared.store.book_rows import KnownOrder

LIVE = (OrderStatus.WORKING, OrderStatus.PARTIALLY_FILLED)
"""Orders that stand at the broker, by our books."""
CLOCKS = timedelta(seconds=5)
"""So far a broker's clock may be behind the database's."""


def closes(
    orders: Iterable[KnownOrder], fills: Sequence[Fill], known: Mapping[str | None, KnownOrder]
) -> dict[str | None, KnownOrder]:
    """Closes of ours by the number of the broker's order that was theirs; `fills` are new, `known` are those with one.

    It is one that closed as much at most, on their side, after they were written. Each has one: the oldest that asked
    for as much, else the oldest.
    """
    nameless = [
        each
        for each in sorted(orders, key=lambda each: each.id)
        if each.venue_order_id is None
        and each.status in LIVE
        and each.reduce_only
        and each.type is OrderType.MARKET
    ]
    found: dict[str | None, KnownOrder] = {}
    for first in sorted(fills, key=lambda each: each.at) if nameless else ():
        number = first.venue_order_id
        if number is None or number in found or number in known or first.effect is not Effect.CLOSE:
            continue
        qty = sum((each.qty for each in fills if each.venue_order_id == number), Decimal(0))
        could = [each for each in nameless if _could_be(each, first, qty)]
        mine = next((each for each in could if each.qty == qty), could[0] if could else None)
        if mine is not None:
            found[number] = mine
            nameless.remove(mine)
    return found


def _could_be(close: KnownOrder, fill: Fill, qty: Decimal) -> bool:
    after = close.created_at is None or fill.at >= close.created_at - CLOCKS
    same = close.position_id is None or fill.venue_position_id in (None, close.position_id)
    return same and after and (close.symbol, close.side) == (fill.symbol, fill.side) and qty <= close.qty
