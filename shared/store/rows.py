"""What the engine's functions take and give, as frozen dataclasses. Field names are those of the JSON."""

from __future__ import annotations

import dataclasses
from datetime import datetime, time
from decimal import Decimal
from typing import Any

from msgspec import Raw, Struct, field

from shared.models.command import Leg, Rival
from shared.models.context import Counters, EndpointRules, Limits, RiskState, SymbolWord
from shared.models.enums import (
    Action,
    Broker,
    CommandKind,
    CommandState,
    DeliveryOutcome,
    Freshness,
    Lane,
    MarginMode,
    OrderStatus,
    QtyMode,
)
from shared.models.reasons import Reason
from shared.models.trading import Account, FoundAccount, Position, WorkingOrder

Numbers = dict[str, str]
Trace = list[dict[str, Any]]


class Delivery(Struct, frozen=True):
    """One alert for one account. `expires_at` None = never stale (exits)."""

    id: int
    event_id: int
    user_id: str
    account_id: str
    lane: Lane
    action: Action
    halt_epoch: int
    symbol: str | None = None
    tag: str | None = None
    attempts: int = 0
    expires_at: datetime | None = None
    dry_run: bool = False
    created_at: datetime | None = None


class Event(Struct, frozen=True):
    """The alert as it came; `body` is its text."""

    id: int
    source: str
    body: str
    received_at: datetime
    fired_at: datetime | None = None
    endpoint_id: str | None = None


class AccountRow(Struct, frozen=True):
    """broker_accounts with its connection's columns. `account_id` is the broker's number, `id` ours."""

    id: str
    user_id: str
    connection_id: str
    broker: Broker
    account_id: str
    currency: str
    margin_mode: MarginMode
    trading_enabled: bool
    halt_epoch: int
    freshness: Freshness
    environment: str
    executor: str = "fleet"
    server: str | None = None
    base_url: str | None = None
    locked_until: datetime | None = None
    lock_reason: str | None = None
    balance: Decimal | None = None
    equity: Decimal | None = None
    as_of: datetime | None = None
    timezone: str = "UTC"
    reset_time: time = time(0)
    seal_version: int = 0
    connection_version: int = 0

    def account(self) -> Account:
        """The same as the model the decisions and the brokers use."""
        return Account(
            id=self.id,
            user_id=self.user_id,
            connection_id=self.connection_id,
            broker=self.broker,
            account_number=self.account_id,
            currency=self.currency,
            margin_mode=self.margin_mode,
            environment=self.environment,
            executor=self.executor,
            trading_enabled=self.trading_enabled,
            halt_epoch=self.halt_epoch,
            locked_until=self.locked_until,
            lock_reason=self.lock_reason,
            balance=self.balance,
            equity=self.equity,
            as_of=self.as_of,
            freshness=self.freshness,
            timezone=self.timezone,
            reset_time=self.reset_time,
            server=self.server,
            seal_version=self.seal_version,
            connection_version=self.connection_version,
        )


class Defaults(Struct, frozen=True):
    """trading_config in force. `sl_pct`, `tp_pct` in percent of the entry price, `rr` = target in stops."""

    qty_mode: QtyMode | None = None
    qty: Decimal | None = None
    sl_pct: Decimal | None = None
    tp_pct: Decimal | None = None
    rr: Decimal | None = None


class Command(Struct, frozen=True):
    """A command as written ahead. `request` is the leg exactly as it was opened."""

    id: int
    leg: int
    kind: CommandKind
    client_order_id: str
    state: CommandState
    request: Leg
    order_id: int | None = None
    after_fill: bool = False
    submitted_at: datetime | None = None
    order_status: OrderStatus | None = None
    order_filled_qty: Decimal | None = None
    order_qty: Decimal | None = None
    order_avg_price: Decimal | None = None
    order_venue_id: str | None = None
    order_position_id: str | None = None


class Stakes(Struct, frozen=True):
    """What had been put at stake when the delivery was claimed, by kind: on its account, and by its user."""

    account: dict[str, Decimal] = field(default_factory=dict)
    user: dict[str, Decimal] = field(default_factory=dict)


class Claimed(Struct, frozen=True):
    """A delivery that is ours until the lease of `token` ends, with everything a decision needs.

    `limits` and `counters` are None where the user has set no limit at all, `defaults` where he has none, `risk`
    where he has no rule that looks at an account's money, positions or past.
    """

    delivery: Delivery
    token: int
    now: datetime
    event: Event
    account: AccountRow
    endpoint: EndpointRules | None = None
    queued_ms: Decimal | None = None
    trading_halted: bool = False
    limits: Limits | None = None
    defaults: Defaults | None = None
    counters: Counters | None = None
    positions: tuple[Position, ...] = ()
    orders: tuple[WorkingOrder, ...] = ()
    unresolved: tuple[str, ...] = ()
    commands: tuple[Command, ...] = ()
    word: SymbolWord | None = None
    tag_held: dict[str, Decimal] | None = None
    risk: RiskState | None = None
    stakes: Stakes | None = None


class Plan(Struct, frozen=True):
    """The legs of one delivery, to be written ahead. `risk`: what rules with an amount left (shared/risk/stakes.py)."""

    delivery_id: int
    token: int
    legs: list[dict[str, Any]]
    risk: dict[str, Any] | None = None


class OpenedCommand(Struct, frozen=True):
    """`go` = this worker, and only it, may send now."""

    id: int
    leg: int
    client_order_id: str
    go: bool
    order_id: int | None = None
    submitted_at: datetime | None = None
    reason: Reason | None = None
    numbers: dict[str, Any] | None = None


class Opened(Struct, frozen=True):
    """verdict: opened | denied (a hard limit said no, under the locks) | lost (the lease is not ours now)."""

    delivery_id: int
    verdict: str
    reason: Reason | None = None
    numbers: dict[str, Any] | None = None
    commands: tuple[OpenedCommand, ...] = ()


class Begun(Struct, frozen=True):
    """The answer for one command of begin_send."""

    id: int
    go: bool
    reason: Reason | None = None
    numbers: dict[str, Any] | None = None
    submitted_at: datetime | None = None


class Finish(Struct, frozen=True):
    """How a delivery ends."""

    outcome: DeliveryOutcome
    reason: Reason | None = None
    numbers: Numbers = field(default_factory=dict)


class Execution(Struct, frozen=True):
    """What became of a delivery's commands. `finish` None = more legs follow, keep it claimed."""

    delivery_id: int
    token: int
    commands: list[dict[str, Any]]
    finish: Finish | None
    trace: Trace
    timings: dict[str, float]
    account: dict[str, Any] | None = None


class Recorded(Struct, frozen=True):
    """recorded False = an older lease: nothing was written.

    `promoted`: what has waited behind it, or behind one recorded with it, is ready now, and nobody else is told.
    """

    delivery_id: int
    recorded: bool
    promoted: bool = False


class Deferral(Struct, frozen=True):
    """Give a delivery back, to be claimed again after `ms`."""

    delivery_id: int
    token: int
    ms: int
    reason: Reason
    numbers: Numbers
    trace: Trace


class UnsettledCommand(Struct, frozen=True):
    """A command whose outcome is unknown. `may_resend`: the database would allow it if it is absent.

    `taken`: the broker's ids of orders that other commands of the account have made; `rivals`: of a close, other ones
    of its position whose order is not known.
    """

    id: int
    delivery_id: int
    leg: int
    kind: CommandKind
    client_order_id: str
    request: Leg
    order_id: int | None = None
    submitted_at: datetime | None = None
    send_deadline: datetime | None = None
    lookups: int = 0
    may_resend: bool = False
    taken: frozenset[str] = frozenset()
    rivals: tuple[Rival, ...] = ()


class Unsettled(Struct, frozen=True):
    """One unknown command to ask the broker about; `checker` is the fence of this check."""

    command: UnsettledCommand
    checker: int
    account: AccountRow


class Settlement(Struct, frozen=True):
    """verdict: found | absent | cannot_tell. `next_ms` = when to ask again."""

    command_id: int
    checker: int
    verdict: str
    command: dict[str, Any] | None
    next_ms: int
    trace: Trace


class PaperBook(Struct, frozen=True):
    """A paper account's money and book (JSON text) as last saved; `version` fences the next save."""

    version: int
    balance: Decimal
    currency: str
    book: Raw
    margin_mode: MarginMode = MarginMode.NETTING


class PaperSaved(Struct, frozen=True):
    saved: bool
    version: int = 0


class Rescued(Struct, frozen=True):
    rearmed: int = 0
    unsettled: int = 0


class ConnectionCheck(Struct, frozen=True):
    """A login to be checked, ours until the lease of `token` ends. `attempts` counts this one."""

    token: int
    attempts: int
    id: str
    user_id: str
    broker: Broker
    environment: str
    executor: str
    seal_version: int
    server: str | None = None
    base_url: str | None = None
    login: str | None = None


class CheckedConnection(Struct, frozen=True):
    """outcome: connected (with its accounts) | failed (a new credential is needed) | later (after `retry_ms`)."""

    outcome: str
    error: str | None = None
    retry_ms: int = 0
    accounts: tuple[FoundAccount, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class SealedCredential:
    """The sealed credential in force and the row it belongs to; or `refusal`, and nothing else.

    refusal: no_lease | disconnected | stopped (ten times the usual number were opened) | missing.
    """

    refusal: str | None = None
    key_id: str = ""
    version: int = 0
    sealed: str = dataclasses.field(default="", repr=False)
    user_id: str = ""
    broker: str = ""
    environment: str = ""
    base_url: str | None = None
    server: str | None = None
    login: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class SealedSession:
    """A broker's session tokens as stored; `sealed` in hexadecimal."""

    version: int
    key_id: str
    expires_at: datetime
    sealed: str = dataclasses.field(repr=False)
