"""MetaTrader behind the port: one account that MetaApi is logged in to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

from msgspec.structs import replace

from shared import clock
from shared.brokers.errors import BrokerError, UnreadableError
from shared.brokers.metatrader.account import Desk
from shared.brokers.metatrader.following import Follower
from shared.brokers.metatrader.sending import Sender
from shared.brokers.metatrader.settling import Settler
from shared.brokers.port import Capabilities, ReadFailed, Sent
from shared.models.market import Ambiguous, Instrument, Quote
from shared.models.outcome import Lookup, Outcome
from shared.models.trading import AccountSnapshot, Fill

T = TypeVar("T")


class MetaTraderBroker:
    """Implements `Broker`. Made by `MetaTrader`, which has asserted whose account it is."""

    def __init__(self, desk: Desk, capabilities: Capabilities) -> None:
        self._desk = desk
        self._capabilities = capabilities
        follower = Follower(desk)
        self._sender = Sender(desk, follower)
        self._settler = Settler(desk, follower)

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    async def instrument(self, symbol: str) -> Instrument | Ambiguous | None:
        async def read() -> Instrument | Ambiguous | None:
            meant = await self._desk.catalogue.meant(symbol)
            if meant is None or isinstance(meant, Ambiguous):
                return meant
            found = await self._desk.catalogue.instrument(meant.name)
            return found if found is None else replace(found, why=meant.why)

        return await _reading(read)

    async def quote(self, instrument: Instrument, ref_price: Decimal | None) -> Quote | None:
        return await _reading(lambda: self._desk.catalogue.quote(instrument.venue_symbol))

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
        """Nothing of its own: token and HTTP client are shared, and closed by `MetaTrader`."""

    async def _snapshot(self) -> AccountSnapshot:
        """Orders before positions: one that is filled meanwhile is seen twice rather than not at all."""
        began = clock.now()
        seen, orders = await asyncio.gather(self._desk.information(), self._desk.client.orders())
        positions = await self._desk.positions()
        lens = await self._desk.lens()
        return AccountSnapshot(
            balance=seen.balance,
            equity=seen.equity,
            at=began,
            positions=tuple(lens.position(each) for each in positions),
            orders=tuple(lens.working(each) for each in orders if each.is_order),
            margin_used=seen.margin,
        )

    async def _fills(self, since: datetime) -> tuple[Fill, ...]:
        deals = await self._desk.deals(since)
        if self._desk.seen.is_mt4:
            deals = self._desk.origins.settled(deals, self._desk.patience.lag)
        return await self._desk.fills_of([each for each in deals if each.time >= since])


async def _reading(read: Callable[[], Awaitable[T]]) -> T:
    """A read of the port: whatever goes wrong is ReadFailed."""
    try:
        return await read()
    except (BrokerError, UnreadableError) as error:
        raise ReadFailed(str(error)) from error
