"""Group commit: what arrives while a call is under way goes together in the next one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from shared.store.port import StoreUnavailable

Q = TypeVar("Q")
A = TypeVar("A")


class Gather(Generic[Q, A]):
    """Many callers, one call at a time for them all. `order` sorts a batch: locks have one order."""

    def __init__(
        self, call: Callable[[list[Q]], Awaitable[Sequence[A]]], order: Callable[[Q], int], limit: int = 64
    ) -> None:
        self._call = call
        self._order = order
        self._limit = limit
        self._waiting: deque[tuple[Q, asyncio.Future[A]]] = deque()
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Questions that no call has taken yet."""
        return len(self._waiting)

    async def ask(self, question: Q) -> A:
        """The answer to this question. Raises what the call raised."""
        future: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        if self._task is None:
            self._task = asyncio.create_task(self._drain())
        return await future

    async def _drain(self) -> None:
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._limit))]
                batch.sort(key=lambda each: self._order(each[0]))
                await self._answer(batch)
        finally:
            self._task = None

    async def _answer(self, batch: list[tuple[Q, asyncio.Future[A]]]) -> None:
        try:
            answers = await self._call([question for question, _ in batch])
        except StoreUnavailable as error:
            _fail(batch, error)
        except Exception as error:  # noqa: BLE001 - it goes to the one caller it belongs to
            if len(batch) == 1:
                _fail(batch, error)
                return
            # One bad question must not take the others with it: each is asked alone.
            for each in batch:
                await self._answer([each])
        else:
            for (_, future), answer in zip(batch, answers, strict=True):
                if not future.done():
                    future.set_result(answer)


def _fail(batch: list[tuple[Q, asyncio.Future[A]]], error: Exception) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
