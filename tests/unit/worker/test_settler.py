"""When an order that no list shows was never placed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from shared.brokers.paper.broker import NETTING
from shared.models.command import Leg
from shared.models.enums import CommandKind
from shared.store.rows import UnsettledCommand
from workers.execution.settler import is_proof

DEADLINE = datetime(2026, 11, 25, 20, 1, 54, tzinfo=UTC)
LAGGING = replace(NETTING, lookup_lag_s=Decimal(10), request_timeout_s=Decimal(12))
COMMAND = UnsettledCommand(
    id=1,
    delivery_id=1,
    leg=0,
    kind=CommandKind.PLACE,
    client_order_id="E1_0",
    request=Leg(leg=0, kind=CommandKind.PLACE, symbol="EURUSD", venue_symbol="EURUSD", root="EURUSD"),
    submitted_at=DEADLINE - timedelta(seconds=2),
    send_deadline=DEADLINE,
)


@pytest.mark.parametrize(("after_s", "proof"), [(10.1, False), (12.1, False), (21.9, False), (22.1, True)])
def test_absence_counts_when_it_can_neither_arrive_nor_be_hidden(after_s: float, proof: bool) -> None:
    """The broker hung for 12 s and did it then, and its lists showed it later still: it would have been sent twice."""
    assert is_proof(COMMAND, LAGGING, DEADLINE + timedelta(seconds=after_s)) is proof


def test_without_a_deadline_the_send_itself_counts() -> None:
    """What was begun long ago, before deadlines were kept, is as old as its send; what was never begun proves nothing."""
    old = replace(COMMAND, send_deadline=None)
    assert not is_proof(old, LAGGING, DEADLINE + timedelta(seconds=19))
    assert is_proof(old, LAGGING, DEADLINE + timedelta(seconds=21))
    assert not is_proof(replace(old, submitted_at=None), LAGGING, DEADLINE + timedelta(days=1))


def test_an_authoritative_lookup_is_proof_at_once() -> None:
    """Where a lookup reads what executes, and a repeat gets the first answer, there is nothing to wait for."""
    assert is_proof(COMMAND, NETTING, DEADLINE)
