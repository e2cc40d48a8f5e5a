"""Sends what was written ahead, leg after leg. Nothing is sent twice from here."""

from __future__ import annotations

import asyncio

from shared import clock
from shared.brokers.port import Broker
from shared.models.command import Leg
from shared.models.enums import Action, CommandKind, CommandState, DeliveryOutcome, OrderStatus, Stage
from shared.models.outcome import Accepted, Found, Outcome, Rejected, Unknown
from shared.models.reasons import Reason
from shared.store.port import StoreUnavailable
from shared.store.rows import Execution, Finish
from workers import metrics
from workers.execution import anchor, results, trace
from workers.execution.desk import Desk
from workers.execution.job import Ended, Job, Lost
from workers.execution.write import Step, Written, numbers_text, write_more

FILL_POLL_S = 0.25
EXIT_AGAIN_S, EXIT_PAUSE_S = 10.0, 0.25
"""An exit that finds the broker busy is tried again for so long, with longer and longer pauses from this one."""
_MAKES_ROOM = frozenset({CommandKind.CANCEL, CommandKind.PROTECT})
_PASSES = frozenset({Reason.BROKER_BUSY, Reason.BROKER_UNREACHABLE})


async def send_all(job: Job, written: Written, broker: Broker, desk: Desk) -> Ended | Lost:
    """Leg by leg; a leg that waits for a fill gets it, or is never sent."""
    job.clocked("begun_ms")
    for step in written.steps:
        if step.state not in (CommandState.PENDING, CommandState.SUBMITTING):
            continue
        if step.leg.after_fill:
            verdict = await _fills_before(job, step, written.steps, broker, desk)
            if verdict is None:
                break  # not known: this leg stays written ahead, and goes on when the settler has asked
            if not verdict:
                step.denial = (Reason.LEG_NOT_FILLED, {})
                continue
        if not step.go and step.denial is None and not await _begun(job, step, desk):
            return Lost()
        if step.go:
            await _send(job, step, broker)
    job.clocked("answered_ms")
    if isinstance(lost := await _anchored(job, written, broker, desk), Lost):
        return lost
    return _ending(job, written)


async def _anchored(job: Job, written: Written, broker: Broker, desk: Desk) -> Lost | None:
    """Relative stops and targets go where the average fill says, by commands of their own."""
    legs = await anchor.legs_to_move(job, written.steps, broker)
    if not legs:
        return None
    await _record_so_far(job, written.steps, desk)
    more = await write_more(job, legs, written, desk)
    if isinstance(more, Lost):
        return more
    for step in more:
        if step.go:
            await _send(job, step, broker)
    written.steps += more
    return None


async def _begun(job: Job, step: Step, desk: Desk) -> bool:
    """engine.begin_send for one command. False: the lease, or the answer, is lost: send nothing."""
    try:
        begun = await desk.beginning.ask((step.command_id, job.lease.token))
    except StoreUnavailable:
        return False
    if begun.go:
        step.go, step.state, step.submitted_at = True, CommandState.SUBMITTING, begun.submitted_at
        return True
    if begun.reason is None or begun.reason is Reason.LEASE_LOST:
        return False
    step.denial = (begun.reason, numbers_text(begun.numbers))
    return True


async def _send(job: Job, step: Step, broker: Broker) -> None:
    began = clock.monotonic()
    # The process may have been stopped between begin_send and here: after the deadline somebody else may be
    # asking the broker about this very command, so it must not go out any more.
    if job.lease.may_send():
        job.clocked("sent_ms")
        step.outcome = await _executed(job, step, broker)
    else:
        step.outcome = Unknown("the lease ran out before it could be sent")
    step.filled = results.is_filled(step.outcome)
    name = type(step.outcome).__name__.lower()
    account = job.claimed.account
    metrics.child(metrics.VENUE, account.broker.value, "execute", name).observe(clock.monotonic() - began)
    metrics.child(metrics.ORDERS, account.broker.value, _status(step.outcome)).inc()
    job.account = results.money_of(step.outcome, clock.now()) or job.account
    job.step(Stage.EXECUTE, name, trace.of_outcome(step.leg, step.client_order_id, step.outcome))


async def _executed(job: Job, step: Step, broker: Broker) -> Outcome:
    """Sent once. What only reduces and was not done for certain, because the broker or the way to it was busy, goes
    out again while the lease is ours: whoever wants out must not stay in. A flatten has a patience of its own."""
    if step.leg.asks_nothing:
        return Accepted(step.leg.venue_order_id, OrderStatus.WORKING)
    until, pause_s = clock.monotonic() + EXIT_AGAIN_S, EXIT_PAUSE_S
    while True:
        outcome = await broker.execute(step.sent(job.lease.deadline))
        passes = isinstance(outcome, Rejected) and outcome.reason in _PASSES
        if not (passes and _only_reduces(job, step.leg)) or clock.monotonic() + pause_s > until:
            return outcome
        await asyncio.sleep(pause_s)
        pause_s *= 2
        if not job.lease.may_send():
            return outcome


def _only_reduces(job: Job, leg: Leg) -> bool:
    """The venue's own close and cancel, a stop that is set: never an order, which could open what was closed since."""
    again = (CommandKind.CLOSE, CommandKind.CANCEL, CommandKind.PROTECT)
    return leg.kind in again and not leg.adds_risk and job.claimed.delivery.action is not Action.FLATTEN


async def _fills_before(job: Job, step: Step, steps: list[Step], broker: Broker, desk: Desk) -> bool | None:
    """Whether what this leg waits for is completely filled: True, False, or None = cannot be known now."""
    waits_for = [each for each in steps if each.leg.leg < step.leg.leg and _is_waited_for(step, each)]
    if any(_is_unknown(each) for each in waits_for):
        return None
    until = clock.monotonic() + desk.settings.fill_wait_ms / 1000
    while True:
        open_ones = [each for each in waits_for if not _is_ready(each)]
        if not open_ones:
            return True
        if not all(_is_done(each) for each in open_ones) or clock.monotonic() > until:
            return False
        await _record_so_far(job, steps, desk)
        await asyncio.sleep(FILL_POLL_S)
        for each in open_ones:
            await _look_again(each, broker)


def _is_waited_for(step: Step, earlier: Step) -> bool:
    """An entry waits for every close before it; anything else for every close and entry before it.

    An order that only reduces waits for old exits to be gone, too: with them it would be more than is open.
    """
    if step.leg.kind is CommandKind.PLACE and step.leg.reduce_only and earlier.leg.kind in _MAKES_ROOM:
        return True
    is_close = earlier.leg.kind is CommandKind.CLOSE
    return is_close or (earlier.leg.is_entry and not step.leg.is_entry)


def _is_ready(step: Step) -> bool:
    """Filled; of what fills nothing, done."""
    return step.filled or (step.leg.kind in _MAKES_ROOM and _is_done(step))


async def _look_again(step: Step, broker: Broker) -> None:
    found = await broker.lookup(step.sent())
    if isinstance(found, Found):
        step.outcome = found.outcome
        step.filled = results.is_filled(found.outcome)
        step.recorded = False


async def _record_so_far(job: Job, steps: list[Step], desk: Desk) -> None:
    """Before a long wait: what has come is shown, and not lost with this process."""
    ready = [each for each in steps if each.outcome is not None and not each.recorded]
    if not ready:
        return
    commands = [results.of_outcome(each.command_id, each.leg, each.outcome) for each in ready if each.outcome]
    told, job.trace = job.told(), []
    try:
        await desk.recording.ask(
            Execution(job.id, job.lease.token, commands, None, told, {}, account=job.account)
        )
    except StoreUnavailable:
        job.trace = told + job.trace
        return
    for each in ready:
        each.recorded = True


def _ending(job: Job, written: Written) -> Ended:
    commands = []
    for step in written.steps:
        if step.outcome is not None and not step.recorded:
            commands.append(results.of_outcome(step.command_id, step.leg, step.outcome))
        elif step.denial is not None:
            commands.append(results.never_sent(step.command_id, *step.denial))
    return Ended(_finish(written), commands)


def _finish(written: Written) -> Finish:
    """executed: everything was taken; else the first thing that went otherwise, with how much was done."""
    steps = written.steps
    if any(_is_unknown(step) for step in steps):
        return Finish(DeliveryOutcome.UNKNOWN)
    # An adjustment that failed leaves what its entry was sent with.
    steps = [step for step in steps if not step.leg.adjusts and not _was_gone(step)]
    done = sum(1 for step in steps if _is_done(step))
    share = {} if done in (0, len(steps)) else {"legs_done": str(done), "legs": str(len(steps))}
    for step in steps:
        if isinstance(step.outcome, Rejected):
            overtaken = step.outcome.reason is Reason.NOTHING_TO_MODIFY and step.leg.yields
            outcome = DeliveryOutcome.SKIPPED if overtaken else DeliveryOutcome.REJECTED
            numbers = {**step.outcome.numbers, **share, "text": step.outcome.text[:200]}
            return Finish(outcome, step.outcome.reason, numbers)
    for step in steps:
        if step.denial is not None:
            reason, numbers = step.denial
            covered = reason is Reason.SUPERSEDED
            outcome = DeliveryOutcome.SKIPPED if covered else DeliveryOutcome.DENIED
            return Finish(outcome, reason, {**numbers, **share})
        if step.state is CommandState.REJECTED:  # by the holder before us
            return Finish(DeliveryOutcome.REJECTED, Reason.BROKER_REJECTED, share)
    if written.refused is not None:
        reason, numbers = written.refused
        return Finish(DeliveryOutcome.DENIED, reason, {**numbers, "legs_done": str(done)})
    return Finish(DeliveryOutcome.EXECUTED)


def _was_gone(step: Step) -> bool:
    """Protection of what was closed that was canceled before us: nothing was left to do. Not where it has filled."""
    leg, told = step.leg, step.outcome
    if leg.kind is not CommandKind.CANCEL or not (leg.reduce_only and leg.after_fill):
        return False
    if not isinstance(told, Rejected) or told.reason is not Reason.ORDER_NOT_FOUND:
        return False
    return not any(each.filled_qty for each in told.effects)


def _is_unknown(step: Step) -> bool:
    return isinstance(step.outcome, Unknown) or step.state is CommandState.UNKNOWN


def _is_done(step: Step) -> bool:
    return isinstance(step.outcome, Accepted) or step.state is CommandState.ACCEPTED


def _status(outcome: Outcome) -> str:
    if isinstance(outcome, Accepted):
        return outcome.status.value
    return "rejected" if isinstance(outcome, Rejected) else "unknown"
