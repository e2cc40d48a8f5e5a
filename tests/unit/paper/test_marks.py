"""Prices of alerts, as the books in our own database hear them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from shared.brokers.paper.marks import BookPrice, newest
from shared.store.watch_rows import ToldPrice

TODAY = date(2026, 11, 25)


def test_the_last_price_of_each_traders_instrument_counts() -> None:
    """By the book's own name of it, each trader's apart."""
    told = [
        ToldPrice("a", "OANDA:EURUSD", "1.1"),
        ToldPrice("b", "EURUSD", "2"),
        ToldPrice("a", "EURUSD", "1.10005"),
        ToldPrice("a", "CME_MINI:MNQ1!", "20000.25"),
    ]
    assert newest(told, TODAY) == [
        BookPrice("a", "EURUSD", Decimal("1.10005")),
        BookPrice("b", "EURUSD", Decimal(2)),
        BookPrice("a", "MNQZ2026", Decimal("20000.25")),
    ]


def test_what_is_no_price_is_passed_over() -> None:
    """Neither words nor zero nor what nobody trades here moves a book."""
    told = [
        *(ToldPrice("a", "EURUSD", text) for text in ("", "{{close}}", "NaN", "Infinity", "0", "-1")),
        ToldPrice("a", "NO SUCH THING", "5"),
    ]
    assert newest(told, TODAY) == []
