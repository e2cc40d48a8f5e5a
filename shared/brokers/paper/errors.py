"""What can go wrong between us and a book, and what it means.

BookError
├── BookUnreachable    nothing was sent: the connection was never made
├── BookBusy           it refused to take the command (429, 503 before reading): nothing was done
└── BookSilent         it may have the command: timeout, cut connection, unreadable answer
"""

from __future__ import annotations

from shared.models.outcome import Rejected, Unknown
from shared.models.reasons import Reason


class BookError(Exception):
    """The book did not answer the question."""


class BookUnreachable(BookError):
    """No connection could be made; nothing was sent."""


class BookBusy(BookError):
    """The book says that it did not take the command."""


class BookSilent(BookError):
    """The command may have arrived."""


def outcome_of(error: BookError) -> Rejected | Unknown:
    """A write that failed this way: refused for certain, or not known."""
    if isinstance(error, BookUnreachable):
        return Rejected(Reason.BROKER_UNREACHABLE, str(error))
    if isinstance(error, BookBusy):
        return Rejected(Reason.BROKER_BUSY, str(error))
    return Unknown(str(error))
