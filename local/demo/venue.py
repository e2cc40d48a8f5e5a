"""The paper venue in a process of its own: a broker as far away as any, which can be told to misbehave."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from local.control import StackError
from local.paths import PROJECT, base_environment
from local.status import Installation

READY_S = 15.0


class PaperVenue:
    """What an onlooker can ask the venue: what it received. And the one fault of the demo."""

    def __init__(self, http: httpx.AsyncClient, pid: int) -> None:
        self._http, self.pid = http, pid

    async def hold_next_answer(self) -> None:
        """The next order is executed, but its answer never comes in time."""
        fault = {"kind": "hang_after_accept", "value": "60", "operation": "execute", "times": 1}
        (await self._http.post("/faults", json=fault)).raise_for_status()

    async def commands(self) -> int:
        """How many orders were received."""
        return len(await self.log())

    async def log(self) -> list[dict[str, Any]]:
        """Every order received, with the time (ns since the epoch)."""
        entries: list[dict[str, Any]] = (await self._http.get("/log")).raise_for_status().json()
        return entries

    async def forget(self) -> None:
        """Empty the log."""
        (await self._http.delete("/log")).raise_for_status()


@asynccontextmanager
async def paper_venue(found: Installation) -> AsyncIterator[PaperVenue]:
    """Run the venue on the stack's port for it, until the block ends."""
    port = found.boot.ports.paper_venue
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "local.venues.paper", "--port", str(port)),
        cwd=PROJECT,
        env=base_environment(),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        await _ready(process)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
            yield PaperVenue(http, process.pid)
    finally:
        if process.returncode is None:
            process.kill()  # it keeps nothing, and may still hold an answer back
        await process.wait()


async def _ready(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None  # asked for above
    line = await asyncio.wait_for(process.stdout.readline(), READY_S)
    if not line.startswith(b"ready"):
        raise StackError("The paper venue did not start: is another demo running?")
