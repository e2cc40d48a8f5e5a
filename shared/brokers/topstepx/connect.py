"""Logs in and makes brokers: one session and one rate of requests per login, one broker per account."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal

from shared.brokers.blocks import Reserve
from shared.brokers.errors import BrokerError, LoggedOut, Throttled, UnreadableError
from shared.brokers.keeper import Keeper
from shared.brokers.pacing import Pace
from shared.brokers.port import Broker, Capabilities, LoginRefused, ReadFailed
from shared.brokers.session import Login, MemorySessions, OpenLogin, Sessions
from shared.brokers.streams import Hearer
from shared.brokers.topstepx import probe, wording
from shared.brokers.topstepx.account import Desk, Patience
from shared.brokers.topstepx.broker import TopstepXBroker
from shared.brokers.topstepx.catalogue import Catalogue
from shared.brokers.topstepx.client import LIMITS, Client, Connection, Timing
from shared.brokers.topstepx.hub import UserHub
from shared.brokers.topstepx.login import KeyDoor
from shared.brokers.transport import Http
from shared.models.enums import MarginMode
from shared.models.trading import Account, FoundAccount

OpenHttp = Callable[[str, float], Http]
"""`shared.brokers.transport.open_http`: a client for a base URL and a timeout."""
PRACTICE = "PRAC-"
"""How the names of accounts begin that may be traded from anywhere."""
READ_COST = 4
"""Requests of one read of an account: positions, orders, money, and now and then the fills."""
READ_PAUSE_S = round(Decimal(LIMITS["reads"][1]) * READ_COST / (LIMITS["reads"][0] // 2), 1)
"""Half of the limit is for the orders' own reads. Faster than this it would be used up after some seconds, and for
the rest of the minute nobody would look at what is open."""


class TopstepX:
    """Implements `ConnectLogin` for every TopstepX account of a worker.

    Topstep takes orders from the trader's own device only. `on_device` False: nothing is sent for accounts whose
    executor is the device, nor for any that is neither simulated nor a practice account; they can be read.
    """

    def __init__(
        self,
        open_http: OpenHttp,
        open_login: OpenLogin,
        sessions: Sessions | None = None,
        timing: Timing | None = None,
        patience: Patience | None = None,
        *,
        on_device: bool = False,
        limits: Mapping[str, tuple[int, float]] | None = None,
        reserve: Reserve | None = None,
    ) -> None:
        """`reserve`: the fleet shares the broker's limits; without it this process has them for itself."""
        self._open_http, self._open_login = open_http, open_login
        self._sessions = sessions or MemorySessions()
        self._timing, self._patience = timing or Timing(), patience or Patience()
        self._on_device, self._limits, self._reserve = on_device, limits or LIMITS, reserve
        self._https: dict[str, Http] = {}
        self._connections: dict[str, asyncio.Task[Connection]] = {}

    async def __call__(self, account: Account) -> Broker:
        """A broker whose account number the login has been seen to have. Raises ReadFailed."""
        try:
            connection = await self._connection(account)
            return await self._broker(account, connection)
        except (BrokerError, UnreadableError) as error:
            raise _failed(error) from error

    async def accounts(self, connection: Account) -> list[FoundAccount]:
        """The accounts of a login. All of them net, in dollars. Raises LoginRefused, ReadFailed."""
        try:
            entries = await (await self._connection(connection)).accounts()
        except (BrokerError, UnreadableError) as error:
            raise _failed(error) from error
        return [FoundAccount(e.id, e.name, "USD", MarginMode.NETTING, e.balance) for e in entries]

    async def listen(self, connection: Account, accounts: Collection[str], hearer: Hearer) -> None:
        """The user hub, for these accounts. Always ends by raising: WentSilent, LoginRefused, ReadFailed."""
        try:
            login = await self._connection(connection)
            await UserHub(login.base_url, login.keeper, self._timing).listen(accounts, hearer)
        except (BrokerError, UnreadableError) as error:
            raise _failed(error) from error

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
        door = KeyDoor(http, login, self._timing.request_timeout)
        keeper = Keeper(door, account.connection_id, self._sessions)
        pace = Pace(self._limits, self._reserve, account.connection_id)
        return Connection(http, keeper, self._timing, pace)

    def _http(self, login: Login) -> Http:
        if login.base_url not in self._https:
            self._https[login.base_url] = self._open_http(login.base_url, self._timing.request_timeout)
        return self._https[login.base_url]

    async def _broker(self, account: Account, connection: Connection) -> Broker:
        entries = await connection.accounts()
        entry = next((each for each in entries if each.id == account.account_number), None)
        if entry is None:
            have = ", ".join(f"{each.id} ({each.name})" for each in entries) or "none"
            raise ReadFailed(f"this login has no account {account.account_number}; it has {have}")
        client = Client(connection, entry.id)
        desk = Desk(account, client, Catalogue(client), self._timing, self._patience)
        may_send = self._on_device or _from_here(account, entry.name)
        brackets = True
        if may_send and account.trading_enabled and entry.can_trade:
            brackets = await probe.takes_brackets(desk) is not False
        return TopstepXBroker(
            desk, _capabilities(self._timing, self._patience, brackets=brackets), may_send=may_send
        )


def _capabilities(timing: Timing, patience: Patience, *, brackets: bool) -> Capabilities:
    # What is sent within its time and answered within its timeout, once more after a 401.
    longest = timing.send_within + timing.request_timeout
    return Capabilities(
        client_id="enforced",
        lookup_lag_s=Decimal(str(patience.lag)),
        request_timeout_s=Decimal(str(longest)),
        brackets_on_entry=brackets,
        hedging=False,
        modify_order=True,
        partial_close=True,
        order_types=frozenset({"market", "limit", "stop"}),
        tifs=frozenset({"day"}),
        client_order_id_length=wording.TAG_LENGTH,
        quotes=False,
        exits_shrink=False,
        limit_exits=True,
        read_pause_s=READ_PAUSE_S,
    )


DECLARED = tuple(_capabilities(Timing(), Patience(), brackets=brackets) for brackets in (True, False))
"""What its accounts can do: they are set to take stops with an entry, or are not."""


def _from_here(account: Account, name: str) -> bool:
    """Whether a hosted worker may trade it: a simulator of the operator's, or a practice account."""
    return account.executor == "fleet" and (account.environment == "simulated" or name.startswith(PRACTICE))


def _failed(error: BrokerError | UnreadableError) -> ReadFailed:
    """A login that was refused stays refused; too many requests are over after a while."""
    refused = isinstance(error, LoggedOut) and not isinstance(error.__cause__, Throttled)
    return LoginRefused(str(error)) if refused else ReadFailed(str(error))


async def _release(task: asyncio.Task[Connection]) -> None:
    if not task.done():
        task.cancel()
    elif not task.cancelled() and task.exception() is None:
        await task.result().close()
