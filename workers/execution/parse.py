"""body -> Signal. Pure. The models that the edge's schema is made from have the last word here too."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

from shared import codec
from shared.models.alert import Alert, BreakEven, Intent, Target, Trail
from shared.models.alert_parse import parse_alert, validate_alert
from shared.models.enums import OrderType, StopMode
from shared.models.problem import Problem
from shared.models.signal import BreakEvenSpec, Signal, StopSpec, TrailSpec


@lru_cache(maxsize=512)
def signal_of(body: str) -> Signal | tuple[Problem, ...]:
    """The signal in an alert's text, or everything that is wrong with it.

    Remembered: one alert for a hundred accounts is read once.
    """
    alert = _alert(body)
    return _signal(alert.intent) if isinstance(alert, Alert) else tuple(alert)


def _alert(body: str) -> Alert | list[Problem]:
    """The strict reader has refused bad JSON at the door; here it is needed only to say what is wrong."""
    try:
        alert = validate_alert(codec.decode(body))
    except codec.NotReadable:
        return parse_alert(body.encode())
    return alert if isinstance(alert, Alert) else parse_alert(body.encode())


def _signal(intent: Intent) -> Signal:
    # A stop order has one price, whichever of the two fields it was written in.
    stop_entry = intent.type is OrderType.STOP
    return Signal(
        action=intent.action,
        symbol=intent.symbol,
        side=intent.side,
        type=intent.type,
        qty_mode=intent.qty_mode,
        qty=intent.qty,
        price=None if stop_entry else intent.price,
        stop_price=intent.stop_price or (intent.price if stop_entry else None),
        sl=StopSpec(StopMode(intent.sl.mode), intent.sl.value) if intent.sl else None,
        tp=tuple(_target(each) for each in intent.tp) if intent.tp is not None else None,
        trail=_trail(intent.trail),
        be=_break_even(intent.be),
        time_exit_s=intent.time_exit_s,
        tif=intent.tif,
        expires_at=intent.expires_at,
        tag=intent.tag,
        order_id=intent.order_id,
        position_id=intent.position_id,
        scope=intent.scope,
        ref_price=intent.ref_price,
        position_size=intent.position_size,
        dry_run=bool(intent.dry_run),
    )


def _target(target: Target) -> StopSpec:
    return StopSpec(StopMode(target.mode), target.value, target.portion)


def _trail(trail: Trail | None) -> TrailSpec | None:
    if trail is None:
        return None
    if trail.value is None:
        return TrailSpec(StopMode.NONE, Decimal(0))
    return TrailSpec(StopMode(trail.mode), trail.value, trail.activate, trail.step)


def _break_even(be: BreakEven | None) -> BreakEvenSpec | None:
    if be is None:
        return None
    if be.trigger is None:
        return BreakEvenSpec(StopSpec(StopMode.NONE))
    plus = StopSpec(StopMode(be.plus.mode), be.plus.value) if be.plus else None
    return BreakEvenSpec(StopSpec(StopMode(be.trigger.mode), be.trigger.value), plus)
