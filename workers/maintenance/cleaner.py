"""Forgetting: alerts, deliveries, logs and messages after 90 days, in batches small enough to disturb nobody."""

from __future__ import annotations

from shared.store.port import Store
from workers import metrics

LIMIT = 2000


class Cleaner:
    """Orders, fills and the audit are never forgotten."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def turn(self) -> bool:
        """Forget a batch of each kind. True: there is more."""
        forgotten = await self._store.housekeeping(limit=LIMIT)
        for kind, rows in forgotten.rows.items():
            metrics.FORGOTTEN.labels(kind).inc(rows)
        return forgotten.more
