"""Users (tokens), their MetaTrader accounts and what each account can trade."""

from __future__ import annotations

import random
import uuid
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from local.venues.lists import Lists
from local.venues.market import Market, Spec
from local.venues.matching import Book
from local.venues.trading import Contract, Order

D = Decimal
SERVER = "SIM"
REGION = "new-york"
MAGIC = 880_011
"""Of every account: what MetaApi gives an order that names none."""
_FIRST_TICKET = 46_640_000
_FOREX = frozenset({"EURUSD", "GBPUSD", "AUDUSD", "USDJPY", "USDCHF", "EURGBP", "EURJPY"})
_INDICES = frozenset({"US30", "NAS100", "SPX500", "GER40"})
_OTHER_NAMES = {"XAUUSD": "GOLD", "XAGUSD": "SILVER", "US30": "#US30", "NAS100": "#NAS100"}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of account. `endings`: what its symbols end with; `renamed`: GOLD instead of XAUUSD."""

    name: str
    version: int
    hedging: bool
    endings: tuple[str, ...] = ("",)
    renamed: bool = False


KINDS = (
    Kind("mt5 hedging", 5, True),
    Kind("mt5 netting", 5, False, (".r",)),
    Kind("mt4", 4, True, ("m",)),
    Kind("mt5 renamed", 5, True, ("",), True),
    Kind("mt5 mixed", 5, True, (".r", ".pro")),
)
"""The accounts of a user, in this order and again from the first on."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One symbol of an account, and how the market calls it."""

    contract: Contract
    spec: Spec
    stops_level: int

    @property
    def digits(self) -> int:
        return -int(self.spec.tick.normalize().as_tuple().exponent)

    @property
    def is_forex(self) -> bool:
        return self.spec.name in _FOREX


@dataclass(slots=True)
class Note:
    """What a book does not keep of an order. `reason` as in ORDER_REASON_*."""

    magic: int = MAGIC
    reason: str = "EXPERT"
    comment: str = ""


@dataclass(slots=True)
class VenueAccount:
    """`id` is MetaApi's and goes into paths, `login` the broker's."""

    id: str
    login: str
    token: str
    kind: Kind
    book: Book
    listings: dict[str, Listing]
    lists: Lists
    state: str = "DEPLOYED"
    trade_allowed: bool = True
    investor: bool = False
    notes: dict[str, Note] = field(default_factory=dict)

    def note(self, order_id: str) -> Note:
        """What is known of an order; a stop or target that fired has none of its own."""
        return self.notes.get(order_id, Note(0))

    def order(self, order_id: str) -> Order | None:
        """An order, working or ended."""
        working = self.book.working.get(order_id)
        return working or next((each for each in self.book.ended if each.id == order_id), None)


class Desk:
    """The back office of the broker and of the bridge to it."""

    def __init__(self, market: Market, *, seed: int, accounts: int) -> None:
        self.market = market
        self.accounts: dict[str, VenueAccount] = {}
        self._count = accounts
        self._ids = _tickets(seed)
        self._listings = {kind.name: _listings(market, kind) for kind in KINDS}
        self._by_token: dict[str, list[VenueAccount]] = {}
        self._lag_s = 0.0

    def accounts_of(self, token: str) -> list[VenueAccount]:
        """The accounts of a token, opened when it is first seen."""
        if token not in self._by_token:
            opened = [self._open(token, number) for number in range(self._count)]
            self._by_token[token] = opened
            self.accounts.update((each.id, each) for each in opened)
        return self._by_token[token]

    def lag(self, seconds: float) -> None:
        """The lists of every account, also of later ones, show what was true `seconds` ago."""
        self._lag_s = seconds
        for account in self.accounts.values():
            account.lists.lag(seconds)

    def on_price(self, name: str) -> None:
        """A price of the market has changed."""
        for account in self.accounts.values():
            if account.book.working:
                account.book.on_price(name)

    def _open(self, token: str, number: int) -> VenueAccount:
        kind = KINDS[number % len(KINDS)]
        listings = self._listings[kind.name]
        contracts = {name: each.contract for name, each in listings.items()}
        book = Book(
            self.market, contracts, self._ids, _now_ms, hedging=kind.hedging, ticketed=True,
            balance=D("100000.00"),
        )  # fmt: skip
        lists = Lists(book)
        lists.lag(self._lag_s)
        book.changed = lists.changed
        login = 50_000_000 + zlib.crc32(token.encode()) % 400_000 * 100 + number
        own = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{token}/{number}"))
        return VenueAccount(own, str(login), token, kind, book, listings, lists)


def _now_ms() -> datetime:
    """MetaTrader knows milliseconds: what it shows later is what it was."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _tickets(seed: int) -> Iterator[str]:
    """Rising, with the gaps that other clients of the broker leave."""
    dice = random.Random(seed)  # noqa: S311  a simulation, not a secret
    number = _FIRST_TICKET + dice.randrange(10_000)
    while True:
        number += dice.randrange(1, 20)
        yield str(number)


def _listings(market: Market, kind: Kind) -> dict[str, Listing]:
    found: dict[str, Listing] = {}
    for spec in market.specs.values():
        for ending in kind.endings:
            name = (_OTHER_NAMES.get(spec.name, spec.name) if kind.renamed else spec.name) + ending
            found[name] = _listing(spec, name)
    return found


def _listing(spec: Spec, name: str) -> Listing:
    index = spec.name in _INDICES
    contract = Contract(
        name=name,
        priced_as=spec.name,
        tick=spec.tick,
        lot=spec.lot,
        quote=spec.quote,
        qty_step=D("0.1") if index else D("0.01"),
        qty_min=D("0.1") if index else D("0.01"),
        qty_max=D(100) if spec.name in _FOREX else D(50),
    )
    return Listing(contract, spec, 20 if index else 0)
