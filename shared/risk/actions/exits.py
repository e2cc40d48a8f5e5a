"""close, reduce, flatten: they only make exposure smaller. No limit refuses them, and none flips."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from msgspec.structs import replace

from shared.models.command import Leg
from shared.models.context import RiskContext
from shared.models.enums import CommandKind, MarginMode, OrderType, QtyMode, Side
from shared.models.market import Instrument
from shared.models.reasons import Reason
from shared.models.signal import Signal
from shared.models.trading import WorkingOrder
from shared.risk.decision import Denied, Note, Plan, Skipped
from shared.risk.grid import floor_to, shown
from shared.risk.legs import (
    cancel_legs,
    close_leg,
    exit_legs,
    native_close_leg,
    numbered,
    uncancelable,
    venue_symbol,
)
from shared.risk.scope import LIVE, Holding, InScope, exits_of, in_scope, named_symbol, pending_entries
from shared.risk.sizing import SizeRequest, fixed_qty, requested

UNREAD = Denied(Reason.POSITION_UNKNOWN, retry_after_read=True)


def plan_close(signal: Signal, ctx: RiskContext) -> Plan | Skipped | Denied:
    """Closes all of scope, then cancels its stops, targets and pending entries."""
    if not named_symbol(signal, ctx):
        return Denied(Reason.INSTRUMENT_UNKNOWN)
    scope = in_scope(signal, ctx)
    notes = superfluous(signal, "qty", "price", "stop_price", "sl", "tp")
    # One position by its id: what else waits to be opened is not meant.
    entries = () if signal.position_id is not None else _opened_side(scope.entries, signal.side)
    if not scope.known:
        return _close_unread(signal, ctx, scope, entries, notes)
    holdings = scope.holdings if signal.side is None else scope.on(signal.side.opposite)
    if not holdings and scope.holdings:
        return Skipped(Reason.WRONG_SIDE, {"side": str(signal.side), **held_numbers(scope)}, notes)
    takes = [(each, None if each.whole else each.free) for each in holdings]
    takes = [(holding, qty) for holding, qty in takes if qty is None or qty > 0]
    legs = exit_legs(takes, scope, ctx, signal.tag) + cancel_legs(entries, ctx)
    notes += uncancelable(entries)
    if not legs:
        return Skipped(Reason.NOTHING_TO_CLOSE, {}, notes)
    return Plan(
        numbered(legs), notes if takes else (*notes, Note("no position; pending entries are canceled"))
    )


def _close_unread(
    signal: Signal, ctx: RiskContext, scope: InScope, entries: Sequence[WorkingOrder], notes: tuple[Note, ...]
) -> Plan | Denied:
    """The venue closes what it has, whatever we believe; where that could close too much, we read first."""
    closes: list[Leg]
    if ctx.account.margin_mode is MarginMode.HEDGING:
        sides = [
            each for each in scope.holdings if signal.side is None or each.position.side is not signal.side
        ]
        closes = [close_leg(each.position, ctx, None, signal.tag) for each in sides]
    elif signal.side is not None or signal.tag is not None:
        return UNREAD
    else:
        known = [close_leg(each.position, ctx, None, signal.tag) for each in scope.holdings]
        unseen = [native_close_leg(ctx.instrument, signal.tag)] if ctx.instrument else []
        # The side of a stale position may have changed since: the venue decides it.
        closes = [replace(each, side=None) for each in known] or unseen
    if not closes:
        return UNREAD
    protection = cancel_legs(scope.protection, ctx, after_fill=True)
    told = Note("position not read: the broker's own close is sent and verified afterwards")
    return Plan(
        numbered(closes + protection + cancel_legs(entries, ctx)), (*notes, told, *uncancelable(entries))
    )


def plan_reduce(signal: Signal, ctx: RiskContext) -> Plan | Skipped | Denied:
    """Closes part of scope, oldest position first, and fits its protection to the rest."""
    if not named_symbol(signal, ctx):
        return Denied(Reason.INSTRUMENT_UNKNOWN)
    scope = in_scope(signal, ctx)
    if not scope.known:
        return UNREAD
    holdings = scope.holdings if signal.side is None else scope.on(signal.side.opposite)
    if not holdings:
        reason = Reason.WRONG_SIDE if scope.holdings else Reason.NOTHING_TO_CLOSE
        return Skipped(reason, held_numbers(scope))
    if len({each.position.side for each in holdings}) > 1:
        return Denied(Reason.AMBIGUOUS, held_numbers(scope))
    instrument = ctx.instrument
    if instrument is None or instrument.qty_step <= 0 or instrument.contract_size <= 0:
        return Denied(Reason.INSTRUMENT_UNKNOWN, {"symbol": signal.symbol or ""}, retry_after_read=True)
    wanted = _wanted(requested(signal, ctx), holdings, instrument)
    if isinstance(wanted, Denied):
        return wanted
    if signal.tightens and signal.type is OrderType.LIMIT and signal.price is not None:
        return _waiting(wanted, signal.price, holdings, scope, instrument, ctx)
    return reduce_by(wanted, holdings, scope, instrument, ctx, signal)


def _waiting(
    qty: Decimal,
    price: Decimal,
    holdings: Sequence[Holding],
    scope: InScope,
    instrument: Instrument,
    ctx: RiskContext,
) -> Plan | Denied:
    """A target of ours that goes to the broker as a limit order: never for more than is open and not promised yet."""
    if len(holdings) != 1:
        return Denied(Reason.AMBIGUOUS, held_numbers(scope))
    position, free = holdings[0].position, holdings[0].free
    waits = (each for each in exits_of(position, ctx) if each.type is OrderType.LIMIT)
    free -= sum((each.qty - each.filled_qty for each in waits), Decimal(0))
    if floor_to(qty, instrument.qty_step) <= 0 or qty > free:
        return Denied(Reason.REDUCE_TOO_LARGE, {"value": shown(qty), "limit": shown(max(free, Decimal(0)))})
    leg = Leg(
        leg=0,
        kind=CommandKind.PLACE,
        symbol=position.symbol,
        venue_symbol=venue_symbol(position, ctx),
        root=position.root,
        side=position.side.opposite,
        type=OrderType.LIMIT,
        qty=qty,
        price=price,
        reduce_only=True,
        tag=position.tag,
    )
    return Plan((leg,))


def _wanted(
    request: SizeRequest | None, holdings: Sequence[Holding], instrument: Instrument
) -> Decimal | Denied:
    can_reduce = request is not None and (request.is_fixed or request.mode is QtyMode.POSITION_PCT)
    if request is None or (not can_reduce and request.source != "alert"):
        return Denied(Reason.SIZE_MISSING, {"what": "reduce"})
    if not can_reduce:
        return Denied(Reason.INVALID, {"field": "qty_mode", "value": str(request.mode)})
    if request.mode is QtyMode.POSITION_PCT:
        return request.amount / 100 * sum((each.qty for each in holdings), Decimal(0))
    return fixed_qty(request, instrument)


def reduce_by(
    qty: Decimal,
    holdings: Sequence[Holding],
    scope: InScope,
    instrument: Instrument,
    ctx: RiskContext,
    signal: Signal,
) -> Plan | Skipped:
    """Closes min(qty, position), rounded down, oldest first; a rest below the venue's minimum goes too."""
    notes = superfluous(signal, "price", "stop_price", "sl", "tp")
    left = min(qty, sum((each.free for each in holdings), Decimal(0)))
    if left <= 0 < qty:
        in_flight = sum((each.in_flight for each in holdings), Decimal(0))
        return Skipped(Reason.NOTHING_TO_CLOSE, {"in_flight": shown(in_flight)})
    takes: list[tuple[Holding, Decimal | None]] = []
    for holding in sorted(holdings, key=_age):
        take = _take(holding, left, instrument)
        if take > 0:
            everything = take == holding.position.qty
            takes.append((holding, None if everything else take))
            left -= take
    if not takes:
        smallest = max(instrument.qty_min, instrument.qty_step)
        numbers = {"value": shown(qty), "qty_min": shown(smallest), "unit": instrument.qty_unit}
        return Skipped(Reason.BELOW_MINIMUM, numbers, notes)
    return Plan(numbered(exit_legs(takes, scope, ctx, signal.tag)), notes)


def _take(holding: Holding, wanted: Decimal, instrument: Instrument) -> Decimal:
    """How much of one position to close: rounded down, all of it when the rest would be below the minimum."""
    step = instrument.qty_step
    everything = holding.free if holding.free == holding.position.qty else floor_to(holding.free, step)
    if wanted >= everything:
        return everything
    take = max(Decimal(0), floor_to(wanted, step))
    if take < instrument.qty_min:
        return Decimal(0)
    return everything if everything - take < instrument.qty_min else take


def _age(holding: Holding) -> tuple[bool, float, str]:
    opened = holding.position.opened_at
    return opened is None, opened.timestamp() if opened else 0.0, holding.position.venue_position_id


def plan_flatten(signal: Signal, ctx: RiskContext) -> Plan | Skipped | Denied:
    """Cancels every order, then closes every position of the account (or of one symbol), manual ones too."""
    scope = replace(signal, tag=None, side=None, order_id=None)
    named = signal.symbol is not None
    positions = (
        [each.position for each in in_scope(scope, _unscoped(ctx)).holdings] if named else ctx.positions
    )
    roots = {each.root for each in positions} | ({ctx.instrument.root} if ctx.instrument and named else set())
    ours = pending_entries(scope, _unscoped(ctx)) if named else ()
    orders = [
        each
        for each in ctx.orders
        if each.status in LIVE and (not named or each.root in roots or each in ours)
    ]
    closes = [close_leg(each, ctx, None, signal.tag) for each in positions]
    if not closes and not ctx.positions_known:
        netting = ctx.account.margin_mode is MarginMode.NETTING
        if ctx.instrument is None or not named or not netting:
            return UNREAD
        closes = [native_close_leg(ctx.instrument, signal.tag)]
    legs = cancel_legs(orders, ctx) + closes
    notes = uncancelable(orders)
    return Plan(numbered(legs), notes) if legs else Skipped(Reason.NOTHING_TO_CLOSE, {}, notes)


def _unscoped(ctx: RiskContext) -> RiskContext:
    """The same account seen without an endpoint: everything of a symbol, whoever opened it."""
    return replace(ctx, endpoint=replace(ctx.endpoint, id=None))


def _opened_side(orders: Iterable[WorkingOrder], side: Side | None) -> tuple[WorkingOrder, ...]:
    """The pending entries which would open what a closing order of `side` closes."""
    return tuple(each for each in orders if side is None or each.side is side.opposite)


def held_numbers(scope: InScope) -> dict[str, str]:
    """What scope holds, for the trace."""
    return {
        word: shown(sum((each.qty for each in scope.on(side)), Decimal(0)))
        for word, side in (("long", Side.BUY), ("short", Side.SELL))
        if scope.on(side)
    }


def superfluous(signal: Signal, *names: str) -> tuple[Note, ...]:
    """A note for fields this action does not look at."""
    given = {name: _said(getattr(signal, name)) for name in names if getattr(signal, name) is not None}
    return (Note(f"{signal.action} ignores " + ", ".join(given), given),) if given else ()


def _said(value: object) -> str:
    return shown(value) if isinstance(value, Decimal) else "given"
