"""The accounts of one alert go on together: their orders are written, and leave, as near to each other as can be.

Some of them wait for a read (a quote of their broker, what a close has to know), others do not; each alone would go
when it is ready, and what the first of them cause (a commit, answers) would part the orders of one alert. So they meet
twice: before they are written, and, those that were written together, when nothing is left but to write the request
(shared/brokers/departure.py). Whoever is ready waits while others keep coming, and never long: a broker that does not
answer holds up nobody.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from shared import clock
from shared.models.enums import Lane
from shared.store.rows import Claimed

QUIET_S, AT_MOST_S = 0.05, 0.2
"""Nobody else has come for so long, or the first has waited for so long: those who are there go."""


class Together:
    """The deliveries of one alert that were claimed together. Each of `count` arrives, or leaves, once."""

    def __init__(self, count: int) -> None:
        self._missing = count
        self._came: Together | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self._at_most = self._quiet_at = 0.0

    async def arrive(self) -> Together | None:
        """Wait for the others. Those who went on together, to meet again; None for who came too late for that."""
        if self._came is not None:
            return None
        now, loop = clock.monotonic(), asyncio.get_running_loop()
        self._quiet_at = now + QUIET_S
        if not self._waiting:
            self._at_most = now + AT_MOST_S
            loop.call_later(QUIET_S, self._look)
        waiting: asyncio.Future[None] = loop.create_future()
        self._waiting.append(waiting)
        self.leave()
        await waiting
        return self._came

    def leave(self) -> None:
        """One will not come: nobody need wait for it."""
        self._missing -= 1
        if self._missing <= 0:
            self._go()

    def _look(self) -> None:
        """Go when it is time for it; else look again when it may be."""
        left_s = min(self._quiet_at, self._at_most) - clock.monotonic()
        if left_s <= 0:
            self._go()
        else:
            asyncio.get_running_loop().call_later(left_s, self._look)

    def _go(self) -> None:
        if self._came is not None:
            return
        self._came = Together(len(self._waiting))
        # Not from in here: the one that came last would be ahead of the others, perhaps by a commit.
        asyncio.get_running_loop().call_soon(self._let_go, self._came)

    def _let_go(self, came: Together) -> None:
        for each in self._waiting:
            if each.done():
                came.leave()
            else:
                each.set_result(None)


def groups(batch: Sequence[Claimed]) -> dict[int, Together]:
    """By event: the alerts of a batch that go to several accounts. What is urgent waits for nobody."""
    counted = Counter(each.event.id for each in batch if each.delivery.lane is not Lane.URGENT)
    return {event: Together(count) for event, count in counted.items() if count > 1}
