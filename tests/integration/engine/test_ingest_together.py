"""Alerts that arrive together share a call and a commit, and nothing else."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from tests.integration.engine.road import Json, Road, alert_of


def said(answers: list[Json]) -> list[str]:
    """The word of each answer."""
    return [answer.get("status") or answer["error"] for answer in answers]


async def test_answers_come_in_the_order_given(road: Road) -> None:
    """Each alert has its own answer, whatever the others of the call are."""
    one, two = await road.trader(), await road.trader(accounts=2)
    strange = alert_of(one, over={"endpoint_id": "00000000-0000-0000-0000-000000000000"})
    mismatch = alert_of(two, broker="tradelocker")
    answers = await road.ingest_all(alert_of(two), strange, alert_of(one), mismatch, alert_of(two))
    assert said(answers) == ["accepted", "unauthorized", "accepted", "broker_mismatch", "accepted"]
    assert [answer.get("deliveries") for answer in answers] == [2, None, 1, None, 2]
    assert await road.column(
        "select count(*) from public.deliveries group by event_id order by event_id"
    ) == [2, 1, 2]
    assert await road.broken() == {}


async def test_the_same_alert_four_times_in_one_call(road: Road) -> None:
    """One is accepted, the others are its duplicates; another body under its id is refused."""
    trader = await road.trader()
    alert = alert_of(trader, top={"id": "a"})
    answers = await road.ingest_all(
        alert, alert, alert_of(trader, top={"id": "a"}, side="sell"), alert, alert
    )
    assert said(answers) == ["accepted", "duplicate", "id_reused", "duplicate", "duplicate"]
    assert len({answer["event_id"] for answer in answers if answer.get("status")}) == 1
    assert await road.value("select count(*) from engine.queue") == 1
    assert said(await road.ingest_all(alert)) == ["duplicate"]


async def test_one_head_per_account_and_the_order_given(road: Road) -> None:
    """The first of an account is its head, the others wait in the order of the call."""
    trader = await road.trader(accounts=2)
    one, two = trader.accounts
    await road.ingest_all(
        *(alert_of(trader, accounts=[one], tag=str(n)) for n in range(3)), alert_of(trader, accounts=[two])
    )
    states = await road.admin.fetch(
        "select account_id::text, state, tag from engine.queue order by account_id = $1::text::uuid desc, id",
        one,
    )
    assert [tuple(row) for row in states] == [
        (one, "ready", "0"),
        (one, "waiting", "1"),
        (one, "waiting", "2"),
        (two, "ready", None),
    ]
    assert await road.broken() == {}


async def test_a_close_covers_what_came_before_it_in_its_call(road: Road) -> None:
    """Open, close, open in one call: the first never becomes an order, the last does."""
    trader = await road.trader()
    answers = await road.ingest_all(
        alert_of(trader), alert_of(trader, action="close", side=None), alert_of(trader, side="sell")
    )
    first, close, last = (int(answer["event_id"]) for answer in answers)
    assert await road.outcomes(first) == [("done", "skipped", "superseded")]
    assert await road.value("select processed from public.webhook_events where id = $1", first)
    assert await road.outcomes(close) == [("queued", None, None)]
    assert await road.outcomes(last) == [("queued", None, None)]
    (claimed,) = await road.claim()
    assert claimed["event"]["id"] == close
    assert await road.broken() == {}


async def test_limits_count_every_alert_of_a_call(road: Road) -> None:
    """Of seven alerts at a limit of five a minute exactly the first five pass; what is refused occupies no key."""
    trader = await road.trader()
    await road.set("public.webhook_endpoints", trader.endpoint, alerts_per_minute=5)
    alerts = [alert_of(trader) for _ in range(7)]
    answers = await road.ingest_all(*alerts)
    assert said(answers) == ["accepted"] * 5 + ["rate_limited"] * 2
    assert await road.value("select count(*) from engine.dedupe") == 5
    await road.minute_turns()
    # An exit still passes, in the same call as an entry that does not.
    assert said(await road.ingest_all(alert_of(trader), alert_of(trader, action="reduce"))) == [
        "rate_limited",
        "accepted",
    ]


async def test_entries_a_day_in_one_call(road: Road) -> None:
    """An endpoint's entries a day are counted one by one, exits not at all."""
    trader = await road.trader()
    await road.set("public.webhook_endpoints", trader.endpoint, max_entries_per_day=2)
    answers = await road.ingest_all(
        *(alert_of(trader, action=action) for action in ("open", "reduce", "open", "open", "reduce"))
    )
    assert said(answers) == ["accepted", "accepted", "accepted", "rate_limited", "accepted"]
    assert 0 < answers[3]["retry_after"] <= 86400


async def test_impatient_calls_give_up_on_a_locked_account(road: Road) -> None:
    """With somebody holding the account, an impatient call is rolled back whole within its statement's time."""
    held, free = await road.trader(), await road.trader()
    async with asyncio.timeout(60):
        async with road.admin.transaction():
            await road.admin.execute(
                "select from public.broker_accounts where id = $1::text::uuid for update", held.account
            )
            with pytest.raises(asyncpg.LockNotAvailableError):
                await road.ingest_all(alert_of(free), alert_of(held), patient=False)
    assert await road.value("select count(*) from public.webhook_events") == 0
    assert said(await road.ingest_all(alert_of(free), alert_of(held), patient=False)) == [
        "accepted",
        "accepted",
    ]


async def test_calls_with_the_same_endpoints_in_other_orders_never_deadlock(road: Road) -> None:
    """Two callers whose alerts cross, refusals among them, both end."""
    traders = [await road.trader() for _ in range(4)]
    other = await road.another("empire_edge")

    def alerts(turned: bool) -> list[Json]:
        made = [
            alert_of(trader, **({"broker": "tradelocker"} if n % 2 else {}))
            for trader in traders
            for n in range(3)
        ]
        return made[::-1] if turned else made

    for _ in range(20):
        one, two = await asyncio.gather(
            road.ingest_all(*alerts(False)), road.ingest_all(*alerts(True), connection=other)
        )
        assert len(one) == len(two) == 12
    assert await road.broken() == {}


async def test_workers_are_woken_with_the_commit(road: Road) -> None:
    """One hint for a call, whoever asks; none for a duplicate or a refusal, none for what is rolled back."""
    trader = await road.trader()
    woken = asyncio.Semaphore(0)
    listener = await road.another("empire_worker")
    await listener.add_listener("empire_work", lambda *_: woken.release())
    alert = alert_of(trader)
    await road.ingest_all(alert, alert_of(trader))
    await asyncio.wait_for(woken.acquire(), 60)
    await road.intend(trader, action="flatten", side=None, symbol=None)
    await asyncio.wait_for(woken.acquire(), 60)
    assert said(await road.ingest_all(alert, alert_of(trader, broker="tradelocker"))) == [
        "duplicate",
        "broker_mismatch",
    ]
    transaction = road.edge.transaction()
    await transaction.start()
    await road.ingest_all(alert_of(trader))
    await transaction.rollback()
    await road.ingest_all(alert_of(trader))
    await asyncio.wait_for(woken.acquire(), 60)
    assert woken.locked()
