"""From a chart's symbol to the names a broker uses. Pure, and the same for every broker that trades by name.

A name is the symbol itself, another word for it (GOLD for XAUUSD), or either with the decoration of an
account type around it (`EURUSD.r`, `EURUSDm`, `#US30`). Several that fit are `Ambiguous`: never guessed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from shared.models.market import Ambiguous

_CURRENCIES = frozenset(
    [
        *("AED", "AUD", "BRL", "CAD", "CHF", "CLP", "CNH", "CNY", "COP", "CZK", "DKK", "EUR", "GBP", "HKD"),
        *("HUF", "IDR", "ILS", "INR", "JPY", "KRW", "MXN", "MYR", "NOK", "NZD", "PHP", "PLN", "RON", "RUB"),
        *("SAR", "SEK", "SGD", "THB", "TRY", "TWD", "USD", "ZAR"),
    ]
)
METALS = frozenset({"XAU", "XAG", "XPT", "XPD"})
_SAME = (
    ("XAUUSD", "GOLD"),
    ("XAGUSD", "SILVER"),
    ("US30", "DJ30", "WS30", "DJI30", "US30USD"),
    ("US100", "NAS100", "USTEC", "NDX100", "USTECH100", "NAS100USD"),
    ("US500", "SPX500", "SP500", "US500USD", "SPX500USD"),
    ("US2000", "RUSS2000", "RTY2000"),
    ("DE40", "GER40", "DAX40", "DE30", "GER30"),
    ("UK100", "FTSE100"),
    ("JP225", "JPN225", "JPN225USD", "NIK225"),
    ("EU50", "STOXX50", "EUSTX50"),
    ("USOIL", "WTI", "XTIUSD", "USOUSD", "CRUDOIL"),
    ("UKOIL", "BRENT", "XBRUSD", "UKOUSD"),
)
"""Words for one thing. The first is only a name for the row."""
_ALIASES = {word: words for words in _SAME for word in words}
_COIN_PAIR = re.compile(r"^[A-Z0-9]{2,6}(USDT|USDC|USD|EUR|GBP)$")
_DECORATION = re.compile(r"^(?:[#.]|[a-z]{1,2}[._])?(?P<core>[A-Z0-9]+?)(?:[a-z]{1,5}|[._#+\-!][\w.]{0,8})?$")


@dataclass(frozen=True, slots=True)
class Chosen:
    """The broker's name for a symbol, and why it is the one."""

    name: str
    why: str


def ticker_of(symbol: str) -> str:
    """`EXCHANGE:TICKER` or `TICKER` without the exchange."""
    return symbol.strip().rpartition(":")[2]


def choose(symbol: str, names: Iterable[str]) -> Chosen | Ambiguous | None:
    """The one name among `names` that a chart's symbol means.

    In this order, and the first that finds anything decides: the very name, the name in other case, another
    word for it, the symbol with a decoration, another word with a decoration.
    """
    ticker, known = ticker_of(symbol), list(dict.fromkeys(names))
    upper = ticker.upper()
    words = set(_ALIASES.get(upper, (upper,)))
    cores = {name: core(name) for name in known}
    steps = (
        ("the same name", [each for each in known if each == ticker]),
        ("the same name in other case", [each for each in known if each.upper() == upper]),
        ("another word for it", [each for each in known if each.upper() in words]),
        ("its name on this account type", [each for each in known if cores[each] == upper]),
        ("another word for it on this account type", [each for each in known if cores[each] in words]),
    )
    for why, found in steps:
        if len(found) == 1:
            return Chosen(found[0], f"{upper} is {found[0]}: {why}")
        if found:
            return Ambiguous(ticker, tuple(sorted(found)))
    return None


def core(name: str) -> str | None:
    """What a decorated name is about, in upper case: EURUSD for `EURUSD.r`; None where that is not certain.

    Only names we know are looked for inside others: BRK.B is not BRK.
    """
    if is_known(name.upper()):
        return name.upper()
    match = _DECORATION.match(name)
    if match is None:
        return None
    found = match["core"].upper()
    return found if is_known(found) else None


def is_known(word: str) -> bool:
    """Whether a word is certainly a whole symbol: a pair of currencies, a metal, a coin, an index, oil."""
    return word in _ALIASES or pair_of(word) is not None or _COIN_PAIR.match(word) is not None


def is_coin(word: str) -> bool:
    """Whether a word is a coin in dollars, euros or pounds: not an index or oil whose name ends like that."""
    return word not in _ALIASES and pair_of(word) is None and _COIN_PAIR.match(word) is not None


def pair_of(word: str) -> tuple[str, str] | None:
    """Base and quote of a pair of two currencies, or of a metal in a currency."""
    base, quote = word[:3], word[3:]
    if quote in _CURRENCIES and base != quote and (base in _CURRENCIES or base in METALS):
        return base, quote
    return None


def canonical(names: Iterable[str]) -> dict[str, str]:
    """What each of an account's names is called by traders: its core, where no other name has it too."""
    cores = {name: core(name) or name for name in names}
    seen = Counter(cores.values())
    return {name: found if seen[found] == 1 else name for name, found in cores.items()}
