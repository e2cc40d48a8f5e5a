"""The HTTP server: routes, and what every request goes through. `Venue` is one running simulator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from aiohttp import web

from local.venues.admin import Admin, Entry, Journal, answer
from local.venues.faults import Answers, Faults, Kind, middleware
from local.venues.market import Market
from local.venues.topstepx.answers import ok, problem, refused, server_error, too_many, unauthorized
from local.venues.topstepx.body import Body, Malformed
from local.venues.topstepx.contracts import Catalogue
from local.venues.topstepx.desk import SETTINGS, Desk, VenueAccount
from local.venues.topstepx.entry import Entry as Orders
from local.venues.topstepx.hubs import Hubs
from local.venues.topstepx.limits import RateLimits
from local.venues.topstepx.reads import BadQuery, Reads, bad_query
from local.venues.topstepx.refusals import Refusal, said
from local.venues.topstepx.tokens import Tokens
from shared import codec

OPERATIONS = {
    "/api/auth/loginkey": "login",
    "/api/auth/validate": "validate",
    "/api/auth/logout": "logout",
    "/api/account/search": "accounts",
    "/api/contract/search": "contract_search",
    "/api/contract/searchbyid": "contract_by_id",
    "/api/contract/available": "contracts",
    "/api/history/retrievebars": "bars",
    "/api/order/place": "place",
    "/api/order/modify": "modify",
    "/api/order/cancel": "cancel",
    "/api/order/search": "orders",
    "/api/order/searchopen": "open_orders",
    "/api/order/searchbyid": "order",
    "/api/order/v2/query": "query",
    "/api/position/searchopen": "positions",
    "/api/position/closecontract": "close",
    "/api/position/partialclosecontract": "partial_close",
    "/api/trade/search": "trades",
}
"""Path in small letters (the gateway does not care) -> the name that faults know it by."""
MIN_KEY = 10
UserHandler = Callable[[str, Body], web.Response]
AccountHandler = Callable[[VenueAccount, Body], web.Response]


class Venue:
    """A simulated gateway: `app()` is its server. `limited` False switches the rate limits off."""

    def __init__(
        self, market: Market, contracts: Catalogue, faults: Faults, *, seed: int, accounts: int, limited: bool
    ) -> None:
        self.market, self.faults = market, faults
        self.desk = Desk(market, contracts, seed=seed, accounts=accounts)
        self.journal = Journal()
        self._tokens = Tokens()
        self._limits = RateLimits(limited)
        self._entry = Orders(contracts, faults)
        self._hubs = Hubs(self.desk, contracts, self._tokens)
        reads = Reads(self.desk, faults)
        self._of_users: dict[str, UserHandler] = {
            "accounts": reads.accounts,
            "contract_search": reads.search,
            "contract_by_id": reads.by_id,
            "contracts": reads.available,
            "bars": reads.bars,
        }
        self._of_accounts: dict[str, AccountHandler] = {
            "orders": reads.orders,
            "open_orders": reads.open_orders,
            "order": reads.order,
            "query": reads.query,
            "positions": reads.positions,
            "trades": reads.trades,
        }
        market.listen(self.desk.on_price)

    def app(self) -> web.Application:
        """The server's application."""
        answers = Answers(too_many, unauthorized, server_error)
        app = web.Application(middlewares=[middleware(self.faults, operation_of, answers)])
        admin = Admin(self.faults, self.market, self.journal, self._state, self._faults_changed)
        own = (("revoke", self._revoke), ("accounts", self._configure), ("roll", self._roll))
        app.add_routes(
            [
                *admin.routes(),
                *(web.post(f"/_sim/{path}", handler) for path, handler in own),
                *self._hubs.routes(),
                web.get("/_sim/contracts", self._active),
                web.get("/{path:(?i:api/status/ping)}", self._ping),
                web.post("/{path:.*}", self._answer),
            ]
        )
        self._faults_changed()
        return app

    async def _ping(self, _: web.Request) -> web.Response:
        return answer("pong")

    async def _answer(self, request: web.Request) -> web.Response:
        operation = operation_of(request)
        if operation is None:
            return web.Response(status=404)
        try:
            return await self._done(operation, request)
        except Malformed as error:
            return problem(400, "One or more validation errors occurred.", str(error))
        except BadQuery as error:
            return bad_query(error)

    async def _done(self, operation: str, request: web.Request) -> web.Response:
        content = await request.read()
        if operation == "login":
            return self._login(Body(content))
        user = self._user(request)
        if user is None:
            return unauthorized()
        if not self._limits.allow(user, operation):
            return too_many()
        if operation in ("validate", "logout"):
            return self._renewed(user) if operation == "validate" else ok()
        body = Body(content)
        try:
            if operation in self._of_users:
                return self._of_users[operation](user, body)
            account = self._account(user, body, operation)
            if operation in self._of_accounts:
                return self._of_accounts[operation](account, body)
        except Refusal as no:
            code, text = said(operation, no)
            return refused(code, text)
        return self._write(operation, account, body)

    def _login(self, body: Body) -> web.Response:
        """Any user is let in with a key of 10 characters and more; letter case of the name does not count."""
        user, key = body.text("userName"), body.text("apiKey")
        fault = self.faults.take("login", Kind.REFUSE)
        word = fault.value if fault else "credentials"
        if fault is not None or not user.strip() or len(key) < MIN_KEY:
            code, text = said("login", Refusal(word))
            return refused(code, text, token=None)
        if not self._limits.allow(user.casefold(), "login"):
            return too_many()
        self.desk.accounts_of(user)
        return ok(token=self._tokens.issue(user.casefold()))

    def _renewed(self, user: str) -> web.Response:
        fault = self.faults.take("validate", Kind.REFUSE)
        if fault is not None:
            code, text = said("validate", Refusal(fault.value))
            return refused(code, text, newToken=None)
        return ok(newToken=self._tokens.issue(user))

    def _write(self, operation: str, account: VenueAccount, body: Body) -> web.Response:
        tag = body.fields.get("customTag") or ""
        noted = self.journal.write(operation, str(account.id), str(tag), body.fields)
        try:
            payload = self._written(operation, account, body, noted)
        except Refusal as no:
            code, text = said(operation, no)
            noted.applied, noted.answer = False, f"{code} {text or ''}".strip()
            return refused(code, text, **_order_id(operation, no.order_id))
        except Malformed:
            noted.applied, noted.answer = False, "malformed"
            raise
        noted.applied = True
        return ok(**payload)

    def _written(self, operation: str, account: VenueAccount, body: Body, noted: Entry) -> dict[str, Any]:
        if operation == "place":
            order = self._entry.place(account, body)
            noted.order_id = str(order.id)
            return {"orderId": order.id}
        if operation == "cancel":
            self._entry.cancel(account, body)
        elif operation == "modify":
            self._entry.modify(account, body)
        else:
            noted.order_id = str(self._entry.close(account, body, operation).id)
        return {}

    def _user(self, request: web.Request) -> str | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return self._tokens.user_of(token) if scheme == "Bearer" else None

    def _account(self, user: str, body: Body, operation: str) -> VenueAccount:
        part = body.part("filter") if operation == "query" else body
        wanted = (part or Body(b"")).integer("accountId")
        found = next((each for each in self.desk.accounts_of(user) if each.id == wanted), None)
        if found is None:
            raise Refusal("account")
        return found

    # The operator's own.

    async def _revoke(self, _: web.Request) -> web.Response:
        self._tokens.revoke()
        return answer({"ok": True})

    async def _configure(self, request: web.Request) -> web.Response:
        """`{"id", ...}`: any of `SETTINGS` of an account."""
        wanted = codec.decode(await request.read())
        account = self.desk.accounts[int(wanted.pop("id"))]
        if not wanted.keys() <= set(SETTINGS):
            raise web.HTTPBadRequest(text=f"one of {', '.join(SETTINGS)}")
        for name, value in wanted.items():
            setattr(account, name, value)
        return answer({"ok": True})

    async def _active(self, _: web.Request) -> web.Response:
        """The active contract of each root."""
        return answer({each.product.root: each.id for each in self.desk.contracts.active()})

    async def _roll(self, request: web.Request) -> web.Response:
        """`{"root"}`: the next month becomes the active one."""
        return answer({"active": self.desk.contracts.roll(codec.decode(await request.read())["root"]).id})

    def _faults_changed(self) -> None:
        lags = [each.seconds for each in self.faults.active() if each.kind is Kind.LAG_LISTS]
        self.desk.lag(lags[-1] if lags else 0.0)

    def _state(self) -> Any:
        return {
            str(each.id): {
                "name": each.name,
                "user": each.user,
                "balance": each.book.balance,
                "orders": [
                    {**asdict(order), "listing": order.listing.id} for order in each.book.orders.values()
                ],
                "positions": [
                    {**asdict(position), "listing": position.listing.id}
                    for position in each.book.positions.values()
                ],
            }
            for each in self.desk.accounts.values()
        }


def operation_of(request: web.Request) -> str | None:
    """The name that faults know a request by; None for the operator's own and for what is not there."""
    return OPERATIONS.get(request.path.lower())


def _order_id(operation: str, order_id: int | None) -> dict[str, int | None]:
    return {"orderId": order_id} if operation == "place" else {}
