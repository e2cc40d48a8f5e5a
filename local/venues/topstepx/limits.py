"""The gateway's two rate limits, by user, in a window that slides."""

from __future__ import annotations

import time
from collections import deque

BARS = (50, 30.0)
OTHERS = (200, 60.0)
"""Requests and seconds."""


class RateLimits:
    """Counts requests."""

    def __init__(self, enabled: bool = True) -> None:
        self.enabled = enabled
        self._seen: dict[tuple[str, tuple[int, float]], deque[float]] = {}

    def allow(self, user: str, operation: str) -> bool:
        """Count a request; False when it is one too many (it is not counted then)."""
        if not self.enabled:
            return True
        limit = BARS if operation == "bars" else OTHERS
        now = time.monotonic()
        seen = self._seen.setdefault((user, limit), deque())
        while seen and seen[0] <= now - limit[1]:
            seen.popleft()
        if len(seen) >= limit[0]:
            return False
        seen.append(now)
        return True
