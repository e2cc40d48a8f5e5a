"""docs/risk.md: every rule as it promises itself, its settings with units and bounds, and every denial in words."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from decimal import Decimal
from types import ModuleType

from shared.models.limits import RuleField, RuleSettings, rule_fields, rule_model
from shared.models.reasons import Reason
from shared.risk.calendars import HOURS, NEWS
from shared.risk.grid import shown
from shared.risk.rules import RULES, Rule
from shared.risk.wording import WORDS

_COLUMNS = {
    "symbol_allowed": "`allowed_symbols` (also of an endpoint)",
    "order_size": "`max_order_qty` (also `max_qty` of an endpoint)",
    "trades_per_day": "`max_trades_per_day`",
    "open_trades": "`max_open_trades`",
    "concurrent_positions": "`max_concurrent_positions`",
    "stop_required": "`stop_required`; what follows where a position has lost its stop all the same: `naked_policy` "
    "(`close`, `alarm`; absent: `close` where a stop is required)",
    "price_near_alert": "`max_price_deviation_pct`",
    "risk_per_trade": "`max_risk_per_trade_pct` (5 where nobody set one)",
    "daily_loss": "`max_daily_loss_usd`, `max_daily_loss_pct` (of the day's start) or the rule `daily_loss`",
}
"""Rules that settings of their own name besides `rules`."""
_DENIES: dict[str, Sequence[Reason]] = {
    "kill_switch": (Reason.KILL_SWITCH,),
    "account_enabled": (Reason.ACCOUNT_DISABLED,),
    "account_unlocked": (Reason.ACCOUNT_LOCKED,),
    "no_unresolved_order": (Reason.UNRESOLVED_ORDER,),
    "positions_known": (Reason.POSITION_UNKNOWN,),
    "alert_age": (Reason.ALERT_TOO_OLD,),
    "hours": (Reason.OUTSIDE_HOURS, Reason.MARKET_HOLIDAY, Reason.NO_CALENDAR_DATA),
    "flat_by": (Reason.FLAT_BY,),
    "news": (Reason.NEWS_BLACKOUT, Reason.NO_CALENDAR_DATA),
    "symbol_allowed": (Reason.SYMBOL_NOT_ALLOWED,),
    "sides": (Reason.SIDE_NOT_ALLOWED,),
    "order_size": (Reason.MAX_ORDER_SIZE,),
    "max_qty": (Reason.MAX_QTY, Reason.INITIAL_UNKNOWN, Reason.DAY_START_UNKNOWN),
    "exposure": (Reason.EXPOSURE, Reason.INSTRUMENT_UNKNOWN, Reason.CONVERSION_UNKNOWN, Reason.NO_QUOTE),
    "margin_use": (Reason.MARGIN_USE, Reason.INSTRUMENT_UNKNOWN, Reason.BALANCE_UNKNOWN),
    "no_opposite": (Reason.OPPOSITE_ELSEWHERE,),
    "trades_per_day": (Reason.MAX_TRADES_PER_DAY,),
    "open_trades": (Reason.MAX_OPEN_TRADES,),
    "concurrent_positions": (Reason.MAX_CONCURRENT_POSITIONS,),
    "cool_down": (Reason.COOL_DOWN,),
    "duplicates": (Reason.DUPLICATE_INTENT,),
    "stop_required": (Reason.STOP_REQUIRED,),
    "stop_distance": (Reason.STOP_DISTANCE, Reason.NO_QUOTE),
    "quote_age": (Reason.QUOTE_STALE, Reason.NO_QUOTE),
    "spread": (Reason.SPREAD_TOO_WIDE, Reason.NO_QUOTE),
    "price_near_alert": (Reason.PRICE_DEVIATION, Reason.NO_QUOTE),
    "risk_per_trade": (Reason.MAX_RISK_PER_TRADE, Reason.BALANCE_UNKNOWN, Reason.CONVERSION_UNKNOWN),
    "daily_loss": (Reason.DAILY_LOSS, Reason.DAY_START_UNKNOWN, Reason.BALANCE_UNKNOWN),
    "weekly_loss": (Reason.WEEKLY_LOSS, Reason.DAY_START_UNKNOWN, Reason.BALANCE_UNKNOWN),
    "trailing_drawdown": (Reason.TRAILING_DRAWDOWN, Reason.DRAWDOWN_NOT_ARMED, Reason.INITIAL_UNKNOWN),
    "static_floor": (Reason.STATIC_FLOOR, Reason.INITIAL_UNKNOWN),
    "daily_profit": (Reason.DAILY_PROFIT, Reason.DAY_START_UNKNOWN),
    "consistency": (Reason.CONSISTENCY, Reason.DAY_START_UNKNOWN),
}
"""What each rule denies with; the facts it may lack come last."""
_LOOSER = {
    "higher": "higher", "lower": "lower", "any": "any change", "superset": "more of them", "subset": "fewer",
}  # fmt: skip

_HEAD = """# Limits

Made by `make exports` from the rules, their settings and their sentences; do not edit.

A limit is set for you, for one of your brokers or for an account, with `set_risk`. Before an order all three are
asked and the tightest decides; `empire trace` names it. Nothing set = no limit, 0 = nothing allowed. Percent is
percent: 1 is one percent. Tightening counts at once, loosening after your delay and with a second factor.

**Exits are never refused**: no rule here is asked about a close, a reduction, a cancel or a flatten. Moving a stop
away, or removing it, counts as an entry.

A rule that lacks a fact (a balance that could not be read, a day whose start nobody saw, a calendar without data)
denies: it never guesses. Money is in the account's currency and at most 5 seconds old when a money rule is asked.
Touching a loss limit or a floor is reaching it; any other limit may be reached and not passed.
"""
_SAID_LAST = frozenset({Reason.STOP_REQUIRED})
"""Reasons whose first words belong to something else than a rule: their last ones are shown."""


def risk_page() -> str:
    """The page as Markdown."""
    parts = [_HEAD]
    for module, rules in _families():
        parts += [f"## {_first_line(module)}", ""]
        for rule in rules:
            parts += [*_rule(rule), ""]
    parts += [*_calendars()]
    return "\n".join(parts).rstrip() + "\n"


def reasons_on_the_page() -> dict[str, Sequence[Reason]]:
    """What each rule is said to deny with."""
    return _DENIES


def _families() -> Iterator[tuple[ModuleType, list[Rule]]]:
    """Rules by the file they stand in, in the order in which the first of each is asked."""
    found: dict[ModuleType, list[Rule]] = {}
    for rule in RULES:
        module = inspect.getmodule(rule)
        assert module is not None
        found.setdefault(module, []).append(rule)
    yield from found.items()


def _first_line(documented: object) -> str:
    return (inspect.getdoc(documented) or "").split("\n")[0].rstrip(".")


def _rule(rule: Rule) -> Iterator[str]:
    name = rule.__name__
    yield f"### {name}"
    yield ""
    yield " ".join((inspect.getdoc(rule) or "").split())
    if name in _COLUMNS:
        yield ""
        yield f"Set by {_COLUMNS[name]}."
    if name in RuleSettings.model_fields:
        yield from _settings(name)
    yield ""
    for reason in _DENIES[name]:
        words = WORDS[reason]
        said = words.what[-1 if reason in _SAID_LAST else 0]
        yield f"- `{reason}`: {_plain(said)} {words.advice.format()}"


def _settings(name: str) -> Iterator[str]:
    model = rule_model(name)
    own = inspect.getdoc(model) if "__doc__" in model.__dict__ and model.__doc__ else None
    if own:
        yield ""
        yield " ".join(own.split())
    fields = [each for each in rule_fields() if each.rule == name]
    yield ""
    yield "| field | is | unit | from | to | looser | when absent |"
    yield "|---|---|---|---|---|---|---|"
    for field in fields:
        yield _field(field)


def _field(field: RuleField) -> str:
    kind = ", ".join(f"`{each}`" for each in field.choices) if field.choices else field.type
    cells = [
        f"`{field.field}`", kind, field.unit, _number(field.minimum), _number(field.maximum),
        _LOOSER[field.looser], _absent(field),
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _number(value: Decimal | None) -> str:
    return "" if value is None else shown(value)


def _absent(field: RuleField) -> str:
    """What an absent field means."""
    if field.required:
        return "must be there"
    infos = rule_model(field.rule).model_fields
    info = next(info for name, info in infos.items() if (info.alias or name) == field.field)
    return "not set" if info.default is None else f"`{info.default}`"


def _plain(template: str) -> str:
    """A sentence with the names of its numbers, as a trader may read it."""
    return template.replace("{", "*").replace("}", "*")


def _calendars() -> Iterator[str]:
    yield "## Calendars"
    yield ""
    yield "What `hours.calendar` and `news.calendar` may name. After the last day a rule that names it denies."
    yield ""
    yield "| name | what | complete until | source | as of |"
    yield "|---|---|---|---|---|"
    for each in (*HOURS.values(), *NEWS.values()):
        until = "for ever" if each.valid_until is None else each.valid_until.isoformat()
        note = f" {each.note}" if each.note else ""
        yield f"| `{each.name}` | {each.title}.{note} | {until} | {each.source} | {each.dated} |"
