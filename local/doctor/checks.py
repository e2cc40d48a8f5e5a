"""What a check is, and how it is asked."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from dataclasses import dataclass

import asyncpg
from websockets.exceptions import WebSocketException

from local.postgres import PostgresError
from local.status import Installation

Question = Callable[[Installation], str | None]
"""None when all is well, else one sentence."""


@dataclass(frozen=True, slots=True)
class Check:
    """A named question; the name is what the operator reads before OK."""

    name: str
    ask: Question


CHECKS: list[Check] = []
"""In the order they are asked. Every room of the doctor adds its own with `check`."""

_UNANSWERED = (
    OSError,
    PostgresError,
    asyncpg.PostgresError,
    ValueError,
    http.client.HTTPException,
    TimeoutError,
    WebSocketException,
)


def check(name: str) -> Callable[[Question], Question]:
    """Register a question under a name."""

    def register(question: Question) -> Question:
        CHECKS.append(Check(name, question))
        return question

    return register


def examine(found: Installation, one: Check) -> str | None:
    """Ask one check. A check that itself fails is an answer, too."""
    try:
        return one.ask(found)
    except _UNANSWERED as error:
        return f"could not be checked: {str(error) or type(error).__name__}"
