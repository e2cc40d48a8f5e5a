"""Where the money rules stand: the day's and the week's loss, floors, caps. Pure arithmetic.

Entry rules and the watch of open accounts ask the same functions here, so that what denies and what flattens can
never disagree. Money is in the account's currency. A fact that is missing is a value, `Unarmed`, never a guess:
entries are denied with its reason, and nothing is flattened on it. Touching a threshold counts as reaching it."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal
from functools import lru_cache
from typing import Any, Final, NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from shared.models.context import Limits, RiskState
from shared.models.limits import (
    Consistency,
    DailyLoss,
    DailyProfit,
    DayUnit,
    RuleScope,
    StaticFloor,
    TrailingDrawdown,
    WeeklyLoss,
)
from shared.models.reasons import Reason

HUNDRED: Final = Decimal(100)
CENT: Final = Decimal("0.01")
COLUMNS_SCOPE: Final[RuleScope] = "account"
"""Whose the limits in the columns are said to be: they are merged, the tightest of all three, per account."""


class Unarmed(Struct, frozen=True):
    """A rule that lacks a fact and can be neither kept nor broken. `why` says which fact, in words."""

    reason: Reason
    why: str
    numbers: Mapping[str, str] = field(default_factory=dict)


class Standing(NamedTuple):
    """Where one money rule stands.

    `value` is what the rule watches (a loss, a profit, or the equity itself), `limit` the threshold it may not
    touch, `distance` what is left until it does (<= 0 = reached): for a loss or a floor what can still be lost,
    for a cap what can still be won.
    """

    value: Decimal
    limit: Decimal
    distance: Decimal
    touching: bool = True

    @property
    def reached(self) -> bool:
        """True when the threshold is touched or passed; passed only, where `touching` is allowed."""
        return self.distance <= 0 if self.touching else self.distance < 0

    def after(self, loss: Decimal) -> Decimal:
        """What is left once `loss` more is lost: open risk, entries on their way, an order's worst case."""
        return self.distance - loss


class Money(Struct, frozen=True):
    """The account now: its equity, and account currency per US dollar. None = not known."""

    equity: Decimal | None
    per_usd: Decimal | None = None


def current(state: RiskState, now: datetime) -> RiskState:
    """The state without a day or week that has ended: what counts from its start is not known any more."""
    day, week = state.day, state.week
    day_over = day is not None and day.ends_at <= now
    week_over = week is not None and week.ends_at is not None and week.ends_at <= now
    if not day_over and not week_over:
        return state
    return replace(state, day=None if day_over else day, week=None if week_over else week)


# --- the day and the week -----------------------------------------------------------------------------------------


def day_reference(state: RiskState, base: str) -> Decimal | Unarmed:
    """What the day's loss counts from: `balance` or `equity` at the reset, or the higher of both (`max`)."""
    day = state.day
    if day is None:
        return Unarmed(Reason.DAY_START_UNKNOWN, "the account was not read at the day's reset")
    figures = {"balance": day.start_balance, "equity": day.start_equity}
    asked = figures if base == "max" else {base: figures[base]}
    known = [each for each in asked.values() if each is not None]
    if len(known) < len(asked):
        missing = " and ".join(name for name, each in asked.items() if each is None)
        return Unarmed(Reason.DAY_START_UNKNOWN, f"the {missing} at the day's reset is not known")
    return max(known)


def loss_of_day(state: RiskState, setting: DailyLoss, equity: Decimal) -> Decimal | Unarmed:
    """Reference at the reset - equity now + deposits - withdrawals; negative = profit."""
    reference = day_reference(state, setting.reference)
    if isinstance(reference, Unarmed) or state.day is None:
        return reference
    return reference + state.day.flows - equity


def profit_of_day(state: RiskState, equity: Decimal) -> Decimal | Unarmed:
    """Equity now - the lower of balance and equity at the reset - deposits + withdrawals: never too small."""
    day = state.day
    if day is None or day.start_balance is None or day.start_equity is None:
        return Unarmed(Reason.DAY_START_UNKNOWN, "the account was not read at the day's reset")
    return equity - day.flows - min(day.start_balance, day.start_equity)


def loss_of_week(state: RiskState, equity: Decimal) -> Decimal | Unarmed:
    """Equity at the week's first reset - equity now + deposits - withdrawals; negative = profit."""
    week = state.week
    if week is None or week.start_equity is None:
        return Unarmed(Reason.DAY_START_UNKNOWN, "the account was not read at the week's first reset")
    return week.start_equity + week.flows - equity


def daily_loss(state: RiskState, setting: DailyLoss, money: Money) -> Standing | Unarmed:
    """The day's loss against its limit less the buffer."""
    if money.equity is None:
        return _equity_unknown()
    loss = loss_of_day(state, setting, money.equity)
    base = day_reference(state, setting.reference)
    limit = in_money(setting.limit, setting.unit, state, money, base)
    return _loss_standing(loss, limit, setting.buffer_pct)


def weekly_loss(state: RiskState, setting: WeeklyLoss, money: Money) -> Standing | Unarmed:
    """The week's loss against its limit less the buffer."""
    if money.equity is None:
        return _equity_unknown()
    loss = loss_of_week(state, money.equity)
    return _loss_standing(loss, in_money(setting.limit, setting.unit, state, money), setting.buffer_pct)


def daily_profit(state: RiskState, setting: DailyProfit, money: Money) -> Standing | Unarmed:
    """The day's profit against its cap: `distance` is what can still be won before it is reached."""
    if money.equity is None:
        return _equity_unknown()
    profit = profit_of_day(state, money.equity)
    limit = in_money(setting.limit, setting.unit, state, money, day_reference(state, "max"))
    if isinstance(profit, Unarmed):
        return profit
    return limit if isinstance(limit, Unarmed) else Standing(profit, limit, limit - profit)


def _loss_standing(
    loss: Decimal | Unarmed, limit: Decimal | Unarmed, buffer_pct: Decimal
) -> Standing | Unarmed:
    if isinstance(loss, Unarmed):
        return loss
    if isinstance(limit, Unarmed):
        return limit
    threshold = limit - limit * buffer_pct / HUNDRED
    return Standing(loss, threshold, threshold - loss)


# --- floors -------------------------------------------------------------------------------------------------------


def trailing_floor(state: RiskState, setting: TrailingDrawdown, money: Money) -> Decimal | Unarmed:
    """The equity at which a trailing drawdown is broken. It never falls, and never passes its `cap`.

    End of day: min(cap, max(start, highest day-close balance) - amount). Intraday: the same with the highest
    equity. What the account reached before it was watched is unknown: without `floor_seed` (the floor as it was
    when the rule was set, and by whom) the rule is not armed.
    """
    seed = setting.floor_seed
    if seed is None:
        return Unarmed(
            Reason.DRAWDOWN_NOT_ARMED, "the highest balance before the account was watched is not known"
        )
    amount = in_money(setting.amount, setting.unit, state, money)
    start = setting.start if setting.start is not None else state.initial_balance
    if start is None:
        return Unarmed(Reason.INITIAL_UNKNOWN, "the account's initial balance is not known")
    if isinstance(amount, Unarmed):
        return amount
    earned = max(seed.amount, _peak(state, setting.kind, start, money) - amount)
    return earned if setting.cap is None else min(setting.cap, earned)


def _peak(state: RiskState, kind: str, start: Decimal, money: Money) -> Decimal:
    seen = (state.high_close,) if kind == "end_of_day" else (state.peak_equity, money.equity)
    return max([start, *(each for each in seen if each is not None)])


def static_floor(state: RiskState, setting: StaticFloor, money: Money) -> Decimal | Unarmed:
    """Initial balance - amount: the same floor for as long as the account lives."""
    amount = in_money(setting.amount, setting.unit, state, money)
    if isinstance(amount, Unarmed):
        return amount
    if state.initial_balance is None:
        return Unarmed(Reason.INITIAL_UNKNOWN, "the account's initial balance is not known")
    return state.initial_balance - amount


def trailing_drawdown(state: RiskState, setting: TrailingDrawdown, money: Money) -> Standing | Unarmed:
    """The equity now against the trailing floor and its buffer above it."""
    return _above(trailing_floor(state, setting, money), _buffer(setting, state, money), money)


def static_drawdown(state: RiskState, setting: StaticFloor, money: Money) -> Standing | Unarmed:
    """The equity now against the static floor and its buffer above it."""
    return _above(static_floor(state, setting, money), _buffer(setting, state, money), money)


def _buffer(setting: TrailingDrawdown | StaticFloor, state: RiskState, money: Money) -> Decimal | Unarmed:
    amount = in_money(setting.amount, setting.unit, state, money)
    return amount if isinstance(amount, Unarmed) else amount * setting.buffer_pct / HUNDRED


def _above(floor: Decimal | Unarmed, buffer: Decimal | Unarmed, money: Money) -> Standing | Unarmed:
    if isinstance(floor, Unarmed):
        return floor
    if isinstance(buffer, Unarmed):
        return buffer
    if money.equity is None:
        return _equity_unknown()
    threshold = floor + buffer
    return Standing(money.equity, threshold, money.equity - threshold)


# --- consistency --------------------------------------------------------------------------------------------------


def consistency(state: RiskState, setting: Consistency, money: Money) -> Standing | Unarmed:
    """Today's profit against what one day may earn: `max_pct` of all net profit, today's included.

    With S earned on the days before and a share m, today's p keeps the rule while p <= m * (S + p), which is
    p <= S * m / (1 - m). As much as an earlier best day is always allowed (today is not the best day then), and
    with a profit `target` the share of that target: it is what the whole will be measured by. The line itself is
    allowed. `distance` is what can still be won today.
    """
    if money.equity is None:
        return _equity_unknown()
    today = profit_of_day(state, money.equity)
    if isinstance(today, Unarmed):
        return today
    share = setting.max_pct / HUNDRED
    earned = max(state.net_profit or Decimal(0), Decimal(0))
    allowed = max(
        (earned * share / (1 - share)).quantize(CENT, ROUND_FLOOR),
        state.best_day or Decimal(0),
        (setting.target or Decimal(0)) * share,
    )
    return Standing(today, allowed, allowed - today, touching=False)


# --- all of them --------------------------------------------------------------------------------------------------


def in_money(
    amount: Decimal,
    unit: str,
    state: RiskState,
    money: Money,
    day_start: Decimal | Unarmed | None = None,
) -> Decimal | Unarmed:
    """An amount of a setting in account currency. `unit`: usd, account, pct_of_initial or pct_of_day_start."""
    if unit == "account":
        return amount
    if unit == "usd":
        rate = money.per_usd
        return amount * rate if rate is not None else _no_rate()
    if unit == "pct_of_initial":
        base: Decimal | Unarmed | None = state.initial_balance
    else:
        base = day_start
    if base is None:
        return Unarmed(Reason.INITIAL_UNKNOWN, "the account's initial balance is not known")
    return base if isinstance(base, Unarmed) else base * amount / HUNDRED


def standings(
    limits: Limits, state: RiskState, money: Money
) -> Iterator[tuple[RuleScope, str, Standing | Unarmed]]:
    """Where every money rule of every scope stands, by scope and the rule's name."""
    for daily in column_limits(limits):
        yield COLUMNS_SCOPE, "daily_loss", daily_loss(state, daily, money)
    for each in limits.rule_sets:
        for rule, ask in _RULES.items():
            setting = getattr(each.rules, rule)
            if setting is not None:
                yield each.scope, rule, ask(state, setting, money)


def column_limits(limits: Limits) -> tuple[DailyLoss, ...]:
    """The daily loss of the settings' own columns, in the words of the rule: of the higher reference, 10 % kept."""
    columns: tuple[tuple[Decimal | None, DayUnit], ...] = (
        (limits.max_daily_loss_usd, "usd"),
        (limits.max_daily_loss_pct, "pct_of_day_start"),
    )
    return tuple(_column(limit, unit) for limit, unit in columns if limit is not None)


@lru_cache(maxsize=1024)
def _column(limit: Decimal, unit: DayUnit) -> DailyLoss:
    return DailyLoss.model_construct(limit=limit, unit=unit)


_RULES: Final[Mapping[str, Callable[[RiskState, Any, Money], Standing | Unarmed]]] = {
    "daily_loss": daily_loss,
    "weekly_loss": weekly_loss,
    "trailing_drawdown": trailing_drawdown,
    "static_floor": static_drawdown,
    "daily_profit": daily_profit,
    "consistency": consistency,
}


def _equity_unknown() -> Unarmed:
    return Unarmed(Reason.BALANCE_UNKNOWN, "the account's equity is not known")


def _no_rate() -> Unarmed:
    return Unarmed(Reason.CONVERSION_UNKNOWN, "there is no rate from USD to the account's currency")
