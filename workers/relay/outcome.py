"""What became of a message that was handed to a target. Error texts are for the trader and hold no secret."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sent:
    """The target has taken it."""


@dataclass(frozen=True, slots=True)
class Later:
    """Not now: to be tried again, after `retry_s` where the target has named a time."""

    error: str
    retry_s: float | None = None


@dataclass(frozen=True, slots=True)
class Dead:
    """Never: trying again would bring the same answer."""

    error: str


Outcome = Sent | Later | Dead
