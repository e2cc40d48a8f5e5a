"""TradeLocker behind the port: one logged-in account."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

from msgspec.structs import replace

from shared import clock
from shared.brokers.errors import BrokerError, UnreadableError
from shared.brokers.port import Capabilities, ReadFailed, Sent
from shared.brokers.tradelocker.account import Desk
from shared.brokers.tradelocker.catalogue import Meant
from shared.brokers.tradelocker.closing import Closer
from shared.brokers.tradelocker.rows import OrderRow
from shared.brokers.tradelocker.sending import Sender
from shared.brokers.tradelocker.settling import Settler
from shared.brokers.tradelocker.views import guarded
from shared.models.enums import Effect, Side
from shared.models.market import Ambiguous, Instrument, Quote
from shared.models.outcome import Lookup, Outcome
from shared.models.trading import AccountSnapshot, Fill

T = TypeVar("T")
YOUNG_S = 60.0
"""A fill of a position that no list knows is taken for an opening one while it is so young."""


class TradeLockerBroker:
    """Implements `Broker`. Made by `TradeLocker`, which has logged in and asserted whose account it is."""

    def __init__(self, desk: Desk, capabilities: Capabilities) -> None:
        self._desk = desk
        self._capabilities = capabilities
        closer = Closer(desk)
        self._sender = Sender(desk, closer)
        self._settler = Settler(desk, self._sender, closer)

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    async def instrument(self, symbol: str) -> Instrument | Ambiguous | None:
        async def read() -> Instrument | Ambiguous | None:
            meant = await self._desk.catalogue.meant(symbol)
            if not isinstance(meant, Meant):
                return meant
            found = await self._desk.catalogue.instrument(meant.listing)
            return found if found is None else replace(found, why=meant.why)

        return await _reading(read)

    async def quote(self, instrument: Instrument, ref_price: Decimal | None) -> Quote | None:
        async def read() -> Quote | None:
            listing = (await self._desk.catalogue.names()).find(instrument.venue_symbol)
            return None if listing is None else await self._desk.catalogue.quote(listing)

        return await _reading(read)

    async def rate(self, currency: str, into: str) -> Decimal | None:
        return await _reading(lambda: self._desk.catalogue.rate(currency, into))

    async def snapshot(self) -> AccountSnapshot:
        return await _reading(self._snapshot)

    async def execute(self, command: Sent) -> Outcome:
        return await self._sender.send(command)

    async def lookup(self, command: Sent) -> Lookup:
        return await self._settler.look(command)

    async def fills(self, since: datetime) -> tuple[Fill, ...]:
        return await _reading(lambda: self._fills(since))

    async def close(self) -> None:
        """Nothing of its own: login and HTTP client are shared, and closed by `TradeLocker`."""

    async def _snapshot(self) -> AccountSnapshot:
        """Positions before orders: a stop that is made meanwhile is seen, one that is gone is not shown."""
        began = clock.now()
        positions = await self._desk.positions()
        orders = await self._desk.orders()
        state, lens = await self._desk.client.state(), await self._desk.lens()
        by_id, protects = {each.id: each for each in orders}, guarded(positions)
        try:
            balance, equity = state["balance"], state["projectedBalance"]
        except KeyError as error:
            raise ReadFailed(f"the account's state has no {error}") from error
        return AccountSnapshot(
            balance=balance,
            equity=equity,
            at=began,
            positions=tuple(lens.position(each, by_id) for each in positions),
            orders=tuple(lens.working(each, protects) for each in orders),
            margin_used=state.get("initialMarginReq"),
        )

    async def _fills(self, since: datetime) -> tuple[Fill, ...]:
        history = await self._desk.client.history(self._desk.memory.look_from(since))
        filled = [row for row in history if row.filled and row.is_final]
        news = [row for row in filled if row.at is not None and row.at >= since.replace(microsecond=0)]
        if self._strange(news):
            await self._desk.positions()
        if self._strange(news):
            # What is filled in part is in no history yet, and may have opened what is closed already.
            for each in await self._desk.orders():
                if each.filled:
                    self._desk.memory.opened(each)
        lens = await self._desk.lens()
        found: list[Fill] = []
        for row in sorted(news, key=lambda each: (each.at, each.id)):
            effect = self._effect(row, filled)
            if effect is None:
                continue
            realised = await self._desk.realised(row) if effect is Effect.CLOSE else Decimal(0)
            found.append(lens.fill(row, effect, row.tag if effect is Effect.OPEN else None, realised))
        return tuple(found)

    def _strange(self, rows: list[OrderRow]) -> bool:
        return any(self._desk.memory.position(each.position_id) is None for each in rows)

    def _effect(self, row: OrderRow, filled: list[OrderRow]) -> Effect | None:
        """Whether an order opened or closed. The rows do not say; a position's first order has opened it.

        None = not known yet: the lists may be behind, and a fill that is told is told for good."""
        opening = self._opening_side(row, filled)
        if opening is None:
            young = row.at is not None and (clock.now() - row.at).total_seconds() < YOUNG_S
            return None if young else Effect.CLOSE
        return Effect.OPEN if row.side is opening else Effect.CLOSE

    def _opening_side(self, row: OrderRow, filled: list[OrderRow]) -> Side | None:
        known = self._desk.memory.position(row.position_id)
        if known is not None:
            return known.side
        same = [each for each in filled if each.position_id == row.position_id and each.at is not None]
        if len({each.side for each in same}) < 2:
            return None
        first = min(same, key=lambda each: (each.created or each.at or clock.now(), each.id))
        self._desk.memory.opened(first)
        return first.side


async def _reading(read: Callable[[], Awaitable[T]]) -> T:
    """A read of the port: whatever goes wrong is ReadFailed."""
    try:
        return await read()
    except (BrokerError, UnreadableError) as error:
        raise ReadFailed(str(error)) from error
