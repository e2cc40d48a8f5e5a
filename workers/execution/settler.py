"""Unknown is settled by asking the broker. Whether to send again, the database alone decides."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from shared import clock, log
from shared.brokers.port import Capabilities, ReadFailed, Sent, WrittenAhead
from shared.models.enums import OrderStatus, Stage
from shared.models.outcome import Absent, Accepted, CannotTell, Found, Lookup
from shared.store.port import StoreUnavailable
from shared.store.rows import Settlement, Unsettled, UnsettledCommand
from workers import metrics
from workers.execution import results, trace
from workers.execution.desk import Desk
from workers.gather import Gather

_log = log.get("settler")
BATCH, ROOM = 32, 256
"""Commands of one claim; questions that may be open at once."""
CHECK_LEASE_MS = 15_000
FIRST_MS, LONGEST_MS = 250, 5000


class Settler:
    """Asks about each unknown command by itself: a broker that hangs holds up nobody else's verdict."""

    def __init__(self, desk: Desk, worker: str) -> None:
        self._desk, self._worker = desk, worker
        self._open: dict[int, asyncio.Task[None]] = {}
        self._checkers: dict[int, int] = {}
        self._held: dict[int, ExitStack] = {}
        self._handing_in: Gather[Settlement, None] = Gather(self._settle, lambda each: each.command_id)

    async def settle_due(self) -> int:
        """Begin to ask about every command that is due. Returns how many."""
        room = min(BATCH, ROOM - len(self._open))
        if room <= 0:
            return 0
        due = await self._desk.store.claim_unsettled(
            worker=self._worker, executor="fleet", limit=room, lease_ms=CHECK_LEASE_MS
        )
        for each in due:
            command = each.command.id
            # Claimed again while we still wait for the answer: it is handed in under the newer claim.
            self._checkers[command] = each.checker
            self._held.setdefault(command, ExitStack()).enter_context(self._desk.leases.held([each.checker]))
            if command not in self._open:
                self._open[command] = asyncio.create_task(self._ask(each))
        return len(due)

    async def _ask(self, unsettled: Unsettled) -> None:
        command = unsettled.command.id
        try:
            settlement = await _ask(unsettled, self._desk)
            await self._handing_in.ask(replace(settlement, checker=self._checkers[command]))
        except StoreUnavailable as error:
            _log.warning("a verdict was not handed in, it is asked for again", error=str(error))
        finally:
            self._held.pop(command).close()
            del self._open[command], self._checkers[command]

    async def _settle(self, settlements: list[Settlement]) -> list[None]:
        await self._desk.store.settle(results=settlements)
        return [None] * len(settlements)


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
    began, asked_at = clock.monotonic(), clock.now()
    account, command = unsettled.account.account(), unsettled.command
    if command.request.asks_nothing:
        return _Answer(Found(Accepted(command.request.venue_order_id, OrderStatus.WORKING)), 0)
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
    if isinstance(lookup, Absent) and not is_proof(command, broker.capabilities, asked_at):
        lookup = CannotTell("not listed yet; it may still arrive, or the broker's lists lag behind")
    return _Answer(lookup, clock.ms_since(began))


def is_proof(command: UnsettledCommand, can: Capabilities, asked_at: datetime) -> bool:
    """Whether an order that is in no list was never placed; the lists may be as old as the question, `asked_at`.

    It may have been sent until its deadline, and the broker may do what it was sent for as long as its answer may
    take, whoever still waits for it. Only then begins the time that its lists may lag behind.
    """
    if can.lookup_lag_s == 0:
        return True
    sent = command.send_deadline or command.submitted_at
    return sent is not None and (asked_at - sent).total_seconds() > float(
        can.request_timeout_s + can.lookup_lag_s
    )


def _sent(command: UnsettledCommand) -> Sent:
    at = command.submitted_at or clock.now()
    return Sent(
        command.id,
        command.client_order_id,
        command.request,
        WrittenAhead(),
        at,
        taken=command.taken,
        rivals=command.rivals,
    )
