"""What a worker does again and again beside its own work: who lives, what waits, and the upkeep of the house."""

from __future__ import annotations

import os

from shared.relay_settings import RelaySettings
from shared.store.port import Store, StoreUnavailable
from shared.store.relay import RelayStore
from workers import metrics
from workers.maintenance.cleaner import Cleaner
from workers.maintenance.expirer import Expirer
from workers.maintenance.rescuer import Rescuer
from workers.maintenance.thinner import Thinner
from workers.maintenance.watchman import Watchman
from workers.relay import room
from workers.runtime import Loop


def common_loops(store: Store, worker: str, kind: str) -> list[Loop]:
    """What every worker tells: that it lives, and the numbers of its /metrics."""

    async def stats() -> None:
        told = await store.stats()
        metrics.QUEUE_READY.set(float(told["queue_ready"]))
        metrics.QUEUE_OLDEST.set(float(told["queue_oldest_seconds"]))
        metrics.UNKNOWN_ORDERS.set(float(told["unknown_orders"]))
        metrics.OLDEST_XMIN.set(float(told["oldest_xmin_seconds"]))

    return [seen_loop(store, worker, kind), Loop("stats", 5.0, stats)]


def seen_loop(store: Store | RelayStore, worker: str, kind: str) -> Loop:
    """The heartbeat of a worker; also what tells whether it reaches the database where it claims nothing."""

    async def seen() -> None:
        try:
            await store.worker_seen(worker=worker, kind=kind, details={"pid": os.getpid()})
        except StoreUnavailable:
            metrics.WORKER_UP.set(0)
            raise
        metrics.WORKER_UP.set(1)

    return Loop("seen", 5.0, seen, at_once=True)


def rescue_loops(store: Store) -> list[Loop]:
    """Leases of workers that are gone."""
    return [Loop("rescue", 1.0, Rescuer(store).turn)]


def maintenance_loops(store: Store) -> list[Loop]:
    """All upkeep but the rescue. Any number of workers may run it: what must not run twice, the database does once."""
    expirer, watchman = Expirer(store), Watchman(store)
    return [
        Loop("unreachable", 0.5, expirer.unreachable),
        Loop("entries", 1.0, expirer.entries),
        Loop("alarms", 5.0, watchman.alarms),
        Loop("gaps", 2.0, watchman.gaps),
        Loop("invariants", 60.0, watchman.invariants),
        Loop("cleaner", 60.0, Cleaner(store).turn),
        Loop("thinner", 60.0, Thinner(store).turn),
    ]


def relay_loops(store: RelayStore, settings: RelaySettings, worker: str, alone: bool) -> list[Loop]:
    """What happened goes out. `alone`: in a process of its own it also tells that it lives."""
    pump, post = room.pump(store, settings, worker), room.post(store, settings, worker)
    every_s = settings.relay_poll_ms / 1000
    loops = [
        Loop("relay", every_s, pump.turn),
        Loop("post", every_s, post.turn),
        Loop("relay stats", 5.0, pump.stats),
    ]
    return [*loops, seen_loop(store, worker, "relay")] if alone else loops
