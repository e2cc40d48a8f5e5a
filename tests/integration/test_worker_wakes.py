"""What ends a worker's rest. It looks by itself once a minute here: what is done sooner it was woken for."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.support.clusters import Database
from tests.support.trading import new_trader, until, venue, worker
from tests.support.venue_admin import fault, written

BUY = {"action": "open", "side": "buy", "symbol": "EURUSD", "qty_mode": "lots", "qty": 1, "ref_price": 1.1}
RESTS = {"poll_min_ms": 60_000, "poll_max_ms": 60_000}
SOON_S = 20.0
LISTENS = "select pid from pg_stat_activity where application_name = 'empire wake-up' and datname = current_database()"


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """The operator's connection to the test's own database."""
    opened = await database.connect("supabase_admin")
    yield opened
    await opened.close()


async def listening(connection: asyncpg.Connection) -> int:
    """The session in which the worker listens, once it does."""

    async def there() -> bool:
        return bool(await connection.fetchval(f"{LISTENS} and query like 'LISTEN%'"))

    await until(there)
    return int(await connection.fetchval(LISTENS))


async def test_who_waits_in_line_is_taken_when_it_is_his_turn(
    database: Database, connection: asyncpg.Connection
) -> None:
    """An alert wakes the worker while another of its account is on its way: nothing to claim. When that one has ended the
    worker looks again: nobody tells it a second time."""
    trader = await new_trader(database, connection, server="SIM")
    with venue() as (url, _), worker(database, paper_venue_url=url, **RESTS):
        await listening(connection)
        fault(url, "late", value="0.4")
        first = await trader.alert(**BUY)

        async def is_sent() -> bool:
            return bool(written(url))

        await until(is_sent)
        second = await trader.alert(**BUY)
        for event in (first, second):
            assert (await trader.delivery(event, SOON_S))["outcome"] == "executed"
    assert await trader.invariants() == {}


async def test_what_was_told_while_nobody_listened(
    database: Database, connection: asyncpg.Connection
) -> None:
    """The connection that listens is lost, an alert arrives, and its wake-up is heard by nobody: the worker looks as soon
    as it listens again."""
    trader = await new_trader(database, connection)
    with worker(database, **RESTS):
        lost = await listening(connection)
        assert (await trader.delivery(await trader.alert(**BUY), SOON_S))["outcome"] == "executed"
        await connection.fetchval("select pg_terminate_backend($1, 5000)", lost)
        assert (await trader.delivery(await trader.alert(**BUY), SOON_S))["outcome"] == "executed"
    assert await trader.invariants() == {}
