"""Prices for the books in our own database: the last one that any alert of the same trader came with.

A book hears a price with each of its own orders. Between them its positions are worth what the trader's other alerts
say, on whatever account: a close elsewhere, a modify, an entry that was denied. One trader's prices never reach
another one's books.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Protocol

from msgspec import Struct

from shared import clock
from shared.brokers.paper.instruments import cached_instrument


class TellsPrice(Protocol):
    """A price as an alert told it, its text as it came."""

    @property
    def user_id(self) -> str: ...
    @property
    def symbol(self) -> str: ...
    @property
    def price(self) -> str: ...


class TellsPrices(Protocol):
    """What alerts told since the last question."""

    @property
    def last(self) -> int: ...
    @property
    def prices(self) -> Sequence[TellsPrice]: ...


class PriceRows(Protocol):
    """The rows prices come from and go to; each method raises ConnectionError when the database did not answer."""

    async def prices_told(self, *, after: int | None) -> TellsPrices: ...
    async def mark_books(self, *, prices: Sequence[BookPrice]) -> int: ...


class BookPrice(Struct, frozen=True):
    """A price in a book's own words."""

    user_id: str
    symbol: str
    price: Decimal


class Marks:
    """Carries prices from alerts to books; one per worker process, and several do no harm."""

    def __init__(self, rows: PriceRows) -> None:
        self._rows = rows
        self._after: int | None = None

    async def carry(self) -> int:
        """Everything told since the last time. Returns how many books have changed."""
        told = await self._rows.prices_told(after=self._after)
        self._after = told.last
        prices = newest(told.prices, clock.now().date())
        return await self._rows.mark_books(prices=prices) if prices else 0


def newest(told: Sequence[TellsPrice], today: date) -> list[BookPrice]:
    """The last price of each trader's instrument. What is no price, or of nothing traded here, is passed over."""
    found: dict[tuple[str, str], BookPrice] = {}
    for each in told:
        instrument, price = cached_instrument(each.symbol, today), _price(each.price)
        if instrument is not None and price is not None:
            symbol = instrument.venue_symbol
            found[each.user_id, symbol] = BookPrice(each.user_id, symbol, price)
    return list(found.values())


def _price(text: str) -> Decimal | None:
    try:
        price = Decimal(text)
    except InvalidOperation:
        return None
    return price if price.is_finite() and price > 0 else None
