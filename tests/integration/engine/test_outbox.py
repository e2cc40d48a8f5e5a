"""What happened goes out: in order per account, at least once, and to the trader exactly once."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from shared.models.enums import NotificationClass
from shared.store.relay import OutboxRow, RelayStore, Told
from tests.integration.engine.road import Road, Trader
from workers.relay.pump import Pump
from workers.relay.sinks import SinkUnavailable, Traders

LEASE_MS = 60_000


@pytest.fixture
async def store(road: Road) -> AsyncIterator[RelayStore]:
    """As empire_relay."""
    made = RelayStore(road.database.url("empire_relay"))
    yield made
    await made.close()


async def denied(road: Road, trader: Trader, times: int = 1) -> None:
    """So many entries that were denied, on every account."""
    for _ in range(times):
        await road.accept(trader)
        for claimed in await road.claim():
            assert await road.deny(claimed)


async def target(road: Road, trader: Trader, classes: str = "{denied,exit_failed,security}") -> str:
    """A confirmed target of the trader's."""
    made = await road.value(
        "insert into public.notification_targets (id, user_id, kind, name, classes, verified_at)"
        f" values (gen_random_uuid(), '{trader.user}', 'email', 'mail', '{classes}', now()) returning id::text"
    )
    return str(made)


async def claim(store: RelayStore, worker: str = "r1", limit: int = 100) -> list[OutboxRow]:
    """What a relay gets."""
    return await store.claim_outbox(worker=worker, limit=limit, lease_ms=LEASE_MS)


async def test_rows_are_told_and_go(road: Road, store: RelayStore) -> None:
    """A denied entry is a line in the log and a message for the target, each once, and leaves the outbox."""
    trader = await road.trader()
    await target(road, trader)
    await denied(road, trader)
    assert not await Pump(store, [Traders(store)], "r1", 100, LEASE_MS).turn()
    (line,) = await road.admin.fetch("select type, level, message, correlation_id from public.logs")
    assert (line["type"], line["level"]) == ("delivery_denied", "warning")
    assert line["correlation_id"] == await road.value("select id from public.webhook_events")
    (sent,) = await road.admin.fetch(
        "select event_class, message, status, event_key from public.notifications"
    )
    assert (sent["event_class"], sent["status"]) == ("denied", "waiting")
    assert sent["message"] == line["message"]
    assert "was not sent" in sent["message"]
    assert await road.value("select count(*) from engine.outbox") == 0


async def test_an_account_is_told_by_one_relay_at_a_time(road: Road, store: RelayStore) -> None:
    """While rows of an account are under way, a second relay gets none of it, only those of others."""
    first, second = await road.trader(), await road.trader()
    await denied(road, first, 3)
    held = await claim(store, limit=2)
    await denied(road, second, 2)
    others = await claim(store, "r2")
    assert {row.account_id for row in held} == {first.account}
    assert [row.account_id for row in others] == [second.account, second.account]
    assert await claim(store, "r3") == []
    assert await store.outbox_delivered(token=held[0].token, ids=[row.id for row in held]) == 2
    rest = await claim(store, "r3")
    assert [row.account_id for row in rest] == [first.account]
    assert rest[0].id > held[-1].id


async def test_a_relay_that_was_overtaken_tells_and_deletes_nothing(road: Road, store: RelayStore) -> None:
    """After its lease another has the rows: what the first still writes counts for nothing."""
    trader = await road.trader()
    await target(road, trader)
    await denied(road, trader)
    (old,) = await claim(store)
    await road.admin.execute("update engine.outbox_claims set lease_until = now() - interval '1 second'")
    told = [Told(old.id, "d1", "late", NotificationClass.DENIED, None, None)]
    assert await store.tell_outbox(token=old.token, told=told, last=True) == 0
    (new,) = await claim(store, "r2")
    assert new.id == old.id
    assert new.token > old.token
    assert await store.outbox_delivered(token=old.token, ids=[old.id]) == 0
    assert await road.value("select count(*) from public.notifications") == 0
    assert await store.tell_outbox(token=new.token, told=told, last=False) == 1
    assert await store.tell_outbox(token=new.token, told=told, last=False) == 0
    assert await road.value("select count(*) from public.notifications") == 1


async def test_a_sink_that_fails_keeps_the_rows_and_the_trader_is_told_once(
    road: Road, store: RelayStore
) -> None:
    """Rows wait for every sink; coming again they are not told a second time."""

    class Broken:
        name = "broken"
        seen: list[int]

        def __init__(self) -> None:
            self.seen = []

        async def take(self, rows: list[OutboxRow], last: bool) -> bool:
            assert last
            self.seen += [row.id for row in rows]
            if len(self.seen) == 1:
                raise SinkUnavailable("not now")
            return False

    trader, broken = await road.trader(), Broken()
    await target(road, trader)
    await denied(road, trader)
    pump = Pump(store, [Traders(store), broken], "r1", 100, LEASE_MS)
    assert not await pump.turn()
    assert await road.value("select count(*) from engine.outbox") == 1
    await road.admin.execute("update engine.outbox_claims set lease_until = now() - interval '1 second'")
    assert not await pump.turn()
    assert broken.seen[0] == broken.seen[1]
    assert await road.value("select count(*) from engine.outbox") == 0
    assert await road.value("select count(*) from public.notifications") == 1
    assert await road.value("select count(*) from public.logs") == 1


async def test_only_wanted_classes_of_confirmed_targets_are_sent(road: Road, store: RelayStore) -> None:
    """No message for a class that is not wanted, a target that is off or not confirmed, or another user."""
    trader, other = await road.trader(), await road.trader()
    wanted = await target(road, trader)
    await target(road, other)
    await target(road, trader, "{executed}")
    off, new = await target(road, trader), await target(road, trader)
    await road.admin.execute(
        "update public.notification_targets set enabled = false where id::text = $1", off
    )
    await road.admin.execute(
        "update public.notification_targets set verified_at = null where id::text = $1", new
    )
    await denied(road, trader)
    await Pump(store, [Traders(store)], "r1", 100, LEASE_MS).turn()
    assert await road.column("select target_id::text from public.notifications") == [wanted]


async def test_lines_of_the_log_are_told_by_their_type(road: Road, store: RelayStore) -> None:
    """A settings change is told with its own words; a line without a class stays in the log."""
    trader = await road.trader()
    await target(road, trader)
    note = "select engine.note($1::text::uuid, 'warning', $2, $3)"
    await road.admin.fetchval(note, trader.user, "limits_loosened", "Your limits were loosened.")
    await road.admin.fetchval(note, trader.user, "hello", "Nobody is told.")
    await Pump(store, [Traders(store)], "r1", 100, LEASE_MS).turn()
    told = await road.admin.fetch("select event_class, message from public.notifications")
    assert [tuple(row) for row in told] == [("security", "Your limits were loosened.")]
    assert await road.value("select count(*) from public.logs") == 2
    assert await road.value("select count(*) from realtime.messages where event = 'log.created'") in (0, 2)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-07-01T19:59Z", "2026-07-01T19:59Z"),
        ("2026-07-01T20:00Z", "2026-07-02T05:00Z"),
        ("2026-07-02T04:59Z", "2026-07-02T05:00Z"),
        ("2026-07-02T05:00Z", "2026-07-02T05:00Z"),
        # The night the clock goes back: 22:00 was summer time, 07:00 is not.
        ("2026-10-24T20:30Z", "2026-10-25T06:00Z"),
    ],
)
async def test_quiet_hours(road: Road, now: str, expected: str) -> None:
    """From 22:00 to 07:00 in Berlin: held back until seven by the clock there."""
    trader = await road.trader()
    await target(road, trader)
    got = await road.value(
        "update public.notification_targets n set quiet_from = '22:00', quiet_to = '07:00',"
        f" quiet_zone = 'Europe/Berlin' returning engine.after_quiet(n, '{now}') = '{expected}'"
    )
    assert got is True


async def test_quiet_hours_never_silence_what_is_urgent(road: Road, store: RelayStore) -> None:
    """An exit that was not carried out is due at once, a denied entry when the quiet hours end."""
    trader = await road.trader()
    await target(road, trader)
    await road.admin.execute(
        "update public.notification_targets set quiet_zone = 'UTC', quiet_from = (now() at time zone 'UTC')::time"
        " - interval '1 hour', quiet_to = (now() at time zone 'UTC')::time + interval '1 hour'"
    )
    await denied(road, trader)
    await road.accept(trader, action="close", symbol="EURUSD")
    (claimed,) = await road.claim()
    assert await road.deny(claimed)
    await Pump(store, [Traders(store)], "r1", 100, LEASE_MS).turn()
    due = await road.admin.fetch(
        "select event_class, due_at <= now() as now from public.notifications order by id"
    )
    assert [tuple(row) for row in due] == [("denied", False), ("exit_failed", True)]
