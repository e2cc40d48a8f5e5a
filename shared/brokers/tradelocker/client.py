"""TradeLocker's REST API for one account: every request paced, authorised and answered with rows and models.

Reads are tried again; a write is sent once. The one exception is a 401: it is answered before anything is
done, so the same write goes out once more with a new token, if that is at hand in time.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from shared import clock
from shared.brokers.errors import BrokerError, LoggedOut, NotSent, Silent, Throttled, UnreadableError
from shared.brokers.keeper import Keeper
from shared.brokers.pacing import Pace, Window
from shared.brokers.rest import Ask, exchange, payload
from shared.brokers.tradelocker import parse, rows
from shared.brokers.tradelocker.http import PREFIX, unwrapped
from shared.brokers.tradelocker.rows import Config, OrderRow, PositionRow
from shared.brokers.transport import Http

T = TypeVar("T")
READ_TRIES = 3
CONFIG_TTL_S = 3600.0
SMALLEST_SPAN = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. A command is sent within `send_within` of being asked for, or not at all."""

    request_timeout: float = 10.0
    send_within: float = 2.0
    read_within: float = 15.0


class Connection:
    """One login and the HTTP client it uses; shared by the accounts of the login."""

    def __init__(self, http: Http, keeper: Keeper, key_header: Mapping[str, str], timing: Timing) -> None:
        self._http, self._keeper, self._key_header, self.timing = http, keeper, key_header, timing

    async def accounts(self) -> list[parse.AccountEntry]:
        """The accounts of this login."""
        answer = await self.ask(Ask("GET", "/auth/jwt/all-accounts"), {}, None)
        return parse.accounts(answer)

    async def ask(
        self, ask: Ask, headers: Mapping[str, str], by: float | None, window: Window | None = None
    ) -> Any:
        """The JSON of the answer; not sent after `by` (monotonic). After a 401 once more with a new token."""
        token = await self._keeper.token()
        try:
            return await self._in_turn(ask, headers, token, by, window)
        except LoggedOut:
            token = await self._keeper.after_refusal(token)
        return await self._in_turn(ask, headers, token, by, window)

    async def _in_turn(
        self, ask: Ask, headers: Mapping[str, str], token: str, by: float | None, window: Window | None
    ) -> Any:
        """The turn comes last: between it and the broker there is nothing left to wait for."""
        if window is None:
            return await self._once(ask, headers, token, by)
        within_s = self.timing.read_within if by is None else by - clock.monotonic()
        with await window.turn(within_s):
            try:
                return await self._once(ask, headers, token, by)
            except Throttled as error:
                window.pause(error.pause_s)
                raise

    async def _once(self, ask: Ask, headers: Mapping[str, str], token: str, by: float | None) -> Any:
        sent = {"Authorization": f"Bearer {token}", **self._key_header, **headers}
        return payload(await exchange(self._http, ask, sent, self.timing.request_timeout, PREFIX, by))

    async def close(self) -> None:
        """End what runs in the background. The HTTP client belongs to whoever opened it."""
        await self._keeper.close()


class Client:
    """One account: `account_id` in the path and `acc_num` in the header, which belong together."""

    def __init__(
        self,
        connection: Connection,
        account_id: str,
        acc_num: str,
        pace: Pace,
        limits: Mapping[str, tuple[int, float]] | None = None,
    ) -> None:
        """`limits`: instead of those that the broker names."""
        self._connection, self._pace, self._limits = connection, pace, limits
        self._account_path = f"/trade/accounts/{account_id}"
        self._headers = {"accNum": acc_num}
        self._config: tuple[float, Config] | None = None

    # Reads: raise BrokerError or UnreadableError.

    async def config(self, *, again: bool = False) -> Config:
        """Columns and limits, kept for an hour; `again` asks the broker whatever we have."""
        kept = self._config
        if kept is not None and not again and clock.monotonic() - kept[0] < CONFIG_TTL_S:
            return kept[1]
        found = rows.config(await self._read(Ask("GET", "/trade/config")))
        self._pace.learn(found.limits if self._limits is None else self._limits)
        self._config = clock.monotonic(), found
        return found

    async def details(self) -> Any:
        """`d` of /trade/accounts: whom the header names, and the account's rules."""
        return await self._read(Ask("GET", "/trade/accounts", "GET_ACCOUNTS"))

    async def state(self) -> dict[str, Decimal]:
        """The numbers of the account by name."""
        ask = Ask("GET", f"{self._account_path}/state", "GET_ACCOUNTS_STATE")
        return await self._rows(ask, rows.account_state)

    async def instruments(self) -> list[parse.Listing]:
        """Everything the account can trade."""
        ask = Ask("GET", f"{self._account_path}/instruments", "GET_INSTRUMENTS")
        return parse.listings(await self._read(ask))

    async def instrument(self, identifier: str, route: int) -> Any:
        """`d` of one instrument's details."""
        path, params = f"/trade/instruments/{identifier}", {"routeId": str(route), "locale": "en"}
        return await self._read(Ask("GET", path, "GET_INSTRUMENT_DETAILS", params))

    async def quote(self, identifier: str, route: int) -> Any:
        """`d` of one quote. Refused on an INFO route that is not good for this instrument."""
        params = {"tradableInstrumentId": identifier, "routeId": str(route)}
        return await self._read(Ask("GET", "/trade/quotes", "QUOTES", params))

    async def orders(self) -> list[OrderRow]:
        """Every order that is not final: entries that wait, and the stops and targets of open positions."""
        ask = Ask("GET", f"{self._account_path}/orders", "GET_ORDERS")
        return await self._rows(ask, lambda layout, d: rows.orders(layout, "ordersConfig", d["orders"]))

    async def history(self, since: datetime, until: datetime | None = None) -> list[OrderRow]:
        """Final orders since a time, by the broker's filter, which may mean when they were made."""
        end = until or clock.now() + timedelta(hours=1)
        params = {"from": _ms(since)} if until is None else {"from": _ms(since), "to": _ms(until)}
        ask = Ask("GET", f"{self._account_path}/ordersHistory", "GET_ORDERS_HISTORY", params)
        found, more = await self._rows(ask, _history)
        if not more:
            return found
        if end - since <= SMALLEST_SPAN:
            raise UnreadableError("history: more rows than the broker gives within a second")
        middle = since + (end - since) / 2
        both = await self.history(since, middle) + await self.history(middle, end)
        return list(rows.by_id(both).values())

    async def positions(self) -> list[PositionRow]:
        """Every open position."""
        ask = Ask("GET", f"{self._account_path}/positions", "GET_POSITIONS")
        return await self._rows(ask, lambda layout, d: rows.positions(layout, d["positions"]))

    # Writes: sent once, and not after `by` (monotonic). Raise BrokerError.

    async def place(self, body: Mapping[str, Any], by: float) -> str:
        """Place an order; its id. Taken, not filled."""
        answer = await self._write(Ask("POST", f"{self._account_path}/orders", "PLACE_ORDER", body=body), by)
        try:
            return rows.identifier(answer["orderId"])
        except (TypeError, KeyError, ValueError) as error:
            raise Silent("an accepted order without an id") from error

    async def modify_order(self, identifier: str, body: Mapping[str, Any], by: float) -> None:
        """Change an order that works; its id stays."""
        await self._write(Ask("PATCH", f"/trade/orders/{identifier}", "MODIFY_ORDER", body=body), by)

    async def cancel(self, identifier: str, by: float) -> None:
        """Take back an order that works."""
        await self._write(Ask("DELETE", f"/trade/orders/{identifier}", "MODIFY_ORDER"), by)

    async def modify_position(self, identifier: str, body: Mapping[str, Any], by: float) -> None:
        """Set, or remove (null), stop and target of a position."""
        await self._write(Ask("PATCH", f"/trade/positions/{identifier}", "MODIFY_POSITION", body=body), by)

    async def close_position(self, identifier: str, qty: Decimal | None, by: float) -> None:
        """Place the order that closes a position, or `qty` lots of it."""
        body = {"qty": "0" if qty is None else f"{qty:f}"}
        await self._write(Ask("DELETE", f"/trade/positions/{identifier}", "MODIFY_POSITION", body=body), by)

    async def close_all(self, instrument_id: str, by: float) -> None:
        """Close every position of one instrument."""
        path, params = f"{self._account_path}/positions", {"tradableInstrumentId": instrument_id}
        await self._write(Ask("DELETE", path, "MODIFY_POSITION", params), by)

    # How.

    async def _rows(self, ask: Ask, read: Callable[[Config, Any], T]) -> T:
        """Rows in the columns as we know them; when they do not fit, the columns are asked for once more."""
        layout = await self.config()
        answer = await self._read(ask)
        try:
            return _fitting(layout, answer, read)
        except UnreadableError:
            layout = await self.config(again=True)
        return _fitting(layout, await self._read(ask), read)

    async def _read(self, ask: Ask) -> Any:
        began, tries = clock.monotonic(), READ_TRIES
        while True:
            tries -= 1
            try:
                return await self._asked(ask, None)
            except (Silent, Throttled, NotSent) as error:
                if not tries or clock.monotonic() - began > self._connection.timing.read_within:
                    raise
                await asyncio.sleep(_until_again(ask, error))

    async def _write(self, ask: Ask, by: float) -> Any:
        return await self._asked(ask, by)

    async def _asked(self, ask: Ask, by: float | None) -> Any:
        window = None if ask.kind is None else self._pace.window(ask.kind)
        return unwrapped(await self._connection.ask(ask, self._headers, by, window))


def _until_again(ask: Ask, error: BrokerError) -> float:
    """Seconds before a read is tried again; where the broker has a limit for it, its pause does the waiting."""
    if isinstance(error, Throttled):
        return 0.0 if ask.kind is not None else error.pause_s
    return random.uniform(0.05, 0.3)  # noqa: S311  so that many do not come back at once


def _fitting(layout: Config, answer: Any, read: Callable[[Config, Any], T]) -> T:
    return rows.reading("answer", lambda: read(layout, answer))


def _history(layout: Config, data: Any) -> tuple[list[OrderRow], bool]:
    return rows.orders(layout, "ordersHistoryConfig", data["ordersHistory"]), data.get("hasMore") is True


def _ms(at: datetime) -> str:
    return str(int(at.timestamp() * 1000))
