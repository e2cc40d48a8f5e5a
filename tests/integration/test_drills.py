"""Drills through real processes: every limit fires on a synthetic account, and nothing touches the trader's own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from tests.support.clusters import Database
from tests.support.trading import Trader, new_trader, until, worker

DRILL_S = 300.0
"""Longer than any drill takes, on a busy machine, too."""
COLUMNS = {
    "max_order_qty": 2,
    "max_trades_per_day": 12,
    "max_open_trades": 3,
    "max_concurrent_positions": 2,
    "max_risk_per_trade_pct": 0.5,
    "max_price_deviation_pct": 0.2,
    "stop_required": True,
    "allowed_symbols": ["XAUUSD", "EURUSD"],
}


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """The operator's connection to the test's own database."""
    opened = await database.connect("supabase_admin")
    yield opened
    await opened.close()


async def set_limits(trader: Trader, **columns: Any) -> None:
    """A row of limits of the trader's first account."""
    names = ", ".join(columns)
    values = ", ".join(f"${n}" for n in range(3, 3 + len(columns)))
    await trader.connection.execute(
        f"insert into public.risk_settings (user_id, account_id, {names}) values ($1, $2, {values})",
        trader.user, trader.account, *(json.dumps(v) if isinstance(v, dict) else v for v in columns.values()),
    )  # fmt: skip


async def drilled(trader: Trader, rule: str | None = None) -> dict[str, dict[str, Any]]:
    """A drill of the first account, carried out: each result by its rule and scope."""
    return await ended(trader, await asked_for(trader, rule))


async def asked_for(trader: Trader, rule: str | None = None) -> int:
    """A drill of the first account, as it is asked for."""
    run: int = await trader.connection.fetchval(
        "insert into public.drill_runs (user_id, account_id, rule) values ($1, $2, $3) returning id",
        trader.user, trader.account, rule,
    )  # fmt: skip
    return run


async def ended(trader: Trader, run: int) -> dict[str, dict[str, Any]]:
    """What each limit did in a drill, once it is over."""

    async def done() -> bool:
        status = await trader.connection.fetchval("select status from public.drill_runs where id = $1", run)
        return bool(status in ("done", "failed"))

    await until(done, DRILL_S)
    return {row["rule"]: row for row in await trader.rows("drills", run_id=run)}


async def test_every_limit_in_the_columns_fires(database: Database, connection: asyncpg.Connection) -> None:
    """Each is denied beyond it with its own reason and executed a notch below; the trader's account sees nothing."""
    trader = await new_trader(database, connection)
    await set_limits(trader, **COLUMNS)
    with worker(database, "all"):
        shown = await drilled(trader)
    told = {rule: row["told"] for rule, row in shown.items() if not row["passed"]}
    assert told == {}
    assert set(shown) == set(COLUMNS)
    assert await still_open(connection) == 0
    for table in ("orders", "deliveries", "fills", "positions", "webhook_events"):
        assert await trader.rows(table) == []
    assert await trader.invariants() == {}


async def still_open(connection: asyncpg.Connection) -> int:
    """Positions and working orders of whomever."""
    statement = (
        "select (select count(*) from public.positions where closed_at is null) + (select count(*) from public.orders"
        " where status in ('pending', 'submitting', 'working', 'partially_filled', 'unknown'))"
    )
    return int(await connection.fetchval(statement))


async def test_a_drill_that_was_broken_off_is_closed_and_begun_anew(
    database: Database, connection: asyncpg.Connection
) -> None:
    """A worker is killed while the twin holds positions: the next one closes them, and every limit fires."""
    trader = await new_trader(database, connection)
    await set_limits(trader, max_open_trades=30)

    async def twin_holds() -> bool:
        return await still_open(connection) > 3

    with worker(database, "all") as running:
        run = await asked_for(trader)
        await until(twin_holds)
        running.kill()
    held = await connection.fetchval("select account_id from public.orders limit 1")
    await connection.execute("update public.drill_runs set lease_until = now() - interval '1 second'")
    with worker(database, "all"):
        shown = await ended(trader, run)
    assert {rule: row["passed"] for rule, row in shown.items()} == {"max_open_trades": True}
    assert await connection.fetchval("select attempts from public.drill_runs") == 2
    assert await connection.fetchval("select count(distinct account_id) from public.orders") == 2
    flattened = "select count(*) from public.deliveries where account_id = $1 and action = 'flatten' and status = 'done'"
    assert await connection.fetchval(flattened, held) == 1
    assert await still_open(connection) == 0


RULES = {
    "daily_loss": {"limit": 1000, "unit": "usd"},
    "weekly_loss": {"limit": 4, "unit": "pct_of_initial"},
    "daily_profit": {"limit": 600, "unit": "account", "action": "flatten"},
    "trailing_drawdown": {"kind": "end_of_day", "amount": 2000, "unit": "usd", "start": 0, "cap": 0},
    "static_floor": {"amount": 10, "unit": "pct_of_initial", "buffer_pct": 5},
    "max_qty": {"per_account": 5, "scaling": [{"profit_from": -1000, "per_account": 2}, {"profit_from": 1500, "per_account": 3}]},
    "exposure": {"per_symbol_usd": 150000},
    "margin_use": {"max_pct": 30, "leverage": 100},
    "stop_distance": {"min_ticks": 20},
    "spread": {"max_ticks": 15},
    "quote_age": {"max_s": 5},
    "alert_age": {"max_s": 20},
    "cool_down": {"after_losses": 2, "minutes": 30},
    "hours": {"calendar": "forex"},
    "flat_by": {"time": "15:05", "tz": "America/Chicago"},
    "news": {"calendar": "us_high_impact", "before_min": 5, "after_min": 5},
    "no_opposite": {"across": "user"},
    "consistency": {"max_pct": 40, "target": 1000, "action": "cap"},
    "sides": {"allowed": ["buy"]},
    "duplicates": {"window_s": 30},
}  # fmt: skip


async def test_every_rule_fires(database: Database, connection: asyncpg.Connection) -> None:
    """Each is denied beyond it and executed a notch below; what is touched while open is flattened and locked."""
    trader = await new_trader(database, connection)
    await set_limits(trader, max_daily_loss_pct=2, rules=RULES)
    with worker(database, "all"):
        shown = await drilled(trader)
    told = {rule: row["told"] for rule, row in shown.items() if not row["passed"]}
    assert told == {}
    assert set(shown) == {*RULES, "max_daily_loss_pct"}
    assert await trader.invariants() == {}


async def test_the_watch_tells_how_far_each_limit_is(
    database: Database, connection: asyncpg.Connection
) -> None:
    """public.account_risk: value, threshold and distance in money; a limit that is taken away stands nowhere."""
    trader = await new_trader(database, connection)
    await set_limits(
        trader, max_daily_loss_usd=1000, rules={"static_floor": {"amount": 10, "unit": "pct_of_initial"}}
    )

    await connection.execute("update public.broker_accounts set initial_balance = 100000")

    async def told() -> dict[str, tuple[Any, ...]]:
        rows = await connection.fetch(
            "select * from public.account_risk where account_id = $1", trader.account
        )
        return {row["rule"]: (row["value"], row["threshold"], row["distance"]) for row in rows}

    async def both_are_known() -> bool:
        await connection.execute("update engine.account_marks set due_at = now()")  # not in 30 seconds
        found = await told()
        return set(found) == {"daily_loss", "static_floor"} and None not in found["daily_loss"]

    async def one_is_left() -> bool:
        await connection.execute("update engine.account_marks set due_at = now()")
        return set(await told()) == {"daily_loss"}

    with worker(database, "all"):
        await until(both_are_known)
        found = await told()
        assert found["daily_loss"] == (0, 900, 900)
        assert found["static_floor"] == (100000, 90000, 10000)
        await connection.execute("update public.risk_settings set rules = '{}'")
        await until(one_is_left)
