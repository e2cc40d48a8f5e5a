"""The integers that the gateway has for words."""

from __future__ import annotations

from enum import IntEnum


class OrderType(IntEnum):
    UNKNOWN = 0
    LIMIT = 1
    MARKET = 2
    STOP_LIMIT = 3
    STOP = 4
    TRAILING_STOP = 5
    JOIN_BID = 6
    JOIN_ASK = 7


class Side(IntEnum):
    """0 is a real side: a buy."""

    BID = 0
    ASK = 1

    @property
    def opposite(self) -> Side:
        return Side(1 - self)

    @property
    def sign(self) -> int:
        """1 for a buy, -1 for a sell."""
        return 1 - 2 * self


class Status(IntEnum):
    NONE = 0
    OPEN = 1
    FILLED = 2
    CANCELLED = 3
    EXPIRED = 4
    REJECTED = 5
    PENDING = 6
    PENDING_CANCELLATION = 7
    SUSPENDED = 8

    @property
    def is_final(self) -> bool:
        return self in (Status.FILLED, Status.CANCELLED, Status.EXPIRED, Status.REJECTED)


class PositionType(IntEnum):
    UNDEFINED = 0
    LONG = 1
    SHORT = 2
