"""A paper account's book, the commands it takes, its answers, and the protocol of whoever keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from msgspec import Struct, field

from shared.models.command import Leg, Protection
from shared.models.enums import CommandKind, OrderType, Side, Tif
from shared.models.outcome import Accepted, Rejected
from shared.models.trading import Fill


class PaperPosition(Struct, frozen=True):
    """`symbol` is the instrument's venue symbol. `qty` > 0."""

    id: str
    symbol: str
    side: Side
    qty: Decimal
    entry_price: Decimal
    opened_at: datetime
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None


class PaperOrder(Struct, frozen=True):
    """A limit or stop order that waits. `position_id`: the position it reduces, when it names one."""

    id: str
    client_order_id: str
    symbol: str
    side: Side
    type: OrderType
    qty: Decimal
    placed_at: datetime
    price: Decimal | None = None
    stop_price: Decimal | None = None
    tif: Tif = Tif.GTC
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    reduce_only: bool = False
    position_id: str | None = None


class PaperTerms(Struct, frozen=True):
    """Conditions of an account. Slippage in ticks against every market and stop fill; commission per unit of
    quantity and side, in account currency; `leverage` divides the notional into margin. Spread and age of quotes
    count on accounts with a market of their own only."""

    slippage_ticks: Decimal = Decimal(0)
    commission_per_unit: Decimal = Decimal(0)
    leverage: Decimal = Decimal(100)
    spread_ticks: Decimal = Decimal(0)
    quote_age_s: Decimal = Decimal(0)


class PaperState(Struct, frozen=True):
    """Everything a book knows. `prices` = the last price of each symbol; `next_id` numbers what it makes."""

    balance: Decimal
    currency: str = "USD"
    hedging: bool = False
    next_id: int = 1
    positions: tuple[PaperPosition, ...] = ()
    orders: tuple[PaperOrder, ...] = ()
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    terms: PaperTerms = field(default_factory=PaperTerms)


class PaperCommand(Struct, frozen=True, omit_defaults=True):
    """A leg as it reaches the book. `market_price` came with it; without, the last price counts.

    As JSON it has what it says, and not what it leaves out.
    """

    client_order_id: str
    kind: CommandKind
    symbol: str
    side: Side | None = None
    type: OrderType = OrderType.MARKET
    qty: Decimal | None = None
    price: Decimal | None = None
    stop_price: Decimal | None = None
    tif: Tif = Tif.GTC
    protection: Protection = field(default_factory=Protection)
    reduce_only: bool = False
    position_id: str | None = None
    order_id: str | None = None
    market_price: Decimal | None = None
    tightens: bool = False
    replaces: Decimal | None = None

    @classmethod
    def of(cls, client_order_id: str, leg: Leg) -> PaperCommand:
        """The command that a leg means."""
        return cls(
            client_order_id=client_order_id,
            kind=leg.kind,
            symbol=leg.venue_symbol,
            side=leg.side,
            type=leg.type,
            qty=leg.qty,
            price=leg.price,
            stop_price=leg.stop_price,
            tif=leg.tif,
            protection=leg.protection,
            reduce_only=leg.reduce_only,
            position_id=leg.venue_position_id,
            order_id=leg.venue_order_id,
            market_price=leg.ref_price,
            tightens=leg.tightens,
            replaces=leg.replaces,
        )


class PaperAnswer(Struct, frozen=True):
    """Exactly one of the two is set."""

    accepted: Accepted | None = None
    rejected: Rejected | None = None

    @property
    def outcome(self) -> Accepted | Rejected:
        outcome = self.accepted or self.rejected
        assert outcome is not None
        return outcome


class Book(Protocol):
    """Whoever keeps the book of one account. A client order id is enforced: a repeat gets the first answer.

    `execute` raises BookSilent when it cannot know whether the command arrived, BookUnreachable when nothing
    was sent. The others only read and raise either. Defined in errors.py.
    """

    async def execute(self, command: PaperCommand) -> PaperAnswer: ...

    async def answer(self, client_order_id: str) -> PaperAnswer | None:
        """The answer to a command that arrived, with what became of it since; None = it never arrived."""

    async def state(self) -> PaperState: ...

    async def fills(self, since: datetime) -> tuple[Fill, ...]: ...
