"""The futures of the simulator: products, their months, and which month is the active one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from local.venues.market import Spec

D = Decimal
CODES = "FGHJKMNQUVXZ"
"""January to December."""
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)


@dataclass(frozen=True, slots=True)
class Product:
    """`root` is what traders call it, `code` what the gateway does. Money of `tick_value` and `fee` (a side of one
    contract) in dollars. Its contract is the active one until `roll`: (months before its own, day)."""

    root: str
    code: str
    title: str
    tick: Decimal
    tick_value: Decimal
    start: Decimal
    months: str
    roll: tuple[int, int]
    fee: Decimal
    swing: int = 8


_HMUZ, _ROLL = "HMUZ", (0, 14)
_FEE, _MICRO_FEE = D("1.40"), D("0.37")
PRODUCTS: tuple[Product, ...] = (
    Product("ES", "EP", "E-mini S&P 500", D("0.25"), D("12.5"), D("6800"), _HMUZ, _ROLL, _FEE),
    Product("MES", "MES", "Micro E-mini S&P 500", D("0.25"), D("1.25"), D("6800"), _HMUZ, _ROLL, _MICRO_FEE),
    Product("NQ", "ENQ", "E-mini NASDAQ-100", D("0.25"), D(5), D("25000"), _HMUZ, _ROLL, _FEE, 20),
    Product("MNQ", "MNQ", "Micro E-mini Nasdaq-100", D("0.25"), D("0.5"), D(25000), _HMUZ, _ROLL, _MICRO_FEE, 20),
    Product("GC", "GCE", "Gold", D("0.10"), D(10), D("4100"), "GJMQZ", (1, 26), D("1.62")),
    Product("CL", "CLE", "Crude Light", D("0.01"), D(10), D("60"), CODES, (1, 18), D("1.52")),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Listing:
    """One month of a product."""

    product: Product
    year: int
    month: int

    @property
    def id(self) -> str:
        return f"CON.F.US.{self.product.code}.{self._code}{self.year % 100:02}"

    @property
    def name(self) -> str:
        """With one digit of the year, as the gateway's contracts have it."""
        return f"{self.product.root}{self._code}{self.year % 10}"

    @property
    def display(self) -> str:
        """With two digits of the year, as its positions have it."""
        return f"{self.product.root}{self._code}{self.year % 100:02}"

    @property
    def symbol_id(self) -> str:
        return f"F.US.{self.product.code}"

    @property
    def description(self) -> str:
        return f"{self.product.title}: {_MONTHS[self.month - 1]} {self.year}"

    @property
    def _code(self) -> str:
        return CODES[self.month - 1]


def months_from(product: Product, today: date) -> tuple[Listing, Listing, Listing]:
    """The contract that was active before, the active one, and the next."""
    listed = [
        Listing(product, year, CODES.index(code) + 1)
        for year in range(today.year - 1, today.year + 3)
        for code in product.months
    ]
    at = next(index for index, each in enumerate(listed) if today < _rolls_on(each))
    return listed[at - 1], listed[at], listed[at + 1]


def _rolls_on(listing: Listing) -> date:
    before, day = listing.product.roll
    index = listing.year * 12 + listing.month - 1 - before
    return date(index // 12, index % 12 + 1, day)


class Catalogue:
    """Every contract there is; of each product one month is active, and the one before it has expired."""

    def __init__(self, today: date | None = None) -> None:
        self.by_id: dict[str, Listing] = {}
        self._active: dict[str, Listing] = {}
        self._expired: set[str] = set()
        for product in PRODUCTS:
            last, front, following = months_from(product, today or datetime.now(UTC).date())
            self.by_id |= {each.id: each for each in (last, front, following)}
            self._active[product.root] = front
            self._expired.add(last.id)

    def active(self) -> list[Listing]:
        """The active contract of each product."""
        return list(self._active.values())

    def is_active(self, listing: Listing) -> bool:
        return self._active[listing.product.root] == listing

    def is_expired(self, listing: Listing) -> bool:
        return listing.id in self._expired

    def roll(self, root: str) -> Listing:
        """The next month becomes the active one; positions of the old one can still be closed."""
        later = [e for e in self.by_id.values() if e.product.root == root and _after(e, self._active[root])]
        self._active[root] = min(later, key=lambda each: (each.year, each.month))
        return self._active[root]

    def search(self, text: str) -> list[Listing]:
        """Fuzzy, as the real one: whatever has the letters in its name, id or description; 20 at most."""
        word = text.upper()
        return [e for e in self.active() if word in f"{e.name} {e.id} {e.description}".upper()][:20]

    def specs(self) -> Iterable[Spec]:
        """What the market has to price: every contract, later months a little dearer."""
        for each in self.by_id.values():
            product = each.product
            dearer = product.tick * (0 if self.is_active(each) else 8)
            yield Spec(
                each.id, product.tick, product.start + dearer, product.tick, product.tick_value / product.tick, "USD",
                None, product.swing,
            )  # fmt: skip


def _after(one: Listing, other: Listing) -> bool:
    return (one.year, one.month) > (other.year, other.month)
