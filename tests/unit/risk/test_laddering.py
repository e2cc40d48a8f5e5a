"""Ladders after reads: which exits are asked for as the entry is filled, or as the market comes to a target."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from shared.models.enums import CommandState, DeliveryOutcome, OrderStatus, OrderType, StopMode
from shared.models.guard import Guard
from shared.models.ladder import Exit, Ladder, Rung
from shared.models.signal import TrailSpec
from shared.models.trading import Position, WorkingOrder
from shared.risk.guarding import Due, Look, look, newest
from shared.risk.laddering import climbed, due, promised
from shared.risk.levels import Market
from tests.unit.risk import builders
from tests.unit.risk.builders import BUY, MNQ, NOW, SELL, D, position, stop
from tests.unit.risk.test_guarding import at

DONE, REFUSED = DeliveryOutcome.EXECUTED, DeliveryOutcome.REJECTED
LADDER = Ladder(
    tuple(Rung(D(1), stop(StopMode.OFFSET, offset)) for offset in ("10", "20", "30")),
    at_broker=True,
    whole=True,
)
GUARD = Guard(
    id=1, version=1, side=BUY, symbol="MNQ1!", root="MNQ", command_state=CommandState.ACCEPTED, order_id=7,
    order_status=OrderStatus.PARTIALLY_FILLED, qty=D(0), entered_at=NOW, position_id="p1", opened_at=NOW,
    row_opened_at=NOW, row_open=True, ladder=LADDER, entry_price=D("20000.00"),
)  # fmt: skip


def held(qty: str) -> Position:
    return position(BUY, qty, symbol="MNQZ6", root="MNQ", entry="20000.00")


def exit_at(nth: int, qty: str = "1", outcome: DeliveryOutcome | None = DONE, **more: object) -> Exit:
    ended = None if outcome is None else NOW
    return replace(Exit(nth, D(qty), NOW, outcome, ended), **more)


def waits(qty: str, price: str, name: str) -> WorkingOrder:
    """A limit exit at the broker."""
    return builders.order(
        SELL, qty, symbol="MNQZ6", root="MNQ", reduce_only=True, price=D(price), venue_order_id=name
    )


def asks(
    guard: Guard, qty: str, *orders: WorkingOrder, market: Market | None = None, later_s: int = 0
) -> list[Due]:
    """What the ladder asks for when so much is open and these orders wait."""
    there = held(qty)
    at_broker = guard.ladder is not None and guard.ladder.at_broker
    room = there.qty - promised(there, orders, (guard,), at_broker)
    return [*due(guard, there, MNQ, market, room, NOW + timedelta(seconds=later_s))]


def test_exits_follow_the_fills() -> None:
    """One filled: the nearest target. The rest: the others, and not the first one again."""
    first = replace(GUARD, qty=D(1))
    assert [(e.nth, e.qty, e.price) for e in asks(first, "1")] == [(0, D(1), D("20010.00"))]
    assert asks(first, "1")[0].told == (
        "1 of the entry is filled: target 1 of 3 of MNQ1!, 1 at 20010, goes to the broker."
    )
    full = replace(GUARD, qty=D(3), exits=(exit_at(0, venue_order_id="a", working=D(1)),))
    found = asks(full, "3", waits("1", "20010", "a"))
    assert [(e.nth, e.price) for e in found] == [(1, D("20020.00")), (2, D("20030.00"))]


def test_the_last_takes_what_more_is_filled() -> None:
    """An entry that was made larger while it waited: nothing of it is without a target."""
    assert [(e.nth, e.qty) for e in asks(replace(GUARD, qty=D(5)), "5")] == [(0, D(1)), (1, D(1)), (2, D(3))]
    runs = replace(GUARD, qty=D(5), ladder=replace(LADDER, whole=False))
    assert sum(e.qty for e in asks(runs, "5")) == 3


def test_what_is_under_way_is_not_asked_for_again() -> None:
    """Nor what the broker has taken, whatever became of it: who cancels a target wants it gone."""
    full = replace(GUARD, qty=D(3))
    under_way = replace(full, exits=tuple(exit_at(nth, outcome=None) for nth in range(3)))
    canceled = replace(full, exits=tuple(exit_at(nth) for nth in range(3)))
    assert (asks(under_way, "3"), asks(canceled, "3")) == ([], [])


def test_what_was_refused_is_asked_for_again_later() -> None:
    """After longer and longer; what a refused exit has closed all the same counts."""
    refused = replace(GUARD, qty=D(1), exits=(exit_at(0, outcome=REFUSED),))
    assert asks(refused, "1", later_s=3) == []
    (again,) = asks(refused, "1", later_s=4)
    assert (again.nth, again.failures) == (0, 1)
    did = replace(GUARD, qty=D(1), exits=(exit_at(0, outcome=REFUSED, filled=D(1)),))
    assert asks(did, "1", later_s=100) == []


def test_never_more_than_is_open() -> None:
    """A part was closed by hand, or other targets wait: only what nothing is promised to is asked for."""
    full = replace(GUARD, qty=D(3))
    assert sum(e.qty for e in asks(full, "2")) == 2
    assert sum(e.qty for e in asks(full, "3", waits("2", "20050", "by hand"))) == 1
    assert asks(full, "3", waits("3", "20050", "by hand")) == []
    unseen = replace(full, exits=(exit_at(0, venue_order_id="a", working=D(1)),))
    assert sum(e.qty for e in asks(unseen, "2")) == 1, "ours, which the list does not show yet, counts"


def test_on_the_other_side_there_is_nothing_to_exit_from() -> None:
    """The position was turned around: its targets are not this entry's."""
    short = replace(held("3"), side=SELL)
    assert due(replace(GUARD, qty=D(3)), short, MNQ, None, D(3), NOW) == ()


def test_multiples_count_from_the_fill_to_the_stop() -> None:
    """Slipped by a point toward the stop: every target is nearer by its multiple of it."""
    rungs = tuple(Rung(D(1), stop(StopMode.RR, value)) for value in ("1", "2"))
    slipped = replace(
        GUARD, qty=D(2), entry_price=D("19999"), ladder=Ladder(rungs, at_broker=True, stop=D("19990"))
    )
    assert [e.price for e in asks(slipped, "2")] == [D("20008.00"), D("20017.00")]


OURS = replace(
    GUARD, order_status=OrderStatus.FILLED, qty=D(3), ladder=replace(LADDER, at_broker=False, whole=False)
)


def quoted(bid: str, age_s: int = 0) -> Market:
    return replace(at(bid, age_s=age_s, spread="0.25"), instrument=MNQ)


def test_a_target_of_ours_waits_for_the_market() -> None:
    """Its part is closed at the market once the bid has been there; without a young quote nothing is."""
    assert asks(OURS, "3", market=quoted("20009.75")) == []
    (first,) = asks(OURS, "3", market=quoted("20010.00"))
    assert (first.nth, first.qty, first.price) == (0, D(1), None)
    assert first.told == (
        "The market at 20010 has reached target 1 of 3 of MNQ1! at 20010: 1 is being closed."
    )
    assert [e.nth for e in asks(OURS, "3", market=quoted("20025"))] == [0, 1]
    assert (asks(OURS, "3"), asks(OURS, "3", market=quoted("20025", 11))) == ([], [])


def test_the_brokers_own_target_takes_no_room() -> None:
    """It waits for all that is left: a target of ours before it closes its part all the same."""
    own = waits("3", "20040", "target")
    assert len(asks(OURS, "3", own, market=quoted("20010"))) == 1


def test_a_short_is_its_mirror() -> None:
    """Targets below the entry, reached by the ask."""
    guard, there = replace(OURS, side=SELL), replace(held("3"), side=SELL)
    assert due(guard, there, MNQ, quoted("19990"), D(3), NOW) == ()
    (one,) = due(guard, there, MNQ, quoted("19989.75"), D(3), NOW)
    assert one.qty == 1


def told(guard: Guard, *exits: Due) -> Look:
    return climbed(look(guard, held("3"), None, NOW), exits)


def test_a_ladder_that_is_done_is_over() -> None:
    """Every target had what it gets and the entry fills no more; a trailing stop beside it goes on."""
    filled = replace(
        GUARD, order_status=OrderStatus.FILLED, qty=D(3), exits=tuple(exit_at(n) for n in range(3))
    )
    assert told(filled).ended == "its targets are done"
    trail = replace(filled, trail=TrailSpec(StopMode.OFFSET, D(10), None, D(1)))
    assert (told(trail).ended, told(trail).guard.ladder) == (None, None)
    for waiting in (
        replace(filled, order_status=OrderStatus.PARTIALLY_FILLED),
        replace(filled, exits=(*filled.exits[:2], exit_at(2, outcome=None))),
        replace(filled, exits=filled.exits[:2]),
    ):
        assert told(waiting).ended is None


def test_a_stop_between_two_fills_does_not_end_it() -> None:
    """The first part was stopped out and the entry still fills: the new position has the rest of the targets."""
    again = replace(GUARD, qty=D(3), row_opened_at=NOW + timedelta(seconds=5), exits=(exit_at(0),))
    seen = look(again, held("2"), None, NOW)
    assert (seen.ended, seen.guard.opened_at) == (None, NOW + timedelta(seconds=5))
    assert [e.nth for e in asks(again, "2")] == [1, 2]
    assert (
        look(replace(again, order_status=OrderStatus.FILLED), None, None, NOW).ended
        == "the position is closed"
    )


def test_later_targets_replace_earlier_ones() -> None:
    """Of the entry: those of the entry. Of the position: those that we close ourselves, whichever entry they came with."""
    none = Ladder((), at_broker=False)
    by_order = replace(GUARD, id=2, ladder=replace(LADDER, after=D(1)))
    assert [each.ladder for each in newest((GUARD, by_order))] == [None, by_order.ladder]
    by_position = replace(OURS, id=3, order_id=None, qty=None, ladder=none)
    assert [each.ladder for each in newest((OURS, by_position))] == [None, None]
    assert newest((GUARD, by_position))[0].ladder == LADDER, "what the entry still fills keeps its targets"
    other = replace(OURS, id=4, order_id=8)
    assert [each.ladder for each in newest((OURS, other))] == [OURS.ladder, OURS.ladder], (
        "each entry has its own"
    )
    pending = replace(by_position, command_state=CommandState.SUBMITTING)
    assert newest((OURS, pending))[0].ladder == OURS.ladder, "the broker has not taken it yet"


@settings(max_examples=150, deadline=None)
@given(
    shares=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    steps=st.lists(
        st.tuples(st.sampled_from(("fill", "target", "close", "refuse", "stop")), st.integers(1, 4)),
        max_size=25,
    ),
)
def test_whatever_happens_exits_are_at_most_what_is_open(
    shares: list[int], steps: list[tuple[str, int]]
) -> None:
    """Fills in parts, targets that fill, parts closed by hand, refusals, a stop: at every read all limit exits together
    are at most the position, no target has more than its share, and a whole fill left alone has all of its targets."""
    total = sum(shares)
    rungs = tuple(Rung(D(qty), stop(StopMode.OFFSET, str(10 * (n + 1)))) for n, qty in enumerate(shares))
    guard = replace(GUARD, ladder=Ladder(rungs, at_broker=True, whole=True))
    open_, filled, quiet, refuse = 0, 0, True, False
    standing: dict[str, tuple[int, int]] = {}
    for name, n in [*steps, ("fill", total)]:
        if name == "fill":
            more = min(n, total - filled)
            filled, open_ = filled + more, open_ + more
        elif name == "target" and standing:
            first = min(standing)
            open_ -= standing.pop(first)[1]
        elif name in ("close", "stop") and open_:
            open_, quiet = (0 if name == "stop" else max(0, open_ - n)), False
            # Exits are fitted to what is left, or swept.
            left = open_
            for each in sorted(standing):
                room = min(left, standing[each][1])
                left -= room
                standing[each] = (standing[each][0], room)
            standing = {each: s for each, s in standing.items() if s[1]}
        refuse = name == "refuse"
        guard = replace(guard, qty=D(filled))
        orders = [waits(str(qty), "20010", each) for each, (_, qty) in standing.items()]
        found = asks(guard, str(open_), *orders, later_s=1000) if open_ else []
        for each in found:
            ref = f"x{len(guard.exits):03}"
            taken = exit_at(each.nth, str(each.qty), REFUSED if refuse else DONE, venue_order_id=ref)
            guard = replace(guard, exits=(*guard.exits, taken))
            if not refuse:
                standing[ref] = (each.nth, int(each.qty))
        assert sum(qty for _, qty in standing.values()) <= open_
        for nth, share in enumerate(shares):
            assert sum(e.qty for e in guard.exits if e.nth == nth and e.outcome is DONE) <= share
    if quiet:
        assert sum(e.qty for e in guard.exits if e.outcome is DONE) == total


def test_an_exit_order_is_told_from_others() -> None:
    """Stops, entries and orders of other contracts promise nothing of the position."""
    there = held("3")
    orders = (
        replace(waits("1", "20010", "s"), type=OrderType.STOP),
        replace(waits("1", "20010", "e"), reduce_only=False),
        replace(waits("1", "20010", "o"), symbol="MNQH7"),
        replace(waits("1", "20010", "b"), side=BUY),
    )
    assert promised(there, orders, (), True) == 0
