"""What holds for every size: the most that the amount pays for, in whole steps, and not a step more."""

from decimal import Decimal, localcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from shared.models.context import Limits, RiskContext, TradingDefaults
from shared.models.enums import Action, QtyMode, Side, StopMode
from shared.models.market import Instrument, Quote
from shared.models.reasons import Reason
from shared.models.signal import Signal, StopSpec
from shared.risk.actions import plan
from shared.risk.decision import Denied, Plan, Sizing
from shared.risk.grid import EXACT
from tests.unit.risk.builders import NOW, D, account, context
from tests.unit.risk.random_alerts import MANY, QUOTED, endpoints, instruments, number

FIXED = (QtyMode.LOTS, QtyMode.CONTRACTS, QtyMode.UNITS)
TOO_SMALL_OR_LARGE = (Reason.BELOW_MINIMUM, Reason.ABOVE_MAXIMUM, Reason.MAX_ORDER_SIZE)


def asked_for(mode: QtyMode, amount: Decimal, instrument: Instrument) -> Decimal:
    """A fixed amount in the venue's unit: lots and contracts hold contract_size units."""
    if (mode is QtyMode.UNITS) == (instrument.qty_unit == "units"):
        return amount
    return amount / instrument.contract_size if mode is QtyMode.UNITS else amount * instrument.contract_size


def budget(mode: QtyMode, amount: Decimal, ctx: RiskContext) -> Decimal:
    """What the amount allows to be spent, in account currency: a share of a base, or dollars."""
    balance, equity = ctx.account.balance, ctx.account.equity
    if mode in (QtyMode.RISK_PCT, QtyMode.EQUITY_PCT):
        assert balance is not None
        assert equity is not None
        return (equity if mode is QtyMode.EQUITY_PCT else min(balance, equity)) * amount / 100
    rate = D(1) if ctx.account.currency == "USD" else ctx.usd_rate
    assert rate is not None
    return amount * rate


def cost_of_one(mode: QtyMode, sizing: Sizing) -> Decimal:
    """What a quantity of 1 costs of the budget: its loss at the stop, or its whole value."""
    risks = mode in (QtyMode.RISK_PCT, QtyMode.RISK_USD)
    cost = sizing.loss_per_unit if risks else sizing.price_of_one_unit
    assert cost is not None
    return cost


AMOUNTS = {
    QtyMode.LOTS: ("0.01", "50"), QtyMode.CONTRACTS: ("0.01", "50"), QtyMode.UNITS: ("1000", "2000000"),
    QtyMode.RISK_PCT: ("0.01", "50"), QtyMode.RISK_USD: ("1", "50000"),
    QtyMode.EQUITY_PCT: ("1", "5000"), QtyMode.NOTIONAL: ("10000", "20000000"),
}  # fmt: skip
"""A share of a position sizes an exit, which never flips (test_properties)."""


@st.composite
def solvent(draw: st.DrawFn) -> RiskContext:
    """An account with money, nothing held and every rate, in front of a market that trades."""
    instrument, currency = draw(instruments()), draw(st.sampled_from(["USD", "EUR"]))
    middle = D(QUOTED[instrument.symbol])
    own = account(
        currency=currency,
        balance=draw(number("5000", "1000000", 2)),
        equity=draw(number("5000", "1000000", 2)),
    )
    return replace(
        context(instrument=instrument, endpoint=draw(endpoints())),
        account=own,
        quote=Quote(instrument.symbol, middle, middle + instrument.tick_size * draw(st.integers(0, 20)), NOW),
        limits=Limits(max_order_qty=draw(st.none() | number("0", "10", 2))),
        defaults=TradingDefaults(slippage_ticks=D(draw(st.integers(0, 5)))),
        rates={"JPY": D("0.0067"), "USD": D("0.91")} if currency == "EUR" else {"JPY": D("0.0067")},
        usd_rate=D("0.91") if currency == "EUR" else None,
    )


def sized(mode: QtyMode, amount: Decimal, side: Side, ticks: int, ctx: RiskContext) -> Sizing | None:
    """How an entry was sized; its legs together are that size."""
    stop = StopSpec(StopMode.TICKS, D(ticks))
    planned = plan(Signal(Action.OPEN, "X", side, qty_mode=mode, qty=amount, sl=stop), ctx)
    if not isinstance(planned, Plan):
        assert isinstance(planned, Denied)
        assert planned.reason in TOO_SMALL_OR_LARGE
        return None
    assert planned.sizing is not None
    assert sum((leg.qty or D(0) for leg in planned.legs if leg.is_entry), D(0)) == planned.sizing.qty
    return planned.sizing


@pytest.mark.parametrize("mode", AMOUNTS)
@settings(MANY, max_examples=40)
@given(st.data())
def test_a_size_is_all_that_was_asked_for_and_not_more(mode: QtyMode, data: st.DataObject) -> None:
    """Rounded down to the step from the amount as the endpoint multiplies it; a ceiling only makes it smaller."""
    ctx, amount = data.draw(solvent()), data.draw(number(*AMOUNTS[mode], places=3))
    sizing = sized(mode, amount, data.draw(st.sampled_from(Side)), data.draw(st.integers(31, 5000)), ctx)
    instrument = ctx.instrument
    assert instrument is not None
    if sizing is None:
        return
    step, times = instrument.qty_step, amount * ctx.endpoint.multiplier
    assert instrument.qty_min <= sizing.qty <= instrument.qty_max
    whole = sizing.qty if sizing.cut_from is None else sizing.cut_from
    with localcontext(EXACT):
        assert sizing.qty % step == 0
        assert sizing.qty <= whole
        if mode in FIXED:
            assert whole <= asked_for(mode, times, instrument) < whole + step
        else:
            one, most = cost_of_one(mode, sizing), budget(mode, times, ctx)
            assert whole * one <= most < (whole + step) * one
