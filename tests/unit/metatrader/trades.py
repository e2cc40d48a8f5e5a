"""What the tests of the adapter trade, and how."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from shared.brokers.port import Broker
from shared.models.command import Leg
from shared.models.enums import CommandKind, Side
from shared.models.market import Instrument
from tests.conformance.harness import (
    leg_of,
)
from tests.conformance.test_metatrader import MetaTraderVenue

D = Decimal
LOTS = D("0.10")
LONG_AGO = timedelta(minutes=1)


async def traded(broker: Broker, symbol: str = "EURUSD") -> Instrument:
    """The instrument of a symbol."""
    found = await broker.instrument(symbol)
    assert isinstance(found, Instrument)
    return found


def log_of(venue: MetaTraderVenue, tag: str) -> list[str]:
    """The trades that were received under a clientId."""
    return [each["operation"] for each in venue.operator.log() if each["tag"] == tag]


def net_close(instrument: Instrument, side: Side | None, qty: Decimal | None = None) -> Leg:
    """A close that names no position, as on a netting account."""
    return leg_of(instrument, kind=CommandKind.CLOSE, side=side, qty=qty, reduce_only=True)
