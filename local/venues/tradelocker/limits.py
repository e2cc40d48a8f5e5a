"""The rate limits that /trade/config names, enforced."""

from __future__ import annotations

import time
from collections import Counter, deque

from local.venues.tradelocker.config import RATE_LIMITS


class RateLimits:
    """Counts per account and type, in a window that slides. `refused`: how often an account was too fast."""

    def __init__(self, enabled: bool = True) -> None:
        self.enabled = enabled
        self.refused: Counter[str] = Counter()
        self._seen: dict[tuple[str, str], deque[float]] = {}

    def allow(self, account: str, kind: str | None) -> bool:
        """Count a request; False when it is one too many (it is not counted then)."""
        if not self.enabled or kind is None:
            return True
        limit, interval, measure = RATE_LIMITS[kind]
        seconds = interval * (60 if measure == "MINUTES" else 1)
        now = time.monotonic()
        seen = self._seen.setdefault((account, kind), deque())
        while seen and seen[0] <= now - seconds:
            seen.popleft()
        if len(seen) >= limit:
            self.refused[account] += 1
            return False
        seen.append(now)
        return True
