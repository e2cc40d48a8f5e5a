"""Ninety days: what is forgotten then, and what never is."""

from __future__ import annotations

from tests.integration.engine.road import Json, Road, Trader

TABLES = (
    "public.webhook_events",
    "public.deliveries",
    "engine.commands",
    "public.orders",
    "public.fills",
    "public.logs",
)


async def counts(road: Road) -> list[int]:
    """Rows of each of TABLES."""
    return [int(await road.value(f"select count(*) from {table}")) for table in TABLES]


async def age(road: Road, days: int) -> None:
    """Everything so far is this old."""
    await road.admin.execute(f"update public.webhook_events set received_at = now() - interval '{days} days'")
    await road.admin.execute(f"update public.logs set created_at = now() - interval '{days} days'")


async def forget(road: Road, limit: int = 100) -> Json:
    """One turn of a worker."""
    told: Json = await road.worker.fetchval("select engine.housekeeping($1)", limit)
    return told


async def traded(road: Road) -> Trader:
    """A trader with a filled order, a refused alert and a line in the log."""
    trader = await road.trader()
    await road.trade(trader)
    refusal = {"payload": None, "refusal": {"status": 422, "error": "invalid", "details": []}}
    assert (await road.ingest(trader, over=refusal))["http"] == 422
    await road.admin.execute(
        "insert into public.logs (user_id, level, type, message) values ($1::text::uuid, 'info', 'test', 'm')",
        trader.user,
    )
    return trader


async def test_old_alerts_go_and_their_orders_stay(road: Road) -> None:
    """After 90 days events (refused ones too), deliveries, commands and logs are gone; orders and fills are not."""
    await traded(road)
    await age(road, 89)
    before = await counts(road)
    assert (await forget(road))["events"] == 0
    assert await counts(road) == before == [2, 1, 1, 1, 1, 1]
    told = await road.value("select count(*) from realtime.messages where event = 'order.updated'")
    await age(road, 91)
    assert await forget(road) == {
        "dedupe": 0,
        "deliveries": 1,
        "events": 2,
        "logs": 1,
        "notifications": 0,
        "outbox": 0,
        "more": False,
    }
    assert await counts(road) == [0, 0, 0, 1, 1, 0]
    assert await road.column("select delivery_id from public.orders") == [None]
    # Nobody is woken for it.
    assert await road.value("select count(*) from realtime.messages where event = 'order.updated'") == told
    assert await road.broken() == {}


async def test_batch_by_batch(road: Road) -> None:
    """A turn takes a batch of each kind and says that there is more; the oldest go first."""
    trader = await road.trader()
    events = [await road.accept(trader) for _ in range(5)]
    for _ in events:
        (claimed,) = await road.claim()
        assert await road.deny(claimed)
    await age(road, 100)
    await road.admin.execute(
        "update public.webhook_events set received_at = received_at + interval '1 hour' where id = $1",
        events[0],
    )
    turns = []
    while not turns or turns[-1]["more"]:
        turns.append(await forget(road, 2))
        if len(turns) == 1:
            assert await road.column("select id from public.webhook_events order by id") == [
                events[0], *events[3:],
            ]  # fmt: skip
    assert [turn["deliveries"] for turn in turns] == [2, 2, 1]
    assert (await counts(road))[:2] == [0, 0]


async def test_what_is_not_done_is_kept(road: Road) -> None:
    """However old: what still waits, is claimed or unknown stays, and so does its alert."""
    trader = await road.trader(accounts=2)
    event = await road.accept(trader)
    first, _ = await road.claim()
    assert await road.deny(first)
    await age(road, 200)
    told = await forget(road)
    assert (told["deliveries"], told["events"]) == (1, 0)
    assert await road.column("select id from public.webhook_events") == [event]
    assert await road.value("select count(*) from engine.queue") == 1
    assert await road.broken() == {}


async def test_one_forgets_at_a_time(road: Road) -> None:
    """While one worker forgets, another does not wait for it."""
    await traded(road)
    await age(road, 100)
    other = await road.another("empire_worker")
    async with other.transaction():
        await other.fetchval("select engine.housekeeping(100)")
        assert await forget(road) == {"more": False}
    assert (await counts(road))[0] == 0
