"""The questions a client may ask about an account, its symbols and its history."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from aiohttp import web

from local.venues.admin import answer
from local.venues.faults import Faults, Kind
from local.venues.metatrader import wire
from local.venues.metatrader.answers import moment, not_found
from local.venues.metatrader.desk import Listing, VenueAccount
from local.venues.trading import Order, Role, State, Trade
from shared import clock

MAX_ROWS = 1000


class Reads:
    """One method per GET of the client API."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    async def information(self, _: web.Request, account: VenueAccount) -> web.Response:
        return answer(wire.information(account))

    async def positions(self, _: web.Request, account: VenueAccount) -> web.Response:
        return answer(_positions(account))

    async def position(self, request: web.Request, account: VenueAccount) -> web.Response:
        return answer(_one(_positions(account), request.match_info["id"], "Position"))

    async def orders(self, _: web.Request, account: VenueAccount) -> web.Response:
        return answer(_orders(account))

    async def order(self, request: web.Request, account: VenueAccount) -> web.Response:
        return answer(_one(_orders(account), request.match_info["id"], "Order"))

    async def history_orders(self, request: web.Request, account: VenueAccount) -> web.Response:
        ended = account.lists.now().ended
        rows = [each for each in ended if _is_shown(account, each) and _asked(request, each)]
        return self._history("historyOrders", _paged(request, [wire.order(account, each) for each in rows]))

    async def history_deals(self, request: web.Request, account: VenueAccount) -> web.Response:
        trades = [each for each in account.lists.now().trades if _asked_deal(request, each)]
        return self._history("historyDeals", _paged(request, wire.deals(account, trades)))

    async def symbols(self, _: web.Request, account: VenueAccount) -> web.Response:
        return answer(list(account.listings))

    async def specification(self, request: web.Request, account: VenueAccount) -> web.Response:
        return answer(wire.specification(_listing(request, account)))

    async def price(self, request: web.Request, account: VenueAccount) -> web.Response:
        return answer(wire.price(account, _listing(request, account)))

    async def server_time(self, _: web.Request, __: VenueAccount) -> web.Response:
        now = moment(clock.now())
        return answer({"time": now, "brokerTime": now[:-1].replace("T", " "), "lastQuoteTime": now})

    def _history(self, name: str, rows: list[Any]) -> web.Response:
        active = self._faults.active()
        fault = next((each for each in active if each.kind is Kind.INCOMPLETE_HISTORY), None)
        if fault is None:
            return answer(rows)
        whole = fault.value == "wrapped"
        if not whole:
            self._faults.take("history", Kind.INCOMPLETE_HISTORY)
        return answer({name: rows if whole else [], "synchronizing": not whole})


def _positions(account: VenueAccount) -> list[wire.Json]:
    seen = account.lists.now()
    working = {each.id: each for each in seen.working}
    return [wire.position(account, each, working) for each in seen.holdings]


def _orders(account: VenueAccount) -> list[wire.Json]:
    """Stops and targets of positions are no orders here."""
    return [wire.order(account, each) for each in account.lists.now().working if each.role is Role.ENTRY]


def _one(rows: Iterable[wire.Json], own: str, what: str) -> wire.Json:
    found = next((each for each in rows if each["id"] == own), None)
    if found is None:
        raise not_found(f"{what} with id {own} not found")
    return found


def _is_shown(account: VenueAccount, order: Order) -> bool:
    """What protected a position and never fired was no order; MetaTrader 4 has one order for all of a position."""
    if account.kind.version == 4:
        return order.role is Role.ENTRY
    return order.role in (Role.ENTRY, Role.CLOSE) or order.state is State.FILLED


def _asked(request: web.Request, order: Order) -> bool:
    where = request.match_info
    if "ticket" in where:
        return order.id == where["ticket"]
    if "position" in where:
        return order.position_id == where["position"]
    return _within(request, order.modified)


def _asked_deal(request: web.Request, trade: Trade) -> bool:
    where = request.match_info
    if "ticket" in where:
        return where["ticket"] in (trade.id, trade.order_id)
    if "position" in where:
        return trade.position_id == where["position"]
    return _within(request, trade.at)


def _within(request: web.Request, at: datetime) -> bool:
    """From the start time on, before the end time."""
    span = [datetime.fromisoformat(request.match_info[name]) for name in ("start", "end")]
    return span[0] <= at < span[1]


def _paged(request: web.Request, rows: Sequence[Any]) -> list[Any]:
    offset = int(request.query.get("offset", 0))
    limit = min(int(request.query.get("limit", MAX_ROWS)), MAX_ROWS)
    return list(rows[offset : offset + limit])


def _listing(request: web.Request, account: VenueAccount) -> Listing:
    found = account.listings.get(request.match_info["symbol"])
    if found is None:
        raise not_found(f"Symbol {request.match_info['symbol']} not found")
    return found
