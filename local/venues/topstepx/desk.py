"""Users and accounts of the simulated gateway, and what an account may do."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from local.venues.market import Market
from local.venues.topstepx.book import Book
from local.venues.topstepx.contracts import Catalogue
from local.venues.topstepx.views import Lists

FAMILIES = ("PRAC-V2", "50KTC-V2", "EXPRESS-V2")
"""Practice, Trading Combine, Express Funded: only the name tells."""
BALANCE = Decimal(50_000)


@dataclass(slots=True)
class VenueAccount:
    """`auto_oco` False = Position Brackets, as every new account has it. The API shows neither that nor `live`,
    `follower`, `max_size` (contracts) and `open` (the session)."""

    id: int
    name: str
    user: str
    book: Book
    lists: Lists
    auto_oco: bool = True
    can_trade: bool = True
    live: bool = False
    follower: bool = False
    open: bool = True
    max_size: int = 50
    cancels_siblings: bool = False


SETTINGS = ("auto_oco", "can_trade", "live", "follower", "open", "max_size", "cancels_siblings")


class Desk:
    """The firm's back office."""

    def __init__(self, market: Market, contracts: Catalogue, *, seed: int, accounts: int) -> None:
        self.market, self.contracts = market, contracts
        self.accounts: dict[int, VenueAccount] = {}
        self._count = accounts
        self._ids = _ids(seed)
        self._by_user: dict[str, list[VenueAccount]] = {}
        self._lag_s = 0.0
        self._listeners: list[Callable[[VenueAccount], None]] = []

    def listen(self, listener: Callable[[VenueAccount], None]) -> None:
        """Call `listener(account)` after anything in an account's book has changed."""
        self._listeners.append(listener)

    def accounts_of(self, user: str) -> list[VenueAccount]:
        """The user's accounts, opened at the first login. `...+position` starts in Position Brackets."""
        name = user.casefold()
        if name not in self._by_user:
            self._by_user[name] = [self._open(name, number) for number in range(self._count)]
            self.accounts.update((each.id, each) for each in self._by_user[name])
        return self._by_user[name]

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
        book = Book(self.market, self._ids, lambda: datetime.now(UTC), BALANCE)
        lists = Lists(book)
        lists.lag(self._lag_s)
        first = 1_000_000 + zlib.crc32(user.encode()) % 20_000 * 100
        while first in self.accounts:
            first += 100
        family = FAMILIES[number % len(FAMILIES)]
        account = VenueAccount(
            id=first + number,
            name=f"{family}-{first}-{number + 1}",
            user=user,
            book=book,
            lists=lists,
            auto_oco=not user.endswith("+position"),
        )
        book.changed = lambda: self._changed(account)
        return account

    def _changed(self, account: VenueAccount) -> None:
        account.lists.changed()
        for listener in self._listeners:
            listener(account)


def _ids(seed: int) -> Iterator[int]:
    """One number after another, as children follow their entry; beyond what 32 bits hold."""
    dice = random.Random(seed)  # noqa: S311  a simulation, not a secret
    number = 3_300_000_000 + dice.randrange(10**7)
    while True:
        number += 1
        yield number
