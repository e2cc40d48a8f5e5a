"""What an account can trade and at which price: instruments, symbols, quotes, rates, kept for a while."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from shared import clock
from shared.brokers import symbols
from shared.brokers.errors import Refused
from shared.brokers.kept import Kept
from shared.brokers.pacing import foreground
from shared.brokers.tradelocker import parse
from shared.brokers.tradelocker.client import Client
from shared.brokers.tradelocker.parse import Listing
from shared.models.market import Ambiguous, Instrument, Quote

LIST_TTL_S = 900.0
DETAILS_TTL_S = 1800.0
RATE_TTL_S = 30.0


@dataclass(frozen=True, slots=True)
class Names:
    """The instrument list by everything it is asked for."""

    by_id: dict[str, Listing]
    by_key: dict[str, Listing]
    by_symbol: dict[str, Listing]

    def find(self, word: str) -> Listing | None:
        """By what a leg calls it: the broker's name, its id, or our symbol."""
        return self.by_key.get(word) or self.by_id.get(word) or self.by_symbol.get(word)


@dataclass(frozen=True, slots=True)
class Meant:
    """The instrument that a symbol means, and why it is the one."""

    listing: Listing
    why: str


class Catalogue:
    """Instruments of one account. Raises BrokerError and UnreadableError."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._names: Kept[Names] = Kept(LIST_TTL_S)
        self._instruments: dict[str, Kept[Instrument | None]] = {}
        self._rates: dict[tuple[str, str], Kept[Decimal | None]] = {}
        self._info_routes: dict[str, int] = {}

    async def names(self) -> Names:
        """The instrument list."""
        return await self._names.get(self._read_names)

    async def meant(self, symbol: str) -> Meant | Ambiguous | None:
        """What a symbol means on this account: a name of the broker's own before anything is looked for."""
        names = await self.names()
        ticker = symbols.ticker_of(symbol)
        for word in (symbol.strip(), ticker):
            named = names.by_key.get(word) or names.by_id.get(word)
            if named is not None:
                return Meant(named, f"{word} is the broker's own name")
        found = symbols.choose(symbol, [each.name for each in names.by_id.values()])
        if found is None:
            named = names.by_symbol.get(ticker)
            return None if named is None else Meant(named, f"{ticker} is our name for {named.name}")
        if isinstance(found, Ambiguous):
            return found
        same = [each for each in names.by_id.values() if each.name == found.name]
        if len(same) > 1:
            return Ambiguous(ticker, tuple(sorted(each.symbol for each in same)))
        return Meant(same[0], found.why)

    async def instrument(self, listing: Listing) -> Instrument | None:
        """Its contract data; None where the broker has no route to trade it."""
        kept = self._instruments.setdefault(listing.id, Kept(DETAILS_TTL_S))
        return await kept.get(lambda: self._read_instrument(listing))

    async def quote(self, listing: Listing) -> Quote | None:
        """Bid and ask now. Of several INFO routes the last is tried first; the one that answers is kept."""
        known = self._info_routes.get(listing.id)
        routes = list(listing.info_routes[::-1]) if known is None else [known]
        refused: Refused | None = None
        for route in routes:
            try:
                data = await self._client.quote(listing.id, route)
            except Refused as error:
                refused = error
                self._info_routes.pop(listing.id, None)
                continue
            self._info_routes[listing.id] = route
            return parse.quote(listing.symbol, data, clock.now())
        if refused is not None:
            raise refused
        return None

    async def rate(self, currency: str, into: str) -> Decimal | None:
        """One unit of `currency` in `into` at the middle: directly, inversely, or through the dollar."""
        if currency == into:
            return Decimal(1)
        kept = self._rates.setdefault((currency, into), Kept(RATE_TTL_S))
        return await kept.get(lambda: self._read_rate(currency, into))

    async def _read_names(self) -> Names:
        with foreground():
            found = await self._client.instruments()
        return Names(
            by_id={each.id: each for each in found},
            by_key={each.key: each for each in found},
            by_symbol={each.symbol: each for each in found},
        )

    async def _read_instrument(self, listing: Listing) -> Instrument | None:
        if listing.trade_route is None:
            return None
        route = listing.info_routes[-1] if listing.info_routes else listing.trade_route
        with foreground():
            data = await self._client.instrument(listing.id, route)
        price = None
        if parse.tiers(data) > 1:
            quote = await self.quote(listing)
            price = quote.bid if quote else None
        return parse.instrument(listing, data, price)

    async def _read_rate(self, currency: str, into: str) -> Decimal | None:
        direct = await self._middle(currency + into)
        if direct is not None:
            return direct
        inverse = await self._middle(into + currency)
        if inverse is not None:
            return 1 / inverse
        if "USD" in (currency, into):
            return None
        first, second = await self.rate(currency, "USD"), await self.rate("USD", into)
        return None if first is None or second is None else first * second

    async def _middle(self, pair: str) -> Decimal | None:
        meant = await self.meant(pair)
        if isinstance(meant, Ambiguous):
            # Account types differ in spread and commission, not in what a currency is worth.
            meant = await self.meant(meant.candidates[0])
        quote = await self.quote(meant.listing) if isinstance(meant, Meant) else None
        return (quote.bid + quote.ask) / 2 if quote else None
