"""Price history: bars made from the instrument and their own time, the same whenever asked for."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

from local.venues.market import Spec

RESOLUTIONS_S = {
    "1m": 60,
    "5m": 300,
    "15m": 900,
    "30m": 1800,
    "1H": 3600,
    "4H": 14_400,
    "1D": 86_400,
    "1W": 604_800,
    "1M": 2_592_000,
}


def bar(spec: Spec, start_s: int) -> dict[str, Any]:
    """The bar that begins at `start_s` (epoch seconds)."""
    dice = random.Random(f"{spec.name}{start_s}")  # noqa: S311  a market, not a secret
    moves = [Decimal(dice.randint(-50, 50)) * spec.tick for _ in range(4)]
    opened, closed = spec.start + moves[0], spec.start + moves[1]
    return {
        "t": start_s * 1000,
        "o": opened,
        "h": max(opened, closed) + abs(moves[2]),
        "l": min(opened, closed) - abs(moves[3]),
        "c": closed,
        "v": Decimal(dice.randint(1, 500)),
    }


def bars(spec: Spec, resolution: str, from_ms: int, to_ms: int, most: int) -> list[dict[str, Any]] | None:
    """The bars whose start lies in the range; None when there would be more than `most`."""
    step = RESOLUTIONS_S[resolution]
    first = -(-from_ms // 1000 // step) * step
    starts = range(first, to_ms // 1000, step)
    return None if len(starts) > most else [bar(spec, each) for each in starts]
