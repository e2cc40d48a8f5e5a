"""open and add: what may increase exposure in the direction of the alert."""

from shared.models.context import RiskContext
from shared.models.enums import MarginMode, OnOpposite, OnSame, Side
from shared.models.reasons import Reason
from shared.models.signal import Signal
from shared.risk.actions.entry import entry_plan
from shared.risk.actions.exits import held_numbers, plan_close
from shared.risk.actions.reversal import size_of_new_position, swap
from shared.risk.decision import Denied, Note, Plan, Skipped
from shared.risk.grid import shown
from shared.risk.scope import InScope, in_scope
from shared.risk.sizing import requested


def plan_open(signal: Signal, ctx: RiskContext) -> Plan | Skipped | Denied:
    """An entry; what happens beside a position that is already there, the endpoint says."""
    if signal.side is None:
        return Denied(Reason.SIDE_MISSING, {"action": signal.action.value})
    scope = in_scope(signal, ctx)
    if not scope.known:
        return Denied(Reason.POSITION_UNKNOWN)
    if ctx.endpoint.on_same is OnSame.IGNORE and _holds(scope, signal.side):
        return Skipped(Reason.ALREADY_IN_POSITION, held_numbers(scope))
    if _holds(scope, signal.side.opposite):
        return _against(signal, ctx, scope, signal.side)
    return entry_plan(signal, ctx, signal.side, requested(signal, ctx))


def _against(signal: Signal, ctx: RiskContext, scope: InScope, side: Side) -> Plan | Skipped | Denied:
    """An open while a position on the other side is there: as the endpoint's `on_opposite` says."""
    match ctx.endpoint.on_opposite:
        case OnOpposite.REVERSE:
            request = size_of_new_position(signal, ctx, requested(signal, ctx))
            return request if isinstance(request, Denied) else swap(signal, ctx, scope, side, *request)
        case OnOpposite.CLOSE:
            return plan_close(signal, ctx)
        case OnOpposite.HEDGE if ctx.account.margin_mode is MarginMode.HEDGING:
            note = Note("hedged: the position on the other side stays", held_numbers(scope))
            return entry_plan(signal, ctx, side, requested(signal, ctx), notes=(note,))
        case _:
            return Denied(Reason.OPPOSITE_POSITION, _opposite_numbers(signal, ctx, scope))


def plan_add(signal: Signal, ctx: RiskContext) -> Plan | Skipped | Denied:
    """One more entry beside a position on the same side."""
    if signal.side is None:
        return Denied(Reason.SIDE_MISSING, {"action": signal.action.value})
    scope = in_scope(signal, ctx)
    if not scope.known:
        return Denied(Reason.POSITION_UNKNOWN)
    if _holds(scope, signal.side.opposite):
        return Denied(Reason.OPPOSITE_POSITION, _opposite_numbers(signal, ctx, scope))
    if not scope.on(signal.side):
        return Skipped(Reason.NOTHING_TO_ADD_TO, {"side": signal.side.value})
    return entry_plan(signal, ctx, signal.side, requested(signal, ctx))


def _holds(scope: InScope, side: Side) -> bool:
    """True when there is a position on `side`; on netting one that other tags opened counts too."""
    return bool(scope.on(side)) or (scope.others if side is Side.BUY else -scope.others) > 0


def _opposite_numbers(signal: Signal, ctx: RiskContext, scope: InScope) -> dict[str, str]:
    others = {"others": shown(scope.others)} if scope.others else {}
    setting = {"side": str(signal.side), "on_opposite": ctx.endpoint.on_opposite.value}
    return setting | held_numbers(scope) | others
