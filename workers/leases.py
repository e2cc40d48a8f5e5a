"""Which claims are ours, and until when we may send: by our own clock, ahead of the database's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from shared import clock


@dataclass(slots=True)
class Lease:
    """One claim call's token, shared by the deliveries it gave. `deadline` is monotonic seconds."""

    token: int
    deadline: float
    in_flight: int = 0

    def may_send(self) -> bool:
        """Asked immediately before every send: a stopped or slow process must not send after its lease."""
        return clock.monotonic() < self.deadline


class Leases:
    """The leases of one worker process."""

    def __init__(self, lease_ms: int, margin_ms: int) -> None:
        self._length_s = (lease_ms - margin_ms) / 1000
        self._held: dict[int, Lease] = {}
        self._others: Counter[int] = Counter()

    def taken(self, token: int, asked_at: float) -> Lease:
        """A claim, counted from when it was asked for (monotonic): that is on the safe side."""
        lease = self._held.get(token)
        if lease is None:
            lease = self._held[token] = Lease(token, asked_at + self._length_s)
        lease.in_flight += 1
        return lease

    def done(self, lease: Lease) -> None:
        """One of its deliveries has ended; the last one ends the lease."""
        lease.in_flight -= 1
        if lease.in_flight == 0:
            self._held.pop(lease.token, None)

    def tokens(self) -> list[int]:
        """Tokens to keep alive."""
        return sorted(self._held)

    @contextmanager
    def held(self, tokens: Iterable[int]) -> Iterator[None]:
        """Claims of another kind (unknown orders, logins to check), while they are worked on: no heartbeat."""
        mine = list(tokens)
        self._others.update(mine)
        try:
            yield
        finally:
            self._others -= Counter(mine)

    def proofs(self) -> list[int]:
        """Every token of ours: what shows the database that we have work for a connection."""
        return sorted({*self._held, *self._others})

    def kept(self, tokens: Iterable[int], alive: frozenset[int], asked_at: float) -> None:
        """What a heartbeat said: extend the living, end the others at once."""
        for token in tokens:
            lease = self._held.get(token)
            if lease is None:
                continue
            if token in alive:
                lease.deadline = asked_at + self._length_s
            else:
                lease.deadline = float("-inf")
