"""One delivery on its road: what was claimed, how long each stage took, and how it may end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from shared import clock, log
from shared.models.enums import DeliveryOutcome, Stage
from shared.models.reasons import Reason
from shared.store.rows import Claimed, Finish, Numbers, Trace
from workers import metrics
from workers.execution.together import Together
from workers.leases import Lease

_log = log.get("execution")
_SECONDS = {stage: metrics.STAGE.labels(stage.value) for stage in Stage}


@dataclass(frozen=True, slots=True)
class Ended:
    """The delivery is over: `finish` says how, `commands` what became of what was sent."""

    finish: Finish
    commands: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Later:
    """An exit that cannot be done now: give it back, to be claimed again.

    `commands`: what became of what it has sent by now. `pause_ms` None = longer with every time.
    """

    reason: Reason
    numbers: Numbers
    commands: list[dict[str, Any]] = field(default_factory=list)
    pause_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """The lease is not ours any more: nothing may be sent or recorded, somebody else goes on."""


Ending = Ended | Later | Lost


@dataclass(slots=True)
class Job:
    """The trace grows by a line a stage; `timings` are ms since the claim's answer.

    `together`: the others of its alert, until it has met them or will not; then `departing`: those it has met.
    """

    claimed: Claimed
    lease: Lease
    claimed_at: float
    trace: Trace = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    account: dict[str, Any] | None = None
    together: Together | None = None
    departing: Together | None = None
    _stage_began: float = field(default_factory=clock.monotonic)

    @property
    def id(self) -> int:
        """The delivery's id."""
        return self.claimed.delivery.id

    def told(self) -> Trace:
        """The trace so far, every detail written out. Never raises: an outcome is recorded, whatever is told of it."""
        for line in self.trace:
            if callable(line["detail"]):
                line["detail"] = _asked(line["detail"])
        return self.trace

    def step(
        self, stage: Stage, outcome: str, detail: dict[str, Any] | Callable[[], dict[str, Any]] | None = None
    ) -> None:
        """A stage is through: its line of the trace. Time counts from the step before.

        A detail that is a function is asked when the trace is told: no order waits for its words.
        """
        now = clock.monotonic()
        took, self._stage_began = now - self._stage_began, now
        _SECONDS[stage].observe(took)
        self.trace.append(
            {
                "stage": stage.value,
                "outcome": outcome,
                "ms": round(took * 1000, 3),
                "detail": {} if detail is None else detail,
            }
        )

    async def meet(self) -> None:
        """Wait a moment for the other accounts of this alert, before its orders are written."""
        together, self.together = self.together, None
        if together is not None:
            self.departing = await together.arrive()

    async def depart(self) -> None:
        """Wait a moment for those it was written with, before its request is."""
        departing, self.departing = self.departing, None
        if departing is not None:
            await departing.arrive()

    def go_alone(self) -> None:
        """The others need not wait for this one."""
        for each in (self.together, self.departing):
            if each is not None:
                each.leave()
        self.together = self.departing = None

    def clocked(self, name: str) -> None:
        """Remember when something happened."""
        self.timings[name] = clock.ms_since(self.claimed_at)


def _asked(detail: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return detail()
    except Exception as error:  # noqa: BLE001 - a bug in words must not keep an outcome from being recorded
        _log.error("a line of the trace could not be written", exc_info=error)
        return {"error": f"This could not be written: {type(error).__name__}."}


def ended(outcome: DeliveryOutcome, reason: Reason | None = None, numbers: Numbers | None = None) -> Ended:
    """An end without anything sent."""
    return Ended(Finish(outcome, reason, numbers or {}))
