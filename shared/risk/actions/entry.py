"""An entry: price, protection, size, legs. Every action that opens comes through `entry_plan`."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from shared.models.changes import changed
from shared.models.command import Leg, Protection
from shared.models.context import RiskContext
from shared.models.enums import CommandKind, OrderType, Side, StopMode, Tif
from shared.models.market import Instrument, InstrumentKind, Quote
from shared.models.reasons import Reason
from shared.models.signal import BreakEvenSpec, Signal, StopSpec, TrailSpec
from shared.risk.decision import Denied, Note, Plan, Sizing
from shared.risk.grid import entry_on_grid, shown
from shared.risk.guard_terms import be_terms, first_stop, trail_terms
from shared.risk.ladder_terms import Target
from shared.risk.legs import numbered
from shared.risk.money import usable_instrument, usable_quote
from shared.risk.prices import (
    Anchor,
    anchor_at,
    distance,
    stop_price,
    stop_refused,
    target_price,
    target_refused,
)
from shared.risk.sizing import RISK_MODES, SizeRequest, size_entry
from shared.risk.targets import entry_legs

PENDING_ENTRY_LIFE = timedelta(hours=24)


class _Setting(Struct, frozen=True):
    """What an entry is calculated from. `price` is None when no quote can be had and none is needed."""

    signal: Signal
    ctx: RiskContext
    instrument: Instrument
    side: Side
    price: Decimal | None
    quote: Quote | None

    def anchor(self, price: Decimal, qty: Decimal | None = None) -> Anchor:
        """Distances count from `price`; with the order's quantity, `usd` means its whole loss."""
        return anchor_at(price, self.side, self.instrument, self.ctx, qty)


def entry_plan(
    signal: Signal,
    ctx: RiskContext,
    side: Side,
    request: SizeRequest | None,
    *,
    before: Sequence[Leg] = (),
    after_fill: bool = False,
    notes: tuple[Note, ...] = (),
) -> Plan | Denied:
    """The legs `before` (closes, cancels), then the entry; `after_fill` = once the closes are filled."""
    if signal.expires_at is not None and signal.expires_at <= ctx.now:
        return Denied(Reason.STALE, {"expires_at": signal.expires_at.isoformat(timespec="seconds")})
    setting = _setting(signal, ctx, side)
    if isinstance(setting, Denied):
        return setting
    if request is None:
        return Denied(Reason.SIZE_MISSING)
    trail = _trail(setting)
    if isinstance(trail, Denied):
        return trail
    sized = _sized(setting, request)
    if isinstance(sized, Denied):
        return sized
    sizing, sl = sized
    targets = _targets(setting, sizing)
    if isinstance(targets, Denied):
        return targets
    be = _break_even(setting, sizing)
    if isinstance(be, Denied):
        return be
    leg = changed(_leg(setting, sizing, sl), after_fill=after_fill, trail=trail, be=be)
    made = entry_legs(
        leg,
        targets,
        ctx.account.margin_mode,
        setting.instrument,
        sizing.loss_per_unit,
        setting.price,
        ctx.exits,
    )
    if isinstance(made, Denied):
        return made
    legs, omitted = made
    return Plan(numbered([*before, *legs]), notes + _size_notes(sizing) + omitted, sizing)


def size_only(signal: Signal, ctx: RiskContext, side: Side, request: SizeRequest) -> Sizing | Denied:
    """The size an entry would get, for a target in percent or money."""
    setting = _setting(signal, ctx, side)
    if isinstance(setting, Denied):
        return setting
    sized = _sized(setting, request)
    return sized if isinstance(sized, Denied) else sized[0]


def _setting(signal: Signal, ctx: RiskContext, side: Side) -> _Setting | Denied:
    instrument = usable_instrument(ctx)
    if isinstance(instrument, Denied):
        return instrument
    quote = usable_quote(ctx)
    known = None if isinstance(quote, Denied) else quote
    if signal.type is OrderType.MARKET:
        price = known.entry_price(side) if known else None
        return _Setting(signal, ctx, instrument, side, price, known)
    asked = signal.price if signal.type is OrderType.LIMIT else signal.stop_price
    if asked is None:
        field = "price" if signal.type is OrderType.LIMIT else "stop_price"
        return Denied(Reason.PRICE_MISSING, {"type": signal.type.value, "field": field})
    price = entry_on_grid(asked, side, signal.type, instrument.tick_size)
    if price <= 0:
        return Denied(Reason.INVALID, {"field": "price", "value": shown(asked)})
    return _Setting(signal, ctx, instrument, side, price, known)


def _stop_spec(signal: Signal, ctx: RiskContext) -> StopSpec | None:
    """The alert's stop, else the one that its trail begins with, else the default."""
    spec = signal.sl or first_stop(signal.trail) or ctx.defaults.sl
    return None if spec is None or spec.mode is StopMode.NONE else spec


def _target_specs(signal: Signal, ctx: RiskContext) -> tuple[StopSpec, ...]:
    given = signal.tp if signal.tp is not None else ((ctx.defaults.tp,) if ctx.defaults.tp else ())
    return tuple(each for each in given if each.mode is not StopMode.NONE)


def _needs_price(setting: _Setting, request: SizeRequest) -> bool:
    protected = _stop_spec(setting.signal, setting.ctx) or _target_specs(setting.signal, setting.ctx)
    guarded = any(_kept(each) for each in (setting.signal.trail, setting.signal.be))
    return bool(protected) or guarded or not request.is_fixed


def _sized(setting: _Setting, request: SizeRequest) -> tuple[Sizing, StopSpec | None] | Denied:
    """The size with its stop. `usd` is the loss of the whole order, so there the size comes first."""
    if setting.price is None and _needs_price(setting, request):
        quote = usable_quote(setting.ctx)
        return quote if isinstance(quote, Denied) else Denied(Reason.NO_QUOTE)
    spec = _stop_spec(setting.signal, setting.ctx)
    if spec is None or setting.price is None:
        return _with_spec(size_entry(request, setting.instrument, setting.ctx, setting.price, None), None)
    if spec.mode is StopMode.USD:
        if request.mode in RISK_MODES:
            instead = "give the stop as a price or a distance, or the size as a quantity"
            what = f"size in {request.mode} with a stop in usd"
            return Denied(Reason.NOT_SUPPORTED, {"what": what, "instead": instead})
        alone = size_entry(request, setting.instrument, setting.ctx, setting.price, None)
        if isinstance(alone, Denied):
            return alone
        apart = distance(spec, setting.anchor(setting.price, alone.qty))
        if isinstance(apart, Denied):
            return apart
        spec = replace(spec, mode=StopMode.OFFSET, value=apart)
    stop = _stop(spec, setting, setting.price)
    if isinstance(stop, Denied):
        return stop
    return _with_spec(size_entry(request, setting.instrument, setting.ctx, setting.price, stop), spec)


def _with_spec(sizing: Sizing | Denied, spec: StopSpec | None) -> tuple[Sizing, StopSpec | None] | Denied:
    return sizing if isinstance(sizing, Denied) else (sizing, spec)


def _stop(spec: StopSpec, setting: _Setting, price: Decimal) -> Decimal | Denied:
    anchor = setting.anchor(price)
    stop = stop_price(spec, anchor)
    if isinstance(stop, Denied):
        return stop
    signal = setting.signal
    return stop_refused(stop, anchor, setting.quote, signal.type, signal.ref_price) or stop


def _targets(setting: _Setting, sizing: Sizing) -> tuple[Target, ...] | Denied:
    targets = []
    for spec in _target_specs(setting.signal, setting.ctx):
        if setting.price is None:
            return Denied(Reason.NO_QUOTE)
        anchor = setting.anchor(setting.price, sizing.qty)
        price = target_price(spec, anchor, sizing.stop_price)
        if isinstance(price, Denied):
            return price
        refused = target_refused(price, anchor)
        if refused is not None:
            return refused
        if spec.mode is StopMode.USD:
            spec = replace(spec, mode=StopMode.OFFSET, value=abs(price - setting.price))
        targets.append(Target(spec, price))
    return tuple(targets)


def _trail(setting: _Setting) -> TrailSpec | Denied | None:
    """The trail in terms that can be kept. None = there is none, explicitly or not."""
    asked = setting.signal.trail
    if setting.price is None or not _kept(asked):
        return None
    return trail_terms(asked, setting.anchor(setting.price), setting.quote)


def _break_even(setting: _Setting, sizing: Sizing) -> BreakEvenSpec | Denied | None:
    asked = setting.signal.be
    if setting.price is None or not _kept(asked):
        return None
    return be_terms(asked, setting.anchor(setting.price), setting.quote, sizing.stop_price)


def _kept(asked: TrailSpec | BreakEvenSpec | None) -> bool:
    mode = asked.trigger.mode if isinstance(asked, BreakEvenSpec) else asked and asked.mode
    return mode is not None and mode is not StopMode.NONE


def _leg(setting: _Setting, sizing: Sizing, sl: StopSpec | None) -> Leg:
    signal, ctx, instrument = setting.signal, setting.ctx, setting.instrument
    pending = signal.type is not OrderType.MARKET
    day_only = instrument.kind is InstrumentKind.FUTURE
    return Leg(
        leg=0,
        kind=CommandKind.PLACE,
        symbol=instrument.symbol,
        venue_symbol=instrument.venue_symbol,
        root=instrument.root,
        side=setting.side,
        type=signal.type,
        qty=sizing.qty,
        price=setting.price if signal.type is OrderType.LIMIT else None,
        stop_price=setting.price if signal.type is OrderType.STOP else None,
        tif=signal.tif or (Tif.DAY if day_only else Tif.GTC),
        protection=Protection(stop_loss=sizing.stop_price),
        ref_price=signal.ref_price,
        tag=signal.tag,
        sl=sl,
        time_exit_s=signal.time_exit_s,
        expires_at=(signal.expires_at or ctx.now + PENDING_ENTRY_LIFE) if pending else None,
    )


def _size_notes(sizing: Sizing) -> tuple[Note, ...]:
    if sizing.cut_from is not None:
        numbers = {"from": shown(sizing.cut_from), "to": shown(sizing.qty), "unit": sizing.unit}
        return (Note("the computed size is above a maximum and was cut", numbers),)
    if sizing.qty < sizing.qty_before_step:
        before, step = shown(sizing.qty_before_step), shown(sizing.qty_step)
        return (
            Note("size rounded down to the step", {"from": before, "to": shown(sizing.qty), "step": step}),
        )
    return ()
