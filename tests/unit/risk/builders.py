"""The accounts, instruments and positions the tests of shared/risk talk about. Numbers as real brokers
state them.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from shared.models.context import (
    EndpointRules,
    Limits,
    RiskContext,
    RiskState,
    TradingDay,
    TradingDefaults,
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

D = Decimal
NOW = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)
BUY, SELL = Side.BUY, Side.SELL
ENDPOINT = EndpointRules(id="e")
HEDGING, NETTING = MarginMode.HEDGING, MarginMode.NETTING

EURUSD = Instrument(
    symbol="EURUSD", venue_symbol="EURUSD.x", root="EURUSD", kind=InstrumentKind.FOREX,
    tick_size=D("0.00001"), tick_value=D(1), qty_step=D("0.01"), qty_min=D("0.01"), qty_max=D(50),
    contract_size=D(100000), quote_currency="USD", base_currency="EUR",
)  # fmt: skip
USDJPY = replace(
    EURUSD, symbol="USDJPY", venue_symbol="USDJPY.x", root="USDJPY", tick_size=D("0.001"), tick_value=D(100),
    quote_currency="JPY", base_currency="USD",
)  # fmt: skip
XAUUSD = replace(
    EURUSD, symbol="XAUUSD", venue_symbol="XAUUSD.x", root="XAUUSD", kind=InstrumentKind.METAL,
    tick_size=D("0.01"), tick_value=D(1), contract_size=D(100), base_currency="XAU",
)  # fmt: skip
MNQ = Instrument(
    symbol="MNQZ6", venue_symbol="CON.F.US.MNQ.Z26", root="MNQ", kind=InstrumentKind.FUTURE,
    tick_size=D("0.25"), tick_value=D("0.50"), qty_step=D(1), qty_min=D(1), qty_max=D(100),
    contract_size=D(2), quote_currency="USD", qty_unit="contracts", commission_per_unit=D("0.74"),
)  # fmt: skip

PRICES = {"EURUSD": ("1.09990", "1.10000"), "USDJPY": ("149.990", "150.000")}
PRICES |= {"XAUUSD": ("2399.80", "2400.00"), "MNQZ6": ("19999.75", "20000.00")}


def quote(instrument: Instrument = EURUSD, age_s: int = 0) -> Quote:
    bid, ask = PRICES[instrument.symbol]
    return Quote(instrument.symbol, D(bid), D(ask), NOW - timedelta(seconds=age_s))


def account(mode: MarginMode = HEDGING, **changes: Any) -> Account:
    plain = Account(
        id="a", user_id="u", connection_id="c", broker=Broker.PAPER, account_number="1", currency="USD",
        margin_mode=mode, environment="simulated", executor="fleet", trading_enabled=True, halt_epoch=0,
        locked_until=None, lock_reason=None, balance=D(10000), equity=D(10000), as_of=NOW,
        freshness=Freshness.FRESH,
    )  # fmt: skip
    return replace(plain, **changes)


def context(
    mode: MarginMode = HEDGING,
    *,
    positions: tuple[Position, ...] = (),
    orders: tuple[WorkingOrder, ...] = (),
    instrument: Instrument | None = EURUSD,
    endpoint: EndpointRules = ENDPOINT,
    **changes: Any,
) -> RiskContext:
    plain = RiskContext(
        now=NOW, account=account(mode), instrument=instrument, quote=quote(instrument) if instrument else
        None, positions=positions, orders=orders, endpoint=endpoint,
    )  # fmt: skip
    return replace(plain, **changes)


def position(
    side: Side = BUY,
    qty: str = "1",
    *,
    symbol: str = "EURUSD",
    number: int = 1,
    entry: str = "1.10000",
    **changes: Any,
) -> Position:
    plain = Position(
        account_id="a", venue_position_id=f"p{number}", symbol=symbol, root=changes.pop("root", symbol),
        side=side, qty=D(qty), entry_price=D(entry), opened_at=NOW - timedelta(hours=10 - number),
        endpoint_id="e", id=number, )  # fmt: skip
    return replace(plain, **changes)


def order(
    side: Side = BUY, qty: str = "1", *, type_: OrderType = OrderType.LIMIT, number: int = 1, **changes: Any
) -> WorkingOrder:
    symbol = changes.pop("symbol", "EURUSD")
    plain = WorkingOrder(
        account_id="a", symbol=symbol, root=changes.pop("root", symbol), side=side, type=type_, qty=D(qty),
        filled_qty=D(0), status=OrderStatus.WORKING, venue_order_id=f"o{number}",
        client_order_id=f"c{number}", id=number, price=D("1.09000") if type_ is OrderType.LIMIT else None,
        stop_price=D("1.11000") if type_ is OrderType.STOP else None, endpoint_id="e",
    )  # fmt: skip
    return replace(plain, **changes)


def guard(of: Position, type_: OrderType, number: int = 9, **changes: Any) -> WorkingOrder:
    """A stop or target order that protects a position."""
    own: dict[str, Any] = {
        "symbol": of.symbol,
        "root": of.root,
        "reduce_only": True,
        "position_id": of.venue_position_id,
    }
    return replace(order(of.side.opposite, str(of.qty), type_=type_, number=number), **(own | changes))


def signal(action: Action, side: Side | None = None, qty: str | None = None, **changes: Any) -> Signal:
    mode = changes.pop("mode", QtyMode.LOTS if qty is not None else None)
    symbol = changes.pop("symbol", "EURUSD")
    return Signal(action, symbol, side, qty_mode=mode, qty=None if qty is None else D(qty), **changes)


def stop(mode: StopMode, value: str | None = None, portion: str | None = None) -> StopSpec:
    return StopSpec(mode, None if value is None else D(value), None if portion is None else D(portion))


def risk_state(start: str = "10000", **changes: Any) -> RiskState:
    """An account whose day and week began with `start`, of which nothing is missing."""
    began = NOW.replace(hour=0, minute=0)
    day = TradingDay(NOW.date(), began, began + timedelta(days=1), D(start), D(start))
    plain = RiskState(initial_balance=D(10000), day=day, week=TradingWeek(D(start)), high_close=D(10000),
        peak_equity=D(10000), best_day=D(0), net_profit=D(0))  # fmt: skip
    return replace(plain, **changes)


def scoped(scope: RuleScope = "account", **rules: Any) -> ScopedRules:
    """The rules of one scope, as JSON has them."""
    return ScopedRules(scope, RuleSettings.model_validate(rules, strict=False))


def limits(**changes: Any) -> Limits:
    given: dict[str, Any] = {
        name: D(each) if isinstance(each, str) else each for name, each in changes.items()
    }
    return Limits(**given)


__all__ = [
    "BUY", "EURUSD", "HEDGING", "MNQ", "NETTING", "NOW", "SELL", "USDJPY", "XAUUSD", "D", "EndpointRules",
    "TradingDefaults", "account", "context", "guard", "limits", "order", "position", "quote", "risk_state", "scoped",
    "signal",
    "stop", ]  # fmt: skip
