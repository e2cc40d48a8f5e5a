"""The provisioning API: which accounts a token has, their states, deploying and undeploying them."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from local.venues.admin import answer
from local.venues.faults import Faults, Kind
from local.venues.metatrader import wire
from local.venues.metatrader.answers import not_found, unauthorized
from local.venues.metatrader.desk import REGION, SERVER, Desk, VenueAccount
from local.venues.metatrader.fields import Body

MIN_TOKEN = 8


class Provisioning:
    """Knows who is asking, and what state an account is in. Any token of 8 characters and more is good."""

    def __init__(self, desk: Desk, faults: Faults) -> None:
        self._desk, self._faults = desk, faults

    def accounts_of(self, request: web.Request) -> list[VenueAccount] | None:
        """The accounts of the token; None when it is none."""
        token = request.headers.get("auth-token", "")
        good = len(token) >= MIN_TOKEN and token == token.strip()
        return self._desk.accounts_of(token) if good else None

    def connection(self, account: VenueAccount) -> str:
        """`connectionStatus` of an account."""
        fault = next((each for each in self._faults.active() if each.kind is Kind.NOT_CONNECTED), None)
        if account.state != "DEPLOYED":
            return "DISCONNECTED"
        return "CONNECTED" if fault is None else fault.value or "DISCONNECTED_FROM_BROKER"

    async def list(self, request: web.Request) -> web.Response:
        accounts = self.accounts_of(request)
        if accounts is None:
            return unauthorized()
        wanted = request.query.get("query", "")
        offset, limit = int(request.query.get("offset", 0)), int(request.query.get("limit", 1000))
        rows = [self._row(each) for each in accounts if wanted in (each.login, each.id, SERVER, "")]
        page = rows[offset : offset + limit]
        counted = request.headers.get("api-version") == "2"
        return answer({"count": len(rows), "items": page} if counted else page)

    async def one(self, request: web.Request) -> web.Response:
        account = self._own(request)
        return account if isinstance(account, web.Response) else answer(self._row(account))

    async def set_state(self, request: web.Request) -> web.Response:
        account = self._own(request)
        if isinstance(account, web.Response):
            return account
        wanted = "UNDEPLOYED" if request.match_info["verb"] == "undeploy" else "DEPLOYED"
        account.state = wanted
        return web.Response(status=204)

    async def regions(self, request: web.Request) -> web.Response:
        return unauthorized() if self.accounts_of(request) is None else answer([REGION])

    async def servers(self, request: web.Request) -> web.Response:
        """Search among the known trading servers."""
        if self.accounts_of(request) is None:
            return unauthorized()
        known = SERVER.casefold() in request.query.get("query", "").casefold()
        return answer({"Simulated Markets Ltd": [SERVER]} if known else {})

    def _own(self, request: web.Request) -> VenueAccount | web.Response:
        accounts = self.accounts_of(request)
        if accounts is None:
            return unauthorized()
        wanted = request.match_info["account"]
        found = next((each for each in accounts if each.id == wanted), None)
        if found is None:
            raise not_found(f"Trading account with id {wanted} not found")
        return found

    def _row(self, account: VenueAccount) -> Body:
        row: dict[str, Any] = wire.provisioned(account, self.connection(account))
        return row
