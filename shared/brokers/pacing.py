"""Our turn: never more requests than the broker allows in any window, by kind of request."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping

from shared import clock
from shared.brokers.errors import NotSent

MARGIN = 1.05
"""Windows are taken a little longer than they are: requests do not travel equally fast."""
UNLISTED = (5, 1.0)
"""Requests and seconds for what the broker names no limit for."""


class Window:
    """At most `limit` turns in any `seconds`. Turns are given in the order in which they were asked for."""

    def __init__(self, limit: int, seconds: float) -> None:
        self._seconds = seconds * MARGIN
        self._planned: deque[float] = deque(maxlen=limit)
        self._taken: deque[float] = deque(maxlen=limit)
        self._not_before = 0.0
        self._next = asyncio.Lock()

    async def turn(self, within_s: float) -> None:
        """Wait for a turn; NotSent, and no turn is used, when it would not come within `within_s`."""
        now = clock.monotonic()
        start = max(now, self._free(self._planned))
        if start - now > within_s:
            raise NotSent(f"the broker's rate limit: our turn would be in {start - now:.1f} s")
        self._planned.append(start)
        async with self._next:
            # Whoever woke up late has moved the window: what counts is when turns were really taken.
            while True:
                wait = self._free(self._taken) - clock.monotonic()
                if wait <= 0:
                    break
                await asyncio.sleep(wait)
            self._taken.append(clock.monotonic())

    def _free(self, turns: deque[float]) -> float:
        full = len(turns) == turns.maxlen
        return max(self._not_before, turns[0] + self._seconds if full else 0.0)

    def pause(self, seconds: float) -> None:
        """No turn for so long: the broker has said that we are too fast."""
        self._not_before = max(self._not_before, clock.monotonic() + seconds)


class Pace:
    """The windows of one account or login, by whatever the broker counts."""

    def __init__(self, limits: Mapping[str, tuple[int, float]] | None = None) -> None:
        """No limits yet (None): every kind gets UNLISTED until `learn`."""
        self._limits: Mapping[str, tuple[int, float]] = limits or {}
        self._windows: dict[str, Window] = {}

    def learn(self, limits: Mapping[str, tuple[int, float]]) -> None:
        """The limits that the broker has named. Unchanged ones keep counting."""
        for kind in [each for each in self._windows if limits.get(each) != self._limits.get(each)]:
            del self._windows[kind]
        self._limits = limits

    def window(self, kind: str) -> Window:
        """The window of a kind of request, by the broker's own name for it."""
        if kind not in self._windows:
            self._windows[kind] = Window(*self._limits.get(kind, UNLISTED))
        return self._windows[kind]
