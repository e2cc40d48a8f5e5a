"""What the comparison of our books with the broker's asks of the database: on a line of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared import codec
from shared.store.book_rows import Books, KeptTickets, Reconciled
from shared.store.line import Line


class BookCalls:
    """A part of PostgresStore."""

    _truth: Line

    async def books(self, *, account: str, token: int) -> Books | None:
        (answer,) = await self._truth.call(
            "select engine.books(p_account => $1, p_token => $2)", account, token, repeat=True
        )
        return None if answer is None else codec.decode_as(Books, answer)

    async def reconcile(self, *, results: Sequence[Mapping[str, Any]]) -> list[Reconciled]:
        (answer,) = await self._truth.call(
            "select engine.reconcile(p_results => $1)", codec.encode(results), repeat=True
        )
        return codec.decode_as(list[Reconciled], answer)

    async def tickets_of(self, *, account: str) -> KeptTickets:
        (answer,) = await self._truth.call("select engine.tickets_of(p_account => $1)", account, repeat=True)
        return codec.decode_as(KeptTickets, answer)

    async def keep_tickets(self, *, account: str, tickets: Mapping[str, str]) -> dict[str, str]:
        (answer,) = await self._truth.call(
            "select engine.keep_tickets(p_account => $1, p_tickets => $2)",
            *(account, codec.encode(tickets)),
            repeat=True,
        )
        return codec.decode_as(dict[str, str], answer)
