"""Several targets that we see to, on the road. Database, both workers and a venue, all real processes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal as D
from typing import Any

import asyncpg
import pytest

from tests.integration.test_worker_guards import SHORT, asked, executed, is_flat, told
from tests.support.clusters import Database
from tests.support.trading import new_trader, until, venue, worker
from tests.support.venue_admin import book, fault, no_faults, price, written

BUY = {"action": "open", "side": "buy", "symbol": "EURUSD", "qty_mode": "lots", "qty": 1, "ref_price": 1.1}
TARGETS = [
    {"mode": "offset", "value": 0.01 * n, "portion": share} for n, share in ((1, 0.5), (2, 0.3), (3, 0.2))
]
WAITS = {**BUY, "type": "limit", "price": 1.09, "sl": {"mode": "price", "value": 1.08}, "tp": TARGETS}


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """The operator's connection to the test's own database."""
    opened = await database.connect("supabase_admin")
    yield opened
    await opened.close()


def exits(url: str, account: str) -> list[tuple[D, D]]:
    """Price and quantity of every limit exit that waits at the venue, the nearest first."""
    orders = book(url, account)["orders"]
    return sorted((D(str(each["price"])), D(str(each["qty"]))) for each in orders if each["reduce_only"])


async def waiting(url: str, account: str, *wanted: tuple[str, str]) -> None:
    """Wait until exactly these exits wait at the venue."""
    there = [(D(at), D(qty)) for at, qty in wanted]

    async def so() -> bool:
        return exits(url, account) == there

    try:
        await until(so)
    except TimeoutError:
        raise TimeoutError(f"{exits(url, account)}, not {there}") from None


def open_qty(url: str, account: str) -> D:
    """What the venue has open."""
    return sum((D(str(each["qty"])) for each in book(url, account)["positions"]), D(0))


async def test_targets_of_a_waiting_entry_go_to_the_broker_when_it_is_filled(
    database: Database, connection: asyncpg.Connection
) -> None:
    """Nothing but the entry stands before; then its targets, each asked for once, in the log with its numbers. The first
    is reached, then the stop takes the rest: nothing is left standing."""
    trader = await new_trader(database, connection, server="SIM")
    with (
        venue() as (url, _),
        worker(database, paper_venue_url=url),
        worker(database, "positions", paper_venue_url=url),
    ):
        done = await executed(trader, **WAITS)
        assert exits(url, trader.account) == []
        price(url, "EURUSD", 1.09)
        await waiting(url, trader.account, ("1.1", "0.5"), ("1.11", "0.3"), ("1.12", "0.2"))
        price(url, "EURUSD", 1.1)
        await waiting(url, trader.account, ("1.11", "0.3"), ("1.12", "0.2"))
        assert open_qty(url, trader.account) == D("0.5")
        price(url, "EURUSD", 1.08)
        await is_flat(trader)
        assert exits(url, trader.account) == []
        assert [each["kind"] for each in written(url)] == ["place"] * 4
    (fitted,) = [step["detail"]["legs"] for step in done["trace"] if step["stage"] == "fit"]
    assert fitted[0]["kept"] == "by us"
    assert [(each["qty"], each["value"]) for each in fitted[0]["targets"]] == [
        (D("0.5"), D("0.01")),
        (D("0.3"), D("0.02")),
        (D("0.2"), D("0.03")),
    ]
    assert await asked(trader) == [("reduce", "executed")] * 3
    assert (await told(trader, "target_set"))[0] == (
        f"P{trader.account[:8]}: 1 of the entry is filled: target 1 of 3 of EURUSD, 0.5 at 1.1, goes to the broker."
    )
    assert await connection.fetchval("select why from engine.guards") in (
        "its targets are done",
        "the position is closed",
    )
    assert await trader.invariants() == {}


async def test_killed_while_a_target_goes_to_the_broker(
    database: Database, connection: asyncpg.Connection
) -> None:
    """Both workers die after the venue has taken the first target and before anybody knows: it is found by asking, and
    those that come after see the others through. Each is there once."""
    trader = await new_trader(database, connection, server="SIM")
    with venue() as (url, _):
        with (
            worker(database, paper_venue_url=url, **SHORT) as executes,
            worker(database, "positions", paper_venue_url=url) as watches,
        ):
            await executed(trader, **WAITS)
            fault(url, "hang_after_accept", value="30")
            price(url, "EURUSD", 1.09)
            await waiting(url, trader.account, ("1.1", "0.5"))
            executes.kill()
            watches.kill()
        no_faults(url)
        with (
            worker(database, paper_venue_url=url, **SHORT),
            worker(database, "positions", paper_venue_url=url),
        ):
            await waiting(url, trader.account, ("1.1", "0.5"), ("1.11", "0.3"), ("1.12", "0.2"))

            async def settled() -> bool:
                return await asked(trader) == [("reduce", "executed")] * 3

            await until(settled)
            price(url, "EURUSD", 1.13)
            await is_flat(trader)
            assert [each["kind"] for each in written(url)] == ["place"] * 4
    assert sum(row["realised"] for row in await trader.rows("fills", effect="close")) == D(1700)
    assert await trader.invariants() == {}


async def test_a_refused_target_is_asked_for_again(
    database: Database, connection: asyncpg.Connection
) -> None:
    """The venue says no to one: the others stand, that one is asked for again a little later, and stands once."""
    trader = await new_trader(database, connection, server="SIM")
    with (
        venue() as (url, _),
        worker(database, paper_venue_url=url),
        worker(database, "positions", paper_venue_url=url),
    ):
        await executed(trader, **WAITS)
        fault(url, "refuse")
        price(url, "EURUSD", 1.09)
        await waiting(url, trader.account, ("1.1", "0.5"), ("1.11", "0.3"), ("1.12", "0.2"))
    assert sorted(await asked(trader)) == [("reduce", "executed")] * 3 + [("reduce", "rejected")]
    assert await trader.invariants() == {}


async def test_targets_of_an_open_net_position_are_replaced(
    database: Database, connection: asyncpg.Connection
) -> None:
    """modify with two targets: those it had are gone first, then two stand for all of it; with one, that one alone; with
    none, none. Its stop stays."""
    trader = await new_trader(database, connection, server="SIM")
    two: list[dict[str, Any]] = [{"mode": "price", "value": v, "portion": 0.5} for v in (1.12, 1.13)]
    with venue() as (url, _), worker(database, paper_venue_url=url):
        await executed(trader, **{**BUY, "sl": WAITS["sl"], "tp": TARGETS})
        assert [at for at, _ in exits(url, trader.account)] == [D("1.11"), D("1.12"), D("1.13")]
        await executed(trader, action="modify", symbol="EURUSD", tp=two)
        assert exits(url, trader.account) == [(D("1.12"), D("0.5")), (D("1.13"), D("0.5"))]
        await executed(trader, action="modify", symbol="EURUSD", tp={"mode": "price", "value": 1.14})
        (held,) = book(url, trader.account)["positions"]
        assert (exits(url, trader.account), D(str(held["take_profit"]))) == ([], D("1.14"))
        await executed(trader, action="modify", symbol="EURUSD", tp=two)
        await executed(trader, action="modify", symbol="EURUSD", tp={"mode": "none"})
        (held,) = book(url, trader.account)["positions"]
        assert (exits(url, trader.account), held["take_profit"], D(str(held["stop_loss"]))) == (
            [],
            None,
            D("1.08"),
        )
    assert await trader.invariants() == {}


async def test_what_cannot_be_removed_keeps_new_targets_away(
    database: Database, connection: asyncpg.Connection
) -> None:
    """The venue does not cancel an old target: the new ones are not sent, with it they would be more than is open."""
    trader = await new_trader(database, connection, server="SIM")
    two: list[dict[str, Any]] = [{"mode": "price", "value": v, "portion": 0.5} for v in (1.14, 1.15)]
    with venue() as (url, _), worker(database, paper_venue_url=url):
        await executed(trader, **{**BUY, "sl": WAITS["sl"], "tp": TARGETS})
        fault(url, "refuse")
        done = await trader.delivery(await trader.alert(action="modify", symbol="EURUSD", tp=two))
        assert done["outcome"] == "rejected", done
        assert sum(qty for _, qty in exits(url, trader.account)) <= 1
        assert {at for at, _ in exits(url, trader.account)} <= {D("1.11"), D("1.12"), D("1.13")}
    assert await trader.invariants() == {}


async def test_targets_of_a_hedged_position_are_closed_by_us(
    database: Database, connection: asyncpg.Connection
) -> None:
    """The farthest stands at the broker, the nearer ones are closed at the market when it comes there, each once, also by
    workers that begin later. One target said later ends those that are left."""
    trader = await new_trader(database, connection, server="SIM", mode="hedging")
    with venue() as (url, _), worker(database, paper_venue_url=url):
        await executed(trader, **BUY, sl=WAITS["sl"])
        await executed(trader, action="modify", symbol="EURUSD", tp=TARGETS)
        (held,) = book(url, trader.account)["positions"]
        assert D(str(held["take_profit"])) == D("1.13")
        with worker(database, "positions", paper_venue_url=url) as watches:
            price(url, "EURUSD", 1.1101)

            async def first() -> bool:
                return open_qty(url, trader.account) == D("0.5")

            await until(first)
            watches.kill()
        with worker(database, "positions", paper_venue_url=url):
            price(url, "EURUSD", 1.12)

            async def second() -> bool:
                return open_qty(url, trader.account) == D("0.2")

            await until(second)
            await executed(trader, action="modify", symbol="EURUSD", tp={"mode": "price", "value": 1.14})
            price(url, "EURUSD", 1.14)
            await is_flat(trader)
    assert await asked(trader) == [("reduce", "executed")] * 2
    assert await told(trader, "target_reached") == [
        f"P{trader.account[:8]}: The market at {at} has reached target {n} of 2 of EURUSD at {level}: {qty} is being closed."
        for at, n, level, qty in (("1.1101", 1, "1.11", "0.5"), ("1.12", 2, "1.12", "0.3"))
    ]
    assert await trader.invariants() == {}


async def test_targets_of_a_waiting_entry_are_changed(
    database: Database, connection: asyncpg.Connection
) -> None:
    """modify by its id before it is filled: the new targets go to the broker with the fill, the old ones never."""
    trader = await new_trader(database, connection, server="SIM")
    two: list[dict[str, Any]] = [{"mode": "price", "value": v, "portion": 0.5} for v in (1.14, 1.15)]
    with (
        venue() as (url, _),
        worker(database, paper_venue_url=url),
        worker(database, "positions", paper_venue_url=url),
    ):
        await executed(trader, **WAITS)
        name = await connection.fetchval("select venue_order_id from public.orders")
        await executed(trader, action="modify", symbol="EURUSD", order_id=name, tp=two)
        price(url, "EURUSD", 1.09)
        await waiting(url, trader.account, ("1.14", "0.5"), ("1.15", "0.5"))
        assert [each["kind"] for each in written(url)] == ["place"] * 3, (
            "what we see to ourselves is not sent"
        )
    replaced = "select ladder is null and ended_at is not null from engine.guards order by id limit 1"
    assert await connection.fetchval(replaced) is True
    assert await trader.invariants() == {}
