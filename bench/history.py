"""What claiming costs beside a million finished alerts, against an empty history; the database alone, fsync on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from local.scratch import scratch_cluster

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench import engine
from tests.integration.engine.road import Road, Trader
from tests.support.clusters import Database

EVENTS = 1_000_000
ALERTS = 300
_EVENTS = """
insert into public.webhook_events (user_id, source, broker, endpoint_id, body, processed, status, received_at)
select $1::text::uuid, 'tradingview', 'paper', $2::text::uuid, '{}', true, 'accepted', now() - interval '1 day'
from generate_series(1, $3::int)
"""
_DELIVERIES = """
insert into public.deliveries (event_id, user_id, account_id, action, symbol, status, outcome, halt_epoch, finished_at)
select e.id, e.user_id, $2::text::uuid, 'open', 'EURUSD', 'done', 'executed', 0, e.received_at
from public.webhook_events e where e.endpoint_id = $1::text::uuid and e.body = '{}'
"""


async def measure(version: int, events: int = EVENTS) -> dict[str, Any]:
    """`claim_ratio`: CPU of the claim of one alert with `events` finished ones beside it, by the same without."""
    with scratch_cluster(version, durable=True) as running:
        running.prepare("history")
        road = await Road.on(Database(running, "history"))
        try:
            traders = await engine.new_traders(road, 10)
            await engine.run(road, traders, ALERTS, 1)
            empty = await engine.run(road, traders, ALERTS, 1)
            await _fill(road, traders, events)
            full = await engine.run(road, traders, ALERTS, 1)
        finally:
            await road.close()
    claims = [figures["cpu_us"]["claim"] for figures in (empty, full)]
    return {"finished_events": events, "claim_ratio": round(claims[1] / claims[0], 2), "claim_us": claims}


async def _fill(road: Road, traders: list[Trader], events: int) -> None:
    """Finished ones straight into the tables: nobody is told of them, and no trigger counts them."""
    await road.admin.execute("set session_replication_role = replica")
    for trader in traders:
        await road.admin.execute(_EVENTS, trader.user, trader.endpoint, events // len(traders), timeout=300)
        await road.admin.execute(_DELIVERIES, trader.endpoint, trader.account, timeout=300)
    await road.admin.execute("reset session_replication_role")
    await road.admin.execute("vacuum analyze public.webhook_events", timeout=300)
    await road.admin.execute("vacuum analyze public.deliveries", timeout=300)
