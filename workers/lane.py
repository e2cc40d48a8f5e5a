"""One lane's claiming: how many deliveries may be in flight, which are, and what ends its rest."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

from shared import clock

SLOW_S = 1.0
"""A delivery in flight for longer waits for its broker: it does no work here, and gives its place to others."""
MOST = 8
"""Times the lane's size: so many may be in flight altogether, the slow ones included."""


@dataclass(frozen=True, slots=True)
class Held:
    """A delivery in flight: what gives it back, and since when (monotonic seconds)."""

    delivery_id: int
    token: int
    since: float


@dataclass(slots=True)
class Lane:
    """`size` = deliveries worked on at once; `least_pause_s` = between two claims."""

    name: str
    size: int
    least_pause_s: float
    tasks: dict[asyncio.Task[bool], Held] = field(default_factory=dict)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    backlog: bool = False

    @property
    def free(self) -> int:
        """Room for more. A broker that hangs fills no lane: what waits for it for long does not count."""
        slow = clock.monotonic() - SLOW_S
        busy = sum(1 for held in self.tasks.values() if held.since > slow)
        return min(self.size - busy, self.size * MOST - len(self.tasks))

    def took(self, task: asyncio.Task[bool], delivery_id: int, token: int) -> None:
        """A delivery is in flight."""
        self.tasks[task] = Held(delivery_id, token, clock.monotonic())

    def ended(self, task: asyncio.Task[bool]) -> None:
        """It is not any more."""
        self.tasks.pop(task, None)

    async def rest(self, pause_s: float) -> None:
        """Until a wake-up, or for `pause_s` with jitter (many workers must not poll in step).

        A full lane rests no longer than until it has room: that comes with time, and nothing ends to tell of it.
        """
        pause_s = min(pause_s * random.uniform(0.8, 1.2), self._full_for_s())  # noqa: S311
        timer = asyncio.get_running_loop().call_later(pause_s, self.wake.set)
        try:
            await self.wake.wait()
        finally:
            timer.cancel()

    def _full_for_s(self) -> float:
        """So long until the oldest of those that fill the lane gives its place to others.

        Of a lane with room, or with as many as it may have altogether: for ever.
        """
        if self.free > 0 or len(self.tasks) >= self.size * MOST:
            return float("inf")
        slow = clock.monotonic() - SLOW_S
        return min((held.since - slow for held in self.tasks.values() if held.since > slow), default=0.0)
