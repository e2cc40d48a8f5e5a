"""What a limit has shown: a verdict, a sentence with its numbers, and the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.models.reasons import Reason
from shared.store.drill_rows import DrillAnswer
from workers.drills.twin import denied, executed


@dataclass(frozen=True, slots=True)
class Shown:
    """`passed`: it fired where it must, and not one notch below."""

    passed: bool
    told: str
    numbers: Mapping[str, Any] = field(default_factory=dict)


def judged(beyond: DrillAnswer, below: DrillAnswer | None, what: tuple[str, str], *reasons: Reason) -> Shown:
    """Beyond must be denied for one of the reasons, below (None = there is nothing below) must be executed.

    `what` are the two orders in words, beyond first.
    """
    fired, spared = denied(beyond, *reasons), below is None or executed(below)
    told = f"{what[0]}: {words(beyond)}"
    if below is not None:
        told += f"; {what[1]}: {words(below)}"
    if not fired:
        told += f". It must be denied ({', '.join(each.value for each in reasons)})"
    numbers = {"beyond": _numbers(beyond), "below": None if below is None else _numbers(below)}
    return Shown(fired and spared, f"{told}.", numbers)


def words(answer: DrillAnswer) -> str:
    """`denied daily_loss (value 950, limit 900)`, or `executed`."""
    named = answer.outcome.value + (f" {answer.reason.value}" if answer.reason is not None else "")
    said = answer.numbers or {}
    told = ", ".join(f"{name} {said[name]}" for name in ("value", "limit", "until") if name in said)
    return f"{named} ({told})" if told and answer.reason is not None else named


def _numbers(answer: DrillAnswer) -> dict[str, Any]:
    return {"outcome": answer.outcome, "reason": answer.reason, **(answer.numbers or {})}
