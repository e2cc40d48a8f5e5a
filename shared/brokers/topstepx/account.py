"""Reads of one account that several places need, and what this process has learned that no list says again."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from shared import clock, log
from shared.brokers.errors import BrokerError, UnreadableError
from shared.brokers.port import Sent
from shared.brokers.topstepx.catalogue import Catalogue
from shared.brokers.topstepx.client import Client, Timing
from shared.brokers.topstepx.rows import OrderRow, PositionRow, TradeRow
from shared.brokers.topstepx.views import Lens
from shared.models.trading import Account

T = TypeVar("T")
_log = log.get("topstepx")
SKEW = timedelta(minutes=2)
"""How far the gateway's clock may be from ours."""
LOOK_BACK = timedelta(days=2)
"""So long ago an order is looked for that nothing else finds: nothing rests over a weekend here."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 1.0
KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds. `confirm`: how long a command waits to see its effect. `lag`: how far lists lag at most.
    `reapply`: a stop that is missing for so long after the fill was dropped, not late. `apart`: an order that is older
    than a close by more than this was not made by it, where only time can tell."""

    confirm: float = 6.0
    lag: float = 10.0
    reapply: float = 1.5
    apart: float = 5.0


class Memory:
    """Bounded; losing it costs reads, never an order."""

    def __init__(self) -> None:
        self._told: OrderedDict[str, str] = OrderedDict()
        self._tags: OrderedDict[str, str | None] = OrderedDict()

    def told(self, order_ids: Iterable[str], client_order_id: str) -> None:
        """The fills of these orders were the answer to a command: they cannot be the answer to another."""
        for each in order_ids:
            _put(self._told, each, client_order_id)

    def is_its(self, order_id: str, client_order_id: str) -> bool:
        """Whether an order's fills were the answer to this command."""
        return self._told.get(order_id) == client_order_id

    def is_anothers(self, order_id: str, client_order_id: str) -> bool:
        """Whether an order's fills were the answer to another command."""
        return self._told.get(order_id, client_order_id) != client_order_id

    def saw(self, orders: Iterable[OrderRow]) -> None:
        """Orders, for the tags of their fills."""
        for each in orders:
            _put(self._tags, each.id, each.tag)

    def tag(self, order_id: str) -> str | None:
        """The client order id that an order carries, or that its fills were told under."""
        return self._told.get(order_id) or self._tags.get(order_id)

    def knows(self, order_id: str) -> bool:
        """Whether we know what tag an order has."""
        return order_id in self._told or order_id in self._tags


def _put(kept: OrderedDict[str, T], key: str, value: T) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > KEPT:
        kept.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Desk:
    """One account: its client, its contracts, and what was learned about it."""

    account: Account
    client: Client
    catalogue: Catalogue
    timing: Timing
    patience: Patience
    memory: Memory = field(default_factory=Memory)

    def send_by(self, command: Sent) -> float:
        """Until when (monotonic) what is ready now may leave; after its lease nothing of a command does."""
        return min(clock.monotonic() + self.timing.send_within, command.send_by)

    @property
    def lens(self) -> Lens:
        """How rows are shown."""
        return Lens(self.account.id)

    async def unfinished(self) -> list[OrderRow]:
        """Every order to which something may still happen."""
        found = await self.client.unfinished()
        self.memory.saw(found)
        return found

    async def orders(self, since: datetime) -> list[OrderRow]:
        """Every order made since a time (but suspended ones)."""
        found = await self.client.orders(since - SKEW)
        self.memory.saw(found)
        return found

    async def trades(self, since: datetime) -> list[TradeRow]:
        """Every fill since a time, oldest first."""
        return await self.client.trades(since - SKEW)

    async def held(self, contract_id: str) -> PositionRow | None:
        """The position of a contract."""
        found = await self.client.positions()
        return next((each for each in found if each.contract_id == contract_id), None)

    async def order(self, order_id: str) -> OrderRow | None:
        """One order, whatever became of it; None when nothing shows it (yet)."""
        found = await self.client.order(order_id)
        if found is None:
            recent = await self.orders(clock.now() - LOOK_BACK)
            found = next((each for each in recent if each.id == order_id), None)
        if found is not None:
            self.memory.saw([found])
        return found

    async def until(self, look: Callable[[], Awaitable[T | None]], seconds: float) -> T | None:
        """What `look` finds within a time; a look that fails is made again. None = nothing was seen."""
        by, pause = clock.monotonic() + seconds, FIRST_PAUSE_S
        while True:
            try:
                found = await look()
            except (BrokerError, UnreadableError):
                found = None
            if found is not None or clock.monotonic() >= by:
                return found
            await asyncio.sleep(min(pause, max(0.0, by - clock.monotonic())))
            pause = min(2 * pause, LONGEST_PAUSE_S)


async def or_else(certain: T, telling: Awaitable[T]) -> T:
    """What the lists tell about a command that was taken; else what is certain without them."""
    try:
        return await telling
    except (BrokerError, UnreadableError) as error:
        _log.info("taken, and what it did could not be read", error=str(error))
        return certain
