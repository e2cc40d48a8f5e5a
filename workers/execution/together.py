"""The accounts of one alert go on together: their orders are written, and leave, as near to each other as can be.

Some of them wait for a read (a quote of their broker), others do not; each alone would be written when it is ready,
and the commits of the first would part the orders of one alert by their time. So whoever is ready waits for the others
of its alert, but not for long: a broker that does not answer holds up nobody.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from shared.models.enums import Lane
from shared.store.rows import Claimed

WITHIN_S = 0.025
"""The one that was ready first waits no longer for the others."""


class Together:
    """The deliveries of one alert that were claimed together. Each of `count` arrives, or leaves, once."""

    def __init__(self, count: int) -> None:
        self._missing = count
        self._gone = False
        self._waiting: list[asyncio.Future[None]] = []

    async def arrive(self) -> None:
        """Wait for the others, but not longer than WITHIN_S after the first of them arrived."""
        self.leave()
        if self._gone:
            return
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_later(WITHIN_S, self._go)
        waiting = loop.create_future()
        self._waiting.append(waiting)
        await waiting

    def leave(self) -> None:
        """One will not come: nobody need wait for it."""
        self._missing -= 1
        if self._missing <= 0:
            self._go()

    def _go(self) -> None:
        self._gone = True
        for each in self._waiting:
            if not each.done():
                each.set_result(None)


def groups(batch: Sequence[Claimed]) -> dict[int, Together]:
    """By event: the alerts of a batch that go to several accounts. What is urgent waits for nobody."""
    counted = Counter(each.event.id for each in batch if each.delivery.lane is not Lane.URGENT)
    return {event: Together(count) for event, count in counted.items() if count > 1}
