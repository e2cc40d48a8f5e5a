"""One account: its client and symbols, and reads that several places need."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from shared import clock
from shared.brokers.errors import BrokerError, NotSent, NoTurn, UnreadableError
from shared.brokers.metatrader.catalogue import Catalogue
from shared.brokers.metatrader.client import Client, Timing
from shared.brokers.metatrader.memory import Memory
from shared.brokers.metatrader.origins import Origins
from shared.brokers.metatrader.rows import AccountRow, DealRow, Information, PositionRow
from shared.brokers.metatrader.views import Lens, net_before
from shared.models.trading import Account, Fill

T = TypeVar("T")
SKEW = timedelta(minutes=2)
"""How far the broker's clock may be from ours."""
AGAIN_S = 0.2


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds. `confirm`: how long a command waits to see its effect. `lag`: how long after it was sent a trade may
    still come to light, because the terminal was reconnecting or its lists lag. `reapply`: a stop that is missing
    for so long after the fill was dropped, not late."""

    confirm: float = 6.0
    lag: float = 120.0
    reapply: float = 1.5


@dataclass(slots=True)
class Desk:
    """One account: what it is at MetaApi (`entry`), what its terminal last said (`seen`), what was told about it."""

    account: Account
    client: Client
    catalogue: Catalogue
    entry: AccountRow
    seen: Information
    timing: Timing
    patience: Patience
    origins: Origins
    memory: Memory = field(default_factory=Memory)

    async def lens(self) -> Lens:
        """The names that rows are shown with."""
        return Lens(self.account.id, await self.catalogue.names())

    async def information(self) -> Information:
        """Money and rights, read now."""
        self.seen = await self.client.information()
        return self.seen

    async def positions(self) -> list[PositionRow]:
        """Every open position."""
        rows = await self.client.positions()
        return await self.origins.of_positions(rows) if self.seen.is_mt4 else rows

    async def position(self, position_id: str) -> PositionRow | None:
        """One open position; on MetaTrader 4 whatever is left of it, under the ticket that it has now.

        Raises UnreadableError where something is open that may be it, and nothing tells.
        """
        if not self.seen.is_mt4:
            return await self.client.position(position_id)
        rows, lineage = await self.client.positions(), self.origins.lineage
        lineage.opened(position_id)
        if not any(lineage.first(each.id) == position_id for each in rows):
            await self.origins.of_positions(rows)
        found = next((each for each in lineage.positions(rows) if each.id == position_id), None)
        if found is None and (may_be := self.origins.may_be(position_id, rows)):
            raise UnreadableError(
                f"what is left of position {position_id} may be {' or '.join(may_be)}: comments and history "
                "do not tell"
            )
        return found

    async def deals(self, since: datetime) -> list[DealRow]:
        """Executions since a time."""
        rows = await self.client.deals(since)
        return await self.origins.of_deals(rows, since) if self.seen.is_mt4 else rows

    async def fills_of(
        self, deals: Sequence[DealRow], client_order_id: str | None = None
    ) -> tuple[Fill, ...]:
        """Deals as fills, oldest first, all of one command of ours (None: each opening one says whose it is)."""
        lens = await self.lens()
        found: list[Fill] = []
        for deal in sorted(deals, key=lambda each: each.age):
            held = Decimal(0)
            if deal.turns and deal.position_id is not None:
                held = net_before(await self.client.deals_of(deal.position_id), deal)
            label = client_order_id or (deal.client_id if deal.opens or deal.turns else None)
            found += lens.fills(deal, label, held)
        return tuple(found)

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

    async def before(self, by: float, reading: Awaitable[T]) -> T:
        """What has to be read before a command can be sent. NotSent when it cannot be read by then (monotonic);
        NoTurn where that is because MetaApi wants us to be quiet: it is busy, and neither away nor against it."""
        try:
            async with asyncio.timeout(max(0.0, by - clock.monotonic())):
                return await reading
        except (TimeoutError, BrokerError, UnreadableError) as error:
            if (quiet_s := self.client.quiet_s) > 0:
                raise NoTurn(
                    f"MetaApi takes nothing for {quiet_s:.1f} s, and what to send has to be read first"
                ) from error
            raise NotSent(f"it could not be read what to send: {str(error) or 'it took too long'}") from error
