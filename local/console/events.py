"""An alert's road as its owner may read it through the API: event, deliveries, orders, fills."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from local.console.session import rows
from supabase import AsyncClient

Row = dict[str, Any]

# Money and quantities travel as text, so that every digit arrives.
_EVENT = "id,source,status,reason,details,dry_run,received_at,processed,payload"
_DELIVERY = "id,account_id,action,symbol,status,outcome,reason,numbers,trace,timings,created_at,finished_at"
_ORDER = (
    "id,delivery_id,leg,client_order_id,venue_order_id,kind,symbol,side,type,status,reason,"
    "qty::text,filled_qty::text,price::text,avg_price::text,stop_loss::text,take_profit::text"
)


class EventUnknown(Exception):
    """No such alert, or it belongs to somebody else."""


@dataclass(frozen=True)
class Road:
    """One alert and what became of it."""

    event: Row
    deliveries: list[Row]
    orders: list[Row] = field(default_factory=list)
    accounts: dict[str, str] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """Whether every delivery has its final outcome."""
        return all(delivery["status"] in ("done", "dead") for delivery in self.deliveries)

    def orders_of(self, delivery: Row) -> list[Row]:
        """The orders of one delivery, in the order of their legs."""
        return [order for order in self.orders if order["delivery_id"] == delivery["id"]]


async def read(client: AsyncClient, event_id: int) -> Road:
    """Everything about one alert. Raises EventUnknown."""
    events = await rows(client.table("webhook_events").select(_EVENT).eq("id", event_id))
    if not events:
        raise EventUnknown(f"There is no alert {event_id} of yours.")
    deliveries = await rows(client.table("deliveries").select(_DELIVERY).eq("event_id", event_id).order("id"))
    ids = [delivery["id"] for delivery in deliveries]
    orders = await rows(client.table("orders").select(_ORDER).in_("delivery_id", ids).order("id"))
    accounts = await rows(client.table("broker_accounts").select("id,label,account_id"))
    labels = {row["id"]: row["label"] or row["account_id"] for row in accounts}
    return Road(events[0], deliveries, orders, labels)


async def wait_finished(client: AsyncClient, event_id: int, timeout_s: float) -> Road:
    """Follow an alert until every delivery is finished or the time is over; returns what is known then."""
    deadline = time.monotonic() + timeout_s
    while True:
        road = await read(client, event_id)
        if road.finished or time.monotonic() > deadline:
            return road
        await asyncio.sleep(0.05)
