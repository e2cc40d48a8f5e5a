"""A position that stands without the stop that it should have, since when, and what was done about it."""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from shared.models.enums import Side
from shared.models.guard import Asked

STOP, CLOSE = "stop", "close"
"""What is asked for: the stop once more, or the position gone."""
CLOSES, ALARMS = "close", "alarm"
"""What a trader may say about positions without a stop (naked_policy)."""


class Naked(Struct, frozen=True):
    """A row of engine.naked with what belongs to it. Prices are the broker's, times UTC.

    `since` is the first read that showed no stop. `stop` is the one that it should have: what its entries or the
    last accepted change asked for, or what stood there after that; None = not known. `is_asked`: our own words ask
    for it; `required`: the limits do. `word_at`: when the last word, or the last fill of an entry, was recorded.
    `has_stood`: a read or an answer has shown a stop before. `policy` None = nobody has said. `is_busy`: something
    of ours is under way that may be why. `is_changing`: a change of stops waits in line. `asked` is what was asked
    for last, `failures` how often in a row that has not helped. `row_opened_at`, `row_open`: what our books say of
    the position's id now.
    """

    id: int
    version: int
    position_id: str
    opened_at: datetime
    side: Side
    symbol: str
    since: datetime
    stop: Decimal | None = None
    is_asked: bool = False
    word_at: datetime | None = None
    has_stood: bool = False
    required: bool = False
    policy: str | None = None
    failures: int = 0
    is_told: bool = False
    row_opened_at: datetime | None = None
    row_open: bool = False
    is_busy: bool = False
    is_changing: bool = False
    asked: Asked | None = None
