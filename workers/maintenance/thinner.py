"""Equity history gets thinner with age: a value a minute after a day, an hour after a week, a day after 90 days."""

from __future__ import annotations

from shared.store.port import Store
from workers import metrics

LIMIT = 2000


class Thinner:
    """The highest, the lowest and the last equity of each account's trading day always stay."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def turn(self) -> bool:
        """Thin a batch. True: there is more."""
        thinned = await self._store.thin_equity(limit=LIMIT)
        metrics.FORGOTTEN.labels("equity").inc(thinned.gone)
        return thinned.more
