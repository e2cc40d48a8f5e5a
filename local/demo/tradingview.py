"""Posts alerts as TradingView does: one POST, 3 seconds, after 5xx up to three resends 5 seconds apart."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

RESEND_AFTER_S = 5.0
RESENDS = 3


@dataclass(frozen=True)
class Posted:
    """What one alert got: every status, the last body, and when the first POST left (epoch seconds)."""

    statuses: tuple[int, ...]
    answer: dict[str, Any]
    sent_at: float
    answer_ms: float

    @property
    def event_id(self) -> int:
        """Our number for the alert, after a 202."""
        return int(self.answer["event_id"])


def alert(fired_at: datetime | None = None, **intent: Any) -> bytes:
    """The message of an alert in format unify.v1; `{{timenow}}` is the time given, else now."""
    when = fired_at or datetime.now(UTC)
    message = {
        "version": "unify.v1",
        "source": "tradingview",
        "ts": when.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "intent": {"broker": "paper", **intent},
    }
    return json.dumps(message).encode()


async def post(
    http: httpx.AsyncClient, address: str, body: bytes, resend_after_s: float = RESEND_AFTER_S
) -> Posted:
    """Post until something other than 5xx comes back, at most four times."""
    sent_at, begun = time.time(), time.perf_counter()
    statuses: list[int] = []
    answer: dict[str, Any] = {}
    for attempt in range(1 + RESENDS):
        if attempt:
            await asyncio.sleep(resend_after_s)
        try:
            response = await http.post(address, content=body, headers={"content-type": "application/json"})
        except httpx.TransportError:
            # A refused connection shows as 502 to TradingView behind any proxy, ours included.
            statuses.append(502)
            continue
        statuses.append(response.status_code)
        answer = response.json()
        if response.status_code < 500:
            break
    return Posted(tuple(statuses), answer, sent_at, (time.perf_counter() - begun) * 1000)
