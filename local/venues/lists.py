"""The lists of an account as a client sees them: now, or as they were a while ago (brokers' lists lag)."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from local.venues.matching import Book
from local.venues.trading import Holding, Order, Trade

_KEPT_S = 120.0


@dataclass(frozen=True, slots=True)
class Seen:
    """The lists at one moment (monotonic seconds)."""

    at: float
    working: Sequence[Order]
    ended: Sequence[Order]
    holdings: Sequence[Holding]
    trades: Sequence[Trade]


class Lists:
    """Shows a book. With a lag it keeps copies of the past; without one it keeps nothing."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._lag_s = 0.0
        self._past: deque[Seen] = deque()

    def lag(self, seconds: float) -> None:
        """From now on the lists show what was true `seconds` ago (0 = now)."""
        if seconds and not self._past:
            self._past.append(self._copy())
        if not seconds:
            self._past.clear()
        self._lag_s = seconds

    def changed(self) -> None:
        """The book has changed."""
        if self._lag_s:
            self._past.append(self._copy())
            while len(self._past) > 1 and self._past[1].at < time.monotonic() - _KEPT_S:
                self._past.popleft()

    def now(self) -> Seen:
        """What a client gets to see."""
        book = self._book
        if not self._lag_s:
            working, holdings = list(book.working.values()), list(book.holdings.values())
            return Seen(time.monotonic(), working, book.ended, holdings, book.trades)
        limit = time.monotonic() - self._lag_s
        return next((seen for seen in reversed(self._past) if seen.at <= limit), self._past[0])

    def _copy(self) -> Seen:
        book = self._book
        return Seen(
            time.monotonic(),
            tuple(replace(each) for each in book.working.values()),
            tuple(replace(each) for each in book.ended),
            tuple(replace(each) for each in book.holdings.values()),
            tuple(book.trades),
        )
