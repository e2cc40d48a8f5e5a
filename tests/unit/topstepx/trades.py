"""What the tests of the adapter trade, and how."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import httpx

from shared import codec
from shared.brokers.port import Broker
from shared.models.market import Instrument
from tests.conformance.harness import PATIENCE_S
from tests.conformance.test_topstepx import TopstepXVenue

D = Decimal
BID, ASK, TICK = D("25000.00"), D("25000.25"), D("0.25")


async def mnq(broker: Broker) -> Instrument:
    """The active contract of MNQ."""
    found = await broker.instrument("MNQ1!")
    assert isinstance(found, Instrument)
    return found


def settings(venue: TopstepXVenue, **values: object) -> None:
    """Change what the account may do."""
    body = codec.encode({"id": int(venue.number), **values})
    httpx.post(
        f"{venue.operator.url}/_sim/accounts", content=body, trust_env=False, timeout=PATIENCE_S
    ).raise_for_status()


def roll(venue: TopstepXVenue, root: str) -> None:
    """The next month becomes the active one, for every test of this module: GC is used by one only."""
    body = codec.encode({"root": root})
    httpx.post(
        f"{venue.operator.url}/_sim/roll", content=body, trust_env=False, timeout=PATIENCE_S
    ).raise_for_status()


def written(venue: TopstepXVenue) -> list[dict[str, Any]]:
    """The writes of this account, but for the probes."""
    log = venue.operator.log()
    return [e for e in log if e["account"] == venue.number and not e["tag"].startswith("probe-")]
