"""Stops and targets given as distances count from the fill, not from the price that was expected."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal as D

import asyncpg
import pytest

from tests.support.clusters import Database
from tests.support.trading import new_trader, until, venue, worker
from tests.support.venue_admin import book, fault, price

BUY = {"action": "open", "side": "buy", "symbol": "EURUSD", "qty_mode": "lots", "qty": 0.2, "ref_price": 1.1}
PIPS_AND_RR = {"sl": {"mode": "pips", "value": 50}, "tp": [{"mode": "rr", "value": 2}]}
TWO = [{"mode": "rr", "value": 1, "portion": 0.5}, {"mode": "rr", "value": 2, "portion": 0.5}]
SLIPPED = ("--slippage", "20")
"""Every market order fills 2 pips worse."""


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """The operator's connection to the test's own database."""
    opened = await database.connect("supabase_admin")
    yield opened
    await opened.close()


@pytest.mark.parametrize("lost", [False, True])
async def test_protection_follows_the_fill(
    database: Database, connection: asyncpg.Connection, lost: bool
) -> None:
    """2 pips of slippage: stop and target stand 2 pips higher, also when the answer was lost and settled."""
    trader = await new_trader(database, connection, server="SIM", mode="hedging")
    with venue(*SLIPPED) as (url, _), worker(database, paper_venue_url=url):
        if lost:
            fault(url, "drop_after_accept")
        done = await trader.delivery(await trader.alert(**BUY, **PIPS_AND_RR))
        (held,) = book(url, trader.account)["positions"]
    assert done["outcome"] == "executed", done
    assert (D(str(held["stop_loss"])), D(str(held["take_profit"]))) == (D("1.0952"), D("1.1102"))
    (position,) = await trader.rows("positions")
    assert (position["entry_price"], position["stop_loss"]) == (D("1.1002"), D("1.0952"))
    assert [row["kind"] for row in await trader.rows("orders")] == ["place"]
    assert await trader.invariants() == {}


async def test_resting_targets_follow_the_fill(database: Database, connection: asyncpg.Connection) -> None:
    """Netting: the limit orders of two targets are moved, and our rows say so."""
    trader = await new_trader(database, connection, server="SIM")
    with venue(*SLIPPED) as (url, _), worker(database, paper_venue_url=url):
        done = await trader.delivery(await trader.alert(**{**BUY, **PIPS_AND_RR, "tp": TWO}))
        orders = book(url, trader.account)["orders"]
    assert done["outcome"] == "executed", done
    assert [D(str(each["price"])) for each in orders] == [D("1.1052"), D("1.1102")]
    assert [row["price"] for row in await trader.rows("orders", reduce_only=True)] == [
        D("1.1052"),
        D("1.1102"),
    ]
    assert await trader.invariants() == {}


@pytest.mark.parametrize("mode", ["netting", "hedging"])
async def test_a_waiting_entry_that_fills_behind_a_gap_is_measured_again(
    database: Database, connection: asyncpg.Connection, mode: str
) -> None:
    """A buy stop at 1.1 is filled at 1.103: stop and target go 30 pips up, once, and what watched them is over."""
    trader = await new_trader(database, connection, server="SIM", mode=mode)
    waits = {"type": "stop", "stop_price": 1.1, "ref_price": 1.09}
    with (
        venue() as (url, _),
        worker(database, paper_venue_url=url),
        worker(database, "positions", paper_venue_url=url),
    ):
        price(url, "EURUSD", 1.09)
        done = await trader.delivery(await trader.alert(**{**BUY, **PIPS_AND_RR, **waits}))
        assert done["outcome"] == "executed", done
        price(url, "EURUSD", 1.103)

        async def stands() -> bool:
            await connection.execute("update engine.account_marks set due_at = least(due_at, now())")
            held = book(url, trader.account)["positions"]
            levels = [D(str(each[name])) for each in held for name in ("stop_loss", "take_profit")]
            over = await connection.fetchval("select bool_and(ended_at is not null) from engine.guards")
            return levels == [D("1.098"), D("1.113")] and over is True

        await until(stands)
    assert await connection.fetchval("select count(*) from public.logs where type = 'stop_moved'") == 1
    assert await trader.invariants() == {}


async def test_refused_adjustment_leaves_what_was_set(
    database: Database, connection: asyncpg.Connection
) -> None:
    """A stop of one pip, filled two pips worse: the market has passed where it belongs. The one that was sent stays."""
    trader = await new_trader(database, connection, server="SIM", mode="hedging")
    with venue(*SLIPPED) as (url, _), worker(database, paper_venue_url=url):
        done = await trader.delivery(await trader.alert(**BUY, sl={"mode": "pips", "value": 1}))
        (held,) = book(url, trader.account)["positions"]
    assert (done["outcome"], done["reason"]) == ("executed", None), done
    assert D(str(held["stop_loss"])) == D("1.0999")
    told = [step["detail"] for step in done["trace"] if step["stage"] == "execute"]
    assert [(each["kind"], each.get("reason")) for each in told] == [
        ("place", None),
        ("protect", "invalid_stops"),
    ]
    assert await trader.invariants() == {}


async def test_nothing_is_sent_when_nothing_moves(database: Database, connection: asyncpg.Connection) -> None:
    """Filled where it was expected: one command, no second one."""
    trader = await new_trader(database, connection)
    with worker(database):
        done = await trader.delivery(await trader.alert(**BUY, **PIPS_AND_RR))
    assert done["outcome"] == "executed", done
    assert await connection.fetchval("select count(*) from engine.commands") == 1
