"""Sizes with the arithmetic written out, and what happens where it does not work out."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from shared.models.context import Limits, RiskContext, TradingDefaults
from shared.models.enums import Action, Freshness, QtyMode, Side, StopMode
from shared.models.market import Instrument
from shared.models.reasons import Reason
from shared.risk.actions import plan
from shared.risk.decision import Denied, Plan, Sizing
from shared.risk.reasons import sentence
from shared.risk.sizing import affordable_qty, loss_of_one_unit
from tests.unit.risk.builders import (
    BUY,
    EURUSD,
    HEDGING,
    MNQ,
    NOW,
    SELL,
    USDJPY,
    XAUUSD,
    D,
    EndpointRules,
    account,
    context,
    limits,
    signal,
    stop,
)


def opened(
    ctx: RiskContext, qty: str | None, mode: QtyMode, sl: str | None, side: Side = BUY
) -> Plan | Denied:
    spec = None if sl is None else stop(StopMode.PRICE, sl)
    answer = plan(signal(Action.OPEN, side, qty, mode=mode, sl=spec), ctx)
    assert isinstance(answer, Plan | Denied)
    return answer


def sized(ctx: RiskContext, qty: str, mode: QtyMode, sl: str | None, side: Side = BUY) -> Sizing:
    answer = opened(ctx, qty, mode, sl, side)
    assert isinstance(answer, Plan), answer
    assert answer.sizing is not None
    assert sum((leg.qty for leg in answer.legs if leg.qty is not None), D(0)) == answer.sizing.qty
    return answer.sizing


def refused(ctx: RiskContext, qty: str | None, mode: QtyMode, sl: str | None) -> Denied:
    answer = opened(ctx, qty, mode, sl)
    assert isinstance(answer, Denied), answer
    return answer


def test_eurusd_one_percent() -> None:
    """1 % of 10,000 USD = 100; 30 pips = 300 ticks x 1 USD = 300 a lot; 100 / 300 = 0.333.. -> 0.33 lots,
    99 USD.
    """
    sizing = sized(context(), "1", QtyMode.RISK_PCT, "1.09700")
    assert (sizing.base_money, sizing.risk_money) == (D(10000), D(100))
    assert (sizing.ticks, sizing.tick_value, sizing.loss_per_unit) == (D(300), D(1), D(300))
    assert (sizing.qty, sizing.worst_loss) == (D("0.33"), D(99))
    shown = sizing.numbers()
    assert (shown["qty_before_step"], shown["qty"], shown["ticks"]) == ("0.33333333", "0.33", "300")


def test_usdjpy_in_a_dollar_account() -> None:
    """A tick is 100 JPY a lot; at 0.0066 USD a yen 0.66 USD; 500 ticks = 330 USD a lot; 100 / 330 -> 0.30."""
    ctx = context(instrument=USDJPY, rates={"JPY": D("0.0066")})
    sizing = sized(ctx, "1", QtyMode.RISK_PCT, "149.500")
    assert sizing.ticks == D(500)
    assert (sizing.tick_value, sizing.loss_per_unit) == (D("0.66"), D(330))
    assert (sizing.qty, sizing.worst_loss) == (D("0.30"), D(99))


def test_xauusd_in_money() -> None:
    """Gold: 250 USD at a stop 5 USD away = 500 ticks x 1 USD = 500 a lot: 0.50 lots, exactly 250 USD."""
    sizing = sized(context(instrument=XAUUSD), "250", QtyMode.RISK_USD, "2395.00")
    assert (sizing.risk_money, sizing.loss_per_unit, sizing.qty, sizing.worst_loss) == (
        D(250),
        D(500),
        D("0.50"),
        D(250),
    )


def test_mnq_with_slippage_and_commission() -> None:
    """MNQ: 20 points = 80 ticks, 2 ticks slippage, 0.50 USD each = 41, commission 0.74: 41.74; 200 / 41.74
    -> 4.
    """
    ctx = context(instrument=MNQ, defaults=TradingDefaults(slippage_ticks=D(2)))
    sizing = sized(ctx, "2", QtyMode.RISK_PCT, "19980.00")
    assert (sizing.ticks, sizing.slippage_ticks, sizing.commission_per_unit) == (D(80), D(2), D("0.74"))
    assert (sizing.loss_per_unit, sizing.qty, sizing.worst_loss) == (D("41.74"), D(4), D("166.96"))


def test_a_sell_counts_from_the_bid() -> None:
    """A sell enters at the bid 1.09990: to a stop at 1.10290 it is 300 ticks."""
    assert sized(context(), "1", QtyMode.RISK_PCT, "1.10290", SELL).ticks == D(300)


def test_the_base_is_the_smaller_of_balance_and_equity() -> None:
    """With open losses the equity counts: 1 % of 9,000 = 90."""
    ctx = context(account=account(equity=D(9000)))
    assert sized(ctx, "1", QtyMode.RISK_PCT, "1.09700").risk_money == D(90)


@pytest.mark.parametrize(
    ("mode", "qty", "instrument", "expected"),
    [
        (QtyMode.LOTS, "0.257", EURUSD, "0.25"),
        (QtyMode.UNITS, "12345", EURUSD, "0.12"),
        (QtyMode.CONTRACTS, "2.9", MNQ, "2"),
        (QtyMode.LOTS, "2", replace(EURUSD, qty_unit="units", qty_step=D(1000), qty_max=D(10**7)), "200000"),
        (
            QtyMode.UNITS,
            "25500",
            replace(EURUSD, qty_unit="units", qty_step=D(1000), qty_max=D(10**7)),
            "25000",
        ),
        (QtyMode.NOTIONAL, "25000", EURUSD, "0.22"),  # a lot is 110,000 USD: 0.227
        (QtyMode.EQUITY_PCT, "500", EURUSD, "0.45"),  # 50,000 / 110,000 = 0.4545
        (QtyMode.NOTIONAL, "100000", MNQ, "2"),  # a contract is 20,000 x 2 = 40,000 USD
    ],
)
def test_sizes_without_a_stop(mode: QtyMode, qty: str, instrument: Instrument, expected: str) -> None:
    """Fixed and notional sizes in the venue's unit, rounded down to its step."""
    assert sized(context(instrument=instrument), qty, mode, None).qty == D(expected)


def test_defaults_in_order() -> None:
    """The alert's size beats the endpoint's, that beats trading_config; without any it is denied."""
    endpoint = EndpointRules(id="e", qty_mode=QtyMode.LOTS, qty=D("0.2"))
    defaults = TradingDefaults(qty_mode=QtyMode.LOTS, qty=D("0.3"))
    ctx = context(endpoint=endpoint, defaults=defaults)
    ask = signal(Action.OPEN, BUY)
    for expected, source, where, alert in (
        ("0.1", "alert", ctx, signal(Action.OPEN, BUY, "0.1")),
        ("0.2", "endpoint", ctx, ask),
        ("0.3", "trading_config", replace(ctx, endpoint=EndpointRules(id="e")), ask),
    ):
        answer = plan(alert, where)
        assert isinstance(answer, Plan)
        assert answer.sizing is not None
        assert (answer.sizing.qty, answer.sizing.source) == (D(expected), source)
    assert refused(context(), None, QtyMode.LOTS, None).reason is Reason.SIZE_MISSING


def test_default_stop_serves_the_size() -> None:
    """A risk size takes trading_config's stop when the alert has none; `none` means explicitly no stop."""
    ctx = context(defaults=TradingDefaults(sl=stop(StopMode.PIPS, "30")))
    assert sized(ctx, "1", QtyMode.RISK_PCT, None).qty == D("0.33")
    ask = signal(Action.OPEN, BUY, "1", mode=QtyMode.RISK_PCT, sl=stop(StopMode.NONE))
    answer = plan(ask, ctx)
    assert isinstance(answer, Denied)
    assert answer.reason is Reason.STOP_REQUIRED


def test_the_endpoints_multiplier() -> None:
    """An account that copies twofold risks 2 % where the alert says 1 %."""
    ctx = context(endpoint=EndpointRules(id="e", multiplier=D(2)))
    assert sized(ctx, "1", QtyMode.RISK_PCT, "1.09700").risk_money == D(200)
    assert sized(ctx, "0.1", QtyMode.LOTS, None).qty == D("0.2")


def test_below_minimum_says_what_the_minimum_would_risk() -> None:
    """31 USD a 0.01 lot on 1,000 USD: 0.01 lot would risk 3.1 %, you allow 1 %."""
    ctx = context(account=account(balance=D(1000), equity=D(1000)))
    denied = refused(ctx, "1", QtyMode.RISK_PCT, "1.06900")
    assert denied.reason is Reason.BELOW_MINIMUM
    assert sentence(denied.reason, denied.numbers).startswith("0.01 lot would risk 3.1 %, you allow 1 %.")
    in_money = refused(ctx, "10", QtyMode.RISK_USD, "1.06900")
    assert sentence(in_money.reason, in_money.numbers).startswith(
        "0.01 lot would risk 31 USD, you allow 10 USD."
    )
    fixed = refused(ctx, "0.005", QtyMode.LOTS, None)
    assert sentence(fixed.reason, fixed.numbers).startswith(
        "0.005 lot is below the smallest order of 0.01 lot."
    )


@pytest.mark.parametrize(
    "stale",
    [
        {"as_of": NOW - timedelta(seconds=6)},
        {"as_of": None},
        {"balance": None},
        {"freshness": Freshness.STALE},
        {"freshness": Freshness.UNKNOWN},
    ],
)
def test_percent_needs_a_fresh_balance(stale: dict[str, Any]) -> None:
    """A size in percent is denied when balance and equity were not read within the last 5 seconds."""
    assert (
        refused(context(account=account(**stale)), "1", QtyMode.RISK_PCT, "1.097").reason
        is Reason.BALANCE_UNKNOWN
    )
    assert sized(context(account=account(**stale)), "0.1", QtyMode.LOTS, None).qty == D("0.1")


def test_conversion() -> None:
    """Without a fresh rate nothing is sized in money; with one, US dollars become the account's currency."""
    yen = context(instrument=USDJPY)
    assert refused(yen, "1", QtyMode.RISK_PCT, "149.5").reason is Reason.CONVERSION_UNKNOWN
    euro = context(account=account(currency="EUR"), rates={"USD": D("0.9")})
    assert refused(euro, "100", QtyMode.RISK_USD, "1.097").reason is Reason.CONVERSION_UNKNOWN
    sizing = sized(replace(euro, usd_rate=D("0.9")), "100", QtyMode.RISK_USD, "1.097")
    assert (sizing.risk_money, sizing.loss_per_unit, sizing.qty) == (D(90), D(270), D("0.33"))


@pytest.mark.parametrize("field", ["tick_value", "tick_size", "qty_step"])
def test_an_instrument_without_numbers_is_unknown(field: str) -> None:
    """Where the broker states no tick value, tick or step, nothing is sized from it."""
    ctx = context(instrument=replace(EURUSD, **_zero(field)))
    assert refused(ctx, "1", QtyMode.LOTS, None).reason is Reason.INSTRUMENT_UNKNOWN


def _zero(field: str) -> dict[str, Any]:
    return {field: D(0)}


def test_risk_needs_a_stop() -> None:
    """A size from risk without a stop is denied."""
    assert refused(context(), "1", QtyMode.RISK_PCT, None).reason is Reason.STOP_REQUIRED


def test_a_stop_in_money_cannot_size_by_risk() -> None:
    """`usd` is the loss of the whole order: it follows from a size and cannot lead to one."""
    ask = signal(Action.OPEN, BUY, "1", mode=QtyMode.RISK_PCT, sl=stop(StopMode.USD, "50"))
    answer = plan(ask, context())
    assert isinstance(answer, Denied)
    assert answer.reason is Reason.NOT_SUPPORTED


def test_above_maximum() -> None:
    """Above the broker's maximum a fixed size is denied and a computed one cut, with a note."""
    assert refused(context(), "51", QtyMode.LOTS, None).reason is Reason.ABOVE_MAXIMUM
    answer = opened(context(), "9000000", QtyMode.NOTIONAL, None)
    assert isinstance(answer, Plan)
    assert answer.sizing is not None
    assert (answer.sizing.qty, answer.sizing.cut_from) == (D(50), D("81.81"))
    assert dict(answer.notes[0].numbers) == {"from": "81.81", "to": "50", "unit": "lots"}


@pytest.mark.parametrize(
    ("in_force", "endpoint", "qty"), [("0.1", None, "0.1"), (None, "0.05", "0.05"), ("0.1", "0.05", "0.05")]
)
def test_a_computed_size_is_cut_to_the_ceilings(in_force: str | None, endpoint: str | None, qty: str) -> None:
    """The account's largest order and the endpoint's ceiling cut what is computed."""
    ctx = context(
        limits=limits(max_order_qty=in_force),
        endpoint=EndpointRules(id="e", max_qty=None if endpoint is None else D(endpoint)),
    )
    sizing = sized(ctx, "1", QtyMode.RISK_PCT, "1.097")
    assert (sizing.qty, sizing.worst_loss) == (D(qty), D(qty) * 300)


def test_a_ceiling_of_zero_allows_nothing() -> None:
    """0 = nothing allowed."""
    ctx = context(limits=Limits(max_order_qty=D(0)))
    assert refused(ctx, "1", QtyMode.RISK_PCT, "1.097").reason is Reason.MAX_ORDER_SIZE


def test_formulas() -> None:
    """The formulas alone: ticks with slippage times value plus commission; and a budget that is never
    exceeded.
    """
    assert loss_of_one_unit(D(100), D(95), D(2), D("0.5"), D(3), D(4)) == D(40)
    assert affordable_qty(D(1), D(3), D("0.01")) == D("0.33")
    assert affordable_qty(D(-5), D(3), D("0.01")) == 0
    assert affordable_qty(D(1), D("0.3333333333333333333333333334"), D(1)) == 2


def test_hedging_mode_does_not_change_a_size() -> None:
    """Netting or hedging, the size is the same."""
    assert sized(context(HEDGING), "1", QtyMode.RISK_PCT, "1.097").qty == D("0.33")
