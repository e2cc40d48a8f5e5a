"""How often and how many: trades, positions, losses in a row, the same order twice."""

from datetime import timedelta
from decimal import Decimal

from shared.models.enums import CommandKind, MarginMode, OrderStatus
from shared.models.limits import CoolDown, Duplicates
from shared.models.reasons import Reason
from shared.models.trading import Position
from shared.risk.decision import Denied
from shared.risk.grid import shown
from shared.risk.rules.base import OFF, Judged, Verdict, ask_scopes, closes, moment
from shared.risk.rules.case import Case

_OPENED = frozenset({OrderStatus.WORKING, OrderStatus.UNKNOWN})
_NO_RECORD = {"what": "the account's record of trades is not known"}


def trades_per_day(case: Case) -> Verdict:
    """No more opening orders in a trading day than the limit says, those on their way included."""
    value = case.ctx.counters.trades_today + case.opens
    verdict = _compared(value, case.ctx.limits.max_trades_per_day, case, Reason.MAX_TRADES_PER_DAY)
    if not isinstance(verdict, Denied):
        return verdict
    return Denied(verdict.reason, {**verdict.numbers, "until": moment(case.day[1])})


def open_trades(case: Case) -> Verdict:
    """No more open positions and pending entries at once than the limit says, this one included."""
    canceled = {leg.venue_order_id for leg in case.legs if leg.kind is CommandKind.CANCEL}
    pending = (each for each in case.ctx.orders if each.is_entry and each.status in _OPENED)
    left = sum(1 for each in pending if each.venue_order_id not in canceled)
    value = len(_positions_left(case)) + left + case.ctx.counters.entries_in_flight + case.opens
    return _compared(value, case.ctx.limits.max_open_trades, case, Reason.MAX_OPEN_TRADES)


def concurrent_positions(case: Case) -> Verdict:
    """No more positions open at once than the limit says, this one included."""
    value = len(_positions_left(case)) + case.ctx.counters.entries_in_flight + _new_positions(case)
    return _compared(value, case.ctx.limits.max_concurrent_positions, case, Reason.MAX_CONCURRENT_POSITIONS)


def cool_down(case: Case) -> Verdict:
    """After so many losing round trips in a row nothing is opened for the minutes set; the last one ends it."""
    return ask_scopes("cool_down", _cool_down, case)


def duplicates(case: Case) -> Verdict:
    """The same account, root, side and action is not ordered twice within the window."""
    return ask_scopes("duplicates", _duplicates, case)


def _cool_down(setting: CoolDown, case: Case) -> Judged:
    state = case.ctx.risk
    if state is None:
        return Judged(_NO_RECORD, None, Reason.BALANCE_UNKNOWN)
    left = Decimal(setting.after_losses - state.losses_in_a_row)
    numbers = {"value": str(state.losses_in_a_row), "limit": str(setting.after_losses), "distance": str(left)}
    if left > 0:
        return Judged(numbers, left)
    if state.last_loss_at is None:
        return Judged(numbers | _NO_RECORD, None, Reason.BALANCE_UNKNOWN)
    until = state.last_loss_at + timedelta(minutes=float(setting.minutes))
    return Judged(
        numbers | {"until": moment(until)}, left, Reason.COOL_DOWN if case.ctx.now < until else None
    )


def _duplicates(setting: Duplicates, case: Case) -> Judged:
    if case.ctx.risk is None:
        return Judged(_NO_RECORD, None, Reason.BALANCE_UNKNOWN)
    limit, twin = {"limit": shown(setting.window_s)}, case.ctx.risk.twin
    if twin is None or setting.window_s == 0 or not case.opens:
        return Judged(limit)
    return Judged(limit | {"twin": str(twin)}, None, Reason.DUPLICATE_INTENT)


def _positions_left(case: Case) -> list[Position]:
    return [
        each
        for each in case.ctx.positions
        if not any(closes(leg, each.venue_position_id, each.symbol) for leg in case.legs)
    ]


def _new_positions(case: Case) -> int:
    """Each entry opens one on a hedging account; on netting only where none is left to add to."""
    entries = [leg for leg in case.legs if leg.is_entry]
    if case.ctx.account.margin_mode is MarginMode.HEDGING:
        return len(entries)
    held = {each.symbol for each in _positions_left(case)}
    return 1 if any(leg.symbol not in held for leg in entries) else 0


def _compared(value: int, limit: int | None, case: Case, reason: Reason) -> Verdict:
    """A count against a limit. Several portions are one trade; a change of what exists is none."""
    if limit is None:
        return OFF
    numbers = {"value": str(value), "limit": str(limit), "distance": str(limit - value)}
    return Denied(reason, numbers) if case.opens and value > limit else numbers
