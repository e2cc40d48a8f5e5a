"""`python -m bench.risk`: what the rules cost an order with every one of them set. Pure, one core.

One JSON line: milliseconds of processor time of one order through `policy.evaluate`, every rule set for the account
(`p50`, `p99`), and every rule set three times, for the user, the broker and the account (`three_scopes_p99`)."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from shared.models.context import (
    Counters,
    Elsewhere,
    InFlight,
    Limits,
    RiskContext,
    RiskState,
    TradingDay,
    TradingWeek,
)
from shared.models.enums import (
    Action,
    Broker,
    Freshness,
    MarginMode,
    OrderStatus,
    OrderType,
    QtyMode,
    Side,
    StopMode,
)
from shared.models.limits import RuleScope, RuleSettings, ScopedRules
from shared.models.market import Instrument, InstrumentKind, Quote
from shared.models.signal import Signal, StopSpec
from shared.models.trading import Account, Position, WorkingOrder
from shared.risk.actions import plan
from shared.risk.decision import Plan
from shared.risk.policy import Approved, evaluate
from workers import collector

ORDERS = 5_000
D = Decimal
NOW = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)
ES = Instrument(
    "ESZ2026", "CON.F.US.EP.Z26", "ES", InstrumentKind.FUTURE, tick_size=D("0.25"), tick_value=D("12.50"),
    qty_step=D(1), qty_min=D(1), qty_max=D(100), contract_size=D(50), quote_currency="USD",
    qty_unit="contracts", commission_per_unit=D("2.80"),
)  # fmt: skip
NQ = replace(ES, symbol="NQZ2026", venue_symbol="CON.F.US.ENQ.Z26", root="NQ", tick_value=D(5))


def main() -> None:
    """Measure and print."""
    print(json.dumps({"risk_ms": measure()}))


def measure(orders: int = ORDERS) -> dict[str, float | int]:
    """p50 and p99 of one order's rules in ms, and how many rules were asked."""
    once, rules = _took(context(("account",)), orders)
    thrice, _ = _took(context(("user", "broker", "account")), orders)
    return {"p50": once[49], "p99": once[98], "three_scopes_p99": thrice[98], "rules": rules}


def _took(ctx: RiskContext, orders: int) -> tuple[list[float], int]:
    """Percentiles in ms of processor time: what others do on the machine meanwhile is no cost of a rule."""
    collector.calm()  # as the worker does
    signal = Signal(
        Action.OPEN, "ES1!", Side.BUY, qty=D(1), qty_mode=QtyMode.CONTRACTS, sl=StopSpec(StopMode.TICKS, D(20)),
        ref_price=D(5000),
    )  # fmt: skip
    planned = plan(signal, ctx)
    assert isinstance(planned, Plan), planned
    first = evaluate(planned, ctx)
    assert isinstance(first, Approved), first
    took = []
    for _ in range(orders):
        began = time.thread_time_ns()
        evaluate(planned, ctx)
        took.append((time.thread_time_ns() - began) / 1_000_000)
    cuts = [round(each, 3) for each in statistics.quantiles(took, n=100)]
    return cuts, sum(1 for check in first.checks if check.asked)


def context(scopes: Sequence[RuleScope]) -> RiskContext:
    """A netting account with three positions, their stops, an entry on its way, and every rule set for each scope."""
    held = tuple(_position(root, number) for number, root in enumerate(("NQ", "RTY", "GC")))
    return RiskContext(
        now=NOW,
        account=_account(),
        instrument=ES,
        quote=Quote("ESZ2026", D("4999.75"), D(5000), NOW - timedelta(seconds=1)),
        positions=held,
        orders=tuple(_stop(each, number) for number, each in enumerate(held)),
        limits=Limits(
            max_order_qty=D(10), max_trades_per_day=50, max_open_trades=20, max_concurrent_positions=10,
            max_daily_loss_usd=D(20000), max_daily_loss_pct=D(20), stop_required=True,
            allowed_symbols=("ES", "NQ"), max_price_deviation_pct=D(1),
            rule_sets=tuple(ScopedRules(scope, RuleSettings.model_validate(RULES, strict=False)) for scope in scopes),
        ),
        counters=Counters(3, 1),
        risk=_state(),
        margin_used=D(20000),
        held={each.root: replace(NQ, symbol=each.symbol, root=each.root) for each in held},
        fired_at=NOW - timedelta(seconds=1),
    )  # fmt: skip


def _account() -> Account:
    return Account(
        id="a", user_id="u", connection_id="c", broker=Broker.PAPER, account_number="1", currency="USD",
        margin_mode=MarginMode.NETTING, environment="simulated", executor="fleet", trading_enabled=True,
        halt_epoch=0, locked_until=None, lock_reason=None, balance=D(150000), equity=D(150000), as_of=NOW,
        freshness=Freshness.FRESH, timezone="America/Chicago", reset_time=clock(17),
    )  # fmt: skip


def _position(root: str, number: int) -> Position:
    return Position(
        account_id="a", venue_position_id=f"p{number}", symbol=f"{root}Z2026", root=root, side=Side.BUY, qty=D(1),
        entry_price=D(20000), unrealized_pnl=D("12.5"), opened_at=NOW, id=number,
    )  # fmt: skip


def _stop(of: Position, number: int) -> WorkingOrder:
    return WorkingOrder(
        account_id="a", symbol=of.symbol, root=of.root, side=Side.SELL, type=OrderType.STOP, qty=D(1),
        filled_qty=D(0), status=OrderStatus.WORKING, venue_order_id=f"o{number}", id=number,
        stop_price=D(19990), reduce_only=True,
    )  # fmt: skip


def _state() -> RiskState:
    start = D(150000)
    began = NOW - timedelta(hours=15)
    return RiskState(
        initial_balance=start,
        day=TradingDay(NOW.date(), began, began + timedelta(days=1), start, start),
        week=TradingWeek(start), high_close=start, peak_equity=start, best_day=D(900), net_profit=D(2000),
        in_flight_loss=D(250), in_flight=(InFlight("ES", Side.BUY, D(1), D(250000)),),
        others=(Elsewhere("b", "ES", Side.BUY, D(1), D(250000)), Elsewhere("c", "GC", Side.SELL, D(1), D(400000))),
    )  # fmt: skip


RULES: dict[str, Any] = {
    "daily_loss": {"limit": 20000, "unit": "usd"},
    "weekly_loss": {"limit": 10, "unit": "pct_of_initial"},
    "daily_profit": {"limit": 9000, "unit": "account"},
    "trailing_drawdown": {
        "kind": "end_of_day", "amount": 20000, "unit": "usd",
        "floor_seed": {"amount": 130000, "on": date(2026, 11, 1), "by": "the trader"},
    },
    "static_floor": {"amount": 20, "unit": "pct_of_initial"},
    "max_qty": {"per_account": 15, "per_symbol": {"ES": 5}, "scaling": [{"profit_from": 0, "per_account": 12}]},
    "exposure": {
        "per_symbol_usd": 5000000, "per_group_usd": 9000000, "groups": {"index": ["ES", "NQ", "RTY", "YM"]},
    },
    "margin_use": {"max_pct": 90, "leverage": 50},
    "stop_distance": {"min_ticks": 4, "min_pct": D("0.01")},
    "spread": {"max_ticks": 4, "max_pct": 1},
    "quote_age": {"max_s": 5},
    "alert_age": {"max_s": 10},
    "cool_down": {"after_losses": 2, "minutes": 30},
    "hours": {
        "calendar": "cme_equity", "tz": "America/Chicago",
        "windows": [{"days": ["mon", "tue", "wed", "thu", "fri"], "from": "08:00", "to": "15:00"}],
    },
    "flat_by": {"time": "15:05", "tz": "America/Chicago", "no_entry_from": "14:55"},
    "news": {"calendar": "us_high_impact", "before_min": 5, "after_min": 5},
    "no_opposite": {},
    "consistency": {"max_pct": 90},
    "sides": {"allowed": ["buy", "sell"]},
    "duplicates": {"window_s": 10},
}  # fmt: skip

if __name__ == "__main__":
    main()
