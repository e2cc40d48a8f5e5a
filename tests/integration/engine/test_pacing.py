"""engine.reserve_calls: what workers are handed together, whatever they report, forget or die of."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import asyncpg
import pytest

from tests.integration.engine.road import Json, Road

WINDOW_MS, GRACE_MS, LIFE_MS = 100_000, 500, 250
"""A window that does not pass while a test runs, on a busy machine, too."""


async def connection_of(road: Road) -> str:
    """A broker connection of somebody."""
    trader = await road.trader()
    found = await road.admin.fetchval(
        "select connection_id::text from public.broker_accounts where id = $1", trader.account
    )
    return str(found)


async def ask(
    worker: asyncpg.Connection, connection: str, name: str = "a", route: str = "PLACE", **changes: Any
) -> Json:
    """One ask of a worker: of five in a window one is kept for what is urgent."""
    wanted = {
        "connection_id": connection,
        "route": route,
        "urgent": False,
        "limit": 5,
        "reserve": 1,
        "window_ms": WINDOW_MS,
        "want": 1,
        "within_ms": 2 * WINDOW_MS,
        "life_ms": LIFE_MS,
        "grace_ms": GRACE_MS,
        "pause_ms": 0,
        "used": [],
        **changes,
    }
    [answer] = await worker.fetchval(
        "select engine.reserve_calls(p_worker => $1, p_asks => $2)", name, [wanted]
    )
    return dict(answer)


async def test_a_worker_alone_gets_more_than_it_asks_for(road: Road) -> None:
    """One question serves a burst; half of the room is left for a worker that may come."""
    connection = await connection_of(road)
    first = await ask(road.worker, connection, window_ms=1000)
    assert (first["calls"], first["from_ms"], first["until_ms"]) == (2, 0, LIFE_MS)
    second = await ask(road.worker, connection, "b", window_ms=1000)
    assert second["calls"] == 1


async def test_two_workers_share_what_there_is(road: Road) -> None:
    """Together they get the limit less what is kept, and are told when there is room again."""
    connection = await connection_of(road)
    await ask(road.worker, connection, "b", want=0)
    grants = [await ask(road.worker, connection, name, want=9) for name in ("a", "b", "a", "b")]
    assert [each["calls"] for each in grants] == [2, 2, 0, 0]
    assert WINDOW_MS / 2 < grants[2]["wait_ms"] <= WINDOW_MS + LIFE_MS + GRACE_MS + 30


async def test_the_urgent_takes_what_was_kept_and_books_ahead(road: Road) -> None:
    """When entries have used everything the urgent gets a call at once, then the next one that is free, booked."""
    connection = await connection_of(road)
    assert (await ask(road.worker, connection, want=4))["calls"] == 4
    assert (await ask(road.worker, connection, "b"))["calls"] == 0
    kept = await ask(road.worker, connection, "b", urgent=True)
    assert (kept["calls"], kept["from_ms"]) == (1, 0)
    booked = await ask(road.worker, connection, "b", urgent=True)
    assert booked["calls"] == 1
    assert booked["from_ms"] > WINDOW_MS / 2
    refused = await ask(road.worker, connection, "b", urgent=True, within_ms=100)
    assert refused["calls"] == 0
    assert refused["wait_ms"] > WINDOW_MS / 2


async def test_what_was_not_used_is_given_back(road: Road) -> None:
    """A report frees what was not sent at once, and what was sent a window after it has arrived."""
    connection = await connection_of(road)
    first = await ask(road.worker, connection, want=4)
    unused = [{"block": first["block"], "calls": 1, "age_ms": 0.6 * WINDOW_MS}]
    second = await ask(road.worker, connection, want=4, used=unused)
    assert second["calls"] == 3
    third = await ask(road.worker, connection, want=1)
    assert (third["calls"], 0 < third["wait_ms"] <= 0.4 * WINDOW_MS) == (0, True)


async def test_reports_of_others_are_not_believed(road: Road) -> None:
    """Only whose block it is can give it back, and nobody can make it larger or later."""
    connection = await connection_of(road)
    first = await ask(road.worker, connection, want=4)
    theirs = [{"block": first["block"], "calls": 0, "age_ms": 0}]
    assert (await ask(road.worker, connection, "b", want=4, used=theirs))["calls"] == 0
    larger = [{"block": first["block"], "calls": 400, "age_ms": -60_000}]
    answer = await ask(road.worker, connection, "a", want=1, used=larger)
    assert answer["wait_ms"] <= WINDOW_MS + LIFE_MS + GRACE_MS + 30


async def test_a_pause_is_the_whole_fleets(road: Road) -> None:
    """After one worker's 429 no worker gets a call on that route, urgent or not; other routes go on."""
    connection = await connection_of(road)
    await ask(road.worker, connection, "a", want=0, pause_ms=WINDOW_MS)
    normal = await ask(road.worker, connection, "b")
    assert (normal["calls"], WINDOW_MS / 2 < normal["wait_ms"] <= WINDOW_MS) == (0, True)
    booked = await ask(road.worker, connection, "b", urgent=True)
    assert (booked["calls"], WINDOW_MS / 2 < booked["from_ms"] <= WINDOW_MS) == (1, True)
    assert (await ask(road.worker, connection, "b", "CANCEL"))["calls"] > 0


async def test_a_dead_workers_block_lapses(road: Road) -> None:
    """Nobody reports for it: it counts until its last call must have arrived, and a window more."""
    connection = await connection_of(road)
    quick = {"window_ms": 100, "life_ms": 50, "grace_ms": 50}
    began = time.monotonic()
    assert (await ask(road.worker, connection, want=4, **quick))["calls"] == 4
    until = began + 60
    answer = await ask(road.worker, connection, "b", **quick)
    while answer["calls"] == 0 and time.monotonic() < until:
        await asyncio.sleep(answer["wait_ms"] / 1000)
        answer = await ask(road.worker, connection, "b", **quick)
    assert answer["calls"]
    assert time.monotonic() - began >= 0.2


async def test_a_long_window_stays_small_and_exact(road: Road) -> None:
    """Two hundred a minute, one at a time: the row does not grow, and the limit is reached, not passed."""
    connection = await connection_of(road)
    minute = {"limit": 200, "reserve": 20, "window_ms": 60_000, "life_ms": 0, "grace_ms": 0}
    handed = 0
    for number in range(400):
        answer = await ask(road.worker, connection, "ab"[number % 2], **minute)
        handed += answer["calls"]
        # Time passes: what was handed out moves into the past.
        await road.admin.execute(
            "update engine.call_windows w set blocks = array("
            " select row(b.id, b.worker, b.calls, b.ends - interval '100 ms')::engine.call_block"
            " from unnest(w.blocks) b order by b.id)"
        )
    assert handed == 180
    assert await road.admin.fetchval("select cardinality(blocks) from engine.call_windows") < 80


async def test_asks_of_many_workers_at_once(road: Road) -> None:
    """Twelve connections hammer two routes: in no window is more handed out than the limit."""
    connection = await connection_of(road)
    workers = [await road.another("empire_worker") for _ in range(12)]
    quick = {"window_ms": 300, "life_ms": 20, "grace_ms": 0}
    handed: dict[str, list[tuple[float, float, int]]] = {"PLACE": [], "QUOTES": []}
    ends, until = time.monotonic() + 2, time.monotonic() + 60

    async def hammer(number: int, worker: asyncpg.Connection) -> None:
        route = ("PLACE", "QUOTES")[number % 2]
        # Until each route has filled five windows, however slow the machine is.
        while time.monotonic() < ends or (
            sum(n for *_, n in handed[route]) < 20 and time.monotonic() < until
        ):
            asked = time.monotonic()
            answer = await ask(worker, connection, str(number), route, want=3, **quick)
            if answer["calls"]:
                handed[route].append((asked, time.monotonic(), answer["calls"]))
            await asyncio.sleep(answer["wait_ms"] / 1000)

    await asyncio.gather(*(hammer(number, worker) for number, worker in enumerate(workers)))
    for grants in handed.values():
        assert sum(calls for *_, calls in grants) >= 4 * 5
        for _, answered, _ in grants:
            # Surely granted within the window that begins when this answer was there.
            inside = [calls for asked, by, calls in grants if asked >= answered and by <= answered + 0.3]
            assert sum(inside) <= 4


async def test_nobody_waits_for_another_connection(road: Road) -> None:
    """A batch locks in one order: crossing asks of two workers never deadlock."""
    first, second = await connection_of(road), await connection_of(road)
    other = await road.another("empire_worker")

    async def batch(worker: asyncpg.Connection, name: str, connections: list[str]) -> None:
        for _ in range(50):
            asks = [
                {
                    "connection_id": each, "route": "PLACE", "urgent": False, "limit": 5, "reserve": 1,
                    "window_ms": 50, "want": 1, "within_ms": 0, "life_ms": 10, "grace_ms": 0, "pause_ms": 0, "used": [],
                }
                for each in connections
            ]  # fmt: skip
            answers = await worker.fetchval("select engine.reserve_calls($1, $2)", name, asks)
            assert len(answers) == 2

    await asyncio.gather(batch(road.worker, "a", [first, second]), batch(other, "b", [second, first]))


async def test_an_unknown_connection_is_an_error(road: Road) -> None:
    """Calls are handed out for connections that there are."""
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await ask(road.worker, "00000000-0000-0000-0000-000000000000")
