"""Until when a claim may be sent from."""

from __future__ import annotations

from shared import clock
from workers.leases import Leases


def test_lease_ends_before_the_databases() -> None:
    """Counted from before the claim was asked for, less the margin: ours always ends first."""
    leases = Leases(lease_ms=5000, margin_ms=1000)
    now = clock.monotonic()
    assert leases.taken(7, now).deadline == now + 4
    assert leases.taken(7, now).may_send()
    assert not leases.taken(8, now - 4).may_send()


def test_heartbeat_extends_what_is_alive_and_ends_the_rest() -> None:
    """A token the database does not confirm may send nothing any more, at once."""
    leases = Leases(lease_ms=5000, margin_ms=1000)
    now = clock.monotonic()
    alive, lost = leases.taken(1, now - 3), leases.taken(2, now - 3)
    leases.kept([1, 2], frozenset({1}), now)
    assert alive.deadline == now + 4
    assert alive.may_send()
    assert not lost.may_send()


def test_lease_is_kept_while_something_is_in_flight() -> None:
    """Heartbeats name a token until the last delivery of its claim has ended."""
    leases = Leases(lease_ms=5000, margin_ms=1000)
    first, second = leases.taken(1, 0), leases.taken(1, 0)
    leases.done(first)
    assert leases.tokens() == [1]
    leases.done(second)
    assert leases.tokens() == []
