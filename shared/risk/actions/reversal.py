"""reverse and target: from one position to another. The close comes first, the entry waits for it."""

from decimal import Decimal

from msgspec.structs import replace

from shared.models.context import RiskContext
from shared.models.enums import QtyMode, Side
from shared.models.reasons import Reason
from shared.models.signal import Signal
from shared.risk.actions.entry import entry_plan, size_only
from shared.risk.actions.exits import held_numbers, plan_close, reduce_by
from shared.risk.decision import Denied, Note, Plan, Skipped
from shared.risk.grid import floor_to, shown
from shared.risk.legs import cancel_legs, exit_legs, numbered, uncancelable
from shared.risk.money import usable_instrument
from shared.risk.scope import Holding, InScope, in_scope
from shared.risk.sizing import FIXED_MODES, SizeRequest, fixed_qty, requested

NewSize = tuple[SizeRequest | None, tuple[Note, ...]]


def plan_reverse(signal: Signal, ctx: RiskContext) -> Plan | Skipped | Denied:
    """Closes the position and opens one on the other side; `qty` is the size of the NEW position."""
    scope = in_scope(signal, ctx)
    if not scope.known:
        return Denied(Reason.POSITION_UNKNOWN)
    if len(scope.sides) > 1:
        return Denied(Reason.AMBIGUOUS, held_numbers(scope))
    held = next(iter(scope.sides), None)
    side = signal.side or (held.opposite if held else None)
    if side is None:
        return Denied(Reason.SIDE_MISSING, {"action": signal.action.value})
    if held is side:
        return Skipped(Reason.ALREADY_ON_SIDE, {"side": side.value, **held_numbers(scope)})
    # Absent = the size closed: an endpoint's default size is for positions that start from flat.
    asked = requested(signal, ctx) if held is None or signal.qty is not None else None
    new = size_of_new_position(signal, ctx, asked)
    return new if isinstance(new, Denied) else swap(signal, ctx, scope, side, *new)


def size_of_new_position(signal: Signal, ctx: RiskContext, asked: SizeRequest | None) -> NewSize | Denied:
    """`position_size`, what the strategy holds afterwards, wins over a qty with the closing part in it."""
    size = signal.position_size
    mode = asked.mode if asked else (signal.qty_mode or ctx.endpoint.qty_mode or ctx.defaults.qty_mode)
    if size is None or mode not in FIXED_MODES:
        return asked, ()
    if signal.side is Side.BUY and size < 0:
        return Denied(Reason.INVALID, {"field": "position_size", "value": shown(size)})
    amount = abs(size) * ctx.endpoint.multiplier
    if asked is not None and amount == asked.amount:
        return asked, ()
    numbers = {"position_size": shown(amount), "qty": shown(asked.amount) if asked else "absent"}
    return SizeRequest(mode, amount, "position_size"), (Note("position_size wins over qty", numbers),)


def swap(
    signal: Signal,
    ctx: RiskContext,
    scope: InScope,
    side: Side,
    request: SizeRequest | None,
    notes: tuple[Note, ...] = (),
) -> Plan | Skipped | Denied:
    """Leg 0.. close the other side and cancel its protection and pending entries; then the entry."""
    if request is not None and request.amount == 0:
        return plan_close(signal, ctx)
    if (scope.others if side is Side.SELL else -scope.others) > 0:
        # Netting: other tags hold the rest. An entry against it would close their position.
        return Denied(Reason.OPPOSITE_POSITION, {"side": side.value, "others": shown(scope.others)})
    opposite = scope.on(side.opposite)
    takes: list[tuple[Holding, Decimal | None]] = [
        (each, None if each.whole else each.free) for each in opposite
    ]
    if any(qty is not None and qty <= 0 for _, qty in takes):
        return Denied(Reason.UNRESOLVED_ORDER, {"symbol": opposite[0].position.symbol})
    closed = sum((each.qty for each in opposite), Decimal(0))
    new = request or (SizeRequest(None, closed, "position") if closed > 0 else None)
    before = exit_legs(takes, scope, ctx, signal.tag) + cancel_legs(scope.entries, ctx)
    told = notes + uncancelable(scope.entries)
    return entry_plan(signal, ctx, side, new, before=before, after_fill=bool(takes), notes=told)


def plan_target(signal: Signal, ctx: RiskContext) -> Plan | Skipped | Denied:
    """Makes the position this big: an entry of the difference, a reduction by it, a reversal, or nothing."""
    scope = in_scope(signal, ctx)
    if not scope.known:
        return Denied(Reason.POSITION_UNKNOWN)
    if len(scope.sides) > 1:
        return Denied(Reason.AMBIGUOUS, held_numbers(scope))
    asked = _signed_target(signal, ctx)
    if isinstance(asked, Denied):
        return asked
    side, request, notes = asked
    if side is None:
        return _to_flat(signal, ctx, scope)
    wanted = _target_qty(signal, ctx, side, request)
    if isinstance(wanted, Denied):
        return wanted
    held = next(iter(scope.sides), None)
    if held is side.opposite:
        return swap(signal, ctx, scope, side, request, notes)
    return _toward(wanted, signal, ctx, scope, side, request, notes)


def _toward(
    wanted: Decimal,
    signal: Signal,
    ctx: RiskContext,
    scope: InScope,
    side: Side,
    request: SizeRequest,
    notes: tuple[Note, ...],
) -> Plan | Skipped | Denied:
    """From flat or from a position on the same side to `wanted`."""
    instrument = usable_instrument(ctx)
    if isinstance(instrument, Denied):
        return instrument
    holdings = scope.on(side)
    current = sum((each.qty for each in holdings), Decimal(0))
    if wanted < current:
        return reduce_by(current - wanted, holdings, scope, instrument, ctx, signal)
    numbers = {"target": shown(wanted), "position": shown(current), "unit": instrument.qty_unit}
    if current > 0 and floor_to(wanted - current, instrument.qty_step) <= 0:
        return Skipped(Reason.ALREADY_AT_TARGET, numbers, notes)
    if (scope.others if side is Side.SELL else -scope.others) > 0:
        return Denied(Reason.OPPOSITE_POSITION, {"side": side.value, "others": shown(scope.others)})
    difference = request if current == 0 else SizeRequest(None, wanted - current, "target")
    return entry_plan(signal, ctx, side, difference, notes=notes)


def _to_flat(signal: Signal, ctx: RiskContext, scope: InScope) -> Plan | Skipped | Denied:
    if scope.holdings:
        return plan_close(replace(signal, side=None), ctx)
    cancels = cancel_legs(scope.entries, ctx)
    if not cancels:
        return Skipped(Reason.ALREADY_AT_TARGET, {"target": "0", "position": "0"})
    return Plan(numbered(cancels), (Note("no position; pending entries are canceled"),))


def _signed_target(
    signal: Signal, ctx: RiskContext
) -> tuple[Side | None, SizeRequest, tuple[Note, ...]] | Denied:
    """The side and the amount of the target (side None = flat). position_size is the target itself."""
    request = requested(signal, ctx)
    if request is None and signal.position_size is None:
        return Denied(Reason.SIZE_MISSING, {"action": signal.action.value})
    new = size_of_new_position(signal, ctx, request)
    if isinstance(new, Denied):
        return new
    chosen, notes = new
    if chosen is None:
        return Denied(Reason.SIZE_MISSING, {"action": signal.action.value})
    if chosen.mode is QtyMode.POSITION_PCT:
        return Denied(Reason.INVALID, {"field": "qty_mode", "value": str(chosen.mode)})
    if chosen.source == "alert" and signal.side is not None and chosen.amount < 0:
        return Denied(Reason.INVALID, {"field": "qty", "value": shown(chosen.amount)})
    signed = chosen.amount if chosen.source != "position_size" else signal.position_size or Decimal(0)
    if signed == 0:
        return None, chosen, notes
    side = signal.side or (Side.BUY if signed > 0 else Side.SELL)
    return side, SizeRequest(chosen.mode, abs(chosen.amount), chosen.source), notes


def _target_qty(signal: Signal, ctx: RiskContext, side: Side, request: SizeRequest) -> Decimal | Denied:
    instrument = usable_instrument(ctx)
    if isinstance(instrument, Denied):
        return instrument
    if request.is_fixed:
        return fixed_qty(request, instrument)
    sizing = size_only(signal, ctx, side, request)
    return sizing if isinstance(sizing, Denied) else sizing.qty
