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
        terms = {"margin_mode": account.margin_mode.value, "currency": account.currency}
        # Whole and parsed once: reading an address is a fifth of a request's cost.
        self._account = client.base_url.join(f"/accounts/{account.id}").copy_merge_params(terms)
        self._commands = client.base_url.join(f"/accounts/{account.id}/commands").copy_merge_params(terms)

    async def execute(self, command: PaperCommand) -> PaperAnswer:
        answer = await self._ask("POST", self._commands, codec.encode(command))
        return self._read(PaperAnswer, answer)

    async def answer(self, client_order_id: str) -> PaperAnswer | None:
        address = self._commands.copy_with(path=f"{self._commands.path}/{client_order_id}")
        answer = await self._ask("GET", address, absent=True)
        return None if answer is None else self._read(PaperAnswer, answer)

    async def state(self) -> PaperState:
        return self._read(PaperState, await self._ask("GET", self._account))

    async def fills(self, since: datetime) -> tuple[Fill, ...]:
        address = self._account.copy_with(path=f"{self._account.path}/fills")
        answer = await self._ask("GET", address.copy_merge_params({"since": since.isoformat()}))
        return self._read(tuple[Fill, ...], answer)

    async def _ask(
        self, method: str, address: httpx.URL, content: bytes | None = None, *, absent: bool = False
    ) -> bytes | None:
        """The body of a 200; None for a 404 that means "not here" (`absent`)."""
        try:
            response = await self._client.request(method, address, content=content, headers=JSON)
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
