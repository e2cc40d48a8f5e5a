"""The port of doors: one message to one target of a kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from workers.relay.http import Answer
from workers.relay.outcome import Dead, Later, Outcome, Sent


@dataclass(frozen=True, slots=True)
class Letter:
    """What is sent: `key` is the same for the same message tried again, so a receiver can tell."""

    key: str
    title: str
    text: str
    notification_class: str
    urgent: bool
    at: datetime
    event_id: int | None = None

    def within(self, most: int) -> str:
        """The text in at most so many characters."""
        return self.text if len(self.text) <= most else self.text[: most - 1] + "…"


class Door(Protocol):
    """The way to targets of one kind."""

    async def send(self, address: Mapping[str, str], letter: Letter) -> Outcome:
        """Hand over one message. What cannot be sent is a value; raises Unreachable, Refused."""


def judged(service: str, answer: Answer, rest_s: float | None, why: str = "") -> Outcome:
    """What an HTTP status means where a service says clearly what it does not want."""
    if 200 <= answer.status < 300:
        return Sent()
    told = f"{service} answered {answer.status}{': ' + why if why else ''}."
    if answer.status in (408, 425, 429) or answer.status >= 500:
        return Later(told, rest_s)
    return Dead(told)
