"""MetaApi's limits: every call costs CPU credits, and an account has so many of them in each window."""

from __future__ import annotations

import time
from collections import deque

COSTS = {
    "account_information": 50,
    "positions": 50,
    "position": 50,
    "orders": 50,
    "order": 50,
    "price": 50,
    "history_orders": 75,
    "history_deals": 75,
    "symbols": 500,
    "specification": 500,
    "place": 10,
    "close": 10,
    "cancel": 10,
    "modify": 10,
    "protect": 10,
}
"""Only the first is documented; the others are what is told of them."""
WINDOWS = ((2_000, 1.0), (18_000, 60.0))
"""Credits and seconds, per account."""


class Credits:
    """Counts per account, in windows that slide."""

    def __init__(self, enabled: bool = True) -> None:
        self.enabled = enabled
        self._spent: dict[str, deque[tuple[float, int]]] = {}

    def wait_for(self, account: str, operation: str) -> float:
        """0 and it is counted; or how many seconds until there are credits enough, and it is not."""
        cost = COSTS.get(operation, 0)
        if not self.enabled or not cost:
            return 0.0
        now, spent = time.monotonic(), self._spent.setdefault(account, deque())
        while spent and spent[0][0] <= now - WINDOWS[-1][1]:
            spent.popleft()
        wait = max(_wait(spent, now, cost, limit, seconds) for limit, seconds in WINDOWS)
        if not wait:
            spent.append((now, cost))
        return wait


def _wait(spent: deque[tuple[float, int]], now: float, cost: int, limit: int, seconds: float) -> float:
    """Until the oldest of the window have left it and `cost` fits."""
    inside = [each for each in spent if each[0] > now - seconds]
    over = sum(each[1] for each in inside) + cost - limit
    for at, credits in inside:
        if over <= 0:
            break
        over -= credits
        if over <= 0:
            return at + seconds - now
    return 0.0
