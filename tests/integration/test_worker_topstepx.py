"""TopstepX behind a real worker: what a day's alerts do at the simulated gateway, and what our books say of it."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import httpx
import pytest

from local.console import events
from local.console.connecting import Place
from local.demo.people import endpoint_url
from local.keys.files import KeyFiles
from shared import codec
from tests.conformance.simulators import Operator, running_simulator
from tests.support.clusters import PATIENCE_S
from tests.support.connections import Customer, customer, fleet_worker, publish
from tests.support.stacks import RunningStack
from tests.support.trading import until

D = Decimal
BID, ASK = D("25000.00"), D("25000.25")
PLACE = Place("topstepx", "simulated")


@pytest.fixture
def gateway() -> Iterator[Operator]:
    """A simulated gateway."""
    with running_simulator("topstepx", "--no-limits") as running:
        yield running


@dataclass
class Trading:
    """One account of a customer, its endpoint, and what the gateway has of it."""

    trader: Customer
    gateway: Operator
    stack: RunningStack
    number: str = ""
    url: str = ""
    contracts: dict[str, str] = field(default_factory=dict)

    async def begin(self) -> None:
        """Connect, enable, make an endpoint, hold the price."""
        connection = await self.trader.connect(PLACE, "an-api-key-of-projectx", "trader")
        assert (await self.trader.checked(connection))["status"] == "connected"
        account = (await self.trader.accounts(connection))[0]
        self.number = account["account_id"]
        await self.trader.call("enable_account", p_account_id=account["id"])
        endpoint = await self.trader.call(
            "create_endpoint", p_broker="topstepx", p_name="TX", p_account_ids=[account["id"]]
        )
        self.url = await endpoint_url(self.trader.login, self.trader.client, endpoint)
        self.contracts = self.ask("GET", "/_sim/contracts")
        self.price(BID, ASK)

    def ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """The operator's own questions to the gateway."""
        asked = {"content": codec.encode(body), "trust_env": False, "timeout": PATIENCE_S}
        answer = httpx.request(method, self.gateway.url + path, **asked)
        found: dict[str, Any] = codec.decode(answer.content)
        return found

    def price(self, bid: Decimal, ask: Decimal, root: str = "MNQ") -> None:
        """Move the price of a root's contract that was active when we began."""
        self.gateway.price(self.contracts[root], bid, ask)

    async def send(self, outcome: str = "executed", **intent: Any) -> events.Road:
        """An alert, and its road once it has this outcome."""
        body = {"version": "unify.v1", "source": "tradingview", "id": uuid.uuid4().hex, "intent": intent}
        async with httpx.AsyncClient(timeout=PATIENCE_S) as http:
            answer = await http.post(
                self.url, content=codec.encode(body), headers={"content-type": "application/json"}
            )
        assert answer.status_code == 202, answer.text
        road = await events.wait_finished(self.trader.client, answer.json()["event_id"], PATIENCE_S)
        assert [each["outcome"] for each in road.deliveries] == [outcome], road
        return road

    def net(self) -> dict[str, int]:
        """Signed contracts by contract."""
        held = self.gateway.state()[self.number]["positions"]
        return {each["listing"]: each["size"] * (1 if each["type"] == 1 else -1) for each in held}

    def resting(self) -> list[tuple[int, int, Decimal]]:
        """Type (1 limit, 4 stop), size and price of every order that is not final."""
        orders = self.gateway.state()[self.number]["orders"]
        return sorted(
            (each["type"], each["size"], each["limit_price"] or each["stop_price"] or D(0))
            for each in orders
            if each["status"] in (1, 6, 7, 8)
        )

    def books(self) -> dict[str, int]:
        """Open quantity by root as our database has it; every invariant must hold."""
        rows = self.stack.database.sql(
            "select coalesce(string_agg(root || '=' || qty, ' '), '')"
            " from (select root, sum(qty) as qty from public.positions where qty > 0 group by 1) p"
        )
        assert self.stack.database.sql("select engine.invariant_rows()::text ~ '[1-9]'") == "f"
        return {root: int(D(qty)) for root, qty in (each.split("=") for each in rows.split())}


@pytest.fixture
async def trading(stack: RunningStack, files: KeyFiles, gateway: Operator) -> AsyncIterator[Trading]:
    """A trader whose worker runs."""
    await publish(stack.database, files)
    async with customer(stack, files) as trader:
        with fleet_worker(stack.database, files, {"topstepx": gateway.url}):
            made = Trading(trader, gateway, stack)
            await made.begin()
            yield made


BUY = {
    "action": "open",
    "side": "buy",
    "symbol": "CME_MINI:MNQ1!",
    "qty_mode": "contracts",
    "ref_price": D("24999.00"),
}


async def test_a_position_lives_and_dies(trading: Trading) -> None:
    """Stop and target in ticks are measured from the fill; a reduce fits them, a reverse and a close leave nothing."""
    contract = trading.contracts["MNQ"]
    stop, target = {"mode": "ticks", "value": 40}, [{"mode": "ticks", "value": 80}]
    road = await trading.send(**BUY, qty=4, sl=stop, tp=target)
    assert trading.net() == {contract: 4}
    assert trading.resting() == [(1, 4, ASK + 20), (4, 4, ASK - 10)]
    resolved = next(each for each in road.deliveries[0]["trace"] if each["stage"] == "resolve")["detail"]
    assert resolved["why"].endswith(": the active contract")
    await trading.send(action="reduce", symbol="MNQ1!", qty=1, qty_mode="contracts")
    assert (trading.net(), trading.books()) == ({contract: 3}, {"MNQ": 3})
    assert trading.resting() == [(1, 3, ASK + 20), (4, 3, ASK - 10)]
    await trading.send(
        action="modify", symbol="MNQ1!", sl={"mode": "price", "value": D("24995.00")}, ref_price=BID
    )
    assert trading.resting() == [(1, 3, ASK + 20), (4, 3, D("24995.00"))]
    await trading.send(
        action="reverse", side="sell", symbol="MNQ1!", qty=2, qty_mode="contracts", ref_price=BID
    )
    assert (trading.net(), trading.resting(), trading.books()) == ({contract: -2}, [], {"MNQ": 2})
    await trading.send(action="close", symbol="MNQ1!")
    assert (trading.net(), trading.resting(), trading.books()) == ({}, [], {})


async def test_a_position_is_closed_in_its_own_month(trading: Trading) -> None:
    """On the day of the roll: the month that we know is refused once, then `1!` is the new one; a close closes both."""
    old = trading.contracts["MNQ"]
    await trading.send(**BUY, qty=1)
    new = trading.ask("POST", "/_sim/roll", {"root": "MNQ"})["active"]
    refused = await trading.send("rejected", **BUY, qty=1)
    assert refused.deliveries[0]["reason"] == "instrument_unknown"
    await trading.send(**BUY, qty=2)
    assert (trading.net(), trading.books()) == ({old: 1, new: 2}, {"MNQ": 3})
    await trading.send(action="close", symbol="MNQ1!")
    assert (trading.net(), trading.books()) == ({}, {})


async def test_a_doubtful_command_is_one_order(trading: Trading) -> None:
    """The gateway takes it and never answers: found by its tag, a close by the position; each recorded once."""
    trading.gateway.fault("drop_after_accept", operation="place")
    await trading.send(**BUY, qty=2)
    assert (trading.net(), trading.books()) == ({trading.contracts["MNQ"]: 2}, {"MNQ": 2})
    trading.gateway.fault("drop_after_accept", operation="close")
    await trading.send(action="close", symbol="MNQ1!")
    assert (trading.net(), trading.books()) == ({}, {})


async def test_a_flatten_leaves_nothing(trading: Trading) -> None:
    """Two roots, a stop, a waiting entry with its sleeping child: all gone."""
    await trading.send(**BUY, qty=1, sl={"mode": "ticks", "value": 40})
    await trading.send(**{**BUY, "symbol": "MES1!", "ref_price": D("6800.00")}, qty=2)
    await trading.send(
        **{**BUY, "type": "limit", "price": D("24900.00")}, qty=1, sl={"mode": "ticks", "value": 40}
    )
    assert len(trading.resting()) == 3
    await trading.send(action="flatten")
    assert (trading.net(), trading.resting(), trading.books()) == ({}, [], {})


async def test_a_canceled_entry_is_canceled_in_our_books(trading: Trading) -> None:
    """One by a cancel, one by a flatten: the gateway has none left, and neither have we."""
    limit = {**BUY, "type": "limit", "price": D("24900.00"), "qty": 1}
    await trading.send(**limit)
    await trading.send(action="cancel", symbol="MNQ1!")
    await trading.send(**limit)
    await trading.send(action="flatten")
    assert trading.resting() == []
    assert trading.stack.database.sql("select status from public.orders order by id").split() == [
        "canceled",
        "canceled",
    ]
    again = await trading.send("skipped", action="cancel", symbol="MNQ1!")
    assert again.deliveries[0]["reason"] == "nothing_to_cancel"


async def test_a_target_that_fills_leaves_no_stop_too_large(trading: Trading, files: KeyFiles) -> None:
    """Two targets and one stop for both: the first target fills at the broker, and the stop and the other target are
    fitted to what is left. Fired as it was, the stop would have turned the position around."""
    targets = [
        {"mode": "ticks", "value": 40, "portion": D("0.5")},
        {"mode": "ticks", "value": 400, "portion": D("0.5")},
    ]
    with fleet_worker(trading.stack.database, files, {"topstepx": trading.gateway.url}, "positions"):
        await trading.send(**BUY, qty=4, sl={"mode": "ticks", "value": 40}, tp=targets)
        assert [(kind, size) for kind, size, _ in trading.resting()] == [(1, 2), (1, 2), (4, 4)]
        trading.price(BID + 11, ASK + 11)

        async def fitted() -> bool:
            return [(kind, size) for kind, size, _ in trading.resting()] == [(1, 2), (4, 2)]

        await until(fitted, 180)
        trading.price(BID - 20, ASK - 20)

        async def flat() -> bool:
            return (trading.net(), trading.resting()) == ({}, [])

        await until(flat, 180)
