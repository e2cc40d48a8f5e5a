"""Workers and a broker with rate limits: from the alert to the order, within what the broker allows."""

from __future__ import annotations

import asyncio
import uuid

import httpx

from local.console import events
from local.console.connecting import Place
from local.demo.people import endpoint_url
from local.keys.files import KeyFiles
from tests.conformance.simulators import running_simulator
from tests.support.clusters import PATIENCE_S
from tests.support.connections import (
    PASSWORD,
    SIM,
    USER,
    Customer,
    fleet_worker,
)
from tests.support.stacks import RunningStack
from tests.support.trading import until

ENTRY = {"action": "open", "side": "buy", "symbol": "OANDA:EURUSD", "qty_mode": "lots", "qty": 0.1}
FUTURE = {
    "action": "open",
    "side": "buy",
    "symbol": "MNQ1!",
    "qty_mode": "contracts",
    "qty": 1,
    "ref_price": 20000,
}
CLOSE = {"action": "close", "symbol": "OANDA:EURUSD"}


async def connected(trader: Customer, place: Place = SIM, secret: str = PASSWORD) -> tuple[str, str]:
    """A login's first account, enabled: the broker's number of it, and the address of an endpoint for it."""
    connection = await trader.connect(place, secret, "trader" if place.server is None else USER)
    assert (await trader.checked(connection))["status"] == "connected"
    account = (await trader.accounts(connection))[0]
    await trader.call("enable_account", p_account_id=account["id"])
    endpoint = await trader.call(
        "create_endpoint", p_broker=place.broker, p_name="E", p_account_ids=[account["id"]]
    )
    return account["account_id"], await endpoint_url(trader.login, trader.client, endpoint)


async def send(trader: Customer, url: str, **intent: object) -> dict[str, object]:
    """An alert's one delivery, once it is done."""
    body = {"version": "unify.v1", "source": "tradingview", "id": uuid.uuid4().hex, "intent": intent}
    async with httpx.AsyncClient(timeout=PATIENCE_S) as http:
        answer = await http.post(url, json=body)
    assert answer.status_code == 202, answer.text
    road = await events.wait_finished(trader.client, answer.json()["event_id"], PATIENCE_S)
    assert road.finished, road
    [delivery] = road.deliveries
    return dict(delivery)


async def test_two_workers_stay_within_a_brokers_limits(
    stack: RunningStack, trader: Customer, files: KeyFiles
) -> None:
    """Five entries and their close, two workers, TradeLocker's own limits: everything is done, never too fast."""
    with (
        running_simulator("tradelocker") as venue,
        fleet_worker(stack.database, files, {"tradelocker": venue.url}),
        fleet_worker(stack.database, files, {"tradelocker": venue.url}),
    ):
        number, url = await connected(trader)
        opened = await asyncio.gather(*(send(trader, url, **ENTRY) for _ in range(5)))
        assert [each["outcome"] for each in opened] == ["executed"] * 5, opened
        closed = await send(trader, url, **CLOSE)
        assert closed["outcome"] == "executed", closed
        state = venue.state()[number]
    assert (state["positions"], state["too_fast"]) == ([], 0)
    routes = stack.database.sql("select route from engine.call_windows").split()
    assert f"{number}/PLACE_ORDER" in routes


async def test_an_exit_waits_until_the_broker_takes_it(
    stack: RunningStack, trader: Customer, files: KeyFiles
) -> None:
    """The broker says 429 to a close, twice: nothing was done, so it goes out again and the account is flat. An
    entry is not sent again: what it was meant for may be over."""
    with (
        running_simulator("tradelocker", "--no-limits") as venue,
        fleet_worker(stack.database, files, {"tradelocker": venue.url}),
    ):
        number, url = await connected(trader)
        assert (await send(trader, url, **ENTRY))["outcome"] == "executed"
        venue.fault("rate_limit_text", operation="close")
        venue.fault("rate_limit_json", operation="close")
        closed = await send(trader, url, **CLOSE)
        assert closed["outcome"] == "executed", closed
        assert venue.state()[number]["positions"] == []
        venue.fault("rate_limit_json", operation="place")
        denied = await send(trader, url, **ENTRY)
        assert (denied["outcome"], denied["reason"]) == ("rejected", "broker_busy")
        applied = [each["operation"] for each in venue.log() if each["applied"]]
    assert applied == ["place", "close"]


async def test_a_broker_that_hangs_holds_up_no_other_verdict(
    stack: RunningStack, trader: Customer, files: KeyFiles
) -> None:
    """Two doubtful entries, one at a broker whose lists hang: the other is found meanwhile, the first when it can be."""

    async def asked_about() -> bool:
        return stack.database.sql("select count(*) from engine.commands where lookups > 0") == "1"

    with (
        running_simulator("tradelocker", "--no-limits") as stuck,
        running_simulator("topstepx") as healthy,
        fleet_worker(stack.database, files, {"tradelocker": stuck.url, "topstepx": healthy.url}),
    ):
        _, stuck_url = await connected(trader)
        _, url = await connected(trader, Place("topstepx", "simulated"), "an-api-key-of-projectx")
        assert (await send(trader, url, **FUTURE))["outcome"] == "executed"
        stuck.fault("drop_after_accept", operation="place")
        stuck.fault("hang_before", value="600", operation="history", times=None)
        first = asyncio.create_task(send(trader, stuck_url, **ENTRY))
        await until(asked_about)
        healthy.fault("drop_after_accept", operation="place")
        found = await send(trader, url, **FUTURE)
        assert found["outcome"] == "executed", found
        assert [each["stage"] for each in found["trace"]].count("settle") > 0, "it was not in doubt"
        assert not first.done()
        stuck.clear()
        stuck.release()
        assert (await first)["outcome"] == "executed"
