"""A limit that is touched: locked, halted and flattened in one transaction, once, and for as long as the rule says."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from tests.integration.engine.road import CLOSE, Json, Road, Trader
from tests.integration.engine.watching import Watch, as_user, held, later

NUMBERS = {"value": "950.00", "limit": "900.00", "distance": "-50.00", "currency": "USD"}


def tomorrow() -> datetime:
    """A reset to come."""
    return datetime.now(UTC) + timedelta(hours=20)


async def breach(
    road: Road,
    account: str,
    rule: str = "daily_loss",
    ends: datetime | None = None,
    flatten: bool = True,
    connection: asyncpg.Connection | None = None,
) -> int | None:
    """engine.breach as the watch calls it."""
    event: int | None = await (connection or road.worker).fetchval(
        "select engine.breach($1::text::uuid, $2, 'account', $3, $4, $5)",
        account,
        rule,
        NUMBERS,
        ends,
        flatten,
    )
    return event


async def lock(road: Road, account: str) -> tuple[datetime | None, str | None]:
    """Until when and why the row is locked."""
    row = await road.admin.fetchrow(
        "select locked_until, lock_reason from public.broker_accounts where id = $1::text::uuid", account
    )
    assert row is not None
    return row["locked_until"], row["lock_reason"]


async def test_a_breach_locks_halts_flattens_and_tells(road: Road) -> None:
    """One call: the lock with its rule and time, a flatten in the urgent lane, a log line, a row for the outside."""
    trader, ends = await road.trader(), tomorrow()
    waiting = await road.accept(trader)
    event = await breach(road, trader.account, ends=ends)
    assert event is not None
    assert await lock(road, trader.account) == (ends, "daily_loss")
    assert await road.outcomes(waiting) == [("done", "skipped", "superseded")]
    (flatten,) = await road.claim(lane="urgent")
    assert (flatten["event"]["id"], flatten["delivery"]["action"]) == (event, "flatten")
    assert (flatten["event"]["source"], json.loads(flatten["event"]["body"])["intent"]["comment"]) == (
        "system",
        "daily_loss",
    )
    (line,) = await road.column("select message from public.logs where type = 'risk_breached'")
    assert "limit daily loss (account) is reached" in line
    assert "value 950.00" in line
    assert "limit 900.00" in line
    assert f"No entries until {ends:%Y-%m-%d %H:%M} UTC" in line
    (body,) = await road.column(
        "select body from engine.outbox where subject = $1", f"empire.risk.breached.{trader.user}"
    )
    assert (body["rule"], body["event_id"], body["numbers"]) == ("daily_loss", event, NUMBERS)


async def test_entries_are_denied_and_exits_go(road: Road) -> None:
    """After the breach an entry is denied with the rule and the time; a close of what is open is written."""
    trader = await road.trader()
    await road.trade(trader)
    ends = tomorrow()
    await breach(road, trader.account, ends=ends, flatten=False)
    await road.accept(trader)
    (entry,) = await road.claim(1)
    denied = await road.open_one(entry)
    assert (denied["verdict"], denied["reason"], denied["numbers"]["lock"]) == (
        "denied",
        "account_locked",
        "daily_loss",
    )
    assert datetime.fromisoformat(denied["numbers"]["until"]) == ends
    await road.deny(entry)
    await road.accept(trader, action="close")
    (leave,) = await road.claim(1)
    assert (await road.open_one(leave, CLOSE))["verdict"] == "opened"


async def test_twice_is_once(road: Road) -> None:
    """Ten calls at once for one rule: one breach, one flatten; another rule breaks beside it, the longer lock stays."""
    trader, ends = await road.trader(), tomorrow()
    lines = [await road.another("empire_worker") for _ in range(10)]
    events = await asyncio.gather(
        *[breach(road, trader.account, ends=ends, connection=line) for line in lines]
    )
    assert [event for event in events if event is not None] == await road.column(
        "select event_id from engine.breaches"
    )
    assert await breach(road, trader.account, "static_floor") is not None
    assert await breach(road, trader.account, "weekly_loss", later(ends, hours=1)) is not None
    found, why = await lock(road, trader.account)
    assert found is not None
    assert (found.year, why) == (9000, "static_floor")
    assert await road.value("select count(*) from engine.breaches") == 3


async def test_no_entry_passes_after_a_breach(road: Road) -> None:
    """Plans and a breach at the same moment, thirty times: what was opened was opened before the breach committed."""
    for _ in range(30):
        trader = await road.trader()
        await road.accept(trader)
        (claimed,) = await road.claim(1)
        boss, late = await road.another("empire_worker"), await road.another("empire_worker")
        answers = await asyncio.gather(
            breach(road, trader.account, ends=tomorrow(), connection=boss),
            road.open(claimed, connection=late),
        )
        opened: Json = answers[1][0]
        order = await road.value(
            "select min(o.created_at) from public.orders o where o.account_id = $1::text::uuid",
            trader.account,
        )
        at = await road.value(
            "select at from engine.breaches where account_id = $1::text::uuid", trader.account
        )
        if opened["verdict"] == "opened":
            assert order < at
        else:
            assert (order, opened["verdict"]) == (None, "denied")
        for line in (boss, late):
            await line.close()
            road._extra.remove(line)


async def reconnect(
    road: Road, trader: Trader, account: str, login: str, number: str = "77", server: str = "OSP"
) -> None:
    """The account under a connection that says who logs in."""
    await road.admin.execute(
        f"""
        insert into public.broker_connections (id, user_id, broker, environment, server, login_label, status)
        values ('{account}', '{trader.user}', 'tradelocker', 'live', '{server}', '{login}', 'connected');
        insert into public.broker_accounts (id, connection_id, user_id, broker, account_id, label, margin_mode,
          trading_enabled, balance, equity, freshness, as_of)
        values ('{account}', '{account}', '{trader.user}', 'tradelocker', '{number}', 'again', 'hedging', true,
          50000, 50000, 'fresh', now());
        """
    )


@pytest.mark.parametrize("gone", [True, False])
async def test_who_deletes_and_adds_an_account_finds_its_lock(road: Road, gone: bool) -> None:
    """Deleted or not, with the login spelt otherwise, even by another user: lock, days, counters and first balance stay."""
    trader, ends = await road.trader(), tomorrow()
    first, second = [f"00000000-0000-4000-8000-00000000000{n}" for n in (1, 2)]
    await reconnect(road, trader, first, "Trader@Example.com")
    watch = Watch(road, first)
    await road.set("public.broker_accounts", first, as_of=None)
    at = datetime(2026, 3, 2, 22, tzinfo=UTC)
    await watch.read(at, 50_000)
    await watch.read(later(at, minutes=5), 51_000, 51_500, [held()])
    await road.admin.execute(
        "insert into engine.scope_counters (user_id, scope, trading_day, trades) values ($1::text::uuid, $2, current_date, 7)",
        *(trader.user, first),
    )
    await breach(road, first, ends=ends, flatten=False)
    if gone:
        await road.admin.execute(f"delete from public.equity_history where account_id = '{first}'")
        await road.admin.execute(f"delete from public.broker_accounts where id = '{first}'")
        await road.admin.execute(f"delete from public.broker_connections where id = '{first}'")
    await reconnect(road, trader if gone else await road.trader(), second, "trader@example.COM")
    assert await lock(road, second) == (ends, "daily_loss")
    again = Watch(road, second)
    day = await again.day("2026-03-02")
    assert day is not None
    assert day["high_water"] == 51_500
    assert (await again.marks())["peak_equity"] == 51_500
    counted = await road.column("select trades from engine.scope_counters where scope = $1", second)
    assert counted == [7]
    assert await breach(road, second, ends=ends) is None  # it is locked for that rule already


async def test_another_number_is_another_account(road: Road) -> None:
    """A second account of the same login is not locked with the first."""
    trader = await road.trader()
    first, second = [f"00000000-0000-4000-8000-00000000000{n}" for n in (1, 2)]
    await reconnect(road, trader, first, "a@example.com")
    await breach(road, first, ends=tomorrow())
    await reconnect(road, await road.trader(), second, "a@example.com", "78")
    assert await lock(road, second) == (None, None)


async def test_both_rows_of_an_account_are_locked(road: Road) -> None:
    """One account connected twice: a breach seen through one row locks and halts the other."""
    trader, other = await road.trader(), await road.trader()
    first, second = [f"00000000-0000-4000-8000-00000000000{n}" for n in (1, 2)]
    await reconnect(road, trader, first, "a@example.com")
    await reconnect(road, other, second, "A@example.com")
    epoch = await road.value(
        "select halt_epoch from public.broker_accounts where id = $1::text::uuid", second
    )
    assert await breach(road, first, ends=tomorrow()) is not None
    assert (await lock(road, second))[1] == "daily_loss"
    now = await road.value("select halt_epoch from public.broker_accounts where id = $1::text::uuid", second)
    assert now > epoch


async def test_a_lock_is_not_lifted_while_the_limit_is_touched(road: Road) -> None:
    """Lifting is refused until a later read has found the account well; no other verb gets round it."""
    trader = await road.trader()
    watch = await Watch.of(road, trader.account, "paper")
    now = datetime.now(UTC)
    await watch.read(later(now, seconds=-30), 9_000)
    await breach(road, trader.account)
    async with as_user(road, trader.user) as user:

        async def asks(verb: str, *more: Any) -> str | None:
            try:
                await user.execute(
                    f"select public.{verb}('{trader.account}'" + "".join(f", {x}" for x in more) + ")"
                )
            except asyncpg.PostgresError as error:
                return str(error)
            return None

        assert "still reached" in (await asks("lift_lock", "'it was a mistake'") or "passed")
        assert "lift_lock" in (await asks("unlock_account") or "passed")
        assert "not shortened" in (await asks("lock_account", "now() + interval '1 second'") or "passed")
        await breach(road, trader.account)  # the next read finds the same
        await watch.read(datetime.now(UTC) - timedelta(seconds=5), 9_000)
        assert "still reached" in (await asks("lift_lock", "'it was a mistake'") or "passed")
        await watch.read(datetime.now(UTC), 10_000)
        assert "3 to 200" in (await asks("lift_lock", "' '") or "passed")
        assert await asks("lift_lock", "'limits were set anew'") is None
    assert await lock(road, trader.account) == (None, None)
    lifted = await road.column("select lift_reason from engine.breaches")
    assert lifted == ["limits were set anew"]
    assert await road.value("select count(*) from public.logs where type = 'lock_lifted'") == 1


async def test_a_lock_survives_a_crash(road: Road) -> None:
    """Every session is cut the moment the breach has answered: lock, breach and flatten are there."""
    trader, ends = await road.trader(), tomorrow()
    event = await breach(road, trader.account, ends=ends)
    await road.admin.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where usename = 'empire_worker' and datname = current_database()"
    )
    assert await lock(road, trader.account) == (ends, "daily_loss")
    line = await road.another("empire_worker")
    (flatten,) = await road.claim(lane="urgent", connection=line)
    assert flatten["event"]["id"] == event
