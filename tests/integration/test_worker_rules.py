"""Each rule on the road: set in the database, asked by a real worker, told in the trace; exits pass all of them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from tests.support.clusters import Database
from tests.support.trading import Trader, new_trader, worker

ENTRY = {
    "action": "open",
    "side": "buy",
    "symbol": "EURUSD",
    "qty_mode": "lots",
    "qty": 0.5,
    "ref_price": 1.1,
}
ENTRY |= {"sl": {"mode": "pips", "value": 20}}
LOOSE: dict[str, Any] = {
    "daily_loss": {"limit": 5000, "unit": "usd"},
    "static_floor": {"amount": 50, "unit": "pct_of_initial"},
    "daily_profit": {"limit": 5000, "unit": "account"},
    "max_qty": {"per_account": 5},
    "exposure": {"per_symbol_usd": 1000000},
    "margin_use": {"max_pct": 90, "leverage": 30},
    "stop_distance": {"min_ticks": 10},
    "spread": {"max_ticks": 10},
    "quote_age": {"max_s": 60},
    "alert_age": {"max_s": 600},
    "cool_down": {"after_losses": 3, "minutes": 5},
    "hours": {"calendar": "always"},
    "no_opposite": {},
    "sides": {"allowed": ["buy", "sell"]},
    "duplicates": {"window_s": 0},
    "consistency": {"max_pct": 90},
}


def denying() -> dict[str, tuple[dict[str, Any], str]]:
    """For each rule a setting that lets nothing through now, and the reason it gives."""
    now = datetime.now(UTC)
    other_day = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[(now.weekday() + 3) % 7]
    a_moment_ago = {"time": f"{now - timedelta(minutes=1):%H:%M}", "tz": "UTC"}
    never_now = [{"days": [other_day], "from": "10:00", "to": "11:00"}]
    return {
        "static_floor": ({"amount": 0, "unit": "account"}, "static_floor"),
        "trailing_drawdown": ({"kind": "intraday", "amount": 500, "unit": "usd"}, "drawdown_not_armed"),
        "daily_profit": ({"limit": 0, "unit": "account"}, "daily_profit"),
        "max_qty": ({"per_account": 0.4}, "max_qty"),
        "exposure": ({"per_symbol_usd": 54000}, "exposure"),
        "margin_use": ({"max_pct": 0.1, "leverage": 30}, "margin_use"),
        "stop_distance": ({"min_ticks": 201}, "stop_distance"),
        "alert_age": ({"max_s": 0}, "alert_too_old"),
        "hours": ({"windows": never_now}, "outside_hours"),
        "flat_by": (a_moment_ago, "flat_by"),
        "news": ({"calendar": "nobodys", "before_min": 5, "after_min": 5}, "no_calendar_data"),
        "sides": ({"allowed": ["sell"]}, "side_not_allowed"),
    }


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[asyncpg.Pool[asyncpg.Record]]:
    """Several operators' connections to the test's own database."""
    opened = await asyncpg.create_pool(database.url("supabase_admin"), min_size=1, max_size=4)
    assert opened is not None
    yield opened
    await opened.close()


async def set_rules(pool: asyncpg.Pool[asyncpg.Record], trader: Trader, rules: dict[str, Any]) -> None:
    """The rules of the user, in force at once."""
    await pool.execute(
        "update public.risk_settings set rules = $2::jsonb where user_id = $1 and superseded_at is null",
        trader.user,
        json.dumps(rules),
    )


async def limited(database: Database, pool: asyncpg.Pool[asyncpg.Record]) -> Trader:
    """A trader with a paper account of 100,000 that is watched, with every rule set and none in the way."""
    trader = await new_trader(database, pool, mode="hedging")  # type: ignore[arg-type]
    await pool.execute(
        "update public.broker_accounts set initial_balance = 100000, balance = 100000, equity = 100000, as_of = now(),"
        " freshness = 'fresh' where user_id = $1",
        trader.user,
    )
    await pool.execute(
        "insert into public.risk_settings (user_id, rules) values ($1, $2::jsonb)",
        trader.user,
        json.dumps(LOOSE),
    )
    return trader


def checks_of(delivery: Any) -> dict[str, dict[str, Any]]:
    """The verdicts of the risk step in a trace, by rule."""
    steps = [each for each in delivery["trace"] if each["stage"] == "risk"]
    return {each["rule"]: each for each in steps[-1]["detail"]["checks"]}


async def test_every_rule_denies_on_the_road(database: Database, pool: asyncpg.Pool[asyncpg.Record]) -> None:
    """One rule after the other is tightened: its reason, its numbers in the trace, and the close that still passes."""
    trader = await limited(database, pool)
    with worker(database):
        opened = await trader.delivery(await trader.alert(**ENTRY))
        assert (opened["outcome"], opened["reason"]) == ("executed", None), opened["numbers"]
        assert set(LOOSE) <= set(checks_of(opened))
        for rule, (setting, reason) in denying().items():
            await set_rules(pool, trader, LOOSE | {rule: setting})
            # Fired a moment ago: on a fast machine an alert without a time of its own has no age at all.
            fired_at = datetime.now(UTC) - timedelta(seconds=1)
            denied = await trader.delivery(await trader.alert(fired_at, **ENTRY))
            assert (denied["outcome"], denied["reason"]) == ("denied", reason), rule
            assert denied["numbers"]["scope"] == "user"
            verdicts = checks_of(denied)
            assert [name for name, each in verdicts.items() if not each["ok"]] == [rule]
            assert verdicts[rule]["reason"] == denied["reason"]
        closed = await trader.delivery(await trader.alert(action="close", symbol="EURUSD", ref_price=1.1))
        assert (closed["outcome"], closed["reason"]) == ("executed", None)
    assert await trader.invariants() == {}


async def test_the_same_order_twice_and_losses_in_a_row(
    database: Database, pool: asyncpg.Pool[asyncpg.Record]
) -> None:
    """A repeated order is denied with the first one's number; two losing round trips begin a pause with an end."""
    trader = await limited(database, pool)
    await set_rules(pool, trader, LOOSE | {"duplicates": {"window_s": 600}})
    with worker(database):
        first = await trader.delivery(await trader.alert(**ENTRY))
        assert first["outcome"] == "executed"
        twice = await trader.delivery(await trader.alert(**ENTRY))
        assert (twice["outcome"], twice["reason"]) == ("denied", "duplicate_intent")
        assert twice["numbers"]["twin"] == str(first["id"])
        await set_rules(pool, trader, LOOSE | {"cool_down": {"after_losses": 2, "minutes": 30}})
        for number in range(2):
            if number:
                assert (await trader.delivery(await trader.alert(**ENTRY)))["outcome"] == "executed"
            closed = await trader.delivery(
                await trader.alert(action="close", symbol="EURUSD", ref_price=1.0995)
            )
            assert closed["outcome"] == "executed"
        paused = await trader.delivery(await trader.alert(**ENTRY))
        assert (paused["outcome"], paused["reason"]) == ("denied", "cool_down")
        until = datetime.fromisoformat(paused["numbers"]["until"])
        assert timedelta(minutes=28) < until - datetime.now(UTC) <= timedelta(minutes=30)
