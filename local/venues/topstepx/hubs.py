"""The gateway's two hubs: what happens to a user's accounts, and what the market does.

User events come wrapped with an action, as they do live; null fields are not there. Missed events are lost.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from local.venues.admin import answer
from local.venues.topstepx import wire
from local.venues.topstepx.contracts import Catalogue
from local.venues.topstepx.desk import Desk, VenueAccount
from local.venues.topstepx.signalr import PING_S, Socket, negotiated, serve
from local.venues.topstepx.tokens import Tokens
from local.venues.topstepx.words import Status
from shared import codec

_OF_USERS = {
    "SubscribeAccounts": "GatewayUserAccount",
    "SubscribeOrders": "GatewayUserOrder",
    "SubscribePositions": "GatewayUserPosition",
    "SubscribeTrades": "GatewayUserTrade",
}
_OF_MARKETS = {"SubscribeContractQuotes": "GatewayQuote", "SubscribeContractTrades": "GatewayTrade"}
_TOPICS = {**_OF_USERS, **_OF_MARKETS}
TRADE, CHANGED, GONE = 0, 1, 2
"""Actions as they were seen live; what they mean is documented nowhere."""


@dataclass(slots=True)
class _Told:
    """What of an account was told already."""

    orders: dict[int, wire.Row] = field(default_factory=dict)
    positions: dict[str, wire.Row] = field(default_factory=dict)
    trades: int = 0
    account: wire.Row = field(default_factory=dict)


class Hubs:
    """Both hubs. `wrapped` False sends user events as the documents have them; `dropping` counts events to lose;
    `silent` connections stay open and tell nothing more; events are `late_s` seconds late; new connections are pinged
    every `ping_s`, and acknowledge nothing where not `answering`."""

    def __init__(self, desk: Desk, contracts: Catalogue, tokens: Tokens) -> None:
        self._desk, self._contracts, self._tokens = desk, contracts, tokens
        self._sockets: set[Socket] = set()
        self._told: dict[int, _Told] = {}
        self._wrapped, self._dropping, self._silent, self._late_s = True, 0, False, 0.0
        self._ping_s, self._answering = PING_S, True
        desk.listen(self._account_changed)
        desk.market.listen(self._price_changed)

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the server, before the one that takes every POST."""
        hub = "/{hub:hubs/(?:user|market)}"
        return [
            web.post(f"{hub}/negotiate", self._negotiate),
            web.get(hub, self._connect),
            web.post("/_sim/hubs", self._configure),
        ]

    async def _negotiate(self, request: web.Request) -> web.Response:
        return web.Response(status=401) if self._user(request) is None else negotiated(request)

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        user = self._user(request)
        if user is None:
            return web.Response(status=401)
        transport = request.transport
        socket = Socket(user, transport.abort if transport is not None else lambda: None, self._ping_s)
        socket.silent, socket.answering = self._silent, self._answering
        self._sockets.add(socket)
        try:
            return await serve(request, socket, self._invoked)
        finally:
            self._sockets.discard(socket)

    async def _configure(self, request: web.Request) -> web.Response:
        """The operator: any of {"wrapped", "drop", "silent", "late", "ping", "answer", "logout", "close", "cut"}."""
        wanted = codec.decode(await request.read())
        self._wrapped = wanted.get("wrapped", self._wrapped)
        self._dropping = wanted.get("drop", self._dropping)
        self._silent = wanted.get("silent", self._silent)
        self._late_s = float(wanted.get("late", self._late_s))
        self._ping_s = float(wanted.get("ping", self._ping_s))
        self._answering = wanted.get("answer", self._answering)
        for socket in list(self._sockets):
            socket.silent = self._silent
            if wanted.get("cut"):
                socket.cut()
            if wanted.get("logout"):
                socket.tell("GatewayLogout", "session ended")
            if wanted.get("logout") or wanted.get("close"):
                socket.end("Connection closed with an error.")
        return answer({"connected": len(self._sockets)})

    def _user(self, request: web.Request) -> str | None:
        """By the one `access_token` of the address; the header does as well."""
        header = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return self._tokens.user_of(request.query.get("access_token") or header)

    def _invoked(self, socket: Socket, method: str, arguments: list[Any]) -> None:
        """Subscribe or unsubscribe, as often as one likes; nothing that is there already is told."""
        name = (
            method.removeprefix("Un").replace("subscribe", "Subscribe", 1) if method[:2] == "Un" else method
        )
        if name not in _TOPICS:
            return
        topic = _TOPICS[name], arguments[0] if arguments else None
        if method != name:
            socket.topics.discard(topic)
            return
        if name in _OF_USERS:
            for account in self._desk.accounts_of(socket.user):
                self._told.setdefault(account.id, _told(account))
        socket.topics.add(topic)

    # What is told.

    def _account_changed(self, account: VenueAccount) -> None:
        told = self._told.get(account.id)
        if told is None:
            return  # nobody has ever listened
        for row in _news(account, told.orders):
            self._tell(account, "GatewayUserOrder", CHANGED, row)
        for trade in account.book.trades[told.trades :]:
            self._tell(account, "GatewayUserTrade", TRADE, wire.trade_row(trade, account.id))
        told.trades = len(account.book.trades)
        self._positions(account, told)
        row = wire.account_row(account)
        if row != told.account:
            self._tell(account, "GatewayUserAccount", CHANGED, row)
            told.account = row

    def _positions(self, account: VenueAccount, told: _Told) -> None:
        held = {
            each.listing.id: wire.position_row(each, account.id) for each in account.book.positions.values()
        }
        for contract, row in held.items():
            if row != told.positions.get(contract):
                self._tell(account, "GatewayUserPosition", CHANGED, row)
        for contract in told.positions.keys() - held.keys():
            gone = {**told.positions[contract], "type": 0, "size": 0, "averagePrice": 0}
            self._tell(account, "GatewayUserPosition", GONE, gone)
        told.positions = held

    def _tell(self, account: VenueAccount, target: str, action: int, row: wire.Row) -> None:
        if self._dropping > 0:
            self._dropping -= 1
            return
        bare = {name: value for name, value in row.items() if value is not None}
        topic = target, None if target == "GatewayUserAccount" else account.id
        for socket in self._sockets:
            if socket.user == account.user and topic in socket.topics:
                socket.tell(
                    target, {"action": action, "data": bare} if self._wrapped else row, late_s=self._late_s
                )

    def _price_changed(self, contract: str) -> None:
        listening = [
            each for each in self._sockets if each.topics & {(t, contract) for t in _OF_MARKETS.values()}
        ]
        if not listening:
            return
        price, listing = self._desk.market.price(contract), self._contracts.by_id[contract]
        now = datetime.now(UTC).isoformat()
        quote = {
            "symbol": listing.symbol_id,
            "symbolName": f"/{listing.product.root}",
            "lastPrice": price.bid,
            "bestBid": price.bid,
            "bestAsk": price.ask,
            "lastUpdated": now,
            "timestamp": now,
        }
        trade = {"symbolId": listing.symbol_id, "price": price.bid, "timestamp": now, "type": 1, "volume": 1}
        for socket in listening:
            if ("GatewayQuote", contract) in socket.topics:
                socket.tell("GatewayQuote", contract, quote)
            if ("GatewayTrade", contract) in socket.topics:
                socket.tell("GatewayTrade", contract, [trade])


def _told(account: VenueAccount) -> _Told:
    """What is there when the first one listens is not news."""
    book = account.book
    return _Told(
        {each.id: wire.order_row(each, account.id) for each in book.orders.values()},
        {each.listing.id: wire.position_row(each, account.id) for each in book.positions.values()},
        len(book.trades),
        wire.account_row(account),
    )


def _news(account: VenueAccount, told: dict[int, wire.Row]) -> list[wire.Row]:
    """What has become of orders: first all that are new as they came, pending or asleep, then all as they are."""
    rows = {each.id: wire.order_row(each, account.id) for each in account.book.orders.values()}
    came = [_as_it_came(rows[each.id]) for each in account.book.orders.values() if each.id not in told]
    known = {**told, **{row["id"]: row for row in came}}
    told.update(rows)
    return came + [row for number, row in rows.items() if row != known[number]]


def _as_it_came(row: wire.Row) -> wire.Row:
    if row["parentOrderId"] is None:
        return {**row, "status": int(Status.PENDING), "fillVolume": 0, "filledPrice": None}
    return {**row, "status": int(Status.SUSPENDED), "limitPrice": None, "stopPrice": None}
