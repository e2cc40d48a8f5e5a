"""Tickets of MetaTrader 4: what is left of a position is that position."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from shared.brokers.metatrader.lineage import Lineage, closing_of
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
    """Over any number of parts, in one look or in several, from one that is known."""
    lineage = Lineage()
    lineage.opened("100")
    rows = [position("1007", "broker says: from #205"), position("205", "from #100")]
    assert lineage.said(rows) == {"205": "100", "1007": "100"}
    lineage.learn(lineage.said(rows))
    assert [(each.id, each.ticket) for each in lineage.positions(rows)] == [("100", "1007"), ("100", "205")]


def test_other_comments_mean_nothing() -> None:
    """Nor does a ticket that only looks like part of another, nor one that names a ticket nobody knows."""
    lineage = Lineage()
    lineage.opened("100")
    rows = [position("205", "inform #100 of it"), position("206", "from #7"), position("207")]
    assert lineage.said(rows) == {}
    assert [each.id for each in lineage.positions(rows)] == ["205", "206", "207"]


def test_what_cannot_be_told_is_said() -> None:
    """A ticket that may be the rest of one of two positions carries that with it, until it is known."""
    lineage = Lineage()
    lineage.doubts = {"205": ("100", "101")}
    [row] = lineage.positions([position("205")])
    assert row.doubt == "which may be what is left of position 100 or 101: comments and history do not tell"
    lineage.learn({"205": "101"})
    [row] = lineage.positions([position("205")])
    assert (row.id, row.doubt) == ("101", "")


def test_deals_belong_to_the_first_ticket() -> None:
    """What closed is named after the ticket it closed; that a rest goes on under a new one opens nothing."""
    lineage = Lineage()
    lineage.learn({"205": "100"})
    rows = [deal("100", "IN"), deal("100", "OUT"), deal("205", "IN"), deal("205", "OUT")]
    assert [(each.position_id, each.order_id) for each in lineage.deals(rows)] == [
        ("100", "100"),
        ("100", closing_of("100")),
        ("100", closing_of("205")),
    ]
