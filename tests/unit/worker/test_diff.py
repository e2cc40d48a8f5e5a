"""The comparison of our books with the broker's, over random lives of an account."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from shared.models.enums import Effect, OrderStatus, OrderType, Side
from shared.models.trading import AccountSnapshot, Fill, Position, WorkingOrder
from shared.store.book_rows import Books, KnownPosition
from tests.unit.worker.books import applied, known, summed
from workers.positions.diff import LIVE, corrections

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SYMBOLS = ("EURUSD", "MNQZ2026", "MESZ2026")
ROOTS = {"EURUSD": "EURUSD", "MNQZ2026": "MNQ", "MESZ2026": "MES"}
D = Decimal


def fill(number: int, pid: str, symbol: str, signed: int, effect: Effect, order: str | None = None) -> Fill:
    """An execution; bought +, sold -."""
    return Fill(
        f"F{number}",
        Side.BUY if signed > 0 else Side.SELL,
        D(abs(signed)),
        D("1.5"),
        NOW + timedelta(seconds=number),
        symbol,
        effect,
        venue_order_id=order or f"O{number}",
        venue_position_id=pid,
    )


def position(pid: str, symbol: str, signed: int) -> Position:
    """A position as the broker shows it."""
    side = Side.BUY if signed > 0 else Side.SELL
    return Position("A", pid, symbol, ROOTS[symbol], side, D(abs(signed)), D("1.5"))


def waiting(number: int, symbol: str, reduces: bool, name: str | None = None) -> WorkingOrder:
    """An order that waits at the broker."""
    return WorkingOrder(
        "A",
        symbol,
        ROOTS[symbol],
        Side.SELL,
        OrderType.LIMIT,
        D(3),
        D(0),
        OrderStatus.WORKING,
        f"W{number}",
        client_order_id=name,
        price=D(2),
        reduce_only=reduces,
    )


@dataclass(frozen=True, slots=True)
class Life:
    """What happened at a broker: the fills in order, what is open, what waits; and how much of it we know."""

    fills: tuple[Fill, ...]
    held: dict[str, int]
    orders: tuple[WorkingOrder, ...]
    known_fills: frozenset[str]
    known_orders: frozenset[str]
    unexplained: dict[str, int]

    def theirs(self) -> AccountSnapshot:
        """The read."""
        symbols = {each.venue_position_id: each.symbol for each in self.fills}
        real = {pid: qty + self.unexplained.get(pid, 0) for pid, qty in self.held.items()}
        real |= {pid: qty for pid, qty in self.unexplained.items() if pid not in real}
        positions = [position(pid, symbols.get(pid, SYMBOLS[0]), qty) for pid, qty in real.items() if qty]
        return AccountSnapshot(D(1000), D(1000), NOW, tuple(positions), self.orders)

    def ours(self) -> Books:
        """Our books: the fills that we know, and what they come to."""
        told = [each for each in self.fills if each.venue_fill_id in self.known_fills]
        books = Books(NOW, frozenset(each.venue_fill_id for each in told))
        orders = [known(each) for each in self.orders if each.venue_order_id in self.known_orders]
        return replace(books, positions=summed(told, ()), orders=tuple(orders))


@st.composite
def lives(draw: st.DrawFn) -> Life:
    """Up to twelve fills over three positions, a few orders, any part of it known, some of it never explained."""
    held: dict[str, int] = {}
    fills: list[Fill] = []
    for number in range(draw(st.integers(0, 12))):
        pid = draw(st.sampled_from(["p1", "p2", "p3"]))
        symbol = SYMBOLS[int(pid[1]) - 1]
        now = held.get(pid, 0)
        signed = draw(st.integers(-abs(now) or -3, abs(now) or 3).filter(bool))
        effect = Effect.CLOSE if now * signed < 0 else Effect.OPEN
        held[pid] = now + signed
        fills.append(fill(number, pid, symbol, signed, effect))
    orders = [
        waiting(number, draw(st.sampled_from(SYMBOLS)), draw(st.booleans()))
        for number in range(draw(st.integers(0, 4)))
    ]
    return Life(
        tuple(fills),
        held,
        tuple(orders),
        frozenset(
            draw(
                st.sets(st.sampled_from([each.venue_fill_id for each in fills])) if fills else st.just(set())
            )
        ),
        frozenset(
            draw(
                st.sets(st.sampled_from([str(each.venue_order_id) for each in orders]))
                if orders
                else st.just(set())
            )
        ),
        draw(st.dictionaries(st.sampled_from(["p1", "p2", "p9"]), st.integers(-3, 3), max_size=2)),
    )


@settings(max_examples=100, deadline=None)
@given(lives())
def test_corrected_books_say_what_the_broker_says(life: Life) -> None:
    """Whatever part of an account's life we missed: after the corrections our positions and orders are the broker's, and
    nothing is left to correct."""
    theirs, ours = life.theirs(), life.ours()
    found = corrections(ours, theirs, life.fills)
    after = applied(ours, found, life.fills, theirs.orders)
    held = {each.venue_position_id: (each.side, each.qty) for each in after.positions if each.qty}
    assert held == {each.venue_position_id: (each.side, each.qty) for each in theirs.positions}
    standing = {each.venue_order_id for each in after.orders if each.status in LIVE}
    assert standing == {each.venue_order_id for each in theirs.orders}
    assert corrections(after, theirs, life.fills) == ()


@settings(max_examples=50, deadline=None)
@given(lives())
def test_found_again_it_has_the_same_key(life: Life) -> None:
    """A restart finds the same corrections under the same keys, each once."""
    keys = [each.key for each in corrections(life.ours(), life.theirs(), life.fills)]
    assert keys == [each.key for each in corrections(life.ours(), life.theirs(), life.fills)]
    assert len(keys) == len(set(keys))


@settings(max_examples=50, deadline=None)
@given(lives())
def test_what_fills_explain_is_not_doubted(life: Life) -> None:
    """Where the broker tells every fill, no position is corrected by its word alone."""
    told = dataclasses.replace(life, unexplained={})
    found = corrections(told.ours(), told.theirs(), told.fills)
    assert not [each for each in found if each.position is not None]


def test_a_fill_of_ours_is_known_by_either_name() -> None:
    """By the broker's id of the order, or by ours; anything else is somebody else's and gets an order of its own."""
    order = replace(known(waiting(1, "EURUSD", False)), client_order_id="E1_0", origin="alert")
    ours = Books(NOW, orders=(order,))
    read = AccountSnapshot(D(1), D(1), NOW, (position("p1", "EURUSD", 3),))
    by_theirs = corrections(ours, read, [fill(1, "p1", "EURUSD", 3, Effect.OPEN, "W1")])
    by_ours = corrections(
        ours, read, [replace(fill(1, "p1", "EURUSD", 3, Effect.OPEN), client_order_id="E1_0")]
    )
    foreign = corrections(ours, read, [fill(1, "p1", "EURUSD", 3, Effect.OPEN)])
    assert [each.kind for each in by_theirs] == [each.kind for each in by_ours] == ["fill"]
    assert (by_theirs[0].order, by_theirs[0].foreign) == (None, False)
    assert [(each.kind, each.foreign) for each in foreign] == [("fill", True), ("order_ended", False)]


def test_a_close_without_a_number_is_found_by_its_fill() -> None:
    """The broker took our close and was slow to list the order that it made: the fill that closed as much at most, after
    the close was written, is its own, and no second order comes of it. An older fill is somebody else's, and one of more;
    a close of which no fill is told is over, when lists cannot lag any more."""
    close = replace(
        known(waiting(1, "EURUSD", True)),
        client_order_id="E1_0",
        venue_order_id=None,
        type=OrderType.MARKET,
        price=None,
        origin="flatten",
        created_at=NOW,
    )
    held = KnownPosition("p1", "EURUSD", "EURUSD", Side.BUY, D(3), D(1))
    ours, read = Books(NOW, positions=(held,), orders=(close,)), AccountSnapshot(D(1), D(1), NOW)
    whole = fill(1, "p1", "EURUSD", -3, Effect.CLOSE, "O9")
    (found,) = corrections(ours, read, [whole])
    assert (found.kind, found.order, found.fill and found.fill["client_order_id"]) == ("fill", None, "E1_0")
    halves = corrections(ours, read, [replace(whole, qty=D(1)), replace(whole, venue_fill_id="F2", qty=D(1))])
    assert [each.fill["client_order_id"] for each in halves if each.fill] == ["E1_0", "E1_0"]
    assert ("order_ended", True) in [(each.kind, each.doubtful) for each in halves]
    for other in (
        replace(whole, at=NOW - timedelta(minutes=1)),
        replace(whole, qty=D(4)),
        replace(whole, side=Side.BUY),
    ):
        told = corrections(ours, read, [other])
        assert told[0].fill is not None
        assert told[0].fill["client_order_id"] is None
        assert ("order_ended", True) in [(each.kind, each.doubtful) for each in told]
    second = replace(close, id=close.id + 1, client_order_id="E2_0")
    again = replace(whole, venue_fill_id="F3", venue_order_id="O10", at=whole.at + timedelta(seconds=1))
    both = corrections(replace(ours, orders=(close, second)), read, [again, whole])
    names = {each.fill["venue_order_id"]: each.fill["client_order_id"] for each in both if each.fill}
    assert names == {"O9": "E1_0", "O10": "E2_0"}
    # Of closes of different size each has the order of its own; and none that closed another position.
    part = replace(second, qty=D(1), position_id="p1")
    sizes = [replace(again, qty=D(1)), replace(whole, at=again.at + timedelta(seconds=1))]
    both = corrections(replace(ours, orders=(close, part)), read, sizes)
    names = {each.fill["venue_order_id"]: each.fill["client_order_id"] for each in both if each.fill}
    assert names == {"O10": "E2_0", "O9": "E1_0"}
    elsewhere = corrections(replace(ours, orders=(replace(part, position_id="p2"),)), read, sizes[:1])
    assert elsewhere[0].fill is not None
    assert elsewhere[0].fill["client_order_id"] is None


def test_an_exit_that_comes_with_the_fill_it_protects_is_ours() -> None:
    """A waiting entry of ours has filled, and its stop and target came to life: read together for the first time, they are
    no strangers. Taken for somebody else's they stayed when the position was gone, and would have opened one."""
    entry = replace(known(waiting(1, "EURUSD", False)), client_order_id="E1_0", origin="alert")
    exit_ = waiting(2, "EURUSD", True)
    news = fill(1, "p1", "EURUSD", 1, Effect.OPEN, str(entry.venue_order_id))
    read = AccountSnapshot(D(1), D(1), NOW, (), (exit_,))
    for origin, made in (("alert", "protection"), ("broker", "broker")):
        found = corrections(Books(NOW, orders=(replace(entry, origin=origin),)), read, [news])
        assert [each.order["origin"] for each in found if each.kind == "order_unknown" and each.order] == [
            made
        ]


def test_an_orders_new_number() -> None:
    """The broker shows our order under another id: it is renamed, neither ended nor adopted."""
    order = replace(known(waiting(1, "EURUSD", False)), client_order_id="E1_0", origin="alert")
    read = AccountSnapshot(D(1), D(1), NOW, (), (waiting(2, "EURUSD", False, "E1_0"),))
    (found,) = corrections(Books(NOW, orders=(order,)), read, ())
    assert (found.kind, found.order) == ("order_renamed", {"id": 2, "venue_order_id": "W2"})


def test_an_order_that_is_for_something_else_by_now() -> None:
    """Its quantity, or its price, was changed at the broker: our row becomes that; the same again is no news."""
    ours = known(waiting(1, "EURUSD", False))
    for change in ({"qty": D(2)}, {"price": D("2.5")}):
        shown = replace(waiting(1, "EURUSD", False), **change)
        read = AccountSnapshot(D(1), D(1), NOW, (), (shown,))
        (found,) = corrections(Books(NOW, orders=(ours,)), read, ())
        assert (found.kind, found.doubtful) == ("order_changed", True)
        assert found.order == {"id": 2, "qty": shown.qty, "price": shown.price, "stop_price": None}
        assert corrections(Books(NOW, orders=(replace(ours, **change),)), read, ()) == ()


def test_an_exit_without_a_position() -> None:
    """A stop of ours that still waits when its position is gone is an orphan; one of the trader's own is his, and an exit
    beside an entry that waits may belong to it."""
    stop = replace(known(waiting(1, "MNQZ2026", True)), origin="protection")
    read = AccountSnapshot(D(1), D(1), NOW, (), (waiting(1, "MNQZ2026", True),))
    beside = replace(read, orders=(*read.orders, waiting(2, "MNQZ2026", False)))
    assert [each.kind for each in corrections(Books(NOW, orders=(stop,)), read, ())] == ["orphan"]
    assert corrections(Books(NOW, orders=(replace(stop, origin="broker"),)), read, ()) == ()
    assert [each.kind for each in corrections(Books(NOW, orders=(stop,)), beside, ())] == ["order_unknown"]
    later = corrections(Books(NOW, orders=(stop,)), replace(read, at=NOW + timedelta(minutes=1)), ())
    seen = [*corrections(Books(NOW, orders=(stop,)), read, ()), *later]
    assert (len({each.key for each in seen}), len({each.doubt for each in seen})) == (2, 1)


def test_a_stop_that_fired_is_called_one() -> None:
    """At or beyond its price, with the gap; at the target's price the target."""
    held = KnownPosition("p1", "EURUSD", "EURUSD", Side.BUY, D(3), D(2), D("1.5"), D("2.5"))
    read, ours = AccountSnapshot(D(1), D(1), NOW), Books(NOW, positions=(held,))
    at = {
        price: corrections(ours, read, [replace(fill(1, "p1", "EURUSD", -3, Effect.CLOSE), price=D(price))])[
            0
        ].told
        for price in ("1.4", "1.5", "1.6", "2.5")
    }
    assert "the stop was reached: sold 3 at 1.4" in at["1.4"]
    assert "the stop was reached" in at["1.5"]
    assert "not by us" in at["1.6"]
    assert "the target was reached" in at["2.5"]


def test_a_position_that_may_be_anothers_rest_is_said_to_be() -> None:
    """The broker has given it a new number and nothing tells whose it is: the sentence of the correction says which it may be,
    it waits for a second read, and counts as not ours for the account's drift policy."""
    doubt = "which may be what is left of position p1 or p2: comments and history do not tell"
    seen = replace(position("p9", "EURUSD", 2), doubt=doubt)
    theirs = AccountSnapshot(D(0), D(0), NOW, (seen,), ())
    (found,) = corrections(Books(NOW), theirs, ())
    assert (found.kind, found.doubtful, found.foreign) == ("position_unknown", True, True)
    assert found.told == f"EURUSD: the broker has long 2, {doubt}."
