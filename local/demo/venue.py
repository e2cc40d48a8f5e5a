"""The venues in processes of their own: brokers as far away as any, which can be told to misbehave."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from decimal import Decimal
from typing import Any

import httpx

from local.control import StackError
from local.paths import PROJECT, base_environment
from local.status import Installation
from shared import codec

READY_S = 60.0


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

    async def price(self, symbol: str, at: str) -> None:
        """The market moves: every book of the venue meets this price."""
        (await self._http.post("/prices", json={"symbol": symbol, "price": at})).raise_for_status()

    async def trade_by_hand(self, account: str, symbol: str, side: str, qty: Decimal) -> None:
        """The trader trades at the broker himself: we are not asked."""
        command = {
            "client_order_id": secrets.token_hex(8),
            "kind": "place",
            "symbol": symbol,
            "side": side,
            "qty": qty,
        }
        address = f"/accounts/{account}/commands"
        (await self._http.post(address, content=codec.encode(command))).raise_for_status()

    async def positions(self, account: str) -> list[dict[str, Any]]:
        """What the account holds, in the venue's own words."""
        state = (await self._http.get(f"/accounts/{account}")).raise_for_status().json()
        held: list[dict[str, Any]] = state["positions"]
        return held

    async def forget(self) -> None:
        """Empty the log."""
        (await self._http.delete("/log")).raise_for_status()


class SimulatedBroker:
    """The operator's side of one `empire venue`: its market, and what goes wrong there.

    `pid` None: it is neither ours nor the stack's, and cannot be unplugged.
    """

    def __init__(self, http: httpx.AsyncClient, pid: int | None) -> None:
        self._http, self.pid = http, pid

    @contextmanager
    def unplugged(self) -> Iterator[None]:
        """Its process stands still: nothing is answered and nothing forgotten, until the block ends."""
        if self.pid is None:
            raise StackError("A simulated broker runs that the demo has not started: it cannot be unplugged.")
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    async def contract(self, listing: str) -> str:
        """The contract of a listing of futures that is traded now, by the broker's id."""
        known: dict[str, str] = (await self._http.get("/_sim/contracts")).raise_for_status().json()
        return known[listing]

    async def price(self, symbol: str, bid: Decimal, ask: Decimal) -> None:
        """The market of a symbol is there, and stays."""
        body = codec.encode({"symbol": symbol, "bid": bid, "ask": ask})
        (await self._http.post("/_sim/prices", content=body)).raise_for_status()

    async def walk(self, symbol: str) -> None:
        """The market of a symbol walks again."""
        (await self._http.post("/_sim/prices", json={"symbol": symbol})).raise_for_status()

    async def hang(self, seconds: float) -> None:
        """From now on every request waits so long before it is done."""
        fault = {"kind": "hang_before", "value": str(seconds)}
        (await self._http.post("/_sim/faults", json=fault)).raise_for_status()

    async def recover(self) -> None:
        """Everything works again; what waits goes on at once."""
        (await self._http.delete("/_sim/faults")).raise_for_status()
        (await self._http.post("/_sim/faults/release")).raise_for_status()

    async def listens(self) -> bool:
        """Whether one runs at the address."""
        try:
            return (await self._http.get("/_sim/faults")).is_success
        except httpx.TransportError:
            return False


@asynccontextmanager
async def paper_venue(found: Installation) -> AsyncIterator[PaperVenue]:
    """Run the venue on the stack's port for it, until the block ends."""
    port = found.boot.ports.paper_venue
    async with (
        _processes([("local.venues.paper", "--port", str(port))]) as (process,),
        httpx.AsyncClient(base_url=_url(port), timeout=30) as http,
    ):
        yield PaperVenue(http, process.pid)


@asynccontextmanager
async def simulated_brokers(found: Installation) -> AsyncIterator[dict[str, SimulatedBroker]]:
    """The simulated brokers on the stack's ports, by name; those that do not run yet run until the block ends."""
    ports = found.boot.ports.venues
    running = {child.name: child.pid for child in found.state.children}
    async with AsyncExitStack() as stack:
        brokers = {}
        for name, port in ports.items():
            http = await stack.enter_async_context(httpx.AsyncClient(base_url=_url(port), timeout=30))
            brokers[name] = SimulatedBroker(http, running.get(f"venue-{name}"))
        missing = [name for name, broker in brokers.items() if not await broker.listens()]
        commands = [("local.venues", name, "--port", str(ports[name]), "--accounts", "1") for name in missing]
        started = await stack.enter_async_context(_processes(commands))
        for name, process in zip(missing, started, strict=True):
            brokers[name].pid = process.pid
        yield brokers


@asynccontextmanager
async def _processes(modules: Sequence[Sequence[str]]) -> AsyncIterator[list[asyncio.subprocess.Process]]:
    """Python modules with their words, each a process that has said `ready`; killed when the block ends."""
    started: list[asyncio.subprocess.Process] = []
    try:
        for words in modules:
            started.append(
                await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", *words),
                    cwd=PROJECT,
                    env=base_environment(),
                    stdout=asyncio.subprocess.PIPE,
                )
            )
        for process, words in zip(started, modules, strict=True):
            await _ready(process, words)
        yield started
    finally:
        for process in started:
            if process.returncode is None:
                process.kill()  # it keeps nothing, and may still hold an answer back
            await process.wait()


async def _ready(process: asyncio.subprocess.Process, words: Sequence[str]) -> None:
    assert process.stdout is not None  # asked for above
    line = await asyncio.wait_for(process.stdout.readline(), READY_S)
    if not line.startswith(b"ready"):
        raise StackError(f"{' '.join(words)} did not start: is another demo running?")


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}"
