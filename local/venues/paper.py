"""A paper venue behind HTTP: the paper broker's own matching in a process of its own, with faults to order.

    python -m local.venues.paper --port N [--accounts N] [--balance N] [--faults "late=1@execute:0.1"]
    [--slippage TICKS] [--seed N]

For bench and chaos tests: no delay, no pacing. Every request is noted with the time it was received.

POST   /accounts/<id>/commands              a PaperCommand -> PaperAnswer; a repeated client order id: the
first one GET    /accounts/<id>/commands/<client id>  PaperAnswer with what became of it, 404 = never arrived
GET    /accounts/<id>                       PaperState
GET    /accounts/<id>/fills?since=<time>    fills, oldest first
GET    /log, DELETE /log                    every write received: {received_ns, account, client_order_id,
applied ...} POST   /faults, DELETE /faults              {"kind", "value"?, "operation"?, "times"?, "rate"?}
(local/venues/faults.py) POST   /faults/release                      whoever hangs now goes on at once
POST   /prices                              {"symbol", "price"}: meets every book
POST   /refuse                              {"seconds"}: connections are refused for so long

Operations of faults: execute, lookup, read. `refuse=<reason>`, `refuse_later` (there is no later: the same) and
`partial_fill=<share>` are of execute; `lag_lists=2@lookup` shows lookups what was known two seconds ago.
"""

from __future__ import annotations

import asyncio
import signal
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

import typer
import uvloop
from aiohttp import web
from msgspec.structs import replace

from local.venues.faults import Answers, Fault, Faults, Kind, edge_rate_limit, middleware, parse_faults
from shared import clock, codec
from shared.brokers.paper import matching
from shared.brokers.paper.book import PaperAnswer, PaperCommand, PaperState, PaperTerms
from shared.brokers.paper.wire import fills_of, seen_since
from shared.models.enums import MarginMode, OrderStatus
from shared.models.outcome import Rejected
from shared.models.reasons import Reason
from shared.models.trading import Fill
from workers import collector


@dataclass(slots=True)
class Written:
    """One write request, at the moment it was received. `applied`: it changed the book, this time."""

    received_ns: int
    account: str
    client_order_id: str
    kind: str
    applied: bool = False
    answer: str = ""


@dataclass(slots=True)
class Account:
    """A book, what it answered to each client order id and when, and its executions."""

    state: PaperState
    answers: dict[str, tuple[datetime, PaperAnswer]] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)

    def execute(self, command: PaperCommand) -> tuple[PaperAnswer, bool]:
        """The answer, and whether the command was done now (False: it was answered before)."""
        if (first := self.answers.get(command.client_order_id)) is not None:
            return first[1], False
        now = clock.now()
        self.state, answer = matching.apply(self.state, command, now)
        self.answers[command.client_order_id] = (now, answer)
        self.fills += fills_of(answer)
        return answer, True

    def see(self, symbol: str, price: Decimal) -> None:
        """A new price. Books in which nothing waits for one are not opened: of thousands only the price changes."""
        if matching.waits(self.state, symbol):
            self.state, answer = matching.meet_price(self.state, symbol, price, clock.now())
            self.fills += fills_of(answer)
        elif price <= 0:
            raise ValueError("a price is above 0")
        else:
            self.state = replace(self.state, prices={**self.state.prices, symbol: price})

    def fill_partly(self, command: PaperCommand, share: Decimal) -> tuple[PaperAnswer, bool]:
        """A share of it is filled, and the rest is canceled: the market has no more."""
        part = None if command.qty is None else command.qty * share
        answer, applied = self.execute(replace(command, qty=part))
        if answer.accepted is not None and applied:
            answer = PaperAnswer(replace(answer.accepted, status=OrderStatus.CANCELED))
            self.answers[command.client_order_id] = (clock.now(), answer)
        return answer, applied

    def refuse(self, command: PaperCommand, reason: Reason) -> PaperAnswer:
        """Turned down, and so it stays."""
        answer = PaperAnswer(rejected=Rejected(reason, f"the venue was told to refuse: {reason.value}"))
        return self.answers.setdefault(command.client_order_id, (clock.now(), answer))[1]

    def lookup(self, client_order_id: str, lag: timedelta) -> PaperAnswer | None:
        """What became of a command, as far as lists that lag behind show it."""
        found = self.answers.get(client_order_id)
        if found is None or found[0] > clock.now() - lag:
            return None
        accepted = found[1].accepted
        return (
            found[1]
            if accepted is None
            else seen_since(accepted, client_order_id, tuple(self.fills), self.state)
        )


class Venue:
    """All accounts, made when they are first named, at most `limit` of them."""

    def __init__(
        self, limit: int, balance: Decimal, faults: Faults, slippage_ticks: Decimal = Decimal(0)
    ) -> None:
        self._limit = limit
        self._balance = balance
        self._slippage_ticks = slippage_ticks
        self.faults = faults
        self.accounts: dict[str, Account] = {}
        self.log: list[Written] = []

    def account(self, request: web.Request) -> Account:
        """The account of a request, opened with the terms that come with it."""
        name = request.match_info["account"]
        found = self.accounts.get(name)
        if found is None:
            if len(self.accounts) >= self._limit:
                raise web.HTTPNotFound(text="no such account")
            terms = request.query
            state = PaperState(
                self._balance,
                terms.get("currency", "USD"),
                terms.get("margin_mode") == MarginMode.HEDGING,
                terms=PaperTerms(slippage_ticks=self._slippage_ticks),
            )
            found = self.accounts[name] = Account(state)
        return found

    def routes(self) -> list[web.RouteDef]:
        """Everything the venue answers."""
        return [
            web.post("/accounts/{account}/commands", self._execute, name="execute"),
            web.get("/accounts/{account}/commands/{client_order_id}", self._lookup, name="lookup"),
            web.get("/accounts/{account}/fills", self._fills, name="fills"),
            web.get("/accounts/{account}", self._state, name="state"),
            web.get("/log", self._log),
            web.delete("/log", self._forget),
            web.post("/faults", self._add_fault),
            web.delete("/faults", self._clear_faults),
            web.post("/faults/release", self._release),
            web.post("/prices", self._price),
        ]

    async def _execute(self, request: web.Request) -> web.Response:
        written: Written = request["written"]
        command: PaperCommand = request["command"]
        fault = self.faults.take("execute", Kind.REFUSE, Kind.REFUSE_LATER, Kind.PARTIAL_FILL)
        account = self.account(request)
        if fault is None:
            answer, written.applied = account.execute(command)
        elif fault.kind is Kind.PARTIAL_FILL:
            answer, written.applied = account.fill_partly(command, fault.number)
        else:
            answer = account.refuse(command, Reason(fault.value or Reason.INSUFFICIENT_MARGIN))
        written.answer = "accepted" if answer.accepted else "rejected"
        return _json(answer)

    async def _lookup(self, request: web.Request) -> web.Response:
        fault = self.faults.take("lookup", Kind.LAG_LISTS)
        lag = timedelta(seconds=fault.seconds if fault else 0)
        answer = self.account(request).lookup(request.match_info["client_order_id"], lag)
        return web.Response(status=404) if answer is None else _json(answer)

    async def _state(self, request: web.Request) -> web.Response:
        return _json(self.account(request).state)

    async def _fills(self, request: web.Request) -> web.Response:
        since = datetime.fromisoformat(request.query["since"])
        return _json([fill for fill in self.account(request).fills if fill.at >= since])

    async def _log(self, _: web.Request) -> web.Response:
        return _json(self.log)

    async def _forget(self, _: web.Request) -> web.Response:
        self.log.clear()
        return web.Response()

    async def _add_fault(self, request: web.Request) -> web.Response:
        given = codec.decode(await request.read())
        for each in given if isinstance(given, list) else [given]:
            self.faults.add(codec.convert(Fault, each))
        return web.Response()

    async def _clear_faults(self, _: web.Request) -> web.Response:
        self.faults.clear()
        return web.Response()

    async def _release(self, _: web.Request) -> web.Response:
        self.faults.release()
        return web.Response()

    async def _price(self, request: web.Request) -> web.Response:
        body = codec.decode(await request.read())
        price = Decimal(str(body["price"]))
        for account in self.accounts.values():
            account.see(body["symbol"], price)
        return web.Response()

    @web.middleware
    async def note(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Outermost: the moment of receipt, before any fault strikes."""
        if request.method == "POST" and "account" in request.match_info:
            received_ns = time.time_ns()
            command = codec.decode_as(PaperCommand, await request.read())
            written = Written(
                received_ns, request.match_info["account"], command.client_order_id, command.kind.value
            )
            request["written"], request["command"] = written, command
            self.log.append(written)
        answer: web.StreamResponse = await handler(request)
        return answer


def _json(value: Any) -> web.Response:
    return web.Response(body=codec.encode(value), content_type="application/json")


def _operation(request: web.Request) -> str | None:
    name = request.match_info.route.name
    return "read" if name in ("state", "fills") else name


_ANSWERS = Answers(
    rate_limited=edge_rate_limit,
    expired_token=lambda: web.Response(status=401),
    server_error=lambda: web.Response(status=500),
)


class Server:
    """The venue on a loopback port; it can refuse connections for a while."""

    def __init__(self, venue: Venue, port: int) -> None:
        self._port = port
        application = web.Application(
            middlewares=[venue.note, middleware(venue.faults, _operation, _ANSWERS)]
        )
        application.add_routes([*venue.routes(), web.post("/refuse", self._refuse)])
        # Whoever still waits for an answer that hangs is cut, not waited for.
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
        self._later: asyncio.Task[None] | None = None

    async def start(self) -> str:
        """Listen; the address."""
        await self._runner.setup()
        await self._listen()
        return f"http://127.0.0.1:{self._port}"

    async def stop(self) -> None:
        """Stop listening and cut every connection."""
        await self._runner.cleanup()

    async def _listen(self) -> web.TCPSite:
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True, backlog=1024)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return site

    async def _refuse(self, request: web.Request) -> web.Response:
        seconds = float(codec.decode(await request.read())["seconds"])
        self._later = asyncio.create_task(self._close_for(seconds))
        return web.Response()

    async def _close_for(self, seconds: float) -> None:
        for site in list(self._runner.sites):
            await site.stop()
        assert self._runner.server is not None
        for connection in list(self._runner.server.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.sleep(seconds)
        await self._listen()


def main(
    port: Annotated[int, typer.Option(help="Loopback port; 0 = a free one.")] = 0,
    accounts: Annotated[int, typer.Option(help="Accounts that may be opened.")] = 10_000,
    balance: Annotated[int, typer.Option(help="Money of a new account.")] = 1_000_000,
    faults: Annotated[str, typer.Option(help="kind[=value][@operation][:rate|xTIMES], ...")] = "",
    slippage: Annotated[int, typer.Option(help="Ticks by which market and stop orders fill worse.")] = 0,
    seed: Annotated[int, typer.Option(help="Of the dice that faults with a rate throw.")] = 1,
) -> None:
    """Serve until SIGTERM. Prints `ready <url>`."""
    venue = Venue(accounts, Decimal(balance), Faults(parse_faults(faults), seed), Decimal(slippage))
    uvloop.run(_serve(Server(venue, port)))


async def _serve(server: Server) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    address = await server.start()
    collector.calm()
    print(f"ready {address}", flush=True)
    await stop.wait()
    await server.stop()


if __name__ == "__main__":
    typer.run(main)
