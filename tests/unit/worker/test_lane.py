"""A lane's room is for deliveries that are being worked on, not for those that wait for a broker that hangs."""

from __future__ import annotations

import asyncio

from shared import clock
from workers.lane import MOST, SLOW_S, Held, Lane

SIZE = 4


async def test_a_hanging_broker_fills_no_lane() -> None:
    """What is in flight for longer than a second gives its place to others, up to eight times the lane's size."""
    lane = Lane("normal", SIZE, 0)
    never = asyncio.Event()
    tasks = [asyncio.create_task(_wait(never)) for _ in range(SIZE * MOST)]
    for number, task in enumerate(tasks, 1):
        assert lane.free > 0
        lane.took(task, number, 1)
        if number % SIZE == 0:
            assert lane.free == 0
            for old in tasks[:number]:
                lane.tasks[old] = Held(1, 1, clock.monotonic() - SLOW_S - 0.1)
    assert lane.free == 0
    lane.ended(tasks[0])
    assert lane.free == 1
    never.set()
    await asyncio.gather(*tasks)


async def test_a_full_lane_rests_until_it_has_room() -> None:
    """When those that fill it have been in flight for a second there is room, and nobody to tell of it: the rest ends then,
    however long it was to be. A lane that has room rests as long as it is told."""
    lane = Lane("normal", SIZE, 0)
    never = asyncio.Event()
    tasks = [asyncio.create_task(_wait(never)) for _ in range(SIZE)]
    for number, task in enumerate(tasks, 1):
        lane.took(task, number, 1)
        lane.tasks[task] = Held(number, 1, clock.monotonic() - SLOW_S + 0.1 * number)
    assert lane.free == 0
    async with asyncio.timeout(SLOW_S):
        await lane.rest(60)
    assert 0 < lane.free < SIZE
    lane.wake.clear()
    began = clock.monotonic()
    await lane.rest(0.25)
    assert clock.monotonic() - began >= 0.2
    never.set()
    await asyncio.gather(*tasks)


async def _wait(event: asyncio.Event) -> None:
    await event.wait()
