"""Rules on the road: real workers, alerts at once, and exactly as many orders as the money allows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from decimal import Decimal as D
from typing import Any

import asyncpg
import pytest

from tests.support.clusters import Database
from tests.support.trading import Trader, new_trader, worker

BUY = {"action": "open", "side": "buy", "symbol": "EURUSD", "qty_mode": "lots", "ref_price": 1.1}


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[asyncpg.Pool[asyncpg.Record]]:
    """Several operators' connections to the test's own database."""
    opened = await asyncpg.create_pool(database.url("supabase_admin"), min_size=1, max_size=6)
    assert opened is not None
    yield opened
    await opened.close()


async def limited(database: Database, pool: asyncpg.Pool[asyncpg.Record], **rules: Any) -> Trader:
    """A trader with a hedging paper account of 100,000 whose balance is known, and rules of the user."""
    trader = await new_trader(database, pool, mode="hedging")  # type: ignore[arg-type]
    await pool.execute(
        "update public.broker_accounts set balance = 100000, equity = 100000, as_of = now(), freshness = 'fresh'"
        " where user_id = $1",
        trader.user,
    )
    await pool.execute(
        "insert into public.risk_settings (user_id, rules) values ($1, $2::jsonb)",
        trader.user,
        json.dumps(rules),
    )
    return trader


async def outcomes(trader: Trader, alerts: int, **intent: Any) -> list[tuple[str, str | None]]:
    """So many equal alerts at the same moment, and how each ended."""
    events = await asyncio.gather(*[trader.alert(**BUY, **intent) for _ in range(alerts)])
    done = [await trader.delivery(event) for event in events]
    return [(each["outcome"], each["reason"]) for each in done]


async def test_three_worst_cases_fit_into_the_day(
    database: Database, pool: asyncpg.Pool[asyncpg.Record]
) -> None:
    """20 alerts at once, two workers, 100 USD at the stop each, 400 a day less the buffer of 10 %: exactly three orders."""
    trader = await limited(database, pool, daily_loss={"limit": 400, "unit": "usd"})
    with worker(database), worker(database):
        found = await outcomes(trader, 20, qty=0.5, sl={"mode": "pips", "value": 20})
    assert sorted(set(found)) == [("denied", "daily_loss"), ("executed", None)]
    assert found.count(("executed", None)) == 3
    orders = await trader.rows("orders")
    assert [each["status"] for each in orders] == ["filled"] * 3
    denied = next(each for each in await trader.rows("deliveries") if each["outcome"] == "denied")
    numbers = json.loads(denied["numbers"])
    assert (D(numbers["value"]), D(numbers["limit"])) == (400, 360)
    assert await trader.invariants() == {}


async def test_quantity_of_an_account(database: Database, pool: asyncpg.Pool[asyncpg.Record]) -> None:
    """Twelve alerts at once of half a lot, two lots allowed: four orders, and a close makes room again."""
    trader = await limited(database, pool, max_qty={"per_account": 2})
    with worker(database), worker(database):
        found = await outcomes(trader, 12, qty=0.5)
        assert found.count(("executed", None)) == 4
        assert set(found) == {("executed", None), ("denied", "max_qty")}
        closed = await trader.delivery(await trader.alert(action="close", symbol="EURUSD", ref_price=1.1))
        assert closed["outcome"] == "executed"
        assert await outcomes(trader, 1, qty=2) == [("executed", None)]


async def test_opposite_sides_across_accounts(database: Database, pool: asyncpg.Pool[asyncpg.Record]) -> None:
    """A buy to one account and a sell to another at the same moment, twenty times: never both are open."""
    with worker(database), worker(database):
        for _ in range(20):
            trader = await limited(database, pool, no_opposite={})
            other = await new_trader(database, pool)  # type: ignore[arg-type]
            await pool.execute(
                "update public.broker_accounts set user_id = $1 where user_id = $2", trader.user, other.user
            )
            await pool.execute(
                "update public.broker_connections set user_id = $1 where user_id = $2",
                trader.user,
                other.user,
            )
            await pool.execute(
                "update public.webhook_endpoints set user_id = $1 where user_id = $2", trader.user, other.user
            )
            other.user = trader.user
            buy, sell = await asyncio.gather(
                trader.alert(**BUY, qty=1), other.alert(**{**BUY, "side": "sell"}, qty=1)
            )
            done = [await trader.delivery(buy), await other.delivery(sell)]
            assert sorted(each["reason"] or "" for each in done) == ["", "opposite_elsewhere"]


async def test_a_breach_denies_the_next_and_lets_the_exit_go(
    database: Database, pool: asyncpg.Pool[asyncpg.Record]
) -> None:
    """Locked by a limit: the next buy is denied with the rule and the time, a close is executed."""
    trader = await limited(database, pool, daily_loss={"limit": 400, "unit": "usd"})
    with worker(database):
        assert await outcomes(trader, 1, qty=0.5, sl={"mode": "pips", "value": 20}) == [("executed", None)]
        event = await pool.fetchval(
            "select engine.breach($1, 'daily_loss', 'user', '{\"value\": \"400\"}', now() + interval '5 hours', false)",
            trader.account,
        )
        assert event == 0
        denied = await trader.delivery(await trader.alert(**BUY, qty=0.5))
        assert (denied["outcome"], denied["reason"]) == ("denied", "account_locked")
        assert denied["numbers"]["lock"] == "daily_loss"
        closed = await trader.delivery(await trader.alert(action="close", symbol="EURUSD", ref_price=1.1))
        assert closed["outcome"] == "executed"
