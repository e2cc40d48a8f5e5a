"""What came back from a broker: three outcomes, and what a lookup may answer. Outcomes are values."""

from dataclasses import dataclass, field
from decimal import Decimal

from shared.models.enums import OrderStatus
from shared.models.reasons import Reason
from shared.models.trading import Fill, OrderState, Position


@dataclass(frozen=True, slots=True)
class Accepted:
    """The broker has it. `fills`, `positions` and `effects` are what its answer already tells:

    `positions`: the positions this command touched, as they now are (qty 0 = closed); `effects`: other orders of
    ours that changed through it (canceled siblings, triggered stops).
    """

    venue_order_id: str | None
    status: OrderStatus
    filled_qty: Decimal = Decimal(0)
    avg_price: Decimal | None = None
    fills: tuple[Fill, ...] = ()
    positions: tuple[Position, ...] = ()
    effects: tuple[OrderState, ...] = ()
    balance: Decimal | None = None
    equity: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The broker said no: nothing was done. `text` is its own sentence, `reason` our closed word for it.

    `positions` and `effects` as in Accepted: what else its answer tells (a stop that was hit meanwhile).
    """

    reason: Reason
    text: str = ""
    numbers: dict[str, str] = field(default_factory=dict)
    positions: tuple[Position, ...] = ()
    effects: tuple[OrderState, ...] = ()


@dataclass(frozen=True, slots=True)
class Unknown:
    """We cannot know whether it arrived (timeout, cut connection, unreadable answer). Never sent again on a guess."""

    text: str = ""


Outcome = Accepted | Rejected | Unknown


@dataclass(frozen=True, slots=True)
class Found:
    """A lookup found the command at the broker: what became of it, which may be a refusal."""

    outcome: Accepted | Rejected


@dataclass(frozen=True, slots=True)
class Absent:
    """A lookup that can be trusted (see Capabilities.lookup) did not find it."""


@dataclass(frozen=True, slots=True)
class CannotTell:
    """The lookup failed, lags, or is ambiguous: ask again later."""

    text: str = ""


Lookup = Found | Absent | CannotTell
