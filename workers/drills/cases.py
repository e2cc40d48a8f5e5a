"""Which drill shows which limit. A limit without a drill is a mistake: a test holds this list against the rules."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from shared.store.drill_rows import DrilledLimit
from workers.drills import counts, money, orders
from workers.drills.shown import Shown
from workers.drills.twin import Twin

Case = Callable[[Twin, DrilledLimit], Awaitable[Shown]]

CASES: Mapping[str, Case] = {
    "max_daily_loss_usd": money.may_lose,
    "max_daily_loss_pct": money.may_lose,
    "max_trades_per_day": counts.trades_per_day,
    "max_open_trades": counts.open_trades,
    "max_concurrent_positions": counts.concurrent_positions,
    "max_order_qty": orders.max_order_qty,
    "max_risk_per_trade_pct": orders.max_risk_per_trade,
    "max_price_deviation_pct": orders.max_price_deviation,
    "stop_required": orders.stop_required,
    "allowed_symbols": orders.allowed_symbols,
    "daily_loss": money.may_lose,
    "weekly_loss": money.may_lose,
    "daily_profit": money.may_win,
    "trailing_drawdown": money.may_lose,
    "static_floor": money.may_lose,
    "max_qty": orders.max_qty,
    "exposure": orders.exposure,
    "margin_use": orders.margin_use,
    "stop_distance": orders.stop_distance,
    "spread": orders.spread,
    "quote_age": orders.quote_age,
    "alert_age": orders.alert_age,
    "cool_down": counts.cool_down,
    "hours": counts.hours,
    "flat_by": counts.flat_by,
    "news": counts.news,
    "consistency": money.may_win,
    "sides": orders.sides,
    "duplicates": counts.duplicates,
}
PAIRS = {"no_opposite": counts.no_opposite}
"""Shown with two accounts of one trader."""
EXACT_MARKET = frozenset({"quote_age"})
"""It needs a market that grows old while it answers, which no simulator's does: an own book."""
QUOTED = frozenset({"spread"})
"""They need a broker that states bid and ask; of one that does not they are shown in an own book."""
HEDGED = frozenset({"max_concurrent_positions", "max_open_trades", "duplicates"})
"""They open several positions of one symbol, which only a hedging account keeps apart."""
