"""The HTTP server: routes, and what every request goes through. `Venue` is one running simulator."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict
from typing import Any

from aiohttp import web

from local.venues.admin import Admin, Entry, Journal
from local.venues.faults import Answers, Faults, Handler, Kind, middleware
from local.venues.market import Market
from local.venues.tradelocker import entry
from local.venues.tradelocker.answers import failed, refused, server_error, too_many, unauthorized
from local.venues.tradelocker.auth import Auth
from local.venues.tradelocker.desk import Desk, VenueAccount
from local.venues.tradelocker.limits import RateLimits
from local.venues.tradelocker.reads import Reads
from local.venues.tradelocker.refusals import Refusal
from local.venues.tradelocker.rows import Rows
from local.venues.tradelocker.tokens import Tokens
from local.venues.tradelocker.writes import Writes
from shared import codec

PREFIX = "/backend-api"
AccountHandler = Callable[[web.Request, VenueAccount], Awaitable[web.StreamResponse]]
WriteHandler = Callable[[web.Request, VenueAccount, Entry], Awaitable[web.StreamResponse]]
Route = tuple[str, Callable[..., web.RouteDef], str, Handler]


class Venue:
    """A simulated TradeLocker: `app()` is its server. `limited` False switches the rate limits off."""

    def __init__(self, market: Market, faults: Faults, *, seed: int, accounts: int, limited: bool) -> None:
        self.market, self.faults = market, faults
        self.desk = Desk(market, seed=seed, accounts=accounts)
        self.journal = Journal()
        self._auth = Auth(self.desk, Tokens())
        self._limits = RateLimits(limited)
        self._rows = Rows(faults)
        market.listen(self.desk.on_price)

    def app(self) -> web.Application:
        """The server's application."""
        answers = Answers(too_many, unauthorized, server_error)
        app = web.Application(middlewares=[middleware(self.faults, operation_of, answers)])
        admin = Admin(self.faults, self.market, self.journal, self._state, self._faults_changed)
        routes = [verb(path, handler, name=name) for name, verb, path, handler in self._routes()]
        app.add_routes([*routes, *admin.routes(), web.post("/_sim/revoke", self._auth.revoke)])
        self._faults_changed()
        return app

    def _routes(self) -> Iterable[Route]:
        """Name (what faults know it by), verb, path, handler."""
        auth = f"{PREFIX}/auth/jwt"
        yield "login", web.post, f"{auth}/token", self._auth.login
        yield "refresh", web.post, f"{auth}/refresh", self._auth.refresh
        yield "all_accounts", web.get, f"{auth}/all-accounts", self._auth.all_accounts
        for name, path, limit, reader in self._readers():
            yield name, web.get, f"{PREFIX}/trade{path}", self._read(limit, reader)
        for name, verb, path, limit, writer in self._writers():
            yield name, verb, f"{PREFIX}/trade{path}", self._write(limit, name, writer)

    def _readers(self) -> Iterable[tuple[str, str, str | None, AccountHandler]]:
        reads, own = Reads(self._rows, self._limits.enabled), "/accounts/{account}"
        return (
            ("config", "/config", None, reads.config),
            ("accounts", "/accounts", "GET_ACCOUNTS", reads.details),
            ("state", f"{own}/state", "GET_ACCOUNTS_STATE", reads.account_state),
            ("instruments", f"{own}/instruments", "GET_INSTRUMENTS", reads.instruments),
            ("orders", f"{own}/orders", "GET_ORDERS", reads.orders),
            ("history", f"{own}/ordersHistory", "GET_ORDERS_HISTORY", reads.history),
            ("positions", f"{own}/positions", "GET_POSITIONS", reads.positions),
            ("executions", f"{own}/executions", "GET_EXECUTIONS", reads.executions),
            ("details", "/instruments/{instrument}", "GET_INSTRUMENT_DETAILS", reads.instrument),
            ("session", "/sessions/{id}", "GET_TRADE_SESSIONS", reads.trade_session),
            ("session_status", "/sessionStatuses/{id}", "GET_SESSION_STATUSES", reads.status_of_session),
            ("quotes", "/quotes", "QUOTES", reads.quotes),
            ("daily_bar", "/dailyBar", "DAILY_BAR", reads.daily_bar),
            ("depth", "/depth", "DEPTH", reads.depth),
            ("bars", "/history", "QUOTES_HISTORY", reads.bars),
        )

    def _writers(self) -> Iterable[tuple[str, Callable[..., web.RouteDef], str, str, WriteHandler]]:
        writes, own = Writes(self._rows, self.faults), "/accounts/{account}"
        return (
            ("place", web.post, f"{own}/orders", "PLACE_ORDER", writes.place),
            ("cancel_all", web.delete, f"{own}/orders", "MODIFY_ORDER", writes.cancel_all),
            ("close_all", web.delete, f"{own}/positions", "MODIFY_POSITION", writes.close_all),
            ("modify", web.patch, "/orders/{id}", "MODIFY_ORDER", writes.modify),
            ("cancel", web.delete, "/orders/{id}", "MODIFY_ORDER", writes.cancel),
            ("protect", web.patch, "/positions/{id}", "MODIFY_POSITION", writes.protect),
            ("close", web.delete, "/positions/{id}", "MODIFY_POSITION", writes.close),
        )

    def _read(self, limit: str | None, handler: AccountHandler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            found = self._account(request)
            if isinstance(found, web.Response):
                return found
            if not self._limits.allow(found.id, limit):
                return too_many()
            try:
                return await handler(request, found)
            except (Refusal, ValueError, KeyError) as error:
                return refused(error.text if isinstance(error, Refusal) else "Bad request")

        return guarded

    def _write(self, limit: str, operation: str, handler: WriteHandler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            body = await request.read()
            found = self._account(request)
            if isinstance(found, web.Response):
                return found
            if not self._limits.allow(found.id, limit):
                return too_many()
            fields = _fields(body)
            noted = self.journal.write(operation, found.id, str(fields.get("strategyId") or ""), fields)
            return await self._guard(request, found, noted, handler)

        return guarded

    async def _guard(
        self, request: web.Request, account: VenueAccount, noted: Entry, handler: WriteHandler
    ) -> web.StreamResponse:
        fault = self.faults.take(noted.operation, Kind.REFUSE)
        try:
            if fault is not None:
                raise Refusal(fault.value)
            done = await handler(request, account, noted)
            noted.applied = True
            if noted.operation != "place" and self.faults.take(noted.operation, Kind.EMPTY_ANSWER):
                return web.Response(status=204)
            return done
        except Refusal as refusal:
            noted.applied, noted.answer = False, refusal.text
            return refused(refusal.text)
        except entry.Malformed as error:
            noted.applied, noted.answer = False, "malformed"
            return failed(400, f"Bad request: {error}")

    def _account(self, request: web.Request) -> VenueAccount | web.Response:
        user = self._auth.user_of(request)
        if user is None:
            return unauthorized()
        acc_num = request.headers.get("accNum", "")
        found = next((each for each in self.desk.accounts_of(user) if each.acc_num == acc_num), None)
        if found is None or request.match_info.get("account", found.id) != found.id:
            return failed(404, "Account not found")
        return found

    def _faults_changed(self) -> None:
        lags = [each.seconds for each in self.faults.active() if each.kind is Kind.LAG_LISTS]
        self.desk.lag(lags[-1] if lags else 0.0)

    def _state(self) -> Any:
        return {
            each.id: {
                "acc_num": each.acc_num,
                "user": each.user,
                "type": each.type,
                "balance": each.book.balance,
                "too_fast": self._limits.refused[each.id],
                "working": [asdict(order) for order in each.book.working.values()],
                "ended": [asdict(order) for order in each.book.ended],
                "positions": [asdict(holding) for holding in each.book.holdings.values()],
            }
            for each in self.desk.accounts.values()
        }


def operation_of(request: web.Request) -> str | None:
    """The name that faults know a request by; None for the operator's own."""
    return request.match_info.route.name


def _fields(body: bytes) -> entry.Body:
    try:
        value = codec.decode(body) if body else {}
    except codec.NotReadable:
        return {}
    return value if isinstance(value, dict) else {}
