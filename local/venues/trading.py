"""What an order book is made of, and why it refuses an order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

ZERO = Decimal(0)


class Why(StrEnum):
    """Why an order was not taken."""

    SYMBOL = "symbol"
    QUANTITY = "quantity"
    PRICE = "price"
    STOPS = "stops"
    MARGIN = "margin"
    CLOSED = "closed"
    CLOSE_ONLY = "close_only"
    NO_ORDER = "no_order"
    NO_POSITION = "no_position"


class Refused(Exception):
    """The book did not take it. `numbers` are what the sentence of a broker needs."""

    def __init__(self, why: Why, **numbers: object) -> None:
        super().__init__(f"{why}: {numbers}" if numbers else why.value)
        self.why = why
        self.numbers = numbers


class State(StrEnum):
    """Of an order. The last three are final."""

    WORKING = "working"
    FILLED = "filled"
    CANCELED = "canceled"
    REFUSED = "refused"


class Role(StrEnum):
    """What an order is for: opening, closing on request, or protecting a position."""

    ENTRY = "entry"
    CLOSE = "close"
    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"


class Session(StrEnum):
    """What the account may do at the moment."""

    OPEN = "open"
    CLOSE_ONLY = "close_only"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Contract:
    """What can be traded, as an account sees it. `name` is the account's own, `priced_as` the market's."""

    name: str
    priced_as: str
    tick: Decimal
    lot: Decimal
    quote: str
    qty_step: Decimal
    qty_min: Decimal
    qty_max: Decimal


@dataclass(slots=True)
class Order:
    """An order of the account. `side` is buy or sell, `type` market, limit or stop."""

    id: str
    contract: Contract
    side: str
    type: str
    qty: Decimal
    created: datetime
    modified: datetime
    role: Role = Role.ENTRY
    price: Decimal | None = None
    stop_price: Decimal | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    tag: str = ""
    state: State = State.WORKING
    filled: Decimal = ZERO
    average: Decimal | None = None
    position_id: str | None = None

    @property
    def rest(self) -> Decimal:
        return self.qty - self.filled


@dataclass(slots=True)
class Holding:
    """An open position. `side` is buy (long) or sell (short)."""

    id: str
    contract: Contract
    side: str
    qty: Decimal
    average: Decimal
    opened: datetime
    tag: str = ""
    stop_loss_id: str | None = None
    take_profit_id: str | None = None


@dataclass(frozen=True, slots=True)
class Trade:
    """One execution. `profit` (0 for an opening one) is in the account's currency."""

    id: str
    order_id: str
    position_id: str
    side: str
    qty: Decimal
    price: Decimal
    at: datetime
    opens: bool
    profit: Decimal


@dataclass(frozen=True, slots=True)
class Request:
    """An order as it comes in. `fill_share` < 1 fills that part of what would fill at once (a fault)."""

    name: str
    side: str
    type: str
    qty: Decimal
    price: Decimal | None = None
    stop_price: Decimal | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    tag: str = ""
    fill_share: Decimal = Decimal(1)
