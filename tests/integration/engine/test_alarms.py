"""What does not happen is told, too: unknown orders, exits that hang, positions out of reach. And equity gets thinner."""

from __future__ import annotations

import re

import pytest

from tests.integration.engine.road import Json, Road, Trader


async def alarms(road: Road) -> Json:
    """One look of a maintenance worker, as its own role."""
    maintenance = await road.another("empire_maintenance")
    told: Json = await maintenance.fetchval("select engine.raise_alarms(100)")
    return told


async def lines(road: Road, kind: str) -> list[str]:
    """The messages of a type in the log."""
    return [str(text) for text in await road.column(f"select message from public.logs where type = '{kind}'")]


async def test_an_unknown_order_is_told_after_30_seconds_and_once(road: Road) -> None:
    """Not after 20, then once, with what was sent and where; a message for the outside is among it."""
    trader = await road.trader()
    event = await road.accept(trader)
    (claimed,) = await road.claim()
    opened = await road.open_one(claimed)
    unknown = {"id": opened["commands"][0]["id"], "outcome": "unknown"}
    assert await road.record(claimed, [unknown], outcome="unknown")
    age = "update engine.commands set submitted_at = clock_timestamp() - interval '{} seconds'"
    await road.admin.execute(age.format(20))
    assert (await alarms(road))["unknown"] == 0
    await road.admin.execute(age.format(31))
    assert (await alarms(road))["unknown"] == 1
    assert (await alarms(road))["unknown"] == 0
    (told,) = await lines(road, "unknown")
    assert re.match(
        r'We have not known for 3\d s whether Paper has carried out "place buy 1 EURUSD" on L', told
    )
    assert "is not sent again on a guess" in told
    assert await road.value("select correlation_id from public.logs where type = 'unknown'") == event
    (row,) = await road.column("select body from engine.outbox where subject like 'empire.log.unknown.%'")
    assert (row["class"], row["event_id"], row["message"]) == ("unknown", event, told)


async def test_an_exit_that_hangs_is_told(road: Road) -> None:
    """A close that nobody has carried out for 30 seconds; an entry that waits is no alarm."""
    trader = await road.trader()
    await road.accept(trader)
    await road.accept(trader, action="close", symbol="EURUSD")
    await road.admin.execute("update public.deliveries set created_at = created_at - interval '31 seconds'")
    assert (await alarms(road))["exits"] == 1
    (told,) = await lines(road, "exit_late")
    assert told.startswith("Close EURUSD on L")
    assert re.search(r"has not been carried out for 3\d s", told)


async def _position(road: Road, trader: Trader) -> None:
    await road.admin.execute(
        "insert into public.positions (user_id, broker, account_id, venue_position_id, symbol, root, side, qty,"
        f" entry_price) select user_id, broker, id, 'p1', 'EURUSD', 'EURUSD', 'buy', 1.5, 1.1"
        f" from public.broker_accounts where id = '{trader.account}'"
    )


async def test_open_positions_out_of_reach(road: Road) -> None:
    """A broker that is down: traders with an open position are told, once for each time; others are not."""
    trader, _ = await road.trader(), await road.trader()
    await _position(road, trader)
    assert (await alarms(road))["offline"] == 0
    health = "update public.health set status = '{}' where broker = 'paper'"
    await road.admin.execute(health.format("down"))
    assert (await alarms(road))["offline"] == 1
    assert (await alarms(road))["offline"] == 0
    (told,) = await lines(road, "offline")
    assert told.startswith("Paper cannot be reached while 1 position is open on L")
    assert ": buy 1.5 EURUSD. Nothing can be closed from here now" in told
    await road.admin.execute("update engine.alarms set at = at - interval '11 minutes'")
    await road.admin.execute(health.format("operational"))
    await alarms(road)
    await road.admin.execute(health.format("down"))
    assert (await alarms(road))["offline"] == 1


async def test_an_account_that_cannot_be_read(road: Road) -> None:
    """Its login alone is the trouble: told as well, after three reads and 30 seconds."""
    trader = await road.trader()
    await _position(road, trader)
    await road.admin.execute(
        "insert into engine.account_marks (account_id, failures, read_at) values ($1::text::uuid, 2, now())"
        " on conflict (account_id) do update set failures = 2, read_at = now()",
        trader.account,
    )
    assert (await alarms(road))["offline"] == 0
    await road.admin.execute(
        "update engine.account_marks set failures = 3, read_at = now() - interval '31 seconds'"
    )
    assert (await alarms(road))["offline"] == 1


async def test_a_position_without_its_stop(road: Road) -> None:
    """Where a stop is required: told after 10 seconds, once; not where none is, nor where a stop order works."""
    trader, free = await road.trader(), await road.trader()
    for each in (trader, free):
        await _position(road, each)
    await road.limit(trader, stop_required="true")
    assert (await alarms(road))["naked"] == 0
    await road.admin.execute("update public.positions set opened_at = now() - interval '12 seconds'")
    await road.admin.execute("update public.positions set stop_loss = 1.05")
    assert (await alarms(road))["naked"] == 0
    await road.admin.execute("update public.positions set stop_loss = null")
    assert (await alarms(road))["naked"] == 1
    assert (await alarms(road))["naked"] == 0
    (told,) = await lines(road, "naked")
    assert told.startswith("Buy 1.5 EURUSD on L")
    assert re.search(r"opened at 1\.1, has no stop for 1\d s, and your limits require one\.", told)


async def test_a_device_out_of_reach(road: Road) -> None:
    """An account that the trader's own device trades: told when the device is not seen."""
    trader = await road.trader(broker="topstepx", executor="edge")
    await _position(road, trader)
    assert (await alarms(road))["offline"] == 1
    assert (await lines(road, "offline"))[0].startswith(
        "Your device cannot be reached while 1 position is open"
    )


@pytest.mark.parametrize(("days", "kept"), [(1, 2880), (3, 1442), (9, 26), (92, 3)])
async def test_equity_gets_thinner(road: Road, days: int, kept: int) -> None:
    """Of 2880 values of a day the last of each minute, later of each hour, later of the day, its high and its low stay."""
    trader = await road.trader()
    await road.set("public.broker_accounts", trader.account, reset_time="00:00")
    await road.admin.execute(
        "insert into public.equity_history (user_id, broker, account_id, equity, balance, timestamp)"
        " select a.user_id, a.broker, a.id, 10000 + case n when 180 then 500 when 1400 then -500 else n % 7 end, 10000,"
        f" date_trunc('day', now(), 'UTC') - interval '{days} days' + n * interval '30 seconds'"
        f" from public.broker_accounts a cross join generate_series(0, 2879) n where a.id = '{trader.account}'"
    )
    maintenance = await road.another("empire_maintenance")
    turns = 0
    while (await maintenance.fetchval("select engine.thin_equity(500)"))["more"]:
        turns += 1
        assert turns < 200
    extremes = await road.value("select max(equity) - min(equity) from public.equity_history")
    assert extremes == 1000
    left = await road.value("select count(*) from public.equity_history")
    # The last values, the high and the low: neither of these two is the last of its minute.
    assert left == kept
    newest = await road.value(
        "select max(timestamp) = date_trunc('day', max(timestamp), 'UTC') + interval '23:59:30'"
        " from public.equity_history"
    )
    assert newest is True


async def test_the_ends_of_trading_days_outlive_the_thinning(road: Road) -> None:
    """An account whose day ends at 17:00 UTC: of a day long ago the last value stays, and the high, the low and the last value
    before 17:00, whatever came after."""
    trader = await road.trader()
    await road.set("public.broker_accounts", trader.account, reset_time="17:00")
    await road.admin.execute(
        "insert into public.equity_history (user_id, broker, account_id, equity, balance, timestamp)"
        " select a.user_id, a.broker, a.id, 10000 + n, 10000,"
        " date_trunc('day', now(), 'UTC') - interval '95 days' + n * interval '1 hour'"
        f" from public.broker_accounts a cross join generate_series(0, 23) n where a.id = '{trader.account}'"
    )
    maintenance = await road.another("empire_maintenance")
    while (await maintenance.fetchval("select engine.thin_equity(500)"))["more"]:
        pass
    left = await road.column("select equity - 10000 from public.equity_history order by timestamp")
    assert left == [0, 16, 17, 23]
