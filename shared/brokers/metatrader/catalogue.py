"""What an account can trade and at which price: symbols, contracts, quotes, rates, kept for a while."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from shared import clock
from shared.brokers import symbols
from shared.brokers.kept import Kept
from shared.brokers.metatrader import parse
from shared.brokers.metatrader.client import Client
from shared.brokers.pacing import foreground
from shared.brokers.symbols import Chosen
from shared.models.market import Ambiguous, Instrument, Quote

LIST_TTL_S = 3600.0
DETAILS_TTL_S = 3600.0
RATE_TTL_S = 30.0


@dataclass(frozen=True, slots=True)
class Names:
    """The broker's names, each with what traders call it."""

    called: dict[str, str]

    def symbol(self, name: str) -> str:
        """What traders call one of the broker's names; the name itself where it is not in the list."""
        return self.called.get(name, name)


class Catalogue:
    """The symbols of one account whose money is in `currency`."""

    def __init__(self, client: Client, currency: str) -> None:
        self._client, self._currency = client, currency
        self._names: Kept[Names] = Kept(LIST_TTL_S)
        self._instruments: dict[str, Kept[Instrument | None]] = {}
        self._rates: dict[tuple[str, str], Kept[Decimal | None]] = {}

    async def names(self) -> Names:
        """The symbol list."""
        return await self._names.get(self._read_names)

    async def meant(self, symbol: str) -> Chosen | Ambiguous | None:
        """The broker's name for a chart's symbol: a name of its own before anything is looked for."""
        called = (await self.names()).called
        ticker = symbols.ticker_of(symbol)
        for word in (symbol.strip(), ticker):
            if word in called:
                return Chosen(word, f"{word} is the broker's own name")
        return symbols.choose(symbol, called)

    async def instrument(self, name: str) -> Instrument | None:
        """A symbol's contract; None where the broker does not say what it is worth."""
        kept = self._instruments.setdefault(name, Kept(DETAILS_TTL_S))
        return await kept.get(lambda: self._read_instrument(name))

    async def quote(self, name: str) -> Quote | None:
        """Bid and ask now."""
        row = await self._client.price(name)
        return None if row is None else parse.quote((await self.names()).symbol(name), row, clock.now())

    async def rate(self, currency: str, into: str) -> Decimal | None:
        """One unit of `currency` in `into` at the middle: directly, inversely, or through the dollar."""
        if currency == into:
            return Decimal(1)
        kept = self._rates.setdefault((currency, into), Kept(RATE_TTL_S))
        return await kept.get(lambda: self._read_rate(currency, into))

    async def _read_names(self) -> Names:
        with foreground():
            return Names(symbols.canonical(await self._client.symbols()))

    async def _read_instrument(self, name: str) -> Instrument | None:
        with foreground():
            spec = await self._client.specification(name)
            if spec is None:
                return None
            price = await self._client.price(name)
        return parse.instrument((await self.names()).symbol(name), spec, price, self._currency)

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
        # Account types differ in spread and commission, not in what a currency is worth.
        name = meant.candidates[0] if isinstance(meant, Ambiguous) else meant.name if meant else None
        quote = await self.quote(name) if name is not None else None
        if quote is None or (clock.now() - quote.at).total_seconds() > 2 * RATE_TTL_S:
            return None
        return (quote.bid + quote.ask) / 2
