"""What may be lost or won: a trade, a day, a week, down to a floor, and how much of the profit is one day's.

The arithmetic is floors.py, the same that watches open accounts. Before an order the worst case counts: what is lost
already, what open positions still lose at their stops, what is on its way, and this order. Touching is reaching."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from shared.models.context import RiskState
from shared.models.limits import Consistency, RuleScope
from shared.models.reasons import Reason
from shared.risk import floors
from shared.risk.decision import Denied
from shared.risk.floors import Money, Standing, Unarmed
from shared.risk.grid import shown
from shared.risk.money import conversion_unknown, known_base
from shared.risk.open_risk import AtRisk
from shared.risk.resets import week_ends
from shared.risk.rules.base import OFF, Judged, Verdict, compared, moment, tightest, unknown
from shared.risk.rules.case import Case

_Stand = Callable[[RiskState, Any, Money], Standing | Unarmed]
_UNBOUND = Decimal("Infinity")
"""What a share leaves that only warns: what another scope caps is told before it."""
_GROWS = frozenset({"daily_loss", "weekly_loss"})
"""A loss grows toward its limit; elsewhere an equity falls toward its floor."""


def risk_per_trade(case: Case) -> Verdict:
    """No trade may lose more at its stop than this share of the smaller of balance and equity."""
    limit_pct = case.ctx.limits.max_risk_per_trade_pct
    if limit_pct is None:
        return OFF
    stopped = [leg for leg in case.limited if leg.protection.stop_loss is not None]
    if not stopped:
        return {"value": "no stop", "limit": shown(limit_pct)}
    base = known_base(case.ctx)
    if base is None:
        return Denied(Reason.BALANCE_UNKNOWN)
    losses = [leg.worst_loss for leg in stopped]
    if None in losses:
        currency = case.ctx.instrument.quote_currency if case.ctx.instrument else "?"
        return conversion_unknown(currency, case.ctx)
    loss = sum((each for each in losses if each is not None), Decimal(0))
    numbers = {"limit": shown(limit_pct), "loss": shown(loss, 2), "base": shown(base, 2)}
    numbers |= {"currency": case.ctx.account.currency}
    if base <= 0:
        return Denied(Reason.MAX_RISK_PER_TRADE, {"value": "all", **numbers})
    share_pct = loss / base * 100
    numbers |= {"value": shown(share_pct, 3), "distance": shown(limit_pct - share_pct, 3)}
    return Denied(Reason.MAX_RISK_PER_TRADE, numbers) if loss * 100 > limit_pct * base else numbers


def daily_loss(case: Case) -> Verdict:
    """Nothing is opened whose worst case, with the day's loss and open risk, reaches the limit less its buffer."""
    columns = [(floors.COLUMNS_SCOPE, each) for each in floors.column_limits(case.ctx.limits)]
    return _before_loss("daily_loss", floors.daily_loss, Reason.DAILY_LOSS, case, columns)


def weekly_loss(case: Case) -> Verdict:
    """Nothing is opened whose worst case, with the week's loss and open risk, reaches the limit less its buffer."""
    return _before_loss("weekly_loss", floors.weekly_loss, Reason.WEEKLY_LOSS, case)


def trailing_drawdown(case: Case) -> Verdict:
    """Nothing is opened whose worst case takes the equity down to the trailing floor; not armed, nothing is opened."""
    return _before_loss("trailing_drawdown", floors.trailing_drawdown, Reason.TRAILING_DRAWDOWN, case)


def static_floor(case: Case) -> Verdict:
    """Nothing is opened whose worst case takes the equity down to the floor under the initial balance."""
    return _before_loss("static_floor", floors.static_drawdown, Reason.STATIC_FLOOR, case)


def daily_profit(case: Case) -> Verdict:
    """Once the day's profit has reached its cap, nothing more is opened that day."""
    return _capped("daily_profit", floors.daily_profit, Reason.DAILY_PROFIT, case)


def consistency(case: Case) -> Verdict:
    """Today earns no larger share of the profit than set; only with action cap entries are denied beyond it."""
    return _capped("consistency", floors.consistency, Reason.CONSISTENCY, case)


def _settings(rule: str, case: Case) -> list[tuple[RuleScope, Any]]:
    found = ((each.scope, getattr(each.rules, rule)) for each in case.ctx.limits.rule_sets)
    return [(scope, setting) for scope, setting in found if setting is not None]


def _before_loss(
    rule: str, stand: _Stand, reason: Reason, case: Case, columns: Sequence[tuple[RuleScope, Any]] = ()
) -> Verdict:
    settings = [*columns, *_settings(rule, case)]
    if not settings:
        return OFF
    return tightest([(scope, _worst_case(rule, stand, reason, setting, case)) for scope, setting in settings])


def _worst_case(rule: str, stand: _Stand, reason: Reason, setting: Any, case: Case) -> Judged:
    standing, risk = _known(rule, stand(case.state, setting, case.money), case), case.at_risk
    if isinstance(standing, Judged):
        return standing
    if risk is None:
        return Judged({"what": "the worst case of what is open"}, None, Reason.BALANCE_UNKNOWN)
    left = standing.after(risk.total)
    return Judged(lambda: _told_before(rule, standing, risk, left, case), left, reason if left <= 0 else None)


def _told_before(rule: str, standing: Standing, risk: AtRisk, left: Decimal, case: Case) -> dict[str, str]:
    grows = rule in _GROWS
    value = standing.value + risk.total if grows else standing.value - risk.total
    numbers = compared(value, standing.limit, left, 2)
    numbers["currency"] = case.ctx.account.currency
    numbers["loss" if grows else "equity"] = shown(standing.value, 2)
    numbers |= case.told_at_risk
    numbers |= _ends(rule, case)
    return numbers


def _capped(rule: str, stand: _Stand, reason: Reason, case: Case) -> Verdict:
    settings = _settings(rule, case)
    return tightest([(scope, _cap(rule, stand, reason, setting, case)) for scope, setting in settings])


def _cap(rule: str, stand: _Stand, reason: Reason, setting: Any, case: Case) -> Judged:
    warns = isinstance(setting, Consistency) and setting.action == "warn"
    standing = _known(rule, stand(case.state, setting, case.money), case)
    if isinstance(standing, Judged):
        return Judged(standing.numbers) if warns else standing

    def tell() -> dict[str, str]:
        numbers = compared(standing.value, standing.limit, standing.distance, 2)
        numbers["currency"] = case.ctx.account.currency
        if isinstance(setting, Consistency):
            numbers |= {"max_pct": shown(setting.max_pct), "action": setting.action}
        return numbers | _with_the_day(case)

    distance = _UNBOUND if warns else standing.distance
    return Judged(tell, distance, reason if standing.reached and not warns else None)


def _known(rule: str, standing: Standing | Unarmed, case: Case) -> Standing | Judged:
    """The standing; or what is said where floors.py lacks a fact, or the equity is not fresh."""
    if isinstance(standing, Unarmed):
        numbers = {**standing.numbers, "asked_by": rule, "why": standing.why}
        return Judged(numbers, None, standing.reason)
    return unknown(case.equity) if isinstance(case.equity, Denied) else standing


def _ends(rule: str, case: Case) -> dict[str, str]:
    """When a denial ends by itself: the day's reset, the week's; a floor stays where it is."""
    account, week = case.ctx.account, case.state.week
    if rule in ("trailing_drawdown", "static_floor"):
        return {}
    if rule == "weekly_loss":
        told = week and week.ends_at
        return {"until": moment(told or week_ends(case.ctx.now, account.reset_time, account.timezone))}
    return _with_the_day(case)


def _with_the_day(case: Case) -> dict[str, str]:
    day = case.state.day
    return {"until": moment(day.ends_at)} if day else {}
