"""A position without its stop: asked for again, closed or told, decided from one read after another."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from shared.models.enums import DeliveryOutcome, Side
from shared.models.guard import Asked
from shared.models.market import Quote
from shared.models.naked import CLOSE, STOP, Naked
from shared.models.reasons import Reason
from shared.risk.levels import Market, ahead
from shared.risk.naked import Lists, look, may_act
from tests.unit.risk.builders import BUY, EURUSD, NOW, SELL, D, position

LISTS = Lists(timedelta(seconds=10), doubles=False)
DOUBLING = replace(LISTS, doubles=True)
HELD = position(BUY, "1.5", entry="1.10000")
NAKED = Naked(
    id=1, version=1, position_id="p1", opened_at=NOW, side=BUY, symbol="EURUSD", since=NOW, stop=D("1.09500"),
    is_asked=True, word_at=NOW - timedelta(hours=1), has_stood=True, row_opened_at=NOW, row_open=True,
)  # fmt: skip
CLOSING = replace(NAKED, policy="close")


def at(bid: str | Decimal, seconds: float = 0, least: str = "0") -> Market:
    """The market of EURUSD at this bid, quoted so long after the first read."""
    price = D(bid)
    quote = Quote("EURUSD", price, price + D("0.0001"), NOW + timedelta(seconds=seconds))
    return Market(quote, replace(EURUSD, min_stop_distance=D(least)))


def asked(
    kind: str = STOP,
    outcome: DeliveryOutcome | None = DeliveryOutcome.REJECTED,
    began: float = 3,
    ended: float = 4,
    reason: Reason | None = None,
) -> Asked:
    """What was asked for, so long after the first read."""
    done = NOW + timedelta(seconds=ended)
    return Asked(kind, NOW + timedelta(seconds=began), outcome, reason, None if outcome is None else done)


def does(
    naked: Naked, seconds: float, market: Market | None = None, lists: Lists = LISTS, **held: object
) -> str:
    """What is asked for then: 'stop at ...', 'close', or ''."""
    now = NOW + timedelta(seconds=seconds)
    act = look(naked, replace(HELD, side=naked.side, **held), market, now, lists).act
    return "" if act is None else act.kind if act.stop is None else f"{act.kind} at {act.stop}"


def test_the_stop_is_asked_for_again_after_three_seconds() -> None:
    """Not before, and in a sentence with the numbers."""
    assert does(NAKED, 2.9) == ""
    assert does(NAKED, 3) == "stop at 1.09500"
    told = look(NAKED, HELD, at("1.1", 3), NOW + timedelta(seconds=3), LISTS)
    assert told.act is not None
    assert told.act.told == (
        "EURUSD, long 1.5 from 1.1, has had no stop for 3 s: its stop is set again at 1.095."
    )


def test_one_at_a_time_and_less_and_less_often() -> None:
    """While one is under way there is no second; what was refused is asked for again after 2 s, 4 s, up to a minute."""
    assert does(replace(NAKED, asked=asked(outcome=None)), 60) == ""
    refused = replace(NAKED, asked=asked())
    assert does(refused, 5.9) == ""
    assert does(refused, 6) == "stop at 1.09500"
    again = look(refused, HELD, None, NOW + timedelta(seconds=6), LISTS).naked
    assert again.failures == 1
    assert does(again, 7.9) == ""
    assert does(again, 8) == "stop at 1.09500"
    for_long = replace(refused, failures=40)
    assert (does(for_long, 63.9), does(for_long, 64)) == ("", "stop at 1.09500")
    assert does(replace(NAKED, is_changing=True), 5) == "", "the trader's own change waits in line"


def test_what_is_under_way_may_be_why() -> None:
    """While a command of ours is under way, or the position is not shown, nothing is asked for."""
    assert does(replace(CLOSING, is_busy=True), 60) == ""
    assert not may_act(replace(NAKED, is_busy=True), NOW + timedelta(seconds=60), LISTS)
    unseen = look(CLOSING, None, None, NOW + timedelta(seconds=60), LISTS)
    assert (unseen.act, unseen.alarm, unseen.ended) == (None, None, None), "unknown is not naked"
    turned = look(CLOSING, position(SELL), None, NOW + timedelta(seconds=60), LISTS)
    assert turned.act is None


def test_a_list_that_lags_is_no_proof() -> None:
    """Where a stop set twice is two orders none is asked for while the list may be older than our last word; and what
    was seen standing is not closed before."""
    young = replace(CLOSING, word_at=NOW)
    assert does(young, 10, lists=DOUBLING) == ""
    assert does(young, 10.5, lists=DOUBLING) == "stop at 1.09500"
    assert does(young, 3) == "stop at 1.09500", "here the second is the first"
    tried = replace(young, asked=asked())
    assert does(tried, 19.9) == "stop at 1.09500"
    assert does(tried, 20) == CLOSE
    never = replace(tried, has_stood=False)
    assert (does(never, 9.9), does(never, 10)) == ("stop at 1.09500", CLOSE), "no answer has ever shown it"
    slow = Lists(timedelta(seconds=120), doubles=False)
    assert does(tried, 25, lists=slow) == CLOSE, "15 s are enough for any list"


def test_after_ten_seconds_it_is_closed() -> None:
    """Where the policy is to close: when setting the stop was refused, also while it waits in line, never before 10 s."""
    refused = replace(CLOSING, asked=asked())
    assert does(refused, 9.9) == "stop at 1.09500"
    assert does(refused, 10) == CLOSE
    assert does(replace(CLOSING, asked=asked(outcome=None)), 10) == CLOSE
    closing = replace(CLOSING, asked=asked(CLOSE, None, 10))
    assert does(closing, 30) == ""
    again = replace(CLOSING, asked=asked(CLOSE, DeliveryOutcome.REJECTED, 10, 11))
    assert (does(again, 12), does(again, 13)) == ("", CLOSE)
    told = look(refused, HELD, None, NOW + timedelta(seconds=10), LISTS)
    assert told.act is not None
    assert told.act.told == (
        "EURUSD, long 1.5 from 1.1, has had no stop for 10 s, and setting the one at 1.095 again has not helped "
        "(1 times): it is being closed."
    )
    assert told.alarm is None


def test_however_late_the_stop_is_tried_once_before_the_close() -> None:
    """Whoever comes back after a minute asks for the stop first; what was asked for in an earlier time counts as nothing."""
    assert does(CLOSING, 60) == "stop at 1.09500"
    earlier = replace(CLOSING, asked=asked(outcome=DeliveryOutcome.EXECUTED, began=-60, ended=-59))
    assert does(earlier, 30) == "stop at 1.09500"
    assert does(replace(CLOSING, is_changing=True), 10) == CLOSE


def test_without_a_known_stop_only_the_policy_is_left() -> None:
    """What limits require and nobody has named cannot be set: it is closed, or its owner is told."""
    unnamed = replace(CLOSING, stop=None, is_asked=False, required=True)
    assert (does(unnamed, 9), does(unnamed, 10)) == ("", CLOSE)
    told = look(replace(unnamed, policy="alarm"), HELD, None, NOW + timedelta(seconds=12), LISTS)
    assert told.act is None
    assert told.alarm == "EURUSD, long 1.5 from 1.1, has had no stop for 12 s, and your limits require one."


def test_the_owner_is_told_once() -> None:
    """Where nothing closes it an alarm after 10 s; the stop is asked for on and on."""
    refused = replace(NAKED, asked=asked())
    told = look(refused, HELD, None, NOW + timedelta(seconds=10), LISTS)
    assert told.alarm == (
        "EURUSD, long 1.5 from 1.1, has had no stop for 10 s; setting the one at 1.095 again has not helped so far."
    )
    assert told.act is not None
    assert told.act.kind == STOP
    assert look(replace(refused, is_told=True), HELD, None, NOW + timedelta(seconds=60), LISTS).alarm is None


def test_alarm_means_that_a_stop_taken_away_stays_away() -> None:
    """Whoever has set `alarm` is told of a stop that stood and went, and no more; what never stood is set all the same."""
    alarmed = replace(NAKED, policy="alarm")
    told = look(alarmed, HELD, None, NOW + timedelta(seconds=60), LISTS)
    assert told.act is None
    assert told.alarm == "EURUSD, long 1.5 from 1.1, has had no stop for 60 s; the last one was at 1.095."
    assert does(replace(alarmed, has_stood=False), 3) == "stop at 1.09500"


def test_a_passed_stop_closes() -> None:
    """The market is through the level: the position is closed, as its stop would have closed it; where no price is told,
    once the change was denied for that."""
    assert does(NAKED, 3, at("1.09501", 3)) == "stop at 1.09500"
    assert does(NAKED, 3, at("1.09500", 3)) == CLOSE
    told = look(NAKED, HELD, at("1.09", 3), NOW + timedelta(seconds=3), LISTS)
    assert told.act is not None
    assert told.act.told == (
        "The market at 1.09 has passed 1.095, where the stop of EURUSD belongs: it is being closed."
    )
    assert does(replace(NAKED, side=SELL, stop=D("1.105")), 3, at("1.10490", 3)) == CLOSE, "the ask counts"
    denied = replace(NAKED, asked=asked(outcome=DeliveryOutcome.DENIED, reason=Reason.STOP_PASSED))
    assert does(denied, 6) == CLOSE
    assert does(denied, 6, at("1.09600", 6)) == "stop at 1.09500", "it has come back"
    assert does(NAKED, 20, at("1.09", 3)) == "stop at 1.09500", "an old price closes nothing"


def test_as_near_as_the_broker_allows() -> None:
    """A stop that would be too near to the market goes as near as it may, and is told so."""
    told = look(NAKED, HELD, at("1.09510", 3, "0.0005"), NOW + timedelta(seconds=3), LISTS)
    assert told.act is not None
    assert told.act.stop == D("1.09460")
    assert told.act.told.endswith("set again at 1.0946, as near to 1.095 as the broker allows now.")


def test_it_is_over() -> None:
    """Closed, turned into another position, asked for no more, or with a stop again."""
    now = NOW + timedelta(seconds=60)
    assert look(replace(NAKED, row_open=False), None, None, now, LISTS).ended == "the position is closed"
    other = replace(NAKED, row_opened_at=NOW + timedelta(seconds=5))
    assert look(other, HELD, None, now, LISTS).ended == "the position is closed"
    free = replace(NAKED, is_asked=False)
    assert look(free, HELD, None, now, LISTS).ended == "no stop is asked for any more"
    stands = replace(HELD, stop_loss=D("1.09"))
    assert look(NAKED, stands, None, now, LISTS).ended == "its stop stands"


_outcomes = st.none() | st.sampled_from(list(DeliveryOutcome))
_asked = st.none() | st.builds(
    asked, st.sampled_from([STOP, CLOSE]), _outcomes, st.integers(-60, 60), st.integers(-60, 60)
)


@given(
    side=st.sampled_from(Side), policy=st.sampled_from([None, "close", "alarm"]), stands=st.booleans(),
    stop=st.none() | st.integers(109000, 111000), last=_asked, failures=st.integers(0, 50), busy=st.booleans(),
    price=st.none() | st.integers(109000, 111000), seconds=st.integers(0, 120), doubles=st.booleans(),
    word=st.integers(-120, 60), required=st.booleans(), tick=st.integers(0, 50),
)  # fmt: skip
def test_what_never_happens(
    *, side: Side, policy: str | None, stands: bool, stop: int | None, last: Asked | None, failures: int,
    busy: bool, price: int | None, seconds: int, doubles: bool, word: int, required: bool, tick: int,
) -> None:  # fmt: skip
    """Nothing within 3 s, nothing while something is under way but the close over a stop that waits in line, no stop on
    the wrong side of the market or nearer than allowed, no close by policy within 10 s or where no policy says so, and
    never two things at once."""
    level = None if stop is None else D(stop) / 100000
    naked = replace(
        NAKED, side=side, policy=policy, has_stood=stands, stop=level, asked=last, failures=failures,
        is_busy=busy, word_at=NOW + timedelta(seconds=word), required=required,
    )  # fmt: skip
    held, now = replace(HELD, side=side), NOW + timedelta(seconds=seconds)
    market = None if price is None else at(D(price) / 100000, seconds, str(D(tick) / 100000))
    lists = Lists(timedelta(seconds=10), doubles=doubles)
    told = look(naked, held, market, now, lists)
    if told.act is None:
        return
    assert seconds >= 3
    assert not busy
    out = None if market is None else market.quote.entry_price(side.opposite)
    if told.act.kind == STOP:
        assert told.act.stop is not None
        assert last is None or last.outcome is not None
        assert not (policy == "alarm" and stands)
        if out is not None:
            assert ahead(out, told.act.stop, side) >= max(D(tick) / 100000, D("0.00001"))
        return
    passed = level is not None and out is not None and ahead(out, level, side) <= 0
    if not passed:
        assert policy == "close"
        assert seconds >= 10
    assert last is None or last.outcome is not None or last.kind == STOP
