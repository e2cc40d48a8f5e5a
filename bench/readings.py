"""What a load did, read where it left its traces: the venue's log, the database, the processes."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
import psutil

from bench.sender import Load
from local.demo.venue import PaperVenue
from local.postgres import SUPERUSER
from local.status import Installation

SETTLE_S = 60.0
_WAL_FLUSHES = {
    16: "select wal_sync from pg_stat_wal",
    18: "select coalesce(sum(fsyncs), 0) from pg_stat_io where object = 'wal'",
}
_DELIVERIES = """
select d.event_id, o.client_order_id, d.finished_at, d.outcome, d.reason
from public.deliveries d left join public.orders o on o.delivery_id = d.id and o.leg = 0
where d.event_id = any($1)
"""


@dataclass(frozen=True)
class Delivered:
    """One delivery: the order it became, and when it was finished."""

    event_id: int
    client_order_id: str | None
    finished_at: datetime | None
    outcome: str | None
    reason: str | None


async def connect(found: Installation) -> asyncpg.Connection:
    """The onlooker's connection; it only reads."""
    return await asyncpg.connect(found.boot.url(SUPERUSER))


async def deliveries(database: asyncpg.Connection, load: Load) -> list[Delivered]:
    """What became of every accepted alert."""
    rows = await database.fetch(_DELIVERIES, list(load.accepted))
    return [
        Delivered(row["event_id"], row["client_order_id"], row["finished_at"], row["outcome"], row["reason"])
        for row in rows
    ]


async def unfinished(database: asyncpg.Connection) -> int:
    """Deliveries still in the queue."""
    count: int = await database.fetchval("select count(*) from engine.queue")
    return count


async def settled(database: asyncpg.Connection) -> None:
    """Wait until the queue is empty. Raises TimeoutError."""
    deadline = time.perf_counter() + SETTLE_S
    while await unfinished(database):
        if time.perf_counter() > deadline:
            raise TimeoutError("the queue did not empty")
        await asyncio.sleep(0.02)


async def wal_flushes(database: asyncpg.Connection, version: int) -> int:
    """Durable commits as the disk saw them: flushes of the write-ahead log."""
    await database.execute("select pg_stat_force_next_flush()")
    return int(await database.fetchval(_WAL_FLUSHES[version]))


def percentiles(values: list[float]) -> dict[str, float | None]:
    """p50 and p99, in the unit given."""
    if len(values) < 2:
        return {"p50": None, "p99": None}
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return {"p50": round(cuts[49], 2), "p99": round(cuts[98], 2)}


async def rate_report(
    per_s: int, load: Load, delivered: list[Delivered], venue: PaperVenue
) -> dict[str, Any]:
    """One entry of `rates`: latencies in ms, and what was lost or doubled."""
    received: dict[str, list[float]] = {}
    for entry in await venue.log():
        received.setdefault(entry["client_order_id"], []).append(entry["received_ns"] / 1e9)
    sent = load.accepted
    arrived = [one for one in delivered if one.client_order_id in received]
    to_broker = [
        (received[one.client_order_id or ""][0] - sent[one.event_id].sent_at) * 1000 for one in arrived
    ]
    recorded = [
        (one.finished_at.timestamp() - sent[one.event_id].sent_at) * 1000
        for one in delivered
        if one.finished_at
    ]
    return {
        "per_s": per_s,
        "ack_ms": percentiles([one.ack_ms for one in load.sent]),
        "to_broker_ms": percentiles(to_broker),
        "to_recorded_ms": percentiles(recorded),
        "sent": len(load.sent),
        "orders": len(arrived),
        "lost": len(load.sent) - len(arrived),
        "why": _why(load, delivered, received),
        "duplicates": sum(len(times) - 1 for times in received.values()),
    }


def cpu_s(found: Installation, venue: PaperVenue) -> dict[str, float]:
    """CPU seconds so far by program: the stack's children, the venue, and this process as `sender`."""
    pids = {child.name: child.pid for child in found.state.children if child.pid}
    return {name: _used(pid) for name, pid in {**pids, "venue": venue.pid, "sender": os.getpid()}.items()}


def cpu_ms_per_alert(before: dict[str, float], after: dict[str, float], alerts: int) -> dict[str, float]:
    """What an alert cost each program, in ms of CPU: other load on the machine hardly changes it."""
    return {name: round((after[name] - before[name]) * 1000 / max(alerts, 1), 2) for name in before}


def _used(pid: int) -> float:
    process = psutil.Process(pid)
    own = process.cpu_times()
    family = process.children(recursive=True) if process.name() == "postgres" else []
    ended = own.children_user + own.children_system
    return float(own.user + own.system + ended + sum(sum(each.cpu_times()[:2]) for each in family))


def _why(load: Load, delivered: list[Delivered], received: dict[str, list[float]]) -> dict[str, int]:
    """What became of alerts that never were an order at the broker, counted."""
    refused = [f"answered {one.status}" for one in load.sent if one.status != 202]
    ended = [
        f"{one.outcome} {one.reason or ''}".strip()
        for one in delivered
        if one.client_order_id not in received
    ]
    return dict(Counter([*refused, *ended]))


def memory_mb(found: Installation, name: str | None = None) -> float:
    """Memory of one child, or of all but the workers (proportional shares, so shared pages count once)."""
    children = [child for child in found.state.children if child.pid]
    if name is None:
        pids = [child.pid for child in children if not child.name.startswith("worker")] + [found.state.pid]
    else:
        pids = [child.pid for child in children if child.name == name]
    return round(sum(_share(pid) for pid in pids if pid) / 1e6, 1)


def _share(pid: int) -> float:
    process = psutil.Process(pid)
    family = [process, *process.children(recursive=True)] if process.name() == "postgres" else [process]
    total = 0.0
    for each in family:
        with suppress(psutil.NoSuchProcess):  # a session may end meanwhile
            total += float(each.memory_full_info().pss)
    return total
