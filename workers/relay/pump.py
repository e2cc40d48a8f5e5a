"""The outbox's way out: claim, hand to every sink, delete what all of them have."""

from __future__ import annotations

from collections.abc import Sequence

from shared import log
from shared.store.relay import RelayStore
from workers import metrics
from workers.relay.sinks import Sink, SinkUnavailable

_log = log.get("relay")


class Pump:
    """One claim at a time. A row whose sink fails comes back when the lease has ended; its account waits with it."""

    def __init__(
        self, store: RelayStore, sinks: Sequence[Sink], worker: str, batch: int, lease_ms: int
    ) -> None:
        self._store, self._sinks = store, tuple(sinks)
        self._worker, self._batch, self._lease_ms = worker, batch, lease_ms

    async def turn(self) -> bool:
        """Deliver a batch. True: there may be more."""
        rows = await self._store.claim_outbox(worker=self._worker, limit=self._batch, lease_ms=self._lease_ms)
        if not rows:
            return False
        gone = False
        try:
            for sink in self._sinks:
                gone = await sink.take(rows, last=sink is self._sinks[-1])
        except SinkUnavailable as error:
            _log.warning("events wait", rows=len(rows), why=str(error))
            return False
        if not gone:
            await self._store.outbox_delivered(token=rows[0].token, ids=[row.id for row in rows])
        return len(rows) == self._batch

    async def stats(self) -> None:
        """What waits, for /metrics."""
        told = await self._store.relay_stats()
        metrics.OUTBOX_ROWS.set(float(told["outbox"]))
        metrics.OUTBOX_OLDEST.set(float(told["outbox_oldest_seconds"]))
        metrics.NOTIFICATIONS_WAITING.set(float(told["notifications_waiting"]))
