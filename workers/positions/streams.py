"""Listens to logins whose brokers tell of their own accord: one connection per login in the fleet, by its lease holder.

    hold       engine.hold_streams: what is ours to listen to, renewed with how it is going
    listen     through the adapter; begun anew whenever it ends, with pauses
    wake       engine.wake_accounts: the account an event is about is read now, by whoever reads it

An event is a reason to read, never the truth. Whenever a connection is live (again), every account of its login is
read and its fills are asked for: what happened in between was told to nobody. While it is not, the accounts are read
as often as those of a broker that tells nothing.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from shared import clock, log
from shared.brokers.port import ReadFailed
from shared.brokers.registry import Registry
from shared.brokers.streams import WentSilent
from shared.store.port import Store, StoreUnavailable
from shared.store.watch_rows import Stream
from workers.leases import Leases

_log = log.get("positions")
ROOM, TAKEN = 1000, 32
"""Connections of one worker; logins it takes at once, so that others get theirs."""
LEASE_MS = 10_000
TOGETHER_S = 0.1
"""An order is told of in several events within so long: one read for all of them."""
PAUSES_S = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Before the next try after one that failed; the first is what a cut cable or a restart of the gateway costs."""
STEADY_S = 60.0
"""A connection that was live for so long ends the row of tries."""
AGAIN_S = 1.0


class Streams:
    """What this worker listens to."""

    def __init__(
        self,
        store: Store,
        brokers: Registry,
        leases: Leases,
        worker: str,
        read_due: Callable[[], Awaitable[object]],
    ) -> None:
        """`read_due` is asked after accounts were woken: in this worker they are read without waiting for its turn."""
        self._store, self._brokers, self._leases, self._worker = store, brokers, leases, worker
        self._read_due = read_due
        self._ears: dict[str, _Ear] = {}
        self._woken: set[str] = set()
        self._waking: asyncio.Task[None] | None = None

    async def turn(self) -> None:
        """Tell how it is going, and take and leave what the database says. Raises StoreUnavailable."""
        brokers = self._brokers.listened()
        if not brokers:
            return
        room = min(TAKEN, ROOM - len(self._ears))
        held = await self._store.hold_streams(
            worker=self._worker, brokers=brokers, told=self._told(), limit=room, lease_ms=LEASE_MS
        )
        ours = {each.connection: each for each in held}
        for connection, ear in list(self._ears.items()):
            if connection not in ours or not ear.hears(ours[connection]):
                await self._leave(connection)
        for connection, stream in ours.items():
            if connection not in self._ears:
                self._ears[connection] = _Ear(stream, self._brokers, self._leases, self._wake)

    async def close(self) -> None:
        """Listen no more, and give everything back: the next worker begins at once."""
        told = self._told()
        for connection in list(self._ears):
            await self._leave(connection)
        if self._waking is not None:
            self._waking.cancel()
        if told:
            # Where the database is away the leases run out.
            with suppress(StoreUnavailable):
                await self._store.hold_streams(
                    worker=self._worker, brokers=[], told=told, limit=0, lease_ms=0
                )

    def _told(self) -> list[dict[str, Any]]:
        return [ear.told() for ear in self._ears.values()]

    async def _leave(self, connection: str) -> None:
        await self._ears.pop(connection).stop()

    def _wake(self, accounts: Iterable[str]) -> None:
        self._woken.update(accounts)
        if self._woken and (self._waking is None or self._waking.done()):
            self._waking = asyncio.create_task(self._wake_all())

    async def _wake_all(self) -> None:
        await asyncio.sleep(TOGETHER_S)
        while self._woken:
            accounts = sorted(self._woken)
            self._woken.clear()
            try:
                await self._store.wake_accounts(accounts=accounts)
                await self._read_due()
            except StoreUnavailable:
                self._woken.update(accounts)
                await asyncio.sleep(AGAIN_S)


class _Ear:
    """One login: listens, again and again, until it is stopped."""

    def __init__(
        self, stream: Stream, brokers: Registry, leases: Leases, wake: Callable[[Iterable[str]], None]
    ) -> None:
        self._stream, self._brokers, self._leases, self._wake = stream, brokers, leases, wake
        self._state, self._why = "connecting", ""
        self._failures = 0
        self._live_since: float | None = None
        self._task = asyncio.create_task(self._listen())
        self._task.add_done_callback(partial(_ended, stream.connection))

    def hears(self, stream: Stream) -> bool:
        """Whether this is still what we listen to: the same lease, accounts and credential."""
        mine = self._stream
        return (mine.token, mine.accounts, mine.account.seal_version) == (
            stream.token,
            stream.accounts,
            stream.account.seal_version,
        )

    def told(self) -> dict[str, Any]:
        """How it is going, for the database."""
        return {
            "connection": self._stream.connection,
            "token": self._stream.token,
            "state": self._state,
            "why": self._why,
        }

    async def stop(self) -> None:
        """Listen no more."""
        self._task.cancel()
        await asyncio.wait({self._task})

    # What the adapter tells (`Hearer`).

    def live(self) -> None:
        self._state, self._why, self._live_since = "live", "", clock.monotonic()
        _log.info("listening", connection_id=self._stream.connection, accounts=len(self._stream.accounts))
        self._wake(self._stream.accounts.values())

    def news(self, account_number: str | None) -> None:
        if account_number is None:
            self._wake(self._stream.accounts.values())
        elif (account := self._stream.accounts.get(account_number)) is not None:
            self._wake([account])

    async def _listen(self) -> None:
        account = self._stream.account.account()
        while True:
            try:
                with self._leases.held([self._stream.token]):
                    await self._brokers.listen(account, list(self._stream.accounts), self)
            except WentSilent as error:
                self._failed("silent", str(error))
            except ReadFailed as error:
                self._failed("down", str(error))
            except Exception as error:  # noqa: BLE001 - one broken adapter must not stop the others
                _log.error("listening failed", connection_id=self._stream.connection, exc_info=error)
                self._failed("down", "an error of ours, which was recorded")
            pause = PAUSES_S[min(self._failures, len(PAUSES_S)) - 1]
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311

    def _failed(self, state: str, why: str) -> None:
        steady = self._live_since is not None and clock.monotonic() - self._live_since > STEADY_S
        self._failures = 1 if steady else self._failures + 1
        self._state, self._why, self._live_since = state, why, None
        _log.info(
            "not listening", connection_id=self._stream.connection, state=state, why=why, tries=self._failures
        )


def _ended(connection: str, task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("listening has ended", connection_id=connection, exc_info=error)
