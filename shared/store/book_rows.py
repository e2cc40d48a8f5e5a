"""What we believe of an account, as engine.books tells it. Field names are those of the JSON."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from shared.models.enums import OrderStatus, OrderType, Side


class KnownPosition(Struct, frozen=True):
    """A position by our books; `qty` 0 = closed. `is_ours`: something of ours is in it.

    `adjusted`: how often it was set without a fill.
    """

    venue_position_id: str
    symbol: str
    root: str
    side: Side
    qty: Decimal
    entry_price: Decimal
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    is_ours: bool = False
    adjusted: int = 0


class KnownOrder(Struct, frozen=True):
    """An order by our books; ended ones are there as long as news of them may still come."""

    id: int
    client_order_id: str
    venue_order_id: str | None
    symbol: str
    root: str
    side: Side
    type: OrderType
    status: OrderStatus
    qty: Decimal
    filled_qty: Decimal
    reduce_only: bool
    origin: str
    expires_at: datetime | None = None
    price: Decimal | None = None
    stop_price: Decimal | None = None
    created_at: datetime | None = None
    position_id: str | None = None


class Books(Struct, frozen=True):
    """An account as we have it. `fills`: ids of those we know; `since`: what is older needs not be asked for."""

    since: datetime
    fills: frozenset[str] = frozenset()
    positions: tuple[KnownPosition, ...] = ()
    orders: tuple[KnownOrder, ...] = ()


class KeptTickets(Struct, frozen=True):
    """What is known of positions that their broker gives new ids when a part is closed.

    `since`: what happened before that is in it; None = there is no such account. `tickets`: first ids by later ones.
    `positions`: by first id, those that are open or were lately, and what was opened of each (None = before we came);
    `open`: of them those that are open.
    """

    since: datetime | None = None
    tickets: dict[str, str] = {}
    positions: dict[str, Decimal | None] = {}
    open: frozenset[str] = frozenset()


class Reconciled(Struct, frozen=True):
    """What became of the corrections of an account: how many were made, and how many wait for another read."""

    account: str
    made: int
    waiting: int
