"""When requests may have arrived at a broker, and when one more may go. No waiting and no I/O in here.

A broker counts what arrives, and when that is we do not see: somewhere between our sending and its answer. So a
request counts from when it was sent until a window after its answer; without an answer yet it is taken to
arrive within GRACE_S. Then no window of the broker holds more than its limit, however requests overtake one another.
"""

from __future__ import annotations

from collections.abc import Callable

from shared import clock

GRACE_S = 0.7
"""A request without an answer yet has arrived after this time: half a second under way, and a moment before that
beside the other orders of its alert (departure.py)."""
MARGIN = 1.01
"""Windows are taken a little longer than they are: clocks do not run equally fast."""


class Turn:
    """One request's place in a window. `with turn:` around the request frees the place as early as it is safe."""

    __slots__ = ("_freed", "over")

    def __init__(self, at: float, freed: Callable[[], None] | None = None) -> None:
        self.over = at + GRACE_S
        self._freed = freed

    def done(self) -> None:
        """The request was answered, or has failed: it is not under way any more."""
        now = clock.monotonic()
        if now < self.over:
            self.over = now
            if self._freed is not None:
                self._freed()

    def __enter__(self) -> Turn:
        return self

    def __exit__(self, *_: object) -> None:
        self.done()


class TurnLog:
    """The turns that were taken here, of at most `limit` in any `seconds`."""

    def __init__(self, limit: int, seconds: float) -> None:
        self._turns: list[Turn] = []
        self.resize(limit, seconds)

    def resize(self, limit: int, seconds: float) -> None:
        """Another limit; what was taken before counts on."""
        self.limit, self.seconds = limit, seconds * MARGIN

    def free_at(self, allowed: int, now: float) -> float:
        """From when on (monotonic) one more may go, when `allowed` may be there; not after `now` = at once."""
        self._turns = [each for each in self._turns if each.over > now - self.seconds]
        if len(self._turns) < allowed:
            return now
        return sorted((each.over for each in self._turns), reverse=True)[allowed - 1] + self.seconds

    def add(self, turn: Turn) -> Turn:
        """A turn that is taken now."""
        if len(self._turns) > 2 * self.limit:
            self.free_at(1, clock.monotonic())
        self._turns.append(turn)
        return turn
