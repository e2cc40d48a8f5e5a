"""The book kept in our own database: load, match, save by compare-and-set. Two workers cannot both save."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from shared import clock, codec
from shared.brokers.paper import matching
from shared.brokers.paper.book import PaperAnswer, PaperCommand, PaperState
from shared.brokers.paper.errors import BookBusy, BookSilent, BookUnreachable
from shared.brokers.paper.wire import Kept, fills_of, seen_since
from shared.models.enums import MarginMode
from shared.models.trading import Fill

TRIES = 8
"""Of compare-and-set; one account has one command under way at a time, so even a second try is rare."""


class PaperRow(Protocol):
    """What a load gives."""

    @property
    def version(self) -> int: ...
    @property
    def balance(self) -> Decimal: ...
    @property
    def currency(self) -> str: ...
    @property
    def book(self) -> bytes: ...
    @property
    def margin_mode(self) -> MarginMode: ...


class Saved(Protocol):
    """What a save gives."""

    @property
    def saved(self) -> bool: ...


class PaperRows(Protocol):
    """The rows of the paper books; each method raises ConnectionError when the database did not answer."""

    async def paper_load(self, *, account: str) -> PaperRow | None: ...
    async def paper_save(
        self,
        *,
        account: str,
        version: int,
        balance: Decimal,
        book: Any,
        orders: Sequence[Any],
        fills: Sequence[Any],
    ) -> Saved: ...
    async def paper_answer(self, *, account: str, client_order_id: str) -> bytes | None: ...
    async def paper_fills_since(self, *, account: str, since: datetime) -> list[bytes]: ...


class PostgresBook:
    """The book of one account in the database."""

    def __init__(self, rows: PaperRows, account_id: str) -> None:
        self._rows = rows
        self._account = account_id

    async def execute(self, command: PaperCommand) -> PaperAnswer:
        for _ in range(TRIES):
            version, before = await self._load()
            after, answer = matching.apply(before, command, clock.now())
            try:
                saved = await self._rows.paper_save(
                    account=self._account,
                    version=version,
                    balance=after.balance,
                    book=Kept.of(after),
                    orders=[{"client_order_id": command.client_order_id, "answer": answer}],
                    fills=fills_of(answer),
                )
            except ConnectionError as error:
                raise BookSilent(str(error)) from error
            if saved.saved:
                return answer
            # Somebody else saved first, or this very command was answered before.
            if (first := await self._first_answer(command.client_order_id)) is not None:
                return first
        raise BookBusy("the book changed under every try")

    async def answer(self, client_order_id: str) -> PaperAnswer | None:
        first = await self._first_answer(client_order_id)
        if first is None or first.accepted is None:
            return first
        later = await self.fills(clock.EPOCH)
        return seen_since(first.accepted, client_order_id, later, await self.state())

    async def state(self) -> PaperState:
        _, state = await self._load()
        return state

    async def fills(self, since: datetime) -> tuple[Fill, ...]:
        try:
            rows = await self._rows.paper_fills_since(account=self._account, since=since)
        except ConnectionError as error:
            raise BookUnreachable(str(error)) from error
        return tuple(codec.decode_as(Fill, row) for row in rows)

    async def _first_answer(self, client_order_id: str) -> PaperAnswer | None:
        try:
            text = await self._rows.paper_answer(account=self._account, client_order_id=client_order_id)
        except ConnectionError as error:
            raise BookSilent(str(error)) from error
        return None if text is None else codec.decode_as(PaperAnswer, text)

    async def _load(self) -> tuple[int, PaperState]:
        try:
            row = await self._rows.paper_load(account=self._account)
        except ConnectionError as error:
            raise BookUnreachable(str(error)) from error
        if row is None:
            raise BookUnreachable("this account has no paper book")
        kept = codec.decode_as(Kept, row.book)
        hedging = row.margin_mode is MarginMode.HEDGING
        return row.version, kept.state(row.balance, row.currency, hedging)
