"""MetaTrader 4: which position a ticket is, from what was closed, where nobody has seen it come about. Pure.

Every partial close ends one ticket and begins another. So the closes of a symbol's positions, oldest first, and what is
open now have to add up: each close takes from a position that had as much left, what is left then is the next ticket
of that position, and tickets rise in the order in which they begin. Every way in which that is possible is looked for.
What all of them say of a ticket is known; what they do not agree on cannot be told.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby

from shared.brokers.metatrader.lineage import number, said_before
from shared.brokers.metatrader.rows import DealRow, PositionRow
from shared.models.enums import Side

Market = tuple[str, Side]
MOMENT = timedelta(seconds=1)
"""So far the time of a position and that of the deal that opened it may be from each other."""
MOST_STEPS = 2_000
"""Of one search: what has more possibilities cannot be told."""


@dataclass(frozen=True, slots=True)
class Traced:
    """`first`: first tickets by tickets. `untold`: what a ticket may be the rest of, by ticket."""

    first: Mapping[str, str]
    untold: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Evidence:
    """An account's tickets: first ones by `known` ones, lots `opened` by our books by first ticket, and the broker's
    positions and deals, complete from `since` on and for every position of ours that has changed since."""

    known: Mapping[str, str]
    opened: Mapping[str, Decimal | None]
    rows: Sequence[PositionRow]
    deals: Sequence[DealRow]
    since: datetime


def trace(unknown: Collection[str], seen: Evidence) -> Traced:
    """What can be said of tickets that are not known."""
    first: dict[str, str] = {}
    untold: dict[str, tuple[str, ...]] = {}
    for market, tickets in _markets(unknown, seen).items():
        search = _Search(market, tickets, seen)
        found = search.agreed()
        first |= found
        may_be = search.broken()
        for ticket in tickets - set(found):
            untold[ticket] = tuple(each for each in may_be if each != ticket)
    return Traced(first, untold)


def _markets(unknown: Collection[str], seen: Evidence) -> dict[Market, set[str]]:
    """Symbol and side of each."""
    found: dict[Market, set[str]] = {}
    for row in seen.rows:
        if row.id in unknown:
            found.setdefault((row.symbol, row.side), set()).add(row.id)
    for deal in seen.deals:
        if deal.position_id in unknown and deal.position_id is not None:
            found.setdefault(_market(deal), set()).add(deal.position_id)
    return found


def _market(deal: DealRow) -> Market:
    return deal.symbol, deal.side if deal.opens else deal.side.opposite


@dataclass(slots=True)
class _Position:
    """One position on the way through its closes: `ticket` is the last one, which has ended where it is `pending`."""

    opening: DealRow
    left: Decimal
    ticket: str
    pending: bool = False
    ended: DealRow | None = None


@dataclass(slots=True)
class _Search:
    """The positions of one symbol and side."""

    market: Market
    unknown: Collection[str]
    seen: Evidence
    positions: dict[str, _Position] = field(default_factory=dict)
    _closes: list[DealRow] = field(default_factory=list)
    _rows: list[PositionRow] = field(default_factory=list)
    _owner: dict[str, str] = field(default_factory=dict)
    _begun: list[tuple[DealRow, str]] = field(default_factory=list)
    _ways: list[dict[str, str]] = field(default_factory=list)
    _steps: int = 0

    def __post_init__(self) -> None:
        mine = [each for each in self.seen.deals if _market(each) == self.market and each.position_id]
        for ticket, opening in groupby(sorted((each for each in mine if each.opens), key=_ticket), _ticket):
            if self.seen.known.get(ticket, ticket) == ticket:
                parts = sorted(opening, key=lambda each: each.age)
                lots = self.seen.opened.get(ticket) or sum((each.volume for each in parts), Decimal(0))
                self.positions[ticket] = _Position(parts[0], lots, ticket)
        closes = [each for each in mine if not each.opens]
        # What was closed before a position's opening is in sight was closed of another one.
        own = {each for each in map(_ticket, closes) if self.seen.known.get(each, each) in self.positions}
        self._closes = sorted(
            (each for each in closes if _ticket(each) in own or _ticket(each) in self.unknown),
            key=lambda each: each.age,
        )
        ended = {_ticket(each) for each in self._closes}
        here = [each for each in self.seen.rows if (each.symbol, each.side) == self.market]
        # A list that is older than the deals shows what they have ended.
        self._rows = sorted((each for each in here if each.id not in ended), key=lambda each: number(each.id))

    def agreed(self) -> dict[str, str]:
        """What every possible way says."""
        self._next(0)
        if not self._ways or self._steps > MOST_STEPS:
            return {}
        one, *others = self._ways
        return {
            ticket: first
            for ticket, first in one.items()
            if all(each.get(ticket) == first for each in others)
        }

    def broken(self) -> tuple[str, ...]:
        """Positions of which something should be left, and no ticket that is known."""
        shown = {self.seen.known.get(each.id) for each in self._rows}
        found = []
        for first, position in self.positions.items():
            closed = [
                each for each in self._closes if self.seen.known.get(_ticket(each), _ticket(each)) == first
            ]
            left = position.left - sum((each.volume for each in closed), Decimal(0))
            if closed and left > 0 and first not in shown:
                found.append(first)
        return tuple(sorted(found, key=number))

    # One close after the other, then what is open.

    def _next(self, nth: int) -> None:
        self._steps += 1
        if self._steps > MOST_STEPS:
            return
        if nth == len(self._closes):
            self._shown(0)
            return
        deal = self._closes[nth]
        ticket = _ticket(deal)
        for first in self._could_be(ticket, None):
            position = self.positions[first]
            if deal.volume > position.left:
                continue
            before = position.left, position.ticket, position.pending, position.ended
            begun = self._take(ticket, first)
            position.left -= deal.volume
            position.ticket, position.pending, position.ended = ticket, position.left > 0, deal
            self._next(nth + 1)
            position.left, position.ticket, position.pending, position.ended = before
            self._give_back(ticket, begun)

    def _shown(self, nth: int) -> None:
        self._steps += 1
        if self._steps > MOST_STEPS:
            return
        if nth == len(self._rows):
            if not any(each.pending for each in self.positions.values()) and self._rises():
                self._ways.append({each: self._owner[each] for each in self.unknown if each in self._owner})
            return
        row = self._rows[nth]
        if row.id not in self.unknown and self.seen.known.get(row.id) not in self.positions:
            self._shown(nth + 1)  # nothing of it is in sight, and nothing has to be
            return
        for first in self._could_be(row.id, row):
            position = self.positions.get(first)
            pending = position is not None and position.pending
            begun = self._take(row.id, first)
            if position is not None:
                position.pending = False
            self._shown(nth + 1)
            if position is not None:
                position.pending = pending
            self._give_back(row.id, begun)

    def _could_be(self, ticket: str, row: PositionRow | None) -> list[str]:
        """Positions that a ticket could be, now."""
        known = self._owner.get(ticket) or self.seen.known.get(ticket)
        said = said_before(row.comment) if row is not None else None
        fitting = [
            first
            for first, position in self.positions.items()
            if (position.pending or position.ticket == ticket or known is not None)
            and known in (None, first)
            and (position.pending is False or number(ticket) > number(position.ticket))
            and (said is None or not position.pending or position.ticket == said)
            and (row is None or _is_rest(row, position))
        ]
        before = known is None and row is not None and ticket not in self.positions and said is None
        if before and (row is not None and (row.time is None or row.time < self.seen.since)):
            fitting.append(ticket)  # opened before all that is in sight
        return fitting

    def _take(self, ticket: str, first: str) -> bool:
        """Note whose it is. True: it has begun here, with the end of the ticket before."""
        self._owner[ticket] = first
        position = self.positions.get(first)
        if position is None or not position.pending or position.ended is None:
            return False
        self._begun.append((position.ended, ticket))
        return True

    def _give_back(self, ticket: str, begun: bool) -> None:
        del self._owner[ticket]
        if begun:
            self._begun.pop()

    def _rises(self) -> bool:
        """Whether tickets are in the order in which they began; of what began in one moment nothing is said."""
        ordered = sorted(self._begun, key=lambda each: each[0].time)
        return all(
            number(ticket) < number(later)
            for nth, (deal, ticket) in enumerate(ordered)
            for then, later in ordered[nth + 1 :]
            if deal.time < then.time
        )


def _ticket(deal: DealRow) -> str:
    return deal.position_id or ""


def _is_rest(row: PositionRow, position: _Position) -> bool:
    """Whether an open ticket is as much as is left of a position, and was opened when it was."""
    opening = position.opening
    if row.time is not None and abs(row.time - opening.time) > MOMENT:
        return False
    return (row.volume, row.open_price) == (position.left, opening.price)
