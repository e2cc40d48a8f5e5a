"""Trail and break-even of an alert as terms that can be kept for as long as the position is open (semantics 5).

Pips and ticks become price units here, where the trader's own word for a pip is known; percentages and multiples of the
risk stay, they are counted from the real entry. What makes no sense is denied, with its field and the limit.
"""

from decimal import Decimal

from shared.models.enums import StopMode
from shared.models.market import Quote
from shared.models.reasons import Reason
from shared.models.signal import BreakEvenSpec, StopSpec, TrailSpec
from shared.risk.decision import Denied
from shared.risk.grid import shown
from shared.risk.prices import Anchor, distance

STEPS = 10
"""A trailing stop moves when it can move by this part of its distance, unless the alert says how far."""
_ALL = Decimal(100)
_AS_IS = frozenset({StopMode.PCT, StopMode.RR, StopMode.NONE})


def trail_terms(trail: TrailSpec | None, anchor: Anchor, quote: Quote | None) -> TrailSpec | Denied | None:
    """The trail in price units or percent, its step always said. Denied: no distance that a stop could have."""
    if trail is None or trail.mode is StopMode.NONE:
        return trail
    if trail.mode is StopMode.PCT and trail.value >= _ALL:
        return _senseless("trail.value", trail.value, _ALL)
    apart = distance(StopSpec(trail.mode, trail.value), anchor)
    if isinstance(apart, Denied):
        return apart
    refused = _too_close("trailing stop", "best price", apart, anchor, quote)
    if refused is not None:
        return refused
    step = trail.value / STEPS if trail.step is None else trail.step
    mode, unit = _unit(trail.mode, trail.value, apart)
    activate = None if trail.activate is None else trail.activate * unit
    return TrailSpec(mode, trail.value * unit, activate, step * unit)


def be_terms(
    be: BreakEvenSpec | None, anchor: Anchor, quote: Quote | None, stop: Decimal | None
) -> BreakEvenSpec | Denied | None:
    """The break-even in price units, percent or multiples of the risk. `stop`: what the position begins with."""
    if be is None or be.trigger.mode is StopMode.NONE:
        return be
    risk = None if stop is None else abs(anchor.price - stop)
    if be.trigger.mode is StopMode.RR and not risk:
        return Denied(Reason.STOP_REQUIRED, {"what": "break-even", "mode": StopMode.RR.value})
    ahead = distance(be.trigger, anchor, risk)
    if isinstance(ahead, Denied):
        return ahead
    beyond = Decimal(0) if be.plus is None else distance(be.plus, anchor)
    if isinstance(beyond, Denied):
        return beyond
    if beyond >= ahead:
        return _senseless("be.plus", beyond, ahead)
    return _too_close(
        "break-even stop", "price that sets it", ahead - beyond, anchor, quote
    ) or BreakEvenSpec(_in_units(be.trigger, ahead), None if be.plus is None else _in_units(be.plus, beyond))


def first_stop(trail: TrailSpec | None) -> StopSpec | None:
    """The stop that a trail begins with; None = it begins later, with a profit."""
    if trail is None or trail.mode is StopMode.NONE or trail.activate:
        return None
    return StopSpec(trail.mode, trail.value)


def _too_close(what: str, of: str, apart: Decimal, anchor: Anchor, quote: Quote | None) -> Denied | None:
    spread = Decimal(0) if quote is None else quote.spread
    least = max(anchor.instrument.min_stop_distance, spread, anchor.instrument.tick_size)
    if apart >= least:
        return None
    return Denied(
        Reason.STOP_TOO_CLOSE, {"what": what, "of": of, "distance": shown(apart), "minimum": shown(least)}
    )


def _senseless(field: str, value: Decimal, limit: Decimal) -> Denied:
    return Denied(Reason.INVALID, {"field": field, "value": shown(value), "below": shown(limit)})


def _unit(mode: StopMode, value: Decimal, apart: Decimal) -> tuple[StopMode, Decimal]:
    """The mode to keep, and what one of `mode` is in it."""
    return (mode, Decimal(1)) if mode in _AS_IS else (StopMode.OFFSET, apart / value)


def _in_units(spec: StopSpec, apart: Decimal) -> StopSpec:
    return spec if spec.mode in _AS_IS else StopSpec(StopMode.OFFSET, apart)
