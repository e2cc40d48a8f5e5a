"""What a client may ask: accounts, contracts, bars, orders, positions, half-turns."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from aiohttp import web

from local.venues.faults import Faults, Kind
from local.venues.topstepx import bars, wire
from local.venues.topstepx.answers import ok, problem
from local.venues.topstepx.body import Body
from local.venues.topstepx.book import Order
from local.venues.topstepx.contracts import Listing
from local.venues.topstepx.desk import Desk, VenueAccount
from local.venues.topstepx.refusals import Refusal
from local.venues.topstepx.words import Status

MAX_PAGE = 1000


class BadQuery(Exception):
    """v2/query answers a bad filter with 400."""


class Reads:
    """One method per question. Raises Refusal, Malformed or BadQuery."""

    def __init__(self, desk: Desk, faults: Faults) -> None:
        self._desk, self._faults = desk, faults

    def accounts(self, user: str, body: Body) -> web.Response:
        only_active = body.flag("onlyActiveAccounts")
        found = [each for each in self._desk.accounts_of(user) if each.can_trade or not only_active]
        return ok(accounts=self._rows(wire.account_row(each) for each in found))

    def available(self, _: str, body: Body) -> web.Response:
        return self._contracts(body, self._desk.contracts.active())

    def search(self, _: str, body: Body) -> web.Response:
        return self._contracts(body, self._desk.contracts.search(body.text_or_none("searchText") or ""))

    def by_id(self, _: str, body: Body) -> web.Response:
        return ok(contract=self._contract(self._listing(body)))

    def bars(self, _: str, body: Body) -> web.Response:
        listing, step = self._listing(body), body.integer("unitNumber")
        unit = bars.UNITS_S.get(body.integer("unit"))
        start, end = body.moment_or_none("startTime"), body.moment_or_none("endTime")
        if body.flag("live") or start is None or end is None or unit is None:
            return ok(bars=[])  # no entitlement, or the names of the other endpoints: nothing, and no error
        last = self._desk.market.price(listing.id).bid
        span = start, end, unit * step, body.integer("limit")
        return ok(bars=bars.bars(listing, last, *span, partial=body.flag("includePartialBar")))

    def orders(self, account: VenueAccount, body: Body) -> web.Response:
        """Every status but suspended."""
        return ok(orders=self._orders(account, self._between(account, body)))

    def open_orders(self, account: VenueAccount, _: Body) -> web.Response:
        """Open ones only: the suspended children are not among them."""
        found = [each for each in account.lists.now().orders if each.status is Status.OPEN]
        return ok(orders=self._orders(account, found))

    def order(self, account: VenueAccount, body: Body) -> web.Response:
        wanted = body.integer("orderId")
        found = next((each for each in account.lists.now().orders if each.id == wanted), None)
        if found is None:
            raise Refusal("order")
        return ok(order=self._rows([wire.order_row(found, account.id)])[0])

    def query(self, account: VenueAccount, body: Body) -> web.Response:
        """v2/query: the only place that shows suspended orders, page by page."""
        wanted = _filtered(account.lists.now().orders, body.part("filter") or Body(b""))
        size, offset = body.integer_or_none("pageSize") or 50, body.integer_or_none("pageOffset") or 0
        if not 0 < size <= MAX_PAGE or offset < 0:
            raise BadQuery("pageSize is out of range")
        by_id = body.integer_or_none("sortBy") == 1
        wanted.sort(key=lambda each: each.id if by_id else each.created.timestamp())
        if body.integer_or_none("sortDirection") == 1:
            wanted.reverse()
        page = wanted[offset * size : (offset + 1) * size]
        count = {"totalCount": len(wanted)} if body.fields.get("includeTotalCount") else {}
        return ok(orders=self._orders(account, page), **count)

    def positions(self, account: VenueAccount, _: Body) -> web.Response:
        found = account.lists.now().positions
        return ok(positions=self._rows(wire.position_row(each, account.id) for each in found))

    def trades(self, account: VenueAccount, body: Body) -> web.Response:
        start, end = _span(body)
        found = [each for each in account.lists.now().trades if _within(each.at, start, end)]
        return ok(trades=self._rows(wire.trade_row(each, account.id) for each in reversed(found)))

    def _contracts(self, body: Body, found: list[Listing]) -> web.Response:
        """`live` asks for contracts with live market data, which these accounts do not have."""
        return ok(contracts=[] if body.flag("live") else [self._contract(each) for each in found])

    def _contract(self, listing: Listing) -> wire.Row:
        return wire.contract_row(listing, active=self._desk.contracts.is_active(listing))

    def _listing(self, body: Body) -> Listing:
        listing = self._desk.contracts.by_id.get(body.text("contractId"))
        if listing is None:
            raise Refusal("contract")
        return listing

    def _between(self, account: VenueAccount, body: Body) -> list[Order]:
        start, end = _span(body)
        seen = account.lists.now().orders
        return [e for e in seen if e.status is not Status.SUSPENDED and _within(e.created, start, end)]

    def _orders(self, account: VenueAccount, found: Iterable[Order]) -> list[wire.Row]:
        return self._rows(wire.order_row(each, account.id) for each in found)

    def _rows(self, rows: Iterable[wire.Row]) -> list[wire.Row]:
        """As documented, or as a fault has them."""
        if any(each.kind is Kind.REORDER_COLUMNS for each in self._faults.active()):
            return [wire.without_nulls(each) for each in rows]
        return list(rows)


def _span(body: Body) -> tuple[datetime | None, datetime | None]:
    """The right pair of names; without a start there is nothing."""
    return body.moment_or_none("startTimestamp"), body.moment_or_none("endTimestamp")


def _within(at: datetime, start: datetime | None, end: datetime | None) -> bool:
    return start is not None and start <= at and (end is None or at <= end)


def _filtered(orders: Iterable[Order], wanted: Body) -> list[Order]:
    statuses: Any = wanted.fields.get("statuses")
    if statuses is not None and not (
        isinstance(statuses, list) and all(isinstance(e, int) for e in statuses)
    ):
        raise BadQuery("statuses is not a list of numbers")
    contract = wanted.text_or_none("contractId")
    after, before = wanted.moment_or_none("createdAfter"), wanted.moment_or_none("createdBefore")
    return [
        each
        for each in orders
        if (not statuses or int(each.status) in statuses)
        and contract in (None, each.listing.id)
        and (after is None or each.created >= after)
        and (before is None or each.created <= before)
    ]


def bad_query(error: BadQuery) -> web.Response:
    """How v2/query says that it was asked wrongly."""
    return problem(400, "One or more validation errors occurred.", str(error))
