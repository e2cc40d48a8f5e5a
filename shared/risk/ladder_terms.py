"""Targets as a ladder's terms: what can be kept for as long as an entry waits or a position is open (semantics 5).

Each target becomes a price, a distance, a percentage or a multiple of the distance to the stop, so that it can be
measured again from what the entry was really filled at.
"""

from collections.abc import Sequence
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from shared.models.changes import changed
from shared.models.command import Leg
from shared.models.context import ExitTerms
from shared.models.enums import StopMode
from shared.models.ladder import Ladder, Rung
from shared.models.reasons import Reason
from shared.models.signal import StopSpec
from shared.risk.decision import Denied

NO_MORE = Ladder((), at_broker=False)
"""Targets that were ours to see to are gone."""
_AS_IS = frozenset({StopMode.PRICE, StopMode.PCT})


class Target(Struct, frozen=True):
    """A take-profit as given, and its price."""

    spec: StopSpec
    price: Decimal


class Part(Struct, frozen=True):
    """A quantity and the target it leaves at; target None = it runs until its stop."""

    qty: Decimal
    target: Target | None


def laddered(entry: Leg, parts: Sequence[Part], price: Decimal, can: ExitTerms) -> Leg | Denied:
    """One entry with a ladder for its parts; a broker that takes no limit exits holds the farthest target itself.

    Denied: parts would have to be closed by us, and the broker closes no part of a position.
    """
    ends, farthest = nearest_first(parts, price), None
    if not can.limit_exits:
        if not can.partial_close:
            return no_parts(len(ends))
        ends, farthest = without_farthest(parts, ends)
    stop = entry.protection.stop_loss if entry.sl is not None and entry.sl.mode is StopMode.PRICE else None
    rungs = tuple(Rung(each.qty, _kept(each.target, price, stop)) for each in ends if each.target)
    whole = can.limit_exits and all(each.target is not None for each in parts)
    ladder = Ladder(rungs, at_broker=can.limit_exits, stop=stop, whole=whole)
    if farthest is None or farthest.target is None:
        return replace(entry, ladder=ladder)
    protection = changed(entry.protection, take_profit=farthest.target.price)
    return replace(entry, ladder=ladder, protection=protection, tp=farthest.target.spec)


def nearest_first(parts: Sequence[Part], price: Decimal) -> list[Part]:
    """The parts that have a target, the nearest to `price` first."""
    ends = [each for each in parts if each.target is not None]
    return sorted(ends, key=lambda each: abs(each.target.price - price) if each.target else Decimal(0))


def without_farthest(parts: Sequence[Part], ends: list[Part]) -> tuple[list[Part], Part | None]:
    """What is left for a ladder when the broker holds the farthest target, which closes all that is left.

    Where a part runs until the stop there is none that could: it would close that part too.
    """
    runs = any(each.target is None for each in parts)
    return (ends, None) if runs or not ends else (ends[:-1], ends[-1])


def no_parts(targets: int) -> Denied:
    """Why a broker that closes no part of a position takes no several targets."""
    what = f"{targets} targets on one position, which this broker closes as a whole only"
    return Denied(Reason.NOT_SUPPORTED, {"what": what, "instead": "give it one target"})


def _kept(target: Target | None, price: Decimal, stop: Decimal | None) -> StopSpec:
    assert target is not None
    spec = target.spec
    if spec.mode in _AS_IS or (spec.mode is StopMode.RR and stop is not None):
        return StopSpec(spec.mode, spec.value)
    return StopSpec(StopMode.OFFSET, abs(target.price - price))
