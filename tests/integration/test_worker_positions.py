"""The watch of open accounts on the road: database, both workers, a venue whose prices we move. All real processes."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from typing import Any

import asyncpg
import pytest

from tests.support.clusters import Database
from tests.support.trading import Trader, new_trader, until, venue, worker
from tests.support.venue_admin import book, by_hand, fault, late_read, no_faults, price, release

BUY = {"action": "open", "side": "buy", "symbol": "EURUSD", "qty_mode": "lots", "qty": 1, "ref_price": 1.1}
LOSS_500 = {"daily_loss": {"limit": 500, "unit": "account", "buffer_pct": 0}}
"""Half a cent of a lot of EURUSD; touching it counts."""


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """The operator's connection to the test's own database."""
    opened = await database.connect("supabase_admin")
    yield opened
    await opened.close()


async def limit(trader: Trader, **rules: Any) -> None:
    """Rules of the trader, for all of his accounts."""
    text = "insert into public.risk_settings (user_id, rules) values ($1, $2::jsonb)"
    await trader.connection.execute(text, trader.user, json.dumps(rules))


async def day_is_known(trader: Trader, account: str) -> None:
    """Wait until the watch knows what the account began its day with."""
    text = "select bool_or(source is not null) from engine.account_days where account_id = $1"

    async def known() -> bool:
        return bool(await trader.connection.fetchval(text, account))

    await until(known)


async def account_of(trader: Trader, account: str) -> dict[str, Any]:
    """The account's row."""
    row = await trader.connection.fetchrow("select * from public.broker_accounts where id = $1", account)
    return dict(row)


async def breach_of(trader: Trader, account: str) -> dict[str, Any]:
    """The account's first breach, once there is one."""
    text = "select to_jsonb(b) from engine.breaches b where b.account_id = $1 order by b.id"

    async def there() -> Any:
        return await trader.connection.fetchval(text, account)

    await until(there)
    return dict(json.loads(await there(), parse_float=D))


async def event_after(trader: Trader, event: int, action: str) -> int:
    """The next event of the trader with a delivery of that action, once there is one."""
    text = "select min(d.event_id) from public.deliveries d where d.user_id = $1 and d.event_id > $2 and d.action = $3"

    async def there() -> Any:
        return await trader.connection.fetchval(text, trader.user, event, action)

    await until(there)
    return int(await there())


async def opened(trader: Trader) -> None:
    """A lot bought at 1.1, the day known before. Without a stop: with a limit in force it would be denied."""
    await day_is_known(trader, trader.account)
    done = await trader.delivery(await trader.alert(**BUY))
    assert done["outcome"] == "executed", done


async def read_again(trader: Trader) -> None:
    """The account is due, however lately it was read."""
    await trader.connection.execute("update engine.account_marks set due_at = least(due_at, now())")


async def flattened_while_a_read_is_answered_late(trader: Trader, url: str, event: int) -> dict[str, Any]:
    """The delivery that closes a trade made by hand after `event`. While the close is on its way the account is read once
    more, and the answer comes when all is done; what that has led to is known then."""
    fault(url, "hang_before", times=2, value="0.5")  # the trade by hand, then the close
    by_hand(url, trader.account, "EURUSD", "buy", 2)
    sent = "select exists (select from engine.commands where kind = 'close' and state = 'submitting')"

    async def is_sent() -> bool:
        await read_again(trader)
        return bool(await trader.connection.fetchval(sent))

    await until(is_sent)
    late_read(url, "1")
    flatten, ended = (
        await event_after(trader, event, "flatten"),
        "status = 'done' and finished_at < m.read_at",
    )
    text = (
        f"select exists (select from engine.account_marks m join public.deliveries d using (account_id) where {ended}"
        " and d.event_id = $1)"
    )

    async def is_read_after() -> bool:
        await read_again(trader)
        return bool(await trader.connection.fetchval(text, flatten))

    await until(is_read_after)
    return await trader.delivery(flatten)


async def test_a_daily_loss_reached_flattens_and_locks(
    database: Database, connection: asyncpg.Connection
) -> None:
    """The price takes the day's loss to its limit: flat at once, locked until the reset, the next buy denied with the
    time, an exit never. What is opened by hand behind the lock is closed again, by one flatten: a read that began before
    the close and is answered after it says nothing about now."""
    trader = await new_trader(database, connection, server="SIM")
    with (
        venue() as (url, _),
        worker(database, paper_venue_url=url),
        worker(database, "positions", paper_venue_url=url),
    ):
        await opened(trader)
        await limit(trader, **LOSS_500)
        price(url, "EURUSD", 1.09501)
        price(url, "EURUSD", 1.095)
        breach = await breach_of(trader, trader.account)
        flattened = await trader.delivery(breach["event_id"])
        assert book(url, trader.account)["positions"] == []
        denied = await trader.delivery(await trader.alert(**BUY))
        exit_ = await trader.delivery(await trader.alert(action="close", symbol="EURUSD"))
        again = await flattened_while_a_read_is_answered_late(trader, url, breach["event_id"])
        assert book(url, trader.account)["positions"] == []
    assert (breach["rule"], breach["scope"]) == ("daily_loss", "user")
    assert (D(breach["numbers"]["value"]), D(breach["numbers"]["limit"])) == (500, 500), breach
    assert D(breach["numbers"]["equity"]) == 999_500
    assert (flattened["outcome"], flattened["lane"], flattened["numbers"]) == (
        "executed",
        "urgent",
        {"flat": "yes"},
    )
    row = await account_of(trader, trader.account)
    ends = datetime.combine(datetime.now(UTC), row["reset_time"], UTC)
    ends += timedelta(days=ends < datetime.now(UTC))
    assert (row["locked_until"], row["lock_reason"]) == (ends, "daily_loss")
    assert (denied["outcome"], denied["reason"]) == ("denied", "account_locked")
    assert denied["numbers"]["until"].startswith(ends.isoformat()[:16]), denied["numbers"]
    assert (exit_["outcome"], exit_["reason"]) == ("skipped", "nothing_to_close")
    assert (again["outcome"], again["lane"]) == ("executed", "urgent")
    flattens = await trader.rows("deliveries", action="flatten")
    assert [each["event_id"] for each in flattens] == [breach["event_id"], again["event_id"]]
    assert await trader.invariants() == {}


async def test_a_breach_while_another_broker_hangs(
    database: Database, connection: asyncpg.Connection
) -> None:
    """While one account's broker answers nothing any more the other one's limit fires all the same.

    The second account's book is our own: it hears the price from an alert for the first one.
    """
    trader = await new_trader(database, connection)
    far = await new_trader(database, connection, server="SIM")
    await connection.execute(
        "update public.broker_accounts set user_id = $1 where id = $2", trader.user, far.account
    )
    await connection.execute(
        "update public.webhook_endpoints set user_id = $1 where id = $2", trader.user, far.endpoint
    )
    await connection.execute(
        "update public.webhook_endpoint_accounts set user_id = $1 where endpoint_id = $2",
        trader.user,
        far.endpoint,
    )
    with (
        venue() as (url, _),
        worker(database, paper_venue_url=url),
        worker(database, "positions", paper_venue_url=url),
    ):
        await day_is_known(trader, far.account)
        await opened(trader)
        await limit(trader, **LOSS_500)
        fault(url, "hang_before", 1000, value="600", operation="read")
        fault(url, "hang_before", 1000, value="600")
        await far.alert(**{**BUY, "ref_price": 1.095})
        breach = await breach_of(trader, trader.account)
        flattened = await trader.delivery(breach["event_id"])
        no_faults(url)
        release(url)
    assert (breach["rule"], D(breach["numbers"]["value"])) == ("daily_loss", 500)
    assert (flattened["outcome"], flattened["numbers"]) == ("executed", {"flat": "yes"})
    assert await trader.invariants() == {}


async def test_a_flat_by_time_flattens(database: Database, connection: asyncpg.Connection) -> None:
    """From its time on nothing stays open, whatever it is worth: flat, and locked until the day ends."""
    trader = await new_trader(database, connection)
    now = datetime.now(UTC)
    await connection.execute(
        "update public.broker_accounts set reset_time = $2 where id = $1",
        trader.account,
        (now - timedelta(hours=2)).time().replace(second=0, microsecond=0),
    )
    with worker(database), worker(database, "positions"):
        await opened(trader)
        await limit(trader, flat_by={"time": f"{now - timedelta(minutes=1):%H:%M}", "tz": "UTC"})
        breach = await breach_of(trader, trader.account)
        flattened = await trader.delivery(breach["event_id"])
    assert (breach["rule"], flattened["numbers"]) == ("flat_by", {"flat": "yes"}), breach
    locked = (await account_of(trader, trader.account))["locked_until"]
    assert timedelta(hours=21, minutes=50) < locked - now < timedelta(hours=22, minutes=1)


async def test_what_cannot_be_read_grows_old(database: Database, connection: asyncpg.Connection) -> None:
    """The broker goes away: account and position become stale, then unknown, never flat; health says so, and that it is
    back."""
    trader = await new_trader(database, connection, server="SIM")

    async def fresh_is(word: str) -> bool:
        rows = [await account_of(trader, trader.account), *await trader.rows("positions")]
        return [row["freshness"] for row in rows] == [word, word]

    async def health_is(word: str) -> bool:
        return bool(
            await connection.fetchval("select status from public.health where broker = 'paper'") == word
        )

    async def read_ago(seconds: int) -> None:
        await connection.execute(
            "update public.broker_accounts set as_of = now() - $1 * interval '1 s'", seconds
        )

    with (
        venue() as (url, _),
        worker(database, paper_venue_url=url),
        worker(database, "positions", paper_venue_url=url),
    ):
        await opened(trader)
        await until(lambda: fresh_is("fresh"))
        await until(lambda: health_is("operational"))
        fault(url, "error_before", 1000, operation="read")
        await read_ago(10)
        await until(lambda: fresh_is("stale"))
        await until(lambda: health_is("down"))
        await read_ago(100)
        await until(lambda: fresh_is("unknown"))
        (position,) = await trader.rows("positions")
        assert (position["qty"], position["closed_at"]) == (D(1), None)
        no_faults(url)
        await until(lambda: fresh_is("fresh"))
        await until(lambda: health_is("operational"))


async def test_profit_is_told_once_a_second_and_the_last_one_never_lost(
    database: Database, connection: asyncpg.Connection
) -> None:
    """The price moves all the time for two seconds: a message a second, and the last is what it is worth in the end."""
    trader = await new_trader(database, connection, server="SIM")
    told = (
        "select payload ->> 'unrealized_pnl' from realtime.messages"
        " where topic = 'positions:' || $1 and event = 'position.updated' order by (payload ->> 'v')::bigint"
    )

    async def is_worth(profit: int) -> bool:
        (position,) = await trader.rows("positions")
        return position["unrealized_pnl"] is not None and D(position["unrealized_pnl"]) == profit

    with (
        venue() as (url, _),
        worker(database, paper_venue_url=url),
        worker(database, "positions", paper_venue_url=url),
    ):
        await opened(trader)
        price(url, "EURUSD", 1.1)
        await until(lambda: is_worth(0))
        began, moves = time.monotonic(), 0
        await connection.execute("delete from realtime.messages")
        while time.monotonic() - began < 2:
            moves += 1
            price(url, "EURUSD", 1.1 + moves / 100_000)
        await until(lambda: is_worth(moves))
        messages = [row[0] for row in await connection.fetch(told, trader.user)]
        took = time.monotonic() - began
    # Of reads a second apart the first may have been recorded late.
    assert 1 <= len(messages) <= took + 2, f"{len(messages)} messages in {took:.1f} s, {moves} prices"
    assert D(messages[-1]) == moves
