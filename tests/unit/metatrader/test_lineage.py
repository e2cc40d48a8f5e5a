"""Tickets of MetaTrader 4: what is left of a position is that position."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from shared.brokers.metatrader.lineage import Lineage, closing_of, continuation
from shared.brokers.metatrader.rows import DealRow, PositionRow

D = Decimal
AT = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)


def position(ticket: str, comment: str | None = None, **changes: object) -> PositionRow:
    """A long position."""
    values = {
        "type": "POSITION_TYPE_BUY",
        "symbol": "EURUSD",
        "volume": D("0.2"),
        "open_price": D("1.1"),
        "time": AT,
    }
    return PositionRow(id=ticket, comment=comment, **{**values, **changes})  # type: ignore[arg-type]


def deal(ticket: str, entry: str, **changes: object) -> DealRow:
    """A deal of a ticket."""
    values = {"type": "DEAL_TYPE_BUY", "symbol": "EURUSD", "volume": D("0.2"), "price": D("1.1"), "time": AT}
    own = {
        "id": f"d{ticket}{entry}",
        "entry_type": f"DEAL_ENTRY_{entry}",
        "order_id": ticket,
        "position_id": ticket,
    }
    return DealRow(**{**values, **own, **changes})  # type: ignore[arg-type]


def test_comments_lead_back_to_the_first_ticket() -> None:
    """Over any number of parts, as long as each was seen."""
    lineage = Lineage()
    [first] = lineage.positions([position("100")])
    [second] = lineage.positions([position("205", "from #100")])
    [third] = lineage.positions([position("1007", "broker says: from #205")])
    assert [(each.id, each.ticket) for each in (first, second, third)] == [
        ("100", "100"),
        ("100", "205"),
        ("100", "1007"),
    ]


def test_other_comments_mean_nothing() -> None:
    """Nor does a ticket that only looks like part of another."""
    [row] = Lineage().positions([position("100", "inform #7 of it")])
    assert row.id == "100"


def test_deals_belong_to_the_first_ticket() -> None:
    """What closed is named after the ticket it closed; that a rest goes on under a new one opens nothing."""
    lineage = Lineage()
    lineage.follows("205", "100")
    rows = [deal("100", "IN"), deal("100", "OUT"), deal("205", "IN"), deal("205", "OUT")]
    assert [(each.position_id, each.order_id) for each in lineage.deals(rows)] == [
        ("100", "100"),
        ("100", closing_of("100")),
        ("100", closing_of("205")),
    ]


def test_the_rest_is_known_by_when_it_was_opened() -> None:
    """Where no comment says it: the one position of that time and price; of two, none."""
    opening = deal("100", "IN")
    rest, other = position("205"), position("206", time=AT + timedelta(seconds=1))
    assert continuation(opening, [rest, other]) == rest
    assert continuation(opening, [other]) is None
    assert continuation(opening, [rest, position("207")]) is None
