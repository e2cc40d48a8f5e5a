"""Every factor of a size and every number of a refusal: each is one way in which the arithmetic could be changed unseen."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from shared.models.context import RiskContext, TradingDefaults
from shared.models.enums import Action, QtyMode
from shared.models.market import Instrument
from shared.models.reasons import Reason
from shared.risk.decision import Denied, Sizing
from shared.risk.sizing import SizeRequest, affordable_qty, loss_at_stop, requested, size_entry
from tests.unit.risk.builders import (
    BUY,
    EURUSD,
    MNQ,
    USDJPY,
    D,
    EndpointRules,
    account,
    context,
    limits,
    signal,
)

PER_UNIT = replace(EURUSD, qty_step=D(1), qty_min=D(0), tick_value=D("0.00001"), qty_max=D(1000))
"""A market in which one unit at a stop one price unit away loses one dollar."""


def size(
    mode: QtyMode | None,
    amount: str,
    entry: str | None = None,
    stop: str | None = None,
    *,
    instrument: Instrument = EURUSD,
    ctx: RiskContext | None = None,
) -> Sizing | Denied:
    """What size_entry answers for an amount of the alert."""
    prices = [None if each is None else D(each) for each in (entry, stop)]
    return size_entry(SizeRequest(mode, D(amount), "alert"), instrument, ctx or context(), *prices)


def sized(*words: Any, **settings: Any) -> Sizing:
    """The size, where there is one."""
    answer = size(*words, **settings)
    assert isinstance(answer, Sizing), answer
    return answer


def test_every_factor_of_a_size_from_risk() -> None:
    """MNQ: 19 points = 76 ticks, 2 of slippage, 0.50 USD each, commission 1: 40; 2.1 % of 10,000 / 40 = 5.25 -> 5."""
    ctx = context(defaults=TradingDefaults(slippage_ticks=D(2)), account=account(balance=D(11000)))
    market = replace(MNQ, commission_per_unit=D(1))
    assert size(QtyMode.RISK_PCT, "2.1", "20000", "19981", instrument=market, ctx=ctx) == Sizing(
        mode=QtyMode.RISK_PCT, amount=D("2.1"), source="alert", unit="contracts", currency="USD",
        qty=D(5), qty_before_step=D("5.25"), qty_step=D(1), base_money=D(10000), risk_money=D(210),
        entry_price=D(20000), stop_price=D(19981), ticks=D(76), slippage_ticks=D(2), tick_value=D("0.50"),
        commission_per_unit=D(1), loss_per_unit=D(40), worst_loss=D(200),
    )  # fmt: skip


def test_every_factor_of_a_size_from_equity() -> None:
    """501.25 % of the equity 10,000 / 125,000 a lot = 0.401 -> 0.40; the smaller balance does not count here."""
    ctx = context(account=account(balance=D(9000)))
    expected = Sizing(
        mode=QtyMode.EQUITY_PCT, amount=D("501.25"), source="alert", unit="lots", currency="USD",
        qty=D("0.40"), qty_before_step=D("0.401"), qty_step=D("0.01"), base_money=D(10000),
        notional_money=D(50125), price_of_one_unit=D(125000), entry_price=D("1.25"),
    )  # fmt: skip
    assert size(QtyMode.EQUITY_PCT, "501.25", "1.25", ctx=ctx) == expected
    with_stop = sized(QtyMode.EQUITY_PCT, "501.25", "1.25", "1.24", ctx=ctx)
    assert (with_stop.qty, with_stop.loss_per_unit, with_stop.worst_loss) == (D("0.40"), D(1000), D(400))
    assert sized(QtyMode.NOTIONAL, "50125", "1.25").base_money is None


def test_every_factor_of_a_fixed_size() -> None:
    """A size in the venue's unit: only the step changes it, and without a stop nobody knows what it can lose."""
    assert size(None, "0.119", "1.25") == Sizing(
        None, D("0.119"), "alert", "lots", "USD", D("0.11"), D("0.119"), D("0.01"), entry_price=D("1.25")
    )
    assert sized(None, "0.119", None, "1.24").stop_price is None


@pytest.mark.parametrize(
    ("alert", "endpoint", "defaults", "expected"),
    [
        (("risk_pct", None), ("lots", "0.2"), ("risk_pct", "1"), ("risk_pct", "2", "trading_config")),
        (("risk_pct", None), ("lots", "0.2"), ("lots", "0.3"), None),
        (("risk_pct", None), (None, "0.2"), (None, "0.3"), None),
        ((None, "0.1"), (None, None), ("risk_pct", "1"), ("risk_pct", "0.2", "alert")),
        ((None, "0.1"), (None, "0.2"), (None, "0.3"), None),
        (("position_pct", "50"), ("lots", "0.2"), ("lots", "0.3"), ("position_pct", "50", "alert")),
    ],
)
def test_an_amount_is_never_read_in_a_mode_it_was_not_meant_in(
    alert: tuple[str | None, str | None],
    endpoint: tuple[str | None, str | None],
    defaults: tuple[str | None, str | None],
    expected: tuple[str, str, str] | None,
) -> None:
    """The alert's mode is never filled with lots of another level, and an amount without any mode is none at all.

    Copied twofold, except a share of a position.
    """

    def level(mode: str | None, qty: str | None) -> dict[str, Any]:
        return {"qty_mode": None if mode is None else QtyMode(mode), "qty": None if qty is None else D(qty)}

    rules = EndpointRules(id="e", multiplier=D(2), **level(*endpoint))
    ctx = context(endpoint=rules, defaults=TradingDefaults(**level(*defaults)))
    found = requested(replace(signal(Action.OPEN, BUY), **level(*alert)), ctx)
    wanted = None if expected is None else SizeRequest(QtyMode(expected[0]), D(expected[1]), expected[2])
    assert found == wanted


@pytest.mark.parametrize(
    ("mode", "amount", "reason", "said"),
    [
        (QtyMode.POSITION_PCT, "50.0", Reason.INVALID, "position_pct"),
        (QtyMode.LOTS, "0", Reason.BELOW_MINIMUM, "lots"),
        (QtyMode.RISK_PCT, "-1", Reason.BELOW_MINIMUM, "risk_pct"),
        (None, "0", Reason.BELOW_MINIMUM, "position"),
    ],
)
def test_an_amount_of_nothing_is_no_size(
    mode: QtyMode | None, amount: str, reason: Reason, said: str
) -> None:
    """Nor is a share of a position one of an entry; mode and amount are told as they came."""
    told = {"mode": said, "value": amount.removesuffix(".0")}
    assert size(mode, amount, "1.1", "1.09") == Denied(reason, told)


def test_a_loss_under_one_dollar_is_sized_and_none_at_all_is_not() -> None:
    """Half a dollar a unit: 20 for 10 dollars. Where a stop loses nothing, no quantity follows from a budget."""
    assert sized(QtyMode.RISK_USD, "10", "1.5", "1", instrument=PER_UNIT).qty == D(20)
    nothing = {"symbol": "EURUSD", "loss_per_unit": "0"}
    assert size(QtyMode.RISK_USD, "10", "1.1", "1.1") == Denied(Reason.INSTRUMENT_UNKNOWN, nothing)


def test_a_budget_is_spent_to_the_last_step_and_never_exceeded() -> None:
    """A quotient that would be rounded up onto the step by its 29th or 150th digit buys one step less."""
    assert affordable_qty(D("0.999999999999999999999999999999"), D(1), D(1)) == 0
    assert affordable_qty(D("1." + "9" * 119), D(1), D(1)) == 1
    assert affordable_qty(D("0.3"), D("0.1"), D("0.5")) == D("3.0")
    assert affordable_qty(D("0.3"), D("0.1"), D("0.7")) == D("2.8")
    assert affordable_qty(D(-5), D(3), D("0.01")) == 0
    nearly = sized(QtyMode.RISK_USD, "9.999999999999999999999999999", "2", "1", instrument=PER_UNIT)
    assert (nearly.qty, nearly.worst_loss) == (D(9), D(9))


@pytest.mark.parametrize(
    ("mode", "entry", "changes", "expected"),
    [
        (QtyMode.RISK_PCT, "1.1", {}, Denied(Reason.STOP_REQUIRED, {"what": "size", "mode": "risk_pct"})),
        (QtyMode.NOTIONAL, None, {}, Denied(Reason.NO_QUOTE)),
        (
            QtyMode.NOTIONAL,
            "1.1",
            {"account": account(currency="EUR"), "rates": {"USD": D("0.9")}},
            Denied(Reason.CONVERSION_UNKNOWN, {"from": "USD", "to": "EUR"}),
        ),
    ],
)
def test_what_is_missing_is_named(
    mode: QtyMode, entry: str | None, changes: dict[str, Any], expected: Denied
) -> None:
    """No stop to size from, no price, no dollars in the account's currency."""
    assert size(mode, "1", entry, ctx=context(**changes)) == expected


@pytest.mark.parametrize("stop", [None, "149.5"])
def test_without_a_rate_nothing_is_sized_in_another_currency(stop: str | None) -> None:
    """Neither what a lot is worth nor what its stop loses is known in dollars."""
    unknown = Denied(Reason.CONVERSION_UNKNOWN, {"from": "JPY", "to": "USD"})
    assert size(QtyMode.NOTIONAL, "1", "150", stop, instrument=USDJPY) == unknown
    assert loss_at_stop(D(1), D(150), D("149.5"), USDJPY, context()) is None


@pytest.mark.parametrize(
    ("mode", "amount", "stop", "numbers"),
    [
        (
            QtyMode.RISK_PCT,
            "0.20009",
            "1.0690",
            {"value": "0.00645379", "risk_pct": "0.32", "allowed_pct": "0.2"},
        ),
        (QtyMode.RISK_USD, "10.009", "1.0690", {"value": "0.00322835", "risk": "31.01", "allowed": "10"}),
        (QtyMode.NOTIONAL, "1000.009", None, {"value": "0.00909099", "worth": "1100.01", "allowed": "1000"}),
        (QtyMode.LOTS, "0.009", "1.0690", {"value": "0.009"}),
    ],
)
def test_a_size_below_the_minimum_says_what_the_minimum_costs(
    mode: QtyMode, amount: str, stop: str | None, numbers: dict[str, str]
) -> None:
    """The cost is rounded up, what is allowed down: `10 would be risked, 10 are allowed` is never said."""
    market = replace(EURUSD, commission_per_unit=D("0.34"))
    smallest = {"qty_min": "0.01", "unit": "lots"}
    if mode in {QtyMode.RISK_USD, QtyMode.NOTIONAL}:
        smallest["currency"] = "USD"
    answer = size(mode, amount, "1.1000001", stop, instrument=market)
    assert answer == Denied(Reason.BELOW_MINIMUM, smallest | numbers)


@pytest.mark.parametrize(("equity", "allowed"), [("0", "0"), ("-500", "-5"), ("0.5", None)])
def test_an_account_with_nothing_left_is_told_in_money(equity: str, allowed: str | None) -> None:
    """A percentage of nothing says nothing."""
    ctx = context(account=account(equity=D(equity)))
    answer = size(QtyMode.RISK_PCT, "1", "1.1", "1.069", ctx=ctx)
    assert isinstance(answer, Denied)
    if allowed is None:
        assert answer.numbers["risk_pct"] == "6200"
    else:
        assert (answer.numbers["risk"], answer.numbers["allowed"]) == ("31", allowed)


@pytest.mark.parametrize(
    ("qty_min", "smallest"), [("0", "0.02"), ("0.01", "0.02"), ("0.03", "0.04"), ("0.04", "0.04")]
)
def test_the_smallest_order_is_on_the_step(qty_min: str, smallest: str) -> None:
    """A minimum between two steps cannot be sent: the step above it is what an order needs."""
    market = replace(EURUSD, qty_step=D("0.02"), qty_min=D(qty_min))
    answer = size(QtyMode.LOTS, "0.019", instrument=market)
    assert answer == Denied(Reason.BELOW_MINIMUM, {"qty_min": smallest, "unit": "lots", "value": "0.019"})


def test_bounds_are_inclusive() -> None:
    """The minimum and the maximum themselves are sent; a ceiling is no cut where it is not passed."""
    assert sized(QtyMode.LOTS, "0.01").qty == D("0.01")
    assert sized(QtyMode.LOTS, "50").qty == D(50)
    large = Denied(Reason.ABOVE_MAXIMUM, {"value": "50.01", "limit": "50", "unit": "lots"})
    assert size(QtyMode.LOTS, "50.01") == large
    at_limit = sized(QtyMode.NOTIONAL, "11000", "1.1", ctx=context(limits=limits(max_order_qty="0.1")))
    assert (at_limit.qty, at_limit.cut_from) == (D("0.10"), None)


@pytest.mark.parametrize(("ceiling", "qty"), [("0.055", "0.05"), ("0.01", "0.01"), ("0.019", "0.01")])
def test_a_cut_is_on_the_step(ceiling: str, qty: str) -> None:
    """The account's or the endpoint's ceiling, rounded down; the worst loss is that of what is left."""
    for ctx in (
        context(limits=limits(max_order_qty=ceiling)),
        context(endpoint=EndpointRules(id="e", max_qty=D(ceiling)), limits=limits(max_order_qty="0.5")),
    ):
        cut = sized(QtyMode.RISK_USD, "100", "1.1", "1.09", ctx=ctx)
        assert (cut.qty, cut.cut_from, cut.worst_loss) == (D(qty), D("0.10"), D(qty) * 1000)
        assert sized(QtyMode.NOTIONAL, "11000", "1.1", ctx=ctx).worst_loss is None


@pytest.mark.parametrize(("qty_min", "ceiling"), [("0.02", "0.019"), ("0", "0.009"), ("0", "0")])
def test_a_ceiling_under_the_smallest_order_refuses(qty_min: str, ceiling: str) -> None:
    """What is left of the cut could not be sent: the sentence has the size, the ceiling and the unit."""
    market = replace(EURUSD, qty_min=D(qty_min))
    answer = size(
        QtyMode.NOTIONAL, "11000", "1.1", instrument=market, ctx=context(limits=limits(max_order_qty=ceiling))
    )
    assert answer == Denied(Reason.MAX_ORDER_SIZE, {"value": "0.1", "limit": ceiling, "unit": "lots"})
