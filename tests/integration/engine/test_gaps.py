"""What strategies say they hold, compared with what accounts hold: gaps, what is done about them, and silence."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.engine.road import Json, Road, Trader

LONG_2 = {"qty": 1, "qty_mode": "lots", "position_size": "2"}


async def look(road: Road, *, read: bool = True) -> int:
    """One look of a maintenance worker, as its own role; the account was read since, or not."""
    if read:
        await road.admin.execute(
            "update public.deliveries set finished_at = finished_at - interval '10 seconds' where status = 'done'"
        )
        await road.admin.execute("update engine.account_marks set read_at = now(), failures = 0")
    maintenance = await road.another("empire_maintenance")
    found: int = await maintenance.fetchval("select engine.find_gaps(100)")
    return found


async def gaps(road: Road) -> list[Json]:
    """Every gap, oldest first."""
    return await road.column("select to_jsonb(g) from public.gaps g order by id")


async def asked(road: Road) -> list[Json]:
    """What was asked for by ourselves."""
    return await road.column(
        "select payload -> 'intent' from public.webhook_events where source = 'system' order by id"
    )


async def with_policy(road: Road, policy: str, mode: str = "netting") -> Trader:
    """A trader whose endpoint has this policy; the first look only finds where to begin."""
    trader = await road.trader(mode=mode)
    await road.set("public.webhook_endpoints", trader.endpoint, on_gap=policy)
    await look(road)
    return trader


async def test_a_missed_alert_is_shown(road: Road) -> None:
    """The strategy is long 2 after an alert that bought 1, and the account has 1: a row, a line in the log with the
    numbers, a message for the outside; once, and nothing else is done."""
    trader = await with_policy(road, "notify")
    done = await road.trade(trader, **LONG_2)
    assert await look(road, read=False) == 0, "unknown until it was read"
    assert [await look(road), await look(road)] == [1, 0]
    (gap,) = await gaps(road)
    assert (gap["expected"], gap["actual"], gap["is_exact"], gap["resolved_at"]) == (2, 1, True, None)
    assert gap["event_id"] == done["event"]["id"]
    (line,) = await road.column("select message from public.logs where type = 'gap'")
    assert line.endswith(
        f": after alert {done['event']['id']} your strategy holds long 2 of EURUSD, the account long 1. An alert was "
        "missed or not carried out (this one: executed). Nothing is done about it: the endpoint says notify."
    ), line
    (sent,) = await road.column("select body from engine.outbox where subject like 'empire.log.gap.%'")
    assert (sent["class"], sent["message"]) == ("gap", line)
    assert await asked(road) == []


async def test_who_agrees_is_left_alone(road: Road) -> None:
    """The same side and quantity, within what rounding takes; in other units the side alone is compared."""
    trader = await with_policy(road, "notify")
    await road.trade(trader, qty=1, qty_mode="lots", position_size="1.04")
    assert await look(road) == 0
    await road.trade(trader, qty=1, position="p1", qty_mode="risk_pct", position_size="70000")
    assert await look(road) == 0
    assert await gaps(road) == []


async def test_the_same_gap_is_told_once(road: Road) -> None:
    """The next alert shows it again with the same numbers: the row is seen again, the trader is not told again."""
    trader = await with_policy(road, "notify")
    await road.trade(trader, **LONG_2)
    assert await look(road) == 1
    await road.accept(trader, **LONG_2)
    (claimed,) = await road.claim()
    assert await road.deny(claimed)
    assert await look(road) == 1
    (gap,) = await gaps(road)
    assert gap["event_id"] == claimed["event"]["id"]
    assert len(await road.column("select message from public.logs where type = 'gap'")) == 1
    await road.trade(trader, **{**LONG_2, "position_size": "5"})
    assert await look(road) == 1
    assert len(await road.column("select message from public.logs where type = 'gap'")) == 2


async def test_a_gap_ends_by_itself(road: Road) -> None:
    """Whoever sees to it: once the account holds what the strategy does, the gap is closed."""
    trader = await with_policy(road, "notify")
    await road.trade(trader, **LONG_2)
    assert await look(road) == 1
    await road.admin.execute("update public.positions set qty = 2")
    assert await look(road) == 0
    (gap,) = await gaps(road)
    assert gap["resolved_at"] is not None


async def test_only_the_last_word_counts(road: Road) -> None:
    """A later alert of the symbol makes what the one before said history, also while it still waits."""
    trader = await with_policy(road, "notify")
    await road.trade(trader, **LONG_2)
    await road.accept(trader, action="close", symbol="EURUSD")
    assert await look(road) == 0
    assert await road.column("select verdict from engine.gap_checks") == ["overtaken"]


@pytest.mark.parametrize(
    ("policy", "size", "intent"),
    [
        ("catch_up", "2", {"action": "target", "qty": 2, "qty_mode": "lots", "sl": {"mode": "pips", "value": 20}}),
        ("flatten", "2", {"action": "flatten"}),
        ("catch_up", "-3", {"action": "target", "qty": -3, "qty_mode": "lots", "sl": {"mode": "pips", "value": 20}}),
    ],
)  # fmt: skip
async def test_what_the_endpoint_says_is_done(road: Road, policy: str, size: str, intent: Json) -> None:
    """catch_up asks for the strategy's position with the alert's own stop, through its endpoint; flatten closes the
    symbol. Once for each alert, and the row names it."""
    trader = await with_policy(road, policy)
    await road.trade(trader, qty=1, qty_mode="lots", position_size=size, sl={"mode": "pips", "value": 20})
    assert [await look(road), await look(road)] == [1, 0]
    (done,) = await asked(road)
    assert {name: done.get(name) for name in intent} == {
        name: str(value) if name == "qty" else value for name, value in intent.items()
    }
    (gap,) = await gaps(road)
    ours = await road.value("select id from public.webhook_events where source = 'system'")
    assert (gap["action_event_id"], gap["policy"]) == (ours, policy)
    endpoint = await road.value("select endpoint_id::text from public.webhook_events where id = $1", ours)
    assert endpoint == (trader.endpoint if policy == "catch_up" else None)
    assert await road.broken() == {}


async def test_how_much_is_not_guessed(road: Road) -> None:
    """Where quantities cannot be compared catch_up only tells, except to flat."""
    trader = await with_policy(road, "catch_up")
    await road.trade(trader, qty_mode="risk_pct", position_size="-70000")
    assert await look(road) == 1
    assert await asked(road) == []
    (line,) = await road.column("select message from public.logs where type = 'gap'")
    assert line.endswith("How much to catch up cannot be told from it: look at it yourself.")
    await road.trade(trader, qty_mode="risk_pct", position_size="0")
    assert await look(road) == 1
    assert [each["action"] for each in await asked(road)] == ["target"]
    assert len(await gaps(road)) == 1, "the same gap, seen again"


async def test_on_hedging_the_endpoints_own_positions_count(road: Road) -> None:
    """What was opened by hand is none of the strategy's."""
    trader = await with_policy(road, "notify", mode="hedging")
    await road.trade(trader, **{**LONG_2, "position_size": "1"})
    await road.admin.execute(
        "insert into public.positions (user_id, broker, account_id, venue_position_id, symbol, root, side, qty,"
        " entry_price) select user_id, broker, id, 'hand', 'EURUSD', 'EURUSD', 'sell', 5, 1.1"
        " from public.broker_accounts"
    )
    assert await look(road) == 0
    assert await gaps(road) == []


async def test_silence_is_told(road: Road) -> None:
    """An endpoint that should be heard every hour and is not: told once for each silence, not where nobody expects it."""
    trader, other = await road.trader(), await road.trader()

    async def told() -> Any:
        maintenance = await road.another("empire_maintenance")
        return (await maintenance.fetchval("select engine.raise_alarms(100)"))["silent"]

    ago = "update public.webhook_endpoints set created_at = now() - interval '1 day', last_seen_at = now() - interval '{}'"
    await road.set("public.webhook_endpoints", trader.endpoint, heartbeat_s=3600, name="Breakout")
    await road.admin.execute(ago.format("59 minutes"))
    assert await told() == 0
    await road.admin.execute(ago.format("62 minutes"))
    assert [await told(), await told()] == [1, 0]
    (line,) = await road.column("select message from public.logs where type = 'endpoint_silent'")
    assert line.startswith('The endpoint "Breakout" has not been heard of since ')
    assert line.endswith("an alert is expected every 3600 s. Is the alert still active in TradingView?")
    await road.admin.execute(ago.format("63 minutes"))
    assert await told() == 1, "it was heard in between"
    assert other.endpoint != trader.endpoint
