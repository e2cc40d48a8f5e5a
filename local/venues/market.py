"""A moving market: one bid and one ask per instrument, walking tick by tick from a seed, or set by hand.

Two markets with the same seed and the same steps show the same prices. Decimals, always on the tick.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal

D = Decimal


@dataclass(frozen=True, slots=True)
class Spec:
    """How one instrument is priced. `spread` and `start` (first bid) are multiples of `tick`.

    `lot` = units of a quantity of 1; `base` and `quote` = its currencies (base None where there is none).
    A step moves the bid by at most `swing` ticks.
    """

    name: str
    tick: Decimal
    start: Decimal
    spread: Decimal
    lot: Decimal
    quote: str
    base: str | None = None
    swing: int = 5


@dataclass(frozen=True, slots=True)
class Price:
    """Best bid and ask of a moment."""

    bid: Decimal
    ask: Decimal


CFDS: tuple[Spec, ...] = (
    Spec("EURUSD", D("0.00001"), D("1.09500"), D("0.00006"), D(100_000), "USD", "EUR"),
    Spec("GBPUSD", D("0.00001"), D("1.27200"), D("0.00009"), D(100_000), "USD", "GBP"),
    Spec("AUDUSD", D("0.00001"), D("0.65800"), D("0.00008"), D(100_000), "USD", "AUD"),
    Spec("USDJPY", D("0.001"), D("148.200"), D("0.009"), D(100_000), "JPY", "USD"),
    Spec("USDCHF", D("0.00001"), D("0.88100"), D("0.00009"), D(100_000), "CHF", "USD"),
    Spec("EURGBP", D("0.00001"), D("0.86000"), D("0.00010"), D(100_000), "GBP", "EUR"),
    Spec("EURJPY", D("0.001"), D("162.300"), D("0.012"), D(100_000), "JPY", "EUR"),
    Spec("XAUUSD", D("0.01"), D("2650.00"), D("0.20"), D(100), "USD", "XAU", 20),
    Spec("XAGUSD", D("0.001"), D("30.500"), D("0.020"), D(5_000), "USD", "XAG"),
    Spec("US30", D("0.1"), D("42800.0"), D("2.0"), D(1), "USD", None, 30),
    Spec("NAS100", D("0.1"), D("20400.0"), D("1.5"), D(1), "USD", None, 30),
    Spec("SPX500", D("0.1"), D("5850.0"), D("0.5"), D(1), "USD"),
    Spec("GER40", D("0.1"), D("19300.0"), D("1.2"), D(1), "EUR", None, 20),
    Spec("BTCUSD", D("0.01"), D("77260.50"), D("15.00"), D(1), "USD", "BTC", 500),
    Spec("ETHUSD", D("0.01"), D("3120.00"), D("1.50"), D(1), "USD", "ETH", 50),
    Spec("LTCUSD", D("0.01"), D("82.50"), D("0.10"), D(1), "USD", "LTC"),
    Spec("DOGEUSD", D("0.00001"), D("0.18000"), D("0.00020"), D(1), "USD", "DOGE", 20),
)
"""Pairs, metals, indices and coins that every CFD broker has."""


class Market:
    """The prices of all instruments. Listeners hear the name of each one that has changed."""

    def __init__(self, specs: Iterable[Spec] = CFDS, seed: int = 1) -> None:
        self.specs = {spec.name: spec for spec in specs}
        self._dice = random.Random(seed)  # noqa: S311  a market, not a secret
        self._bids = {spec.name: spec.start for spec in self.specs.values()}
        self._asks = {spec.name: spec.start + spec.spread for spec in self.specs.values()}
        self._held: set[str] = set()
        self._listeners: list[Callable[[str], None]] = []

    def price(self, name: str) -> Price:
        """The price now. KeyError for an unknown instrument."""
        return Price(self._bids[name], self._asks[name])

    def listen(self, listener: Callable[[str], None]) -> None:
        """Call `listener(name)` after every change of a price."""
        self._listeners.append(listener)

    def step(self) -> None:
        """Every instrument moves once, except those whose price was set by hand."""
        for name, spec in self.specs.items():
            if name not in self._held:
                self._put(name, self._next_bid(spec), spec.spread)

    def set_price(self, name: str, bid: Decimal, ask: Decimal | None = None) -> None:
        """Set a price by hand; it stays until `release`. ValueError off the tick, or unless 0 < bid < ask."""
        spec = self.specs[name]
        spread = spec.spread if ask is None else ask - bid
        if bid <= 0 or spread <= 0 or bid % spec.tick or spread % spec.tick:
            raise ValueError(f"{name}: 0 < bid < ask, both multiples of {spec.tick}")
        self._held.add(name)
        self._put(name, bid, spread)

    def release(self, name: str) -> None:
        """Let the instrument walk again."""
        self._held.discard(name)

    def convert(self, amount: Decimal, currency: str, to: str) -> Decimal:
        """`amount` in another currency at the bid, through the dollar where there is no direct pair."""
        return amount * self._rate(currency, to)

    def _rate(self, currency: str, to: str) -> Decimal:
        if currency == to:
            return D(1)
        direct = self._bids.get(currency + to)
        if direct is not None:
            return direct
        inverse = self._bids.get(to + currency)
        if inverse is not None:
            return D(1) / inverse
        if "USD" in (currency, to):
            raise KeyError(f"no price of {currency} in {to}")
        return self._rate(currency, "USD") * self._rate("USD", to)

    def _next_bid(self, spec: Spec) -> Decimal:
        """A step that leans back to the start, so that a long run stays near it and far above 0."""
        bid = self._bids[spec.name]
        away = (bid - spec.start) / spec.start
        lean = 0 if abs(away) < D("0.01") else (-1 if away > 0 else 1)
        return bid + spec.tick * (self._dice.randint(-spec.swing, spec.swing) + lean * spec.swing // 2)

    def _put(self, name: str, bid: Decimal, spread: Decimal) -> None:
        self._bids[name], self._asks[name] = bid, bid + spread
        for listener in self._listeners:
            listener(name)
