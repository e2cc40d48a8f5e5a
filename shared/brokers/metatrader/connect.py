"""Finds accounts at MetaApi and makes brokers: a token per connection, a host per region, a broker per account."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from decimal import Decimal
from urllib.parse import urlsplit

from shared.brokers.blocks import Reserve
from shared.brokers.errors import BrokerError, Refused, UnreadableError
from shared.brokers.metatrader import rows, wording
from shared.brokers.metatrader.account import Desk, Patience
from shared.brokers.metatrader.broker import MetaTraderBroker
from shared.brokers.metatrader.catalogue import Catalogue
from shared.brokers.metatrader.client import LIMITS, Client, Connection, Timing
from shared.brokers.metatrader.http import payload
from shared.brokers.metatrader.origins import Origins
from shared.brokers.metatrader.rows import AccountRow, Information
from shared.brokers.metatrader.tickets import MemoryTickets, Tickets
from shared.brokers.pacing import Pace
from shared.brokers.port import Broker, Capabilities, LoginRefused, ReadFailed
from shared.brokers.rest import Ask
from shared.brokers.session import OpenLogin
from shared.brokers.transport import Http
from shared.brokers.venues import region_part
from shared.models.enums import MarginMode
from shared.models.trading import Account, FoundAccount

OpenHttp = Callable[[str, float], Http]
"""`shared.brokers.transport.open_http`: a client for a base URL and a timeout."""
_PROVISIONING = "mt-provisioning-api-v1.agiliumtrade."
"""How the host that knows the accounts begins; what follows is the domain of the regions' hosts."""
_TRADING = "mt-client-api-v1"
PAGE = 500


class MetaTrader:
    """Implements `ConnectLogin` for every MetaTrader account of a worker.

    A login's `secret` is the MetaApi token, its `server` the broker's trading server; an account's number is the
    login that the trader knows. MetaApi holds the password: we never see it.
    """

    def __init__(
        self,
        open_http: OpenHttp,
        open_login: OpenLogin,
        timing: Timing | None = None,
        patience: Patience | None = None,
        limits: Mapping[str, tuple[int, float]] = LIMITS,
        reserve: Reserve | None = None,
        tickets: Tickets | None = None,
    ) -> None:
        """`reserve`: the fleet shares the broker's limits; without it this process has them for itself.

        `tickets`: where what is known of them outlives the process; without it history has to tell.
        """
        self._open_http, self._open_login = open_http, open_login
        self._timing, self._patience, self._limits = timing or Timing(), patience or Patience(), limits
        self._reserve = reserve
        self._tickets = tickets or MemoryTickets()
        self._https: dict[str, Http] = {}
        self._connections: dict[str, asyncio.Task[tuple[Connection, str]]] = {}

    async def __call__(self, account: Account) -> Broker:
        """A broker whose login, server, currency and margin mode have been asserted. Raises ReadFailed."""
        try:
            connection, base_url = await self._connection(account)
            entry = _ready(_entry(await self._entries(connection, base_url), account, connection))
            return await self._broker(account, connection, base_url, entry)
        except (BrokerError, UnreadableError) as error:
            raise _failed(error) from error

    async def accounts(self, connection: Account) -> list[FoundAccount]:
        """The token's accounts on the connection's server, as their terminals show them.

        Raises LoginRefused when there is none, ReadFailed when none of them is ready to trade.
        """
        try:
            token, base_url = await self._connection(connection)
            entries = await self._entries(token, base_url)
            mine = [each for each in entries if _is_meant(each, token)]
            ready = [each for each in mine if _why_not(each) is None]
            if not ready:
                raise _none_ready(entries, mine, token)
            clients = [self._client(token, base_url, each) for each in ready]
            seen = await asyncio.gather(*(each.information() for each in clients))
        except (BrokerError, UnreadableError) as error:
            raise _failed(error) from error
        return [
            FoundAccount(each.login, each.name, each.currency, each.margin_mode, each.balance)
            for each in seen
        ]

    async def forget(self, connection_id: str) -> None:
        """The next account of this connection opens the credential of then."""
        task = self._connections.pop(connection_id, None)
        if task is not None:
            task.cancel()

    async def close(self) -> None:
        """Release every connection. Nothing is sent to the broker."""
        for task in self._connections.values():
            task.cancel()
        for http in self._https.values():
            await http.aclose()
        self._connections.clear()
        self._https.clear()

    async def _connection(self, account: Account) -> tuple[Connection, str]:
        """The token's connection, opened once however many of its accounts ask, and the address to ask at."""
        task = self._connections.get(account.connection_id)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = asyncio.ensure_future(self._open(account))
            self._connections[account.connection_id] = task
        return await asyncio.shield(task)

    async def _open(self, account: Account) -> tuple[Connection, str]:
        login = await self._open_login(account)
        if not login.server:
            raise LoginRefused("the connection does not name the broker's server, such as TruForex-Live")
        return Connection(
            account.connection_id, login, lambda: self._open_login(account), self._timing
        ), login.base_url

    def _http(self, base_url: str) -> Http:
        if base_url not in self._https:
            longest = max(self._timing.trade_timeout, self._timing.request_timeout)
            self._https[base_url] = self._open_http(base_url, longest)
        return self._https[base_url]

    def _client(self, connection: Connection, base_url: str, entry: AccountRow) -> Client:
        http = self._http(trading_url(base_url, entry.region))
        return Client(connection, http, entry.id, Pace(self._limits, self._reserve, connection.id, entry.id))

    async def _entries(self, connection: Connection, base_url: str) -> list[AccountRow]:
        """Every account of the token."""
        found: list[AccountRow] = []
        while True:
            params = {"offset": str(len(found)), "limit": str(PAGE)}
            ask = Ask("GET", "/users/current/accounts", params=params)
            answer = await connection.ask(self._http(base_url), ask, payload)
            page = rows.many(AccountRow, "accounts", answer["items"] if isinstance(answer, dict) else answer)
            found += page
            if len(page) < PAGE:
                return found

    async def _broker(
        self, account: Account, connection: Connection, base_url: str, entry: AccountRow
    ) -> Broker:
        client = self._client(connection, base_url, entry)
        seen = await client.information()
        _assert_same(account, connection.server, seen)
        catalogue = Catalogue(client, seen.currency)
        origins = Origins(account.id, client, self._tickets)
        desk = Desk(account, client, catalogue, entry, seen, self._timing, self._patience, origins)
        return MetaTraderBroker(desk, _capabilities(self._timing, self._patience, seen.margin_mode))


def _capabilities(timing: Timing, patience: Patience, margin_mode: MarginMode) -> Capabilities:
    longest = timing.send_within + timing.trade_timeout
    return Capabilities(
        client_id="label",
        lookup_lag_s=Decimal(str(patience.lag)),
        request_timeout_s=Decimal(str(longest)),
        brackets_on_entry=True,
        hedging=margin_mode is MarginMode.HEDGING,
        modify_order=True,
        partial_close=True,
        order_types=frozenset({"market", "limit", "stop"}),
        tifs=frozenset({"gtc"}),
        client_order_id_length=wording.TAG_LENGTH,
        quotes=True,
        stop_orders=False,
        recognises=True,
        # A look is three of the 70 reads a minute that orders leave.
        read_every_s=Decimal(4),
    )


DECLARED = tuple(_capabilities(Timing(), Patience(), mode) for mode in MarginMode)
"""What its accounts can do: they hedge or net."""


def trading_url(base_url: str, region: str) -> str:
    """Where an account of a region trades. An address that is not MetaApi's own serves everything itself.

    Raises LoginRefused for a region that cannot be a part of a host name.
    """
    host = urlsplit(base_url).hostname or ""
    if not host.startswith(_PROVISIONING):
        return base_url
    return f"https://{_TRADING}.{region_part(region)}.{host.removeprefix(_PROVISIONING)}"


def _is_meant(entry: AccountRow, token: Connection) -> bool:
    """Whether an account is on the server that the credential names, and the one it names if it names one."""
    return _same(entry.server, token.server) and token.number in (None, entry.login)


def _entry(found: list[AccountRow], account: Account, token: Connection) -> AccountRow:
    """The account of that number on that server; where MetaApi has it twice, the one that is ready."""
    mine = [each for each in found if each.login == account.account_number and _is_meant(each, token)]
    if not mine:
        wanted = f"account {account.account_number} on {token.server}"
        raise ReadFailed(f"this token has no {wanted}; it has {_have(found)}")
    return next((each for each in mine if _why_not(each) is None), mine[0])


def _ready(entry: AccountRow) -> AccountRow:
    why = _why_not(entry)
    if why is not None:
        raise ReadFailed(why)
    return entry


def _why_not(entry: AccountRow) -> str | None:
    """Why an account cannot trade now; None when it can."""
    if entry.state != "DEPLOYED":
        return f"account {entry.login} is {entry.state or 'in an unknown state'} at MetaApi: deploy it there"
    if entry.connection_status != "CONNECTED":
        return f"MetaApi is not connected to the broker of account {entry.login}: {entry.connection_status}"
    return None


def _none_ready(found: list[AccountRow], mine: list[AccountRow], token: Connection) -> ReadFailed:
    if not mine:
        wanted = f"account {token.number}" if token.number else "account"
        return LoginRefused(f"this token has no {wanted} on {token.server}; it has {_have(found)}")
    return ReadFailed("; ".join(why for each in mine if (why := _why_not(each)) is not None))


def _have(found: list[AccountRow]) -> str:
    return ", ".join(f"{each.login} on {each.server}" for each in found) or "none"


def _failed(error: BrokerError | UnreadableError) -> ReadFailed:
    """A token that is not good, or not good for this, stays so; everything else may pass."""
    refused = isinstance(error, Refused) and error.status in (401, 403)
    return LoginRefused(str(error)) if refused else ReadFailed(str(error))


def _assert_same(account: Account, server: str, seen: Information) -> None:
    """The terminal is logged in as that account, on that server, and works as we take it to: else nothing is sent."""
    if seen.login != account.account_number or not _same(seen.server, server):
        raise ReadFailed(
            f"the terminal is logged in as {seen.login} on {seen.server}, "
            f"not as {account.account_number} on {server}"
        )
    if seen.margin_mode is not account.margin_mode:
        raise ReadFailed(
            f"account {seen.login} is a {seen.margin_mode.value} account, it is kept as {account.margin_mode.value}"
        )
    if seen.currency != account.currency:
        raise ReadFailed(f"account {seen.login} is in {seen.currency}, it is kept as in {account.currency}")


def _same(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()
