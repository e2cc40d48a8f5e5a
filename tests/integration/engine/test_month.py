"""The plan's trades of a month: counted under the same locks as every limit."""

from __future__ import annotations

import asyncio

import pytest

from tests.integration.engine.road import ENTRY, Json, Road, Trader, outcome


async def real(
    road: Road, accounts: int = 1, *, allowed: int | None = 3, broker: str = "tradelocker"
) -> Trader:
    """A user on the Starter plan, whose month is `allowed` trades long, with accounts at a real broker."""
    trader = await road.trader(accounts=accounts, broker=broker)
    await road.admin.execute("update public.broker_connections set environment = 'live'")
    await road.admin.execute(
        "update public.plan_limits set trades_per_month = $1 where plan = 'starter'", allowed
    )
    return trader


async def opened(road: Road, trader: Trader, times: int, **leg: object) -> list[Json]:
    """What open_orders says to so many entries one after another; each is refused by the broker or ended."""
    answers = []
    for _ in range(times):
        await road.accept(trader)
        for claimed in await road.claim():
            answer = await road.open_one(claimed, {**ENTRY, **leg})
            told = [
                {**outcome(each["id"], "accepted"), "venue_order_id": f"v{each['id']}"}
                for each in answer.get("commands", [])
            ]
            assert await road.record(claimed, told, "executed" if told else "denied")
            answers.append(answer)
    return answers


async def test_plan_ends_the_month(road: Road) -> None:
    """The fourth trade of three is denied with its numbers; next month there is room again."""
    trader = await real(road)
    answers = await opened(road, trader, 4)
    assert [each["verdict"] for each in answers] == ["opened"] * 3 + ["denied"]
    assert (answers[3]["reason"], answers[3]["numbers"]) == ("max_trades_per_month", {"value": 4, "limit": 3})
    await road.admin.execute(
        "update engine.scope_counters set trading_day = (trading_day - interval '1 month')::date where scope = 'month'"
    )
    assert [each["verdict"] for each in await opened(road, trader, 1)] == ["opened"]
    assert await road.broken() == {}


async def test_accounts_of_a_user_share_the_month(road: Road) -> None:
    """Eight accounts, two workers at once, room for three: exactly three."""
    trader = await real(road, accounts=8)
    await road.accept(trader)
    claimed = await road.claim()
    other = await road.another("empire_worker")
    parts = await asyncio.gather(road.open(claimed[::2]), road.open(claimed[1::2], connection=other))
    assert [each["verdict"] for part in parts for each in part].count("opened") == 3


@pytest.mark.parametrize(("broker", "environment"), [("paper", "live"), ("tradelocker", "simulated")])
async def test_practice_does_not_count(road: Road, broker: str, environment: str) -> None:
    """Paper and simulated venues use up nothing of the plan."""
    trader = await real(road, allowed=0, broker=broker)
    await road.admin.execute(f"update public.broker_connections set environment = '{environment}'")
    assert [each["verdict"] for each in await opened(road, trader, 2)] == ["opened"] * 2


async def test_larger_plan_has_no_end(road: Road) -> None:
    """A plan without a number counts on and denies nothing; a trial has it too."""
    trader = await real(road, allowed=0)
    assert [each["verdict"] for each in await opened(road, trader, 1)] == ["denied"]
    await road.admin.execute(
        "insert into public.subscriptions (user_id, plan, status, trial_end)"
        " values ($1::text::uuid, 'starter', 'trialing', now() + interval '1 day')",
        trader.user,
    )
    assert [each["verdict"] for each in await opened(road, trader, 2)] == ["opened"] * 2


async def test_refused_trade_is_given_back(road: Road) -> None:
    """What the broker refused is no trade of the month."""
    trader = await real(road, allowed=1)
    await road.accept(trader)
    (claimed,) = await road.claim()
    (command,) = (await road.open_one(claimed))["commands"]
    assert await road.record(claimed, [outcome(command["id"], "rejected", "market_closed")], "rejected")
    assert [each["verdict"] for each in await opened(road, trader, 2)] == ["opened", "denied"]
