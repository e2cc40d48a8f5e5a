"""What a worker tells Prometheus. Names are a contract (docs/metrics)."""

from __future__ import annotations

from functools import cache
from typing import TypeVar

from prometheus_client import Counter, Gauge, Histogram, start_http_server

M = TypeVar("M", Counter, Gauge, Histogram)

_MS = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1, 2, 5, 10)

ORDERS = Counter("orders_total", "Commands answered by a broker", ["broker", "status"])
REJECTS = Counter("rejects_total", "Deliveries denied by us or rejected by a broker", ["reason"])
ALERTS = Counter("alerts_total", "Deliveries finished", ["source", "result"])
STAGE = Histogram("stage_seconds", "Time in each stage of the road", ["stage"], buckets=_MS)
VENUE = Histogram(
    "venue_request_seconds", "Time of requests to brokers", ["broker", "call", "outcome"], buckets=_MS
)
LEASES_LOST = Counter("lease_expired_total", "Leases that ran out or were taken by another worker")
QUEUE_READY = Gauge("queue_ready", "Deliveries ready to be claimed")
QUEUE_OLDEST = Gauge("queue_oldest_seconds", "Age of the oldest delivery not yet claimed")
UNKNOWN_ORDERS = Gauge("unknown_orders", "Commands whose outcome is not known")
INVARIANT_ROWS = Gauge("invariant_rows", "Rows of an invariant view; every one must be 0", ["view"])
OLDEST_XMIN = Gauge("oldest_xmin_seconds", "Age of the oldest snapshot held in the database")
UPKEEP = Counter("upkeep_total", "What maintenance ended", ["what"])
FORGOTTEN = Counter("forgotten_rows_total", "Rows that were over their time", ["kind"])
ALARMS = Counter("alarms_total", "Traders alarmed of what did not happen", ["what"])
OUTBOX_ROWS = Gauge("outbox_rows", "Events that the relay has not delivered yet")
OUTBOX_OLDEST = Gauge("outbox_oldest_seconds", "Age of the oldest of them")
NOTIFICATIONS_WAITING = Gauge("notifications_waiting", "Messages not sent yet, quiet hours included")
NOTIFICATIONS = Counter("notifications_total", "Messages tried", ["kind", "outcome"])
WORKER_UP = Gauge("worker_up", "1 while this worker serves and reaches the database")


@cache
def child(metric: M, *labels: str) -> M:
    """A metric under these labels, found once: `labels` spells them and takes a lock each time, for every order."""
    return metric.labels(*labels)


def serve(port: int) -> None:
    """Serve /metrics on loopback. Raises OSError when the port is taken."""
    start_http_server(port, addr="127.0.0.1")
