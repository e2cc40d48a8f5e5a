"""Equity history gets thinner with age: every value for a week, then one an hour, after 90 days one a day."""

from __future__ import annotations

from shared.store.port import Store
from workers import metrics

LIMIT = 2000


class Thinner:
    """The highest and the lowest equity of each account's day always stay."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def turn(self) -> bool:
        """Thin a batch. True: there is more."""
        thinned = await self._store.thin_equity(limit=LIMIT)
        metrics.FORGOTTEN.labels("equity").inc(thinned.gone)
        return thinned.more
