"""`make bench`: a fresh embedded stack, an HTTP venue in a process of its own, alerts through the public webhook.

The last line is one JSON object (docs/bench.md). 100 accounts, fsync on, no pacing, the venue without delay.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from typing import Any

import asyncpg
import uvloop

from bench import fanout, fanout_brokers, history, population, readings, risk, sender, watch
from bench.stack import fresh_stack
from local.demo.venue import PaperVenue, paper_venue
from local.status import Installation

ACCOUNTS = 100
WARM_S = 10.0
"""Until caches are filled, connections open and the code is compiled: engines compile what has run a thousand times."""
RATES = (50, 200)
REST_S = 15.0
"""Until what signs people in, and sessions for many at once, have rested."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--seconds", type=float, default=15, help="length of each load")
    parser.add_argument("--clients", type=int, default=32, help="senders of the flat-out load")
    parser.add_argument("--pg", type=int, default=18, choices=(16, 18))
    chosen = parser.parse_args()
    with fresh_stack(chosen.pg) as found:
        report = uvloop.run(measure(found, chosen.seconds, chosen.clients))
    report["fanout"]["brokers"] = fanout_brokers.measure(chosen.pg)
    report["history"] = asyncio.run(history.measure(chosen.pg))
    report["risk_ms"] = risk.measure()
    print(json.dumps(report))


async def measure(found: Installation, seconds: float, clients: int) -> dict[str, Any]:
    """Every figure of the report that the running stack gives."""
    people = await population.make(found, ACCOUNTS)
    database = await readings.connect(found)
    async with paper_venue(found) as venue:
        await sender.at_rate(people, 200, WARM_S)
        await readings.settled(database)
        rates = [await _rate(people, database, found, venue, per_s, seconds) for per_s in RATES]
        alone = await _commits(people, database, found, alone=True)
        burst = await _commits(people, database, found, alone=False)
        sustained = await _sustained(people, database, found, venue, clients, seconds)
        spread = await fanout.measure(found, database, venue)
        watched = await watch.measure(found, database, venue)
        version = str(await database.fetchval("show server_version"))
        # The onlooker's session is not of the stack.
        await database.close()
        most = readings.memory_mb(found)
        await asyncio.sleep(REST_S)
        memory = {
            "stack": readings.memory_mb(found),
            "stack_at_once": most,
            "worker": readings.memory_mb(found, "worker-execution"),
        }
    return {
        "rates": rates,
        "max_sustained_per_s": sustained,
        "commits_per_alert": {"alone": alone, "burst": burst},
        "fanout": spread,
        "breach_ms": watched["breach_ms"],
        "memory_mb": memory,
        "machine": {"cpus": os.cpu_count(), "postgres": version.split()[0]},
    }


async def _rate(
    people: population.Population,
    database: asyncpg.Connection,
    found: Installation,
    venue: PaperVenue,
    per_s: int,
    seconds: float,
) -> dict[str, Any]:
    await venue.forget()
    before = readings.cpu_s(found, venue)
    load = await sender.at_rate(people, per_s, seconds)
    await readings.settled(database)
    spent = readings.cpu_ms_per_alert(before, readings.cpu_s(found, venue), len(load.sent))
    report = await readings.rate_report(per_s, load, await readings.deliveries(database, load), venue)
    report["cpu_ms_per_alert"] = spent
    print(json.dumps(report), flush=True)
    return report


async def _commits(
    people: population.Population, database: asyncpg.Connection, found: Installation, *, alone: bool
) -> float:
    before = await readings.wal_flushes(database, found.state.postgres_version)
    load = await (sender.one_by_one(people, 100, 0.05) if alone else sender.flat_out(people, 32, 3))
    await readings.settled(database)
    after = await readings.wal_flushes(database, found.state.postgres_version)
    return round((after - before) / max(len(load.accepted), 1), 2)


async def _sustained(
    people: population.Population,
    database: asyncpg.Connection,
    found: Installation,
    venue: PaperVenue,
    clients: int,
    seconds: float,
) -> float:
    """Alerts a second, counted until the last of them is recorded at the broker."""
    await venue.forget()
    begun, before = time.perf_counter(), readings.cpu_s(found, venue)
    load = await sender.flat_out(people, clients, seconds)
    await readings.settled(database)
    took = time.perf_counter() - begun
    spent = readings.cpu_ms_per_alert(before, readings.cpu_s(found, venue), len(load.sent))
    report = await readings.rate_report(0, load, await readings.deliveries(database, load), venue)
    print(json.dumps({**report, "per_s": "flat out", "cpu_ms_per_alert": spent}), flush=True)
    return round(int(report["orders"]) / took, 1)


if __name__ == "__main__":
    main()
