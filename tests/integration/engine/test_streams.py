"""Who listens to a login, and what is read because the broker told of something."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.integration.engine.road import Json, Road, Trader
from tests.integration.engine.watching import Watch, held

HOLD = "select engine.hold_streams($1, $2, $3, $4, $5)"


async def hold(
    road: Road, worker: str = "w", told: list[Json] | None = None, *, limit: int = 10, lease_ms: int = 10_000
) -> list[Json]:
    """engine.hold_streams."""
    found: list[Json] = await road.worker.fetchval(HOLD, worker, ["topstepx"], told or [], limit, lease_ms)
    return found


def telling(held: Json, state: str, why: str = "") -> list[Json]:
    """How it is going with what is held."""
    return [{"connection": held["connection"], "token": held["token"], "state": state, "why": why}]


async def stream(road: Road, trader: Trader) -> Json:
    """The row of the trader's login."""
    found: Json = await road.value(
        "select to_jsonb(s) from public.streams s where s.connection_id = $1::text::uuid", trader.account
    )
    return found


async def due_in(watch: Watch) -> float:
    """Seconds until the account is read by itself."""
    due = datetime.fromisoformat((await watch.marks())["due_at"])
    return (due - datetime.now(UTC)).total_seconds()


@pytest.fixture
async def trader(road: Road) -> Trader:
    """A trader with one account at a broker that can be listened to."""
    return await road.trader(broker="topstepx")


async def test_one_listener_a_login(road: Road, trader: Trader) -> None:
    """The first who asks has it, with its accounts; others get it when the lease is over, or when it is given back."""
    (mine,) = await hold(road)
    assert (mine["connection"], list(mine["accounts"].values())) == (trader.account, [trader.account])
    assert mine["account"]["id"] == trader.account
    assert await hold(road, "other") == []
    assert [each["token"] for each in await hold(road, told=telling(mine, "live"))] == [mine["token"]]
    await road.admin.execute("update public.streams set until = now()")
    (theirs,) = await hold(road, "other")
    assert theirs["token"] > mine["token"]
    assert await hold(road, told=telling(mine, "live")) == []
    assert (await stream(road, trader))["state"] == "connecting"
    assert await hold(road, "other", telling(theirs, "live"), limit=0, lease_ms=0) == []
    assert len(await hold(road)) == 1


@pytest.mark.parametrize(
    "obstacle", ["broker_connections set status = 'disabled'", "broker_connections set executor = 'edge'"]
)
async def test_who_is_not_ours_is_not_listened_to(road: Road, trader: Trader, obstacle: str) -> None:
    """A login that is disconnected, or whose accounts are the trader's own device's: left at once, and not taken again."""
    (mine,) = await hold(road)
    await road.admin.execute(f"update public.{obstacle}")
    assert await hold(road, told=telling(mine, "live")) == []
    assert await hold(road) == []


async def test_who_is_told_reads_idle_accounts_less_often(road: Road, trader: Trader) -> None:
    """Live: an idle account is due in a minute. Silent, down, or the listener gone: within two seconds, and then every
    thirty; the state says so."""
    watch = await Watch.of(road, trader.account, "topstepx")
    (mine,) = await hold(road)
    await watch.read(datetime.now(UTC), 10_000)
    assert 25 < await due_in(watch) < 31
    await hold(road, told=telling(mine, "live"))
    await watch.read(datetime.now(UTC), 10_000)
    assert 55 < await due_in(watch) < 61
    await hold(road, told=telling(mine, "silent", "not even a ping"))
    assert await due_in(watch) < 2.1
    row = await stream(road, trader)
    assert (row["state"], row["why"]) == ("silent", "not even a ping")
    await watch.read(datetime.now(UTC), 10_000)
    assert 25 < await due_in(watch) < 31
    await hold(road, told=telling(mine, "live"))
    await watch.read(datetime.now(UTC), 10_000)
    await road.admin.execute("update public.streams set until = now()")
    await hold(road, "other")
    assert await due_in(watch) < 2.1


async def test_what_is_told_during_a_read_is_read_again(road: Road, trader: Trader) -> None:
    """An event makes an account due at once; one that comes while it is being read, once more right after that; then it
    is read every second for as long as lists may lag."""
    watch = await Watch.of(road, trader.account, "topstepx")
    await watch.read(datetime.now(UTC), 10_000)
    assert await watch.claim() is None
    assert (
        await road.worker.fetchval("select engine.wake_accounts($1::text[]::uuid[])", [trader.account]) == 1
    )
    first = await watch.claim()
    assert first is not None
    assert first["woken"] is True
    await road.worker.execute("select engine.wake_accounts($1::text[]::uuid[])", [trader.account])
    await watch.hand_in(first, datetime.now(UTC), 10_000)
    again = await watch.claim()
    assert again is not None
    assert again["woken"] is True
    before = datetime.now(UTC)
    await watch.hand_in(again, before, 10_000)
    assert await watch.is_due_in(1, before)
    await road.admin.execute("update engine.account_marks set woken_at = woken_at - interval '1 minute'")
    last = await watch.due()
    assert last["woken"] is False
    await watch.hand_in(last, datetime.now(UTC), 10_000)
    assert 25 < await due_in(watch) < 31


async def test_what_is_told_goes_before_what_is_due(road: Road) -> None:
    """Two accounts of a login are read as often as its limits sustain. An event on one is read from what is kept for that;
    one event after the other has no more than its turn."""
    trader = await road.trader(accounts=2, broker="topstepx")
    told, other = trader.accounts
    await road.admin.execute(
        "update public.broker_accounts set connection_id = $1::text::uuid where id = $2::text::uuid",
        told,
        other,
    )
    watch, second = Watch(road, told), Watch(road, other)

    async def reads(*which: Watch) -> list[bool]:
        rows = await road.worker.fetch(
            "select engine.watched_accounts('w', 100, 12000, $1)", {"topstepx": 60}
        )
        got = {row[0]["account"]["id"]: row[0] for row in rows}
        for each in which:
            if each.account in got:
                await each.hand_in(got[each.account], datetime.now(UTC), 1, positions=[held()])
        await road.admin.execute("update engine.account_marks set due_at = now()")
        return [each.account in got for each in which]

    async def event() -> None:
        await road.worker.execute("select engine.wake_accounts($1::text[]::uuid[])", [told])

    assert await reads(watch, second) == [True, True]
    assert (await reads(watch, second)).count(True) == 1
    assert await reads(watch, second) == [False, False]
    await event()
    assert await reads(watch, second) == [True, False]
    await road.admin.execute("update engine.read_credits set at = at - interval '1 minute'")
    await event()
    assert await reads(watch, second) == [False, False]
    await road.admin.execute(
        "update engine.account_marks set answered_at = answered_at - interval '3 minutes'"
    )
    assert await reads(watch, second) == [True, False]


async def test_what_is_open_goes_before_what_is_idle(road: Road) -> None:
    """Two accounts of a login whose limits leave one read after the other: the one with a position has them, though the
    idle one is due for longer. An idle account waits for ten seconds, no longer; told of, it does not wait at all; and
    where nothing is open it waits for nobody."""
    trader = await road.trader(accounts=2, broker="topstepx")
    opened, idle = trader.accounts
    await road.admin.execute(
        "update public.broker_accounts set connection_id = $1::text::uuid where id = $2::text::uuid",
        opened,
        idle,
    )

    async def read(left: int, *, due_s: int, holds: bool = True) -> list[str]:
        """Who is read when so many reads are left, the idle one due for so long and the other just now."""
        await road.admin.execute("update engine.read_credits set reads = $1, at = clock_timestamp()", left)
        await road.admin.execute(
            "update engine.account_marks set lease_until = null, is_flat = account_id <> $1::text::uuid or not $3, due_at = now()"
            " - case account_id when $1::text::uuid then interval '0' else make_interval(secs => $2::integer) end",
            *(opened, due_s, holds),
        )
        rows = await road.worker.fetch(
            "select engine.watched_accounts('w', 100, 12000, $1)", {"topstepx": 60}
        )
        return ["open" if row[0]["account"]["id"] == opened else "idle" for row in rows]

    assert sorted(await read(4, due_s=5)) == ["idle", "open"]
    assert await read(2, due_s=5) == ["open"]
    assert await read(2, due_s=11) == ["idle"]
    assert await read(2, due_s=5, holds=False) == ["idle"]
    await road.worker.execute("select engine.wake_accounts($1::text[]::uuid[])", [idle])
    assert await read(2, due_s=5) == ["idle"]
    assert await read(2, due_s=5) == ["open"]
