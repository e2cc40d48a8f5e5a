"""`python -m bench.engine`: what one alert costs the database, function by function, without workers or HTTP.

Every call of the road is made on a connection of its own, as the edge function and the worker make it; the CPU
time of the backends and the statistics of functions say where it goes. Other load on the machine blurs it little.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from local.scratch import scratch_cluster

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.integration.engine.road import ENTRY, EXIT, Road, Trader, alert_of, fill, filled
from tests.support.clusters import Database

TICKS = 100


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.engine")
    parser.add_argument("--alerts", type=int, default=2000)
    parser.add_argument("--batch", type=int, nargs="*", default=[1, 8, 32])
    parser.add_argument("--pg", type=int, default=18, choices=(16, 18))
    parser.add_argument("--functions", action="store_true", help="the costliest functions, by their own time")
    chosen = parser.parse_args()
    with scratch_cluster(chosen.pg, durable=True) as running:
        running.prepare("road")
        running.cluster.sql("alter system set track_functions = 'all'; select pg_reload_conf()")
        asyncio.run(measure(Database(running, "road"), chosen))


async def measure(database: Database, chosen: argparse.Namespace) -> None:
    """One line a batch size, and the functions."""
    road = await Road.on(database)
    try:
        traders = [trader for _ in range(10) for trader in await new_traders(road, 10)]
        await run(road, traders, 400, 8)
        for batch in chosen.batch:
            await road.admin.execute("select pg_stat_reset()")
            print(await run(road, traders, chosen.alerts, batch), flush=True)
            if chosen.functions:
                await _functions(road, chosen.alerts)
                await _tables(road, chosen.alerts)
    finally:
        await road.close()


async def new_traders(road: Road, count: int) -> list[Trader]:
    """One user's endpoints, each with an account of its own."""
    first = await road.trader()
    made = [first]
    for _ in range(count - 1):
        endpoint = await road.value(
            "insert into public.webhook_endpoints (user_id, broker, name, alerts_per_minute)"
            " values ($1::text::uuid, 'paper', 'more', 100000) returning id::text",
            first.user,
        )
        other = Trader(first.user, endpoint)
        other.accounts.append(await road.account(other))
        made.append(other)
    return made


async def run(road: Road, traders: Sequence[Trader], alerts: int, batch: int) -> dict[str, Any]:
    """Alerts in batches of that size down the road; microseconds of each step for one alert, CPU and wall."""
    steps = {"ingest": road.edge, "claim": road.worker, "open": await road.another("empire_worker")}
    steps["record"] = await road.another("empire_worker")
    pids = {name: connection.get_server_pid() for name, connection in steps.items()}
    before = {name: _cpu(pid) for name, pid in pids.items()}
    wal = await road.value("select pg_current_wal_lsn()")
    took = dict.fromkeys(steps, 0.0)
    number = 0
    while number < alerts:
        chunk = [traders[(number + n) % len(traders)] for n in range(batch)]
        entering = (number // len(traders)) % 2 == 0
        number += batch
        begun = time.perf_counter()
        alerts_ = [alert_of(trader, action="open" if entering else "reduce") for trader in chunk]
        answers = await road.ingest_all(*alerts_, connection=steps["ingest"])
        assert {answer["http"] for answer in answers} == {202}, answers[0]
        took["ingest"] += time.perf_counter() - begun
        begun = time.perf_counter()
        claimed = await road.claim(batch, connection=steps["claim"])
        took["claim"] += time.perf_counter() - begun
        assert len(claimed) == len(chunk), (len(claimed), len(chunk))
        begun = time.perf_counter()
        opened = await road.open(claimed, ENTRY if entering else EXIT, connection=steps["open"])
        took["open"] += time.perf_counter() - begun
        results = [_result(each, answer, entering) for each, answer in zip(claimed, opened, strict=True)]
        begun = time.perf_counter()
        recorded = await steps["record"].fetchval("select engine.record_executions($1)", results)
        took["record"] += time.perf_counter() - begun
        assert all(each["recorded"] for each in recorded)
    cpu = {name: round((_cpu(pid) - before[name]) / alerts * 1e6) for name, pid in pids.items()}
    bytes_ = await road.value("select pg_wal_lsn_diff(pg_current_wal_lsn(), $1)::bigint", wal)
    for name in ("open", "record"):
        await steps[name].close()
    wall = {name: round(seconds / alerts * 1e6) for name, seconds in took.items()}
    return {
        "batch": batch,
        "cpu_us": cpu,
        "all_us": sum(cpu.values()),
        "wall_us": wall,
        "wal": bytes_ // alerts,
    }


def _result(claimed: Any, answer: Any, entering: bool) -> dict[str, Any]:
    assert answer["verdict"] == "opened", answer
    (command,) = answer["commands"]
    account = claimed["account"]["id"]
    open_ones = claimed["positions"]
    name = open_ones[0]["venue_position_id"] if open_ones else f"p{command['id']}-{account[:8]}"
    side, effect = ("buy", "open") if entering else ("sell", "close")
    fills = [fill(f"f{command['id']}", name, effect=effect, side=side)]
    position = {
        "venue_position_id": name,
        "root": "EURUSD",
        "stop_loss": None,
        "take_profit": None,
        "unrealized_pnl": 0,
    }
    told = filled(command["id"], 1, fills, positions=[position] if entering else [])
    return {
        "delivery_id": claimed["delivery"]["id"],
        "token": claimed["token"],
        "account": {"balance": 10000, "equity": 10000, "as_of": "2026-11-23T09:00:00Z"},
        "commands": [told],
        "finish": {"outcome": "executed", "reason": None, "numbers": None},
        "trace": [
            {"stage": name, "outcome": "ok", "ms": 1.5, "detail": {"a": "1", "b": "2", "c": "3"}}
            for name in ("claim", "parse", "resolve", "size", "risk", "fit", "write", "execute")
        ],
        "timings": {"recorded_ms": 1, "sent_ms": 1, "begun_ms": 2},
    }


async def _functions(road: Road, alerts: int) -> None:
    await road.admin.execute("select pg_stat_force_next_flush()")
    await asyncio.sleep(1.1)
    await road.worker.fetchval("select 1")
    await road.edge.fetchval("select 1")
    rows = await road.admin.fetch(
        "select schemaname || '.' || funcname as name, calls, self_time, total_time from pg_stat_user_functions"
        " order by self_time desc limit 45"
    )
    for row in rows:
        print(
            f"  {row['name']:36} calls {row['calls'] / alerts:6.2f}  self {row['self_time'] / alerts * 1000:7.1f} us"
            f"  total {row['total_time'] / alerts * 1000:7.1f} us"
        )


async def _tables(road: Road, alerts: int) -> None:
    rows = await road.admin.fetch(
        "select relname, n_tup_ins, n_tup_upd, n_tup_hot_upd from pg_stat_user_tables where n_tup_upd + n_tup_ins > 0"
        " order by n_tup_upd desc limit 16"
    )
    for row in rows:
        hot = row["n_tup_hot_upd"] / max(row["n_tup_upd"], 1)
        print(
            f"  {row['relname']:36} inserted {row['n_tup_ins'] / alerts:5.2f}  updated {row['n_tup_upd'] / alerts:5.2f}"
            f"  in place {hot:4.0%}"
        )


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


if __name__ == "__main__":
    main()
