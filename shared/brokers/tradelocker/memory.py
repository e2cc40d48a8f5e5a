"""What this process has learned about one account and the broker's lists do not say again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from shared.brokers.tradelocker.closes import Claim
from shared.brokers.tradelocker.rows import OrderRow, PositionRow
from shared.models.enums import Side

KEPT = 10_000
FIRST_LOOK_BACK = timedelta(days=31)
"""How far back history is read while we do not know how old the account's working orders are."""
LOOK_BACK = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class KnownPosition:
    """A position that is, or was, open."""

    side: Side
    average: Decimal
    instrument_id: str


class Memory:
    """Bounded; losing it costs reads, never an order."""

    def __init__(self) -> None:
        self._positions: OrderedDict[str, KnownPosition] = OrderedDict()
        self._told: OrderedDict[str, str] = OrderedDict()
        self._claims: OrderedDict[str, tuple[str, Claim]] = OrderedDict()
        self._oldest: datetime | None = None
        self._looked = False

    def position(self, position_id: str | None) -> KnownPosition | None:
        """A position we have seen."""
        return self._positions.get(position_id or "")

    def saw_positions(self, rows: Iterable[PositionRow]) -> None:
        """Positions that are open."""
        for row in rows:
            self._put(row.id, KnownPosition(row.side, row.average, row.instrument_id))

    def opened(self, row: OrderRow) -> None:
        """A filled entry of ours."""
        if row.position_id and row.average is not None:
            self._put(row.position_id, KnownPosition(row.side, row.average, row.instrument_id))

    def told(self, order_id: str, client_order_id: str) -> None:
        """This order's fill was the answer to a command: it cannot be the answer to another."""
        self._claims.pop(client_order_id, None)
        self._told[order_id] = client_order_id
        if len(self._told) > KEPT:
            self._told.popitem(last=False)

    def is_anothers(self, order_id: str, client_order_id: str) -> bool:
        """Whether the fill of an order was the answer to another command."""
        return self._told.get(order_id, client_order_id) != client_order_id

    def claim(self, position_id: str, claim: Claim) -> None:
        """A close of ours goes out, or has been taken: one order of this position is its."""
        self._claims[claim.name] = position_id, claim
        if len(self._claims) > KEPT:
            self._claims.popitem(last=False)

    def unclaim(self, client_order_id: str) -> None:
        """A close was not done."""
        self._claims.pop(client_order_id, None)

    def claims(self, position_id: str) -> list[Claim]:
        """Closes of a position that this process has sent, and whose orders nobody has told."""
        return [claim for held, claim in self._claims.values() if held == position_id]

    def saw_working(self, rows: Iterable[OrderRow]) -> None:
        """Orders that work: history is asked for from the oldest on, whichever date its filter means."""
        created = [row.created for row in rows if row.created is not None]
        oldest = min(created, default=None)
        if oldest is not None:
            self._oldest = oldest if self._oldest is None else min(self._oldest, oldest)
        self._looked = True

    def look_from(self, since: datetime) -> datetime:
        """From when history has to be read to see everything that has ended since."""
        if not self._looked:
            return since - FIRST_LOOK_BACK
        return min(since - LOOK_BACK, self._oldest or since)

    def _put(self, position_id: str, known: KnownPosition) -> None:
        self._positions[position_id] = known
        self._positions.move_to_end(position_id)
        if len(self._positions) > KEPT:
            self._positions.popitem(last=False)
