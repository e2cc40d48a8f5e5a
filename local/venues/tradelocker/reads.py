"""The questions a client may ask about an account, instruments and prices."""

from __future__ import annotations

from aiohttp import web

from local.venues.admin import answer
from local.venues.tradelocker import bars, wire
from local.venues.tradelocker.answers import ok
from local.venues.tradelocker.config import MAX_BARS, MAX_HISTORY_ROWS, config
from local.venues.tradelocker.desk import INFO_ROUTE, Listing, VenueAccount
from local.venues.tradelocker.refusals import Refusal
from local.venues.tradelocker.rows import Rows


class Reads:
    """One method per GET."""

    def __init__(self, rows: Rows, limited: bool) -> None:
        self._rows, self._limited = rows, limited

    async def config(self, _: web.Request, __: VenueAccount) -> web.Response:
        return ok(config(self._rows.layout(), limited=self._limited))

    async def details(self, _: web.Request, account: VenueAccount) -> web.Response:
        return ok(wire.account_details(account))

    async def account_state(self, _: web.Request, account: VenueAccount) -> web.Response:
        return ok({"accountDetailsData": wire.account_state(account)})

    async def instruments(self, _: web.Request, account: VenueAccount) -> web.Response:
        return ok({"instruments": [wire.instrument(each) for each in account.listings.values()]})

    async def orders(self, request: web.Request, account: VenueAccount) -> web.Response:
        rows = self._rows.orders(request, account, account.lists.now().working)
        return ok({"orders": self._rows.cells(rows, "ordersConfig")})

    async def history(self, request: web.Request, account: VenueAccount) -> web.Response:
        rows = self._rows.orders(request, account, account.lists.now().ended)
        more = len(rows) > MAX_HISTORY_ROWS
        cells = self._rows.cells(rows[-MAX_HISTORY_ROWS:], "ordersHistoryConfig")
        return ok({"ordersHistory": cells, "hasMore": more})

    async def positions(self, _: web.Request, account: VenueAccount) -> web.Response:
        rows = [
            wire.position_row(each, account.by_name[each.contract.name], account.book.profit(each))
            for each in account.lists.now().holdings
        ]
        return ok({"positions": self._rows.cells(rows, "positionsConfig")})

    async def executions(self, _: web.Request, account: VenueAccount) -> web.Response:
        names = {
            each.id: each.contract.name for each in (*account.book.ended, *account.book.working.values())
        }
        rows = [
            wire.execution_row(each, account.by_name[names[each.order_id]]) for each in account.book.trades
        ]
        return ok({"executions": self._rows.cells(rows, "filledOrdersConfig")})

    async def instrument(self, request: web.Request, account: VenueAccount) -> web.Response:
        return ok(wire.instrument_details(_listing(account, request.match_info["instrument"])))

    async def trade_session(self, _: web.Request, __: VenueAccount) -> web.Response:
        return ok({"blockTrading": False, "holidays": []})

    async def status_of_session(self, _: web.Request, __: VenueAccount) -> web.Response:
        return ok({"allowedOperations": [1] * 3, "allowedOrderTypes": [1] * 6})

    async def quotes(self, request: web.Request, account: VenueAccount) -> web.Response:
        listing = _info(account, request)
        price = account.book.price_of(listing.contract)
        return ok({"ap": price.ask, "as": 1, "bp": price.bid, "bs": 1})

    async def depth(self, request: web.Request, account: VenueAccount) -> web.Response:
        price = account.book.price_of(_info(account, request).contract)
        return ok({"asks": [[price.ask, 1]], "bids": [[price.bid, 1]]})

    async def daily_bar(self, request: web.Request, account: VenueAccount) -> web.Response:
        found = bars.bar(_info(account, request).spec, 0)
        return ok({name: found[name] for name in "ohlcv"})

    async def bars(self, request: web.Request, account: VenueAccount) -> web.Response:
        query = request.query
        span = int(query["from"]), int(query["to"])
        found = bars.bars(_info(account, request).spec, query["resolution"], *span, MAX_BARS)
        if found is None:
            raise Refusal(f"More than {MAX_BARS} bars requested")
        return ok({"barDetails": found}) if found else answer({"s": "no_data", "d": {}})


def _listing(account: VenueAccount, identifier: str) -> Listing:
    found = account.listings.get(int(identifier))
    if found is None:
        raise Refusal("instrument")
    return found


def _info(account: VenueAccount, request: web.Request) -> Listing:
    """The instrument of a market data request, which has to name the INFO route that works."""
    if request.query.get("routeId") != str(INFO_ROUTE):
        raise Refusal("route")
    return _listing(account, request.query["tradableInstrumentId"])
