"""Time that passes only while everybody waits: a busy machine is no part of what is timed, and nothing is waited for."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from shared import clock

T = TypeVar("T")


class _Leaps(selectors.DefaultSelector):
    """Instead of waiting it sets the time forward."""

    now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if not found and timeout is None:
            raise RuntimeError("nothing will ever happen again")
        if not found and timeout is not None:
            self.now += timeout
        return found


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.leaps = _Leaps()
        super().__init__(self.leaps)

    def time(self) -> float:
        return self.leaps.now


def leaping(monkeypatch: pytest.MonkeyPatch, work: Coroutine[Any, Any, T]) -> T:
    """What the work comes to in a loop whose time, and whose monotonic clock, leaps."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        monkeypatch.setattr(clock, "monotonic", runner.get_loop().time)
        return runner.run(work)
