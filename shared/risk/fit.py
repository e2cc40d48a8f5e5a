"""Moves approved legs onto the broker's grid. It may only shrink: quantities down, prices never worse."""

from dataclasses import InitVar, dataclass
from decimal import Decimal, localcontext

from shared.models.changes import changed
from shared.models.command import Leg, Protection
from shared.models.context import RiskContext
from shared.models.enums import CommandKind, OrderType, Side
from shared.models.market import Instrument
from shared.models.reasons import Reason
from shared.risk.decision import Check, Denied, Note, Sizing
from shared.risk.grid import EXACT, entry_on_grid, floor_to, shown, stop_on_grid, target_on_grid
from shared.risk.legs import numbered
from shared.risk.lifetime import kept
from shared.risk.policy import Approved


class _Seal:
    """Only this module holds one: whoever has a Fitted has an Approved that was fitted."""


_SEAL = _Seal()


@dataclass(frozen=True, slots=True)
class Fitted:
    """Legs as a broker takes them. Made by `fit` only: a type error elsewhere, and a TypeError."""

    legs: tuple[Leg, ...]
    checks: tuple[Check, ...]
    notes: tuple[Note, ...]
    sizing: Sizing | None
    refused: Denied | None
    seal: InitVar[_Seal]

    def __post_init__(self, seal: _Seal) -> None:
        if seal is not _SEAL:
            raise TypeError("a Fitted is made by shared.risk.fit.fit only")


def fit(approved: Approved, ctx: RiskContext) -> Fitted | Denied:
    """Approved legs on tick and lot step; Denied when an entry is too small or too large for the broker."""
    legs: list[Leg] = []
    fitted: Leg | Denied | None
    with localcontext(EXACT):
        for leg in approved.legs:
            fitted = kept(leg, ctx)
            if isinstance(fitted, Leg):
                fitted = _fitted(fitted, ctx.instrument)
            if isinstance(fitted, Denied):
                return Denied(fitted.reason, fitted.numbers, approved.checks)
            if fitted is not None:
                legs.append(fitted)
    if not legs:
        return Denied(Reason.BELOW_MINIMUM, {}, approved.checks)
    return Fitted(numbered(legs), approved.checks, approved.notes, approved.sizing, approved.refused, _SEAL)


def _fitted(leg: Leg, instrument: Instrument | None) -> Leg | Denied | None:
    """One leg on the grid; None when nothing of an exit is left after rounding down."""
    if instrument is None or instrument.root != leg.root or not _has_grid(instrument):
        # An exit of another symbol, or of one we know too little about, goes out as it was planned.
        return Denied(Reason.INSTRUMENT_UNKNOWN, {"symbol": leg.symbol}) if leg.is_limited else leg
    qty = leg.qty
    if qty is not None and leg.kind is not CommandKind.PROTECT:
        qty = floor_to(qty, instrument.qty_step)
        if leg.is_limited:
            refused = _refused_qty(qty, instrument)
            if refused is not None:
                return refused
        elif qty <= 0:
            return None
    return _on_tick(leg, qty, instrument)


def _has_grid(instrument: Instrument) -> bool:
    return instrument.tick_size > 0 and instrument.qty_step > 0


def _refused_qty(qty: Decimal, instrument: Instrument) -> Denied | None:
    numbers = {"value": shown(qty), "unit": instrument.qty_unit}
    if qty <= 0 or qty < instrument.qty_min:
        smallest = max(instrument.qty_min, instrument.qty_step)
        return Denied(Reason.BELOW_MINIMUM, numbers | {"qty_min": shown(smallest)})
    if qty > instrument.qty_max:
        return Denied(Reason.ABOVE_MAXIMUM, numbers | {"limit": shown(instrument.qty_max)})
    return None


def _on_tick(leg: Leg, qty: Decimal | None, instrument: Instrument) -> Leg:
    side, tick = leg.side, instrument.tick_size
    if side is None:
        return changed(leg, qty=qty)
    protected = side.opposite if leg.reduce_only else side
    price, trigger = leg.price, leg.stop_price
    if price is not None:
        own = target_on_grid(price, protected, tick) if leg.reduce_only else None
        price = own if own is not None else entry_on_grid(price, side, OrderType.LIMIT, tick)
    if trigger is not None:
        own = stop_on_grid(trigger, protected, tick) if leg.reduce_only else None
        trigger = own if own is not None else entry_on_grid(trigger, side, OrderType.STOP, tick)
    protection = _guard(leg.protection, protected, tick)
    return changed(leg, qty=qty, price=price, stop_price=trigger, protection=protection)


def _guard(protection: Protection, position_side: Side, tick_size: Decimal) -> Protection:
    stop, target = protection.stop_loss, protection.take_profit
    return changed(
        protection,
        stop_loss=None if stop is None else stop_on_grid(stop, position_side, tick_size),
        take_profit=None if target is None else target_on_grid(target, position_side, tick_size),
    )
