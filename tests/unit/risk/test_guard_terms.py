"""Trail, break-even and time exit of an entry: what is kept of them, and what makes no sense."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from shared.models.command import Leg
from shared.models.enums import Action, StopMode
from shared.models.reasons import Reason
from shared.models.signal import BreakEvenSpec, StopSpec, TrailSpec
from shared.models.trading import Position
from shared.risk.actions import plan
from shared.risk.decision import Denied, Plan, Skipped
from shared.risk.policy import Approved, evaluate
from shared.risk.reasons import sentence
from tests.unit.risk.builders import BUY, NETTING, XAUUSD, D, context, order, position, signal, stop

PIPS_20 = TrailSpec(StopMode.PIPS, D(20))
EVEN = BreakEvenSpec(stop(StopMode.PIPS, "30"), stop(StopMode.TICKS, "5"))


def entry(**changes: Any) -> Leg | Denied:
    """The leg of a buy of EURUSD with these guards; `about` changes the context."""
    about = changes.pop("about", {})
    answer = plan(signal(Action.OPEN, BUY, "0.1", **changes), context(**about))
    if isinstance(answer, Denied):
        return answer
    assert isinstance(answer, Plan), answer
    assert isinstance(evaluate(answer, context(**about)), Approved), "no rule stands against what we keep"
    return answer.legs[0]


def leg_of(**changes: Any) -> Leg:
    """The leg, which must be one."""
    found = entry(**changes)
    assert isinstance(found, Leg), found
    return found


def test_pips_and_ticks_become_prices() -> None:
    """What is kept needs no trader's word for a pip any more; a step is a tenth of the distance where none is said."""
    leg = leg_of(trail=PIPS_20, be=EVEN, time_exit_s=3600, sl=stop(StopMode.PIPS, "50"))
    assert leg.trail == TrailSpec(StopMode.OFFSET, D("0.0020"), None, D("0.0002"))
    assert leg.be == BreakEvenSpec(stop(StopMode.OFFSET, "0.0030"), stop(StopMode.OFFSET, "0.00005"))
    assert leg.time_exit_s == 3600
    said = TrailSpec(StopMode.TICKS, D(300), D(100), D(50))
    assert leg_of(trail=said).trail == TrailSpec(StopMode.OFFSET, D("0.003"), D("0.001"), D("0.0005"))
    pct = TrailSpec(StopMode.PCT, D(1))
    assert leg_of(trail=pct).trail == TrailSpec(StopMode.PCT, D(1), None, D("0.1"))


def test_a_trail_is_the_first_stop() -> None:
    """Without a stop of its own the entry gets the trail's distance, so that it is never without one; not where the
    trail begins later, and not instead of what the alert says."""
    assert leg_of(trail=PIPS_20).protection.stop_loss == D("1.09800")
    assert leg_of(trail=PIPS_20).sl == StopSpec(StopMode.PIPS, D(20))
    assert leg_of(trail=replace(PIPS_20, activate=D(10))).protection.stop_loss is None
    assert leg_of(trail=PIPS_20, sl=stop(StopMode.PIPS, "50")).protection.stop_loss == D("1.09500")
    assert leg_of(trail=PIPS_20, sl=stop(StopMode.NONE)).protection.stop_loss is None
    none = leg_of(trail=TrailSpec(StopMode.NONE, D(0)), be=BreakEvenSpec(stop(StopMode.NONE)))
    assert (none.trail, none.be, none.protection.stop_loss) == (None, None, None)


@pytest.mark.parametrize(
    ("asked", "reason", "told"),
    [
        ({"trail": TrailSpec(StopMode.PIPS, D("0.5"))}, Reason.STOP_TOO_CLOSE,
         "The trailing stop would be 0.00005 from the best price; the least is 0.0001 (spread or broker's minimum)."),
        ({"trail": TrailSpec(StopMode.PCT, D(100))}, Reason.INVALID, "trail.value is 100; it must be below 100."),
        ({"be": BreakEvenSpec(stop(StopMode.PIPS, "20"), stop(StopMode.PIPS, "20"))}, Reason.INVALID,
         "be.plus is 0.002; it must be below 0.002."),
        ({"be": BreakEvenSpec(stop(StopMode.PIPS, "20"), stop(StopMode.PIPS, "19.5"))}, Reason.STOP_TOO_CLOSE,
         "The break-even stop would be 0.00005 from the price that sets it; the least is 0.0001 (spread or broker's minimum)."),
        ({"be": BreakEvenSpec(stop(StopMode.RR, "1"))}, Reason.STOP_REQUIRED,
         "The break-even in rr is a multiple of the distance to the stop, and there is none."),
    ],
)  # fmt: skip
def test_what_makes_no_sense(asked: dict[str, Any], reason: Reason, told: str) -> None:
    """Denied in a sentence with the field and its limit."""
    denied = entry(**asked)
    assert isinstance(denied, Denied)
    assert denied.reason is reason
    assert sentence(denied.reason, denied.numbers).startswith(told)


def test_a_pip_of_gold_is_nothing() -> None:
    """Where a pip is not defined a trail in pips is denied, too."""
    denied = entry(symbol="XAUUSD", trail=PIPS_20, about={"instrument": XAUUSD})
    assert isinstance(denied, Denied)
    assert denied.reason is Reason.PIP_UNDEFINED


def test_a_size_that_needs_no_price_does_with_a_trail() -> None:
    """Distances are judged against a price: without a quote an entry with a trail is not sent."""
    denied = entry(trail=PIPS_20, about={"quote": None})
    assert isinstance(denied, Denied)
    assert denied.reason is Reason.NO_QUOTE
    assert leg_of(time_exit_s=60, about={"quote": None}).time_exit_s == 60


LONG = position(BUY, "1", entry="1.09000", stop_loss=D("1.08000"))


def changed(held: Position = LONG, **changes: Any) -> Leg | Denied | Skipped:
    """What a modify of the position asks for."""
    answer = plan(signal(Action.MODIFY, side=None, **changes), context(NETTING, positions=(held,)))
    return answer.legs[0] if isinstance(answer, Plan) else answer


def test_a_change_of_guards_is_ours_alone() -> None:
    """A trail or break-even given later asks nothing of the broker; with a stop beside it, it does."""
    leg = changed(trail=PIPS_20, be=BreakEvenSpec(stop(StopMode.RR, "1")))
    assert isinstance(leg, Leg)
    assert (leg.asks_nothing, leg.adds_risk) == (True, False)
    assert leg.trail == TrailSpec(StopMode.OFFSET, D("0.0020"), None, D("0.0002"))
    off = changed(trail=TrailSpec(StopMode.NONE, D(0)))
    assert isinstance(off, Leg)
    assert off.asks_nothing
    both = changed(trail=PIPS_20, sl=stop(StopMode.PRICE, "1.08500"))
    assert isinstance(both, Leg)
    assert not both.asks_nothing


def test_our_own_change_never_loosens() -> None:
    """What a guard asks for does nothing where somebody has set a tighter stop since."""
    lower, higher = stop(StopMode.PRICE, "1.07900"), stop(StopMode.PRICE, "1.08100")
    ours = changed(sl=lower, tightens=True)
    assert isinstance(ours, Skipped)
    assert ours.reason is Reason.NOTHING_TO_MODIFY
    moved = changed(sl=higher, tightens=True)
    assert isinstance(moved, Leg)
    assert moved.protection.stop_loss == D("1.08100")
    assert (moved.tightens, moved.replaces) == (True, None), "nor where somebody does before it is done"
    theirs = changed(sl=lower)
    assert isinstance(theirs, Leg)
    assert (theirs.adds_risk, theirs.tightens, theirs.replaces) == (True, False, None)


def test_one_position_is_closed_by_its_id() -> None:
    """The other positions of the symbol stay, and so do entries that wait."""
    both = (LONG, position(BUY, "2", number=2))
    ctx = context(positions=both, orders=(order(BUY),))
    answer = plan(signal(Action.CLOSE, side=None, position_id="p2"), ctx)
    assert isinstance(answer, Plan)
    assert [leg.venue_position_id for leg in answer.legs] == ["p2"]
