"""Which position a ticket is, where nobody has seen it come about: what adds up in one way only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal as D

from shared.brokers.metatrader.rows import DealRow, PositionRow
from shared.brokers.metatrader.tracing import Evidence, Traced, trace

AT = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
BEFORE = AT - timedelta(minutes=1)


def row(ticket: str, lots: str, second: int = 0, **changes: object) -> PositionRow:
    """A long position, opened at a second."""
    values = {"type": "POSITION_TYPE_BUY", "symbol": "EURUSD", "open_price": D("1.1")}
    own = {"volume": D(lots), "time": AT + timedelta(seconds=second)}
    return PositionRow(id=ticket, **{**values, **own, **changes})  # type: ignore[arg-type]


def deal(ticket: str, lots: str, second: int = 0, *, opens: bool = False, **changes: object) -> DealRow:
    """A deal of a long position at a second."""
    values = {
        "id": f"{ticket}-{'in' if opens else 'out'}",
        "type": f"DEAL_TYPE_{'BUY' if opens else 'SELL'}",
        "entry_type": f"DEAL_ENTRY_{'IN' if opens else 'OUT'}",
        "symbol": "EURUSD",
        "price": D("1.1"),
        "position_id": ticket,
        "order_id": ticket,
    }
    own = {"volume": D(lots), "time": AT + timedelta(seconds=second)}
    return DealRow(**{**values, **own, **changes})  # type: ignore[arg-type]


def told(rows: list[PositionRow], deals: list[DealRow], **more: object) -> Traced:
    """What is found of all tickets that are not known."""
    known = more.get("known", {})
    seen = {"known": {}, "opened": {}, "since": BEFORE, **more}
    tickets = {each.id for each in rows} | {each.position_id for each in deals if each.position_id}
    evidence = Evidence(rows=rows, deals=deals, **seen)  # type: ignore[arg-type]
    return trace({each for each in tickets if each not in known}, evidence)  # type: ignore[operator]


def test_a_chain_is_followed_over_tickets_that_are_gone() -> None:
    """Opened, closed in part twice, something is left: all of it is one position."""
    deals = [deal("100", "0.4", opens=True), deal("100", "0.1", 5), deal("205", "0.1", 6)]
    found = told([row("310", "0.2")], deals)
    assert found.first == {"100": "100", "205": "100", "310": "100"}
    assert found.untold == {}


def test_a_chain_that_has_ended_is_followed_too() -> None:
    """Nothing is open any more, and the last close was of the same position."""
    deals = [deal("100", "0.3", opens=True), deal("100", "0.1", 5), deal("205", "0.2", 6)]
    assert told([], deals).first["205"] == "100"


def test_tickets_rise_in_the_order_in_which_they_begin() -> None:
    """Two positions that are alike in everything: the rest of the one that was closed first has the lower ticket."""
    deals = [
        deal("100", "0.3", opens=True),
        deal("101", "0.3", opens=True),
        deal("101", "0.1", 5),
        deal("100", "0.1", 6),
    ]
    found = told([row("205", "0.2"), row("206", "0.2")], deals)
    assert found.first == {"100": "100", "101": "101", "205": "101", "206": "100"}


def test_what_happened_in_one_moment_cannot_be_told() -> None:
    """Both were closed in part in the same millisecond: either rest may be either's, and that is what is said."""
    deals = [
        deal("100", "0.3", opens=True),
        deal("101", "0.3", opens=True),
        deal("101", "0.1", 5),
        deal("100", "0.1", 5),
    ]
    found = told([row("205", "0.2"), row("206", "0.2")], deals)
    assert found.first == {"100": "100", "101": "101"}
    assert found.untold == {"205": ("100", "101"), "206": ("100", "101")}
    said = told([row("205", "0.2", comment="from #100"), row("206", "0.2")], deals)
    assert {each: said.first[each] for each in ("205", "206")} == {"205": "100", "206": "101"}


def test_a_position_of_its_own_is_nobodys_rest() -> None:
    """Opened in the same moment at the same price: it has an opening, and the rest of the other is there as well."""
    deals = [deal("100", "0.3", opens=True), deal("101", "0.2", opens=True), deal("100", "0.1", 5)]
    found = told([row("101", "0.2"), row("205", "0.2")], deals)
    assert found.first == {"100": "100", "101": "101", "205": "100"}


def test_what_does_not_add_up_is_not_guessed() -> None:
    """More is open than is left, at another price, or before its opening is listed: nothing is said of it but what it may be."""
    deals = [deal("100", "0.3", opens=True), deal("100", "0.1", 5)]
    for other in (row("205", "0.3"), row("205", "0.2", open_price=D("1.2")), row("205", "0.2", 7)):
        found = told([other], deals)
        assert found.first.get("205") is None
        assert found.untold["205"] == ("100",)


def test_what_is_older_than_all_that_is_in_sight_is_a_position() -> None:
    """An account had it before it was connected; what was closed of others since has nothing to do with it."""
    deals = [deal("100", "0.3", opens=True), deal("100", "0.3", 5)]
    assert told([row("50", "0.2", -3600)], deals).first == {"50": "50", "100": "100"}


def test_our_books_say_how_much_was_opened() -> None:
    """Where a broker lists an opening for every rest, and of the first only what was closed of it, the lots that we have
    opened tell: the second opening was none."""
    deals = [deal("100", "0.1", opens=True), deal("205", "0.2", opens=True), deal("100", "0.1", 5)]
    mine = {"known": {"100": "100"}, "opened": {"100": D("0.3")}}
    assert told([row("205", "0.2")], deals, **mine).first == {"205": "100"}
    whole = {"known": {"100": "100"}, "opened": {"100": D("0.1")}}
    assert told([row("205", "0.2")], deals, **whole).first == {"205": "205"}


def test_symbols_and_sides_have_nothing_to_do_with_each_other() -> None:
    """What cannot be told of one says nothing about another."""
    deals = [
        deal("100", "0.3", opens=True),
        deal("100", "0.1", 5),
        deal("300", "0.3", opens=True, symbol="GBPUSD"),
        deal("300", "0.1", 6, symbol="GBPUSD"),
    ]
    found = told([row("205", "0.25"), row("306", "0.2", symbol="GBPUSD")], deals)
    assert found.first == {"300": "300", "306": "300"}
    assert set(found.untold) == {"205", "100"}


def test_a_list_of_positions_that_is_older_than_the_deals() -> None:
    """It still shows a ticket that was closed since: that one is known all the same."""
    deals = [deal("100", "0.3", opens=True), deal("100", "0.1", 5), deal("205", "0.2", 6)]
    assert told([row("205", "0.2")], deals).first["205"] == "100"


def test_a_position_and_its_deal_may_be_a_moment_apart() -> None:
    """A terminal writes them down one after the other: the rest is known all the same."""
    deals = [deal("100", "0.3", opens=True), deal("100", "0.1", 5)]
    later = AT + timedelta(milliseconds=1)
    assert told([row("205", "0.2", time=later)], deals).first["205"] == "100"
