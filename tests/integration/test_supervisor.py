"""The supervisor with real processes: the order of their end, and a child that starts and never answers."""

from __future__ import annotations

import asyncio
import io
import sys
from contextlib import redirect_stderr
from pathlib import Path

from local.child import Program
from local.paths import base_environment
from local.supervisor import Supervisor

_SLEEPS = [sys.executable, "-c", "import time; time.sleep(600)"]


class _Told(io.StringIO):
    """What the supervisor said and asked, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[str] = []

    def write(self, text: str) -> int:
        self.events += text.splitlines()
        return len(text)


async def _play(log: Path, told: _Told) -> None:
    """A child whose second process never becomes healthy: killed once, kept until the third one is ready."""
    pids: list[int | None] = []
    third = asyncio.Event()

    def healthy() -> bool:
        if kept.child.pid not in pids:
            pids.append(kept.child.pid)
        told.events.append(f"asked {len(pids)}")
        return len(pids) != 2

    def changed() -> None:
        if kept.restarts == 2 and kept.ready.is_set():
            third.set()

    async def kill_first() -> None:
        kept.child.kill()

    sleeper = Program("sleeper", _SLEEPS, base_environment(), log, healthy, start_timeout_s=0.5)
    supervisor = Supervisor([sleeper], changed)
    kept = supervisor.kept[0]
    running = asyncio.create_task(supervisor.run(kill_first))
    async with asyncio.timeout(60):
        await third.wait()
    supervisor.stop()
    await running


def test_a_child_that_does_not_start_in_time_is_replaced_at_once(tmp_path: Path) -> None:
    """Its time to start was its time: nobody asks twice more how it is before the next one starts."""
    told = _Told()
    with redirect_stderr(told):
        asyncio.run(_play(tmp_path / "sleeper.log", told))
    late = next(i for i, event in enumerate(told.events) if "did not become ready" in event)
    assert "asked 2" in told.events[:late]
    assert "asked 2" not in told.events[late:]
    assert "asked 3" in told.events[late:]


async def _stop_three(logs: Path) -> list[list[str]]:
    """Three children are started and stopped; who still ran at each change after the stop was asked for."""
    ran: list[list[str]] = []

    def changed() -> None:
        ran.append([kept.child.program.name for kept in supervisor.kept if kept.child.pid is not None])

    async def stop() -> None:
        ran.clear()
        supervisor.stop()

    supervisor = Supervisor(
        [
            Program(name, _SLEEPS, base_environment(), logs / f"{name}.log", lambda: True)
            for name in ("database", "gateway", "worker")
        ],
        changed,
    )
    await supervisor.run(stop)
    return ran


def test_children_end_in_the_reverse_order_of_their_start(tmp_path: Path) -> None:
    """Each has ended before the one it needs is asked to: a worker settles while its database serves."""
    assert asyncio.run(_stop_three(tmp_path)) == [["database", "gateway"], ["database"], []]
