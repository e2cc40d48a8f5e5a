"""Unknown is settled by asking the broker. Whether to send again, the database alone decides."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from shared import clock, log
from shared.brokers.port import Broker, ReadFailed, Sent, WrittenAhead
from shared.models.enums import Stage
from shared.models.outcome import Absent, CannotTell, Found, Lookup
from shared.store.rows import Settlement, Unsettled, UnsettledCommand
from workers import metrics
from workers.execution import results, trace
from workers.execution.desk import Desk

_log = log.get("settler")
BATCH = 32
CHECK_LEASE_MS = 15_000
FIRST_MS, LONGEST_MS = 250, 5000


async def settle_due(desk: Desk, worker: str) -> int:
    """Ask about every command that is due, side by side; hand in the verdicts. Returns how many."""
    due = await desk.store.claim_unsettled(
        worker=worker, executor="fleet", limit=BATCH, lease_ms=CHECK_LEASE_MS
    )
    if due:
        with desk.leases.held(each.checker for each in due):
            settlements = await asyncio.gather(*(_ask(each, desk) for each in due))
        await desk.store.settle(results=sorted(settlements, key=lambda each: each.command_id))
    return len(due)


@dataclass(frozen=True, slots=True)
class _Answer:
    lookup: Lookup
    ms: float


async def _ask(unsettled: Unsettled, desk: Desk) -> Settlement:
    answer = await _lookup(unsettled, desk)
    lookup, command = answer.lookup, unsettled.command
    outcome = lookup.outcome if isinstance(lookup, Found) else None
    verdict = "found" if outcome else "absent" if isinstance(lookup, Absent) else "cannot_tell"
    detail = trace.of_outcome(command.request, command.client_order_id, outcome) if outcome else {}
    _log.info(
        "asked about an unknown command", command_id=command.id, verdict=verdict, lookups=command.lookups
    )
    return Settlement(
        command_id=command.id,
        checker=unsettled.checker,
        verdict=verdict,
        command=results.of_outcome(command.id, command.request, outcome) if outcome else None,
        next_ms=min(FIRST_MS * 2 ** min(command.lookups, 10), LONGEST_MS),
        trace=[
            {
                "stage": Stage.SETTLE.value,
                "outcome": verdict,
                "ms": answer.ms,
                "detail": {"leg": command.leg, "lookups": command.lookups, **detail},
            }
        ]
        # Of hundreds of unanswered questions the first and every tenth are worth a line.
        if verdict != "cannot_tell" or command.lookups % 10 == 1
        else [],
    )


async def _lookup(unsettled: Unsettled, desk: Desk) -> _Answer:
    """One lookup. A name that lags behind proves nothing by its absence until the lag is over."""
    began, account, command = clock.monotonic(), unsettled.account.account(), unsettled.command
    try:
        broker = await desk.brokers.broker(account)
        lookup = await broker.lookup(_sent(command))
    except ReadFailed as error:
        return _Answer(CannotTell(str(error)), clock.ms_since(began))
    except Exception as error:  # noqa: BLE001 - one broken adapter must not stop the others' settling
        _log.error("lookup failed", command_id=command.id, exc_info=error)
        return _Answer(CannotTell(type(error).__name__), clock.ms_since(began))
    took = clock.monotonic() - began
    metrics.VENUE.labels(account.broker.value, "lookup", type(lookup).__name__.lower()).observe(took)
    if isinstance(lookup, Absent) and not _is_proof(command, broker):
        lookup = CannotTell("not listed yet; the broker's lists lag behind")
    return _Answer(lookup, clock.ms_since(began))


def _is_proof(command: UnsettledCommand, broker: Broker) -> bool:
    lag = broker.capabilities.lookup_lag_s
    if lag == 0:
        return True
    sent = command.send_deadline or command.submitted_at
    return sent is not None and (clock.now() - sent).total_seconds() > float(lag)


def _sent(command: UnsettledCommand) -> Sent:
    at = command.submitted_at or clock.now()
    return Sent(command.id, command.client_order_id, command.request, WrittenAhead(), at)
