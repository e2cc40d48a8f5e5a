"""A flatten goes on, round after round, until a read made after everything of ours was answered shows nothing.

A round cancels and closes what the account holds. After it the delivery is given back and claimed again: that claim
says whether anything of the account is still on its way, and the broker is read after it. Only when both show
nothing is the account flat (semantics 4); otherwise the next round begins, and meanwhile the user is told what
could not be closed.
"""

from __future__ import annotations

from shared.models.context import RiskContext
from shared.models.enums import Action, CommandState, DeliveryOutcome, Stage
from shared.models.outcome import Rejected
from shared.models.reasons import Reason
from shared.models.signal import Signal
from shared.risk.decision import Skipped
from shared.store.rows import Claimed
from workers.execution.job import Ended, Ending, Job, Later, ended
from workers.execution.write import Step

FIRST_PAUSE_MS, LONGEST_PAUSE_MS, REFUSED_PAUSE_MS = 250, 2000, 30_000
"""Between rounds; the last one where the broker refuses everything: a closed market opens hours later."""
_UNANSWERED = frozenset({CommandState.PENDING, CommandState.SUBMITTING, CommandState.UNKNOWN})


def begins_a_round(claimed: Claimed) -> bool:
    """A flatten whose earlier rounds were answered plans again from what the account holds now."""
    answered = all(each.state not in _UNANSWERED for each in claimed.commands)
    return claimed.delivery.action is Action.FLATTEN and answered


def after_round(job: Job, steps: list[Step], ending: Ended) -> Ending:
    """What was sent is recorded, and the account looked at again. What is unknown the settler finds out first."""
    if ending.finish.outcome is DeliveryOutcome.UNKNOWN:
        return ending
    refused = [_said(each) for each in steps if each.denial or isinstance(each.outcome, Rejected)]
    superseded = [each for each in steps if each.denial and each.denial[0] is Reason.SUPERSEDED]
    if superseded:
        return ending  # a newer flatten covers it
    numbers = {"left": "; ".join(refused)} if refused else {}
    pause_ms = _pause_ms(job.claimed.delivery.attempts, all_refused=len(refused) == len(steps))
    return Later(Reason.NOT_FLAT, numbers, ending.commands, pause_ms)


def verdict(job: Job, signal: Signal, context: RiskContext, nothing: Skipped) -> Ending:
    """Nothing was seen that could be closed: flat, unless something of ours is still on its way."""
    root = context.instrument.root if context.instrument else None
    named = signal.symbol is not None and root is not None
    in_flight = context.unresolved & {root} if named else context.unresolved
    unnamed = [str(note.numbers.get("orders", "")) for note in nothing.notes]
    if in_flight or unnamed:
        left = [f"an order of {symbol} is not answered yet" for symbol in sorted(map(str, in_flight))]
        left += [f"orders without a broker's id: {count}" for count in unnamed]
        job.step(Stage.EXECUTE, "verified", {"flat": "no", "left": left})
        pause_ms = _pause_ms(job.claimed.delivery.attempts, all_refused=False)
        return Later(Reason.NOT_FLAT, {"left": "; ".join(left)}, pause_ms=pause_ms)
    job.step(Stage.EXECUTE, "verified", {"flat": "yes"})
    flat = {"flat": "yes"}
    if job.claimed.commands:
        return ended(DeliveryOutcome.EXECUTED, None, flat)
    return ended(DeliveryOutcome.SKIPPED, nothing.reason, flat)


def _said(step: Step) -> str:
    leg = step.leg
    what = f"{leg.kind} {leg.symbol}"
    if isinstance(step.outcome, Rejected):
        return f"{what}: {step.outcome.text[:100] or step.outcome.reason}"
    return f"{what}: {step.denial[0]}" if step.denial else what


def _pause_ms(attempts: int, *, all_refused: bool) -> int:
    """The first look follows at once; a broker that needs time is not asked in a tight loop."""
    if attempts == 0 and not all_refused:
        return 0
    longest_ms = REFUSED_PAUSE_MS if all_refused else LONGEST_PAUSE_MS
    return min(FIRST_PAUSE_MS << min(max(attempts - 1, 0), 10), longest_ms)
