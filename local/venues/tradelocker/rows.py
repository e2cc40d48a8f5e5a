"""Rows of the lists, in the columns that are in force and as far as they were asked for."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from local.venues.faults import Faults, Kind
from local.venues.tradelocker import wire
from local.venues.tradelocker.config import Layout
from local.venues.tradelocker.desk import VenueAccount
from local.venues.trading import Order


class Rows:
    """Writes rows; a fault may have reordered the columns."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def orders(self, request: web.Request, account: VenueAccount, orders: Iterable[Order]) -> list[wire.Row]:
        since, until = int(request.query.get("from", 0)), int(request.query.get("to", 2**62))
        return [
            wire.order_row(each, account.by_name[each.contract.name])
            for each in orders
            if since <= each.created.timestamp() * 1000 <= until
            and asked_for(request, account, each.contract.name)
        ]

    def cells(self, rows: list[wire.Row], table: str) -> list[list[str | None]]:
        return wire.cells(rows, self.layout().columns(table))

    def layout(self) -> Layout:
        """The columns in force."""
        found = next((each for each in self._faults.active() if each.kind is Kind.REORDER_COLUMNS), None)
        return Layout() if found is None else Layout(True, found.value == "without_tag")


def asked_for(request: web.Request, account: VenueAccount, name: str) -> bool:
    """Whether the request's filter lets an instrument of the account through."""
    wanted = request.query.get("tradableInstrumentId")
    return wanted is None or account.by_name[name].id == int(wanted)
