"""The one clock. Deadlines are monotonic; what is stored or compared with the database is UTC."""

from __future__ import annotations

import time
from datetime import UTC, datetime

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now() -> datetime:
    """The time of day, aware, UTC."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Seconds on a clock that never jumps back; for deadlines and durations only.

    CLOCK_MONOTONIC goes on while a process is stopped (SIGSTOP), so a deadline passes meanwhile, as it must.
    """
    return time.monotonic()


def ms_since(start: float) -> float:
    """Milliseconds since a `monotonic()` reading, rounded to microseconds."""
    return round((time.monotonic() - start) * 1000, 3)
