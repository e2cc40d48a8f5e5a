"""Guards: trailing stops, break-even and time exits, decided from one read after another."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from shared.models.enums import CommandState, DeliveryOutcome, OrderStatus, Side, StopMode
from shared.models.guard import CLOSE, MOVE, REDUCE, Asked, Guard
from shared.models.market import Quote
from shared.models.signal import BreakEvenSpec, TrailSpec
from shared.models.trading import Position
from shared.risk.guarding import Look, look, newest
from shared.risk.levels import Market
from tests.unit.risk.builders import BUY, EURUSD, NOW, SELL, D, position, stop

TRAIL = TrailSpec(StopMode.OFFSET, D("0.0020"), None, D("0.0005"))
EVEN = BreakEvenSpec(stop(StopMode.OFFSET, "0.0030"), stop(StopMode.OFFSET, "0.0002"))
GUARD = Guard(
    id=1, version=1, side=BUY, symbol="EURUSD", root="EURUSD", command_state=CommandState.ACCEPTED, order_id=7,
    order_status=OrderStatus.FILLED, qty=D(1), entered_at=NOW, position_id="p1", row_opened_at=NOW, row_open=True,
)  # fmt: skip
HELD = position(BUY, "1", entry="1.10000", stop_loss=D("1.09800"))


def at(bid: str | Decimal, *, age_s: int = 0, spread: str = "0.0001", **instrument: Any) -> Market:
    """The market of EURUSD at this bid."""
    price = D(bid)
    quote = Quote("EURUSD", price, price + D(spread), NOW - timedelta(seconds=age_s))
    return Market(quote, replace(EURUSD, **instrument))


def asked(
    kind: str = MOVE, outcome: DeliveryOutcome | None = DeliveryOutcome.EXECUTED, ago_s: int = 60
) -> Asked:
    """What was asked for some time ago."""
    then = NOW - timedelta(seconds=ago_s)
    return Asked(kind, then, outcome, None, None if outcome is None else then)


def stop_asked(told: Look) -> Decimal | None:
    """The stop that is asked for; None = no move."""
    return told.act.stop if told.act is not None and told.act.kind == MOVE else None


def test_a_trail_follows_by_steps() -> None:
    """The stop keeps its distance to the best price, and moves when it can move by a step: never for less."""
    guard = replace(GUARD, trail=TRAIL)
    near = look(guard, HELD, at("1.10040"), NOW)
    assert (near.act, near.guard.best) == (None, D("1.10040"))
    moved = look(near.guard, HELD, at("1.10050"), NOW)
    assert stop_asked(moved) == D("1.09850")
    assert moved.act is not None
    assert moved.act.told == (
        "The trailing stop of EURUSD goes from 1.098 to 1.0985: the best price was 1.1005."
    )
    assert look(moved.guard, HELD, at("1.10020"), NOW).act == moved.act, "the best price counts, not the last"


def test_a_short_is_its_mirror() -> None:
    """Under a short the ask counts, and the stop comes down."""
    guard, held = (
        replace(GUARD, side=SELL, trail=TRAIL),
        position(SELL, entry="1.10000", stop_loss=D("1.10200")),
    )
    assert stop_asked(look(guard, held, at("1.09930"), NOW)) == D("1.10140")
    assert look(guard, held, at("1.09945"), NOW).act is None


def test_a_trail_may_begin_later() -> None:
    """With `activate` nothing moves before that profit was seen; once seen it counts, whatever the price does."""
    guard = replace(GUARD, trail=replace(TRAIL, activate=D("0.0040")))
    assert look(guard, HELD, at("1.10390"), NOW).act is None
    assert stop_asked(look(guard, HELD, at("1.10400"), NOW)) == D("1.10200")
    assert stop_asked(look(replace(guard, best=D("1.10400")), HELD, at("1.10250"), NOW)) == D("1.10200")


def test_percent_is_of_the_best_price() -> None:
    """A trail in percent keeps its share of the best price, its step is a share of the entry."""
    trail = TrailSpec(StopMode.PCT, D(1), None, D("0.1"))
    guard, held = replace(GUARD, trail=trail), replace(HELD, stop_loss=D("1.0890"))
    assert look(guard, held, at("1.10100"), NOW).act is None
    assert stop_asked(look(guard, held, at("1.20000"), NOW)) == D("1.18800")


def test_without_a_stop_the_trail_sets_one() -> None:
    """A position that has none gets the trail's, at once."""
    naked = replace(HELD, stop_loss=None)
    assert stop_asked(look(replace(GUARD, trail=TRAIL), naked, at("1.10000"), NOW)) == D("1.09800")


def test_break_even_comes_once() -> None:
    """At the trigger the stop goes to the entry and a little; when it stands there break-even is over, for good."""
    guard = replace(GUARD, be=EVEN)
    assert look(guard, HELD, at("1.10299"), NOW).act is None
    reached = look(guard, HELD, at("1.10300"), NOW)
    assert stop_asked(reached) == D("1.10020")
    stands = look(reached.guard, replace(HELD, stop_loss=D("1.10020")), at("1.10200"), NOW)
    assert (stands.act, stands.guard.is_secured) == (None, True)
    blind = look(stands.guard, HELD, None, NOW + timedelta(hours=1))
    assert not blind.blind, "no price is needed any more"
    loosened = look(stands.guard, replace(HELD, stop_loss=D("1.09000")), at("1.10200"), NOW)
    assert loosened.act is None, "the trader has taken it back himself"


def test_break_even_in_multiples_of_the_risk() -> None:
    """rr counts from the entry to the first stop that was seen, wherever the stop is by then."""
    guard = replace(GUARD, be=BreakEvenSpec(stop(StopMode.RR, "1.5")))
    first = look(guard, HELD, at("1.10200"), NOW)
    assert (first.act, first.guard.risk_distance) == (None, D("0.00200"))
    closer = replace(HELD, stop_loss=D("1.09950"))
    assert stop_asked(look(first.guard, closer, at("1.10300"), NOW)) == D("1.10000")
    assert look(guard, replace(HELD, stop_loss=None), at("1.20000"), NOW).act is None, (
        "no stop seen: no risk known"
    )


def test_the_tighter_of_both_wins() -> None:
    """Trail and break-even together: the level further in profit is asked for."""
    guard = replace(GUARD, trail=replace(TRAIL, value=D("0.0050")), be=EVEN)
    assert stop_asked(look(guard, HELD, at("1.10300"), NOW)) == D("1.10020")
    assert stop_asked(look(guard, HELD, at("1.10800"), NOW)) == D("1.10300")


def test_what_the_market_has_passed_is_closed() -> None:
    """A stop that could not be set before the market was through it: the position is closed, as it would have been."""
    guard = replace(GUARD, be=EVEN, best=D("1.10300"), asked=asked(outcome=DeliveryOutcome.REJECTED))
    told = look(guard, HELD, at("1.10020"), NOW).act
    assert told is not None
    assert (told.kind, told.told) == (
        CLOSE,
        "The market at 1.1002 has passed 1.1002, where the stop of EURUSD belongs: it is being closed.",
    )
    assert stop_asked(look(guard, HELD, at("1.10021"), NOW)) == D("1.10020")


def test_the_brokers_own_minimum_is_kept() -> None:
    """Nearer to the market than the broker allows no stop is asked for; the nearest allowed one is, where it helps."""
    guard = replace(GUARD, be=EVEN, best=D("1.10300"))
    assert stop_asked(look(guard, HELD, at("1.10030", min_stop_distance=D("0.0005")), NOW)) == D("1.09980")
    stands = replace(HELD, stop_loss=D("1.09980"))
    assert look(guard, stands, at("1.10030", min_stop_distance=D("0.0005")), NOW).act is None


@pytest.mark.parametrize("market", [None, at("1.20000", age_s=11), at("0"), at("1.2", spread="-0.1")])
def test_without_a_good_quote_nothing_moves(market: Market | None) -> None:
    """No quote, an old one, one that is none: nothing is moved or remembered; after a minute the trader hears of it."""
    guard = replace(GUARD, trail=TRAIL, quoted_at=NOW - timedelta(seconds=60))
    told = look(guard, HELD, market, NOW)
    assert (told.act, told.guard.best, told.blind) == (None, None, False)
    assert look(guard, HELD, market, NOW + timedelta(seconds=12)).blind
    assert look(guard, None, at("1.2"), NOW).act is None, "the position could not be read"


def test_a_time_exit_is_due_once() -> None:
    """From its second on the position is closed, with or without a price or a read; while that is under way no more."""
    guard = replace(GUARD, time_exit_s=60)
    due = NOW + timedelta(seconds=60)
    assert look(guard, HELD, None, due - timedelta(microseconds=1)).act is None
    told = look(guard, None, None, due)
    assert told.act is not None
    assert (told.act.kind, told.act.told) == (
        CLOSE,
        "EURUSD has been open for 60 s, its time exit: it is being closed.",
    )
    assert look(replace(guard, asked=asked(CLOSE, None)), HELD, None, due).act is None
    for move in (asked(MOVE, None), asked(MOVE, DeliveryOutcome.REJECTED, ago_s=-60)):
        assert look(replace(guard, asked=move), HELD, None, due).act == told.act, "no move keeps it waiting"


def test_a_time_exit_takes_what_its_entry_bought() -> None:
    """Of a net position that others have added to it closes its own part, and is over when that is done."""
    guard, due = replace(GUARD, time_exit_s=60), NOW + timedelta(seconds=60)
    told = look(guard, replace(HELD, qty=D(3)), None, due)
    assert told.act is not None
    assert (told.act.kind, told.act.qty) == (REDUCE, D(1))
    done = replace(guard, asked=asked(REDUCE))
    assert look(done, replace(HELD, qty=D(2)), None, due).ended == "its time is over"
    still = look(replace(done, trail=TRAIL), replace(HELD, qty=D(2)), None, due)
    assert (still.ended, still.guard.time_exit_s) == (None, None)


def test_what_failed_is_asked_for_again_less_and_less_often() -> None:
    """A refused exit comes again after 2, 4, 8 s and at least every minute; the failures are counted."""
    guard = replace(GUARD, time_exit_s=60, entered_at=NOW - timedelta(seconds=600))
    for failures, pause_s in ((0, 2), (1, 4), (4, 32), (9, 60)):
        early = asked(CLOSE, DeliveryOutcome.REJECTED, ago_s=pause_s - 1)
        late = asked(CLOSE, DeliveryOutcome.REJECTED, ago_s=pause_s)
        assert look(replace(guard, failures=failures, asked=early), HELD, None, NOW).act is None
        again = look(replace(guard, failures=failures, asked=late), HELD, None, NOW)
        assert (again.act is not None, again.guard.failures) == (True, failures + 1)


def test_a_list_that_lags_moves_nothing_twice() -> None:
    """The broker's list still shows the stop before our move: for a while ours counts."""
    guard = replace(GUARD, trail=TRAIL, best=D("1.10050"), stop=D("1.09850"), asked=asked(ago_s=3))
    assert look(guard, HELD, at("1.10050"), NOW).act is None
    old = replace(guard, asked=asked(ago_s=30))
    assert stop_asked(look(old, HELD, at("1.10050"), NOW)) == D("1.09850"), "it really is not there"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"command_state": CommandState.REJECTED}, "the broker did not take it"),
        ({"order_status": OrderStatus.CANCELED, "qty": D(0)}, "its order ended without a fill"),
        ({"row_open": False}, "the position is closed"),
        ({"opened_at": NOW - timedelta(hours=1)}, "the position is closed"),
        ({"trail": None}, "replaced"),
    ],
)  # fmt: skip
def test_when_it_is_over(changes: dict[str, Any], why: str) -> None:
    """Not taken, never filled, closed, another position under the same id, or nothing left to see to."""
    told = look(replace(GUARD, **({"trail": TRAIL} | changes)), HELD, at("1.2"), NOW)
    assert (told.ended, told.act) == (why, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"command_state": CommandState.UNKNOWN, "qty": D(0), "order_status": OrderStatus.UNKNOWN},
        {"qty": D(0), "order_status": OrderStatus.WORKING, "row_open": False},
        {"order_id": None, "qty": None, "command_state": CommandState.SUBMITTING},
        {"row_opened_at": None, "row_open": False},
    ],
)
def test_what_is_not_there_yet_waits(changes: dict[str, Any]) -> None:
    """Unknown, pending, or a change that is not accepted: neither over nor begun."""
    told = look(replace(GUARD, trail=TRAIL, time_exit_s=1, entered_at=None, **changes), HELD, at("1.2"), NOW)
    assert (told.ended, told.act) == (None, None)


def test_the_last_word_counts() -> None:
    """A later change replaces the trail of the same position, `none` takes it away; one that is not accepted does not."""
    first, other = (
        replace(GUARD, trail=TRAIL, be=EVEN),
        replace(GUARD, id=2, order_id=8, position_id="p2", trail=TRAIL),
    )
    change = replace(GUARD, id=3, order_id=None, qty=None, trail=TrailSpec(StopMode.PCT, D(1)))
    none = replace(change, id=4, trail=TrailSpec(StopMode.NONE, D(0)), be=None)
    waiting = replace(none, id=5, command_state=CommandState.SUBMITTING)
    assert [each.trail for each in newest([first, other, change])] == [None, TRAIL, change.trail]
    assert [(each.trail, each.be) for each in newest([none, first])] == [(None, EVEN), (None, None)]
    assert [each.trail for each in newest([first, waiting])] == [TRAIL, waiting.trail]


PRICES = st.lists(st.integers(min_value=108_000, max_value=113_000), min_size=1, max_size=40)


@settings(max_examples=150, deadline=None)
@given(
    prices=PRICES,
    side=st.sampled_from(Side),
    value=st.integers(min_value=10, max_value=800),
    step=st.integers(min_value=1, max_value=100),
    works=st.lists(st.booleans(), min_size=40, max_size=40),
)
def test_it_never_loosens(prices: list[int], side: Side, value: int, step: int, works: list[bool]) -> None:
    """Whatever prices come, and whichever moves fail: each stop asked for is further in profit than the one that
    stands, on the tick, not beyond the market, and asked for again with nothing new it is the same."""
    trail = TrailSpec(StopMode.OFFSET, D(value) / 100_000, None, D(step) / 100_000)
    way = 1 if side is BUY else -1
    guard = replace(GUARD, side=side, trail=trail, be=EVEN)
    held: Position = position(side, entry="1.10000", stop_loss=D("1.10000") - way * trail.value)
    now = NOW
    for price, done in zip(prices, works, strict=False):
        now += timedelta(seconds=30)
        bid = D(price) / 100_000
        market = Market(Quote("EURUSD", bid, bid + D("0.00010"), now), EURUSD)
        told = look(guard, held, market, now)
        assert look(guard, held, market, now) == told
        guard = told.guard
        if told.act is None:
            continue
        if told.act.kind == CLOSE:
            return
        assert told.act.stop is not None
        assert held.stop_loss is not None
        assert (told.act.stop - held.stop_loss) * way > 0
        assert told.act.stop % EURUSD.tick_size == 0
        assert (market.quote.entry_price(side.opposite) - told.act.stop) * way > 0
        under_way = replace(guard, asked=Asked(MOVE, now))
        assert look(under_way, held, market, now).act is None
        outcome = DeliveryOutcome.EXECUTED if done else DeliveryOutcome.REJECTED
        guard = replace(guard, asked=Asked(MOVE, now, outcome, None, now))
        held = replace(held, stop_loss=told.act.stop) if done else held
