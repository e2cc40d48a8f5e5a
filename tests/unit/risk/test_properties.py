"""What holds for every alert and every account: thousands of random ones are tried."""

from dataclasses import replace
from decimal import Decimal, localcontext
from typing import TypeVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from shared.models.command import Leg
from shared.models.context import Counters, EndpointRules, Limits, RiskContext, TradingDefaults
from shared.models.enums import (
    Action,
    CommandKind,
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
from shared.risk.actions import plan
from shared.risk.decision import Denied, Plan, Skipped
from shared.risk.fit import Fitted, fit
from shared.risk.grid import EXACT, floor_to
from shared.risk.policy import Approved, evaluate
from shared.risk.targets import split
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


def through(signal: Signal, ctx: RiskContext) -> tuple[Plan, Approved, Fitted] | None:
    planned = plan(signal, ctx)
    if not isinstance(planned, Plan):
        return None
    approved = evaluate(planned, ctx)
    if isinstance(approved, Denied):
        return None
    done = fit(approved, ctx)
    return None if isinstance(done, Denied) else (planned, approved, done)


@MANY
@given(CASES)
def test_no_alert_raises(case: tuple[Signal, RiskContext]) -> None:
    """Whatever an alert asks and an account holds, the answer is a value: never an exception."""
    signal, ctx = case
    planned = plan(signal, ctx)
    assert isinstance(planned, Plan | Skipped | Denied)
    if isinstance(planned, Plan):
        assert planned.legs
        approved = evaluate(planned, ctx)
        if isinstance(approved, Approved):
            assert isinstance(fit(approved, ctx), Fitted | Denied)


@MANY
@given(CASES)
def test_what_is_sent_is_on_the_grid_and_within_limits(case: tuple[Signal, RiskContext]) -> None:
    """Every order is a multiple of step and tick, between minimum and maximum, below every ceiling."""
    signal, ctx = case
    sent = through(signal, ctx)
    instrument = ctx.instrument
    if sent is None or instrument is None:
        return
    entries = [leg for leg in sent[2].legs if leg.is_entry]
    total = sum((leg.qty or D(0) for leg in entries), D(0))
    for ceiling in (ctx.limits.max_order_qty, ctx.endpoint.max_qty):
        assert ceiling is None or total <= ceiling
    for leg in entries:
        assert leg.qty is not None
        assert leg.qty > 0
        assert instrument.qty_min <= leg.qty <= instrument.qty_max
        assert leg.qty % instrument.qty_step == 0
    with localcontext(EXACT):
        for leg in sent[2].legs:
            if leg.root != instrument.root:
                continue
            guard = leg.protection
            for price in (leg.price, leg.stop_price, guard.stop_loss, guard.take_profit):
                assert price is None or price % instrument.tick_size == 0


@MANY
@given(CASES)
def test_fit_never_enlarges(case: tuple[Signal, RiskContext]) -> None:
    """Fitting makes no quantity larger and moves no stop away from its entry."""
    signal, ctx = case
    sent = through(signal, ctx)
    if sent is None:
        return
    before = {id_of(leg): leg for leg in sent[1].legs}
    for leg in sent[2].legs:
        was = before[id_of(leg)]
        assert (leg.qty is None) == (was.qty is None)
        assert leg.qty is None or was.qty is None or leg.qty <= was.qty
        stop, old = leg.protection.stop_loss, was.protection.stop_loss
        if stop is not None and old is not None and leg.side is not None:
            assert stop >= old if leg.side is BUY else stop <= old


def id_of(leg: Leg) -> tuple[object, ...]:
    guard = leg.protection
    return (
        leg.kind,
        leg.symbol,
        leg.venue_order_id,
        leg.venue_position_id,
        leg.after_fill,
        guard.take_profit,
        leg.tp,
    )


@MANY
@given(CASES)
def test_an_exit_never_flips(case: tuple[Signal, RiskContext]) -> None:
    """Closes take the other side of a position that is there, and together never more than all of it."""
    signal, ctx = case
    sent = through(signal, ctx)
    if sent is None:
        return
    for held_ in ctx.positions:
        closes = [
            leg
            for leg in sent[2].legs
            if leg.kind is CommandKind.CLOSE
            and (leg.venue_position_id or held_.venue_position_id) == held_.venue_position_id
            and leg.symbol == held_.symbol
        ]
        assert len(closes) <= 1
        for leg in closes:
            assert leg.side in (held_.side.opposite, None)
            assert leg.qty is None or D(0) < leg.qty <= held_.qty


@MANY
@given(CASES)
def test_reduce_only_orders_never_exceed_their_entry(case: tuple[Signal, RiskContext]) -> None:
    """The targets of one entry together are never more than the entry."""
    signal, ctx = case
    sent = through(signal, ctx)
    if sent is None:
        return
    entries = sum((leg.qty or D(0) for leg in sent[2].legs if leg.is_entry), D(0))
    exits = [leg for leg in sent[2].legs if leg.kind is CommandKind.PLACE and leg.reduce_only]
    assert sum((leg.qty or D(0) for leg in exits), D(0)) <= entries


@MANY
@given(
    contexts(),
    st.sampled_from([QtyMode.RISK_PCT, QtyMode.RISK_USD]),
    number("0.01", "50", 2),
    st.sampled_from(Side),
    st.integers(21, 5000),
)
def test_risk_never_exceeds_what_was_allowed(
    ctx: RiskContext, mode: QtyMode, amount: Decimal, side: Side, ticks: int
) -> None:
    """An order sized by risk never loses more at its stop than the alert allows."""
    bare = replace(
        ctx, positions=(), orders=(), positions_known=True, endpoint=replace(ctx.endpoint, max_qty=None)
    )
    ask = Signal(Action.OPEN, "X", side, qty_mode=mode, qty=amount, sl=StopSpec(StopMode.TICKS, D(ticks)))
    planned = plan(ask, bare)
    if not isinstance(planned, Plan):
        return
    sizing = planned.sizing
    assert sizing is not None
    assert sizing.risk_money is not None
    assert sizing.loss_per_unit is not None
    with localcontext(EXACT):
        assert sizing.qty * sizing.loss_per_unit <= sizing.risk_money
        assert sum((leg.qty or D(0) for leg in planned.legs if leg.is_entry), D(0)) == sizing.qty


@MANY
@given(CASES)
def test_limits_hold_for_whatever_is_opened(case: tuple[Signal, RiskContext]) -> None:
    """Nothing is opened beyond the trade limits, on unknown positions, or without a required stop."""
    signal, ctx = case
    sent = through(signal, ctx)
    if sent is None or not any(leg.is_entry for leg in sent[2].legs):
        return
    assert ctx.positions_known
    used = ctx.counters.trades_today
    assert ctx.limits.max_trades_per_day is None or used < ctx.limits.max_trades_per_day
    if ctx.limits.stop_required:
        assert all(leg.protection.stop_loss is not None for leg in sent[2].legs if leg.is_entry)


@MANY
@given(
    number("0.01", "50", 2),
    st.lists(st.sampled_from([D("0.1"), D("0.2"), D("0.25")]), min_size=1, max_size=4),
    st.sampled_from([D("0.01"), D("0.1"), D(1)]),
    st.integers(0, 5),
)
def test_portions_never_exceed_the_quantity(
    qty: Decimal, portions: list[Decimal], step: Decimal, steps: int
) -> None:
    """Portions are on the step, at least the minimum or nothing, and never more than the quantity in sum."""
    smallest = step * max(steps, 1)
    whole = floor_to(qty, step)
    if whole < smallest:
        return
    shares = split(whole, portions, step, smallest)
    assert sum(shares) <= whole
    rest = whole - sum(shares)
    assert all(share == 0 or share >= smallest for share in (*shares, rest))
    assert all(share % step == 0 for share in shares)
