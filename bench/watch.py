"""`python -m bench.watch`: how fast a limit fires. A price moves through it; the clock runs until the close is sent.

Accounts at the paper venue hold a lot each; the price takes a few of them through their daily loss at a time. The
first mark beyond is the read that the watch has judged; from it on: until the urgent flatten stands in the queue, and
until the broker has received the close. `seen_ms` is how long the price had been beyond before it was read.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import aiohttp
import asyncpg

from bench import readings
from bench.stack import fresh_stack
from local.console import session
from local.demo.people import Trader, new_login, with_account
from local.demo.tradingview import alert
from local.demo.venue import PaperVenue, paper_venue
from local.status import Installation

ROUNDS, AT_ONCE = 12, 5
WAIT_S = 20.0
BEFORE, BEYOND = "1.1", "1.094"
RULES = {"daily_loss": {"limit": 500, "unit": "account", "buffer_pct": 0}}
_LIMIT = """
insert into public.risk_settings (user_id, account_id, rules)
select $1::text::uuid, a::uuid, $3::text::jsonb from unnest($2::text[]) a
"""
_FIRED = (
    "select count(*) from engine.breaches where account_id = any($1::text[]::uuid[]) and event_id is not null"
)
_BREACHES = """
select b.account_id::text as account, b.at, b.numbers ->> 'seen_at' as seen_at, e.received_at as queued_at
from engine.breaches b join public.webhook_events e on e.id = b.event_id
where b.account_id = any($1::text[]::uuid[])
"""


@dataclass(frozen=True)
class Fired:
    """One account's breach: moments in seconds since the epoch."""

    moved: float
    seen: float
    queued: float
    sent: float


def main() -> None:
    """Measure on a stack of its own and print one JSON line."""
    parser = argparse.ArgumentParser(prog="python -m bench.watch")
    parser.add_argument("--pg", type=int, default=18, choices=(16, 18))
    chosen = parser.parse_args()
    with fresh_stack(chosen.pg) as found:
        report = asyncio.run(_alone(found))
    print(json.dumps(report))


async def _alone(found: Installation) -> dict[str, Any]:
    database = await readings.connect(found)
    async with paper_venue(found) as venue:
        report = await measure(found, database, venue)
    await database.close()
    return report


async def measure(found: Installation, database: asyncpg.Connection, venue: PaperVenue) -> dict[str, Any]:
    """`queued` and `sent`: from the first mark beyond; p50 and p99 in ms."""
    traders = await _traders(found, database)
    fired: list[Fired] = []
    async with aiohttp.ClientSession() as http:
        for number in range(ROUNDS):
            fired += await _round(http, traders[number * AT_ONCE :][:AT_ONCE], database, venue)
    return {
        "breaches": len(fired),
        "at_once": AT_ONCE,
        "seen_ms": readings.percentiles([(each.seen - each.moved) * 1000 for each in fired]),
        "breach_ms": {
            "queued": readings.percentiles([(each.queued - each.seen) * 1000 for each in fired]),
            "sent": readings.percentiles([(each.sent - each.seen) * 1000 for each in fired]),
        },
    }


async def _traders(found: Installation, database: asyncpg.Connection) -> list[Trader]:
    """A user's accounts, each read once: what the day began with is known."""
    login = await new_login(found, f"watched-{uuid.uuid4().hex[:8]}@empire.example")
    client = await session.sign_in(login)
    traders = [
        await with_account(login, client, f"watched {n}", server="SIM", alerts_per_minute=100_000)
        for n in range(ROUNDS * AT_ONCE)
    ]
    known = (
        "select count(*) from engine.account_days d join public.broker_accounts a on a.id = d.account_id"
        " where a.user_id = $1::text::uuid and d.source is not null"
    )
    await _until(database, known, len(traders), traders[0].user_id)
    return traders


async def _round(
    http: aiohttp.ClientSession, traders: list[Trader], database: asyncpg.Connection, venue: PaperVenue
) -> list[Fired]:
    """A lot each; then the price moves through every limit."""
    await venue.price("EURUSD", BEFORE)
    body = {
        "action": "open",
        "side": "buy",
        "symbol": "EURUSD",
        "qty_mode": "lots",
        "qty": "1",
        "ref_price": BEFORE,
    }
    for trader in traders:
        async with http.post(
            trader.endpoint_url, data=alert(**body), headers={"content-type": "application/json"}
        ) as got:
            if got.status != 202:
                raise RuntimeError(f"the alert was answered {got.status}: {await got.text()}")
    await readings.settled(database)
    accounts = [trader.account_id for trader in traders]
    open_ = "select count(*) from public.positions where account_id = any($1::text[]::uuid[]) and closed_at is null"
    await _until(database, open_, len(traders), accounts)
    # Only now: an entry without a stop would be denied where a loss is limited.
    await database.execute(_LIMIT, traders[0].user_id, accounts, json.dumps(RULES))
    await venue.forget()
    moved = time.time()
    await venue.price("EURUSD", BEYOND)
    await _until(database, _FIRED, len(traders), accounts)
    await readings.settled(database)
    closed = {
        entry["account"]: entry["received_ns"] / 1e9
        for entry in await venue.log()
        if entry["kind"] == "close"
    }
    return [
        Fired(
            moved,
            datetime.fromisoformat(row["seen_at"]).timestamp(),
            row["queued_at"].timestamp(),
            closed[row["account"]],
        )
        for row in await database.fetch(_BREACHES, accounts)
    ]


async def _until(database: asyncpg.Connection, count: str, wanted: int, argument: Any) -> None:
    deadline = time.perf_counter() + WAIT_S
    while (found := await database.fetchval(count, argument)) < wanted:
        if time.perf_counter() > deadline:
            raise TimeoutError(f"{found} of {wanted}: {count}")
        await asyncio.sleep(0.05)


if __name__ == "__main__":
    main()
