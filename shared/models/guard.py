"""A guard: what we see to while a position is open because its broker does not (trail, break-even, time exit)."""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from shared.models.enums import CommandState, DeliveryOutcome, OrderStatus, Side
from shared.models.ladder import Exit, Ladder
from shared.models.reasons import Reason
from shared.models.signal import BreakEvenSpec, StopSpec, TrailSpec

MOVE, CLOSE, REDUCE = "move", "close", "reduce"
"""What a guard asks for: its stop elsewhere, the position gone, or as much of it as its entry has bought."""


class Asked(Struct, frozen=True):
    """The last thing a guard asked for, at `at`. `outcome` None = under way; `ended_at` when it had its outcome."""

    kind: str
    at: datetime
    outcome: DeliveryOutcome | None = None
    reason: Reason | None = None
    ended_at: datetime | None = None


class Anchored(Struct, frozen=True):
    """An entry that was filled, or filled further, after its own answer: its exits are measured again from the average.

    `sl` and `tp` as its order has them (None = nobody asked, or somebody has set it elsewhere since). `stop` and
    `target` are what should stand by our last word, `price` the average that they were measured from; None = not yet
    measured here. `is_first`: it had filled nothing before: what stands is what the broker has made of the order.
    """

    sl: StopSpec | None = None
    tp: StopSpec | None = None
    stop: Decimal | None = None
    target: Decimal | None = None
    price: Decimal | None = None
    is_first: bool = False


class Guard(Struct, frozen=True):
    """A row of engine.guards with what belongs to it. Prices are the broker's, times UTC.

    `command_state` is that of the entry or change it came with: only what the broker has accepted is kept. `order_id`
    is the entry; `qty` what it has filled (None = not born with an entry), `entered_at` its first fill. `position_id`
    (the broker's) may be the id of several positions one after another: `opened_at` says which one is meant, once it
    was seen; `row_opened_at` is the one it names now (None = no such row), `row_open` whether that is open.
    `trail` and `be` are in price units, percent or multiples of the risk (shared/risk/guard_terms.py). `risk_distance`
    is what `rr` multiplies: entry to the first stop seen. `best` is the best price seen to get out at, `quoted_at`
    when, about. `is_secured`: the break-even stop stands. `stop` was asked for last. `failures` in a row. `ladder`:
    targets that are ours to see to, counted from `entry_price` (the entry's average fill); `exits`: those asked for.
    `anchor`: stop and target that have to be measured again from that price.
    """

    id: int
    version: int
    side: Side
    symbol: str
    root: str
    command_state: CommandState
    order_id: int | None = None
    order_status: OrderStatus | None = None
    qty: Decimal | None = None
    entered_at: datetime | None = None
    position_id: str | None = None
    opened_at: datetime | None = None
    row_opened_at: datetime | None = None
    row_open: bool = False
    trail: TrailSpec | None = None
    be: BreakEvenSpec | None = None
    time_exit_s: int | None = None
    risk_distance: Decimal | None = None
    best: Decimal | None = None
    quoted_at: datetime | None = None
    is_secured: bool = False
    stop: Decimal | None = None
    failures: int = 0
    asked: Asked | None = None
    ladder: Ladder | None = None
    anchor: Anchored | None = None
    entry_price: Decimal | None = None
    exits: tuple[Exit, ...] = ()
    created_at: datetime | None = None
