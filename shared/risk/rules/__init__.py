"""The rules, one function each: its docstring is what the rule promises, its numbers are what a trace shows.

No rule is asked about a plan that only reduces: exits are never refused (policy.evaluate)."""

from shared.risk.rules.base import OFF, Rule, Verdict
from shared.risk.rules.clock import alert_age, flat_by, hours, news
from shared.risk.rules.counts import concurrent_positions, cool_down, duplicates, open_trades, trades_per_day
from shared.risk.rules.exposure import exposure
from shared.risk.rules.market import price_near_alert, quote_age, spread, stop_distance, stop_required
from shared.risk.rules.money import (
    consistency,
    daily_loss,
    daily_profit,
    risk_per_trade,
    static_floor,
    trailing_drawdown,
    weekly_loss,
)
from shared.risk.rules.size import margin_use, max_qty, no_opposite, order_size, sides, symbol_allowed
from shared.risk.rules.state import (
    account_enabled,
    account_unlocked,
    kill_switch,
    no_unresolved_order,
    positions_known,
)

RULES: tuple[Rule, ...] = (
    kill_switch, account_enabled, account_unlocked, no_unresolved_order, positions_known,
    alert_age, hours, flat_by, news,
    symbol_allowed, sides, order_size, max_qty, exposure, margin_use, no_opposite,
    trades_per_day, open_trades, concurrent_positions, cool_down, duplicates,
    stop_required, stop_distance, quote_age, spread, price_near_alert,
    risk_per_trade, daily_loss, weekly_loss, trailing_drawdown, static_floor, daily_profit, consistency,
)  # fmt: skip
"""In the order in which they are asked; the first that denies names the reason, all are in the trace."""

__all__ = ["OFF", "RULES", "Rule", "Verdict"]
