"""How often the accounts of a login are looked at: again and again, within what its limits leave beside orders."""

from __future__ import annotations

import pytest

from shared.brokers.topstepx.client import LIMITS
from shared.brokers.topstepx.connect import READ_PAUSE_S
from shared.brokers.turns import Turn, TurnLog

LIMIT, WINDOW_S = LIMITS["reads"]
POSITIONS_ORDERS_MONEY = 3


def longest_wait(pause_s: float, minutes: int = 10) -> float:
    """Seconds that a read has to wait for its requests at worst, when one is begun so often: first three at once."""
    log, waited = TurnLog(LIMIT // 2, WINDOW_S), 0.0
    at = [1000.0, 1000.0, *(1000.0 + n * pause_s for n in range(int(minutes * 60 / pause_s)))]
    for begun in at:
        for _ in range(POSITIONS_ORDERS_MONEY):
            ready = max(begun, log.free_at(LIMIT // 2, begun))
            waited = max(waited, ready - begun)
            log.add(Turn(ready)).over = ready + 0.05
    return waited


def test_reads_at_the_declared_pause_never_wait() -> None:
    """Ten minutes with something open: no request of a read waits for its turn, also not after three reads at once."""
    assert longest_wait(float(READ_PAUSE_S)) == 0


def test_faster_ones_would_stand_still() -> None:
    """Once a second the limit is used up after 25 seconds: then nobody would look for half a minute."""
    assert longest_wait(1.0, minutes=1) > 30
    assert float(READ_PAUSE_S) == pytest.approx(3.2)
