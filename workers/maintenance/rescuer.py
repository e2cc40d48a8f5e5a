"""Leases that ran out: what is provably unsent goes on, what may have been sent goes to the settler."""

from __future__ import annotations

from shared.store.port import Store
from workers import metrics

LIMIT = 200


class Rescuer:
    """Runs in every worker that executes, too: a fleet without a maintenance worker must not lose an alert."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def turn(self) -> bool:
        """Re-arm a batch. True: there may be more."""
        rescued = await self._store.rescue(limit=LIMIT)
        metrics.LEASES_LOST.inc(rescued.rearmed + rescued.unsettled)
        return rescued.rearmed + rescued.unsettled == LIMIT
