"""What may be lost or won: a trade, a day, a week, down to a floor, and how much of the profit is one day's.

The arithmetic is floors.py, the same that watches open accounts. Before an order the worst case counts: what is lost
already, what open positions still lose at their stops, what is on its way, and this order. Touching is reaching."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from shared.models.command import Leg
from shared.models.context import RiskContext, RiskState
from shared.models.limits import Consistency, RuleScope
from shared.models.reasons import Reason
from shared.risk import floors
from shared.risk.decision import Denied
from shared.risk.floors import Money, Standing, Unarmed
from shared.risk.grid import shown
from shared.risk.money import account_per_usd, conversion_unknown, fresh_equity, known_base
from shared.risk.open_risk import at_risk
from shared.risk.resets import next_time, week_ends
from shared.risk.rules.base import OFF, Judged, Verdict, limited, moment, tightest, unknown

_Stand = Callable[[RiskState, Any, Money], Standing | Unarmed]
_EMPTY = RiskState()


def risk_per_trade(legs: Sequence[Leg], ctx: RiskContext) -> Verdict:
    """No trade may lose more at its stop than this share of the smaller of balance and equity."""
    limit_pct = ctx.limits.max_risk_per_trade_pct
    if limit_pct is None:
        return OFF
    stopped = [leg for leg in limited(legs) if leg.protection.stop_loss is not None]
    if not stopped:
        return {"value": "no stop", "limit": shown(limit_pct)}
    base = known_base(ctx)
    if base is None:
        return Denied(Reason.BALANCE_UNKNOWN)
    losses = [leg.worst_loss for leg in stopped]
    if None in losses:
        currency = ctx.instrument.quote_currency if ctx.instrument else "?"
        return conversion_unknown(currency, ctx)
    loss = sum((each for each in losses if each is not None), Decimal(0))
    numbers = {"limit": shown(limit_pct), "loss": shown(loss, 2), "base": shown(base, 2)}
    numbers |= {"currency": ctx.account.currency}
    if base <= 0:
        return Denied(Reason.MAX_RISK_PER_TRADE, {"value": "all", **numbers})
    share_pct = loss / base * 100
    numbers |= {"value": shown(share_pct, 3), "distance": shown(limit_pct - share_pct, 3)}
    return Denied(Reason.MAX_RISK_PER_TRADE, numbers) if loss * 100 > limit_pct * base else numbers


def daily_loss(legs: Sequence[Leg], ctx: RiskContext) -> Verdict:
    """Nothing is opened whose worst case, with the day's loss and open risk, reaches the limit less its buffer."""
    columns = [(floors.COLUMNS_SCOPE, each) for each in floors.column_limits(ctx.limits)]
    return _before_loss("daily_loss", floors.daily_loss, Reason.DAILY_LOSS, legs, ctx, columns)


def weekly_loss(legs: Sequence[Leg], ctx: RiskContext) -> Verdict:
    """Nothing is opened whose worst case, with the week's loss and open risk, reaches the limit less its buffer."""
    return _before_loss("weekly_loss", floors.weekly_loss, Reason.WEEKLY_LOSS, legs, ctx)


def trailing_drawdown(legs: Sequence[Leg], ctx: RiskContext) -> Verdict:
    """Nothing is opened whose worst case takes the equity down to the trailing floor; not armed, nothing is opened."""
    return _before_loss("trailing_drawdown", floors.trailing_drawdown, Reason.TRAILING_DRAWDOWN, legs, ctx)


def static_floor(legs: Sequence[Leg], ctx: RiskContext) -> Verdict:
    """Nothing is opened whose worst case takes the equity down to the floor under the initial balance."""
    return _before_loss("static_floor", floors.static_drawdown, Reason.STATIC_FLOOR, legs, ctx)


def daily_profit(legs: Sequence[Leg], ctx: RiskContext) -> Verdict:
    """Once the day's profit has reached its cap, nothing more is opened that day."""
    return tightest(_caps("daily_profit", floors.daily_profit, Reason.DAILY_PROFIT, ctx))


def consistency(legs: Sequence[Leg], ctx: RiskContext) -> Verdict:
    """Today earns no larger share of the profit than set; only with action cap entries are denied beyond it."""
    return tightest(_caps("consistency", floors.consistency, Reason.CONSISTENCY, ctx))


def _settings(rule: str, ctx: RiskContext) -> list[tuple[RuleScope, Any]]:
    found = ((each.scope, getattr(each.rules, rule)) for each in ctx.limits.rule_sets)
    return [(scope, setting) for scope, setting in found if setting is not None]


def _before_loss(
    rule: str,
    stand: _Stand,
    reason: Reason,
    legs: Sequence[Leg],
    ctx: RiskContext,
    columns: Sequence[tuple[RuleScope, Any]] = (),
) -> Verdict:
    settings = [*columns, *_settings(rule, ctx)]
    return tightest(_worst_cases(rule, stand, reason, settings, legs, ctx)) if settings else OFF


def _worst_cases(
    rule: str,
    stand: _Stand,
    reason: Reason,
    settings: Sequence[tuple[RuleScope, Any]],
    legs: Sequence[Leg],
    ctx: RiskContext,
) -> Iterator[tuple[RuleScope, Judged]]:
    risk, state, money = at_risk(legs, ctx), _state(ctx), _money(ctx)
    for scope, setting in settings:
        standing = stand(state, setting, money)
        missing = _missing(rule, standing, ctx)
        if missing is not None:
            yield scope, missing
        elif risk is None or isinstance(standing, Unarmed):
            yield scope, Judged({"what": "the worst case of what is open"}, None, Reason.BALANCE_UNKNOWN)
        else:
            left = standing.after(risk.total)
            # A loss grows toward its limit, an equity falls toward its floor.
            grows = rule in ("daily_loss", "weekly_loss")
            value = standing.value + risk.total if grows else standing.value - risk.total
            numbers = _numbers(value, standing.limit, left, ctx)
            numbers["loss" if grows else "equity"] = shown(standing.value, 2)
            numbers |= {"open_risk": shown(risk.open_risk, 2), "order": shown(risk.order, 2)}
            ends = _ends(rule, state, ctx)
            numbers |= {} if ends is None else {"until": moment(ends)}
            yield scope, Judged(numbers, left, reason if left <= 0 else None)


def _caps(rule: str, stand: _Stand, reason: Reason, ctx: RiskContext) -> Iterator[tuple[RuleScope, Judged]]:
    state, money = _state(ctx), _money(ctx)
    for scope, setting in _settings(rule, ctx):
        only_warns = isinstance(setting, Consistency) and setting.action == "warn"
        standing = stand(state, setting, money)
        missing = _missing(rule, standing, ctx)
        if missing is not None or isinstance(standing, Unarmed):
            found = missing or Judged({}, None, Reason.BALANCE_UNKNOWN)
            yield scope, Judged(found.numbers, None) if only_warns else found
            continue
        numbers = _numbers(standing.value, standing.limit, standing.distance, ctx)
        if isinstance(setting, Consistency):
            numbers |= {"max_pct": shown(setting.max_pct), "action": setting.action}
        ends = _ends(rule, state, ctx)
        numbers |= {} if ends is None else {"until": moment(ends)}
        denies = standing.reached and not only_warns
        yield scope, Judged(numbers, standing.distance, reason if denies else None)


def _state(ctx: RiskContext) -> RiskState:
    return _EMPTY if ctx.risk is None else floors.current(ctx.risk, ctx.now)


def _money(ctx: RiskContext) -> Money:
    return Money(ctx.account.equity, account_per_usd(ctx))


def _missing(rule: str, standing: Standing | Unarmed, ctx: RiskContext) -> Judged | None:
    """The fact without which the rule is not asked: what floors.py lacks, or an equity that is not fresh."""
    if isinstance(standing, Unarmed):
        numbers: Mapping[str, str] = {**standing.numbers, "asked_by": rule, "why": standing.why}
        return Judged(numbers, None, standing.reason)
    equity = fresh_equity(ctx)
    return unknown(equity) if isinstance(equity, Denied) else None


def _numbers(value: Decimal, limit: Decimal, left: Decimal, ctx: RiskContext) -> dict[str, str]:
    return {
        "value": shown(value, 2),
        "limit": shown(limit, 2),
        "distance": shown(left, 2),
        "currency": ctx.account.currency,
    }


def _ends(rule: str, state: RiskState, ctx: RiskContext) -> datetime | None:
    """When a denial ends by itself: the day's reset, the week's; a floor stays where it is."""
    account, now = ctx.account, ctx.now
    if rule in ("trailing_drawdown", "static_floor"):
        return None
    if rule == "weekly_loss":
        told = state.week.ends_at if state.week is not None else None
        return told or week_ends(now, account.reset_time, account.timezone)
    return (
        state.day.ends_at if state.day is not None else next_time(now, account.reset_time, account.timezone)
    )
