"""After the fill: which commands put relative stops and targets where the average fill says they belong."""

from __future__ import annotations

from shared.brokers.port import Broker, ReadFailed
from shared.models.command import Leg
from shared.models.enums import CommandKind, Stage
from shared.models.market import Instrument
from shared.models.outcome import Accepted
from shared.risk.anchoring import FilledAt, Resting, is_relative, moved_protection, moved_target
from workers.execution.job import Job
from workers.execution.resolve import instrument_for
from workers.execution.write import Step


async def legs_to_move(job: Job, steps: list[Step], broker: Broker) -> list[Leg]:
    """Changes of protection that the fills ask for. None where the broker cannot change it: what was sent stays."""
    entries = [(step.leg, fill) for step in steps if step.leg.is_entry and (fill := _fill_of(step))]
    relative = any(is_relative(step.leg) for step in steps)
    adjusted = any(step.leg.adjusts for step in steps)
    if not entries or not relative or adjusted or not broker.capabilities.modify_protection:
        return []
    instrument = await _instrument(job, entries[0][0], broker)
    if instrument is None:
        return []
    moved = [moved_protection(entry, fill, instrument) for entry, fill in entries]
    resting = [found for step in steps if (found := _resting(step))]
    moved += [moved_target(each, *entries[0], instrument) for each in resting]
    return [each for each in moved if each is not None]


async def _instrument(job: Job, entry: Leg, broker: Broker) -> Instrument | None:
    """The contract that was traded; without its tick nothing is moved, and the trace says so."""
    symbol = job.claimed.delivery.symbol
    try:
        found = await instrument_for(broker, symbol, job.claimed.word) if symbol else None
    except ReadFailed as error:
        job.step(Stage.EXECUTE, "not_anchored", {"why": str(error)[:200]})
        return None
    return found if isinstance(found, Instrument) and found.symbol == entry.symbol else None


def _fill_of(step: Step) -> FilledAt | None:
    """What an entry has filled, as its answer told, or as it was recorded by the holder before us."""
    told = step.outcome
    if isinstance(told, Accepted):
        ids = [each.venue_position_id for each in told.fills if each.venue_position_id]
        ids += [each.venue_position_id for each in told.positions]
        if told.avg_price is not None and told.filled_qty > 0 and ids:
            return FilledAt(told.avg_price, told.filled_qty, ids[0])
        return None
    known = step.known
    if known is None or not known.order_filled_qty:
        return None
    if known.order_avg_price is None or known.order_position_id is None:
        return None
    return FilledAt(known.order_avg_price, known.order_filled_qty, known.order_position_id)


def _resting(step: Step) -> Resting | None:
    """A target that works at the broker as an order of its own."""
    leg, told, known = step.leg, step.outcome, step.known
    if leg.kind is not CommandKind.PLACE or not leg.reduce_only or step.filled:
        return None
    venue_id = told.venue_order_id if isinstance(told, Accepted) else known.order_venue_id if known else None
    return None if venue_id is None else Resting(leg, step.order_id, venue_id)
