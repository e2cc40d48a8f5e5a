"""What maintenance is told by the engine's functions."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Rows that went, by kind. `more`: something is left that is over its time."""

    more: bool
    rows: dict[str, int]


@dataclass(frozen=True, slots=True)
class Thinned:
    gone: int
    more: bool
