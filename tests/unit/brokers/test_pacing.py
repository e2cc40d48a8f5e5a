"""Never more than the broker allows in any window, and no waiting beyond what a command may wait."""

from __future__ import annotations

import asyncio
import time

import pytest

from shared.brokers.errors import NotSent
from shared.brokers.pacing import Pace, Window


async def test_no_window_holds_more_than_the_limit() -> None:
    """Twelve turns at five in 0.1 s: in no 0.1 s are there more than five."""
    window = Window(5, 0.1)
    at: list[float] = []

    async def one() -> None:
        await window.turn(10)
        at.append(time.monotonic())

    await asyncio.gather(*(one() for _ in range(12)))
    assert all(later - earlier >= 0.1 for earlier, later in zip(at, at[5:], strict=False))


async def test_a_turn_that_comes_too_late_is_not_taken() -> None:
    """A command that would have to wait too long is not sent, and costs nobody else a turn."""
    window = Window(1, 5.0)
    await window.turn(0)
    for _ in range(3):
        with pytest.raises(NotSent):
            await window.turn(0.5)
    with pytest.raises(NotSent, match=r"5\.\d s"):
        await window.turn(4)


async def test_a_pause_holds_everybody_back() -> None:
    """After a 429 nobody asks before the broker said so."""
    window = Window(100, 1.0)
    window.pause(0.15)
    began = time.monotonic()
    await window.turn(1)
    assert time.monotonic() - began >= 0.14


async def test_limits_are_learned() -> None:
    """What the broker names counts from then on; a limit that stays the same goes on counting."""
    pace = Pace()
    pace.learn({"QUOTES": (1, 60.0), "GET_ORDERS": (1, 60.0)})
    await pace.window("QUOTES").turn(0)
    await pace.window("GET_ORDERS").turn(0)
    pace.learn({"QUOTES": (1, 60.0), "GET_ORDERS": (2, 60.0)})
    with pytest.raises(NotSent):
        await pace.window("QUOTES").turn(1)
    await pace.window("GET_ORDERS").turn(0)
