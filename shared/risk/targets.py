"""Several targets: which part of a quantity each of them gets, and the legs that come of it (semantics 5).

Hedging: one entry per portion, each with its own target and the same stop; one trade with several leg
numbers. Netting: one entry with one stop for the total, then reduce-only limit orders that wait for its
fill; where that may last, or the broker holds one target only, a ladder (shared/risk/ladder_terms.py)."""

from collections.abc import Sequence
from decimal import Decimal

from msgspec.structs import replace

from shared.models.changes import changed
from shared.models.command import Leg
from shared.models.context import ExitTerms
from shared.models.enums import CommandKind, MarginMode, OrderType, Tif
from shared.models.market import Instrument
from shared.models.reasons import Reason
from shared.models.signal import StopSpec
from shared.risk.decision import Denied, Note
from shared.risk.grid import ceil_to, floor_to, shown
from shared.risk.ladder_terms import Part, Target, laddered
from shared.risk.sizing import MONEY_STEP

CAN_ALL = ExitTerms()


def portions_of(specs: Sequence[StopSpec]) -> tuple[Decimal, ...] | Denied:
    """The share of each target. Those without one divide what the others leave; the sum is at most 1."""
    given = sum((each.portion for each in specs if each.portion is not None), Decimal(0))
    silent = sum(1 for each in specs if each.portion is None)
    share = (1 - given) / silent if silent else Decimal(0)
    portions = tuple(share if each.portion is None else each.portion for each in specs)
    if given > 1 or any(each <= 0 for each in portions):
        return Denied(Reason.INVALID, {"field": "tp.portion", "value": shown(given), "limit": "1"})
    return portions


def split(
    qty: Decimal, portions: Sequence[Decimal], qty_step: Decimal, qty_min: Decimal
) -> tuple[Decimal, ...]:
    """Portions rounded down to the step, the rest to the last. One below the minimum is 0: the last has it
    too.

    Portions that sum to less than 1 leave a rest without a target; it is 0 or at least the minimum.
    """
    whole = sum(portions) >= 1
    total = qty if whole else floor_to(qty * sum(portions, Decimal(0)), qty_step)
    if qty - total < qty_min:
        total = qty
    parts = [floor_to(qty * each, qty_step) for each in portions[:-1]]
    parts = [each if each >= qty_min else Decimal(0) for each in parts]
    last = total - sum(parts, Decimal(0))
    while 0 < last < qty_min and any(parts):
        index = max(index for index, each in enumerate(parts) if each > 0)
        last, parts[index] = last + parts[index], Decimal(0)
    return (*parts, last if last >= qty_min else Decimal(0))


def entry_legs(
    leg: Leg,
    targets: Sequence[Target],
    mode: MarginMode,
    instrument: Instrument,
    loss_per_unit: Decimal | None,
    price: Decimal | None = None,
    can: ExitTerms = CAN_ALL,
) -> tuple[list[Leg], tuple[Note, ...]] | Denied:
    """The legs of one entry (`leg` has quantity, stop and prices, but no target yet), expected to fill at `price`."""
    qty = leg.qty or Decimal(0)
    cut = parts_of(qty, targets, instrument)
    if isinstance(cut, Denied):
        return cut
    parts, notes = cut
    if len(parts) == 1:
        return [_with_target(leg, parts[0], loss_per_unit)], notes
    if mode is MarginMode.HEDGING:
        return [_with_target(leg, part, loss_per_unit) for part in parts], notes
    entry = replace(leg, worst_loss=_loss(qty, loss_per_unit))
    if leg.type is OrderType.MARKET and can.limit_exits:
        return [entry, *(exit_leg(leg, part.qty, part.target) for part in parts if part.target)], notes
    at = leg.price or leg.stop_price or price
    made = None if at is None else laddered(entry, parts, at, can)
    if made is None:
        return Denied(Reason.NO_QUOTE)
    return made if isinstance(made, Denied) else ([made], notes)


def parts_of(
    qty: Decimal, targets: Sequence[Target], instrument: Instrument
) -> tuple[list[Part], tuple[Note, ...]] | Denied:
    """What of a quantity leaves at which target, the rest (if any) last; a note about targets left out."""
    portions = portions_of([each.spec for each in targets])
    if isinstance(portions, Denied):
        return portions
    shares = split(qty, portions, instrument.qty_step, instrument.qty_min) if targets else ()
    parts = [Part(share, target) for share, target in zip(shares, targets, strict=True) if share > 0]
    running = qty - sum(shares, Decimal(0))
    if running > 0:
        parts.append(Part(running, None))
    return parts, _omitted(shares, instrument)


def _with_target(leg: Leg, part: Part, loss_per_unit: Decimal | None) -> Leg:
    target = part.target
    protection = changed(leg.protection, take_profit=target.price if target else None)
    worst = _loss(part.qty, loss_per_unit)
    return changed(
        leg, qty=part.qty, protection=protection, tp=target.spec if target else None, worst_loss=worst
    )


def exit_leg(of: Leg, qty: Decimal, target: Target) -> Leg:
    """A limit order that closes one portion of what a leg opens or changes; it waits for the legs before it."""
    return Leg(
        leg=0,
        kind=CommandKind.PLACE,
        symbol=of.symbol,
        venue_symbol=of.venue_symbol,
        root=of.root,
        side=of.side.opposite if of.side else None,
        type=OrderType.LIMIT,
        qty=qty,
        price=target.price,
        tif=Tif.GTC,
        reduce_only=True,
        after_fill=True,
        tag=of.tag,
        tp=target.spec,
    )


def _loss(qty: Decimal, loss_per_unit: Decimal | None) -> Decimal | None:
    return None if loss_per_unit is None else ceil_to(qty * loss_per_unit, MONEY_STEP)


def _omitted(shares: Sequence[Decimal], instrument: Instrument) -> tuple[Note, ...]:
    missing = [str(index + 1) for index, share in enumerate(shares) if share <= 0]
    if not missing:
        return ()
    numbers = {"targets": ", ".join(missing), "qty_min": shown(instrument.qty_min)}
    text = "a portion below the smallest order is merged into the last target, or runs until the stop"
    return (Note(text, numbers),)
