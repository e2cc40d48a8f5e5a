"""What a client may do to an account: the answer, or Refusal or Malformed raised with nothing done."""

from __future__ import annotations

from aiohttp import web

from local.venues.admin import Entry
from local.venues.faults import Faults, Kind
from local.venues.tradelocker import entry, wire
from local.venues.tradelocker.answers import done, ok
from local.venues.tradelocker.desk import VenueAccount
from local.venues.tradelocker.refusals import Refusal
from local.venues.tradelocker.rows import Rows, asked_for


class Writes:
    """One method per POST, PATCH and DELETE. `noted` is the request's line in the log."""

    def __init__(self, rows: Rows, faults: Faults) -> None:
        self._rows, self._faults = rows, faults

    async def place(self, _: web.Request, account: VenueAccount, noted: Entry) -> web.Response:
        order = entry.place(account, noted.body, self._faults)
        noted.order_id = order.id
        return ok({"orderId": order.id})

    async def modify(self, request: web.Request, account: VenueAccount, noted: Entry) -> web.Response:
        order = entry.modify_order(account, request.match_info["id"], noted.body)
        row = wire.order_row(order, account.by_name[order.contract.name])
        return ok({"orders": self._rows.cells([row], "ordersConfig")})

    async def cancel(self, request: web.Request, account: VenueAccount, _: Entry) -> web.Response:
        _cancel(account, request.match_info["id"])
        return done()

    async def cancel_all(self, request: web.Request, account: VenueAccount, _: Entry) -> web.Response:
        for order in list(account.book.working.values()):
            if order.role == "entry" and asked_for(request, account, order.contract.name):
                _cancel(account, order.id)
        return done()

    async def protect(self, request: web.Request, account: VenueAccount, noted: Entry) -> web.Response:
        if not self._faults.take("protect", Kind.DROP_BRACKET):
            entry.modify_position(account, request.match_info["id"], noted.body)
        return done()

    async def close(self, request: web.Request, account: VenueAccount, noted: Entry) -> web.Response:
        partial = self._faults.take("close", Kind.PARTIAL_FILL)
        order = entry.close_position(account, request.match_info["id"], noted.body, partial)
        noted.order_id = order.id
        return done()

    async def close_all(self, request: web.Request, account: VenueAccount, _: Entry) -> web.Response:
        tag = request.query.get("strategyId")
        for holding in list(account.book.holdings.values()):
            if asked_for(request, account, holding.contract.name) and tag in (None, holding.tag):
                entry.close_position(account, holding.id, {}, None)
        return done()


def _cancel(account: VenueAccount, order_id: str) -> None:
    if order_id not in account.book.working:
        raise Refusal("no_order", order_id=order_id)
    account.book.cancel(order_id)
