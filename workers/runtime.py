"""One worker process: claims batches, keeps leases alive, runs its loops, and leaves nothing half done.

    claim      a loop per lane, bounded by free room; on a wake-up, or by a poll that slows down while idle.
               The urgent lane has a loop, a connection and room of its own: nothing is ever in front of it
    pulse      heartbeat of every lease; a token the database does not confirm may send no more
    loops      whatever else a kind of worker does again and again (rescue, settle, stats ...)
    stop       SIGTERM: claim no more, end what is in flight, give the rest back. A second one: at once

NOTIFY is only a hint, the poll is the guarantee. While the database is away everything keeps trying.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from shared import clock, log
from shared.settings import WorkerSettings
from shared.store.port import StoreUnavailable
from shared.store.postgres import PostgresStore
from shared.store.rows import Claimed
from workers import metrics
from workers.lane import Lane
from workers.leases import Lease, Leases

_log = log.get("runtime")
URGENT, NORMAL = "urgent", "normal"
URGENT_EVERY_S = 0.025
"""A wake-up does not say for which lane it is: under load the urgent one is asked this often at most."""
BACKLOG_MS = 20
"""A delivery that waited longer says that more are waiting: the next claim follows at once."""
DOWN_PAUSES_S = (0.1, 2.0)

Batch = Sequence[tuple[Claimed, Lease]]


@dataclass(frozen=True, slots=True)
class Loop:
    """Something done again and again; sooner when `turn` returns True: it had something to do.

    at_once: the first time as soon as the process serves, not after a pause.
    """

    name: str
    every_s: float
    turn: Callable[[], Awaitable[object]]
    at_once: bool = False


class Runtime:
    """Runs one process. `start_batch` starts a task per claimed delivery; without it nothing is claimed.

    A task returns whether what has waited for it can be claimed now.
    """

    def __init__(
        self,
        worker: str,
        store: PostgresStore,
        settings: WorkerSettings,
        stopping: asyncio.Event,
        start_batch: Callable[[Batch], list[asyncio.Task[bool]]] | None,
        loops: Sequence[Loop],
        leases: Leases | None = None,
    ) -> None:
        self._worker = worker
        self._store = store
        self._settings = settings
        self._stopping = stopping
        self._start_batch = start_batch
        self._loops = loops
        self._leases = leases or Leases(settings.lease_ms, settings.send_margin_ms)
        self._lanes = (
            Lane(URGENT, settings.worker_urgent_room, URGENT_EVERY_S),
            Lane(NORMAL, settings.worker_in_flight, 0),
        )
        self._ready = asyncio.Event()
        self._down_since: float | None = None

    @property
    def in_flight(self) -> int:
        """Deliveries being worked on."""
        return sum(len(lane.tasks) for lane in self._lanes)

    async def run(self) -> None:
        """Serve until told to stop, then drain."""
        self._listen_to_signals()
        serving = [asyncio.create_task(self._keep_doing(loop), name=loop.name) for loop in self._loops]
        serving.append(asyncio.create_task(self._pulse(), name="pulse"))
        if self._start_batch is not None:
            serving.append(asyncio.create_task(self._wakeups(), name="wakeups"))
            await asyncio.gather(*(self._claim_until_stopped(lane) for lane in self._lanes))
        else:
            self._serves()
            await self._stopping.wait()
        metrics.WORKER_UP.set(0)
        # The pulse goes on while the rest ends: a drain without leases would send nothing.
        await self._drain()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    # Claiming

    async def _claim_until_stopped(self, lane: Lane) -> None:
        least_s, most_s = self._settings.poll_min_ms / 1000, self._settings.poll_max_ms / 1000
        pause_s = least_s
        while not self._stopping.is_set():
            lane.wake.clear()
            try:
                limit = min(lane.free, self._settings.worker_batch)
                taken = await self._claim(lane, limit) if limit > 0 else 0
            except StoreUnavailable as error:
                await self._wait_for_database(lane, error)
                continue
            self._up()
            if taken:
                pause_s = least_s
            if lane.least_pause_s:
                await self._pause(lane.least_pause_s)
            if taken < limit or lane.free <= 0:
                await lane.rest(pause_s)
                pause_s = min(pause_s * 2, most_s)

    async def _claim(self, lane: Lane, limit: int) -> int:
        assert self._start_batch is not None
        asked_at = clock.monotonic()
        claimed = await self._store.claim(
            worker=self._worker,
            executor="fleet",
            lane=lane.name,
            limit=limit,
            lease_ms=self._settings.lease_ms,
        )
        lane.backlog = any((each.queued_ms or 0) > BACKLOG_MS for each in claimed)
        batch = [(each, self._leases.taken(each.token, asked_at)) for each in claimed]
        for (each, lease), task in zip(batch, self._start_batch(batch), strict=True):
            lane.took(task, each.delivery.id, each.token)
            task.add_done_callback(partial(self._ended, lane, lease))
        return len(claimed)

    def _ended(self, lane: Lane, lease: Lease, task: asyncio.Task[bool]) -> None:
        lane.ended(task)
        self._leases.done(lease)
        error = None if task.cancelled() else task.exception()
        # Its account's next delivery is ready now, and its alert has woken us when it was not yet.
        if lane.backlog or lane.free == 1 or (error is None and not task.cancelled() and task.result()):
            lane.wake.set()
        if error is not None:
            _log.error("a delivery's task failed", exc_info=error)

    async def _pause(self, seconds: float) -> None:
        """A rest that only a stop ends early."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    def _wake_all(self) -> None:
        for lane in self._lanes:
            lane.wake.set()

    async def _wakeups(self) -> None:
        while True:
            try:
                await self._store.wakeups(self._wake_all)
            except StoreUnavailable:
                await asyncio.sleep(DOWN_PAUSES_S[1] * random.uniform(0.5, 1.0))  # noqa: S311

    # Staying alive

    async def _pulse(self) -> None:
        every_s = self._settings.heartbeat_ms / 1000
        while True:
            await asyncio.sleep(every_s)
            tokens = self._leases.tokens()
            if not tokens:
                continue
            asked_at = clock.monotonic()
            try:
                alive = await self._store.heartbeat(
                    worker=self._worker, tokens=tokens, lease_ms=self._settings.lease_ms
                )
            except StoreUnavailable:
                # The leases run out by our own clock meanwhile; asked again soon.
                every_s = 0.2
                continue
            every_s = self._settings.heartbeat_ms / 1000
            self._leases.kept(tokens, alive, asked_at)

    async def _keep_doing(self, loop: Loop) -> None:
        pause_s = loop.every_s
        if loop.at_once:
            await self._ready.wait()
            pause_s = 0.0
        while True:
            await asyncio.sleep(pause_s * random.uniform(0.8, 1.2))  # noqa: S311
            pause_s = loop.every_s
            try:
                if await loop.turn() is True:
                    pause_s = loop.every_s / 4
            except StoreUnavailable:
                pause_s = max(loop.every_s, 1.0)  # the claim loop tells about the database
            except Exception as error:  # noqa: BLE001 - a loop must not end with the first bug
                _log.error("loop failed", loop=loop.name, exc_info=error)

    async def _wait_for_database(self, lane: Lane, error: StoreUnavailable) -> None:
        if self._down_since is None:
            self._down_since = clock.monotonic()
            metrics.WORKER_UP.set(0)
            _log.error("database unreachable, trying again", error=str(error))
        away_s = clock.monotonic() - self._down_since
        await lane.rest(min(max(away_s / 4, DOWN_PAUSES_S[0]), DOWN_PAUSES_S[1]))

    def _up(self) -> None:
        metrics.WORKER_UP.set(1)
        self._serves()
        if self._down_since is not None:
            _log.info("database back", away_s=round(clock.monotonic() - self._down_since, 1))
            self._down_since = None

    def _serves(self) -> None:
        """Say so, once: whoever started this process waits for it."""
        if not self._ready.is_set():
            self._ready.set()
            print("ready", flush=True)

    # Stopping

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._told_to_stop)

    def _told_to_stop(self) -> None:
        if self._stopping.is_set():
            # At once: what was being sent is settled by asking, the rest is claimed again.
            sys.stdout.flush()
            os._exit(1)
        self._stopping.set()
        self._wake_all()

    async def _drain(self) -> None:
        waiting = {task: held for lane in self._lanes for task, held in lane.tasks.items()}
        if not waiting:
            return
        _log.info("draining", in_flight=len(waiting))
        _, late = await asyncio.wait(waiting, timeout=self._settings.drain_ms / 1000)
        for task in late:
            task.cancel()
        if late:
            try:
                await self._store.release(
                    deliveries=sorted((waiting[task].delivery_id, waiting[task].token) for task in late)
                )
            except StoreUnavailable:
                _log.warning("not given back, their leases will run out", deliveries=len(late))
