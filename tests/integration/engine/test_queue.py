"""The queue: first in, first out per account and lane; claimed once at a time; nobody sleeps."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from typing import Any

import asyncpg
import pytest

from tests.integration.engine.road import Json, Road, Trader


async def drain(
    road: Road, connection: asyncpg.Connection, name: str, seen: list[tuple[str, Json]], total: int
) -> None:
    """A worker: claims, notes what it holds, ends it without trading, until everything is done."""
    deadline = time.monotonic() + 60
    while len(seen) < total and time.monotonic() < deadline:
        claimed = await road.claim(16, worker=name, connection=connection)
        seen.extend((name, each) for each in claimed)
        for each in claimed:
            assert await road.record(each, outcome="denied", reason="no_quote", connection=connection)


async def test_thousand_alerts_at_once(road: Road) -> None:
    """8 senders, 100 accounts, 2 workers: each delivery is claimed once, in the order of arrival of its account."""
    traders = [await road.trader(accounts=10) for _ in range(10)]
    accounts = [(trader, account) for trader in traders for account in trader.accounts]
    edges = [await road.another("empire_edge") for _ in range(8)]
    workers = [await road.another("empire_worker") for _ in range(2)]
    todo = iter([accounts[n % 100] for n in range(1000)])

    async def send(edge: asyncpg.Connection) -> None:
        for trader, account in todo:
            answer = await road.ingest(trader, edge, accounts=[account])
            assert answer["status"] == "accepted"

    seen: list[tuple[str, Json]] = []
    await asyncio.gather(
        *(send(edge) for edge in edges),
        *(drain(road, worker, f"w{n}", seen, 1000) for n, worker in enumerate(workers)),
    )
    ids = [each["delivery"]["id"] for _, each in seen]
    assert len(ids) == len(set(ids)) == 1000
    order: dict[str, list[int]] = defaultdict(list)
    for _, each in seen:
        order[each["delivery"]["account_id"]].append(each["delivery"]["id"])
    assert all(got == sorted(got) for got in order.values())
    assert await road.value("select count(*) from engine.queue") == 0
    assert await road.broken() == {}


async def test_order_of_arrival_is_order_of_commit(road: Road) -> None:
    """The second alert of an account waits for the first one's commit: ids rise in the order that others see them."""
    trader = await road.trader()
    other = await road.another("empire_edge")
    transaction = road.edge.transaction()
    await transaction.start()
    first = await road.accept(trader)
    waiting = asyncio.create_task(road.ingest(trader, other))
    await _until_blocked(road)
    assert not waiting.done()
    await transaction.commit()
    second = (await waiting)["event_id"]
    assert await road.column("select event_id from public.deliveries order by id") == [first, second]
    assert await road.column("select state from engine.queue order by id") == ["ready", "waiting"]


async def _until_blocked(road: Road) -> None:
    deadline = time.monotonic() + 60
    asked = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    while not await road.value(asked):
        assert time.monotonic() < deadline


async def test_only_the_head_is_ready(road: Road) -> None:
    """One of an account's alerts is claimed at a time; finishing it makes exactly the next one ready."""
    trader = await road.trader()
    events = [await road.accept(trader) for _ in range(3)]
    for event in events:
        (claimed,) = await road.claim()
        assert claimed["event"]["id"] == event
        assert await road.claim() == []
        assert await road.broken() == {}
        await road.deny(claimed)
    assert await road.claim() == []


async def test_enqueue_racing_finish_loses_no_wake_up(road: Road) -> None:
    """However an enqueue and a finish of one account interleave, the account never sleeps with a row waiting."""
    trader = await road.trader()
    sender = await road.another("empire_edge")
    rounds, sent, done = 1500, 0, 0
    deadline = time.monotonic() + 240

    async def send() -> None:
        nonlocal sent
        while sent < rounds and time.monotonic() < deadline:
            if sent - done < 3:  # the queue keeps running empty: that is where a wake-up can be lost
                await road.accept_on(trader, sender)
                sent += 1
            else:
                await asyncio.sleep(0)

    async def work() -> None:
        nonlocal done
        while done < rounds and time.monotonic() < deadline:
            for claimed in await road.claim(4):
                await road.deny(claimed)
                done += 1

    await asyncio.gather(send(), work())
    assert (sent, done) == (rounds, rounds)
    assert await road.broken() == {}


async def test_enqueue_waits_for_a_finish_under_way(road: Road) -> None:
    """An enqueue that arrives while the last row is being deleted sees it gone, and becomes the head itself."""
    trader = await road.trader()
    await road.accept(trader)
    (claimed,) = await road.claim()
    transaction = road.worker.transaction()
    await transaction.start()
    await road.deny(claimed)
    sending = asyncio.create_task(road.ingest(trader))
    await _until_blocked(road)
    await transaction.commit()
    assert (await sending)["status"] == "accepted"
    assert await road.column("select state from engine.queue") == ["ready"]


async def test_finish_waits_for_an_enqueue_under_way(road: Road) -> None:
    """A finish that arrives while a row is being enqueued behind it promotes that row."""
    trader = await road.trader()
    await road.accept(trader)
    (claimed,) = await road.claim()
    transaction = road.edge.transaction()
    await transaction.start()
    await road.accept(trader)
    finishing = asyncio.create_task(road.deny(claimed))
    await _until_blocked(road)
    await transaction.commit()
    assert await finishing
    assert await road.column("select state from engine.queue") == ["ready"]


async def test_two_heads_cannot_be(road: Road) -> None:
    """The promise of one at a time is an index: a second head is refused by the database."""
    trader = await road.trader()
    await road.accept(trader)
    await road.accept(trader)
    with pytest.raises(asyncpg.UniqueViolationError, match="one_head_per_account_and_lane"):
        await road.admin.execute("update engine.queue set state = 'ready'")


@pytest.mark.parametrize("quiet", [1, 3])
async def test_one_user_gets_a_quarter_while_others_wait(road: Road, quiet: int) -> None:
    """However many heads one user has in front, others get their places in the next batch."""
    loud = await road.trader(accounts=90)
    await road.accept(loud)
    others = [await road.trader(accounts=4) for _ in range(quiet)]
    for trader in others:
        await road.accept(trader)
    claimed = await road.claim(16)
    of_loud = [each for each in claimed if each["delivery"]["user_id"] == loud.user]
    assert len(claimed) == 16
    assert len(of_loud) == 16 - 4 * quiet
    assert {each["delivery"]["user_id"] for each in claimed} == {loud.user, *(t.user for t in others)}


async def test_nobody_waits_for_an_empty_seat(road: Road) -> None:
    """A user who is alone gets the whole batch, oldest first."""
    trader = await road.trader(accounts=12)
    await road.accept(trader)
    claimed = await road.claim(8)
    assert [each["delivery"]["id"] for each in claimed] == list(range(1, 9))


async def test_claims_pass_one_another(road: Road) -> None:
    """What another worker is just taking is passed over, not waited for, and what is left is taken."""
    trader = await road.trader(accounts=8)
    await road.accept(trader)
    transaction = road.worker.transaction()
    await transaction.start()
    first = await road.claim(4)
    second = await road.claim(8, worker="w2", connection=await road.another("empire_worker"))
    await transaction.commit()
    ids = {each["delivery"]["id"] for each in first} | {each["delivery"]["id"] for each in second}
    assert (len(first), len(second), len(ids)) == (4, 4, 8)
    assert first[0]["token"] != second[0]["token"]


async def test_fleet_and_device_claim_their_own(road: Road) -> None:
    """A delivery for a trader's device is never claimed by the fleet, nor the other way round."""
    device, fleet = await road.trader(executor="edge"), await road.trader()
    await road.accept(device)
    await road.accept(fleet)
    (got,) = await road.claim()
    assert got["delivery"]["user_id"] == fleet.user
    (got,) = await road.claim(executor="edge")
    assert got["delivery"]["user_id"] == device.user


async def test_lanes_are_claimed_apart(road: Road) -> None:
    """A flatten stands in the urgent lane and is claimable while the normal lane is busy."""
    trader = await road.trader()
    await road.accept(trader)
    (busy,) = await road.claim()
    await road.intend(trader, action="flatten")
    assert await road.claim() == []
    (urgent,) = await road.claim(lane="urgent")
    assert (urgent["delivery"]["lane"], urgent["delivery"]["action"]) == ("urgent", "flatten")
    await road.deny(busy)
    await road.deny(urgent)
    assert await road.broken() == {}


async def test_deferred_exit_waits_its_time(road: Road) -> None:
    """A delivery given back is not claimed before run_at, keeps its place, and counts its attempts."""
    trader = await road.trader()
    first = await road.accept(trader, action="reduce")
    await road.accept(trader)
    (claimed,) = await road.claim()
    given: list[int] = await road.worker.fetchval("select engine.defer($1)", [_deferral(claimed, 60_000)])
    assert given == [claimed["delivery"]["id"]]
    assert await road.claim() == []
    await road.admin.execute("update engine.queue set run_at = now()")
    (again,) = await road.claim()
    assert (again["event"]["id"], again["delivery"]["attempts"]) == (first, 1)
    assert (await road.delivery(again))["reason"] == "position_unknown"


def _deferral(claimed: Json, ms: int) -> Json:
    return {
        "delivery_id": claimed["delivery"]["id"],
        "token": claimed["token"],
        "ms": ms,
        "reason": "position_unknown",
        "numbers": {},
        "trace": [],
    }


async def test_context_holds_what_a_decision_needs(road: Road) -> None:
    """The tightest limits, the nearest defaults, positions, what is unresolved, the trades of the day."""
    trader = await road.trader()
    await road.limit(trader, max_order_qty=5, max_trades_per_day=9, allowed_symbols="{eurusd,GBPUSD}")
    await road.limit(trader, broker="paper", max_order_qty=3, allowed_symbols="{EURUSD,XAUUSD}")
    await road.limit(trader, account_id=trader.account, max_order_qty=4, stop_required=True)
    await _default(road, trader, fixed_lot_size="1", lot_size_mode="lots", sl_percentage="2")
    await _default(road, trader, account_id=trader.account, fixed_lot_size="0.5", lot_size_mode="units")
    await road.trade(trader)
    await road.accept(trader, symbol="XAUUSD")
    (claimed,) = await road.claim()
    limits = claimed["limits"]
    assert (limits["max_order_qty"], limits["max_trades_per_day"], limits["stop_required"]) == (3, 9, True)
    assert limits["allowed_symbols"] == ["EURUSD"]
    assert (claimed["defaults"]["qty_mode"], claimed["defaults"]["sl_pct"]) == ("units", 2)
    assert [each["venue_position_id"] for each in claimed["positions"]] == ["p1"]
    assert claimed["counters"] == {"trades_today": 1, "entries_in_flight": 0}
    assert claimed["unresolved"] == []


async def _default(road: Road, trader: Trader, **values: Any) -> None:
    literals = ", ".join(f"'{value}'" for value in values.values())
    await road.admin.execute(
        f"insert into public.trading_config (user_id, {', '.join(values)}) values ('{trader.user}', {literals})"
    )
