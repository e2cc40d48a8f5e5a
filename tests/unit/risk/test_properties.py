"""What holds for every alert and every account: thousands of random ones are tried."""

from decimal import Decimal, localcontext

from hypothesis import given
from hypothesis import strategies as st

from shared.models.command import Leg
from shared.models.context import RiskContext
from shared.models.enums import (
    CommandKind,
)
from shared.models.signal import Signal
from shared.risk.actions import plan
from shared.risk.decision import Denied, Plan, Skipped
from shared.risk.fit import Fitted, fit
from shared.risk.grid import EXACT, floor_to
from shared.risk.policy import Approved, evaluate
from shared.risk.targets import split
from tests.unit.risk.builders import (
    BUY,
    D,
)
from tests.unit.risk.random_alerts import CASES, MANY, number


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
