"""Price history: bars made from the contract and their own time, the same whenever asked for; the youngest one
ends at the last price. Newest first."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from local.venues.topstepx.contracts import Listing

UNITS_S = {1: 1, 2: 60, 3: 3600, 4: 86_400, 5: 604_800, 6: 2_592_000}
MAX_BARS = 20_000


def bars(
    listing: Listing, last: Decimal, start: datetime, end: datetime, step_s: int, limit: int, *, partial: bool
) -> list[dict[str, Any]]:
    """The newest `limit` bars that begin in the span. `partial`: also the one that has not ended."""
    now = datetime.now(UTC).timestamp()
    newest = int(min(end.timestamp(), now)) // step_s * step_s
    if not partial and newest + step_s > now:
        newest -= step_s
    oldest = max(start.timestamp(), newest - (min(limit, MAX_BARS) - 1) * step_s)
    return [_bar(listing, last, at, step_s, now) for at in range(newest, int(oldest) - 1, -step_s)]


def _bar(listing: Listing, last: Decimal, start_s: int, step_s: int, now: float) -> dict[str, Any]:
    dice = random.Random(f"{listing.id}{start_s}")  # noqa: S311  a market, not a secret
    tick = listing.product.tick
    moves = [Decimal(dice.randint(-20, 20)) * tick for _ in range(4)]
    opened = listing.product.start + moves[0]
    closed = last if start_s <= now < start_s + step_s else listing.product.start + moves[1]
    return {
        "t": datetime.fromtimestamp(start_s, UTC).isoformat(),
        "o": opened,
        "h": max(opened, closed) + abs(moves[2]),
        "l": min(opened, closed) - abs(moves[3]),
        "c": closed,
        "v": dice.randint(1, 500),
    }
