"""Where events go. A sink takes rows of the outbox in order per account, each at least once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from shared.store.relay import OutboxRow, RelayStore
from workers.relay.telling import told_of


class SinkUnavailable(Exception):
    """The sink could not take the rows: they stay, and come again when their lease has ended."""


class Sink(Protocol):
    """The port. The id of a row is the id of the message; the same row may come twice."""

    name: str

    async def take(self, rows: Sequence[OutboxRow], last: bool) -> bool:
        """Return when all rows are durable there. Raises SinkUnavailable, StoreUnavailable.

        `last`: every other sink has them. True: they are out of the outbox with it, nobody need delete them.
        """


class Traders:
    """Tells the trader: a line in his log, and a message for each of his targets that wants its class."""

    name = "traders"

    def __init__(self, store: RelayStore) -> None:
        self._store = store

    async def take(self, rows: Sequence[OutboxRow], last: bool) -> bool:
        """Rows of one claim. What was told already is left alone by the database."""
        told = [said for row in rows if not row.told and (said := told_of(row)) is not None]
        if told or last:
            await self._store.tell_outbox(token=rows[0].token, told=told, last=last)
        return last
