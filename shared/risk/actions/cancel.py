"""cancel: pending entries go; protection never does, but an exit whose position is gone protects nothing."""

from shared.models.context import RiskContext
from shared.models.reasons import Reason
from shared.models.signal import Signal
from shared.models.trading import WorkingOrder
from shared.risk.decision import Denied, Plan, Skipped
from shared.risk.legs import cancel_legs, numbered, uncancelable
from shared.risk.scope import LIVE, pending_entries


def plan_cancel(signal: Signal, ctx: RiskContext) -> Plan | Skipped | Denied:
    """Cancels pending entries of scope, by order, tag, side or symbol; never protection. By its id an orphan, too."""
    entries = addressed(signal, ctx) or _orphan(signal, ctx)
    legs = cancel_legs(entries, ctx)
    notes = uncancelable(entries)
    if not legs:
        asked = {"order_id": signal.order_id, "tag": signal.tag, "side": signal.side, "symbol": signal.symbol}
        numbers = {name: str(value) for name, value in asked.items() if value is not None}
        return Skipped(Reason.NOTHING_TO_CANCEL, numbers, notes)
    return Plan(numbered(legs), notes)


def addressed(signal: Signal, ctx: RiskContext) -> tuple[WorkingOrder, ...]:
    """The pending entry with this `order_id` (broker's, ours or client's), else scope's, of `side`."""
    if signal.order_id is None:
        orders = pending_entries(signal, ctx)
    else:
        orders = tuple(each for each in ctx.orders if each.is_entry and each.status in LIVE)
        orders = tuple(each for each in orders if signal.order_id in _ids(each))
    return tuple(each for each in orders if signal.side is None or each.side is signal.side)


def _orphan(signal: Signal, ctx: RiskContext) -> tuple[WorkingOrder, ...]:
    """The exit with this `order_id` that waits where nothing is open any more: filled it would open a position."""
    if signal.order_id is None or not ctx.positions_known:
        return ()
    held = {each.root for each in ctx.positions}
    exits = (
        each for each in ctx.orders if not each.is_entry and each.status in LIVE and each.root not in held
    )
    return tuple(each for each in exits if signal.order_id in _ids(each))


def _ids(order: WorkingOrder) -> tuple[str | None, ...]:
    return order.venue_order_id, order.client_order_id, None if order.id is None else str(order.id)
