"""Where what is known of MetaTrader 4's tickets outlives a process: the fleet's database."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from msgspec import Struct


class Kept(Protocol):
    """What was known of an account's tickets. `since`: what happened before that is in it, None = nobody can say.

    `tickets`: first tickets by later ones. `positions`: those of our books by first ticket, and the lots that were
    opened of each (None = before we came); `open` of them are open.
    """

    @property
    def since(self) -> datetime | None: ...
    @property
    def tickets(self) -> Mapping[str, str]: ...
    @property
    def positions(self) -> Mapping[str, Decimal | None]: ...
    @property
    def open(self) -> Collection[str]: ...


class Tickets(Protocol):
    """Each method raises ConnectionError when the database did not answer."""

    async def tickets_of(self, *, account: str) -> Kept: ...

    async def keep_tickets(self, *, account: str, tickets: Mapping[str, str]) -> Mapping[str, str]:
        """First tickets by later ones. What stands then: of two that differ the one that was kept first."""


class Remembered(Struct, frozen=True):
    """`Kept` by one process."""

    since: datetime | None = None
    tickets: Mapping[str, str] = {}
    positions: Mapping[str, Decimal | None] = {}
    open: frozenset[str] = frozenset()


class MemoryTickets:
    """Tickets that end with the process: history has to tell all that it has not seen."""

    def __init__(self) -> None:
        self._kept: dict[str, dict[str, str]] = {}

    async def tickets_of(self, *, account: str) -> Remembered:
        return Remembered(tickets=dict(self._kept.get(account, {})))

    async def keep_tickets(self, *, account: str, tickets: Mapping[str, str]) -> Mapping[str, str]:
        kept = self._kept.setdefault(account, {})
        for ticket, first in tickets.items():
            kept.setdefault(ticket, first)
        return {ticket: kept[ticket] for ticket in tickets}
