"""fit may only shrink, and Approved and Fitted cannot be made by anyone else."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from mypy import api as mypy

from shared.models.command import Leg, Protection
from shared.models.enums import Action, CommandKind, OrderType
from shared.models.reasons import Reason
from shared.risk.actions import plan
from shared.risk.decision import Denied, Plan
from shared.risk.fit import Fitted, fit
from shared.risk.policy import Approved, evaluate
from tests.unit.risk.builders import BUY, NETTING, SELL, D, context, guard, order, position, signal

ROOT = Path(__file__).resolve().parents[3]


def leg(**changes: Any) -> Leg:
    plain = Leg(
        0, CommandKind.PLACE, "EURUSD", "EURUSD.x", "EURUSD", side=BUY, qty=D("0.119"), worst_loss=D(1)
    )
    return replace(plain, **changes)


def fitted(*legs: Leg) -> Fitted | Denied:
    ctx = context()
    approved = evaluate(Plan(legs), ctx)
    assert isinstance(approved, Approved), approved
    return fit(approved, ctx)


def only(answer: Fitted | Denied) -> Leg:
    assert isinstance(answer, Fitted), answer
    return answer.legs[0]


def test_quantities_shrink_to_the_step() -> None:
    """0.119 lots become 0.11."""
    assert only(fitted(leg())).qty == D("0.11")


@pytest.mark.parametrize(("qty", "reason"), [("0.009", Reason.BELOW_MINIMUM), ("51", Reason.ABOVE_MAXIMUM)])
def test_an_entry_out_of_range_is_denied(qty: str, reason: Reason) -> None:
    """Nothing is enlarged to the minimum or silently cut to the maximum here."""
    answer = fitted(leg(qty=D(qty)))
    assert isinstance(answer, Denied)
    assert answer.reason is reason


def test_prices_move_onto_the_tick() -> None:
    """Limit down, stop and target toward the entry, for a buy; the other way round for a sell."""
    protection = Protection(stop_loss=D("1.080001"), take_profit=D("1.120009"))
    buy = only(fitted(leg(type=OrderType.LIMIT, price=D("1.090009"), protection=protection)))
    assert (buy.price, buy.protection) == (D("1.09"), Protection(D("1.08001"), D("1.12")))
    protection = Protection(stop_loss=D("1.120009"), take_profit=D("1.080001"))
    sell = only(fitted(leg(side=SELL, type=OrderType.STOP, stop_price=D("1.100009"), protection=protection)))
    assert (sell.stop_price, sell.protection) == (D("1.1"), Protection(D("1.12"), D("1.08001")))


def test_exits_pass_whole() -> None:
    """Closes of other symbols and orders to cancel have nothing to round."""
    held = (position(BUY), position(SELL, "0.015", symbol="XAUUSD", number=2))
    ctx = context(NETTING, positions=held, orders=(order(), guard(held[0], OrderType.STOP)))
    answer = plan(signal(Action.FLATTEN, symbol=None), replace(ctx, instrument=None))
    assert isinstance(answer, Plan)
    approved = evaluate(answer, ctx)
    assert isinstance(approved, Approved)
    done = fit(approved, ctx)
    assert isinstance(done, Fitted)
    assert done.legs == answer.legs


def test_an_exit_that_rounds_to_nothing_is_dropped() -> None:
    """An exit below the step is not sent; when nothing else is left the reason is below_minimum."""
    close = leg(kind=CommandKind.CLOSE, side=SELL, qty=D("0.001"), reduce_only=True)
    answer = fitted(close)
    assert isinstance(answer, Denied)
    assert answer.reason is Reason.BELOW_MINIMUM


def test_an_entry_needs_an_instrument() -> None:
    """Without the broker's grid an entry is not fitted."""
    ctx = context()
    approved = evaluate(Plan((leg(),)), ctx)
    assert isinstance(approved, Approved)
    answer = fit(approved, replace(ctx, instrument=None))
    assert isinstance(answer, Denied)
    assert answer.reason is Reason.INSTRUMENT_UNKNOWN


def test_nobody_else_makes_them() -> None:
    """Made by hand, an Approved or a Fitted is a TypeError, also by way of replace()."""
    with pytest.raises(TypeError):
        Approved((), (), (), None, None, object())  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Fitted((), (), (), None, None, object())  # type: ignore[arg-type]
    approved = evaluate(Plan((leg(),)), context())
    assert isinstance(approved, Approved)
    with pytest.raises((TypeError, ValueError)):
        dataclasses.replace(approved, legs=())  # type: ignore[call-arg]
    done = fit(approved, context())
    assert isinstance(done, Fitted)
    with pytest.raises((TypeError, ValueError)):
        dataclasses.replace(done, legs=())  # type: ignore[call-arg]


FORGED = """
from shared.risk.decision import Plan
from shared.risk.fit import Fitted, fit
from shared.risk.policy import Approved
from shared.models.context import RiskContext

def forge(plan: Plan, ctx: RiskContext) -> None:
    Approved(plan.legs, (), (), None, None)
    Fitted(plan.legs, (), (), None, None)
    Fitted(plan.legs, (), (), None, None, object())
    fit(plan, ctx)
"""


def test_forging_is_a_type_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """mypy --strict refuses each of the four ways around the rules."""
    forged = tmp_path / "forged.py"
    forged.write_text(FORGED)
    monkeypatch.chdir(ROOT)
    cache = ["--cache-dir", str(tmp_path / "cache")]
    said, _, _ = mypy.run(["--strict", "--follow-imports=silent", "--config-file=", *cache, str(forged)])
    assert {int(line) for line in re.findall(r"forged\.py:(\d+): error", said)} == {8, 9, 10, 11}, said


def test_the_seals_stay_in_their_modules() -> None:
    """No other file of the product speaks of a seal."""
    speaking = {
        path.relative_to(ROOT).as_posix()
        for folder in ("shared", "workers", "local")
        for path in (ROOT / folder).rglob("*.py")
        if "_SEAL" in path.read_text()
    }
    assert speaking == {"shared/risk/policy.py", "shared/risk/fit.py"}
