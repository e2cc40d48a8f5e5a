"""One read for all who ask at the same time: the gateway counts requests, and many commands look at the same lists.

Whoever asks gets an answer that was asked for after he came: never the one that is on its way already, which may not
show what he has just done. Each rank shares with its own only: what is urgent must not wait behind a read that waits
for its turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from shared.brokers.blocks import Rank
from shared.brokers.pacing import rank

Q = TypeVar("Q")
A = TypeVar("A")


class Joint(Generic[Q, A]):
    """Questions of one kind. `join` makes one question of all that wait, which answers each of them."""

    def __init__(self, read: Callable[[Q], Awaitable[A]], join: Callable[[list[Q]], Q]) -> None:
        self._lanes = {each: _Lane(read, join) for each in Rank}

    async def ask(self, question: Q) -> A:
        """The answer, which others may have, too. Raises what the read raised."""
        return await self._lanes[rank()].ask(question)


class _Lane(Generic[Q, A]):
    """Those who may wait for one another."""

    def __init__(self, read: Callable[[Q], Awaitable[A]], join: Callable[[list[Q]], Q]) -> None:
        self._read, self._join = read, join
        self._waiting: list[tuple[Q, asyncio.Future[A]]] = []
        self._task: asyncio.Task[None] | None = None

    async def ask(self, question: Q) -> A:
        future: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        if self._task is None:
            # It inherits the context of who asks first, and with it whether it is urgent.
            self._task = asyncio.create_task(self._answer_all())
        return await future

    async def _answer_all(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                await self._answer(batch)
        finally:
            self._task = None

    async def _answer(self, batch: list[tuple[Q, asyncio.Future[A]]]) -> None:
        try:
            found = await self._read(self._join([question for question, _ in batch]))
        except Exception as error:  # noqa: BLE001  it goes to those who asked
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
        else:
            for _, future in batch:
                if not future.done():
                    future.set_result(found)
