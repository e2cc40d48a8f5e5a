"""The table of what an alert does (semantics 2): one function per action, one line each in `_TABLE`.

`plan` decides from what is there now, before any limit: a Plan of legs, Skipped (nothing had to be done),
or Denied. It reads no clock and never raises for anything an alert or a broker can say. A dry run plans
the same."""

from collections.abc import Callable, Mapping
from decimal import localcontext

from shared.models.context import RiskContext
from shared.models.enums import Action
from shared.models.reasons import Reason
from shared.models.signal import Signal
from shared.risk.actions.cancel import plan_cancel
from shared.risk.actions.exits import plan_close, plan_flatten, plan_reduce
from shared.risk.actions.modify import plan_modify
from shared.risk.actions.opening import plan_add, plan_open
from shared.risk.actions.reversal import plan_reverse, plan_target
from shared.risk.decision import Denied, Plan, Skipped
from shared.risk.grid import EXACT

_TABLE: Mapping[Action, Callable[[Signal, RiskContext], Plan | Skipped | Denied]] = {
    Action.OPEN: plan_open,
    Action.ADD: plan_add,
    Action.CLOSE: plan_close,
    Action.REDUCE: plan_reduce,
    Action.REVERSE: plan_reverse,
    Action.TARGET: plan_target,
    Action.CANCEL: plan_cancel,
    Action.MODIFY: plan_modify,
    Action.FLATTEN: plan_flatten,
}


def plan(signal: Signal, ctx: RiskContext) -> Plan | Skipped | Denied:
    """What this alert means for this account now. Sizes are rounded down, an exit never flips a position."""
    if ctx.ambiguous is not None:
        names = {"symbol": ctx.ambiguous.symbol, "candidates": ", ".join(ctx.ambiguous.candidates)}
        return Denied(Reason.SYMBOL_AMBIGUOUS, names)
    with localcontext(EXACT):
        decided = _TABLE[signal.action](signal, ctx)
    if isinstance(decided, Skipped) and signal.is_exit and not ctx.instrument_known:
        # Looked for by name only, because the broker could not be asked: there may be something under another name.
        return Denied(Reason.INSTRUMENT_UNKNOWN, {"symbol": signal.symbol or ""}, retry_after_read=True)
    return decided
