"""The road of one alert for one account. Start reading here: `_road` has a line for each stage.

    parse    body -> Signal                                          parse.py          pure
    resolve  Signal -> RiskContext, the only stage that reads        resolve.py
    size     what the alert means here: legs and quantities          shared/risk       pure
    risk     the rules, with their numbers -> Approved               shared/risk       pure
    fit      tick and lot step -> Fitted                             shared/risk       pure
    write    orders and commands exist before anything is sent       write.py          engine.open_orders
    execute  Broker.execute: Accepted | Rejected | Unknown           execute.py        engine.begin_send
    record   outcome, fills, trace, the next of the lane             record.py
                                                                     engine.record_executions

A stage returns a value for the next one, or an Ending, and leaves a line in the trace. A refused order is a
value; an exception is a bug and ends as a dead letter. Deliveries of a batch run side by side and meet
only in the group commits of write and record, so that a slow broker holds up nobody else; those of one alert wait a
moment for one another before they are written, and once more before they leave (together.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

from msgspec.structs import replace

from shared import clock
from shared.brokers import departure
from shared.brokers.pacing import urgent
from shared.brokers.port import Broker, ReadFailed
from shared.models.context import RiskContext
from shared.models.enums import Action, DeliveryOutcome, Lane, Stage
from shared.models.reasons import Reason
from shared.models.signal import Signal
from shared.risk import actions, policy
from shared.risk import fit as grid
from shared.risk.decision import Denied, Plan, Skipped
from shared.risk.fit import Fitted
from shared.risk.policy import Approved
from shared.risk.stakes import at_stake
from shared.store.rows import Claimed, Stakes
from workers.execution import flatten, together, trace
from workers.execution.desk import Desk
from workers.execution.execute import send_all
from workers.execution.job import Ended, Ending, Job, Later, ended
from workers.execution.parse import signal_of
from workers.execution.record import bury, record
from workers.execution.resolve import context_for
from workers.execution.write import Written, numbers_text, resumed, write_ahead
from workers.leases import Lease

NO_STAKES = Stakes()


def run_batch(batch: Sequence[tuple[Claimed, Lease]], desk: Desk) -> list[asyncio.Task[bool]]:
    """Start every delivery of a claim; the tasks end when it is recorded. True: what waited for it can be claimed."""
    claimed_at = clock.monotonic()
    groups = together.groups([each for each, _ in batch])
    jobs = [Job(each, lease, claimed_at, together=groups.get(each.event.id)) for each, lease in batch]
    return [asyncio.create_task(_deliver(job, desk)) for job in jobs]


async def _deliver(job: Job, desk: Desk) -> bool:
    # Every request of this task to a broker goes before those of others that wait for their turn.
    urgent.set(job.claimed.delivery.lane is Lane.URGENT)
    if job.together is not None:
        departure.waits.set(job.depart)
    try:
        try:
            ending = await _road(job, desk)
        finally:
            job.go_alone()
        return await record(job, ending, desk)
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not leave its account stuck
        await bury(job, error, desk)
        return True


async def _road(job: Job, desk: Desk) -> Ending:
    if isinstance(broker := await _broker(job, desk), Ending):
        return broker
    if job.claimed.commands and not flatten.begins_a_round(job.claimed):
        job.go_alone()
        return await _execute(job, resumed(job.claimed.commands), broker, desk)
    if isinstance(signal := _parse(job), Ending):
        return signal
    if isinstance(context := await _resolve(job, signal, broker), Ending):
        return context
    if isinstance(plan := _size(job, signal, context), Ending):
        return plan
    if isinstance(approved := _risk(job, plan, context), Ending):
        return approved
    if isinstance(fitted := _fit(job, signal, approved, context), Ending):
        return fitted
    await job.meet()
    if isinstance(
        written := await write_ahead(job, signal, fitted, _at_stake(job, fitted, context), desk), Ending
    ):
        return written
    return await _execute(job, written, broker, desk)


async def _broker(job: Job, desk: Desk) -> Broker | Ending:
    """The connected broker of the account. An entry is denied while there is none, an exit waits."""
    account = job.claimed.account.account()
    try:
        return await desk.brokers.broker(account)
    except ReadFailed as error:
        numbers = {"why": str(error)[:200]}
        job.step(Stage.CLAIM, "disconnected", numbers)
        parsed = signal_of(job.claimed.event.body)
        if job.claimed.commands or (isinstance(parsed, Signal) and parsed.is_exit):
            return Later(Reason.ACCOUNT_DISCONNECTED, numbers)
        return ended(DeliveryOutcome.DENIED, Reason.ACCOUNT_DISCONNECTED, numbers)


def _parse(job: Job) -> Signal | Ended:
    parsed = signal_of(job.claimed.event.body)
    if isinstance(parsed, Signal):
        job.step(Stage.PARSE, "ok", trace.of_signal(parsed))
        # Changes that we ask for ourselves come from guards, and those never loosen what somebody has tightened since.
        return replace(parsed, tightens=True) if job.claimed.event.source == "system" else parsed
    job.step(Stage.PARSE, "invalid", trace.of_problems(parsed))
    first = parsed[0]
    return ended(DeliveryOutcome.INVALID, Reason.INVALID, {"path": first.path, "message": first.message})


async def _resolve(job: Job, signal: Signal, broker: Broker) -> RiskContext | Ending:
    resolved = await context_for(job.claimed, signal, broker)
    context, snapshot = resolved.context, resolved.snapshot
    if snapshot is not None:
        job.account = {"balance": snapshot.balance, "equity": snapshot.equity, "as_of": snapshot.at}
    job.step(Stage.RESOLVE, "ok", trace.of_context(context, snapshot, resolved.unread))
    root = context.instrument.root if context.instrument else None
    if signal.is_exit and signal.action is not Action.FLATTEN and root in context.unresolved:
        # An order here may or may not have arrived: an exit sized without it could be wrong, so it waits.
        return Later(Reason.UNRESOLVED_ORDER, {"symbol": root or ""})
    return context


def _size(job: Job, signal: Signal, context: RiskContext) -> Plan | Ending:
    decided = actions.plan(signal, context)
    if isinstance(decided, Plan):
        job.step(Stage.SIZE, "planned", trace.of_plan(decided.legs, decided.notes, decided.sizing))
        return decided
    if isinstance(decided, Skipped) and signal.action is Action.FLATTEN and not _is_dry(job, signal):
        return flatten.verdict(job, signal, context, decided)
    return _stopped(job, Stage.SIZE, decided)


def _risk(job: Job, plan: Plan, context: RiskContext) -> Approved | Ending:
    decided = policy.evaluate(plan, context)
    if isinstance(decided, Approved):
        job.step(Stage.RISK, "approved", partial(trace.of_checks, decided.checks))
        return decided
    return _stopped(job, Stage.RISK, decided)


def _fit(job: Job, signal: Signal, approved: Approved, context: RiskContext) -> Fitted | Ending:
    decided = grid.fit(approved, context)
    if not isinstance(decided, Fitted):
        return _stopped(job, Stage.FIT, decided)
    job.step(Stage.FIT, "fitted", {"legs": trace.of_legs(decided.legs)})
    job.clocked("decided_ms")
    if _is_dry(job, signal):
        return ended(DeliveryOutcome.SKIPPED, Reason.DRY_RUN, {"legs": str(len(decided.legs))})
    return decided


def _at_stake(job: Job, fitted: Fitted, context: RiskContext) -> dict[str, Any] | None:
    seen = job.claimed.stakes or NO_STAKES
    return at_stake(fitted, context, seen.account, seen.user)


async def _execute(job: Job, written: Written, broker: Broker, desk: Desk) -> Ending:
    ending = await send_all(job, written, broker, desk)
    if job.claimed.delivery.action is Action.FLATTEN and isinstance(ending, Ended):
        return flatten.after_round(job, written.steps, ending)
    return ending


def _is_dry(job: Job, signal: Signal) -> bool:
    return signal.dry_run or job.claimed.delivery.dry_run


def _stopped(job: Job, stage: Stage, decided: Denied | Skipped) -> Ending:
    numbers = numbers_text(decided.numbers)
    if isinstance(decided, Skipped):
        job.step(stage, "skipped", {"reason": decided.reason, **numbers})
        return ended(DeliveryOutcome.SKIPPED, decided.reason, numbers)
    job.step(stage, "denied", {"reason": decided.reason, **numbers, **trace.of_checks(decided.checks)})
    if decided.retry_after_read:
        return Later(decided.reason, numbers)
    return ended(DeliveryOutcome.DENIED, decided.reason, numbers)
