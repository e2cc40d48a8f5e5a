"""Accounts, positions, orders and fills as the database and the brokers report them. Ids of brokers are text."""

from datetime import datetime, time
from decimal import Decimal

from msgspec import Struct, field

from shared.models.enums import (
    Broker,
    Effect,
    Freshness,
    MarginMode,
    OrderStatus,
    OrderType,
    Side,
    Tif,
)


class Account(Struct, frozen=True):
    """One trading account at a broker. `id` is ours (uuid text), `account_number` the broker's.

    Money is in `currency`. `balance` and `equity` are None until read once; `as_of` is when they were read.
    `halt_epoch` is the epoch read at the claim: nothing older than the account's current one may be sent.
    `server` is the name under which the operator knows the broker's host (None where there is only one).
    `seal_version` rises when the connection's credential is replaced or it is disconnected, `connection_version`
    with every change of the connection, such as a check that found it well.
    """

    id: str
    user_id: str
    connection_id: str
    broker: Broker
    account_number: str
    currency: str
    margin_mode: MarginMode
    environment: str
    executor: str
    trading_enabled: bool
    halt_epoch: int
    locked_until: datetime | None
    lock_reason: str | None
    balance: Decimal | None
    equity: Decimal | None
    as_of: datetime | None
    freshness: Freshness
    timezone: str = "UTC"
    reset_time: time = time(0)
    server: str | None = None
    seal_version: int = 0
    connection_version: int = 0


class Position(Struct, frozen=True):
    """An open position. `qty` > 0, direction in `side`. On a hedging account there may be several a symbol.

    `endpoint_id` and `tag` are those of the alert that opened it (None when opened elsewhere). `venue_symbol` is
    the broker's own name of the symbol (None = the same). `price` is what it could be closed at when it was read,
    where the broker tells it with the position. `doubt`: why it may be another one that we know, where the broker gives
    positions new ids and nothing tells; a clause, '' = there is none.
    """

    account_id: str
    venue_position_id: str
    symbol: str
    root: str
    side: Side
    qty: Decimal
    entry_price: Decimal
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    unrealized_pnl: Decimal | None = None
    opened_at: datetime | None = None
    freshness: Freshness = Freshness.FRESH
    endpoint_id: str | None = None
    tag: str | None = None
    id: int | None = None
    venue_symbol: str | None = None
    price: Decimal | None = None
    doubt: str = ""


class WorkingOrder(Struct, frozen=True):
    """An order that may still fill: ours (with `id`, `client_order_id`) or one placed elsewhere.

    `position_id` is the venue's id of the position it protects (None on netting and for entries). `take_profit` is the
    target that an entry of ours takes along.
    """

    account_id: str
    symbol: str
    root: str
    side: Side
    type: OrderType
    qty: Decimal
    filled_qty: Decimal
    status: OrderStatus
    venue_order_id: str | None
    client_order_id: str | None = None
    id: int | None = None
    price: Decimal | None = None
    stop_price: Decimal | None = None
    tif: Tif = Tif.GTC
    reduce_only: bool = False
    origin: str = "alert"
    endpoint_id: str | None = None
    tag: str | None = None
    position_id: str | None = None
    venue_symbol: str | None = None
    take_profit: Decimal | None = None

    @property
    def is_entry(self) -> bool:
        """True for a pending entry; stops, targets and other exits are protection."""
        return not self.reduce_only


class Fill(Struct, frozen=True):
    """One execution. Unique per account by `venue_fill_id`. `realised` is net of nothing (gross profit of a close)."""

    venue_fill_id: str
    side: Side
    qty: Decimal
    price: Decimal
    at: datetime
    symbol: str
    effect: Effect
    venue_order_id: str | None = None
    client_order_id: str | None = None
    venue_position_id: str | None = None
    commission: Decimal = Decimal(0)
    swap: Decimal = Decimal(0)
    fee: Decimal = Decimal(0)
    realised: Decimal = Decimal(0)


class OrderState(Struct, frozen=True):
    """What a broker says about one order at one moment."""

    venue_order_id: str | None
    client_order_id: str | None
    status: OrderStatus
    filled_qty: Decimal = Decimal(0)
    avg_price: Decimal | None = None
    fills: tuple[Fill, ...] = ()
    reason: str | None = None


class FoundAccount(Struct, frozen=True):
    """An account that a login has. `number` and `name` are the broker's own; `balance` None = it does not say."""

    number: str
    name: str
    currency: str
    margin_mode: MarginMode
    balance: Decimal | None = None


class AccountSnapshot(Struct, frozen=True):
    """One consistent read of an account: money, every open position, every working order.

    `at` is when it began: what was done meanwhile may be in it or not, however late the answer came.
    """

    balance: Decimal
    equity: Decimal
    at: datetime
    positions: tuple[Position, ...] = ()
    orders: tuple[WorkingOrder, ...] = ()
    margin_used: Decimal | None = None
    extra: dict[str, str] = field(default_factory=dict)
