"""The book kept by a paper venue behind HTTP (`python -m local.venues.paper`), as far away as a broker is."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TypeVar

from yarl import URL

from shared import clock, codec
from shared.brokers.errors import SILENT_S
from shared.brokers.paper.book import PaperAnswer, PaperCommand, PaperState
from shared.brokers.paper.errors import BookBusy, BookError, BookSilent, BookUnreachable
from shared.brokers.rest import retry_after_s
from shared.brokers.transport import Answer, Http, Unanswered
from shared.models.trading import Account, Fill

T = TypeVar("T")
JSON = {"content-type": "application/json"}
ANSWER_S = 5.0
"""After that long without an answer a command is in doubt."""
READ_TRIES = 3
READ_PAUSE_S = 0.05


class HttpBook:
    """The book of one account at a venue. Commands are sent once; what only reads is asked again when it fails."""

    def __init__(self, client: Http, account: Account) -> None:
        self._client = client
        terms = {"margin_mode": account.margin_mode.value, "currency": account.currency}
        # Whole and parsed once: reading an address is a fifth of a request's cost.
        self._account = URL(f"{client.base_url}/accounts/{account.id}").with_query(terms)
        self._commands = URL(f"{client.base_url}/accounts/{account.id}/commands").with_query(terms)
        self._quiet_until = 0.0

    async def execute(self, command: PaperCommand) -> PaperAnswer:
        left = self._quiet_until - clock.monotonic()
        if left > 0:
            raise BookBusy(f"the venue wants {left:.1f} s of quiet")
        answer = await self._ask("POST", self._commands, codec.encode(command))
        return self._read(PaperAnswer, answer)

    async def answer(self, client_order_id: str) -> PaperAnswer | None:
        address = self._commands.with_path(f"{self._commands.path}/{client_order_id}", keep_query=True)
        return await self._look(PaperAnswer, address, absent=True)

    async def state(self) -> PaperState:
        return _there(await self._look(PaperState, self._account))

    async def fills(self, since: datetime) -> tuple[Fill, ...]:
        address = self._account.with_path(f"{self._account.path}/fills", keep_query=True)
        found = await self._look(tuple[Fill, ...], address.update_query({"since": since.isoformat()}))
        return _there(found)

    async def _look(self, shape: type[T], address: URL, *, absent: bool = False) -> T | None:
        """What is read, tried again whatever fails; None for a 404 that means "not here" (`absent`)."""
        for left in reversed(range(READ_TRIES)):
            try:
                answer = await self._ask("GET", address, absent=absent)
                return None if answer is None else self._read(shape, answer)
            except BookUnreachable:
                raise
            except BookError:
                if not left:
                    raise
            await asyncio.sleep(max(READ_PAUSE_S, self._quiet_until - clock.monotonic()))
        raise AssertionError("unreachable")

    async def _ask(
        self, method: str, address: URL, content: bytes | None = None, *, absent: bool = False
    ) -> bytes | None:
        """The body of a 200; None for a 404 that means "not here" (`absent`)."""
        try:
            answer = await self._client.request(method, address, content=content, headers=JSON)
        except Unanswered as error:
            raise BookUnreachable(str(error)) if error.never_sent else BookSilent(str(error)) from error
        if answer.status == 200:
            return answer.content
        if answer.status == 404 and absent:
            return None
        raise self._refusal(answer)

    def _refusal(self, answer: Answer) -> BookError:
        """429 is answered before a command is looked at; any other status says nothing about it."""
        words = f"HTTP {answer.status}"
        if answer.status != 429:
            return BookSilent(words)
        pause_s = retry_after_s(answer)
        self._quiet_until = clock.monotonic() + (SILENT_S if pause_s is None else pause_s)
        return BookBusy(words)

    @staticmethod
    def _read(shape: type[T], body: bytes | None) -> T:
        try:
            return codec.decode_as(shape, body or b"")
        except codec.NotReadable as error:
            raise BookSilent(f"an answer that cannot be read: {error}") from error


def _there(found: T | None) -> T:
    if found is None:
        raise BookSilent("an answer without a body")
    return found
