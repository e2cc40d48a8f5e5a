"""The HTTP server: routes, and what every request goes through. `Venue` is one running simulator."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from aiohttp import web

from local.venues.admin import Admin, Entry, Journal, answer
from local.venues.faults import Answers, Faults, Handler, Kind, middleware
from local.venues.market import Market
from local.venues.metatrader import trade
from local.venues.metatrader.answers import (
    HttpError,
    not_connected,
    not_found,
    server_error,
    too_many,
    traded,
    unauthorized,
)
from local.venues.metatrader.codes import Refusal, of_fault
from local.venues.metatrader.desk import Desk, VenueAccount
from local.venues.metatrader.fields import OPERATIONS, Body, checked
from local.venues.metatrader.limits import Credits
from local.venues.metatrader.provisioning import Provisioning
from local.venues.metatrader.reads import Reads
from shared import codec

USERS = "/users/current"
OWN = USERS + "/accounts/{account}"
AccountHandler = Callable[[web.Request, VenueAccount], Awaitable[web.StreamResponse]]


class Venue:
    """A simulated MetaApi: `app()` is its server, for both of its hosts. `limited` False switches credits off."""

    def __init__(self, market: Market, faults: Faults, *, seed: int, accounts: int, limited: bool) -> None:
        self.market, self.faults = market, faults
        self.desk = Desk(market, seed=seed, accounts=accounts)
        self.journal = Journal()
        self._provisioning = Provisioning(self.desk, faults)
        self._credits = Credits(limited)
        self._trades = trade.Trades(faults)
        market.listen(self.desk.on_price)

    def app(self) -> web.Application:
        """The server's application."""
        answers = Answers(too_many, unauthorized, server_error)
        app = web.Application(middlewares=[_named, _errors, middleware(self.faults, operation_of, answers)])
        admin = Admin(self.faults, self.market, self.journal, self._state, self._faults_changed)
        app.add_routes([*self._provisioned(), *self._client(), *admin.routes()])
        app.add_routes([web.post("/_sim/by_hand", self._by_hand), web.post("/_sim/rights", self._rights)])
        self._faults_changed()
        return app

    def _provisioned(self) -> Iterable[web.RouteDef]:
        ours = self._provisioning
        yield web.get(f"{USERS}/accounts", ours.list, name="accounts")
        yield web.get(OWN, ours.one, name="account")
        yield web.post(OWN + "/{verb:deploy|undeploy|redeploy}", ours.set_state, name="deploy")
        yield web.get(f"{USERS}/regions", ours.regions, name="regions")
        yield web.get("/known-mt-servers/{version}/search", ours.servers, name="servers")

    def _client(self) -> Iterable[web.RouteDef]:
        reads = Reads(self.faults)
        history = (("ticket", "/ticket/{ticket}"), ("position", "/position/{position}"))
        spans = (*history, ("time", "/time/{start}/{end}"))
        readers = [
            ("account_information", "/account-information", reads.information),
            ("positions", "/positions", reads.positions),
            ("position", "/positions/{id}", reads.position),
            ("orders", "/orders", reads.orders),
            ("order", "/orders/{id}", reads.order),
            ("symbols", "/symbols", reads.symbols),
            ("specification", "/symbols/{symbol}/specification", reads.specification),
            ("price", "/symbols/{symbol}/current-price", reads.price),
            ("server_time", "/server-time", reads.server_time),
            *[("history_orders", f"/history-orders{path}", reads.history_orders) for _, path in spans],
            *[("history_deals", f"/history-deals{path}", reads.history_deals) for _, path in spans],
        ]
        for name, path, reader in readers:
            yield web.get(OWN + path, self._read(name, reader))
        yield web.post(OWN + "/trade", self._trade)

    def _read(self, name: str, handler: AccountHandler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            found = self._account(request, name)
            return found if isinstance(found, web.Response) else await handler(request, found)

        guarded.__dict__["operation"] = name
        return guarded

    async def _trade(self, request: web.Request) -> web.StreamResponse:
        body, operation = request["body"], request["operation"]
        account = self._account(request, operation)
        if isinstance(account, web.Response):
            return account
        noted = self.journal.write(operation, account.login, str(body.get("clientId") or ""), body)
        try:
            return self._done(account, noted)
        except Refusal as refusal:
            noted.applied, noted.answer = False, str(refusal)
            return traded(refusal.code, {}, refusal.status)
        except HttpError as error:
            noted.applied, noted.answer = False, str(error)
            raise

    def _done(self, account: VenueAccount, noted: Entry) -> web.Response:
        fields = checked(noted.body)
        fault = self.faults.take(noted.operation, Kind.REFUSE)
        if fault is not None:
            raise of_fault(fault.value)
        result = self._trades.do(account, fields)
        noted.applied, noted.order_id = True, result.order_id
        lost = self.faults.take(noted.operation, Kind.REFUSE_AFTER)
        if lost is not None:
            told = of_fault(lost.value)
            return traded(told.code, {}, told.status)
        silent = self.faults.take(noted.operation, Kind.EMPTY_ANSWER)
        return traded(result.code, {} if silent else result.ids())

    def _account(self, request: web.Request, operation: str) -> VenueAccount | web.Response:
        """The account of a request that may go on; else the answer it gets."""
        accounts = self._provisioning.accounts_of(request)
        if accounts is None:
            return unauthorized()
        wanted = request.match_info["account"]
        found = next((each for each in accounts if each.id == wanted), None)
        if found is None:
            raise not_found(f"Trading account with id {wanted} not found")
        if self._provisioning.connection(found) != "CONNECTED":
            raise not_connected(found.id)
        wait = self._credits.wait_for(found.id, operation)
        return too_many(operation, wait) if wait else found

    async def _by_hand(self, request: web.Request) -> web.Response:
        """The trader himself: {"login", "symbol", "side", "qty"}."""
        body = codec.decode(await request.read())
        account = next(each for each in self.desk.accounts.values() if each.login == body["login"])
        order = trade.by_hand(account, body["symbol"], body["side"], Decimal(str(body["qty"])))
        return answer({"id": order.id})

    async def _rights(self, request: web.Request) -> web.Response:
        """What the broker lets an account do: {"login", "trade_allowed", "investor"}."""
        body = codec.decode(await request.read())
        account = next(each for each in self.desk.accounts.values() if each.login == body["login"])
        account.trade_allowed, account.investor = body["trade_allowed"], body["investor"]
        return answer({"ok": True})

    def _faults_changed(self) -> None:
        lags = [each.seconds for each in self.faults.active() if each.kind is Kind.LAG_LISTS]
        self.desk.lag(lags[-1] if lags else 0.0)

    def _state(self) -> Any:
        return {
            each.login: {
                "id": each.id,
                "kind": each.kind.name,
                "token": each.token,
                "balance": each.book.balance,
                "working": [asdict(order) for order in each.book.working.values()],
                "ended": [asdict(order) for order in each.book.ended],
                "positions": [asdict(holding) for holding in each.book.holdings.values()],
            }
            for each in self.desk.accounts.values()
        }


def operation_of(request: web.Request) -> str | None:
    """The name that faults know a request by; None for the operator's own."""
    operation: str | None = request.get("operation")
    return operation


@web.middleware
async def _named(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Says what is asked for: every trade goes to one path, and only its body tells which it is."""
    route = request.match_info
    operation = route.route.name or getattr(route.handler, "operation", None)
    if request.path.endswith("/trade") and request.method == "POST":
        body = _fields(await request.read())
        request["body"], operation = body, OPERATIONS.get(str(body.get("actionType")), "trade")
    request["operation"] = operation
    return await handler(request)


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except HttpError as error:
        return error.response()


def _fields(body: bytes) -> Body:
    try:
        value = codec.decode(body) if body else {}
    except codec.NotReadable:
        return {}
    return value if isinstance(value, dict) else {}
