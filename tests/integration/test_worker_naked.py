"""Naked positions on the road: whoever is killed, the stop is set once. Database, both workers and a venue, all real processes."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from decimal import Decimal as D
from typing import Any

import asyncpg
import httpx
import pytest

from tests.support.clusters import PATIENCE_S, Database
from tests.support.trading import Trader, new_trader, until, venue, worker
from tests.support.venue_admin import book, fault, no_faults, price, written

BUY = {"action": "open", "side": "buy", "symbol": "EURUSD", "qty_mode": "lots", "qty": 1, "ref_price": 1.1}
STOP = {"sl": {"mode": "price", "value": 1.095}}
SHORT = {"lease_ms": 1500, "heartbeat_ms": 300, "send_margin_ms": 300, "request_timeout_ms": 500}
"""Recovery in seconds instead of a quarter of a minute."""


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """The operator's connection to the test's own database."""
    opened = await database.connect("supabase_admin")
    yield opened
    await opened.close()


async def bought(trader: Trader, url: str) -> None:
    """A position with its stop, a minute ago for all that lags."""
    done = await trader.delivery(await trader.alert(**BUY, **STOP))
    assert done["outcome"] == "executed", done
    assert stop_at(url, trader.account) == D("1.095")


def stop_at(url: str, account: str) -> D | None:
    """The stop of the account's one position as the venue has it."""
    (held,) = book(url, account)["positions"]
    return None if held["stop_loss"] is None else D(str(held["stop_loss"]))


def taken_away(url: str, account: str) -> None:
    """The trader removes his stop at the broker himself."""
    asked = {"client_order_id": uuid.uuid4().hex, "kind": "protect", "symbol": "EURUSD"}
    asked |= {"position_id": book(url, account)["positions"][0]["id"]}
    address, body = f"{url}/accounts/{account}/commands", {**asked, "protection": {"clear_stop_loss": True}}
    answer = httpx.post(address, json=body, timeout=PATIENCE_S).raise_for_status().json()
    assert answer["accepted"], answer
    assert stop_at(url, account) is None


def sets(url: str) -> int:
    """How many times a stop was set at the venue."""
    each = [one for one in written(url) if one["kind"] == "protect" and one["applied"]]
    return len(each) - 1


async def is_naked(trader: Trader, seconds: int = 0) -> None:
    """Wait until it is known; then so much time has passed."""

    async def known() -> bool:
        return bool(await trader.connection.fetchval("select exists (select from engine.naked)"))

    await until(known)
    await trader.connection.execute(
        "update engine.naked set since = since - $1 * interval '1 second'", seconds
    )


async def over(trader: Trader, why: str) -> None:
    """Wait until it is naked no more."""

    async def ended() -> bool:
        return await trader.connection.fetchval("select why from engine.naked order by id desc") == why

    await until(ended)


async def asked(trader: Trader) -> list[tuple[Any, ...]]:
    """Lane, action and outcome of every delivery that we asked for ourselves."""
    text = (
        "select d.lane, d.action, d.outcome from public.deliveries d join public.webhook_events e on e.id = d.event_id"
        " where e.source = 'system' order by d.id"
    )
    return [tuple(row) for row in await trader.connection.fetch(text)]


async def test_killed_while_the_stop_is_set_again(database: Database, connection: asyncpg.Connection) -> None:
    """Both workers die after the venue has set the stop and before anybody knows: it is found by asking, and not set a
    second time."""
    trader = await new_trader(database, connection, server="SIM")
    with venue() as (url, _):

        async def is_set() -> bool:
            return sets(url) == 1

        with (
            worker(database, paper_venue_url=url, **SHORT) as executes,
            worker(database, "positions", paper_venue_url=url) as watches,
        ):
            await bought(trader, url)
            taken_away(url, trader.account)
            fault(url, "hang_after_accept", value="30")
            await is_naked(trader, 3)
            await until(is_set)
            executes.kill()
            watches.kill()
        no_faults(url)
        with (
            worker(database, paper_venue_url=url, **SHORT),
            worker(database, "positions", paper_venue_url=url),
        ):
            await over(trader, "its stop stands")

            async def settled() -> bool:
                return await asked(trader) == [("normal", "modify", "executed")]

            await until(settled)
            assert (stop_at(url, trader.account), sets(url)) == (D("1.095"), 1)
    (told,) = await trader.rows("logs", type="stop_again")
    assert "EURUSD, long 1 from 1.1, has had no stop for" in told["message"]
    assert told["message"].endswith("its stop is set again at 1.095.")
    assert await trader.invariants() == {}


async def test_killed_before_the_stop_is_asked_for(
    database: Database, connection: asyncpg.Connection
) -> None:
    """Who noted it is gone: the next reader counts from the first read, and asks once."""
    trader = await new_trader(database, connection, server="SIM")
    with venue() as (url, _), worker(database, paper_venue_url=url):
        with worker(database, "positions", paper_venue_url=url) as watches:
            await bought(trader, url)
            taken_away(url, trader.account)
            await is_naked(trader)
            watches.kill()
        await connection.execute("update engine.naked set since = since - interval '3 seconds'")
        await connection.execute("update engine.account_marks set lease_until = null, due_at = now()")
        with worker(database, "positions", paper_venue_url=url):
            await over(trader, "its stop stands")
            assert (stop_at(url, trader.account), sets(url)) == (D("1.095"), 1)
    assert await asked(trader) == [("normal", "modify", "executed")]


async def test_a_passed_stop_closes(database: Database, connection: asyncpg.Connection) -> None:
    """The market goes through the level while no stop stands there: closed in front of everything, as the stop would have."""
    trader = await new_trader(database, connection, server="SIM")
    with (
        venue() as (url, _),
        worker(database, paper_venue_url=url),
        worker(database, "positions", paper_venue_url=url),
    ):
        await bought(trader, url)
        taken_away(url, trader.account)
        price(url, "EURUSD", 1.094)
        await is_naked(trader, 3)
        await over(trader, "the position is closed")
    assert await asked(trader) == [("urgent", "close", "executed")]
    (told,) = await trader.rows("logs", type="naked_closes")
    assert told["message"].endswith(
        "The market at 1.094 has passed 1.095, where the stop of EURUSD belongs: it is being closed."
    )
    assert await trader.invariants() == {}


async def test_taken_away_through_us(database: Database, connection: asyncpg.Connection) -> None:
    """A stop that an alert of the trader's own removes is not set again; nor is one asked for that never was."""
    trader = await new_trader(database, connection, server="SIM")
    with (
        venue() as (url, _),
        worker(database, paper_venue_url=url),
        worker(database, "positions", paper_venue_url=url),
    ):
        await bought(trader, url)
        none = {"action": "modify", "symbol": "EURUSD", "sl": {"mode": "none"}}
        done = await trader.delivery(await trader.alert(**none))
        assert done["outcome"] == "executed", done
        reads = "select read_at > $1 from engine.account_marks where account_id = $2::text::uuid"
        since = await connection.fetchval("select clock_timestamp() + interval '1 second'")

        async def read_twice() -> bool:
            await connection.execute("update engine.account_marks set due_at = least(due_at, now())")
            return bool(await connection.fetchval(reads, since, trader.account))

        await until(read_twice)
        assert stop_at(url, trader.account) is None
    assert await connection.fetchval("select count(*) from engine.naked") == 0
