"""Logs in and makes brokers: one session and one rate of requests per login, one broker per account."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from decimal import Decimal

from shared.brokers.blocks import Reserve
from shared.brokers.errors import BrokerError, LoggedOut, Throttled, UnreadableError
from shared.brokers.keeper import Keeper
from shared.brokers.pacing import Pace
from shared.brokers.port import Broker, Capabilities, LoginRefused, ReadFailed
from shared.brokers.session import Login, MemorySessions, OpenLogin, Sessions
from shared.brokers.tradelocker import parse, wording
from shared.brokers.tradelocker.account import Desk, Patience
from shared.brokers.tradelocker.broker import TradeLockerBroker
from shared.brokers.tradelocker.catalogue import Catalogue
from shared.brokers.tradelocker.client import Client, Connection, Timing
from shared.brokers.tradelocker.login import JwtDoor
from shared.brokers.transport import Http
from shared.models.enums import MarginMode
from shared.models.trading import Account, FoundAccount

OpenHttp = Callable[[str, float], Http]
"""`shared.brokers.transport.open_http`: a client for a base URL and a timeout."""


class TradeLocker:
    """Implements `ConnectLogin` for every TradeLocker account of a worker."""

    def __init__(
        self,
        open_http: OpenHttp,
        open_login: OpenLogin,
        sessions: Sessions | None = None,
        timing: Timing | None = None,
        patience: Patience | None = None,
        reserve: Reserve | None = None,
        limits: Mapping[str, tuple[int, float]] | None = None,
    ) -> None:
        """`reserve`: the fleet shares the broker's limits; without it this process has them for itself.

        `limits`: instead of those that the broker names.
        """
        self._open_http, self._open_login = open_http, open_login
        self._sessions = sessions or MemorySessions()
        self._timing, self._patience = timing or Timing(), patience or Patience()
        self._reserve, self._limits = reserve, limits
        self._https: dict[str, Http] = {}
        self._connections: dict[str, asyncio.Task[Connection]] = {}

    async def __call__(self, account: Account) -> Broker:
        """A broker whose account number and server have been asserted. Raises ReadFailed."""
        try:
            connection = await self._connection(account)
            return await self._broker(account, connection)
        except (BrokerError, UnreadableError) as error:
            raise _failed(error) from error

    async def accounts(self, connection: Account) -> list[FoundAccount]:
        """The accounts of a login. All of them hedge. Raises LoginRefused, ReadFailed."""
        try:
            entries = await (await self._connection(connection)).accounts()
        except (BrokerError, UnreadableError) as error:
            raise _failed(error) from error
        return [
            FoundAccount(each.id, each.name, each.currency, MarginMode.HEDGING, each.balance)
            for each in entries
        ]

    async def forget(self, connection_id: str) -> None:
        """The next account of this login logs in with the credential of then."""
        task = self._connections.pop(connection_id, None)
        if task is not None:
            await _release(task)

    async def close(self) -> None:
        """Release every connection. Nothing is sent to the broker."""
        for task in self._connections.values():
            await _release(task)
        for http in self._https.values():
            await http.aclose()
        self._connections.clear()
        self._https.clear()

    async def _connection(self, account: Account) -> Connection:
        """The login's connection, opened once however many of its accounts ask."""
        task = self._connections.get(account.connection_id)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = asyncio.ensure_future(self._open(account))
            self._connections[account.connection_id] = task
        return await asyncio.shield(task)

    async def _open(self, account: Account) -> Connection:
        login = await self._open_login(account)
        http = self._http(login)
        door = JwtDoor(http, login, self._timing.request_timeout)
        keeper = Keeper(door, account.connection_id, self._sessions)
        return Connection(http, keeper, door.key_header(), self._timing)

    def _http(self, login: Login) -> Http:
        if login.base_url not in self._https:
            self._https[login.base_url] = self._open_http(login.base_url, self._timing.request_timeout)
        return self._https[login.base_url]

    async def _broker(self, account: Account, connection: Connection) -> Broker:
        entries = await connection.accounts()
        entry = next((each for each in entries if each.id == account.account_number), None)
        if entry is None:
            have = ", ".join(each.id for each in entries) or "none"
            raise ReadFailed(f"this login has no account {account.account_number}; it has {have}")
        pace = Pace(reserve=self._reserve, connection_id=account.connection_id, part=entry.id)
        client = Client(connection, entry.id, entry.acc_num, pace, self._limits)
        await client.config()  # names the limits that hold from the first request on
        details = await client.details()
        if parse.account_ids(details) != (entry.id,):
            # Id and header number must name the same account, or an order would go to another one.
            raise ReadFailed(f"number {entry.acc_num} of this login is not account {entry.id}")
        desk = Desk(account, client, Catalogue(client), self._timing, self._patience)
        return TradeLockerBroker(desk, _capabilities(parse.rules(details), self._timing, self._patience))


def _capabilities(rules: parse.Rules, timing: Timing, patience: Patience) -> Capabilities:
    # What is sent within its time and answered within its timeout, once more after a 401.
    longest = timing.send_within + timing.request_timeout
    return Capabilities(
        client_id="label",
        lookup_lag_s=Decimal(str(patience.lag)),
        request_timeout_s=Decimal(str(longest)),
        brackets_on_entry=rules.brackets,
        hedging=True,
        modify_order=True,
        partial_close=rules.partial_close,
        order_types=frozenset({"market", "limit", "stop"}),
        tifs=frozenset({"gtc"}),
        client_order_id_length=wording.TAG_LENGTH,
        quotes=True,
    )


DECLARED = tuple(
    _capabilities(parse.Rules(brackets, partial_close), Timing(), Patience())
    for brackets in (True, False)
    for partial_close in (True, False)
)
"""What its accounts can do: brokers offer stops with an entry and partial closes, or do not."""


def _failed(error: BrokerError | UnreadableError) -> ReadFailed:
    """A login that was refused stays refused; too many requests are over after a while."""
    refused = isinstance(error, LoggedOut) and not isinstance(error.__cause__, Throttled)
    return LoginRefused(str(error)) if refused else ReadFailed(str(error))


async def _release(task: asyncio.Task[Connection]) -> None:
    if not task.done():
        task.cancel()
    elif not task.cancelled() and task.exception() is None:
        await task.result().close()
