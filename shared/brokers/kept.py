"""A value that is read rarely and asked for often."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from shared import clock

T = TypeVar("T")


class Kept(Generic[T]):
    """One value, read when it is missing or older than `ttl_s`, by one reader at a time."""

    def __init__(self, ttl_s: float) -> None:
        self._ttl_s = ttl_s
        self._value: tuple[float, T] | None = None
        self._one = asyncio.Lock()

    async def get(self, read: Callable[[], Awaitable[T]]) -> T:
        """The value; what `read` raises is raised, and nothing is kept then."""
        kept = self._fresh()
        if kept is not None:
            return kept[1]
        async with self._one:
            kept = self._fresh()
            if kept is None:
                kept = clock.monotonic(), await read()
                self._value = kept
            return kept[1]

    def forget(self) -> None:
        """Whoever asks next reads."""
        self._value = None

    def _fresh(self) -> tuple[float, T] | None:
        kept = self._value
        return kept if kept is not None and clock.monotonic() - kept[0] < self._ttl_s else None
