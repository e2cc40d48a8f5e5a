"""Keeps programs running: started in order, restarted when they die or fall ill, stopped in reverse."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from local.child import Child, Program

HEALTH_INTERVAL_S = 2.0
_FAILURES_TO_RESTART = 2
_FIRST_BACKOFF_S = 0.1
_LAST_BACKOFF_S = 10.0
_WELL_AFTER_S = 30.0
_POLL_S = 0.02


class StartFailed(Exception):
    """A child did not become healthy; the message names its log."""


@dataclass
class Kept:
    """A child and what happened to it."""

    child: Child
    restarts: int = 0
    ready: asyncio.Event = field(default_factory=asyncio.Event)


class Supervisor:
    """Runs programs until `stop` is called or SIGTERM or SIGINT arrives. `changed` hears of every change."""

    def __init__(self, programs: Sequence[Program], changed: Callable[[], None] = lambda: None) -> None:
        self.kept = [Kept(Child(program)) for program in programs]
        self._changed = changed
        self._stopping = asyncio.Event()
        self._child_ended = asyncio.Event()

    async def run(self, ready: Callable[[], Awaitable[None]]) -> None:
        """Start everything, call `ready`, keep it running until a stop. Raises StartFailed."""
        self._listen()
        tasks: list[asyncio.Task[None]] = []
        try:
            for kept in self.kept:
                if not await self._first_start(kept):
                    return
                tasks.append(asyncio.create_task(self._keep(kept)))
            await ready()
            await self._stopping.wait()
        finally:
            await self._stop_all(tasks)

    def stop(self) -> None:
        """Ask for an orderly stop. A second call kills."""
        if self._stopping.is_set():
            for kept in self.kept:
                kept.child.kill()
        self._stopping.set()

    def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGCHLD, self._child_ended.set)

    async def _first_start(self, kept: Kept) -> bool:
        """Prepare and start one child; False when a stop was asked for meanwhile."""
        if kept.child.program.prepare:
            await asyncio.to_thread(kept.child.program.prepare)
        if self._stopping.is_set():
            return False
        await self._start(kept)
        return not self._stopping.is_set()

    async def _start(self, kept: Kept) -> None:
        kept.child.start()
        self._changed()
        if not await self._wait_ready(kept.child):
            if self._stopping.is_set():
                return
            raise StartFailed(_why_not(kept.child))
        kept.ready.set()
        self._changed()

    async def _wait_ready(self, child: Child) -> bool:
        deadline = time.monotonic() + child.program.start_timeout_s
        while child.pid is not None and time.monotonic() < deadline and not self._stopping.is_set():
            if await asyncio.to_thread(child.healthy):
                return True
            await asyncio.sleep(_POLL_S)
        return False

    async def _keep(self, kept: Kept) -> None:
        backoff = _FIRST_BACKOFF_S
        while not self._stopping.is_set():
            since = time.monotonic()
            # A start that failed had its time already: it is replaced without another look at its health.
            if kept.ready.is_set():
                await self._until_ill(kept.child)
            if self._stopping.is_set():
                return
            kept.ready.clear()
            self._changed()
            backoff = _FIRST_BACKOFF_S if time.monotonic() - since > _WELL_AFTER_S else backoff
            backoff = await self._restart(kept, backoff)

    async def _restart(self, kept: Kept, backoff: float) -> float:
        """One try to bring a child back; returns the pause before the next one."""
        name = kept.child.program.name
        print(
            f"{name} ended ({kept.child.exit_code}) or is ill: restarting in {backoff:.1f} s", file=sys.stderr
        )
        await asyncio.to_thread(kept.child.kill)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), backoff)
        await self._earlier_ready(kept)
        if self._stopping.is_set():
            return backoff
        kept.restarts += 1
        try:
            await self._start(kept)
        except (StartFailed, OSError) as error:
            print(error, file=sys.stderr)
        return min(backoff * 2, _LAST_BACKOFF_S)

    async def _earlier_ready(self, kept: Kept) -> None:
        """A child needs those before it: the gateway cannot start while Postgres recovers."""
        for earlier in self.kept[: self.kept.index(kept)]:
            await earlier.ready.wait()

    async def _until_ill(self, child: Child) -> None:
        failures = 0
        while child.pid is not None and failures < _FAILURES_TO_RESTART and not self._stopping.is_set():
            await self._pause(HEALTH_INTERVAL_S)
            if child.pid is not None:
                failures = 0 if await asyncio.to_thread(child.healthy) else failures + 1

    async def _pause(self, seconds: float) -> None:
        """Wait; a dying child or a stop ends it early."""
        waits = [asyncio.create_task(event.wait()) for event in (self._child_ended, self._stopping)]
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        self._child_ended.clear()
        for wait in waits:
            wait.cancel()

    async def _stop_all(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        self._stopping.set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for kept in reversed(self.kept):
            await asyncio.to_thread(kept.child.stop)
            kept.ready.clear()
            self._changed()


def _why_not(child: Child) -> str:
    ended = "" if child.exit_code is None else f" (it ended with {child.exit_code})"
    lines = child.program.log.read_text(errors="replace").splitlines()[-5:]
    return "\n  ".join([f"{child.program.name} did not become ready{ended}; see {child.program.log}", *lines])
