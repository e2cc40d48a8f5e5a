"""Carries out drills: each limit of an account, by itself, on a synthetic account, through the real road.

claim      engine.claim_drill: one drill for one worker; its lease is renewed by whatever it does
twin       a new trader for each limit, with this limit and no other that could speak before it
show       an order beyond the limit and one a notch below; for losses and floors the market itself
record     public.drills: what fired, with its numbers; a drill that could not be carried through is a failed one
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from shared import log
from shared.brokers.port import ReadFailed
from shared.brokers.registry import DECLARED, Registry
from shared.models.enums import MarginMode
from shared.store.drill_rows import DrilledLimit, DrillResult, DrillRun
from shared.store.port import Store, StoreUnavailable
from workers.drills.cases import CASES, EXACT_MARKET, HEDGED, PAIRS, QUOTED
from workers.drills.places import OwnBooks, Place
from workers.drills.shown import Shown
from workers.drills.twin import Desk, DrillFailed, leave
from workers.leases import Leases

_log = log.get("drills")
LEASE_MS = 60_000
AT_ONCE = 4
"""Limits that are drilled side by side where their markets do not touch."""


@dataclass(frozen=True, slots=True)
class Drills:
    """What drilling needs; one per worker process. `places` are other places than own books, tried first."""

    store: Store
    brokers: Registry
    leases: Leases
    worker: str
    places: Sequence[Place] = field(default_factory=tuple)

    async def run_due(self) -> bool:
        """Carry out the next drill that was asked for. True: there was one."""
        run = await self.store.claim_drill(worker=self.worker, lease_ms=LEASE_MS)
        if run is None:
            return False
        with self.leases.held([run.token]):
            await self._carry_out(run)
        return True

    async def _carry_out(self, run: DrillRun) -> None:
        desk, own = Desk(self.store, run), OwnBooks(self.brokers)
        place = next((each for each in self.places if each.serves(run)), own)
        _log.info("drill begun", run_id=run.id, limits=len(run.limits), place=place.name)
        for account in run.left:
            # Of an attempt that was broken off: its worker had no time to close.
            await _left(desk, account)
        turns = asyncio.Semaphore(AT_ONCE if place is own else 1)
        drilled = [
            self._one(desk, limit, own if _needs_own_book(limit, run) else place, turns)
            for limit in run.limits
        ]
        lost = [each for each in await asyncio.gather(*drilled, return_exceptions=True) if each is not None]
        if lost:
            # The lease runs out and the drill begins anew, at this worker or another.
            _log.warning("drill broken off", run_id=run.id, error=str(lost[0]))
            return
        await self.store.finish_drill(run=run.id, token=run.token, error=None)

    async def _one(self, desk: Desk, limit: DrilledLimit, place: Place, turns: asyncio.Semaphore) -> None:
        async with turns:
            try:
                shown = await _show(desk, limit, place)
            except (DrillFailed, ReadFailed) as error:
                shown = Shown(False, f"It could not be shown: {error}.")
            except (StoreUnavailable, asyncio.CancelledError):
                raise
            except Exception as error:  # noqa: BLE001 - one drill that breaks must not take the others with it
                _log.error("a drill broke", run_id=desk.run.id, rule=limit.rule, exc_info=error)
                shown = Shown(False, "It could not be shown: an error of ours, which was recorded.")
            numbers = {**shown.numbers, "place": place.name}
            result = DrillResult(limit.scope, limit.rule, limit.settings, shown.passed, shown.told, numbers)
            await self.store.record_drill(**desk.lease, result=result)


def _needs_own_book(limit: DrilledLimit, run: DrillRun) -> bool:
    """Where the broker's market cannot be set so finely, or its netting account makes one position of all."""
    netted = limit.rule in HEDGED and run.margin_mode is MarginMode.NETTING
    unquoted = limit.rule in QUOTED and not all(each.quotes for each in DECLARED[run.broker])
    return netted or unquoted or limit.rule in EXACT_MARKET


async def _show(desk: Desk, limit: DrilledLimit, place: Place) -> Shown:
    pair = PAIRS.get(limit.rule)
    twins = await place.twins(desk, hedging=limit.rule in HEDGED, count=1 if pair is None else 2)
    stopping = False
    try:
        if pair is not None:
            return await pair(twins[0], limit, twins[1])
        case = CASES.get(limit.rule)
        if case is None:
            raise DrillFailed("there is no drill for it yet")
        return await case(twins[0], limit)
    except asyncio.CancelledError:
        stopping = True
        raise
    finally:
        # Prices first: an account that cannot be closed must not hold the market for everybody.
        await place.rest(twins)
        # A worker that stops has no time for it: whoever begins the drill anew closes what is left.
        for each in () if stopping else twins:
            await _left(desk, each.account.id)


async def _left(desk: Desk, account: str) -> None:
    """A synthetic account is closed, whatever its drill came to. One that cannot be is told in the log."""
    try:
        await leave(desk, account)
    except DrillFailed as error:
        _log.error(
            "a drill's account was left open", run_id=desk.run.id, account_id=account, error=str(error)
        )
