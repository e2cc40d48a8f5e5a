"""Pending entries end when their time is over, and where nothing may be opened any more."""

from __future__ import annotations

import pytest

from tests.integration.engine.road import ENTRY, EXIT, Json, Road, Trader, outcome


async def resting(road: Road, **leg: object) -> Trader:
    """A trader with one order that works at the broker."""
    trader = await road.trader()
    await road.accept(trader)
    (claimed,) = await road.claim()
    limit = {**ENTRY, "type": "limit", "price": 1, "expires_at": "2100-01-01T00:00:00Z", **leg}
    (command,) = (await road.open_one(claimed, limit))["commands"]
    assert await road.record(claimed, [{**outcome(command["id"], "accepted"), "venue_order_id": "v"}])
    return trader


async def end(road: Road) -> int:
    """What a worker's turn asks for."""
    asked: int = await road.worker.fetchval("select engine.end_entries(10)")
    return asked


async def _expire(road: Road, _: Trader) -> None:
    await road.admin.execute("update public.orders set expires_at = now() - interval '1 second'")


async def _halt(road: Road, trader: Trader) -> None:
    await road.set("public.profiles", trader.user, trading_halted="true")


async def _disable(road: Road, trader: Trader) -> None:
    await road.set("public.broker_accounts", trader.account, trading_enabled="false")


async def _lock(road: Road, trader: Trader) -> None:
    await road.set("public.broker_accounts", trader.account, locked_until="2100-01-01")


async def _close_door(road: Road, trader: Trader) -> None:
    await road.set("public.webhook_endpoints", trader.endpoint, enabled="false")


CAUSES = [
    (_expire, "Its time is over."),
    (_halt, "Trading is halted."),
    (_disable, "The account is disabled."),
    (_lock, "The account is locked."),
    (_close_door, "The endpoint is disabled."),
]


@pytest.mark.parametrize(("cause", "why"), CAUSES)
async def test_entry_is_canceled(road: Road, cause: object, why: str) -> None:
    """One cancel of that order stands in line, with the reason; it is not asked for twice."""
    trader = await resting(road)
    assert await end(road) == 0
    assert callable(cause)
    await cause(road, trader)
    assert [await end(road), await end(road)] == [1, 0]
    (claimed,) = await road.claim(lane="urgent")
    assert (claimed["event"]["source"], claimed["delivery"]["action"]) == ("system", "cancel")
    intent: Json = await road.value(
        "select payload -> 'intent' from public.webhook_events where source = 'system'"
    )
    number = await road.value("select id::text from public.orders")
    assert (intent["order_id"], intent["comment"]) == (number, why)
    assert await road.broken() == {}


async def test_asked_again_while_it_stands(road: Road) -> None:
    """A cancel that left the order working is asked for again: after a minute, later every hour."""
    await resting(road, expires_at="2020-01-01T00:00:00Z")
    assert await end(road) == 1
    await road.admin.execute("update engine.endings set ask_again_at = now()")
    assert await end(road) == 0, "the first is still in line"
    waits = []
    for _ in range(8):
        (claimed,) = await road.claim(lane="urgent")
        assert await road.deny(claimed)
        waits.append(
            await road.value(
                "select round(extract(epoch from ask_again_at - now()) / 60) from engine.endings"
            )
        )
        await road.admin.execute("update engine.endings set ask_again_at = now()")
        assert await end(road) == 1
    assert [int(each) for each in waits[1:]] == [2, 4, 8, 16, 32, 60, 60]


async def test_what_is_not_an_entry_of_ours_stays(road: Road) -> None:
    """Protection, orders placed elsewhere and orders that are done are left alone."""
    trader = await resting(road, expires_at="2020-01-01T00:00:00Z")
    await _halt(road, trader)
    for change in (
        "reduce_only = true",
        "reduce_only = false, origin = 'broker'",
        "origin = 'alert', status = 'canceled'",
    ):
        await road.admin.execute(f"update public.orders set {change}")
        assert await end(road) == 0, change
    assert EXIT["reduce_only"]


async def test_expiry_is_on_the_order(road: Road) -> None:
    """When an entry ends stands in its row, to be seen by its owner."""
    await resting(road)
    assert str(await road.value("select expires_at from public.orders")).startswith("2100-01-01 00:00")
