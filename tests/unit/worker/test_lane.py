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


async def _wait(event: asyncio.Event) -> None:
    await event.wait()
