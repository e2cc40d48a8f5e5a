"""Stops, targets and order prices: every mode, every rounding, every refusal."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from shared.models.context import RiskContext, TradingDefaults
from shared.models.enums import Action, OrderType, Side, StopMode, Tif
from shared.models.market import Instrument
from shared.models.reasons import Reason
from shared.models.signal import StopSpec
from shared.risk.actions import plan
from shared.risk.decision import Denied, Plan
from shared.risk.grid import entry_on_grid, stop_on_grid, target_on_grid
from shared.risk.prices import anchor_to_fill, pip_size
from tests.unit.risk.builders import (
    BUY,
    EURUSD,
    HEDGING,
    MNQ,
    NETTING,
    NOW,
    SELL,
    USDJPY,
    XAUUSD,
    D,
    context,
    quote,
    signal,
    stop,
)


def entry(ctx: RiskContext, side: Side = BUY, qty: str = "1", **changes: Any) -> Plan | Denied:
    answer = plan(signal(Action.OPEN, side, qty, **changes), ctx)
    assert isinstance(answer, Plan | Denied)
    return answer


def protected(ctx: RiskContext, side: Side = BUY, qty: str = "1", **changes: Any) -> tuple[str, str]:
    answer = entry(ctx, side, qty, **changes)
    assert isinstance(answer, Plan), answer
    protection = answer.legs[0].protection
    return str(protection.stop_loss), str(protection.take_profit)


@pytest.mark.parametrize(
    ("sl", "expected"),
    [
        (stop(StopMode.PRICE, "1.09500"), "1.09500"),
        (stop(StopMode.OFFSET, "0.005"), "1.09500"),
        (stop(StopMode.PIPS, "50"), "1.09500"),
        (stop(StopMode.TICKS, "500"), "1.09500"),
        (stop(StopMode.PCT, "1"), "1.08900"),
        (stop(StopMode.USD, "250"), "1.09500"),  # half a lot: 250 USD / 0.5 USD a tick = 500 ticks
        (stop(StopMode.PRICE, "1.0950012"), "1.09501"),  # toward the entry
    ],
)
def test_stop_modes(sl: StopSpec, expected: str) -> None:
    """Every mode of a stop under a buy at 1.10000, moved toward the entry where it is between two ticks."""
    assert protected(context(), qty="0.5", sl=sl)[0] == expected


@pytest.mark.parametrize(
    ("tp", "expected"),
    [
        (stop(StopMode.PRICE, "1.11000"), "1.11000"),
        (stop(StopMode.PIPS, "50"), "1.10500"),
        (stop(StopMode.USD, "250"), "1.10500"),
        (stop(StopMode.RR, "2"), "1.11000"),
        (stop(StopMode.PRICE, "1.1100099"), "1.11000"),
        (stop(StopMode.NONE), "None"),
    ],
)
def test_target_modes(tp: StopSpec, expected: str) -> None:
    """Every mode of a target over a buy at 1.10000 with a stop 50 pips away."""
    assert protected(context(), qty="0.5", sl=stop(StopMode.PIPS, "50"), tp=(tp,))[1] == expected


def test_a_sell_mirrors() -> None:
    """A sell at the bid 1.09990 has its stop above and its target below."""
    answer = protected(context(), SELL, sl=stop(StopMode.PIPS, "50"), tp=(stop(StopMode.RR, "2"),))
    assert answer == ("1.10490", "1.08990")


def test_defaults_and_none() -> None:
    """Absent = trading_config's stop and target; `none` = none."""
    ctx = context(defaults=TradingDefaults(sl=stop(StopMode.PIPS, "50"), tp=stop(StopMode.RR, "1")))
    assert protected(ctx) == ("1.09500", "1.10500")
    assert protected(ctx, sl=stop(StopMode.NONE), tp=(stop(StopMode.NONE),)) == ("None", "None")


@pytest.mark.parametrize(
    ("instrument", "pip"),
    [
        (EURUSD, "0.0001"),
        (USDJPY, "0.01"),
        (XAUUSD, None),
        (MNQ, None),
        (replace(EURUSD, base_currency="XAU"), None),
        (replace(EURUSD, base_currency="BTC"), None),
        (replace(XAUUSD, pip_size=D("0.1")), "0.1"),
    ],
)
def test_what_a_pip_is(instrument: Instrument, pip: str | None) -> None:
    """A pip is the venue's or configured one, 0.0001 for a pair, 0.01 in JPY, and undefined for anything
    else.
    """
    assert pip_size(instrument) == (None if pip is None else D(pip))


@pytest.mark.parametrize("instrument", [XAUUSD, MNQ])
def test_pip_undefined_names_the_way_out(instrument: Instrument) -> None:
    """Pips where there are none are denied, naming offset and ticks."""
    answer = entry(context(instrument=instrument), sl=stop(StopMode.PIPS, "10"))
    assert isinstance(answer, Denied)
    assert (answer.reason, answer.numbers["use"]) == (Reason.PIP_UNDEFINED, "offset or ticks")


@pytest.mark.parametrize(
    ("side", "changes", "reason"),
    [
        (BUY, {"sl": stop(StopMode.PRICE, "1.11")}, Reason.STOP_WRONG_SIDE),
        (SELL, {"sl": stop(StopMode.PRICE, "1.09")}, Reason.STOP_WRONG_SIDE),
        (BUY, {"sl": stop(StopMode.PRICE, "1.11"), "ref_price": D("1.12")}, Reason.STOP_PASSED),
        (BUY, {"sl": stop(StopMode.TICKS, "9")}, Reason.STOP_TOO_CLOSE),  # the spread is 10 ticks
        (BUY, {"sl": stop(StopMode.TICKS, "10")}, Reason.STOP_PASSED),  # the bid is there
        (BUY, {"sl": stop(StopMode.OFFSET, "2")}, Reason.STOP_WRONG_SIDE),  # below zero
        (BUY, {"sl": stop(StopMode.OFFSET, "-0.01")}, Reason.INVALID),
        (BUY, {"tp": (stop(StopMode.PRICE, "1.09"),)}, Reason.STOP_WRONG_SIDE),
        (BUY, {"tp": (stop(StopMode.RR, "2"),)}, Reason.STOP_REQUIRED),
        (BUY, {"type": OrderType.LIMIT}, Reason.PRICE_MISSING),
        (BUY, {"type": OrderType.STOP, "price": D(1)}, Reason.PRICE_MISSING),
        (
            BUY,
            {"type": OrderType.LIMIT, "price": D("1.12"), "sl": stop(StopMode.PRICE, "1.11")},
            Reason.STOP_PASSED,
        ),
    ],
)
def test_refused_prices(side: Side, changes: dict[str, Any], reason: Reason) -> None:
    """Stops and targets on the wrong side, too close or passed by the market deny the entry, with the
    numbers.
    """
    answer = entry(context(), side, **changes)
    assert isinstance(answer, Denied), answer
    assert answer.reason is reason
    assert answer.numbers


def test_the_venues_minimum_distance() -> None:
    """Nearer than the venue's own minimum is too close, for stops and for targets."""
    ctx = context(instrument=replace(EURUSD, min_stop_distance=D("0.001")))
    near = stop(StopMode.TICKS, "99")
    cases: tuple[dict[str, Any], ...] = ({"sl": near}, {"tp": (near,)})
    for changes in cases:
        answer = entry(ctx, **changes)
        assert isinstance(answer, Denied)
        assert answer.reason is Reason.STOP_TOO_CLOSE
    assert protected(ctx, sl=stop(StopMode.TICKS, "100"))[0] == "1.09900"


def test_without_a_quote() -> None:
    """A fixed market order needs no quote; a stop or a size from money does, and an old quote is none."""
    for ctx in (context(quote=None), context(quote=quote(age_s=61))):
        assert isinstance(entry(ctx), Plan)
        answer = entry(ctx, sl=stop(StopMode.PIPS, "50"))
        assert isinstance(answer, Denied)
        assert answer.reason is Reason.NO_QUOTE
    limit = entry(context(quote=None), type=OrderType.LIMIT, price=D("1.09"), sl=stop(StopMode.PIPS, "50"))
    assert isinstance(limit, Plan)
    assert limit.legs[0].protection.stop_loss == D("1.085")


@pytest.mark.parametrize(
    ("side", "kind", "asked", "sent"),
    [
        (BUY, OrderType.LIMIT, "1.090009", "1.09000"),
        (SELL, OrderType.LIMIT, "1.110001", "1.11001"),
        (BUY, OrderType.STOP, "1.110001", "1.11001"),
        (SELL, OrderType.STOP, "1.090009", "1.09000"),
    ],
)
def test_pending_entries(side: Side, kind: OrderType, asked: str, sent: str) -> None:
    """A buy limit goes down, a sell limit up, stop entries away from the market; it lives for 24 h at
    most.
    """
    field: dict[str, Any] = {"price" if kind is OrderType.LIMIT else "stop_price": D(asked)}
    answer = entry(context(), side, type=kind, **field)
    assert isinstance(answer, Plan)
    leg = answer.legs[0]
    assert D(sent) in (leg.price, leg.stop_price)
    assert leg.expires_at == NOW + timedelta(hours=24)


def test_time_in_force() -> None:
    """Absent = day on futures, gtc elsewhere; a market order does not expire."""
    spot, future = entry(context()), entry(context(instrument=MNQ))
    assert isinstance(spot, Plan)
    assert isinstance(future, Plan)
    assert (spot.legs[0].tif, future.legs[0].tif, spot.legs[0].expires_at) == (Tif.GTC, Tif.DAY, None)


def test_grid() -> None:
    """Stops and targets move toward the entry, entries never to a worse price."""
    assert (stop_on_grid(D("1.001"), BUY, D("0.01")), stop_on_grid(D("1.009"), SELL, D("0.01"))) == (
        D("1.01"),
        D("1"),
    )
    assert (target_on_grid(D("1.009"), BUY, D("0.01")), target_on_grid(D("1.001"), SELL, D("0.01"))) == (
        D(1),
        D("1.01"),
    )
    assert entry_on_grid(D("20000.30"), BUY, OrderType.LIMIT, D("0.25")) == D("20000.25")


def test_anchored_again_to_the_fill() -> None:
    """After the fill 5 pips higher, relative protection moves with it; what was given as a price stays."""
    moving = entry(context(), sl=stop(StopMode.USD, "500"), tp=(stop(StopMode.RR, "2"),))
    assert isinstance(moving, Plan)
    again = anchor_to_fill(moving.legs[0], D("1.10050"), EURUSD)
    assert (again.stop_loss, again.take_profit) == (D("1.09550"), D("1.11050"))
    fixed = entry(context(), sl=stop(StopMode.PRICE, "1.095"), tp=(stop(StopMode.PRICE, "1.11"),))
    assert isinstance(fixed, Plan)
    again = anchor_to_fill(fixed.legs[0], D("1.10050"), EURUSD)
    assert (again.stop_loss, again.take_profit) == (D("1.095"), D("1.11"))


TWO = (stop(StopMode.RR, "1", "0.5"), stop(StopMode.RR, "2", "0.5"))


def test_several_targets_on_hedging() -> None:
    """Hedging: one entry per portion, rounded down, the rest to the last, each with the same stop."""
    answer = entry(context(HEDGING), qty="0.25", sl=stop(StopMode.PIPS, "50"), tp=TWO)
    assert isinstance(answer, Plan)
    assert [(leg.qty, leg.protection.stop_loss, leg.protection.take_profit) for leg in answer.legs] == [
        (D("0.12"), D("1.09500"), D("1.10500")),
        (D("0.13"), D("1.09500"), D("1.11000")),
    ]
    assert [leg.worst_loss for leg in answer.legs] == [D(60), D(65)]


def test_several_targets_on_netting() -> None:
    """Netting: one entry with one stop for the total, then a limit exit per portion once it is filled."""
    answer = entry(context(NETTING), qty="0.25", sl=stop(StopMode.PIPS, "50"), tp=TWO)
    assert isinstance(answer, Plan)
    opening, *exits = answer.legs
    assert (opening.qty, opening.protection.stop_loss, opening.protection.take_profit) == (
        D("0.25"),
        D("1.095"),
        None,
    )
    assert [(leg.side, leg.type, leg.qty, leg.price) for leg in exits] == [
        (SELL, OrderType.LIMIT, D("0.12"), D("1.10500")),
        (SELL, OrderType.LIMIT, D("0.13"), D("1.11000")),
    ]
    assert all(leg.reduce_only and leg.after_fill and not leg.is_entry for leg in exits)


def test_portions_that_leave_a_runner() -> None:
    """Portions below 1 in sum leave a rest that runs until its stop; one below the minimum is merged."""
    part = (stop(StopMode.RR, "1", "0.5"),)
    answer = entry(context(HEDGING), qty="0.25", sl=stop(StopMode.PIPS, "50"), tp=part)
    assert isinstance(answer, Plan)
    assert [(leg.qty, leg.protection.take_profit) for leg in answer.legs] == [
        (D("0.12"), D("1.105")),
        (D("0.13"), None),
    ]
    tiny = entry(context(HEDGING), qty="0.01", sl=stop(StopMode.PIPS, "50"), tp=TWO)
    assert isinstance(tiny, Plan)
    assert [(leg.qty, leg.protection.take_profit) for leg in tiny.legs] == [(D("0.01"), D("1.11"))]
    assert "merged" in tiny.notes[-1].text
