"""The last moment before a command's request is written: everything is ready, and it may still wait for its like.

What an adapter has to read before it can send, a login, its turn under the broker's limit: all of that lies before
this. So commands that wait here for one another leave one right after the other, whatever each had to wait for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar

from shared import clock
from shared.brokers.errors import NotSent

Meeting = Callable[[], Awaitable[None]]
"""Returns when whoever waits may go; at once from the second time on."""
waits: ContextVar[Meeting | None] = ContextVar("waits", default=None)
"""Set in the task of a delivery that leaves with others."""


async def leave(by: float) -> None:
    """Wait for those it leaves with, a moment at most. Raises NotSent when it is later than `by` (monotonic) then."""
    meet = waits.get()
    if meet is not None:
        await meet()
    if clock.monotonic() > by:
        # Whoever asked may have been given up on: what is sent now could come as a second one.
        raise NotSent("it took too long to get ready to send it")
