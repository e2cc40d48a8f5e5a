"""Reads of one account that several places need: lists as they are, or until something shows in them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from shared import clock, log
from shared.brokers.errors import BrokerError, UnreadableError
from shared.brokers.tradelocker.catalogue import Catalogue
from shared.brokers.tradelocker.client import Client, Timing
from shared.brokers.tradelocker.memory import Memory
from shared.brokers.tradelocker.rows import OrderRow, PositionRow
from shared.brokers.tradelocker.views import Lens
from shared.models.enums import Side
from shared.models.trading import Account

T = TypeVar("T")
_log = log.get("tradelocker")
SKEW = timedelta(minutes=2)
"""How far the broker's clock may be from ours."""
AGAIN_S = 0.2


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds. `confirm`: how long a command waits to see its effect. `lag`: how far lists lag at most.
    `reapply`: a stop that is missing for so long after the fill was dropped, not late. `apart`: an order that is older
    than a close by more than this was not made by it, where only time can tell."""

    confirm: float = 6.0
    lag: float = 10.0
    reapply: float = 1.5
    apart: float = 5.0


@dataclass(frozen=True, slots=True)
class Desk:
    """One account: its client, its instruments, and what was learned about it."""

    account: Account
    client: Client
    catalogue: Catalogue
    timing: Timing
    patience: Patience
    memory: Memory = field(default_factory=Memory)

    async def lens(self) -> Lens:
        """The names that rows are shown with."""
        return Lens(self.account.id, await self.catalogue.names())

    async def orders(self) -> list[OrderRow]:
        """Every order that is not final."""
        found = await self.client.orders()
        self.memory.saw_working(found)
        return found

    async def positions(self) -> list[PositionRow]:
        """Every open position."""
        found = await self.client.positions()
        self.memory.saw_positions(found)
        return found

    async def history(self, since: datetime) -> list[OrderRow]:
        """Final orders that were made since a time; may hold earlier ones too."""
        return await self.client.history(since - SKEW)

    async def ended(self, order_id: str) -> OrderRow | None:
        """A final order, however old; None when history does not have it (yet)."""
        found = await self.client.history(self.memory.look_from(clock.now()))
        return next((each for each in found if each.id == order_id), None)

    async def until(self, look: Callable[[], Awaitable[T | None]], seconds: float) -> T | None:
        """What `look` finds within a time; a look that fails is made again. None = nothing was seen."""
        by = clock.monotonic() + seconds
        while True:
            try:
                found = await look()
            except (BrokerError, UnreadableError):
                found = None
            if found is not None or clock.monotonic() >= by:
                return found
            await asyncio.sleep(AGAIN_S)

    async def meet(self, position_id: str) -> None:
        """Know the entry of a position while it is open: once it is closed only this process may remember it."""
        if self.memory.position(position_id) is None:
            await self.positions()

    async def realised(self, row: OrderRow) -> Decimal:
        """Gross profit of a closing order in account currency, from the prices: the broker does not list it.

        0 where nobody knows the entry or a rate. Raises BrokerError, UnreadableError: a fill is recorded once, so what
        could not be read just now must not become a result of 0."""
        known = self.memory.position(row.position_id)
        listing = (await self.catalogue.names()).by_id.get(row.instrument_id)
        if known is None or listing is None or row.average is None:
            return Decimal(0)
        instrument = await self.catalogue.instrument(listing)
        quoted = instrument.quote_currency if instrument else ""
        rate = await self.catalogue.rate(quoted, self.account.currency) if instrument else None
        if instrument is None or rate is None:
            return Decimal(0)
        moved = row.average - known.average
        sign = 1 if known.side is Side.BUY else -1
        return round(moved * sign * row.filled * instrument.contract_size * rate, 8)


async def or_else(certain: T, telling: Awaitable[T]) -> T:
    """What the lists tell about a command that was taken; else what is certain without them."""
    try:
        return await telling
    except (BrokerError, UnreadableError) as error:
        _log.info("taken, and what it did could not be read", error=str(error))
        return certain
