"""The book kept by a paper venue behind HTTP (`python -m local.venues.paper`), as far away as a broker is."""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

import httpx

from shared import codec
from shared.brokers.paper.book import PaperAnswer, PaperCommand, PaperState
from shared.brokers.paper.errors import BookBusy, BookError, BookSilent, BookUnreachable
from shared.brokers.transport import never_sent
from shared.models.trading import Account, Fill

T = TypeVar("T")
JSON = {"content-type": "application/json"}


class HttpBook:
    """The book of one account at a venue. One request per question; nothing is ever repeated here."""

    def __init__(self, client: httpx.AsyncClient, account: Account) -> None:
        self._client = client
        self._path = f"/accounts/{account.id}"
        self._terms = {"margin_mode": account.margin_mode.value, "currency": account.currency}

    async def execute(self, command: PaperCommand) -> PaperAnswer:
        answer = await self._ask(
            "POST", "/commands", params=self._terms, content=codec.encode(command), headers=JSON
        )
        return self._read(PaperAnswer, answer)

    async def answer(self, client_order_id: str) -> PaperAnswer | None:
        answer = await self._ask("GET", f"/commands/{client_order_id}", absent=True)
        return None if answer is None else self._read(PaperAnswer, answer)

    async def state(self) -> PaperState:
        return self._read(PaperState, await self._ask("GET", "", params=self._terms))

    async def fills(self, since: datetime) -> tuple[Fill, ...]:
        answer = await self._ask("GET", "/fills", params={"since": since.isoformat()})
        return self._read(tuple[Fill, ...], answer)

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str] | None = None,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
        absent: bool = False,
    ) -> bytes | None:
        """The body of a 200; None for a 404 that means "not here" (`absent`)."""
        try:
            response = await self._client.request(
                method, self._path + path, params=params, content=content, headers=headers
            )
        except httpx.HTTPError as error:
            words = f"{type(error).__name__}: {error}"
            raise BookUnreachable(words) if never_sent(error) else BookSilent(words) from error
        if response.status_code == 200:
            return response.content
        if response.status_code == 404 and absent:
            return None
        raise _refusal(response)

    @staticmethod
    def _read(shape: type[T], body: bytes | None) -> T:
        try:
            return codec.decode_as(shape, body or b"")
        except codec.NotReadable as error:
            raise BookSilent(f"an answer that cannot be read: {error}") from error


def _refusal(response: httpx.Response) -> BookError:
    """429 is answered before a command is looked at; any other status says nothing about it."""
    words = f"HTTP {response.status_code}"
    return BookBusy(words) if response.status_code == 429 else BookSilent(words)
