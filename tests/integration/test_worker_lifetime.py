"""Pending entries on the road: they end by themselves, and with what stops trading."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest

from shared import clock
from tests.support.clusters import Database
from tests.support.trading import Trader, new_trader, until, worker

LIMIT = {
    "action": "open", "side": "buy", "symbol": "EURUSD", "qty_mode": "lots", "qty": 0.1, "ref_price": 1.1,
    "type": "limit", "price": 1.05,
}  # fmt: skip


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """The operator's connection to the test's own database."""
    opened = await database.connect("supabase_admin")
    yield opened
    await opened.close()


async def canceled(trader: Trader) -> None:
    """Wait until the order is gone."""

    async def gone() -> bool:
        return [row["status"] for row in await trader.rows("orders")] == ["canceled"]

    await until(gone)


async def test_order_ends_when_its_time_is_over(database: Database, connection: asyncpg.Connection) -> None:
    """The paper broker knows no expiry: we keep it, say so, and cancel the order when it is due."""
    trader = await new_trader(database, connection)
    ends = clock.now() + timedelta(hours=1)
    with worker(database):
        done = await trader.delivery(await trader.alert(**LIMIT, tif="gtd", expires_at=ends.isoformat()))
        assert done["outcome"] == "executed", done
        (fitted,) = [step["detail"]["legs"] for step in done["trace"] if step["stage"] == "fit"]
        assert fitted[0]["expiry"] == "ours"
        (order,) = await trader.rows("orders")
        assert (order["status"], order["expires_at"], order["tif"]) == ("working", ends, "gtc")
        await connection.execute("update public.orders set expires_at = now()")  # the hour has passed
        await canceled(trader)
    (ended,) = await trader.rows("webhook_events", source="system")
    assert ended["processed"]
    assert await trader.invariants() == {}


async def test_lock_cancels_what_rests(database: Database, connection: asyncpg.Connection) -> None:
    """A lock of the account leaves no entry behind that could still fill."""
    trader = await new_trader(database, connection)
    with worker(database):
        assert (await trader.delivery(await trader.alert(**LIMIT)))["outcome"] == "executed"
        await connection.execute(
            "update public.broker_accounts set locked_until = now() + interval '1 hour' where id = $1",
            trader.account,
        )
        await canceled(trader)
    assert await trader.invariants() == {}
