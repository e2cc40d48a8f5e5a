"""Which adapter serves which broker: the one place in shared and workers where their names meet."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from shared import clock
from shared.brokers.blocks import Reserve
from shared.brokers.metatrader.connect import DECLARED as METATRADER
from shared.brokers.metatrader.connect import MetaTrader
from shared.brokers.metatrader.tickets import Tickets
from shared.brokers.paper.book import Book
from shared.brokers.paper.broker import DECLARED as PAPER
from shared.brokers.paper.broker import PaperBroker
from shared.brokers.paper.http_book import ANSWER_S, HttpBook
from shared.brokers.paper.marks import Marks, PriceRows
from shared.brokers.paper.own_market import OWN_MARKET, OwnMarketBroker
from shared.brokers.paper.postgres_book import PaperRows, PostgresBook
from shared.brokers.port import Broker, Capabilities, ConnectLogin, LoginRefused, ReadFailed
from shared.brokers.session import OpenLogin, Sessions
from shared.brokers.streams import Hearer, StreamLogin
from shared.brokers.topstepx.client import Timing
from shared.brokers.topstepx.connect import DECLARED as TOPSTEPX
from shared.brokers.topstepx.connect import TopstepX
from shared.brokers.tradelocker.connect import DECLARED as TRADELOCKER
from shared.brokers.tradelocker.connect import TradeLocker
from shared.brokers.transport import Http, open_http
from shared.brokers.venues import Addresses
from shared.models import enums
from shared.models.trading import Account, FoundAccount

SILENT_S = 30.0
REFUSED_S = 600.0
"""So long a login that was refused is not tried again by what wants to trade: brokers lock users after some."""
KEPT = 10_000
"""Brokers (one per account) that stay connected; the one unused for longest makes room."""

OWN_BOOKS = (enums.Broker.PAPER, OWN_MARKET)
"""Broker and server of synthetic accounts whose market is their own: drills."""
_METAAPI = "https://mt-provisioning-api-v1.agiliumtrade.agiliumtrade.ai"
"""Knows the accounts of a token; where each of them trades follows from its region."""
ADDRESSES: Addresses = {
    enums.Broker.TRADELOCKER.value: {
        "live": "https://live.tradelocker.com",
        "demo": "https://demo.tradelocker.com",
    },
    enums.Broker.TOPSTEPX.value: {"live": "https://api.topstepx.com"},
    enums.Broker.METATRADER.value: {"live": _METAAPI, "demo": _METAAPI},
}
"""Where the brokers are unless the settings say otherwise."""
DECLARED: Mapping[enums.Broker, tuple[Capabilities, ...]] = {
    enums.Broker.TRADELOCKER: TRADELOCKER,
    enums.Broker.TOPSTEPX: TOPSTEPX,
    enums.Broker.METATRADER: METATRADER,
    enums.Broker.PAPER: PAPER,
}
"""What the accounts of each broker can do; several where accounts differ."""
READ_PAUSES: Mapping[str, Decimal] = {
    broker.value: pause
    for broker, declared in DECLARED.items()
    if (pause := max(each.read_pause_s for each in declared))
}
"""Seconds from one read of a login's accounts to the next, where a broker counts requests by the login."""


def with_logins(
    open_login: OpenLogin,
    sessions: Sessions,
    reserve: Reserve | None = None,
    silent_s: float = SILENT_S,
    tickets: Tickets | None = None,
) -> Mapping[enums.Broker, ConnectLogin]:
    """The brokers that one logs in at, by name. With `reserve` workers share their limits.

    silent_s: a connection over which a broker tells of its own accord is given up when it says nothing for so long.
    tickets: where positions that a broker gives new numbers are remembered; without it only by this process.
    """
    return {
        enums.Broker.TRADELOCKER: TradeLocker(open_http, open_login, sessions, reserve=reserve),
        enums.Broker.TOPSTEPX: TopstepX(
            open_http, open_login, sessions, timing=Timing(stream_silent=silent_s), reserve=reserve
        ),
        enums.Broker.METATRADER: MetaTrader(open_http, open_login, reserve=reserve, tickets=tickets),
    }


@dataclass(frozen=True, slots=True)
class _Kept:
    """An account's broker, and the version of the credential it was opened with."""

    seal_version: int
    task: asyncio.Task[Broker]


@dataclass(frozen=True, slots=True)
class _Refused:
    """A login that was refused, when the connection was at this version."""

    until: float
    connection_version: int
    error: LoginRefused

    def stands(self, account: Account) -> bool:
        """Not any more when the connection has changed: somebody, maybe another worker, has checked it since."""
        return clock.monotonic() < self.until and account.connection_version <= self.connection_version


class OwnBooks(PaperRows, PriceRows, Protocol):
    """The rows of the books that are kept in our own database."""


class Registry:
    """Connected brokers by account.

    `paper_rows` keeps the paper books; those of accounts that name a server are at `paper_venue_url`. `logins`
    connects all others.
    """

    def __init__(
        self,
        paper_rows: OwnBooks,
        paper_venue_url: str | None = None,
        logins: Mapping[enums.Broker, ConnectLogin] | None = None,
    ) -> None:
        self._rows = paper_rows
        self._marks = Marks(paper_rows)
        self._venue_url = paper_venue_url
        self._venue: Http | None = None
        self._logins = logins or {}
        self._seal_versions: dict[str, int] = {}
        self._refused: dict[str, _Refused] = {}
        self._to_check: set[str] = set()
        self._brokers: OrderedDict[str, _Kept] = OrderedDict()

    async def broker(self, account: Account) -> Broker:
        """The broker of an account, connected once however many ask. Raises ReadFailed."""
        kept = self._brokers.get(account.id)
        if kept is not None and kept.seal_version < account.seal_version:
            kept = None
        task = None if kept is None else kept.task
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = asyncio.ensure_future(self._connect(account))
            self._brokers[account.id] = _Kept(account.seal_version, task)
            await self._make_room()
        self._brokers.move_to_end(account.id)
        # Shielded: one caller that gives up must not cancel the login for the others.
        return task.result() if task.done() else await asyncio.shield(task)

    async def accounts(self, connection: Account) -> list[FoundAccount]:
        """Log in and tell which accounts a connection has. Raises LoginRefused, ReadFailed."""
        logins = self._logins.get(connection.broker)
        if logins is None:
            raise LoginRefused(f"There is no adapter for {connection.broker.value} yet.")
        await self._renew(connection, logins)
        try:
            found = await logins.accounts(connection)
        except LoginRefused:
            # The next check asks the broker again, and is not told what it said before.
            await logins.forget(connection.connection_id)
            raise
        self._refused.pop(connection.connection_id, None)
        return found

    async def mark_own_books(self) -> int:
        """Tell the books that are kept in our own database what the market does. Returns how many have changed.

        Raises ConnectionError when the database did not answer.
        """
        return await self._marks.carry()

    def logs_in_at(self, broker: enums.Broker) -> bool:
        """Whether one logs in at this broker, and its accounts are not kept here."""
        return broker in self._logins

    def listened(self) -> list[str]:
        """The brokers whose logins can be listened to."""
        return [broker.value for broker, logins in self._logins.items() if isinstance(logins, StreamLogin)]

    async def listen(self, connection: Account, accounts: Collection[str], hearer: Hearer) -> None:
        """Listen to accounts of a login until that ends. Always raises: WentSilent, LoginRefused, ReadFailed."""
        logins = self._logins.get(connection.broker)
        if not isinstance(logins, StreamLogin):
            raise ReadFailed(f"{connection.broker.value} tells nothing of its own accord")
        await self._may_try(connection, logins)
        try:
            await logins.listen(connection, accounts, hearer)
        except LoginRefused as error:
            await self._was_refused(connection, logins, error)
            raise

    def refused(self) -> set[str]:
        """Connections whose login was refused to something that wanted to trade, since this was asked last."""
        told, self._to_check = self._to_check, set()
        return told

    async def close(self) -> None:
        """Release every connection."""
        while self._brokers:
            _, kept = self._brokers.popitem()
            await _release(kept.task)
        for logins in self._logins.values():
            await logins.close()
        if self._venue is not None:
            await self._venue.aclose()

    async def _connect(self, account: Account) -> Broker:
        if account.broker is enums.Broker.PAPER:
            if account.server == OWN_MARKET:
                return OwnMarketBroker(account, PostgresBook(self._rows, account.id))
            return PaperBroker(account, self._paper_book(account))
        logins = self._logins.get(account.broker)
        if logins is None:
            raise ReadFailed(f"there is no adapter for {account.broker} yet")
        await self._may_try(account, logins)
        try:
            return await logins(account)
        except LoginRefused as error:
            await self._was_refused(account, logins, error)
            raise

    async def _may_try(self, account: Account, logins: ConnectLogin) -> None:
        """Raises what the broker said to this login, where it was a no and nothing has changed since."""
        await self._renew(account, logins)
        refused = self._refused.get(account.connection_id)
        if refused is not None and refused.stands(account):
            raise refused.error

    async def _was_refused(self, account: Account, logins: ConnectLogin, error: LoginRefused) -> None:
        until = clock.monotonic() + REFUSED_S
        self._refused[account.connection_id] = _Refused(until, account.connection_version, error)
        self._to_check.add(account.connection_id)
        await logins.forget(account.connection_id)

    async def _renew(self, account: Account, logins: ConnectLogin) -> None:
        """Forget what an older credential of this connection has opened; a row read before that is late."""
        known = self._seal_versions.get(account.connection_id)
        if known is None or known < account.seal_version:
            self._seal_versions[account.connection_id] = account.seal_version
            self._refused.pop(account.connection_id, None)
            if known is not None:
                await logins.forget(account.connection_id)

    async def _make_room(self) -> None:
        if len(self._brokers) > KEPT:
            _, kept = self._brokers.popitem(last=False)
            await _release(kept.task)

    def _paper_book(self, account: Account) -> Book:
        if account.server is None:
            return PostgresBook(self._rows, account.id)
        if self._venue_url is None:
            raise ReadFailed(f"the paper venue {account.server!r} is not configured (EMPIRE_PAPER_VENUE_URL)")
        if self._venue is None:
            self._venue = open_http(self._venue_url, ANSWER_S)
        return HttpBook(self._venue, account)


async def _release(task: asyncio.Task[Broker]) -> None:
    if not task.done():
        task.cancel()
    elif not task.cancelled() and task.exception() is None:
        await task.result().close()
