"""Users, accounts and instruments of the simulated broker."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from local.venues.lists import Lists
from local.venues.market import Market, Spec
from local.venues.matching import Book
from local.venues.trading import Contract

D = Decimal

_FIRST_ID = 7_277_816_997_000_000_000
INFO_ROUTE = 452
STALE_INFO_ROUTE = 451
"""Named by some instruments before the good one, and good for nothing: as real brokers do."""

_KNOWN_IDS = {"BTCUSD": (206, 241), "EURUSD": (278, 315)}
_TYPES = {
    "FOREX": frozenset({"EURUSD", "GBPUSD", "AUDUSD", "USDJPY", "USDCHF", "EURGBP", "EURJPY"}),
    "CRYPTO": frozenset({"BTCUSD", "ETHUSD", "LTCUSD", "DOGEUSD"}),
    "INDICES": frozenset({"US30", "NAS100", "SPX500", "GER40"}),
}
SUFFIXES = {"standard": ("",), "raw": (".r",), "mixed": (".r", ".pro")}
"""What the names of an account type end with. On `mixed` every symbol has two instruments."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One instrument of one account type. `id` is what orders name (tradableInstrumentId)."""

    id: int
    symbol_id: int
    kind: str
    contract: Contract
    spec: Spec
    trade_route: int
    info_routes: tuple[int, ...]


@dataclass(slots=True)
class VenueAccount:
    """`id` goes into paths, `acc_num` into the header."""

    id: str
    acc_num: str
    name: str
    user: str
    type: str
    book: Book
    listings: dict[int, Listing]
    by_name: dict[str, Listing]
    lists: Lists


class Desk:
    """The broker's back office."""

    def __init__(self, market: Market, *, seed: int, accounts: int) -> None:
        self.market = market
        self.accounts: dict[str, VenueAccount] = {}
        self._count = accounts
        self._ids = _ids(seed)
        self._listings = {kind: _listings(market, kind) for kind in SUFFIXES}
        self._by_user: dict[str, list[VenueAccount]] = {}
        self._lag_s = 0.0

    def accounts_of(self, user: str) -> list[VenueAccount]:
        """The user's accounts, opened at the first login. `name+raw@...`, `name+mixed@...` choose a type."""
        if user not in self._by_user:
            self._by_user[user] = [self._open(user, number) for number in range(self._count)]
            self.accounts.update((each.id, each) for each in self._by_user[user])
        return self._by_user[user]

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

    def _open(self, user: str, number: int) -> VenueAccount:
        kind = _type_of(user, number)
        listings = self._listings[kind]
        contracts = {each.contract.name: each.contract for each in listings.values()}
        book = Book(self.market, contracts, self._ids, lambda: datetime.now(UTC))
        lists = Lists(book)
        lists.lag(self._lag_s)
        book.changed = lists.changed
        first = 1_000_000 + zlib.crc32(user.encode()) % 800_000 * 1_000
        return VenueAccount(
            id=str(first + number),
            acc_num=str(4 + 3 * number),
            name=f"SIM#{first}#{number + 1}#{kind}",
            user=user,
            type=kind,
            book=book,
            listings=listings,
            by_name={each.contract.name: each for each in listings.values()},
            lists=lists,
        )


def _type_of(user: str, number: int) -> str:
    for kind in ("raw", "mixed"):
        if f"+{kind}@" in user:
            return kind
    return "raw" if number == 1 else "standard"


def _ids(seed: int) -> Iterator[str]:
    """19 digits, rising, with gaps: beyond what a float holds."""
    dice = random.Random(seed)  # noqa: S311  a simulation, not a secret
    number = _FIRST_ID + dice.randrange(10**14)
    while True:
        number += dice.randrange(1, 2_000)
        yield str(number)


def _listings(market: Market, kind: str) -> dict[int, Listing]:
    found: dict[int, Listing] = {}
    for index, spec in enumerate(market.specs.values()):
        own, symbol_id = _KNOWN_IDS.get(spec.name, (1_000 + index, 2_000 + index))
        for extra, suffix in enumerate(SUFFIXES[kind]):
            offset = list(SUFFIXES).index(kind) * 10_000 + extra * 5_000
            listing = _listing(spec, own + offset, symbol_id + offset, suffix)
            found[listing.id] = listing
    return found


def _listing(spec: Spec, own: int, symbol_id: int, suffix: str) -> Listing:
    kind = next((name for name, members in _TYPES.items() if spec.name in members), "EQUITY_CFD")
    several = spec.name in ("XAUUSD", "BTCUSD")
    return Listing(
        id=own,
        symbol_id=symbol_id,
        kind=kind,
        contract=Contract(
            name=spec.name + suffix,
            priced_as=spec.name,
            tick=spec.tick,
            lot=spec.lot,
            quote=spec.quote,
            qty_step=D("0.01"),
            qty_min=D("0.01"),
            qty_max=D(100) if kind == "FOREX" else D(1000),
        ),
        spec=spec,
        trade_route=1_152_263 if kind == "CRYPTO" else 948_735,
        info_routes=(STALE_INFO_ROUTE, INFO_ROUTE) if several else (INFO_ROUTE,),
    )
