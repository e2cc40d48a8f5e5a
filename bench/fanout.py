"""`python -m bench.fanout`: one alert for 100 paper accounts, how far apart their orders reach the broker, and whom a
stuck account delays. At the three brokers: bench/fanout_brokers.py."""

from __future__ import annotations

import argparse
import asyncio
import json
import uuid
from typing import Any

import aiohttp
import asyncpg

from bench import readings
from bench.stack import fresh_stack
from local.console import session
from local.demo.people import endpoint_url, new_login
from local.demo.tradingview import alert
from local.demo.venue import PaperVenue, paper_venue
from local.status import Installation

ACCOUNTS = 100
VOLLEYS = 20


def main() -> None:
    """Measure on a stack of its own and print one JSON line."""
    parser = argparse.ArgumentParser(prog="python -m bench.fanout")
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
    """`skew_ms` from the first order to the last of an alert; `stuck_skew_ms` the same while one is never answered."""
    url = await _endpoint(found)
    spreads = []
    async with aiohttp.ClientSession() as http:
        for number in range(VOLLEYS + 1):
            spread = await _volley(http, url, number, database, venue)
            spreads += [spread] if number else []  # the first one opens what the others use
        await venue.hold_next_answer()
        stuck = await _volley(http, url, VOLLEYS + 1, database, venue)
    outcomes = await database.fetch(
        "select distinct coalesce(reason::text, outcome::text) from public.deliveries"
        " where event_id = (select max(id) from public.webhook_events)"
    )
    skew = readings.percentiles(spreads)
    return {
        "accounts": ACCOUNTS,
        "skew_ms_p50": skew["p50"],
        "skew_ms_p99": skew["p99"],
        "stuck_skew_ms": stuck,
        "stuck_ended": [row[0] for row in outcomes],
    }


async def _endpoint(found: Installation) -> str:
    login = await new_login(found, f"fanout-{uuid.uuid4().hex[:8]}@empire.example")
    client = await session.sign_in(login)
    accounts = [
        await session.call(client, "connect_paper", p_label=f"fanout {n}", p_server="SIM")
        for n in range(ACCOUNTS)
    ]
    endpoint = await session.call(
        client, "create_endpoint", p_broker="paper", p_name="fanout", p_account_ids=accounts
    )
    return await endpoint_url(login, client, endpoint)


async def _volley(
    http: aiohttp.ClientSession, url: str, number: int, database: asyncpg.Connection, venue: PaperVenue
) -> float:
    """In and out in turn. Milliseconds between the first and the last order received."""
    await venue.forget()
    action, side = (("open", "buy"), ("reduce", "sell"))[number % 2]
    body = alert(action=action, side=side, symbol="EURUSD", qty_mode="lots", qty="0.01", ref_price="1.1")
    async with http.post(url, data=body, headers={"content-type": "application/json"}) as got:
        if got.status != 202:
            raise RuntimeError(f"the alert was answered {got.status}: {await got.text()}")
    await readings.settled(database)
    received = [entry["received_ns"] for entry in await venue.log()]
    if len(received) != ACCOUNTS:
        raise RuntimeError(f"{len(received)} orders for {ACCOUNTS} accounts")
    await asyncio.sleep(0.2)
    skew_ms: float = round((max(received) - min(received)) / 1e6, 2)
    return skew_ms


if __name__ == "__main__":
    main()
