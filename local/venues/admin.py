"""The operator's side of a simulator: `/_sim/...` on its own server, for this machine only.

GET    /_sim/log                 every write received, oldest first: when it was read and what it did
GET    /_sim/faults              the faults in force
POST   /_sim/faults              add: {"kind", "value"?, "operation"?, "times"?, "rate"?} or a list of them
DELETE /_sim/faults              none any more
POST   /_sim/faults/release      whoever hangs now goes on at once
POST   /_sim/prices              {"symbol", "bid", "ask"?} sets and holds a price; {"symbol"} lets it walk
POST   /_sim/steps               {"count"}: the market moves so many times at once
GET    /_sim/state               positions, orders and history of every account, in the simulator's own words
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from aiohttp import web

from local.venues.faults import Fault, Faults, Handler, Kind
from local.venues.market import Market
from shared import codec

_LOOPBACK = frozenset({"127.0.0.1", "::1"})


@dataclass(slots=True)
class Entry:
    """One write that a simulator received. `applied`: it changed the book (None until that is known)."""

    at: datetime
    operation: str
    account: str
    tag: str
    body: Any
    applied: bool | None = None
    answer: str = ""
    order_id: str = ""


@dataclass(slots=True)
class Journal:
    """Every write request in the order in which it was read."""

    entries: list[Entry] = field(default_factory=list)

    def write(self, operation: str, account: str, tag: str, body: Any) -> Entry:
        """Note a write at the moment it was read."""
        entry = Entry(datetime.now(UTC), operation, account, tag, body)
        self.entries.append(entry)
        return entry


@dataclass(frozen=True, slots=True)
class Admin:
    """What the operator may look at and change."""

    faults: Faults
    market: Market
    journal: Journal
    state: Callable[[], Any]
    faults_changed: Callable[[], None]

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to a simulator's server."""
        return [
            web.get("/_sim/log", _local(self._log)),
            web.get("/_sim/faults", _local(self._list)),
            web.post("/_sim/faults", _local(self._add)),
            web.delete("/_sim/faults", _local(self._clear)),
            web.post("/_sim/faults/release", _local(self._release)),
            web.post("/_sim/prices", _local(self._price)),
            web.post("/_sim/steps", _local(self._steps)),
            web.get("/_sim/state", _local(self._state)),
        ]

    async def _log(self, _: web.Request) -> web.Response:
        return answer([asdict(entry) for entry in self.journal.entries])

    async def _list(self, _: web.Request) -> web.Response:
        return answer([asdict(fault) for fault in self.faults.active()])

    async def _add(self, request: web.Request) -> web.Response:
        body = codec.decode(await request.read())
        for item in body if isinstance(body, list) else [body]:
            self.faults.add(_fault(item))
        self.faults_changed()
        return answer({"ok": True})

    async def _clear(self, _: web.Request) -> web.Response:
        self.faults.clear()
        self.faults_changed()
        return answer({"ok": True})

    async def _release(self, _: web.Request) -> web.Response:
        self.faults.release()
        return answer({"ok": True})

    async def _price(self, request: web.Request) -> web.Response:
        body = codec.decode(await request.read())
        if "bid" not in body:
            self.market.release(body["symbol"])
            return answer({"ok": True})
        ask = body.get("ask")
        try:
            bid = Decimal(str(body["bid"]))
            self.market.set_price(body["symbol"], bid, None if ask is None else Decimal(str(ask)))
        except (KeyError, ValueError) as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        return answer({"ok": True})

    async def _steps(self, request: web.Request) -> web.Response:
        for _ in range(int(codec.decode(await request.read())["count"])):
            self.market.step()
        return answer({"ok": True})

    async def _state(self, _: web.Request) -> web.Response:
        return answer(self.state())


def answer(value: Any) -> web.Response:
    """A JSON answer, numbers exact."""
    return web.Response(body=codec.encode(value), content_type="application/json")


def _fault(item: Any) -> Fault:
    try:
        return Fault(
            Kind(item["kind"]),
            str(item.get("value", "")),
            item.get("operation"),
            item.get("times"),
            float(item.get("rate", 1)),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise web.HTTPBadRequest(text=f"no fault: {item!r}: {error}") from error


def _local(handler: Handler) -> Handler:
    async def guarded(request: web.Request) -> web.StreamResponse:
        if request.remote not in _LOOPBACK:
            raise web.HTTPForbidden(text="this machine only")
        return await handler(request)

    return guarded
