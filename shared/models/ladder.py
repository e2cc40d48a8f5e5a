"""A ladder: several targets of one entry or position that the broker does not hold, or not yet (semantics 5)."""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from shared.models.enums import DeliveryOutcome
from shared.models.signal import StopSpec


class Rung(Struct, frozen=True):
    """A target and the part of the quantity that leaves at it. `spec` is a price, price units, percent or, where the
    stop was given as a price, a multiple of the distance to it: all of them can be measured again from a fill."""

    qty: Decimal
    spec: StopSpec


class Ladder(Struct, frozen=True):
    """Targets from the nearest to the farthest. No rungs: what was said before counts no more.

    `at_broker`: each becomes a limit order there, as far as its entry is filled; else we close its part when the market
    has been seen there. `after`: so much of the entry was filled before, and is none of the ladder's. `stop`: what `rr`
    is measured to. `whole`: nothing runs until the stop, the last rung takes whatever more is filled.
    """

    rungs: tuple[Rung, ...]
    at_broker: bool
    after: Decimal = Decimal(0)
    stop: Decimal | None = None
    whole: bool = False


class Exit(Struct, frozen=True):
    """An exit that a ladder has asked for: `qty` at its rung `nth`, and what became of it.

    `outcome` None = under way. `filled` and `working` (the rest that waits) are those of its order by our books,
    `venue_order_id` the broker's name of it.
    """

    nth: int
    qty: Decimal
    at: datetime
    outcome: DeliveryOutcome | None = None
    ended_at: datetime | None = None
    venue_order_id: str | None = None
    filled: Decimal = Decimal(0)
    working: Decimal = Decimal(0)
