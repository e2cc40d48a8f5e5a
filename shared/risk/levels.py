"""Stops of open positions against the market: which of two prices is the better one, how near a stop may be. Pure."""

from datetime import datetime, timedelta
from decimal import Decimal

from msgspec import Struct

from shared.models.enums import Side
from shared.models.market import Instrument, Quote
from shared.risk.grid import ceil_to, floor_to

QUOTE_AGE = timedelta(seconds=10)
"""An older quote moves no stop."""


class Market(Struct, frozen=True):
    """What a position can be sold or bought back at, as it was quoted."""

    quote: Quote
    instrument: Instrument

    def usable(self, now: datetime) -> bool:
        """Whether a stop may be moved by it: young, and two prices that make sense."""
        return now - self.quote.at <= QUOTE_AGE and 0 < self.quote.bid <= self.quote.ask


def room(level: Decimal, price: Decimal, market: Market, side: Side) -> Decimal:
    """The level, or as near to it as the broker lets a stop be to the market."""
    least, tick = market.instrument.min_stop_distance, market.instrument.tick_size
    if least <= 0 or ahead(price, level, side) >= least:
        return level
    return floor_to(price - least, tick) if side is Side.BUY else ceil_to(price + least, tick)


def ahead(price: Decimal, than: Decimal, side: Side) -> Decimal:
    """How much further in profit of a position on `side` one price is than another."""
    return price - than if side is Side.BUY else than - price
