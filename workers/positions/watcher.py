"""Reads every account again and again: one reader per account in the fleet, each account by itself.

    claim      engine.watched_accounts: what is due, leased under a token that fences what is written
    read       through the account's adapter, within the broker's limits and behind its orders
    enforce    a limit that is touched: engine.breach at once, before anything else is written
    guard      stops that trail, break-even, time exits: engine.keep_guards (workers/positions/guard.py)
    protect    positions without the stop they should have: engine.keep_naked (workers/positions/naked.py)
    record     engine.record_marks: one call for all that were read in the meantime

A read that fails says nothing about the account: its figures become stale, then unknown, never zero. A broker that
hangs delays nobody but its own accounts.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal
from functools import partial
from typing import Any

from shared import clock, log
from shared.brokers.pacing import background
from shared.brokers.port import Broker, ReadFailed
from shared.brokers.registry import READ_PAUSES, Registry
from shared.store.port import Store, StoreUnavailable
from shared.store.watch_rows import Watched
from workers import metrics
from workers.gather import Gather
from workers.leases import Leases
from workers.positions import mark
from workers.positions.enforce import Enforcer, Seen, in_dollars
from workers.positions.guard import Guards
from workers.positions.naked import Unprotected
from workers.positions.reconcile import Reconciler
from workers.positions.standing import Standings

_log = log.get("positions")
BATCH, ROOM = 256, 2048
"""Accounts of one claim; accounts that may be read at once."""
MARKS = 64
"""Accounts of one call that records: their rows are held meanwhile, and their orders wait so long."""
BACKLOG = 2 * MARKS
"""Reads that wait to be recorded grow old: with more of them nobody begins another. What is due waits for longer
then, all of it alike, and what is told was read just now."""
LEASE_MS = 12_000
READ_S = 4.0
"""So long a read may take: with a second between two reads the figures are stale then. Well within the lease."""
RATE_S = 60.0
LOOK_S = 0.15
"""So often everything that is open is looked at for accounts that were idle; what is due is asked for more often."""


class Watcher:
    """Claims accounts that are due and reads each in a task of its own."""

    def __init__(
        self, store: Store, brokers: Registry, leases: Leases, worker: str, enforcer: Enforcer
    ) -> None:
        self._store, self._brokers, self._leases, self._worker = store, brokers, leases, worker
        self._enforcer = enforcer
        self._standings = Standings(store)
        self._guards = Guards(store, brokers)
        self._unprotected = Unprotected(store, brokers)
        self._reconciler = Reconciler(store, brokers)
        self._open: dict[str, asyncio.Task[None]] = {}
        self._next: dict[str, Watched] = {}
        self._looked = float("-inf")
        self._rates: dict[str, tuple[float, Decimal | None]] = {}
        self.latencies: dict[str, float] = {}
        """Milliseconds that a read takes, by broker: of the last ones, the newest counting most."""
        self._marking: Gather[dict[str, Any], None] = Gather(self._record, lambda _: 0, MARKS)

    @property
    def backlog(self) -> int:
        """Reads that wait to be recorded."""
        return self._marking.waiting

    async def read_due(self) -> bool:
        """Begin to read what is due. True: there was something, more may follow soon."""
        for connection in self._brokers.refused():
            await self._store.recheck_connection(connection=connection)
        room = min(BATCH, ROOM - len(self._open))
        if self.backlog > BACKLOG:
            return True
        if room <= 0:
            return False
        now = clock.monotonic()
        look = now - self._looked >= LOOK_S
        due = await self._store.watched_accounts(
            worker=self._worker, limit=room, lease_ms=LEASE_MS, pauses=READ_PAUSES, look=look
        )
        if look:
            self._looked = now
        for each in due:
            # Due again while the last read's rest is still told, or (the database was away) still to be handed in: it
            # is read when that is done. Left alone, the account would be nobody's until its lease runs out.
            if each.account.id in self._open:
                self._next[each.account.id] = each
            else:
                self._begin(each)
        return bool(due)

    async def drain(self) -> None:
        """Let what is under way end: nothing of it is lost, the leases run out."""
        self._next.clear()
        if self._open:
            await asyncio.wait(self._open.values(), timeout=READ_S)

    def _begin(self, watched: Watched) -> None:
        task = self._open[watched.account.id] = asyncio.create_task(self._watch(watched))
        task.add_done_callback(partial(self._ended, watched.account.id))

    def _ended(self, account: str, task: asyncio.Task[None]) -> None:
        del self._open[account]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("an account's watch failed", account_id=account, exc_info=error)
        if (due := self._next.pop(account, None)) is not None:
            self._begin(due)

    async def _watch(self, watched: Watched) -> None:
        background.set(True)
        with self._leases.held([watched.token]):
            seen = await self._read(watched)
            try:
                await self._enforcer.enforce(watched, seen)
                await self._guards.keep(watched, seen)
                await self._unprotected.keep(watched, seen)
                await self._reconciler.reconcile(watched, seen.snapshot)
            finally:
                await self._hand_in(watched, seen)
            await self._standings.tell(watched, seen)

    async def _hand_in(self, watched: Watched, seen: Seen) -> None:
        read = seen.snapshot
        if read is None:
            told = mark.unread(watched, clock.now(), seen.why)
        else:
            told = mark.read(watched, read, seen.every_s, seen.shares_limits)
        try:
            await self._marking.ask(told)
        except StoreUnavailable as error:
            _log.warning("a mark was not recorded, the account is read again", error=str(error))

    async def _read(self, watched: Watched) -> Seen:
        """The account as the broker has it now, or why it could not be read."""
        began, account = clock.monotonic(), watched.account.account()
        try:
            async with asyncio.timeout(READ_S):
                broker = await self._brokers.broker(account)
                snapshot, can = await broker.snapshot(), broker.capabilities
                seen = Seen(
                    snapshot,
                    per_usd=await self._per_usd(watched, broker),
                    every_s=max(can.read_every_s, can.read_pause_s),
                    shares_limits=can.read_pause_s > 0,
                    lag_s=can.lookup_lag_s,
                    stops_double=not can.exits_shrink,
                )
        except ReadFailed as error:
            seen = Seen(None, str(error) or "the broker could not be read")
        except TimeoutError:
            seen = Seen(None, f"no answer within {READ_S:.0f} seconds")
        except Exception as error:  # noqa: BLE001 - one broken adapter must not stop the others' watch
            _log.error("snapshot failed", account_id=account.id, exc_info=error)
            seen = Seen(None, "an error of ours, which was recorded")
        if seen.snapshot is None:
            _log.info("account not read", account_id=account.id, why=seen.why)
        self._took(account.broker.value, "failed" if seen.snapshot is None else "read", clock.ms_since(began))
        return seen

    def _took(self, broker: str, outcome: str, ms: float) -> None:
        metrics.VENUE.labels(broker, "snapshot", outcome).observe(ms / 1000)
        if outcome == "read":
            self.latencies[broker] = 0.8 * self.latencies.get(broker, ms) + 0.2 * ms

    async def _per_usd(self, watched: Watched, broker: Broker) -> Decimal | None:
        """Account currency per US dollar, where a limit is in dollars and the account is not; asked once a minute."""
        account = watched.account
        if account.currency == "USD" or watched.limits is None or not in_dollars(watched.limits):
            return None
        at, rate = self._rates.get(account.id, (float("-inf"), None))
        if rate is None or clock.monotonic() - at > RATE_S:
            try:
                rate = await broker.rate("USD", account.currency)
            except ReadFailed:
                rate = None  # the limits in dollars wait, the others do not
            self._rates[account.id] = clock.monotonic(), rate
        return rate

    async def _record(self, marks: list[dict[str, Any]]) -> list[None]:
        await self._store.record_marks(marks=marks)
        return [None] * len(marks)
