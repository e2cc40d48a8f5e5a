"""A paper account with a market of its own, for drills: its prices come from its book, never from an alert.

So a price can be moved on purpose, be old, or have a spread, without anybody else's account seeing it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from msgspec.structs import replace

from shared import clock
from shared.brokers.paper.broker import PaperBroker
from shared.brokers.port import Sent
from shared.models.market import Instrument, Quote
from shared.models.outcome import Outcome

OWN_MARKET = "own_market"
"""The server of such accounts' connections. No trader can choose it: it is not a name that connect_paper takes."""


class OwnMarketBroker(PaperBroker):
    """The paper broker, quoting its book's last price with the account's own spread and age."""

    async def quote(self, instrument: Instrument, ref_price: Decimal | None) -> Quote | None:
        """Bid = the book's last price, ask = the spread above it, as old as the terms say. None = never priced."""
        state = await self._state()
        bid = state.prices.get(instrument.venue_symbol)
        if bid is None:
            return None
        ask = bid + state.terms.spread_ticks * instrument.tick_size
        at = clock.now() - timedelta(seconds=float(state.terms.quote_age_s))
        return Quote(instrument.symbol, bid, ask, at, "last_price")

    async def execute(self, command: Sent) -> Outcome:
        """The alert's price is only what the alert believed: the book fills at its own."""
        return await super().execute(replace(command, leg=replace(command.leg, ref_price=None)))
