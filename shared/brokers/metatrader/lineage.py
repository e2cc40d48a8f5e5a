"""MetaTrader 4: what is left of a partly closed position has a new ticket. To us it stays the position it was. Pure.

A row's `id` is then the first ticket, `ticket` the one of now. The new one says `from #old` in its comment, where the
broker leaves comments alone. An order and its position are one ticket there, so what closed a position is named after
it. What this process has not seen itself is told by what was kept (`tickets.py`) or by history (`tracing.py`).
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping

import msgspec

from shared.brokers.metatrader.rows import DealRow, PositionRow

KEPT = 10_000
_FROM = re.compile(r"\bfrom #(\d+)")


class Lineage:
    """First tickets by later ones, as far as this process knows them; `doubts`: the positions that a ticket may be."""

    def __init__(self) -> None:
        self._first: OrderedDict[str, str] = OrderedDict()
        self.doubts: Mapping[str, tuple[str, ...]] = {}

    def first(self, ticket: str) -> str:
        """The ticket under which a position was opened."""
        return self._first.get(ticket, ticket)

    def knows(self, ticket: str) -> bool:
        """Whether it is known which position a ticket is."""
        return ticket in self._first

    @property
    def known(self) -> Mapping[str, str]:
        """First tickets by tickets; that of a position which never was closed in part is its own."""
        return self._first

    def learn(self, found: Mapping[str, str]) -> None:
        """First tickets by tickets."""
        for ticket, first in found.items():
            self._first[ticket] = first
            self._first.move_to_end(ticket)
        while len(self._first) > KEPT:
            self._first.popitem(last=False)

    def opened(self, ticket: str) -> None:
        """A position has this as its first ticket."""
        if ticket not in self._first:
            self.learn({ticket: ticket})

    def said(self, rows: Iterable[PositionRow]) -> dict[str, str]:
        """What comments tell of tickets that are not known, as far as they name one that is."""
        found: dict[str, str] = {}
        for row in sorted(rows, key=lambda each: number(each.id)):
            before = said_before(row.comment)
            first = None if before is None else found.get(before) or self._first.get(before)
            if first is not None and not self.knows(row.id):
                found[row.id] = first
        return found

    def positions(self, rows: Iterable[PositionRow]) -> list[PositionRow]:
        """Open positions under their first tickets."""
        return [
            msgspec.structs.replace(row, id=self.first(row.id), now=row.id, doubt=self._doubt(row.id))
            for row in rows
        ]

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

    def _doubt(self, ticket: str) -> str:
        """The sentence about a ticket that may be what is left of another position."""
        firsts = self.doubts.get(ticket)
        if not firsts or self.knows(ticket):
            return ""
        of = " or ".join(firsts)
        return f"which may be what is left of position {of}: comments and history do not tell"


def number(ticket: str) -> tuple[int, str]:
    """What tickets are ordered by: they rise."""
    return len(ticket), ticket


def said_before(comment: str | None) -> str | None:
    """The ticket that a comment names as the one before; None where it names none."""
    said = _FROM.search(comment or "")
    return None if said is None else said[1]


def closing_of(ticket: str) -> str:
    """What the order is called that closed a ticket, which MetaTrader 4 has no name for."""
    return f"{ticket}-close"
