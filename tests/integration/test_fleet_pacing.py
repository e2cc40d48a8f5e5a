"""Several worker processes and one broker that counts: together they stay within its limit, the urgent first."""

from __future__ import annotations

import asyncio
import sys
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from datetime import datetime

import pytest
from aiohttp import web

from tests.support.clusters import Database
from tests.support.processes import Running
from tests.support.trading import new_trader, until

PAUSE_S = 2.5
Run = Callable[..., AbstractContextManager[Running]]


@dataclass
class Venue:
    """A broker that counts what is sent to it, by when each request's turn came: how long one is under way, and when a busy
    machine hands it in, is nobody's doing.
    """

    limit: int = 1000
    seconds: float = 1.0
    sent: list[tuple[float, str, str]] = field(default_factory=list)
    refused: int = 0
    refuse_next: float | None = None
    url: str = ""

    async def ask(self, request: web.Request) -> web.Response:
        kind, worker = request.match_info["kind"], request.match_info["worker"]
        self.sent.append((float(request.headers["Turn"]), kind, worker))
        await asyncio.sleep(0.01)
        if (pause := self.refuse_next) is None:
            return web.Response()
        self.refuse_next, self.refused = None, self.refused + 1
        return web.Response(status=429, text="error code: 1015", headers={"Retry-After": f"{pause:g}"})

    def most(self) -> int:
        """The most in any window."""
        times = sorted(at for at, *_ in self.sent)
        return max(bisect_left(times, start + self.seconds) - nth for nth, start in enumerate(times))

    def shares(self) -> Counter[str]:
        """How many each worker got."""
        return Counter(worker for _, _, worker in self.sent)


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


async def more(venue: Venue, least: int, **each: int) -> None:
    """Until so many more requests were sent, and each of these workers has sent so many more."""
    total, before = len(venue.sent) + least, venue.shares()

    async def so() -> bool:
        shares = venue.shares() - before
        return len(venue.sent) >= total and all(shares[worker] >= number for worker, number in each.items())

    await until(so)


async def paused_until(database: Database) -> float:
    """When the pause that the fleet was told of ends (monotonic), once it was told."""
    admin = await database.connect("supabase_admin")
    told: list[datetime] = []

    async def is_told() -> bool:
        # Without a pause it is the time of the last question.
        text = "select paused_until from engine.call_windows where paused_until > clock_timestamp()"
        told.extend(row[0] for row in await admin.fetch(text))
        return bool(told)

    await until(is_told)
    await admin.close()
    return told[0].timestamp() - (time.time() - time.monotonic())


def told(worker: Running) -> tuple[int, int]:
    """What a worker says when it ends: questions to the database, entries that overtook an urgent request."""
    assert worker.stop() == 0
    words = worker.wait_for_line("asked ").split()
    return int(words[1]), int(words[3])


async def test_a_fleet_never_exceeds_the_limit(database: Database, venue: Venue, run: Run) -> None:
    """Four processes want far more than twenty a second: never more, all get a share, and the limit is used."""
    venue.limit = 20
    connection = await connection_of(database)
    with ExitStack() as stack:
        workers = [
            await started(stack, run, database, venue, connection, f"w{number}", 0.7) for number in range(4)
        ]
        await more(venue, 60, w0=2, w1=2, w2=2, w3=2)
        overtook = [(await asyncio.to_thread(told, worker))[1] for worker in workers]
    assert "urgent" in {kind for _, kind, _ in venue.sent}
    assert overtook == [0] * 4, "an urgent request waited behind entries"
    assert venue.limit / 2 <= venue.most() <= venue.limit


async def test_a_killed_worker_takes_nothing_with_it(database: Database, venue: Venue, run: Run) -> None:
    """kill -9 in the middle, and its successor at once: never more than the limit, and the others go on."""
    venue.limit, venue.seconds = 10, 0.5
    connection = await connection_of(database)
    with ExitStack() as stack:
        first = await started(stack, run, database, venue, connection, "first")
        await started(stack, run, database, venue, connection, "other")
        await more(venue, 15, first=1, other=1)
        await asyncio.to_thread(first.kill)
        await started(stack, run, database, venue, connection, "next")
        await more(venue, 30, other=1, next=1)
    assert venue.most() <= venue.limit


async def test_one_workers_429_stops_the_fleet(database: Database, venue: Venue, run: Run) -> None:
    """The broker refuses one process for some seconds: what was handed out before may still be spent, then nobody asks
    until that is over.
    """
    venue.limit, venue.seconds = 10, 0.5
    connection = await connection_of(database)
    with ExitStack() as stack:
        for name in ("a", "b", "c"):
            await started(stack, run, database, venue, connection, name)
        await more(venue, 12)
        venue.refuse_next = PAUSE_S
        ends_at = await paused_until(database)
        await more(venue, 20)
    assert venue.refused == 1
    # A block is of an eighth of a second here, and of the way to the database and back. The database counts by the wall's
    # clock, which may be set meanwhile.
    during = [at for at, *_ in venue.sent if ends_at - PAUSE_S < at < ends_at - 0.1]
    assert len(during) <= venue.limit
    assert [at for at in during if at > ends_at - PAUSE_S + 1] == []
    assert max(at for at, *_ in venue.sent) > ends_at


async def test_a_worker_alone_seldom_asks_the_database(database: Database, venue: Venue, run: Run) -> None:
    """At sixty a second one process spends its blocks: far fewer questions than requests, and the limit is used."""
    venue.limit = 60
    connection = await connection_of(database)
    with ExitStack() as stack:
        worker = await started(stack, run, database, venue, connection, "alone")
        await more(venue, 200)
        asked, _ = await asyncio.to_thread(told, worker)
    assert asked < len(venue.sent) / 2
    assert venue.limit / 2 <= venue.most() <= venue.limit


async def test_nobody_keeps_the_only_turn_for_himself(database: Database, venue: Venue, run: Run) -> None:
    """One request in a window, and a process that comes back whenever it is over: the other one gets every second."""
    venue.limit, venue.seconds = 1, 0.5
    connection = await connection_of(database)
    with ExitStack() as stack:
        await started(stack, run, database, venue, connection, "looks on", rest_s=0.5)
        await started(stack, run, database, venue, connection, "orders", rest_s=0.01)
        await more(venue, 3)
        before = len(venue.sent)
        await more(venue, 8, orders=4)
        # On a busy machine one who was told to come back may come too late for a turn that was his.
        assert len(venue.sent) - before <= 20
    assert venue.most() == venue.limit
