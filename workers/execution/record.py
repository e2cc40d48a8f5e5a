"""The end of the road: outcome, fills, positions, trace, the next of the lane, in one transaction."""

from __future__ import annotations

import asyncio
import random
import traceback

from shared import log
from shared.models.enums import DeliveryOutcome, Stage
from shared.models.reasons import Reason
from shared.store.port import StoreUnavailable
from shared.store.rows import Deferral, Execution, Recorded
from workers import metrics
from workers.execution.desk import Desk
from workers.execution.job import Ended, Ending, Job, Later

_log = log.get("execution")
PAUSE_MAX_S = 2.0
FIRST_DEFERRAL_MS, LONGEST_DEFERRAL_MS = 250, 2000


async def record(job: Job, ending: Ending, desk: Desk) -> bool:
    """Write the ending. While the database is away it is tried again: the broker has already acted.

    True: there is something to claim now that waited for this, and of which no wake-up tells.
    """
    if isinstance(ending, Ended):
        return await _finish(job, ending, desk)
    if isinstance(ending, Later):
        return await _defer(job, ending, desk)
    _log.warning("lease lost", delivery_id=job.id, event_id=job.claimed.event.id, token=job.lease.token)
    return False


async def _finish(job: Job, ending: Ended, desk: Desk) -> bool:
    finish = ending.finish
    job.clocked("recording_ms")
    job.step(Stage.RECORD, finish.outcome.value, {"commands": len(ending.commands)})
    if job.claimed.queued_ms is not None:
        job.timings["queued_ms"] = float(job.claimed.queued_ms)
    execution = Execution(
        delivery_id=job.id,
        token=job.lease.token,
        commands=ending.commands,
        finish=finish,
        trace=job.told(),
        timings=job.timings,
        account=job.account,
    )
    answer = await _until_answered(execution, desk)
    metrics.child(metrics.ALERTS, job.claimed.event.source, finish.outcome.value).inc()
    if finish.reason is not None and finish.outcome in (DeliveryOutcome.DENIED, DeliveryOutcome.REJECTED):
        metrics.REJECTS.labels(finish.reason.value).inc()
    if not answer.recorded:
        # An older lease: the settler finds out at the broker what we did.
        _log.warning("not recorded, the lease was lost", delivery_id=job.id, event_id=job.claimed.event.id)
    return answer.promoted


async def _until_answered(execution: Execution, desk: Desk) -> Recorded:
    pause = 0.1
    while True:
        try:
            return await desk.recording.ask(execution)
        except StoreUnavailable:
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311
            pause = min(pause * 2, PAUSE_MAX_S)


async def _defer(job: Job, later: Later, desk: Desk) -> bool:
    if later.commands and not (await _until_answered(_so_far(job, later), desk)).recorded:
        _log.warning("not recorded, the lease was lost", delivery_id=job.id, event_id=job.claimed.event.id)
        return False
    attempts = job.claimed.delivery.attempts
    ms = later.pause_ms
    if ms is None:
        ms = min(FIRST_DEFERRAL_MS * 2 ** min(attempts, 10), LONGEST_DEFERRAL_MS)
    # The first tries tell what is waited for; hundreds of equal lines would only hide it.
    told = job.told() if attempts < 3 else []
    try:
        await desk.deferring.ask(Deferral(job.id, job.lease.token, ms, later.reason, later.numbers, told))
    except StoreUnavailable as error:
        _log.warning("not given back, its lease will run out", delivery_id=job.id, error=str(error))
    return ms == 0


def _so_far(job: Job, later: Later) -> Execution:
    """What was sent, without an end: the delivery stays claimed and is given back afterwards."""
    return Execution(job.id, job.lease.token, later.commands, None, [], job.timings, account=job.account)


async def bury(job: Job, error: Exception, desk: Desk) -> None:
    """A bug or a broken machine: the delivery ends dead with the error and its trace; its account goes on."""
    _log.error("delivery failed", delivery_id=job.id, event_id=job.claimed.event.id, exc_info=error)
    text = "".join(traceback.format_exception(error))[-4000:]
    metrics.ALERTS.labels(job.claimed.event.source, "dead").inc()
    metrics.REJECTS.labels(Reason.INTERNAL_ERROR.value).inc()
    while not desk.stopping.is_set():
        try:
            await desk.store.dead_letter(
                delivery_id=job.id, token=job.lease.token, error=text, trace=job.told()
            )
            return
        except StoreUnavailable:
            await asyncio.sleep(PAUSE_MAX_S)
