"""The road of an alert through the real database and a real worker process, to the paper broker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal as D
from typing import Any

import asyncpg
import pytest

from tests.support.clusters import Database
from tests.support.trading import new_trader, until, worker

BUY = {"action": "open", "side": "buy", "symbol": "EURUSD", "qty_mode": "lots", "qty": 0.1, "ref_price": 1.1}


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """The operator's connection to the test's own database."""
    opened = await database.connect("supabase_admin")
    yield opened
    await opened.close()


def stages(delivery: dict[str, Any]) -> list[tuple[str, str]]:
    """Stage and outcome of each line of the trace."""
    return [(step["stage"], step["outcome"]) for step in delivery["trace"]]


async def test_alert_becomes_a_filled_order(database: Database, connection: asyncpg.Connection) -> None:
    """An accepted alert is executed: order, fill and position exist, and the trace names every stage in order."""
    trader = await new_trader(database, connection)
    with worker(database):
        done = await trader.delivery(await trader.alert(**BUY, sl={"mode": "price", "value": 1.095}))
    assert (done["status"], done["outcome"], done["reason"]) == ("done", "executed", None), done
    assert [stage for stage, _ in stages(done)] == [
        "ingest", "parse", "resolve", "size", "risk", "fit", "write", "execute", "record",
    ][-len(stages(done)) :]  # fmt: skip
    (order,) = await trader.rows("orders")
    assert (order["status"], order["filled_qty"], order["avg_price"]) == ("filled", D("0.1"), D("1.1"))
    (fill,) = await trader.rows("fills")
    (position,) = await trader.rows("positions")
    assert fill["position_id"] == position["venue_position_id"]
    assert (position["qty"], position["stop_loss"]) == (D("0.1"), D("1.095"))
    assert await trader.invariants() == {}


async def test_close_follows_open(database: Database, connection: asyncpg.Connection) -> None:
    """Open, then close: flat, the profit booked, both in the order in which they arrived."""
    trader = await new_trader(database, connection)
    with worker(database):
        opened = await trader.alert(**BUY)
        # A close supersedes an entry that still waits, and rightly so: here the entry is done first.
        assert (await trader.delivery(opened))["outcome"] == "executed"
        closed = await trader.alert(action="close", symbol="EURUSD", ref_price=1.101)
        assert (await trader.delivery(closed))["outcome"] == "executed"
    assert [row["closed_at"] is not None for row in await trader.rows("positions")] == [True]
    assert [row["realised"] for row in await trader.rows("fills")] == [D(0), D(10)]
    assert (await trader.rows("broker_accounts"))[0]["balance"] == D(100_010)
    assert await trader.invariants() == {}


async def test_reverse_closes_then_opens(database: Database, connection: asyncpg.Connection) -> None:
    """A reverse closes the position, waits for the fill, and opens the other side."""
    trader = await new_trader(database, connection)
    with worker(database):
        await trader.alert(**BUY)
        done = await trader.delivery(await trader.alert(**{**BUY, "action": "reverse", "side": "sell"}))
    assert done["outcome"] == "executed", done
    (position,) = [row for row in await trader.rows("positions") if row["closed_at"] is None]
    assert (position["side"], position["qty"]) == ("sell", D("0.1"))
    assert await trader.invariants() == {}


async def test_flatten_leaves_nothing_open(database: Database, connection: asyncpg.Connection) -> None:
    """A flatten closes all positions and cancels all pending orders, and says flat after it has looked."""
    trader = await new_trader(database, connection, mode="hedging")
    with worker(database):
        await trader.alert(**BUY)
        await trader.alert(**{**BUY, "symbol": "XAUUSD", "ref_price": 2400})
        limit = {**BUY, "type": "limit", "price": 1.05}
        pending = await trader.delivery(await trader.alert(**limit))
        assert pending["outcome"] == "executed", pending
        done = await trader.delivery(await trader.alert(action="flatten"))
    assert (done["outcome"], done["numbers"]["flat"]) == ("executed", "yes"), done
    assert [row for row in await trader.rows("positions") if row["closed_at"] is None] == []
    assert sorted(row["status"] for row in await trader.rows("orders")).count("canceled") == 1
    assert await trader.invariants() == {}


@pytest.mark.parametrize(
    ("intent", "outcome", "reason"),
    [
        ({**BUY, "dry_run": True}, "skipped", "dry_run"),
        ({"action": "close", "symbol": "EURUSD"}, "skipped", "nothing_to_close"),
        ({**BUY, "qty": 0.001}, "denied", "below_minimum"),
        ({**BUY, "ref_price": None}, "rejected", "no_quote"),
        ({**BUY, "symbol": "ES2!"}, "denied", "instrument_unknown"),
        ({**BUY, "sl": {"mode": "price", "value": 1.2}}, "denied", "stop_wrong_side"),
        ({**BUY, "qty": 95}, "rejected", "insufficient_margin"),
    ],
)
async def test_every_alert_ends_with_one_reason(
    database: Database, connection: asyncpg.Connection, intent: dict[str, Any], outcome: str, reason: str
) -> None:
    """What is not executed ends with its outcome, its reason and a trace, and no open order."""
    trader = await new_trader(database, connection)
    with worker(database):
        done = await trader.delivery(await trader.alert(**intent))
    assert (done["outcome"], done["reason"]) == (outcome, reason), done
    assert done["trace"]
    assert [row for row in await trader.rows("orders") if row["status"] not in ("rejected",)] == []
    assert await trader.invariants() == {}


async def test_unreadable_body_ends_invalid(database: Database, connection: asyncpg.Connection) -> None:
    """A body that passed the door and is no alert ends invalid, and the account's next alert is executed."""
    trader = await new_trader(database, connection)
    broken = await trader.alert(action="open", symbol="EURUSD", side="buy", qty_mode="lots", qty="many")
    with worker(database):
        assert (await trader.delivery(broken))["outcome"] == "invalid"
        assert (await trader.delivery(await trader.alert(**BUY)))["outcome"] == "executed"


async def test_one_alert_for_many_accounts(database: Database, connection: asyncpg.Connection) -> None:
    """One alert for twenty accounts: twenty orders, one each."""
    trader = await new_trader(database, connection, accounts=20)
    with worker(database):
        done = await trader.deliveries(await trader.alert(**BUY))
    assert [row["outcome"] for row in done] == ["executed"] * 20
    assert len({row["account_id"] for row in await trader.rows("orders")}) == 20
    assert await trader.invariants() == {}


async def test_worker_drains_on_sigterm(database: Database, connection: asyncpg.Connection) -> None:
    """SIGTERM ends a worker with code 0; what it had claimed is finished, what it had not is still queued."""
    trader = await new_trader(database, connection, accounts=5)
    with worker(database) as running:
        event = await trader.alert(**BUY)

        async def claimed() -> bool:
            return bool(await connection.fetchval("select count(*) from public.orders"))

        await until(claimed)
        assert running.stop() == 0
    with worker(database):
        assert {row["outcome"] for row in await trader.deliveries(event)} == {"executed"}
    assert len(await trader.rows("orders")) == 5
