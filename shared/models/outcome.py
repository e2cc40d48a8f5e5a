"""What came back from a broker: three outcomes, and what a lookup may answer. Outcomes are values."""

from decimal import Decimal

from msgspec import Struct, field

from shared.models.enums import OrderStatus
from shared.models.reasons import Reason
from shared.models.trading import Fill, OrderState, Position


class Accepted(Struct, frozen=True):
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


class Rejected(Struct, frozen=True):
    """The broker said no: nothing was done. `text` is its own sentence, `reason` our closed word for it.

    `positions` and `effects` as in Accepted: what else its answer tells (a stop that was hit meanwhile).
    """

    reason: Reason
    text: str = ""
    numbers: dict[str, str] = field(default_factory=dict)
    positions: tuple[Position, ...] = ()
    effects: tuple[OrderState, ...] = ()


class Unknown(Struct, frozen=True):
    """We cannot know whether it arrived (timeout, cut connection, unreadable answer). Never sent again on a guess."""

    text: str = ""


Outcome = Accepted | Rejected | Unknown


class Found(Struct, frozen=True):
    """A lookup found the command at the broker: what became of it, which may be a refusal."""

    outcome: Accepted | Rejected


class Absent(Struct, frozen=True):
    """A lookup that can be trusted (see Capabilities.lookup) did not find it."""


class CannotTell(Struct, frozen=True):
    """The lookup failed, lags, or is ambiguous: ask again later."""

    text: str = ""


Lookup = Found | Absent | CannotTell
