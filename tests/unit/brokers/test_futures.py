"""Symbols of futures: root, month, and the contract that is meant."""

from __future__ import annotations

import pytest

from shared.brokers import futures
from shared.brokers.futures import CODES, Asked, Contract, Month, choose, read
from shared.brokers.symbols import Chosen
from shared.models.market import Ambiguous

ROOTS = frozenset(
    {"ES", "MES", "NQ", "MNQ", "M2K", "6E", "M6E", "E7", "CL", "MCL", "GC", "QM", "RTY", "ZC", "HE"}
)
YEAR = 2026


@pytest.mark.parametrize(
    ("symbol", "asked"),
    [
        ("MNQ1!", Asked("MNQ", place=1)),
        ("CME_MINI:ES1!", Asked("ES", place=1)),
        ("cme_mini_dl:mes1!", Asked("MES", place=1)),
        ("NQ2!", Asked("NQ", place=2)),
        ("MNQ", Asked("MNQ", place=1)),
        ("MNQZ2026", Asked("MNQ", Month(2026, 12))),
        ("CME_MINI:MNQZ2026", Asked("MNQ", Month(2026, 12))),
        ("MNQH27", Asked("MNQ", Month(2027, 3))),
        ("NYMEX:CLF7", Asked("CL", Month(2027, 1))),
        ("M2KZ2026", Asked("M2K", Month(2026, 12))),
        ("CME:6E1!", Asked("6E", place=1)),
        ("M6EZ6", Asked("M6E", Month(2026, 12))),
        ("E7H2027", Asked("E7", Month(2027, 3))),
        ("QMQ6", Asked("QM", Month(2026, 8))),
        ("HEQ2026", Asked("HE", Month(2026, 8))),
    ],
)
def test_what_a_symbol_asks_for(symbol: str, asked: Asked) -> None:
    """Exchange and case do not matter; roots may hold digits and month letters."""
    assert read(symbol, ROOTS, YEAR) == asked


@pytest.mark.parametrize(
    "symbol", ["", "EURUSD", "MNQ0!", "MNQA2026", "MNQZ", "MNQZ126", "XYZ1!", "ES!", "AAPL", "MNQZ2126"]
)
def test_what_is_no_future_of_ours(symbol: str) -> None:
    """An unknown root or a month that is none: no guess."""
    assert read(symbol, ROOTS, YEAR) is None


def test_a_short_year_is_the_nearest_one() -> None:
    """Six in 2026 is 2026, five is 2025, zero is 2030; 26 is 2026 in any year near it."""
    years = {digit: futures.month_of("Z", digit, YEAR).year for digit in "0123456789"}
    assert years == {
        "0": 2030,
        "1": 2031,
        "2": 2022,
        "3": 2023,
        "4": 2024,
        "5": 2025,
        "6": 2026,
        "7": 2027,
        "8": 2028,
        "9": 2029,
    }
    assert futures.month_of("H", "26", 2031).year == 2026
    assert futures.month_of("H", "2026", 1999).year == 2026


def test_every_dated_symbol_reads_back() -> None:
    """All roots, months and ways to write a year."""
    for root in ROOTS:
        for month in range(1, 13):
            wanted = Month(2027, month)
            symbol = futures.symbol_of(root, wanted)
            for written in (symbol, f"{root}{CODES[month - 1]}27", f"{root}{CODES[month - 1]}7"):
                assert read(written, ROOTS, YEAR) == Asked(root, wanted), written


def _contract(root: str, month: Month, active: bool = True) -> Contract:
    return Contract(f"{root}/{month.year}/{month.month}", root, month, active)


DECEMBER, MARCH = Month(2026, 12), Month(2027, 3)
LISTED = [_contract("MNQ", DECEMBER), _contract("MNQ", MARCH, active=False), _contract("NQ", DECEMBER)]


def test_a_continuous_symbol_is_the_active_contract() -> None:
    """And says why; a micro is not its big brother."""
    assert choose("MNQ1!", Asked("MNQ", place=1), LISTED) == Chosen(
        "MNQ/2026/12", "MNQ1! is MNQZ2026: the active contract"
    )


def test_a_dated_symbol_is_its_month_active_or_not() -> None:
    """An exit may need a month that takes no entries any more."""
    assert choose("X:MNQH2027", Asked("MNQ", MARCH), LISTED) == Chosen(
        "MNQ/2027/3", "MNQH2027 is MNQH2027: the month that was asked for"
    )
    assert choose("MNQM2027", Asked("MNQ", Month(2027, 6)), LISTED) is None


def test_a_later_place_is_refused() -> None:
    """`2!` is a chart, no contract."""
    assert choose("MNQ2!", Asked("MNQ", place=2), LISTED) is None


def test_two_active_contracts_are_not_chosen_from() -> None:
    """During a roll a broker may show both: a person decides."""
    both = [_contract("MNQ", DECEMBER), _contract("MNQ", MARCH)]
    assert choose("MNQ1!", Asked("MNQ", place=1), both) == Ambiguous("MNQ1!", ("MNQ/2026/12", "MNQ/2027/3"))
