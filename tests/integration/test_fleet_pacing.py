"""Several worker processes and one broker that counts: together they stay within its limit, the urgent first."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from tests.support.clusters import Database
from tests.support.processes import Running
from tests.support.trading import new_trader

Run = Callable[..., AbstractContextManager[Running]]


@dataclass
class Venue:
    """A broker that counts what arrives in its sliding window, and says 429 to what is too much."""

    limit: int = 1000
    seconds: float = 1.0
    arrived: list[tuple[float, str, str]] = field(default_factory=list)
    refused: list[tuple[float, str]] = field(default_factory=list)
    refuse_next: float | None = None
    url: str = ""

    async def ask(self, request: web.Request) -> web.Response:
        now, kind, worker = time.monotonic(), request.match_info["kind"], request.match_info["worker"]
        if self.refuse_next is not None or self.most_until(now) >= self.limit:
            pause, self.refuse_next = self.refuse_next or 1.0, None
            self.refused.append((now, worker))
            return web.Response(status=429, text="error code: 1015", headers={"Retry-After": f"{pause:g}"})
        self.arrived.append((now, kind, worker))
        await asyncio.sleep(0.01)
        return web.Response()

    def most_until(self, now: float) -> int:
        """How many have arrived in the window that ends now."""
        return sum(1 for at, *_ in self.arrived if at > now - self.seconds)

    def shares(self) -> Counter[str]:
        """How many each worker got."""
        return Counter(worker for _, _, worker in self.arrived)


@pytest.fixture
async def venue() -> AsyncIterator[Venue]:
    """A counting broker on a free port."""
    made = Venue()
    app = web.Application()
    app.add_routes([web.post("/{kind}/{worker}", made.ask)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


async def connection_of(database: Database) -> str:
    """A broker connection of somebody."""
    admin = await database.connect("supabase_admin")
    trader = await new_trader(database, admin)
    text = "select connection_id::text from public.broker_accounts where id = $1"
    found = await admin.fetchval(text, trader.account)
    await admin.close()
    return str(found)


async def started(
    stack: ExitStack,
    run: Run,
    database: Database,
    venue: Venue,
    connection: str,
    name: str,
    every_s: float = 0,
    rest_s: float = 0,
) -> Running:
    """A worker process, asking already. Started beside the loop, which has to answer others meanwhile."""
    words = (database.url("empire_worker"), connection, venue.url, name, venue.limit, venue.seconds, every_s)
    program = run(sys.executable, "-m", "tests.support.pacer", *map(str, (*words, rest_s)))
    return await asyncio.to_thread(stack.enter_context, program)


async def arrive(venue: Venue, least: int, timeout_s: float = 60) -> None:
    """Until so many requests have arrived."""
    by = time.monotonic() + timeout_s
    while len(venue.arrived) < least:
        assert time.monotonic() < by, f"only {len(venue.arrived)} arrived"
        await asyncio.sleep(0.02)


def told(worker: Running) -> tuple[int, float]:
    """What a worker says when it ends: questions to the database, its slowest urgent request."""
    assert worker.stop() == 0
    words = worker.wait_for_line("asked ").split()
    return int(words[1]), float(words[3])


async def test_a_fleet_never_exceeds_the_limit(database: Database, venue: Venue, run: Run) -> None:
    """Four processes want far more than twenty a second: no 429, all get a share, and the limit is used."""
    venue.limit = 20
    connection = await connection_of(database)
    with ExitStack() as stack:
        workers = [
            await started(stack, run, database, venue, connection, f"w{number}", 0.7) for number in range(4)
        ]
        began = time.monotonic()
        await arrive(venue, 80)
        took = time.monotonic() - began
        slowest = max([await asyncio.to_thread(told, worker) for worker in workers], key=lambda each: each[1])
    assert not venue.refused
    assert min(venue.shares()[f"w{number}"] for number in range(4)) > 0
    assert took < 12, "far below the limit"
    assert slowest[1] < 1.0, "an urgent request waited behind entries"


async def test_a_killed_worker_takes_nothing_with_it(database: Database, venue: Venue, run: Run) -> None:
    """kill -9 in the middle, and its successor at once: still no 429, and the others go on."""
    venue.limit, venue.seconds = 10, 0.5
    connection = await connection_of(database)
    with ExitStack() as stack:
        first = await started(stack, run, database, venue, connection, "first")
        await started(stack, run, database, venue, connection, "other")
        await arrive(venue, 15)
        await asyncio.to_thread(first.kill)
        await started(stack, run, database, venue, connection, "next")
        await arrive(venue, len(venue.arrived) + 30)
    assert not venue.refused
    assert venue.shares()["next"] > 0


async def test_one_workers_429_stops_the_fleet(database: Database, venue: Venue, run: Run) -> None:
    """The broker refuses one process for a second: after a blink nobody asks until that is over."""
    venue.limit, venue.seconds = 10, 0.5
    connection = await connection_of(database)
    with ExitStack() as stack:
        for name in ("a", "b", "c"):
            await started(stack, run, database, venue, connection, name)
        await arrive(venue, 12)
        venue.refuse_next = 1.5
        before = len(venue.arrived)
        await arrive(venue, before + 20)
    [(refused_at, _)] = venue.refused
    # Blocks that were handed out before may still be spent: of an eighth of a second here, and the way to it.
    during = [at for at, *_ in venue.arrived if refused_at + 0.4 < at < refused_at + 1.45]
    assert not during


async def test_a_worker_alone_seldom_asks_the_database(database: Database, venue: Venue, run: Run) -> None:
    """At sixty a second one process spends its blocks: far fewer questions than requests, and the limit is used."""
    venue.limit = 60
    connection = await connection_of(database)
    with ExitStack() as stack:
        worker = await started(stack, run, database, venue, connection, "alone")
        began = time.monotonic()
        await arrive(venue, 200)
        took = time.monotonic() - began
        asked, _ = await asyncio.to_thread(told, worker)
    assert not venue.refused
    assert asked < len(venue.arrived) / 2
    assert took < 8


async def test_nobody_keeps_the_only_turn_for_himself(database: Database, venue: Venue, run: Run) -> None:
    """One request in a window, and a process that comes back whenever it is over: the other one gets every second."""
    venue.limit, venue.seconds = 1, 0.5
    connection = await connection_of(database)
    with ExitStack() as stack:
        await started(stack, run, database, venue, connection, "looks on", rest_s=0.5)
        await started(stack, run, database, venue, connection, "orders", rest_s=0.01)
        await arrive(venue, 3)
        before, began = venue.shares(), time.monotonic()
        await arrive(venue, 13)
        took = time.monotonic() - began
    assert not venue.refused
    assert (venue.shares() - before)["orders"] >= 4
    assert took < 10
