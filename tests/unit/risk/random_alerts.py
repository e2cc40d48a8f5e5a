"""Random alerts, markets and accounts: half of them wild, half such that orders really come of them."""

from decimal import Decimal
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from msgspec.structs import replace

from shared.models.context import Counters, EndpointRules, Limits, RiskContext, TradingDefaults
from shared.models.enums import (
    Action,
    Freshness,
    MarginMode,
    OnOpposite,
    OnSame,
    OrderStatus,
    OrderType,
    QtyMode,
    Scope,
    Side,
    StopMode,
)
from shared.models.market import Instrument, Quote
from shared.models.signal import Signal, StopSpec
from shared.models.trading import Position, WorkingOrder
from tests.unit.risk.builders import (
    BUY,
    EURUSD,
    MNQ,
    NOW,
    USDJPY,
    XAUUSD,
    D,
    account,
    context,
    order,
    position,
    risk_state,
)

MANY = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))


def number(low: str, high: str, places: int = 4) -> SearchStrategy[Decimal]:
    return st.decimals(D(low), D(high), allow_nan=False, allow_infinity=False, places=places)


T = TypeVar("T")


def maybe(some: SearchStrategy[T]) -> SearchStrategy[T | None]:
    return st.none() | some


WILD = st.sampled_from([D(0), D(-1), D("1e-18"), D("1e20"), D("-1e20"), D("0.1"), D(1), D("1.095"), D(30)])
AMOUNT = number("0", "20", 3) | WILD
TAG = st.sampled_from([None, "t", "u"])
SPEC = st.builds(
    StopSpec, st.sampled_from(StopMode), maybe(number("0", "3") | WILD), maybe(number("0", "1", 2))
)
QUOTED = {"EURUSD": "1.1", "USDJPY": "150", "XAUUSD": "2400", "MNQZ6": "20000"}


@st.composite
def instruments(draw: st.DrawFn) -> Instrument:
    found = draw(st.sampled_from([EURUSD, USDJPY, XAUUSD, MNQ]))
    step = draw(st.sampled_from([found.qty_step, D("0.1"), D(1), D("0.03")]))
    return replace(
        found,
        qty_step=step,
        qty_min=step * draw(st.integers(0, 5)),
        qty_max=step * draw(st.integers(5, 2000)),
        qty_unit=draw(st.sampled_from(["lots", "contracts", "units"])),
        min_stop_distance=found.tick_size * draw(st.integers(0, 30)),
        commission_per_unit=draw(number("0", "10", 2)),
        loss_tick_value=draw(maybe(number("0.01", "5", 2))),
    )


@st.composite
def signals(draw: st.DrawFn) -> Signal:
    return Signal(
        action=draw(st.sampled_from(Action)),
        symbol=draw(st.sampled_from(["EURUSD", "FX:EURUSD", None])),
        side=draw(maybe(st.sampled_from(Side))),
        type=draw(st.sampled_from(OrderType)),
        qty_mode=draw(maybe(st.sampled_from(QtyMode))),
        qty=draw(maybe(AMOUNT)),
        price=draw(maybe(number("0", "3", 6) | WILD)),
        stop_price=draw(maybe(number("0", "3", 6) | WILD)),
        sl=draw(maybe(SPEC)),
        tp=draw(maybe(st.lists(SPEC, max_size=3).map(tuple))),
        tag=draw(TAG),
        order_id=draw(st.sampled_from([None, None, "o1", "2"])),
        scope=draw(maybe(st.sampled_from(Scope))),
        ref_price=draw(maybe(number("0", "3", 5))),
        position_size=draw(maybe(AMOUNT)),
        position_id=draw(st.sampled_from([None, None, None, "p1"])),
    )


@st.composite
def plausible(draw: st.DrawFn) -> tuple[Signal, RiskContext]:
    """A sensible alert on an account that mostly lets it: so that orders really come of it."""
    ctx = draw(contexts())
    odd = draw(instruments())
    plain = next(each for each in (EURUSD, USDJPY, XAUUSD, MNQ) if each.symbol == odd.symbol)
    instrument = draw(st.sampled_from([odd, plain, plain]))
    middle = D(QUOTED[instrument.symbol])
    kind = draw(st.sampled_from([OrderType.MARKET, OrderType.MARKET, OrderType.LIMIT, OrderType.STOP]))
    side = draw(st.sampled_from(Side))
    away = instrument.tick_size * draw(number("25", "400", 1))
    price = middle - away if (kind is OrderType.LIMIT) == (side is BUY) else middle + away
    portions = draw(st.sampled_from([(None,), ("0.5",), ("0.5", "0.5"), ("0.2", "0.3", "0.3")]))
    targets = tuple(
        StopSpec(StopMode.TICKS, D(draw(st.integers(31, 900))), None if share is None else D(share))
        for share in portions
    )
    ask = replace(
        draw(signals()),
        action=draw(st.sampled_from([Action.OPEN, Action.ADD, Action.REVERSE, Action.TARGET, Action.REDUCE])),
        side=draw(st.sampled_from([side, side, side, None])),
        type=kind,
        qty_mode=draw(st.sampled_from([QtyMode.LOTS, QtyMode.RISK_PCT, QtyMode.RISK_USD, QtyMode.NOTIONAL])),
        qty=draw(number("0.5", "20", 3)),
        price=price,
        stop_price=price,
        sl=draw(st.sampled_from([None, StopSpec(StopMode.TICKS, D(draw(st.integers(31, 900))))])),
        tp=draw(st.sampled_from([None, targets])),
        tag=draw(st.sampled_from([None, None, "t"])),
        scope=draw(st.sampled_from([None, Scope.SYMBOL])),
        ref_price=None,
        position_size=None,
        position_id=None,
    )
    names = ["OTHER"] + [instrument.symbol] * 3
    positions = [
        draw(held(index, draw(st.sampled_from(names)))) for index in range(1, draw(st.integers(1, 3)))
    ]
    if ctx.account.margin_mode is MarginMode.NETTING:
        positions = list({each.symbol: each for each in positions}.values())
    orders = [
        draw(working(index, draw(st.sampled_from(names)))) for index in range(1, draw(st.integers(1, 5)))
    ]
    calm = draw(st.booleans())
    return ask, replace(
        ctx,
        instrument=instrument,
        quote=Quote(instrument.symbol, middle, middle + instrument.tick_size * draw(st.integers(0, 20)), NOW),
        account=account(ctx.account.margin_mode, balance=D(50000), equity=draw(number("20000", "60000", 2))),
        positions=tuple(replace(each, endpoint_id="e", freshness=Freshness.FRESH) for each in positions),
        orders=tuple(replace(each, endpoint_id="e") for each in orders),
        positions_known=True,
        limits=Limits() if calm else ctx.limits,
        counters=Counters() if calm else ctx.counters,
        defaults=TradingDefaults() if calm else ctx.defaults,
        rates={"JPY": D("0.0067")},
    )


@st.composite
def held(draw: st.DrawFn, number_: int, symbol: str) -> Position:
    return position(
        draw(st.sampled_from(Side)),
        str(draw(number("0.001", "20", 3))),
        symbol=symbol,
        number=number_,
        endpoint_id=draw(st.sampled_from([None, "e", "f"])),
        tag=draw(TAG),
        stop_loss=draw(maybe(number("0.5", "2", 5))),
        freshness=draw(st.sampled_from([Freshness.FRESH] * 8 + [Freshness.STALE])),
    )


@st.composite
def working(draw: st.DrawFn, number_: int, symbol: str) -> WorkingOrder:
    made = order(
        draw(st.sampled_from(Side)), str(draw(number("0.01", "5", 2))), type_=draw(st.sampled_from(OrderType))
    )
    return replace(
        made,
        symbol=symbol,
        root=symbol,
        id=number_,
        venue_order_id=draw(st.sampled_from([f"o{number_}", f"o{number_}", None])),
        reduce_only=draw(st.booleans()),
        status=draw(st.sampled_from(OrderStatus)),
        position_id=draw(st.sampled_from([None, "p1", "p2"])),
        endpoint_id=draw(st.sampled_from([None, "e", "f"])),
        tag=draw(TAG),
    )


@st.composite
def contexts(draw: st.DrawFn) -> RiskContext:
    instrument = draw(instruments())
    middle = D(QUOTED[instrument.symbol])
    spread = instrument.tick_size * draw(st.integers(0, 20))
    quote = Quote(instrument.symbol, middle, middle + spread, NOW)
    symbols = [instrument.symbol, "OTHER"]
    mode = draw(st.sampled_from(MarginMode))
    positions = [
        draw(held(index, draw(st.sampled_from(symbols)))) for index in range(1, draw(st.integers(1, 4)))
    ]
    if mode is MarginMode.NETTING:
        positions = list({each.symbol: each for each in positions}.values())
    orders = [
        draw(working(index, draw(st.sampled_from(symbols)))) for index in range(1, draw(st.integers(1, 5)))
    ]
    plain = context(
        mode,
        instrument=draw(st.sampled_from([instrument] * 8 + [None])),
        positions=tuple(positions),
        orders=tuple(orders),
        endpoint=draw(endpoints()),
    )
    balance, equity = draw(maybe(number("0", "1000000", 2))), draw(maybe(number("-10", "1000000", 2)))
    return replace(
        plain,
        account=account(mode, balance=balance, equity=equity, currency=draw(st.sampled_from(["USD", "EUR"]))),
        quote=draw(st.sampled_from([quote, quote, quote, None])),
        positions_known=draw(st.sampled_from([True] * 8 + [False])),
        limits=draw(all_limits()),
        defaults=TradingDefaults(
            qty_mode=draw(maybe(st.sampled_from(QtyMode))),
            qty=draw(maybe(AMOUNT)),
            sl=draw(maybe(SPEC)),
            tp=draw(maybe(SPEC)),
            slippage_ticks=D(draw(st.integers(0, 5))),
        ),
        counters=Counters(draw(st.integers(0, 3)), draw(st.integers(0, 2))),
        rates=draw(st.sampled_from([{}, {"JPY": D("0.0067"), "USD": D("0.91")}])),
        usd_rate=draw(st.sampled_from([None, D("0.91")])),
        tag_qty=draw(maybe(number("-5", "5", 2))),
        risk=draw(st.sampled_from([None, risk_state("10010", in_flight_loss=D(5))])),
    )


def endpoints() -> SearchStrategy[EndpointRules]:
    return st.builds(
        EndpointRules,
        id=st.sampled_from([None, "e"]),
        on_same=st.sampled_from(OnSame),
        on_opposite=st.sampled_from(OnOpposite),
        scope=st.sampled_from(Scope),
        multiplier=st.sampled_from([D(1), D(2), D("0.5")]),
        max_qty=maybe(number("0", "10", 2)),
    )


def all_limits() -> SearchStrategy[Limits]:
    count = maybe(st.integers(0, 4))
    return st.builds(
        Limits,
        max_order_qty=maybe(number("0", "10", 2)),
        max_trades_per_day=count,
        max_open_trades=count,
        max_concurrent_positions=count,
        max_risk_per_trade_pct=maybe(number("0", "10", 2)),
        max_daily_loss_usd=maybe(number("0", "1000", 0)),
        stop_required=st.booleans(),
        max_price_deviation_pct=maybe(number("0", "5", 2)),
    )


# Half of the cases wild, half of them plausible.
CASES = st.tuples(signals(), contexts()) | plausible()
