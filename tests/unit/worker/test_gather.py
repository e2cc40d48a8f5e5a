"""Group commit: many callers, one call at a time."""

from __future__ import annotations

import asyncio

import pytest

from shared.store.port import StoreUnavailable
from workers.gather import Gather


async def test_what_arrives_meanwhile_goes_together() -> None:
    """Questions that arrive while a call is under way go in one next call, sorted; each gets its own answer."""
    calls: list[list[int]] = []
    free = asyncio.Event()

    async def call(questions: list[int]) -> list[int]:
        calls.append(questions)
        await free.wait()
        return [question * 10 for question in questions]

    gather: Gather[int, int] = Gather(call, order=lambda question: question)
    first = asyncio.create_task(gather.ask(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    later = [asyncio.create_task(gather.ask(number)) for number in (4, 2, 3)]
    await asyncio.sleep(0)
    free.set()
    assert await first == 10
    assert await asyncio.gather(*later) == [40, 20, 30]
    assert calls == [[1], [2, 3, 4]]


async def test_one_bad_question_harms_no_other() -> None:
    """A call that fails for one of its questions is made again for each alone; only the bad one fails."""

    async def call(questions: list[int]) -> list[int]:
        if 13 in questions:
            raise ValueError("no such number")
        return questions

    gather: Gather[int, int] = Gather(call, order=lambda question: question)
    answers = await asyncio.gather(*(gather.ask(number) for number in (12, 13, 14)), return_exceptions=True)
    assert answers[0] == 12
    assert isinstance(answers[1], ValueError)
    assert answers[2] == 14


async def test_an_outage_fails_all_and_the_next_call_works() -> None:
    """When the database is away every caller hears of it at once; nothing is asked again behind their back."""
    calls = 0

    async def call(questions: list[int]) -> list[int]:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise StoreUnavailable("away")
        return questions

    gather: Gather[int, int] = Gather(call, order=lambda question: question)
    answers = await asyncio.gather(gather.ask(1), gather.ask(2), return_exceptions=True)
    assert [type(answer) for answer in answers] == [StoreUnavailable, StoreUnavailable]
    assert calls == 1
    assert await gather.ask(3) == 3


async def test_a_batch_has_a_limit() -> None:
    """A call never takes more than the limit."""
    sizes: list[int] = []

    async def call(questions: list[int]) -> list[int]:
        sizes.append(len(questions))
        return questions

    gather: Gather[int, int] = Gather(call, order=lambda question: question, limit=4)
    await asyncio.gather(*(gather.ask(number) for number in range(10)))
    assert max(sizes) == 4
    assert sum(sizes) == 10


async def test_a_caller_that_gives_up_disturbs_nobody() -> None:
    """A canceled caller's question is still asked; the others get their answers."""
    free = asyncio.Event()

    async def call(questions: list[int]) -> list[int]:
        await free.wait()
        return questions

    gather: Gather[int, int] = Gather(call, order=lambda question: question)
    impatient, patient = asyncio.create_task(gather.ask(1)), asyncio.create_task(gather.ask(2))
    await asyncio.sleep(0)
    impatient.cancel()
    free.set()
    assert await patient == 2
    with pytest.raises(asyncio.CancelledError):
        await impatient
