"""Rules between the fields of an alert, which JSON Schema cannot say. Each has its twin of the same name in
supabase/functions/_shared/alert_rules.ts; tests/payloads/alerts/vectors.json holds both to equal verdicts.

A rule looks at what an action uses: `close` ignores qty, price, sl and tp, so nothing of them is refused."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Context, Decimal
from functools import reduce
from typing import TYPE_CHECKING, Any

from shared.models.enums import Action, OrderType, QtyMode
from shared.models.problem import Problem

if TYPE_CHECKING:
    from shared.models.alert import BreakEven, Intent, StopLoss, Target, Trail

MAX_META = 1024
_ENTRIES = frozenset({Action.OPEN, Action.ADD, Action.REVERSE, Action.TARGET})
_SIZED = _ENTRIES | {Action.REDUCE}
_PROTECTED = _ENTRIES | {Action.MODIFY}
_PERCENT_UP_TO_100 = frozenset({QtyMode.RISK_PCT, QtyMode.POSITION_PCT})
_REDUCING_MODES = frozenset({QtyMode.LOTS, QtyMode.UNITS, QtyMode.CONTRACTS, QtyMode.POSITION_PCT})
_HUNDRED = Decimal(100)
# Wide enough for any sum of numbers the strict reader lets in: nothing is rounded before it is compared.
_EXACT = Context(prec=200)


class RuleError(ValueError):
    """Carries every broken rule of one alert."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems


def check(intent: Intent) -> list[Problem]:
    """Every rule that `intent` breaks, at most one problem per path."""
    found: dict[str, Problem] = {}
    for path, sentence in _broken(intent):
        found.setdefault(path, Problem(path, f"{path} {sentence}"))
    return list(found.values())


def _broken(intent: Intent) -> Iterator[tuple[str, str]]:
    yield from _what_for(intent)
    if intent.action in _SIZED:
        yield from _quantity(intent)
    if intent.action in _ENTRIES:
        yield from _prices(intent)
    if intent.action in _PROTECTED:
        yield from _stop_loss(intent.sl)
        yield from _targets(intent)
        yield from _trail(intent.trail)
        yield from _break_even(intent.be)
    if intent.meta is not None and _weight(intent.meta) > MAX_META:
        yield "intent.meta", "must be an object of at most 1 kB of text"


def _what_for(intent: Intent) -> Iterator[tuple[str, str]]:
    """Which position or order is meant, and what is to be done with it."""
    action = intent.action
    if action is Action.CANCEL:
        if not (intent.symbol or intent.tag or intent.order_id or intent.side):
            yield "intent.symbol", "is missing: cancel needs an order_id, a tag, a side or a symbol"
    elif action is Action.MODIFY:
        if not (intent.symbol or intent.order_id):
            yield "intent.symbol", "is missing: modify needs a symbol or an order_id"
        changes = (intent.sl, intent.tp, intent.trail, intent.be, intent.price, intent.stop_price)
        if all(change is None for change in changes):
            yield "intent", "changes nothing: modify needs sl, tp, trail, be, price or stop_price"
    elif action is not Action.FLATTEN and not intent.symbol:
        yield "intent.symbol", f"is missing: {action} needs a symbol"
    if action in (Action.OPEN, Action.ADD) and intent.side is None:
        yield "intent.side", f"is missing: {action} needs buy or sell"


def _quantity(intent: Intent) -> Iterator[tuple[str, str]]:
    action, qty, mode = intent.action, intent.qty, intent.qty_mode
    if qty is None:
        if action in (Action.REDUCE, Action.TARGET):
            yield "intent.qty", f"is missing: {action} needs a quantity"
        return
    if mode is None:
        yield (
            "intent.qty_mode",
            "is missing: say which unit the quantity has (lots, units, contracts, risk_pct, ...)",
        )
    if action is Action.TARGET:
        if intent.side is not None and qty < 0:
            yield "intent.qty", "must not be negative when side is given: give a sign or a side"
    elif qty <= 0:
        yield "intent.qty", "must be above 0"
    if mode in _PERCENT_UP_TO_100 and qty.copy_abs() > _HUNDRED:
        yield "intent.qty", f"must be at most 100: {mode} is in percent (1.0 = 1 %)"
    if action is Action.REDUCE and mode is not None and mode not in _REDUCING_MODES:
        yield "intent.qty_mode", "must be one of lots, units, contracts, position_pct for reduce"
    if action is not Action.REDUCE and mode is QtyMode.POSITION_PCT:
        yield "intent.qty_mode", "must not be position_pct: that is for reduce only"


def _prices(intent: Intent) -> Iterator[tuple[str, str]]:
    if intent.type is OrderType.LIMIT:
        if intent.price is None:
            yield "intent.price", "is missing: a limit order needs a price"
        if intent.stop_price is not None:
            yield "intent.stop_price", "must be absent: a limit order has only a price"
    if intent.type is OrderType.STOP:
        if intent.price is None and intent.stop_price is None:
            yield "intent.stop_price", "is missing: a stop order needs a stop_price"
        if intent.price is not None and intent.stop_price is not None:
            yield "intent.price", "must be absent beside stop_price: a stop order has one price"
    if intent.tif == "gtd" and intent.expires_at is None:
        yield "intent.expires_at", "is missing: tif gtd needs the time when the order expires"


def _mode_and_value(path: str, given: StopLoss | Target | Trail) -> Iterator[tuple[str, str]]:
    if given.mode == "none" and given.value is not None:
        yield f"{path}.value", "must be absent: the mode is none"
    if given.mode != "none" and given.value is None:
        yield f"{path}.value", f"is missing: {given.mode} needs a value"


def _stop_loss(stop: StopLoss | None) -> Iterator[tuple[str, str]]:
    if stop is None:
        return
    yield from _mode_and_value("intent.sl", stop)
    if stop.mode == "pct" and stop.value is not None and stop.value >= _HUNDRED:
        yield "intent.sl.value", "must be below 100: pct is in percent of the price (1.0 = 1 %)"


def _targets(intent: Intent) -> Iterator[tuple[str, str]]:
    targets = intent.tp or ()
    for index, target in enumerate(targets):
        path = f"intent.tp[{index}]"
        yield from _mode_and_value(path, target)
        if target.mode == "rr" and intent.sl is not None and intent.sl.mode == "none":
            yield f"{path}.mode", "must not be rr: without a stop there is no distance to multiply"
        if target.portion is not None and target.portion > 1:
            yield f"{path}.portion", "must be at most 1 (1 = the whole quantity)"
        if len(targets) > 1 and target.mode == "none":
            yield f"{path}.mode", "must not be none beside other targets"
        if len(targets) > 1 and target.portion is None:
            yield f"{path}.portion", "is missing: each of several targets needs its share of the quantity"
    if reduce(_EXACT.add, (target.portion or Decimal(0) for target in targets), Decimal(0)) > 1:
        yield "intent.tp", "has portions that add up to more than 1 (1 = the whole quantity)"


def _trail(trail: Trail | None) -> Iterator[tuple[str, str]]:
    if trail is not None:
        yield from _mode_and_value("intent.trail", trail)


def _break_even(be: BreakEven | None) -> Iterator[tuple[str, str]]:
    if be is None:
        return
    if be.mode == "none" and (be.trigger is not None or be.plus is not None):
        yield "intent.be.mode", "must be absent beside trigger or plus: none removes the break-even"
    if be.mode is None and be.trigger is None:
        yield "intent.be.trigger", "is missing: say at which profit the stop moves"


def _weight(value: Any) -> int:
    """Bytes of text in `meta`: names and texts as UTF-8, 8 for anything else."""
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, dict):
        return sum(len(name.encode()) + _weight(item) for name, item in value.items())
    if isinstance(value, list | tuple):
        return sum(8 + _weight(item) for item in value)
    return 8
