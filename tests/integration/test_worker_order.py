"""Several workers, many alerts: order of arrival within an account, each alert once, limits exact."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack

import asyncpg
import httpx
import pytest

from local.ports import SCRATCH_BASE, reserve
from tests.support.clusters import PATIENCE_S, Database
from tests.support.processes import run
from tests.support.trading import Trader, new_trader, until, venue, worker

BUY = {"action": "open", "side": "buy", "symbol": "EURUSD", "qty_mode": "lots", "qty": 0.1, "ref_price": 1.1}


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """The operator's connection to the test's own database."""
    opened = await database.connect("supabase_admin")
    yield opened
    await opened.close()


def fetched(url: str) -> httpx.Response:
    """What is at an address."""
    return httpx.get(url, timeout=PATIENCE_S)


async def all_done(trader: Trader) -> None:
    """Wait until nothing is queued."""

    async def empty() -> bool:
        return not await trader.connection.fetchval("select count(*) from engine.queue")

    await until(empty)


async def test_two_workers_keep_an_accounts_order(database: Database, connection: asyncpg.Connection) -> None:
    """Two workers, three accounts, sixty alerts: the venue receives each account's orders as they arrived, once."""
    trader = await new_trader(database, connection, accounts=3, server="SIM", on_opposite="reverse")
    with ExitStack() as running:
        url, _ = running.enter_context(venue())
        events = [await trader.alert(**{**BUY, "qty": n / 100 + 0.1}) for n in range(20)]
        for _ in range(2):
            running.enter_context(worker(database, paper_venue_url=url))
        await all_done(trader)
        written = fetched(f"{url}/log").json()
    orders = {row["client_order_id"]: row for row in await trader.rows("orders")}
    for account in trader.accounts:
        received = [orders[each["client_order_id"]]["qty"] for each in written if each["account"] == account]
        assert received == sorted(received)
        assert len(received) == len(events)
    assert all(each["applied"] for each in written)
    assert await trader.invariants() == {}


async def test_limit_is_exact_over_many_accounts(database: Database, connection: asyncpg.Connection) -> None:
    """A user's limit of ten trades a day and one alert for forty accounts: exactly ten orders, thirty denials."""
    trader = await new_trader(database, connection, accounts=40)
    await connection.execute(
        "insert into public.risk_settings (user_id, max_trades_per_day) values ($1, 10)", trader.user
    )
    with worker(database), worker(database):
        done = await trader.deliveries(await trader.alert(**BUY))
    ends = Counter((row["outcome"], row["reason"]) for row in done)
    assert ends == {("executed", None): 10, ("denied", "max_trades_per_day"): 30}
    assert len(await trader.rows("orders")) == 10
    assert await trader.invariants() == {}


async def test_metrics_count_what_happened(database: Database, connection: asyncpg.Connection) -> None:
    """The worker's loopback port tells alerts by result, orders by status, the time of each stage."""
    trader = await new_trader(database, connection)
    reservation = reserve(None, first=SCRATCH_BASE)
    port = reservation.ports.base
    env = {"EMPIRE_WORKER_DATABASE_URL": database.url("empire_worker")}
    with run("empire", "worker", "execution", "--metrics-port", str(port), env=env):
        await trader.delivery(await trader.alert(**BUY))
        await trader.delivery(await trader.alert(action="close", symbol="XAUUSD"))

        async def told() -> str:
            return fetched(f"http://127.0.0.1:{port}/metrics").text

        async def counted() -> bool:
            return 'stage_seconds_count{stage="record"} 2.0' in await told()

        # A delivery is done before the worker has counted it.
        await until(counted)
        shown = await told()
    reservation.release()
    assert 'alerts_total{result="executed",source="tradingview"} 1.0' in shown
    assert 'alerts_total{result="skipped",source="tradingview"} 1.0' in shown
    assert 'orders_total{broker="paper",status="filled"} 1.0' in shown
    assert "worker_up 1.0" in shown
