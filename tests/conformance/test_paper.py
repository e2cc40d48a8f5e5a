"""The paper broker against the contract of all brokers: its book behind HTTP, and its book in our own database."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import asyncpg
import httpx
import pytest
from msgspec.structs import replace

from shared import clock, codec
from shared.brokers.paper.book import PaperCommand
from shared.brokers.paper.broker import PaperBroker
from shared.brokers.paper.http_book import HttpBook
from shared.brokers.paper.postgres_book import PostgresBook
from shared.brokers.port import Broker
from shared.brokers.transport import Http, open_http
from shared.models.enums import CommandKind, MarginMode
from shared.models.trading import Account
from shared.store.postgres import PostgresStore
from tests.conformance.broker_contract import BrokerContract
from tests.conformance.contract_doubts import Doubts
from tests.conformance.contract_trading import Trading
from tests.conformance.harness import PATIENT_S
from tests.conformance.test_tradelocker import account as an_account
from tests.support.clusters import PATIENCE_S, Database
from tests.support.trading import new_trader, venue
from tests.support.wire import Wire

NEVER_HERE = {
    "drop_bracket": "stop and target are part of the position, written with it",
    "strip_comment": "our id is the key that answers are kept under",
    "duplicate_tag": "a repeated id gets the first answer, whoever repeats it",
    "lag_lists": "a lookup reads what executes",
    "late_fill": "a market order is filled in the answer",
    "expired_token": "nobody logs in",
}
"""Faults that a book of ours cannot have, and why (README.md of the adapter says so): asked for, nothing happens, and
what the contract demands under them holds all the same."""
SYMBOL, PRICE, QTY = "OANDA:EURUSD", Decimal("1.09500"), Decimal("0.10")


def account(number: str, mode: MarginMode) -> Account:
    """A paper account as a worker has it."""
    return replace(an_account(number), id=number, margin_mode=mode)


class Client:
    """What is the same of both books: one price for buyers and sellers."""

    symbol, bid, ask, qty = SYMBOL, PRICE, PRICE, QTY


@dataclass
class HttpVenue(Client):
    """An account at the paper venue behind HTTP."""

    simulator: Simulator
    mode: MarginMode
    number: str = field(default_factory=lambda: str(uuid.uuid4()))
    opened: list[Http] = field(default_factory=list)
    answer_s: float = PATIENT_S

    async def connect(self) -> Broker:
        broker = self._broker(self.simulator.url, self.number)
        if len(self.opened) == 1:
            await (
                broker.snapshot()
            )  # the account is there from the first question on, and prices can reach it
            self.price(self.bid, self.ask)
        return broker

    async def connect_elsewhere(self) -> Broker:
        with venue("--accounts", "0") as (url, _):
            broker = self._broker(url, self.number)
            await broker.snapshot()
            return broker

    def fault(self, kind: str, operation: str, *, value: str = "", times: int | None = 1) -> None:
        if kind in NEVER_HERE:
            return
        name = "read" if operation == "reads" else "execute"
        self._post("faults", {"kind": kind, "value": value, "operation": name, "times": times})

    def clear(self) -> None:
        httpx.delete(f"{self.simulator.url}/faults", trust_env=False, timeout=PATIENCE_S).raise_for_status()

    def price(self, bid: Decimal, ask: Decimal) -> None:
        self._post("prices", {"symbol": "EURUSD", "price": bid})

    def orders_made(self) -> int:
        log = httpx.get(f"{self.simulator.url}/log", trust_env=False, timeout=PATIENCE_S).json()
        mine = [each for each in log if each["account"] == self.number and each["kind"] == "place"]
        return sum(1 for each in mine if each["applied"] and each["answer"] == "accepted")

    def net(self) -> Decimal:
        address = f"{self.simulator.url}/accounts/{self.number}"
        return net(codec.decode(httpx.get(address, trust_env=False, timeout=PATIENCE_S).content)["positions"])

    def down(self) -> None:
        self.simulator.stop()

    def _broker(self, url: str, number: str) -> PaperBroker:
        self.opened.append(open_http(url, self.answer_s))
        mine = account(number, self.mode)
        return PaperBroker(mine, HttpBook(self.opened[-1], mine))

    def _post(self, path: str, body: Any) -> None:
        address = f"{self.simulator.url}/{path}"
        httpx.post(
            address, content=codec.encode(body), trust_env=False, timeout=PATIENCE_S
        ).raise_for_status()


@dataclass
class PostgresVenue(Client):
    """An account whose book lies in the database, and the wire between it and the store."""

    database: Database
    wire: Wire
    address: str
    number: str
    mode: MarginMode
    opened: list[PostgresStore] = field(default_factory=list)
    answer_s: float = PATIENT_S

    async def connect(self) -> Broker:
        return self._broker(self.number)

    async def connect_elsewhere(self) -> Broker:
        broker = self._broker(str(uuid.uuid4()))
        await broker.snapshot()
        return broker

    def fault(self, kind: str, operation: str, *, value: str = "", times: int | None = 1) -> None:
        if kind in NEVER_HERE or kind.startswith("rate_limit"):
            return  # nor does our own database count calls
        reads = ("paper_load", "paper_answer", "paper_fills_since")
        calls = reads if operation == "reads" else ("paper_save",)
        self.wire.fault(kind, calls, float(value or 0), times)

    def clear(self) -> None:
        self.wire.faults.clear()

    def price(self, bid: Decimal, ask: Decimal) -> None:
        # Prices come with commands. This one does nothing else: there is no such order.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, self._meet(bid)).result()

    def orders_made(self) -> int:
        fills = self._json("select coalesce(jsonb_agg(fill), '[]') from engine.paper_fills where {mine}")
        waiting = self._json(
            "select coalesce(book -> 'orders', '[]') from engine.paper_accounts where {mine}"
        )
        return len({each["venue_order_id"] for each in fills if each["effect"] == "open"}) + len(waiting)

    def net(self) -> Decimal:
        return net(
            self._json("select coalesce(book -> 'positions', '[]') from engine.paper_accounts where {mine}")
        )

    def down(self) -> None:
        self.wire.down()

    def _broker(self, number: str) -> PaperBroker:
        self.opened.append(PostgresStore(self.address, command_timeout_s=self.answer_s))
        return PaperBroker(account(number, self.mode), PostgresBook(self.opened[-1], number))

    def _json(self, query: str) -> Any:
        return codec.decode(self.database.sql(query.format(mine=f"account_id = '{self.number}'")).encode())

    async def _meet(self, price: Decimal) -> None:
        store = PostgresStore(self.database.url("empire_worker"))
        try:
            name = f"price {clock.monotonic()}"
            nothing = PaperCommand(name, CommandKind.CANCEL, "EURUSD", order_id="none", market_price=price)
            await PostgresBook(store, self.number).execute(nothing)
        finally:
            await store.close()


def net(positions: list[dict[str, Any]]) -> Decimal:
    """Long is positive."""
    signs = {"buy": 1, "sell": -1}
    return sum((Decimal(str(each["qty"])) * signs[each["side"]] for each in positions), Decimal(0))


class Simulator:
    """The venue process of a module, started anew after a test has stopped it."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._url = ""

    @property
    def url(self) -> str:
        """Its address; starts it where it does not run."""
        self._url = self._url or self._stack.enter_context(venue())[0]
        return self._url

    @property
    def runs(self) -> bool:
        """Somebody listens."""
        return bool(self._url)

    def stop(self) -> None:
        """Nobody listens any more."""
        self._url = ""
        self._stack.close()


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """The module's venue."""
    made = Simulator()
    yield made
    made.stop()


class TestPaperBehindHttp(BrokerContract):
    """Every test of the contract, on netting and on hedging accounts."""

    @pytest.fixture(params=list(MarginMode))
    async def venue(self, request: pytest.FixtureRequest, simulator: Simulator) -> AsyncIterator[HttpVenue]:
        """An account of its own."""
        made = HttpVenue(simulator, request.param)
        yield made
        for client in made.opened:
            await client.aclose()
        if simulator.runs:
            made.clear()


class TestPaperInOurDatabase(Trading, Doubts):
    """What differs there: the answers of our own database that are lost. It counts no calls and has no logins."""

    @pytest.fixture
    async def venue(self, database: Database) -> AsyncIterator[PostgresVenue]:
        """A book of its own, and the wire to it."""
        connection: asyncpg.Connection[Any] = await database.connect("supabase_admin")
        trader = await new_trader(database, connection)
        wire = Wire(database.url("empire_worker"))
        made = PostgresVenue(database, wire, await wire.start(), trader.account, MarginMode.NETTING)
        made.price(made.bid, made.ask)
        yield made
        wire.faults.clear()
        for store in made.opened:
            await store.close()
        wire.down()
        await connection.close()
