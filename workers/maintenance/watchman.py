"""Looks for what should have happened and did not, and for what must never be; alarms traders, shows the numbers."""

from __future__ import annotations

from shared.store.port import Store
from workers import metrics

LIMIT = 100


class Watchman:
    """Alarms are raised once for each thing, by whoever looks first."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def alarms(self) -> bool:
        """Orders unknown over 30 s, exits not carried out, open positions out of reach. True: maybe more."""
        raised = await self._store.raise_alarms(limit=LIMIT)
        for what, times in raised.items():
            metrics.ALARMS.labels(what).inc(times)
        return any(times == LIMIT for times in raised.values())

    async def gaps(self) -> None:
        """What missed alerts have left behind."""
        metrics.ALARMS.labels("gap").inc(await self._store.find_gaps(limit=LIMIT))

    async def invariants(self) -> None:
        """Rows of the views that must be empty."""
        for view, rows in (await self._store.invariant_rows()).items():
            metrics.INVARIANT_ROWS.labels(view).set(rows)
