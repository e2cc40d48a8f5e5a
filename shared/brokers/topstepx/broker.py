"""TopstepX behind the port: one logged-in account."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

from msgspec.structs import replace

from shared import clock
from shared.brokers.errors import BrokerError, UnreadableError
from shared.brokers.port import Capabilities, ReadFailed, Sent
from shared.brokers.symbols import Chosen
from shared.brokers.topstepx import catalogue, products
from shared.brokers.topstepx.account import Desk
from shared.brokers.topstepx.rows import OrderRow, PositionRow, TradeRow
from shared.brokers.topstepx.sending import Sender
from shared.brokers.topstepx.settling import Settler
from shared.models.enums import Side
from shared.models.market import Ambiguous, Instrument, Quote
from shared.models.outcome import Lookup, Outcome
from shared.models.trading import AccountSnapshot, Fill, Position

T = TypeVar("T")


class TopstepXBroker:
    """Implements `Broker`. Made by `TopstepX`, which has logged in and asserted whose account it is."""

    def __init__(self, desk: Desk, capabilities: Capabilities, *, may_send: bool) -> None:
        self._desk = desk
        self._capabilities = capabilities
        self._sender = Sender(desk, may_send=may_send)
        self._settler = Settler(desk, self._sender)

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    async def instrument(self, symbol: str) -> Instrument | Ambiguous | None:
        async def read() -> Instrument | Ambiguous | None:
            found = await self._desk.catalogue.chosen(symbol)
            if not isinstance(found, Chosen):
                return found
            row = await self._desk.catalogue.row(found.name)
            return None if row is None else catalogue.instrument(row, found.why)

        return await _reading(read)

    async def quote(self, instrument: Instrument, ref_price: Decimal | None) -> Quote | None:
        """No bid and ask over REST: the alert's ref_price, else the last price."""
        if ref_price is not None:
            return Quote(instrument.symbol, ref_price, ref_price, clock.now(), "ref_price")
        last = await _reading(lambda: self._desk.catalogue.last_price(instrument.venue_symbol))
        return None if last is None else Quote(instrument.symbol, last, last, clock.now(), "last_price")

    async def rate(self, currency: str, into: str) -> Decimal | None:
        """Everything here is in US dollars; no other currency has a price."""
        return Decimal(1) if currency == into else None

    async def snapshot(self) -> AccountSnapshot:
        return await _reading(self._snapshot)

    async def execute(self, command: Sent) -> Outcome:
        return await self._sender.send(_named(command))

    async def lookup(self, command: Sent) -> Lookup:
        return await self._settler.look(_named(command))

    async def fills(self, since: datetime) -> tuple[Fill, ...]:
        return await _reading(lambda: self._fills(since))

    async def close(self) -> None:
        """Nothing of its own: login and HTTP client are shared, and closed by `TopstepX`."""

    async def _snapshot(self) -> AccountSnapshot:
        """Positions before orders: a stop that is made meanwhile is seen, one that is gone is not shown."""
        began = clock.now()
        positions = await self._desk.client.positions()
        orders, money = await asyncio.gather(self._desk.unfinished(), self._desk.client.account())
        shown = await asyncio.gather(*(self._valued(each, orders) for each in positions))
        profit = sum((each.unrealized_pnl or Decimal(0) for each in shown), Decimal(0))
        return AccountSnapshot(
            balance=money.balance,
            equity=money.balance + profit,
            at=began,
            positions=tuple(shown),
            orders=tuple(self._desk.lens.working(each) for each in _awake(orders)),
            extra={"name": money.name, "can_trade": str(money.can_trade).lower()},
        )

    async def _valued(self, row: PositionRow, orders: Sequence[OrderRow]) -> Position:
        """A position with its open profit, which the gateway does not tell: from the last price and the tick."""
        contract = await self._desk.catalogue.row(row.contract_id)
        last = await self._desk.catalogue.last_price(row.contract_id)
        if contract is None or last is None:
            # An equity without it would be a guess, and limits count from it.
            raise ReadFailed(f"there is no price of {row.contract_id}: the account's equity is not known")
        moved = (last - row.average) * (1 if row.side is Side.BUY else -1)
        profit = round(moved / contract.tick_size * contract.tick_value * row.qty, 2)
        return self._desk.lens.position(row, orders, profit)

    async def _fills(self, since: datetime) -> tuple[Fill, ...]:
        trades = [each for each in await self._desk.client.trades(since) if each.at >= since]
        await self._learn_tags(trades, since)
        return tuple(self._desk.lens.fill(each, self._desk.memory.tag(each.order_id)) for each in trades)

    async def _learn_tags(self, trades: Sequence[TradeRow], since: datetime) -> None:
        """The gateway's fills name their order only: its tag is read where we do not know it."""
        unknown = {each.order_id for each in trades if not self._desk.memory.knows(each.order_id)}
        if unknown:
            await self._desk.orders(since)
        for order_id in sorted(unknown):
            if not self._desk.memory.knows(order_id):
                await self._desk.order(order_id)


def _named(command: Sent) -> Sent:
    """The command on a contract's id: an exit may name a month that is not active by our symbol of it."""
    name = products.named(command.leg.venue_symbol, clock.now().year)
    return (
        command
        if name == command.leg.venue_symbol
        else replace(command, leg=replace(command.leg, venue_symbol=name))
    )


def _awake(orders: Sequence[OrderRow]) -> list[OrderRow]:
    """Without the suspended children of entries that still wait: they come and go with them."""
    waiting = {each.id for each in orders if not each.suspended}
    return [each for each in orders if not (each.suspended and each.parent_id in waiting)]


async def _reading(read: Callable[[], Awaitable[T]]) -> T:
    """A read of the port: whatever goes wrong is ReadFailed."""
    try:
        return await read()
    except (BrokerError, UnreadableError) as error:
        raise ReadFailed(str(error)) from error
