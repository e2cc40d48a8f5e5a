"""What fit answers, to the last number: each of these is one way in which its arithmetic could be changed unseen."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from shared.models.command import Leg
from shared.models.context import RiskContext
from shared.models.enums import CommandKind, OrderType, Side
from shared.models.market import Instrument
from shared.models.reasons import Reason
from shared.risk.decision import Denied, Note, Plan, Sizing
from shared.risk.fit import Fitted, fit
from shared.risk.policy import Approved, evaluate
from tests.unit.risk.builders import BUY, EURUSD, SELL, D, account, context

ENTRY = Leg(0, CommandKind.PLACE, "EURUSD", "EURUSD.x", "EURUSD", side=BUY, qty=D("0.119"), worst_loss=D(1))
EXIT = replace(ENTRY, side=SELL, reduce_only=True)
TINY = replace(EXIT, kind=CommandKind.CLOSE, qty=D("0.001"))


def approved(plan: Plan, ctx: RiskContext) -> Approved:
    """The plan, past the rules."""
    answer = evaluate(plan, ctx)
    assert isinstance(answer, Approved), answer
    return answer


def denial(leg: Leg, instrument: Instrument = EURUSD) -> tuple[Denied, Approved]:
    """What fit refuses, and what it was given."""
    passed = approved(Plan((leg,)), context())
    answer = fit(passed, context(instrument=instrument))
    assert isinstance(answer, Denied), answer
    return answer, passed


def one(leg: Leg, instrument: Instrument = EURUSD) -> Leg:
    """The leg as it is sent."""
    answer = fit(approved(Plan((leg,)), context()), replace(context(), instrument=instrument))
    assert isinstance(answer, Fitted), answer
    return answer.legs[0]


def test_a_denial_says_the_numbers_and_what_was_checked() -> None:
    """Too small, too large, not known well enough: value, unit, limit, and the checks that were passed before."""
    answer, passed = denial(replace(ENTRY, qty=D("0.009")))
    small = {"value": "0", "unit": "lots", "qty_min": "0.01"}
    assert passed.checks
    assert answer == Denied(Reason.BELOW_MINIMUM, small, passed.checks)
    answer, passed = denial(replace(ENTRY, qty=D(51)))
    large = {"value": "51", "unit": "lots", "limit": "50"}
    assert answer == Denied(Reason.ABOVE_MAXIMUM, large, passed.checks)
    answer, passed = denial(replace(ENTRY, root="XAUUSD", symbol="XAUUSD"))
    assert answer == Denied(Reason.INSTRUMENT_UNKNOWN, {"symbol": "XAUUSD"}, passed.checks)


@pytest.mark.parametrize("change", [{"tick_size": D(0)}, {"qty_step": D(0)}], ids=str)
def test_an_entry_needs_tick_and_step(change: dict[str, Decimal]) -> None:
    """Without one of them nothing is opened, whatever the other says."""
    answer, _ = denial(ENTRY, replace(EURUSD, **change))  # type: ignore[arg-type]
    assert answer.reason is Reason.INSTRUMENT_UNKNOWN


def test_the_bounds_are_inclusive() -> None:
    """The maximum itself is sent; nothing is never sent, also where the venue states no minimum."""
    assert one(replace(ENTRY, qty=D(50))).qty == D(50)
    answer, _ = denial(replace(ENTRY, qty=D("0.009")), replace(EURUSD, qty_min=D(0)))
    assert answer.numbers["qty_min"] == "0.01"


def test_an_exit_of_another_symbol_is_not_rounded() -> None:
    """The instrument at hand is not its own."""
    other = replace(EXIT, kind=CommandKind.CLOSE, symbol="XAUUSD", root="XAUUSD")
    assert one(other) == other


def test_an_exit_without_a_side_keeps_its_quantity_on_the_step() -> None:
    """There is no price to move then."""
    closing = replace(EXIT, kind=CommandKind.CLOSE, side=None)
    assert one(closing) == replace(closing, qty=D("0.11"))


def test_what_the_rules_found_is_handed_on() -> None:
    """Checks, notes, sizing and the refused entry are those of the approval."""
    sizing = Sizing(None, D(1), "alert", "lots", "USD", D("0.11"), D("0.119"), D("0.01"))
    plan = Plan((ENTRY,), (Note("noted"),), sizing)
    passed = approved(plan, context())
    answer = fit(passed, context())
    assert isinstance(answer, Fitted)
    assert passed.notes
    assert (answer.checks, answer.notes, answer.sizing) == (passed.checks, passed.notes, sizing)


def test_what_is_left_of_a_refused_entry() -> None:
    """On an account that is off only the exit goes, with the refusal; where it rounds to nothing, nothing does."""
    off = context(account=account(trading_enabled=False))
    passed = approved(Plan((replace(EXIT, kind=CommandKind.CLOSE), ENTRY)), off)
    answer = fit(passed, off)
    assert isinstance(answer, Fitted)
    assert (len(answer.legs), answer.refused) == (1, passed.refused)
    passed = approved(Plan((TINY, ENTRY)), off)
    assert passed.checks
    assert fit(passed, off) == Denied(Reason.BELOW_MINIMUM, {}, passed.checks)


@pytest.mark.parametrize(
    ("side", "limit", "stop"),
    [(SELL, "1.09", "1.09001"), (BUY, "1.09001", "1.09")],
)
def test_prices_of_exits_move_toward_the_entry(side: Side, limit: str, stop: str) -> None:
    """A target that is nearer, a stop that loses less: not as an entry of that side would be rounded."""
    target = replace(EXIT, side=side, type=OrderType.LIMIT, price=D("1.090005"))
    assert one(target).price == D(limit)
    guard = replace(EXIT, side=side, type=OrderType.STOP, stop_price=D("1.090005"))
    assert one(guard).stop_price == D(stop)


@pytest.mark.parametrize(
    ("side", "limit", "stop"),
    [(BUY, "1.09", "1.09001"), (SELL, "1.09001", "1.09")],
)
def test_prices_of_entries_are_never_worse(side: Side, limit: str, stop: str) -> None:
    """A buy limit down, a sell limit up, a stop entry away from the market."""
    entry = replace(ENTRY, side=side, type=OrderType.LIMIT, price=D("1.090005"))
    assert one(entry).price == D(limit)
    entry = replace(ENTRY, side=side, type=OrderType.STOP, stop_price=D("1.090005"))
    assert one(entry).stop_price == D(stop)


def test_rounding_is_exact() -> None:
    """Digits beyond what decimals usually carry still count: a sell limit goes up by a whole tick for one of them."""
    price = D("1.0900000000000000000000000000000000001")
    entry = replace(ENTRY, side=SELL, type=OrderType.LIMIT, price=price)
    assert one(entry).price == D("1.09001")


def test_nobody_else_makes_one() -> None:
    """The sentences name the only function that may."""
    with pytest.raises(TypeError, match=r"^a Fitted is made by shared\.risk\.fit\.fit only$"):
        Fitted((), (), (), None, None, None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^an Approved is made by shared\.risk\.policy\.evaluate only$"):
        Approved((), (), (), None, None, None)  # type: ignore[arg-type]
