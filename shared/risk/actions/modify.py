"""modify: changes the protection of positions in scope, or one pending entry."""

from collections.abc import Sequence
from decimal import Decimal

from msgspec.structs import replace

from shared.models.command import Leg, Protection
from shared.models.context import RiskContext
from shared.models.enums import CommandKind, MarginMode, OrderType, Side, StopMode
from shared.models.market import Instrument, Quote
from shared.models.reasons import Reason
from shared.models.signal import BreakEvenSpec, Signal, StopSpec, TrailSpec
from shared.models.trading import Position, WorkingOrder
from shared.risk.actions.cancel import addressed
from shared.risk.actions.exits import superfluous
from shared.risk.actions.retarget import laddered_entry, retargeted, shared_out, without_limit_exits
from shared.risk.decision import Denied, Note, Plan, Sizing, Skipped
from shared.risk.grid import entry_on_grid
from shared.risk.guard_terms import be_terms, trail_terms
from shared.risk.ladder_terms import NO_MORE
from shared.risk.legs import numbered, shrunk, venue_symbol
from shared.risk.money import usable_instrument, usable_quote
from shared.risk.prices import (
    Anchor,
    anchor_at,
    passed_by_market,
    stop_price,
    stop_refused,
    target_price,
    target_refused,
)
from shared.risk.scope import Holding, exits_of, in_scope
from shared.risk.sizing import loss_at_stop, requested, size_entry


def plan_modify(signal: Signal, ctx: RiskContext) -> Plan | Skipped | Denied:
    """Sets sl and tp of the positions in scope; flat (or by `order_id`): of exactly one pending entry."""
    scope = in_scope(signal, ctx)
    if not scope.known:
        return Denied(Reason.POSITION_UNKNOWN)
    instrument = usable_instrument(ctx)
    if isinstance(instrument, Denied):
        return instrument
    if (signal.order_id is None or signal.anchors) and scope.holdings:
        return _modify_positions(scope.holdings, signal, ctx, instrument)
    entries = addressed(signal, ctx)
    if len(entries) != 1:
        return Denied(Reason.AMBIGUOUS, {"pending_entries": str(len(entries))})
    return _modify_entry(entries[0], signal, ctx, instrument)


def _modify_positions(
    holdings: Sequence[Holding], signal: Signal, ctx: RiskContext, instrument: Instrument
) -> Plan | Skipped | Denied:
    notes = () if signal.anchors else superfluous(signal, "qty", "price", "stop_price", "time_exit_s")
    quote = usable_quote(ctx)
    market = None if isinstance(quote, Denied) else quote
    several = signal.tp if signal.tp is not None and len(signal.tp) > 1 else None
    shares = {} if several is None else shared_out(holdings, several, instrument)
    if isinstance(shares, Denied):
        return shares
    legs: list[Leg] = []
    for position in (each.position for each in holdings):
        leg = _protect_leg(position, signal, ctx, instrument, market)
        if isinstance(leg, Denied):
            return leg
        if several is not None:
            anchor = anchor_at(position.entry_price, position.side, instrument, ctx, position.qty)
            stop = _in_force(position, leg.protection)
            changes = retargeted(leg, position, shares[position.venue_position_id], anchor, stop, ctx)
            if isinstance(changes, Denied):
                return changes
            legs += changes
            continue
        if signal.tp is not None and not signal.anchors:
            legs += without_limit_exits(position, ctx)
            leg = leg if ctx.exits.limit_exits else replace(leg, ladder=NO_MORE)
        if not leg.protection.empty or (leg.trail, leg.be, leg.ladder) != (None, None, None):
            legs.append(leg)
        elif signal.tightens and ctx.account.margin_mode is MarginMode.NETTING:
            # Its stop is where it belongs: what is left to see to is that no exit is larger than the position.
            legs += shrunk(exits_of(position, ctx), position.qty, ctx)
    if not legs:
        return Skipped(Reason.NOTHING_TO_MODIFY, {"positions": str(len(holdings))}, notes)
    if market is None:
        notes += (Note("no quote: whether the market has passed the stop is left to the broker"),)
    return Plan(numbered(legs), notes)


def _protect_leg(
    position: Position, signal: Signal, ctx: RiskContext, instrument: Instrument, market: Quote | None
) -> Leg | Denied:
    """The change for one position. A stop widened or removed counts as an entry for the limits."""
    anchor = anchor_at(position.entry_price, position.side, instrument, ctx, position.qty)
    stop = _wanted_stop(signal.sl, anchor)
    if isinstance(stop, Denied):
        return stop
    if signal.anchors:
        # Of a position that a fill has just opened our books may not know the stop yet.
        stop = stop if position.stop_loss in (None, signal.stop_price) else position.stop_loss
    elif signal.tightens and not _tightens(position, stop):
        stop = position.stop_loss
    removed = signal.sl is not None and signal.sl.mode is StopMode.NONE
    if stop is not None and stop != position.stop_loss and market is not None:
        passed = passed_by_market(stop, position.side, market)
        if passed is not None:
            return passed
    in_force = None if removed else (stop if stop is not None else position.stop_loss)
    target = _wanted_target(signal.tp, anchor, in_force)
    if isinstance(target, Denied):
        return target
    trail = trail_terms(signal.trail, anchor, market)
    if isinstance(trail, Denied):
        return trail
    be = be_terms(signal.be, anchor, market, in_force)
    if isinstance(be, Denied):
        return be
    protection = _changes(position, stop, target, signal, removed=removed)
    return Leg(
        leg=0,
        kind=CommandKind.PROTECT,
        symbol=position.symbol,
        venue_symbol=venue_symbol(position, ctx),
        root=position.root,
        side=position.side,
        qty=position.qty,
        held_qty=position.qty,
        protection=protection,
        venue_position_id=position.venue_position_id,
        adds_risk=_widens(position, protection) and not signal.anchors,
        worst_loss=_position_loss(position, in_force, ctx, instrument),
        tag=signal.tag,
        trail=trail,
        be=be,
        # Between this and the broker's doing it somebody may be faster.
        tightens=signal.tightens and not signal.anchors,
        replaces=position.stop_loss if signal.anchors else None,
    )


def _in_force(position: Position, changes: Protection) -> Decimal | None:
    if changes.clear_stop_loss:
        return None
    return position.stop_loss if changes.stop_loss is None else changes.stop_loss


def _wanted_stop(spec: StopSpec | None, anchor: Anchor) -> Decimal | Denied | None:
    return None if spec is None or spec.mode is StopMode.NONE else stop_price(spec, anchor)


def _wanted_target(
    specs: tuple[StopSpec, ...] | None, anchor: Anchor, stop: Decimal | None
) -> Decimal | Denied | None:
    """The one target; of several none is the broker's to hold yet (shared/risk/actions/retarget.py)."""
    if not specs or len(specs) > 1 or specs[0].mode is StopMode.NONE:
        return None
    return target_price(specs[0], anchor, stop)


def _changes(
    position: Position, stop: Decimal | None, target: Decimal | None, signal: Signal, *, removed: bool
) -> Protection:
    """Only what differs from what the position has: absent = unchanged, `none` = removed."""
    no_target = bool(signal.tp) and signal.tp is not None and signal.tp[0].mode is StopMode.NONE
    return Protection(
        stop_loss=stop if stop != position.stop_loss else None,
        take_profit=target if target != position.take_profit else None,
        clear_stop_loss=removed and position.stop_loss is not None,
        clear_take_profit=no_target and position.take_profit is not None,
    )


def _widens(position: Position, protection: Protection) -> bool:
    if protection.clear_stop_loss:
        return True
    old, new = position.stop_loss, protection.stop_loss
    if old is None or new is None:
        return False
    return new < old if position.side is Side.BUY else new > old


def _tightens(position: Position, stop: Decimal | None) -> bool:
    """Whether a stop lies further in profit than the one that is there."""
    old = position.stop_loss
    if old is None or stop is None:
        return stop is not None
    return stop > old if position.side is Side.BUY else stop < old


def _position_loss(
    position: Position, stop: Decimal | None, ctx: RiskContext, instrument: Instrument
) -> Decimal | None:
    """What the position loses from entry to stop; slippage and commission when it locks a profit."""
    if stop is None:
        return None
    entry = position.entry_price
    away = min(stop, entry) if position.side is Side.BUY else max(stop, entry)
    return loss_at_stop(position.qty, entry, away, instrument, ctx)


def _modify_entry(
    order: WorkingOrder, signal: Signal, ctx: RiskContext, instrument: Instrument
) -> Plan | Skipped | Denied:
    """The change of one pending entry: price, quantity, protection. It counts as an entry for the limits."""
    if order.venue_order_id is None:
        return Denied(Reason.UNRESOLVED_ORDER, {"symbol": order.symbol})
    asked = signal.price if order.type is OrderType.LIMIT else signal.stop_price
    notes = superfluous(signal, "stop_price" if order.type is OrderType.LIMIT else "price")
    new = None if asked is None else entry_on_grid(asked, order.side, order.type, instrument.tick_size)
    current = order.price if order.type is OrderType.LIMIT else order.stop_price
    price = new if new is not None else current
    if price is None or price <= 0:
        return Denied(Reason.PRICE_MISSING, {"type": order.type.value})
    anchored = replace(signal, side=order.side, type=order.type)
    protection = _entry_protection(order, anchored, ctx, instrument, price)
    if isinstance(protection, Denied):
        return protection
    sizing = _new_size(anchored, ctx, instrument, price, protection.stop_loss)
    if isinstance(sizing, Denied):
        return sizing
    guards = _entry_guards(anchored, ctx, instrument, price, protection.stop_loss)
    if isinstance(guards, Denied):
        return guards
    trail, be = guards
    qty = sizing.qty if sizing and sizing.qty != order.qty else None
    moved = new if new != current else None
    silent = (signal.tp, signal.trail, signal.be) == (None, None, None)
    if protection.empty and qty is None and moved is None and silent:
        return Skipped(Reason.NOTHING_TO_MODIFY, {"order_id": order.venue_order_id}, notes)
    leg = _modify_leg(order, ctx, protection, moved, qty)
    if signal.tp is not None and len(signal.tp) > 1:
        anchor = anchor_at(price, order.side, instrument, ctx, order.qty)
        made = laddered_entry(leg, order, signal, anchor, instrument, ctx)
        if isinstance(made, Denied):
            return made
        leg = made
    elif signal.tp is not None:
        leg = replace(leg, ladder=NO_MORE)
    stop = protection.stop_loss
    loss = None if stop is None else loss_at_stop(qty or order.qty, price, stop, instrument, ctx)
    return Plan((replace(leg, worst_loss=loss, trail=trail, be=be),), notes, sizing)


def _entry_protection(
    order: WorkingOrder, signal: Signal, ctx: RiskContext, instrument: Instrument, price: Decimal
) -> Protection | Denied:
    anchor = anchor_at(price, order.side, instrument, ctx, order.qty)
    stop = _wanted_stop(signal.sl, anchor)
    if isinstance(stop, Denied):
        return stop
    quote = usable_quote(ctx)
    market = None if isinstance(quote, Denied) else quote
    refused = stop_refused(stop, anchor, market, order.type) if stop is not None else None
    if refused is not None:
        return refused
    target = _wanted_target(signal.tp, anchor, stop)
    if isinstance(target, Denied):
        return target
    refused = target_refused(target, anchor) if target is not None else None
    if refused is not None:
        return refused
    no_target = bool(signal.tp) and signal.tp is not None and signal.tp[0].mode is StopMode.NONE
    # Of an entry of ours we know whether it takes a target along; there may be others, which we see to.
    has_target = order.id is None or order.take_profit is not None
    no_stop = signal.sl is not None and signal.sl.mode is StopMode.NONE
    return Protection(stop, target, clear_stop_loss=no_stop, clear_take_profit=no_target and has_target)


def _entry_guards(
    signal: Signal, ctx: RiskContext, instrument: Instrument, price: Decimal, stop: Decimal | None
) -> tuple[TrailSpec | None, BreakEvenSpec | None] | Denied:
    """Trail and break-even of a pending entry, in terms that can be kept."""
    anchor = anchor_at(price, signal.side or Side.BUY, instrument, ctx)
    quote = usable_quote(ctx)
    market = None if isinstance(quote, Denied) else quote
    trail = trail_terms(signal.trail, anchor, market)
    if isinstance(trail, Denied):
        return trail
    be = be_terms(signal.be, anchor, market, stop)
    return be if isinstance(be, Denied) else (trail, be)


def _new_size(
    signal: Signal, ctx: RiskContext, instrument: Instrument, price: Decimal, stop: Decimal | None
) -> Sizing | Denied | None:
    """The new quantity, only when the alert itself says one: defaults are for new entries."""
    if signal.qty is None:
        return None
    request = requested(signal, ctx)
    if request is None:
        return Denied(Reason.SIZE_MISSING)
    return size_entry(request, instrument, ctx, price, stop)


def _modify_leg(
    order: WorkingOrder, ctx: RiskContext, protection: Protection, moved: Decimal | None, qty: Decimal | None
) -> Leg:
    return Leg(
        leg=0,
        kind=CommandKind.MODIFY,
        symbol=order.symbol,
        venue_symbol=venue_symbol(order, ctx),
        root=order.root,
        side=order.side,
        type=order.type,
        qty=qty,
        held_qty=order.qty,
        price=moved if order.type is OrderType.LIMIT else None,
        stop_price=moved if order.type is OrderType.STOP else None,
        tif=order.tif,
        protection=protection,
        venue_order_id=order.venue_order_id,
        order_id=order.id,
        adds_risk=True,
        tag=order.tag,
    )
