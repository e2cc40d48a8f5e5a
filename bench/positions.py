"""`python -m bench.positions`: thousands of open positions watched by one worker, while their prices move.

Accounts at the paper venue (HTTP, a process of its own) hold positions that are in our books, too. Every price moves
every second, and for a while it is counted how old the figures of each account are, how long after its read a
position's value is told on its owner's topic, and what it all costs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import aiohttp
import asyncpg

from bench import readings
from bench.stack import fresh_stack
from local.console import session
from local.console.session import Login
from local.demo.people import new_login
from local.demo.venue import PaperVenue, paper_venue
from local.status import Installation
from shared import codec

USERS = 20
SYMBOLS = {
    "EURUSD": Decimal("1.1"),
    "GBPUSD": Decimal("1.3"),
    "AUDUSD": Decimal("0.66"),
    "NZDUSD": Decimal("0.6"),
    "USDCAD": Decimal("1.4"),
}
"""A position in each, so an account has five."""
TICK = Decimal("0.00001")
WORKER = "worker-positions+maintenance+relay"
FIRST_READ_S = 90.0
AT_ONCE = 32
_ACCOUNTS = """
with made as (
  insert into public.broker_connections (id, user_id, broker, environment, server, status)
  select x, $1::text::uuid, 'paper', 'simulated', 'SIM', 'connected' from unnest($2::text[]::uuid[]) x
  returning id, user_id
)
insert into public.broker_accounts (id, connection_id, user_id, broker, account_id, margin_mode, trading_enabled)
select id, id, user_id, 'paper', 'P' || left(id::text, 8), 'hedging', true from made
"""
_FILLS = """
insert into public.fills (user_id, account_id, venue_fill_id, position_id, effect, symbol, side, qty, price, filled_at)
select a.user_id, a.id, f.venue_fill_id, f.venue_position_id, 'open', f.symbol, f.side, f.qty, f.price, f.at
from jsonb_to_recordset($1::jsonb) as f (
  account uuid, venue_fill_id text, venue_position_id text, symbol text, side public.side, qty numeric, price numeric,
  at timestamptz
) join public.broker_accounts a on a.id = f.account on conflict do nothing
"""
_POSITIONS = """
insert into public.positions (
  user_id, broker, account_id, venue_position_id, symbol, root, side, qty, entry_price, opened_at
)
select f.user_id, 'paper', f.account_id, f.position_id, f.symbol, f.symbol, f.side, f.qty, f.price, f.filled_at
from public.fills f join public.broker_accounts a on a.id = f.account_id and a.broker = 'paper' on conflict do nothing
"""
_LIMITS = """
insert into public.risk_settings (user_id, rules)
select id, '{"daily_loss": {"limit": 5000, "unit": "account"}}' from public.profiles where email like 'holder-%'
"""
"""A loss that nobody reaches: every read is compared with it."""
_READS = "select n_tup_upd from pg_stat_user_tables where relid = 'public.broker_accounts'::regclass"
_READ = "select count(*) from engine.account_marks where read_at is not null and is_flat is false"
_AGES = """
select extract(epoch from clock_timestamp() - a.as_of)::float8 * 1000 as age, a.freshness::text as freshness
from public.broker_accounts a where a.broker = 'paper'
"""
_TOLD = """
select count(*) as messages, count(distinct payload ->> 'id') as positions,
  percentile_cont(array[0.5, 0.99]) within group (
    order by extract(epoch from inserted_at at time zone 'UTC' - (payload ->> 'as_of')::timestamptz) * 1000
  ) as ms
from realtime.messages where event = 'position.updated' and inserted_at >= $1::timestamptz at time zone 'UTC'
"""
_PACE = """
select count(*) from (
  select inserted_at - lag(inserted_at) over (partition by payload ->> 'id' order by inserted_at) as apart
  from realtime.messages where event = 'position.updated' and inserted_at >= $1::timestamptz at time zone 'UTC'
) x where x.apart < interval '0.9 seconds'
"""


def main() -> None:
    """Measure on a stack of its own and print one JSON line."""
    parser = argparse.ArgumentParser(prog="python -m bench.positions")
    parser.add_argument("--accounts", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--limits", action="store_true", help="every user has a daily loss set")
    parser.add_argument("--pg", type=int, default=18, choices=(16, 18))
    chosen = parser.parse_args()
    with fresh_stack(chosen.pg) as found:
        report = asyncio.run(_measured(found, chosen.accounts, chosen.seconds, chosen.limits))
    print(json.dumps(report))


async def _measured(
    found: Installation, accounts: int, seconds: float, limits: bool = False
) -> dict[str, Any]:
    database = await readings.connect(found)
    async with paper_venue(found) as venue:
        login, first_s = await _populated(found, database, accounts)
        if limits:
            await database.execute(_LIMITS)
        moving = asyncio.create_task(_move(venue))
        async with _listening(login) as heard:
            report = await _watched(found, database, venue, seconds)
            report["heard_ms"] = readings.percentiles(heard)
        moving.cancel()
        version = str(await database.fetchval("show server_version"))
    await database.close()
    return {
        "accounts": accounts,
        "positions": accounts * len(SYMBOLS),
        "limits": limits,
        "first_read_s": round(first_s, 1),
        **report,
        "machine": {"cpus": os.cpu_count(), "postgres": version.split()[0]},
    }


async def _populated(found: Installation, database: asyncpg.Connection, accounts: int) -> tuple[Login, float]:
    """Users with accounts that hold positions; one of the users, and how long the first read of all took."""
    logins, ids = [], [str(uuid.uuid4()) for _ in range(accounts)]
    for number in range(USERS):
        logins.append(await new_login(found, f"holder-{number}-{uuid.uuid4().hex[:6]}@empire.example"))
    users = await database.fetch(
        "select id::text from public.profiles where email like 'holder-%' order by email"
    )
    for number, (user,) in enumerate(users):
        await database.execute(_ACCOUNTS, user, ids[number::USERS])
    base = f"http://127.0.0.1:{found.boot.ports.paper_venue}"
    async with aiohttp.ClientSession(base) as http:
        places = asyncio.Semaphore(AT_ONCE)
        opened = await asyncio.gather(*(_opened(http, places, account) for account in ids))
    await database.execute(_FILLS, codec.encode([fill for fills in opened for fill in fills]).decode())
    await database.execute(_POSITIONS)
    began = time.perf_counter()
    await database.execute("update engine.account_marks set due_at = now()")
    while (there := await database.fetchval(_READ)) < accounts:
        if time.perf_counter() - began > FIRST_READ_S:
            raise TimeoutError(f"{there} of {accounts} accounts were read in {FIRST_READ_S:.0f} s")
        await asyncio.sleep(0.5)
    took = time.perf_counter() - began
    first = str(users[0]["id"])
    email = await database.fetchval("select email from public.profiles where id = $1::text::uuid", first)
    return next(each for each in logins if each.email == email), took


async def _opened(
    http: aiohttp.ClientSession, places: asyncio.Semaphore, account: str
) -> list[dict[str, Any]]:
    """A position in every symbol, by hand; the fills."""
    fills: list[dict[str, Any]] = []
    async with places:
        for number, symbol in enumerate(SYMBOLS):
            command = {
                "client_order_id": f"{account[:8]}{number}",
                "kind": "place",
                "symbol": symbol,
                "side": "buy",
                "qty": Decimal("0.1"),
                "market_price": SYMBOLS[symbol],
            }
            address = f"/accounts/{account}/commands?margin_mode=hedging&currency=USD"
            async with http.post(address, data=codec.encode(command)) as answer:
                told = codec.decode(await answer.read())
                if not told.get("accepted"):
                    raise RuntimeError(f"not opened: {told}")
                fills += [{"account": account, **fill} for fill in told["accepted"]["fills"]]
    return fills


async def _move(venue: PaperVenue) -> None:
    """Every price moves every second."""
    turn = 0
    while True:
        turn += 1
        for symbol, price in SYMBOLS.items():
            await venue.price(symbol, str(price + turn % 100 * TICK))
        await asyncio.sleep(1)


@asynccontextmanager
async def _listening(login: Login) -> AsyncIterator[list[float]]:
    """Milliseconds from a position's read to its message in a client of one of the users."""
    heard: list[float] = []
    client = await session.sign_in(login)
    user = await client.auth.get_user()
    held = await client.auth.get_session()
    await client.realtime.set_auth(held.access_token if held else None)
    assert user is not None  # signed in a moment ago

    def hear(message: Any) -> None:
        as_of = datetime.fromisoformat(message["payload"]["as_of"])
        heard.append((datetime.now(UTC) - as_of).total_seconds() * 1000)

    private: Any = {"config": {"broadcast": None, "presence": None, "private": True}}
    channel = client.channel(f"positions:{user.user.id}", private)
    channel.on_broadcast("position.updated", hear)
    await channel.subscribe()
    yield heard
    await client.remove_channel(channel)


async def _watched(
    found: Installation, database: asyncpg.Connection, venue: PaperVenue, seconds: float
) -> dict[str, Any]:
    """Ages, messages and costs of some seconds."""
    await asyncio.sleep(5)  # what was found has settled
    begun, since = time.perf_counter(), datetime.now(UTC)
    before, reads = readings.cpu_s(found, venue), await database.fetchval(_READS)
    ages: list[float] = []
    stale = 0
    while time.perf_counter() - begun < seconds:
        rows = await database.fetch(_AGES)
        ages += [row["age"] for row in rows]
        stale += sum(row["freshness"] != "fresh" for row in rows)
        await asyncio.sleep(1)
    took = time.perf_counter() - begun
    after, reads = readings.cpu_s(found, venue), await database.fetchval(_READS) - reads
    told = await database.fetchrow(_TOLD, since)
    assert told is not None
    return {
        "age_ms": {**readings.percentiles(ages), "max": round(max(ages), 0)},
        "reads_per_s": round(reads / took),
        "stale_share": round(stale / len(ages), 4),
        "told": {
            "per_s": round(told["messages"] / took, 0),
            "positions": told["positions"],
            "ms": {"p50": round(told["ms"][0], 1), "p99": round(told["ms"][1], 1)},
            "too_often": await database.fetchval(_PACE, since),
        },
        "busy": {name: round((after[name] - before[name]) / took, 2) for name in before},
        "cpu_ms_per_read": readings.cpu_ms_per_alert(before, after, reads),
        "worker_mb": readings.memory_mb(found, WORKER),
    }


if __name__ == "__main__":
    main()
