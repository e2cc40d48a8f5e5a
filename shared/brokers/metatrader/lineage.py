"""MetaTrader 4: what is left of a partly closed position has a new ticket. To us it stays the position it was. Pure.

A row's `id` is then the first ticket, `ticket` the one of now. The new one says `from #old` in its comment. An order
and its position are one ticket there, so what closed a position is named after it.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable

import msgspec

from shared.brokers.metatrader.rows import DealRow, PositionRow

KEPT = 10_000
_FROM = re.compile(r"\bfrom #(\d+)")


class Lineage:
    """First tickets by later ones, as far as this process has seen them."""

    def __init__(self) -> None:
        self._first: OrderedDict[str, str] = OrderedDict()

    def first(self, ticket: str) -> str:
        """The ticket under which a position was opened."""
        return self._first.get(ticket, ticket)

    def follows(self, ticket: str, before: str) -> None:
        """A ticket is what was left of another one."""
        self._first[ticket] = self.first(before)
        if len(self._first) > KEPT:
            self._first.popitem(last=False)

    def positions(self, rows: Iterable[PositionRow]) -> list[PositionRow]:
        """Open positions under their first tickets."""
        found = []
        for row in sorted(rows, key=lambda each: (len(each.id), each.id)):
            said = _FROM.search(row.comment or "")
            if said is not None and row.id not in self._first:
                self.follows(row.id, said[1])
            found.append(msgspec.structs.replace(row, id=self.first(row.id), now=row.id))
        return found

    def deals(self, rows: Iterable[DealRow]) -> list[DealRow]:
        """Deals under the first tickets of their positions; that the rest goes on under another opened nothing."""
        found = []
        for row in rows:
            ticket = row.position_id or ""
            if row.opens and self.first(ticket) != ticket:
                continue
            order_id = row.order_id if row.opens else closing_of(ticket)
            found.append(msgspec.structs.replace(row, position_id=self.first(ticket), order_id=order_id))
        return found


def closing_of(ticket: str) -> str:
    """What the order is called that closed a ticket, which MetaTrader 4 has no name for."""
    return f"{ticket}-close"


def continuation(opening: DealRow, rows: Iterable[PositionRow]) -> PositionRow | None:
    """The one position that was opened as another one was: at its time and price; None when it is not one only."""
    alike = [
        row
        for row in rows
        if (row.symbol, row.side, row.open_price, row.time)
        == (opening.symbol, opening.side, opening.price, opening.time)
    ]
    return alike[0] if len(alike) == 1 else None
