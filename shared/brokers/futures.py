"""A chart's symbol of a future: which root, which month, and which of a broker's contracts it means. Pure.

`MNQ1!` is whatever month is active when it is sent; `MNQZ2026`, `MNQZ26` and `MNQZ6` are one month; `MNQ2!` is a
chart of a later month and no contract. The root (`MNQ`) is what risk counts and what an exit looks for.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from shared.brokers.symbols import Chosen, ticker_of
from shared.models.market import Ambiguous

CODES = "FGHJKMNQUVXZ"
"""January to December."""
_CONTINUOUS = re.compile(r"^([A-Z0-9]+?)([1-9])!$")
_DATED = re.compile(rf"^([A-Z0-9]+?)([{CODES}])(20\d\d|\d\d|\d)$")


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A contract's month; the earlier one is the smaller one."""

    year: int
    month: int

    @property
    def code(self) -> str:
        """Its letter: Z for December."""
        return CODES[self.month - 1]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a symbol says: `month` of a dated one, `place` (1 = the active contract) of a continuous one."""

    root: str
    month: Month | None = None
    place: int | None = None


@dataclass(frozen=True, slots=True)
class Contract:
    """A contract a broker has: `name` is the broker's own."""

    name: str
    root: str
    month: Month
    active: bool

    @property
    def symbol(self) -> str:
        """What traders call it, with the whole year: MNQZ2026."""
        return symbol_of(self.root, self.month)


def symbol_of(root: str, month: Month) -> str:
    """A dated symbol as charts have it."""
    return f"{root}{month.code}{month.year}"


def read(symbol: str, roots: Collection[str], year: int) -> Asked | None:
    """What a chart's symbol asks for; None unless its root is one of `roots`. `year` is the present one (UTC).

    Roots may hold digits and month letters (M2K, 6E): they are matched as a whole, the longest first.
    """
    ticker = ticker_of(symbol).upper()
    if ticker in roots:
        return Asked(ticker, place=1)
    for root in sorted(roots, key=len, reverse=True):
        if ticker.startswith(root):
            found = _rest(root, ticker, year)
            if found is not None:
                return found
    return None


def _rest(root: str, ticker: str, year: int) -> Asked | None:
    """What stands behind a root: nothing else than a place or a month may."""
    continuous = _CONTINUOUS.match(ticker)
    if continuous is not None and continuous[1] == root:
        return Asked(root, place=int(continuous[2]))
    rest = ticker.removeprefix(root)
    dated = _DATED.match(f"X{rest}")
    if dated is None or dated[1] != "X":
        return None
    return Asked(root, month=month_of(dated[2], dated[3], year))


def month_of(code: str, digits: str, year: int) -> Month:
    """Z and 6, 26 or 2026, seen in `year`: the nearest such year, of two that are equally near the later."""
    if len(digits) == 4:
        return Month(int(digits), CODES.index(code) + 1)
    cycle = 10 ** len(digits)
    start = year - cycle // 2 + 1
    return Month(start + (int(digits) - start) % cycle, CODES.index(code) + 1)


def choose(symbol: str, asked: Asked, contracts: Iterable[Contract]) -> Chosen | Ambiguous | None:
    """The one contract that is meant, and why.

    A continuous symbol is the active contract; a dated one is its month, active or not: an order for one that is not
    is refused later, and an exit may still need it. A later place than the first is None.
    """
    same = [each for each in contracts if each.root == asked.root]
    if asked.month is not None:
        fitting, why = [each for each in same if each.month == asked.month], "the month that was asked for"
    elif asked.place == 1:
        fitting, why = [each for each in same if each.active], "the active contract"
    else:
        return None
    if len(fitting) > 1:
        return Ambiguous(ticker_of(symbol), tuple(sorted(each.name for each in fitting)))
    if not fitting:
        return None
    return Chosen(fitting[0].name, f"{ticker_of(symbol).upper()} is {fitting[0].symbol}: {why}")
