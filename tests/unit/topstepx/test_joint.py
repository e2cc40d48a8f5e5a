"""Reads that several share: never an answer that was asked for before one came."""

from __future__ import annotations

import asyncio

import pytest

from shared.brokers.pacing import urgent
from shared.brokers.topstepx.joint import Joint


class Source:
    """A list that grows; a read shows what was in it when the read began, and takes until it is let go."""

    def __init__(self) -> None:
        self.value, self.reads = 0, list[int]()
        self.go = asyncio.Event()
        self.began = asyncio.Event()

    async def read(self, since: int) -> int:
        seen = self.value
        self.reads.append(since)
        self.began.set()
        await self.go.wait()
        if seen < 0:
            raise ValueError("unreadable")
        return seen


async def test_who_comes_while_a_read_is_on_its_way_gets_the_next_one() -> None:
    """It shows what he has done meanwhile; all who wait share it, and it goes back as far as any of them asks."""
    source = Source()
    joint: Joint[int, int] = Joint(source.read, min)
    first = asyncio.create_task(joint.ask(7))
    await source.began.wait()
    source.value = 1
    later = [asyncio.create_task(joint.ask(since)) for since in (9, 3, 5)]
    await asyncio.sleep(0)
    source.go.set()
    assert await first == 0
    assert await asyncio.gather(*later) == [1, 1, 1]
    assert source.reads == [7, 3]


async def test_a_failed_read_fails_those_who_shared_it() -> None:
    """And nobody after them."""
    source = Source()
    joint: Joint[int, int] = Joint(source.read, min)
    source.value = -1
    source.go.set()
    both = await asyncio.gather(joint.ask(1), joint.ask(2), return_exceptions=True)
    assert [type(each) for each in both] == [ValueError, ValueError]
    source.value = 5
    assert await joint.ask(1) == 5


async def test_one_who_gives_up_does_not_take_the_others_along() -> None:
    """A cancelled question leaves the read to those who share it."""
    source = Source()
    joint: Joint[int, int] = Joint(source.read, min)
    gone, stays = asyncio.create_task(joint.ask(1)), asyncio.create_task(joint.ask(1))
    await source.began.wait()
    gone.cancel()
    source.go.set()
    assert await stays == 0
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_what_is_urgent_waits_for_nothing_that_is_not() -> None:
    """A read that waits for its turn holds up no flatten; the urgent read is known as such where turns are given."""
    stuck, seen = asyncio.Event(), list[bool]()

    async def read(question: int) -> int:
        seen.append(urgent.get())
        if not urgent.get():
            await stuck.wait()
        return question

    async def flatten() -> int:
        urgent.set(True)
        return await joint.ask(2)

    joint: Joint[int, int] = Joint(read, min)
    waits = asyncio.create_task(joint.ask(1))
    assert await asyncio.wait_for(asyncio.create_task(flatten()), 60) == 2
    stuck.set()
    assert (await waits, seen) == (1, [False, True])
