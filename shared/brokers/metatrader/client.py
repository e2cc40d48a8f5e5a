"""MetaApi's REST API for one account: every request paced and authorised, answered with rows.

Reads are tried again; a trade is sent once. The one exception is a 401: it is answered before anything is done,
so the same trade goes out once more with the token that the credential holds by then.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import quote

from shared import clock
from shared.brokers.errors import BrokerError, LoggedOut, NotSent, Refused, Silent, Throttled
from shared.brokers.metatrader import rows
from shared.brokers.metatrader.http import Done, payload, trade_result
from shared.brokers.metatrader.rows import DealRow, OrderRow, PositionRow, PriceRow, Specification
from shared.brokers.pacing import Pace
from shared.brokers.port import ReadFailed
from shared.brokers.rest import Ask, exchange
from shared.brokers.session import Login
from shared.brokers.transport import Answer, Http

T = TypeVar("T")
READ_TRIES = 4
PAGE = 1000
LIMITS: Mapping[str, tuple[int, float]] = {
    "reads of a second": (12, 1.0),
    "reads of a minute": (120, 60.0),
    "heavy reads of a second": (2, 1.0),
    "heavy reads of a minute": (10, 60.0),
    "trades of a second": (10, 1.0),
    "trades of a minute": (400, 60.0),
}
"""Calls and seconds, per account. MetaApi counts CPU credits, 2,000 a second and 18,000 a minute: a read costs up to
75, a list or contract of symbols 500, a trade 10. Whatever the others take, these are left for each."""
READS, HEAVY, TRADES = (tuple(LIMITS)[each : each + 2] for each in (0, 2, 4))
_AGAIN = frozenset({409})
"""The account is starting, or was asked for in another region than its own: reads try again."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. A trade is sent within `send_within` of being asked for, or not at all; its answer may take long,
    because it comes when the broker has answered the terminal."""

    request_timeout: float = 20.0
    trade_timeout: float = 60.0
    send_within: float = 2.0
    read_within: float = 30.0


class Connection:
    """One token; shared by the accounts that it is good for."""

    def __init__(
        self, connection_id: str, login: Login, reopen: Callable[[], Awaitable[Login]], timing: Timing
    ) -> None:
        self.id, self._login, self._reopen, self.timing = connection_id, login, reopen, timing
        self._one = asyncio.Lock()

    @property
    def server(self) -> str:
        """The broker's server that the credential names."""
        return self._login.server

    @property
    def number(self) -> str | None:
        """The one account that the credential is for; None where its user name is no account number."""
        return self._login.user if self._login.user.isdecimal() else None

    async def ask(self, http: Http, ask: Ask, read: Callable[[Answer], T], by: float | None = None) -> T:
        """The answer; not sent after `by` (monotonic). After a 401 once more, with the token as it is then."""
        timeout = self.timing.request_timeout if by is None else self.timing.trade_timeout
        used = self._login
        try:
            return read(await self._once(http, ask, timeout, by))
        except LoggedOut:
            await self._renew(used)
        return read(await self._once(http, ask, timeout, by))

    async def _renew(self, used: Login) -> None:
        """A token never changes by itself: the trader may have put another one in its place."""
        async with self._one:
            if self._login is used:
                try:
                    self._login = await self._reopen()
                except ReadFailed as error:
                    # Nothing was done under the old token and there is no other: a refusal, also of a trade.
                    raise LoggedOut(401, str(error)) from error

    async def _once(self, http: Http, ask: Ask, timeout_s: float, by: float | None) -> Answer:
        headers = {"auth-token": self._login.secret, "accept": "application/json"}
        return await exchange(http, ask, headers, timeout_s, by=by)


class Client:
    """One account: `account_id` is MetaApi's, `http` the host of its region."""

    def __init__(self, connection: Connection, http: Http, account_id: str, pace: Pace) -> None:
        self._connection, self._http, self._pace = connection, http, pace
        self._path = f"/users/current/accounts/{quote(account_id, safe='')}"

    @property
    def quiet_s(self) -> float:
        """For so long MetaApi wants nothing from us; 0 = it has not said so."""
        return max(self._pace.window(kind).quiet_s for kind in LIMITS)

    # Reads: raise BrokerError or UnreadableError.

    async def information(self) -> rows.Information:
        """Money, rights, login and server, as the terminal has them."""
        return rows.one(rows.Information, "account information", await self._read("/account-information"))

    async def positions(self) -> list[PositionRow]:
        """Every open position."""
        return rows.many(PositionRow, "positions", await self._read("/positions"))

    async def position(self, identifier: str) -> PositionRow | None:
        """One open position; None when there is none of that id."""
        found = await self._found(f"/positions/{quote(identifier, safe='')}")
        return None if found is None else rows.one(PositionRow, "position", found)

    async def orders(self) -> list[OrderRow]:
        """Every pending order."""
        return rows.many(OrderRow, "orders", await self._read("/orders"))

    async def order(self, identifier: str) -> OrderRow | None:
        """One pending order; None when there is none of that id."""
        found = await self._found(f"/orders/{quote(identifier, safe='')}")
        return None if found is None else rows.one(OrderRow, "order", found)

    async def ended_order(self, identifier: str) -> OrderRow | None:
        """One order of the history; None when it is not there (yet)."""
        path = f"/history-orders/ticket/{quote(identifier, safe='')}"
        found = await self._history(OrderRow, path, {})
        return next((each for each in found if each.id == identifier), None)

    async def ended_orders(self, since: datetime) -> list[OrderRow]:
        """Orders that ended since a time."""
        return await self._since(OrderRow, "/history-orders", since)

    async def deals(self, since: datetime) -> list[DealRow]:
        """Executions since a time."""
        return [each for each in await self._since(DealRow, "/history-deals", since) if each.is_trade]

    async def deals_of(self, position_id: str) -> list[DealRow]:
        """Every execution of one position."""
        path = f"/history-deals/position/{quote(position_id, safe='')}"
        return [each for each in await self._history(DealRow, path, {}) if each.is_trade]

    async def symbols(self) -> list[str]:
        """Everything the account can trade, by name."""
        return rows.names(await self._read("/symbols", kinds=HEAVY))

    async def specification(self, name: str) -> Specification | None:
        """A symbol's contract; None for an unknown one."""
        found = await self._found(f"/symbols/{quote(name, safe='')}/specification", kinds=HEAVY)
        return None if found is None else rows.one(Specification, f"specification of {name}", found)

    async def price(self, name: str) -> PriceRow | None:
        """A symbol's price; None for an unknown one. It stays subscribed: later reads are faster."""
        path = f"/symbols/{quote(name, safe='')}/current-price"
        found = await self._found(path, {"keepSubscription": "true"})
        return None if found is None else rows.one(PriceRow, f"price of {name}", found)

    # Writes: sent once, and not after `by` (monotonic).

    async def trade(self, body: Mapping[str, Any], by: float) -> Done:
        """One trade. Raises BrokerError: Refused and NotSent for certain, Silent in doubt."""
        ask = Ask("POST", self._path + "/trade", body=body)
        with ExitStack() as turns:
            await self._turns(turns, TRADES, by)
            try:
                return await self._connection.ask(self._http, ask, trade_result, by)
            except Throttled as error:
                self._pause(error)
                raise

    # How.

    async def _since(self, shape: type[T], path: str, since: datetime) -> list[T]:
        """All pages; the end lies in the future, because the broker's clock may be ahead of ours."""
        span = f"{rows.moment(since)}/{rows.moment(clock.now() + timedelta(days=1))}"
        found: list[T] = []
        while True:
            params = {"offset": str(len(found)), "limit": str(PAGE)}
            page = await self._history(shape, f"{path}/time/{quote(span, safe='/')}", params)
            found += page
            if len(page) < PAGE:
                return found

    async def _history(self, shape: type[T], path: str, params: Mapping[str, str]) -> list[T]:
        """Rows of a history. While the terminal is still loading it nothing can be said: Silent."""

        async def complete() -> list[T]:
            found, whole = rows.history(shape, path.split("/")[1], await self._asked(path, params))
            if not whole:
                raise Silent("the terminal is still loading its history")
            return found

        return await self._again(complete)

    async def _found(
        self, path: str, params: Mapping[str, str] | None = None, kinds: tuple[str, ...] = READS
    ) -> Any | None:
        try:
            return await self._read(path, params, kinds)
        except Refused as error:
            if error.status == 404:
                return None
            raise

    async def _read(
        self, path: str, params: Mapping[str, str] | None = None, kinds: tuple[str, ...] = READS
    ) -> Any:
        return await self._again(lambda: self._asked(path, params, kinds))

    async def _again(self, read: Callable[[], Awaitable[T]]) -> T:
        """A read, tried again."""
        began, tries = clock.monotonic(), READ_TRIES
        while True:
            tries -= 1
            try:
                return await read()
            except (Silent, NotSent, Refused) as error:
                within = clock.monotonic() - began < self._connection.timing.read_within
                if not tries or not within or not _passes(error):
                    raise
                await asyncio.sleep(self._pause(error, READ_TRIES - tries))

    async def _asked(
        self, path: str, params: Mapping[str, str] | None, kinds: tuple[str, ...] = READS
    ) -> Any:
        ask = Ask("GET", self._path + path, params=params)
        with ExitStack() as turns:
            await self._turns(turns, kinds, clock.monotonic() + self._connection.timing.read_within)
            return await self._connection.ask(self._http, ask, payload)

    async def _turns(self, turns: ExitStack, kinds: tuple[str, ...], by: float) -> None:
        """A turn of each kind. They are over when the answer is there."""
        for kind in kinds:
            turns.enter_context(await self._pace.window(kind).turn(by - clock.monotonic()))

    def _pause(self, error: BrokerError, nth: int = 1) -> float:
        """How long to wait before a read is tried again. 429: nothing is sent for as long as was said."""
        if isinstance(error, Throttled):
            for kind in LIMITS:
                self._pace.window(kind).pause(error.retry_after_s or 0.0)
            return 0.0
        return random.uniform(0.1, 0.3) * float(2 ** (nth - 1))  # noqa: S311  so that many do not come back at once


def _passes(error: BrokerError) -> bool:
    """Whether asking again may help."""
    return not isinstance(error, Refused) or isinstance(error, Throttled) or error.status in _AGAIN
