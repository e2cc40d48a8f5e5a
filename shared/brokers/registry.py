"""Which adapter serves which broker: the one place in shared and workers where their names meet."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

import httpx

from shared.brokers.paper.book import Book
from shared.brokers.paper.broker import CAPABILITIES as PAPER
from shared.brokers.paper.broker import PaperBroker
from shared.brokers.paper.http_book import HttpBook
from shared.brokers.paper.postgres_book import PaperRows, PostgresBook
from shared.brokers.port import Broker, Connect, ReadFailed
from shared.brokers.transport import open_http
from shared.models import enums
from shared.models.trading import Account

KEPT = 10_000
"""Brokers (one per account) that stay connected; the one unused for longest makes room."""


class Registry:
    """Connected brokers by account.

    `paper_rows` keeps the paper books; those of accounts that name a server are at `paper_venue_url`.
    """

    def __init__(self, paper_rows: PaperRows, paper_venue_url: str | None = None) -> None:
        self._rows = paper_rows
        self._venue_url = paper_venue_url
        self._venue: httpx.AsyncClient | None = None
        self._connect: dict[enums.Broker, Connect] = {enums.Broker.PAPER: self._paper}
        self._brokers: OrderedDict[str, asyncio.Task[Broker]] = OrderedDict()

    async def broker(self, account: Account) -> Broker:
        """The broker of an account, connected once however many ask. Raises ReadFailed."""
        task = self._brokers.get(account.id)
        if task is None or (task.done() and task.exception() is not None):
            connect = self._connect.get(account.broker)
            if connect is None:
                raise ReadFailed(f"there is no adapter for {account.broker} yet")
            task = asyncio.ensure_future(connect(account))
            self._brokers[account.id] = task
            await self._make_room()
        self._brokers.move_to_end(account.id)
        # Shielded: one caller that gives up must not cancel the login for the others.
        return task.result() if task.done() else await asyncio.shield(task)

    async def close(self) -> None:
        """Release every connection."""
        while self._brokers:
            _, task = self._brokers.popitem()
            await _release(task)
        if self._venue is not None:
            await self._venue.aclose()

    async def _make_room(self) -> None:
        if len(self._brokers) > KEPT:
            _, task = self._brokers.popitem(last=False)
            await _release(task)

    async def _paper(self, account: Account) -> Broker:
        return PaperBroker(account, self._paper_book(account))

    def _paper_book(self, account: Account) -> Book:
        if account.server is None:
            return PostgresBook(self._rows, account.id)
        if self._venue_url is None:
            raise ReadFailed(f"the paper venue {account.server!r} is not configured (EMPIRE_PAPER_VENUE_URL)")
        if self._venue is None:
            self._venue = open_http(self._venue_url, float(PAPER.request_timeout_s))
        return HttpBook(self._venue, account)


async def _release(task: asyncio.Task[Broker]) -> None:
    if not task.done():
        task.cancel()
    elif task.exception() is None:
        await task.result().close()
