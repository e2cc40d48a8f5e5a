"""What may not live on: entries over their time or on a halted account, and what waits for somebody who is away."""

from __future__ import annotations

from shared.store.port import Store
from workers import metrics

ENTRIES, UNREACHABLE = 200, 200


class Expirer:
    """Ends through the inbox and the queue like everybody: nothing here speaks to a broker."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def entries(self) -> bool:
        """Ask for the cancel of pending entries that may not live on. True: there may be more."""
        asked = await self._store.end_entries(limit=ENTRIES)
        metrics.UPKEEP.labels("entries_ended").inc(asked)
        return asked == ENTRIES

    async def unreachable(self) -> bool:
        """End what waits for accounts that nobody can reach. True: there was some."""
        ended = await self._store.end_unreachable(limit=UNREACHABLE)
        metrics.UPKEEP.labels("unreachable_ended").inc(ended)
        return ended > 0
