"""ProjectX's REST API for one account: every request paced, authorised, out of its envelope, and read.

Reads are tried again; a write is sent once. The one exception is a 401: it is answered before anything is done, so
the same write goes out once more with a new token, if that is at hand in time; a placement under the same tag.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from shared import clock
from shared.brokers.errors import LoggedOut, NotSent, Refused, Silent, Throttled, UnreadableError
from shared.brokers.keeper import Keeper
from shared.brokers.pacing import Pace
from shared.brokers.rest import Ask, exchange, payload
from shared.brokers.topstepx import rows
from shared.brokers.topstepx.envelope import opened
from shared.brokers.topstepx.errors import Denied
from shared.brokers.topstepx.joint import Joint
from shared.brokers.topstepx.rows import AccountRow, ContractRow, OrderRow, PositionRow, TradeRow
from shared.brokers.transport import Http

READ_TRIES = 3
PAGE = 50
MAX_PAGES = 100
KEPT = 2000
"""Fills, and orders, of an account that need not be read again when a list shows them once more."""
NO_SUCH_ORDER = 2
"""OrderNotFound, of a change as of a cancel."""
LIMITS: Mapping[str, tuple[int, float]] = {"all": (195, 60.0), "reads": (150, 60.0), "bars": (50, 30.0)}
"""Requests and seconds, of the whole login. The gateway counts all together and bars apart. That reads leave some of
its 200 to writes is ours; so are five for logins and refreshes, which wait for no turn."""
_COUNTED = {"all": ("all",), "reads": ("reads", "all"), "bars": ("bars",)}
"""The windows of a kind of request; the last is the gateway's own, which its 429 speaks of."""
BAR_SPAN = timedelta(days=7)
"""So far back is looked for the last price: over a weekend and a holiday."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. A command is sent within `send_within` of being asked for, or not at all.

    `stream_silent`: so long the hub may say nothing (it pings every 15 s), or leave subscriptions unanswered.
    `stream_life`: after that a connection to it is made anew, long before the token it was opened with ends.
    """

    request_timeout: float = 10.0
    send_within: float = 2.0
    read_within: float = 15.0
    stream_silent: float = 30.0
    stream_life: float = 6 * 3600.0


class Connection:
    """One login and the HTTP client it uses; shared by the accounts of the login."""

    def __init__(self, http: Http, keeper: Keeper, timing: Timing, pace: Pace) -> None:
        self._http, self.keeper, self.timing, self._pace = http, keeper, timing, pace

    @property
    def base_url(self) -> str:
        """Where its gateway is."""
        return self._http.base_url

    async def accounts(self) -> list[AccountRow]:
        """Every account of the login, also those that may not trade any more."""
        return rows.accounts(await self.read("/api/Account/search", {"onlyActiveAccounts": False}))

    async def read(self, path: str, body: Mapping[str, Any], kind: str = "reads") -> Mapping[str, Any]:
        """The answer to a question; tried again when there was none."""
        ask, began, tries = Ask("POST", path, kind, body=body), clock.monotonic(), READ_TRIES
        while True:
            tries -= 1
            try:
                return opened("read", await self._asked(ask, None))
            except (Silent, Throttled, NotSent) as error:
                if not tries or clock.monotonic() - began > self.timing.read_within:
                    raise
                # So that many do not come back at once; after a 429 it is the turn that waits.
                await asyncio.sleep(0 if isinstance(error, Throttled) else random.uniform(0.05, 0.3))  # noqa: S311

    async def write(self, endpoint: str, path: str, body: Mapping[str, Any], by: float) -> Mapping[str, Any]:
        """The answer to a command, which is sent once, and not after `by` (monotonic)."""
        ask = Ask("POST", path, "all", body=body)
        return opened(endpoint, await self._asked(ask, by))

    async def close(self) -> None:
        """End what runs in the background. The HTTP client belongs to whoever opened it."""
        await self.keeper.close()

    async def _asked(self, ask: Ask, by: float | None) -> Any:
        """The JSON of the answer; after a 401 once more with a new token."""
        token = await self.keeper.token()
        try:
            return await self._in_turn(ask, token, by)
        except LoggedOut:
            token = await self.keeper.after_refusal(token)
        return await self._in_turn(ask, token, by)

    async def _in_turn(self, ask: Ask, token: str, by: float | None) -> Any:
        """The turns come last: between them and the broker there is nothing left to wait for."""
        until = by if by is not None else clock.monotonic() + self.timing.read_within
        windows = [self._pace.window(kind) for kind in _COUNTED[ask.kind or "all"]]
        with ExitStack() as turns:
            for window in windows:
                turns.enter_context(await window.turn(until - clock.monotonic()))
            try:
                return await self._once(ask, token, by)
            except Throttled as error:
                windows[-1].pause(error.pause_s)
                raise

    async def _once(self, ask: Ask, token: str, by: float | None) -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        return payload(await exchange(self._http, ask, headers, self.timing.request_timeout, by=by))


class Client:
    """One account of a login."""

    def __init__(self, connection: Connection, account_id: str) -> None:
        self._connection, self.account_id = connection, account_id
        self._own: Mapping[str, Any] = {"accountId": int(account_id)}
        self._has_query = True
        self._fills: dict[int, TradeRow] = {}
        self._known: dict[int, tuple[rows.Row, OrderRow]] = {}
        self._orders: Joint[datetime, list[OrderRow]] = Joint(self._read_orders, min)
        self._trades: Joint[datetime, list[TradeRow]] = Joint(self._read_trades, min)
        self._positions: Joint[None, list[PositionRow]] = Joint(self._read_positions, _only)
        self._unfinished: Joint[None, list[OrderRow]] = Joint(self._read_unfinished, _only)

    # Reads: raise BrokerError or UnreadableError.

    async def account(self) -> AccountRow:
        """Its money. Whether `balance` holds open profit is documented nowhere: it is taken as realised."""
        found = await self._connection.accounts()
        own = next((each for each in found if each.id == self.account_id), None)
        if own is None:
            raise UnreadableError(f"accounts: the login does not show {self.account_id} any more")
        return own

    async def contracts(self) -> list[ContractRow]:
        """The active contract of every product. `live` False: what these accounts are entitled to."""
        return rows.contracts(await self._connection.read("/api/Contract/available", {"live": False}))

    async def contract(self, contract_id: str) -> ContractRow | None:
        """One contract, also one that has expired; None where there is none."""
        try:
            answer = await self._connection.read("/api/Contract/searchById", {"contractId": contract_id})
        except Denied:
            return None
        return rows.contract(answer)

    async def last_price(self, contract_id: str) -> Decimal | None:
        """The price of the last trade, as far as the youngest bar tells; None where there is no bar."""
        now = clock.now()
        body = {
            "contractId": contract_id,
            "live": False,
            "startTime": _text(now - BAR_SPAN),
            "endTime": _text(now + timedelta(minutes=1)),
            "unit": 2,
            "unitNumber": 1,
            "limit": 1,
            "includePartialBar": True,
        }
        return rows.last_price(await self._connection.read("/api/History/retrieveBars", body, "bars"))

    async def orders(self, since: datetime) -> list[OrderRow]:
        """Every order made since a time, of any status but suspended; may hold earlier ones, too."""
        return await self._orders.ask(since)

    async def order(self, order_id: str) -> OrderRow | None:
        """One order, however old; None where there is none or the gateway is too old to be asked so."""
        if not order_id.isdecimal():
            return None
        body = {**self._own, "orderId": int(order_id)}
        try:
            answer = await self._connection.read("/api/Order/searchById", body)
        except Refused as error:
            if isinstance(error, Denied) or error.status == 404:
                return None
            raise
        found = rows.reading("order", lambda: rows.orders({"orders": [answer["order"]]}))
        return found[0]

    async def unfinished(self) -> list[OrderRow]:
        """Every order to which something may still happen, suspended children of entries too.

        Only v2/query shows those; where a gateway does not have it, searchOpen shows what is open.
        """
        return await self._unfinished.ask(None)

    async def positions(self) -> list[PositionRow]:
        """Every open position."""
        return await self._positions.ask(None)

    async def trades(self, since: datetime) -> list[TradeRow]:
        """Every fill since a time, oldest first; may hold earlier ones, too."""
        return await self._trades.ask(since)

    # Writes: sent once, and not after `by` (monotonic). Raise BrokerError.

    async def place(self, body: Mapping[str, Any], by: float) -> str:
        """Place an order; its id. Taken, not filled."""
        answer = await self._connection.write("place", "/api/Order/place", {**self._own, **body}, by)
        try:
            return rows.identifier(answer["orderId"])
        except (KeyError, ValueError) as error:
            raise Silent("an accepted order without an id") from error

    async def modify(self, order_id: str, body: Mapping[str, Any], by: float) -> None:
        """Change an order that works; what is not named stays."""
        named = {**self._own, "orderId": _id(order_id), **body}
        await self._connection.write("modify", "/api/Order/modify", named, by)

    async def cancel(self, order_id: str, by: float) -> None:
        """Take back an order."""
        named = {**self._own, "orderId": _id(order_id)}
        await self._connection.write("cancel", "/api/Order/cancel", named, by)

    async def close_contract(self, contract_id: str, qty: Decimal | None, by: float) -> None:
        """Close the position of a contract, or `qty` of it, at market. No other order is touched."""
        named = {**self._own, "contractId": contract_id}
        if qty is None:
            await self._connection.write("close", "/api/Position/closeContract", named, by)
        else:
            part = {**named, "size": int(qty)}
            await self._connection.write("partial_close", "/api/Position/partialCloseContract", part, by)

    # How.

    async def _read_orders(self, since: datetime) -> list[OrderRow]:
        body = {**self._own, "startTimestamp": _text(since)}
        return self._rows(await self._connection.read("/api/Order/search", body))

    async def _read_unfinished(self, _: None) -> list[OrderRow]:
        if self._has_query:
            try:
                return await self._queried(rows.UNFINISHED)
            except Refused as error:
                if error.status != 404:
                    raise
                self._has_query = False
        return self._rows(await self._connection.read("/api/Order/searchOpen", self._own))

    def _rows(self, answer: Mapping[str, Any]) -> list[OrderRow]:
        if len(self._known) > KEPT:
            self._known.clear()
        return rows.orders(answer, self._known)

    async def _read_positions(self, _: None) -> list[PositionRow]:
        return rows.positions(await self._connection.read("/api/Position/searchOpen", self._own))

    async def _read_trades(self, since: datetime) -> list[TradeRow]:
        body = {**self._own, "startTimestamp": _text(since)}
        if len(self._fills) > KEPT:
            self._fills.clear()
        return rows.trades(await self._connection.read("/api/Trade/search", body), self._fills)

    async def _queried(self, statuses: Sequence[int]) -> list[OrderRow]:
        """Pages by time, oldest first: whether an offset counts pages or rows is documented nowhere."""
        found: dict[str, OrderRow] = {}
        after: datetime | None = None
        for _ in range(MAX_PAGES):
            wanted: dict[str, Any] = {**self._own, "statuses": list(statuses)}
            if after is not None:
                wanted["createdAfter"] = _text(after)
            body = {"filter": wanted, "pageSize": PAGE, "pageOffset": 0, "sortBy": 0, "sortDirection": 0}
            page = self._rows(await self._connection.read("/api/Order/v2/query", body))
            news = [each for each in page if each.id not in found]
            found |= {each.id: each for each in news}
            if len(page) < PAGE:
                return list(found.values())
            if not news:
                break
            # A little before the last one: orders of one moment may lie on two pages.
            after = max(each.created for each in page) - timedelta(microseconds=1)
        raise UnreadableError("orders: more than the gateway gives in its pages")


def _only(_: list[None]) -> None:
    """Questions without anything to them are all the same one."""


def _id(order_id: str) -> int:
    """An id for the wire. Denied, before anything is sent, where the text is none."""
    if not order_id.isdecimal():
        raise Denied("cancel", NO_SUCH_ORDER, f"order {order_id or '?'} is not found")
    return int(order_id)


def _text(at: datetime) -> str:
    """UTC with a Z, as the documents have it."""
    return f"{at.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
