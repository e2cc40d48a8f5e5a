"""Never more than the broker allows in any window, the urgent first, and no waiting beyond what a command may wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.brokers.errors import NoTurn
from shared.brokers.pacing import Pace, Window, background, urgent
from shared.brokers.turns import GRACE_S, Turn, TurnLog
from shared.models.calls import CallsGranted, CallsWanted


def most_in_a_window(at: Sequence[float], seconds: float) -> int:
    """The most arrivals in any window of that length."""
    times = sorted(at)
    return max(sum(1 for each in times if start <= each < start + seconds) for start in times)


@given(
    limit=st.integers(1, 6),
    seconds=st.sampled_from([0.2, 1.0, 60.0]),
    asked=st.lists(
        st.tuples(
            st.floats(0, 3),  # since the one before
            st.floats(0, 1),  # when within its way it arrives
            st.one_of(st.floats(0, GRACE_S), st.floats(1, 20)),  # how long the answer takes
            st.booleans(),
        ),
        min_size=1,
        max_size=60,
    ),
)
def test_no_window_of_the_broker_holds_more(
    limit: int, seconds: float, asked: list[tuple[float, float, float, bool]]
) -> None:
    """However long requests are under way and overtake one another, what arrives in a window is within the limit."""
    log, now, arrived, kept = TurnLog(limit, seconds), 1000.0, [], limit // 5
    for pause, way, took, hurry in asked:
        now += pause
        now = max(now, log.free_at(limit - (0 if hurry else kept), now))
        turn = log.add(Turn(now))
        turn.over = min(turn.over, now + took)
        arrived.append(now + way * min(took, GRACE_S))
    assert most_in_a_window(arrived, seconds) <= limit


async def test_turns_are_taken_as_early_as_is_safe() -> None:
    """Twelve requests at five in 0.1 s: never six in 0.1 s, and not much slower than that."""
    window = Window(5, 0.1)
    at: list[float] = []

    async def one() -> None:
        with await window.turn(10):
            at.append(time.monotonic())

    began = time.monotonic()
    await asyncio.gather(*(one() for _ in range(12)))
    assert most_in_a_window(at, 0.1) <= 4, "the fifth is kept for what is urgent"
    assert time.monotonic() - began >= 0.2


async def test_a_request_under_way_counts_until_it_is_answered() -> None:
    """The window goes on from the answer: only then is it certain that the request has arrived."""
    window = Window(1, 0.1)
    turn = await window.turn(0)
    waiting = asyncio.ensure_future(window.turn(5))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    answered = time.monotonic()
    turn.done()
    await waiting
    assert time.monotonic() - answered >= 0.1


async def test_a_turn_that_comes_too_late_is_not_taken() -> None:
    """A command that would have to wait too long is not sent, and costs nobody else a turn."""
    window = Window(1, 5000.0)
    (await window.turn(0)).done()
    for _ in range(3):
        with pytest.raises(NoTurn):
            await window.turn(500)
    with pytest.raises(NoTurn, match=r"our turn would be in 50\d\d\.\d s"):
        await window.turn(4000)


async def test_a_pause_holds_everybody_back() -> None:
    """After a 429 nobody asks before the broker said so; who cannot wait for it is told at once."""
    began, window, other = time.monotonic(), Window(100, 1.0), Window(100, 1.0)
    window.pause(0.15)
    other.pause(3600)
    with pytest.raises(NoTurn, match=r"in 3\d{3}\.\d s"):
        await other.turn(0.1)
    await window.turn(60)
    assert time.monotonic() - began >= 0.15


async def test_the_urgent_goes_first() -> None:
    """A flatten behind twenty waiting entries takes the share that is kept for it, at once."""
    window = Window(5, 30.0)
    entries = [asyncio.ensure_future(window.turn(20)) for _ in range(20)]
    await asyncio.sleep(0)
    urgent.set(True)
    await window.turn(0)
    assert sum(each.done() for each in entries) == 4
    for each in entries:
        each.cancel()


async def test_of_a_limit_of_one_the_urgent_has_the_next() -> None:
    """Where nothing can be kept the urgent is the first in the line."""
    window = Window(1, 0.3)
    (await window.turn(0)).done()
    entry = asyncio.ensure_future(window.turn(5))
    await asyncio.sleep(0.01)
    urgent.set(True)
    (await window.turn(5)).done()
    assert not entry.done()
    await entry


async def test_the_background_leaves_half_and_goes_last() -> None:
    """Reads that nobody waits for take half of a limit at most, and none of it while an order waits."""
    window = Window(10, 30.0)

    async def look() -> None:
        background.set(True)
        await window.turn(60)

    looking = [asyncio.ensure_future(look()) for _ in range(10)]
    await asyncio.sleep(0.05)
    assert sum(each.done() for each in looking) == 5
    entries = [asyncio.ensure_future(window.turn(60)) for _ in range(10)]
    await asyncio.sleep(0.05)
    assert (sum(each.done() for each in entries), sum(each.done() for each in looking)) == (3, 5)
    for each in (*entries, *looking):
        each.cancel()


async def test_limits_are_learned() -> None:
    """What the broker names counts from then on, for what was sent before too."""
    pace = Pace()
    pace.learn({"QUOTES": (1, 60.0), "GET_ORDERS": (1, 60.0)})
    await pace.window("QUOTES").turn(0)
    await pace.window("GET_ORDERS").turn(0)
    pace.learn({"QUOTES": (1, 60.0), "GET_ORDERS": (2, 60.0)})
    with pytest.raises(NoTurn):
        await pace.window("QUOTES").turn(1)
    await pace.window("GET_ORDERS").turn(0)
    with pytest.raises(NoTurn):
        await pace.window("GET_ORDERS").turn(1)


async def test_without_the_database_a_worker_counts_alone() -> None:
    """Blocks that do not come hold up nobody: this worker keeps the limit by itself meanwhile."""
    asked: list[CallsWanted] = []

    async def away(wanted: CallsWanted) -> CallsGranted:
        asked.append(wanted)
        raise ConnectionError("the database is away")

    window = Pace({"PLACE": (5, 60.0)}, away, "connection", "7").window("PLACE")
    for _ in range(4):
        await window.turn(1)
    with pytest.raises(NoTurn):
        await window.turn(0.1)
    assert [(each.connection_id, each.route) for each in asked] == [("connection", "7/PLACE")]


async def test_a_block_is_spent_without_asking_again() -> None:
    """One answer of the fleet's budget serves a burst; then what was used of it is told with the next question."""
    asked: list[CallsWanted] = []

    async def reserve(wanted: CallsWanted) -> CallsGranted:
        asked.append(wanted)
        return CallsGranted(block=len(asked), calls=8, from_ms=0, until_ms=1000, wait_ms=0)

    window = Pace({"QUOTES": (10, 1.0)}, reserve, "connection").window("QUOTES")
    for _ in range(9):
        (await window.turn(1)).done()
    first, second = asked
    assert (first.route, first.want, first.limit, first.reserve, first.used) == ("QUOTES", 1, 10, 2, ())
    [told] = second.used
    assert (told.block, told.calls) == (1, 8)
    assert told.age_ms >= 0


async def test_a_limit_nobody_reaches_is_not_counted() -> None:
    """A broker that allows a million a second is not asked about, and neither is the database."""

    async def reserve(_: CallsWanted) -> CallsGranted:
        raise AssertionError("asked for nothing")

    window = Pace({"PLACE": (1_000_000, 1.0)}, reserve, "connection").window("PLACE")
    for _ in range(1000):
        await window.turn(0)
