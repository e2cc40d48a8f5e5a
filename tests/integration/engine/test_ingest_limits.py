"""Limits of the door: a minute, a day, refused bodies, the cap of the queue. Exits always find a way."""

from __future__ import annotations

from tests.integration.engine.road import Road


async def test_alerts_a_minute(road: Road) -> None:
    """Entries over the limit get 429 with Retry-After; exits pass up to five times the limit."""
    trader = await road.trader()
    await road.set("public.webhook_endpoints", trader.endpoint, alerts_per_minute=4)
    entries = []
    for _ in range(6):
        entries.append(await road.ingest(trader))
        await road.minute_turns()
    limited = [answer for answer in entries if answer["http"] == 429]
    assert len(limited) == 2
    assert all(answer["error"] == "rate_limited" and 0 < answer["retry_after"] <= 60 for answer in limited)
    exits = [await road.ingest(trader, action="close") for _ in range(30)]
    assert [answer["http"] for answer in exits[:14]] == [202] * 14
    await road.admin.execute("update engine.endpoint_counters set n = 20 where kind = 'alerts'")
    assert (await road.ingest(trader, action="close"))["http"] == 429


async def test_entries_a_day(road: Road) -> None:
    """The day's entries end at the ceiling; exits do not count and pass."""
    trader = await road.trader()
    await road.set("public.webhook_endpoints", trader.endpoint, max_entries_per_day=2)
    assert (await road.ingest(trader, action="close"))["http"] == 202
    answers = [await road.ingest(trader) for _ in range(3)]
    assert [each["http"] for each in answers] == [202, 202, 429]
    assert answers[2]["message"] == "This endpoint accepts 2 entries a day (UTC); exits pass."
    assert 0 < answers[2]["retry_after"] <= 86400
    assert (await road.ingest(trader, action="flatten"))["http"] == 202
    await road.admin.execute(
        "update engine.endpoint_counters set window_start = window_start - interval '1 day' where kind = 'entries'"
    )
    assert (await road.ingest(trader))["http"] == 202


async def test_a_flood_of_bad_bodies_is_counted_not_kept(road: Road) -> None:
    """At most 100 refused bodies an hour stand in the inbox; the answer stays the same."""
    trader = await road.trader()
    refusal = {"payload": None, "refusal": {"status": 422, "error": "invalid", "details": []}}
    answers = [await road.ingest(trader, over=refusal) for _ in range(110)]
    assert {answer["http"] for answer in answers} == {422}
    assert await road.value("select count(*) from public.webhook_events where status = 'refused'") == 100
    assert await road.value("select n from engine.endpoint_counters where kind = 'refused'") == 110
    assert "event_id" not in answers[-1]


async def test_queue_is_capped_for_entries(road: Road) -> None:
    """Behind 200 waiting alerts of the account an entry is denied queue_full at once; an exit still gets in line."""
    trader = await road.trader()
    await road.admin.execute(
        """
        with events as (
          insert into public.webhook_events (user_id, source, body, status, open_deliveries)
          select $1::text::uuid, 'api', '', 'accepted', 1 from generate_series(1, 200) returning id
        )
        select engine.enqueue(array_agg(row(
          id, array[$2::text::uuid], 'api', 'open', 'EURUSD', 'buy', null, null, true, null, false, null
        )::engine.arrival order by id)) from events
        """,
        *(trader.user, trader.account),
    )
    full = await road.accept(trader)
    assert await road.outcomes(full) == [("done", "denied", "queue_full")]
    assert await road.value("select processed from public.webhook_events where id = $1", full)
    exit_ = await road.accept(trader, action="reduce")
    assert await road.outcomes(exit_) == [("queued", None, None)]
    assert await road.broken() == {}
