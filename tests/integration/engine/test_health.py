"""How the house is, by one function: brokers by what was read of them, workers by their heartbeats, what waits."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.integration.engine.road import Json, Road
from tests.integration.engine.watching import Watch, as_user, held


@pytest.fixture
async def watch(road: Road) -> Watch:
    """A whole house: a worker of every kind, and an account with something open that was just read."""
    await road.worker.execute("select engine.worker_seen('w1', 'execution', '{}')")
    await road.worker.execute("select engine.worker_seen('w2', 'maintenance+positions+relay', '{}')")
    trader = await road.trader()
    await road.trade(trader)
    watch = await Watch.of(road, trader.account, "paper")
    await watch.read(datetime.now(UTC), 10_000, 10_010, [held()])
    return watch


async def looked(road: Road) -> Json:
    """A look at all of it, as every worker takes one now and then: the health that follows."""
    await road.worker.execute("select engine.record_health('{}')")
    told: Json = await road.admin.fetchval("select engine.health_now()")
    return told


async def heard(road: Road) -> list[tuple[str, str]]:
    """What the topic of health was told of the whole house: status and message, oldest first."""
    rows = await road.column(
        "select payload from realtime.messages where topic = 'health:system' and event = 'system.updated'"
        " order by (payload ->> 'v')::int"
    )
    return [(row["status"], row["message"]) for row in rows]


async def read_ago(watch: Watch, seconds: int) -> None:
    """The last read of everything was so long ago."""
    for table in ("public.broker_accounts", "public.positions"):
        await watch.road.admin.execute(f"update {table} set as_of = now() - $1 * interval '1 s'", seconds)
    await watch.road.admin.execute(
        "update engine.account_marks set read_at = now() - $1 * interval '1 s' where read_at is not null",
        seconds,
    )


async def freshness(watch: Watch) -> tuple[str, str]:
    """Of the account and of its position."""
    row = await watch.road.admin.fetchrow(
        "select a.freshness::text, p.freshness::text from public.broker_accounts a"
        " join public.positions p on p.account_id = a.id"
    )
    assert row is not None
    return row[0], row[1]


async def test_a_house_that_is_well(watch: Watch) -> None:
    """Healthy, without a word; told once on the topic, and seen by whoever is signed in, not by a visitor."""
    told = await looked(watch.road)
    again = await looked(watch.road)
    assert (told["status"], told["message"], told["queue_oldest_s"]) == ("healthy", None, 0)
    assert {name: each["status"] for name, each in told["brokers"].items()} == {
        "paper": "operational",
        "tradelocker": "unknown",
        "topstepx": "unknown",
        "metatrader": "unknown",
    }
    assert {name: each["alive"] for name, each in again["workers"].items()} == dict.fromkeys(
        ("execution", "positions", "maintenance", "relay"), 1
    )
    assert await heard(watch.road) == [("healthy", None)]
    user = await watch.road.value("select user_id::text from public.broker_accounts")
    async with as_user(watch.road, user) as somebody:
        assert '"healthy"' in await somebody.fetchval("select public.system_health()")
    assert not await watch.road.value(
        "select has_function_privilege('anon', 'public.system_health()', 'execute')"
    )


@pytest.mark.parametrize("trouble", ["lease_until = now() + interval '10 s'", "failures = 1"])
@pytest.mark.parametrize(("seconds", "known"), [(2, "fresh"), (6, "stale"), (61, "unknown")])
async def test_what_is_read_in_vain_grows_old(watch: Watch, trouble: str, seconds: int, known: str) -> None:
    """Five seconds after the last read it is stale, whether reads fail or one hangs, then unknown; the broker is down, the house
    degraded, and what was open is open. A read makes all of it well again."""
    await looked(watch.road)
    await read_ago(watch, seconds)
    await watch.road.admin.execute(f"update engine.account_marks set {trouble}")
    told = await looked(watch.road)
    assert await freshness(watch) == (known, known)
    assert await watch.road.value("select qty from public.positions where closed_at is null") == 1
    if known == "fresh":
        return
    sentence = "paper is down: 1 of 1 accounts could not be read."
    assert (told["status"], told["message"]) == ("degraded", sentence)
    assert told["brokers"]["paper"]["status"] == "down"
    await watch.read(datetime.now(UTC), 10_000, 10_010, [held()])
    assert (await looked(watch.road))["status"] == "healthy"
    assert await freshness(watch) == ("fresh", "fresh")
    assert await heard(watch.road) == [("healthy", None), ("degraded", sentence), ("healthy", None)]


async def test_an_open_account_that_nobody_reads(watch: Watch) -> None:
    """No reader at all: health says so after five seconds, and what the road goes by does not change."""
    await read_ago(watch, 6)
    assert (await looked(watch.road))["status"] == "degraded"
    assert await freshness(watch) == ("fresh", "fresh")


@pytest.mark.parametrize(("seconds", "known"), [(2, "fresh"), (6, "stale"), (61, "unknown")])
async def test_an_open_account_to_which_nobody_comes(watch: Watch, seconds: int, known: str) -> None:
    """Others are read, this one is due and nobody gets round to it: what is known of it grows old all the same. A login
    that is disconnected is nobody's to read, and says so itself."""
    other = await watch.road.account(await watch.road.trader(), "paper")
    await read_ago(watch, seconds)
    await watch.road.admin.execute(
        "update engine.account_marks set due_at = now() - interval '1 s', lease_until = case account_id when $1::text::uuid"
        " then now() + interval '10 s' end",
        other,
    )
    await watch.road.set("public.broker_connections", watch.account, status="disabled")
    await looked(watch.road)
    assert await freshness(watch) == ("fresh", "fresh")
    await watch.road.set("public.broker_connections", watch.account, status="connected")
    await looked(watch.road)
    assert await freshness(watch) == (known, known)


async def test_a_broker_that_may_be_looked_at_rarely(watch: Watch) -> None:
    """Where its limits allow a look every three seconds it is due then, and late seven seconds after the last one; what its
    accounts share they share."""
    other = await watch.road.account(await watch.road.trader(), "paper")
    await watch.road.admin.execute(
        "update public.broker_accounts set connection_id = $1::text::uuid where id = $2::text::uuid",
        *(watch.account, other),
    )
    await watch.road.admin.execute("update engine.account_marks set is_flat = false")
    for shares, every in ((False, 3), (True, 6)):
        claimed, before = await watch.due(), datetime.now(UTC)
        limits = {"every_s": 3, "shares_limits": shares}
        await watch.hand_in(claimed, before, 10_000, 10_010, [held()], **limits)
        assert (await watch.marks())["every_s"] == every
        assert await watch.is_due_in(every, before)
        await read_ago(watch, every + 1)
        assert (await looked(watch.road))["brokers"]["paper"]["status"] == "operational"
        await read_ago(watch, every + 5)
        assert (await looked(watch.road))["brokers"]["paper"]["status"] != "operational"


async def test_an_idle_account_does_not_grow_old_between_its_reads(watch: Watch) -> None:
    """Where nothing is open it is read every half minute only: that is no staleness."""
    await watch.read(datetime.now(UTC), 10_000)
    await watch.road.admin.execute("update public.positions set qty = 0, closed_at = now()")
    await read_ago(watch, 25)
    assert (await looked(watch.road))["status"] == "healthy"
    assert (await freshness(watch))[0] == "fresh"


@pytest.mark.parametrize(
    ("worker", "status", "missing"),
    [("w1", "down", "execution"), ("w2", "degraded", "maintenance, positions, relay")],
)
async def test_workers_that_are_not_seen_any_more(
    watch: Watch, worker: str, status: str, missing: str
) -> None:
    """Without anybody who carries out alerts the house is down, without the others degraded; they are named."""
    await watch.road.admin.execute(
        "update engine.workers set seen_at = now() - interval '21 seconds' where id = $1", worker
    )
    told = await looked(watch.road)
    assert told["status"] == status
    assert told["message"] == f"No worker for {missing} has been seen in the last 20 seconds."


async def test_alerts_that_wait(watch: Watch) -> None:
    """An alert that nobody has taken for a minute: degraded, with its age."""
    trader = await watch.road.trader()
    await watch.road.accept(trader)
    assert (await looked(watch.road))["status"] == "healthy"
    await watch.road.admin.execute(
        "update public.deliveries set created_at = now() - interval '61 seconds' where status = 'queued'"
    )
    told = await looked(watch.road)
    assert (told["status"], told["message"]) == (
        "degraded",
        "An alert has waited for more than 60 seconds.",
    )
    assert 61 <= told["queue_oldest_s"] < 70
