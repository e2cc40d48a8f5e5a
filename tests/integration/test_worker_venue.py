"""What a broker's failures come to: the worker, the database and an HTTP venue, three real processes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest

from tests.support.clusters import PATIENCE_S, Database
from tests.support.trading import new_trader, until, venue, worker
from tests.support.venue_admin import no_faults, release

BUY = {"action": "open", "side": "buy", "symbol": "EURUSD", "qty_mode": "lots", "qty": 0.1, "ref_price": 1.1}
SHORT = {"lease_ms": 1500, "heartbeat_ms": 300, "send_margin_ms": 300, "request_timeout_ms": 500}
"""Recovery in seconds instead of a quarter of a minute."""


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """The operator's connection to the test's own database."""
    opened = await database.connect("supabase_admin")
    yield opened
    await opened.close()


def fault(url: str, kind: str, operation: str = "execute", **more: Any) -> None:
    """Order a fault for the next command."""
    asked = {"kind": kind, "operation": operation, "times": 1, **more}
    httpx.post(f"{url}/faults", json=asked, timeout=PATIENCE_S).raise_for_status()


def log(url: str) -> list[dict[str, Any]]:
    """Every write the venue has received."""
    written: list[dict[str, Any]] = httpx.get(f"{url}/log", timeout=PATIENCE_S).json()
    return written


@pytest.mark.parametrize("kind", ["drop_after_accept", "error_after", "garbled"])
async def test_lost_answer_is_settled_by_asking(
    database: Database, connection: asyncpg.Connection, kind: str
) -> None:
    """The venue has the order and its answer is lost: it is found by asking, and not sent again."""
    trader = await new_trader(database, connection, server="SIM")
    with venue() as (url, _), worker(database, paper_venue_url=url):
        fault(url, kind)
        done = await trader.delivery(await trader.alert(**BUY))
        assert [(each["kind"], each["applied"]) for each in log(url)] == [("place", True)]
    assert done["outcome"] == "executed", done
    (order,) = await trader.rows("orders")
    assert order["status"] == "filled"
    first = next(step for step in done["trace"] if step["stage"] == "execute")
    assert first["outcome"] == "unknown"
    assert await trader.invariants() == {}


@pytest.mark.parametrize("kind", ["drop_after_read", "error_before"])
async def test_order_that_never_arrived_is_sent_once_more(
    database: Database, connection: asyncpg.Connection, kind: str
) -> None:
    """The venue provably has no order: it is sent again, after the deadline, and executed once."""
    trader = await new_trader(database, connection, server="SIM")
    with venue() as (url, _), worker(database, paper_venue_url=url, **SHORT):
        fault(url, kind)
        done = await trader.delivery(await trader.alert(**BUY))
        assert [each["applied"] for each in log(url)] == [False, True]
    assert done["outcome"] == "executed", done
    assert len(await trader.rows("orders")) == 1
    assert await trader.invariants() == {}


@pytest.mark.parametrize(
    ("kind", "reason"), [("rate_limit_text", "broker_busy"), ("refused", "broker_unreachable")]
)
async def test_refused_before_reading_is_rejected(
    database: Database, connection: asyncpg.Connection, kind: str, reason: str
) -> None:
    """Busy, or no connection at all: provably nothing was sent, so it is rejected at once and nothing is open."""
    trader = await new_trader(database, connection, server="SIM")
    with venue() as (url, running), worker(database, paper_venue_url=url):
        opened = await trader.delivery(await trader.alert(**BUY))
        assert opened["outcome"] == "executed"
        if kind == "refused":
            running.kill()
        else:
            fault(url, kind)
        done = await trader.delivery(await trader.alert(**BUY))
    assert (done["outcome"], done["reason"]) == ("rejected", reason), done
    assert await trader.invariants() == {}


async def test_hanging_account_holds_up_nobody_else(
    database: Database, connection: asyncpg.Connection
) -> None:
    """While one order hangs at the venue the other accounts' alerts are executed."""
    stuck = await new_trader(database, connection, server="SIM")
    other = await new_trader(database, connection, server="SIM", accounts=10)
    with venue() as (url, _), worker(database, paper_venue_url=url):
        fault(url, "hang_after_accept")
        fault(url, "hang_before", "lookup", times=1000)
        hanging = await stuck.alert(**BUY)

        async def hangs() -> bool:
            return len(log(url)) == 1

        await until(hangs)
        done = await other.deliveries(await other.alert(**BUY))
        assert [row["outcome"] for row in done] == ["executed"] * 10
        assert [row["status"] for row in await stuck.rows("deliveries", event_id=hanging)] != ["done"]
        no_faults(url)
        release(url)
        assert (await stuck.delivery(hanging))["outcome"] == "executed"
        assert len(log(url)) == 11
    assert await stuck.invariants() == {}


async def test_account_that_cannot_be_read_holds_up_nobody_of_its_alert(
    database: Database, connection: asyncpg.Connection
) -> None:
    """Accounts of one alert wait for one another for a moment only: of eleven one is read late, ten are executed."""
    trader = await new_trader(database, connection, server="SIM", accounts=11)
    with venue() as (url, _), worker(database, paper_venue_url=url):
        fault(url, "hang_before", "read")
        event = await trader.alert(**BUY)

        async def outcomes() -> list[str | None]:
            return [row["outcome"] for row in await trader.rows("deliveries", event_id=event)]

        async def ten_are_done() -> bool:
            return (await outcomes()).count("executed") >= 10

        await until(ten_are_done)
        assert (await outcomes()).count(None) == 1
        release(url)
        assert [row["outcome"] for row in await trader.deliveries(event)] == ["executed"] * 11
    assert await trader.invariants() == {}


async def test_killed_worker_is_succeeded(database: Database, connection: asyncpg.Connection) -> None:
    """kill -9 after the send, before the record: the next worker asks and records; the venue saw one order."""
    trader = await new_trader(database, connection, server="SIM")
    with venue() as (url, _):
        with worker(database, paper_venue_url=url, **SHORT) as first:
            fault(url, "late", value="5")
            event = await trader.alert(**BUY)

            async def arrived() -> bool:
                return len(log(url)) == 1

            await until(arrived)
            first.kill()
        with worker(database, paper_venue_url=url, **SHORT):
            done = await trader.delivery(event)
        assert [each["applied"] for each in log(url)] == [True]
    assert done["outcome"] == "executed", done
    assert await trader.invariants() == {}


async def test_database_away_for_a_while(database: Database, connection: asyncpg.Connection) -> None:
    """Every connection of the worker is cut while an order is at the venue: it is recorded when they are back."""
    trader = await new_trader(database, connection, server="SIM")
    with venue() as (url, _), worker(database, paper_venue_url=url) as running:
        fault(url, "late", value="1")
        event = await trader.alert(**BUY)

        async def arrived() -> bool:
            return len(log(url)) == 1

        await until(arrived)
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'empire_worker'"
        )
        assert (await trader.delivery(event))["outcome"] == "executed"
        assert (await trader.delivery(await trader.alert(**BUY)))["outcome"] == "executed"
        assert len(log(url)) == 2
        assert running.stop() == 0
    assert await trader.invariants() == {}
