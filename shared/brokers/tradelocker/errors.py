"""What can go wrong between us and TradeLocker, and what it means.

TradeLockerError
├── NotSent        provably nothing left: no connection, or our turn did not come in time
├── Silent         it may have it: timeout, cut connection, 5xx, an answer that cannot be read
└── Refused        it said no, and nothing was done
    ├── LoggedOut  401: the token is not good (any more)
    └── Throttled  429, as JSON or as the plain text of the network in front of it
"""

from __future__ import annotations

import re

from shared.models.outcome import Rejected, Unknown
from shared.models.reasons import Reason


class TradeLockerError(Exception):
    """TradeLocker did not do, or did not tell, what it was asked."""


class NotSent(TradeLockerError):
    """Not one byte of the request left."""


class Silent(TradeLockerError):
    """The request may have been done."""


class Refused(TradeLockerError):
    """It said no: `text` in its own words, `status` of the HTTP answer (usually 200, with `s` = error)."""

    def __init__(self, status: int, text: str, retry_after_s: float | None = None) -> None:
        super().__init__(text)
        self.status, self.text, self.retry_after_s = status, text, retry_after_s


class LoggedOut(Refused):
    """The session is over."""


class Throttled(Refused):
    """Too many requests."""


_REASONS: tuple[tuple[str, Reason], ...] = (
    (r"trading out of session is forbidden", Reason.MARKET_CLOSED),
    (r"order type is not allowed for current session", Reason.MARKET_CLOSED),
    (r"trading (is )?halt|market (is )?closed", Reason.MARKET_CLOSED),
    (r"only positions closing is allowed", Reason.TRADING_DISABLED),
    (r"trading is (disabled|not allowed)|account is (blocked|disabled|suspended)", Reason.TRADING_DISABLED),
    (r"not enough margin|insufficient margin", Reason.INSUFFICIENT_MARGIN),
    (r"not enough (funds|balance)|insufficient (funds|balance)", Reason.INSUFFICIENT_FUNDS),
    (r"\b(SL|TP)\b.* price is not valid|stop ?loss|take ?profit", Reason.INVALID_STOPS),
    (r"max(imum)? (number of )?(positions|orders|pending orders)|risk rule", Reason.RISK_REJECTED),
    (r"^\{ *qty *=|quantity|lot (size|step)", Reason.INVALID_QUANTITY),
    (r"^\{ *(price|stopPrice) *=|price is not valid", Reason.INVALID_PRICE),
    (r"^\{ *(tradableInstrumentId|routeId) *=|instrument .*not found", Reason.INSTRUMENT_UNKNOWN),
    (r"^\{ *\w+ *=", Reason.INVALID),
    (r"position .*(not found|does not exist)", Reason.POSITION_NOT_FOUND),
    (r"order .*(not found|final status|already|does not exist)", Reason.ORDER_NOT_FOUND),
    (r"too many requests|rate limit|error code: 1015", Reason.BROKER_BUSY),
    (r"unauthori[sz]ed|forbidden|invalid credentials|invalid (refresh )?token", Reason.NOT_AUTHORIZED),
)
"""Its sentences, in the order in which they are tried: what is specific first."""
_COMPILED = tuple((re.compile(pattern, re.IGNORECASE), reason) for pattern, reason in _REASONS)
_BY_STATUS = {
    400: Reason.INVALID,
    401: Reason.NOT_AUTHORIZED,
    403: Reason.NOT_AUTHORIZED,
    429: Reason.BROKER_BUSY,
}


def reason_for(text: str, status: int = 200) -> Reason:
    """Our closed word for a refusal: by its sentence, else by its status, else BROKER_REJECTED."""
    for pattern, reason in _COMPILED:
        if pattern.search(text):
            return reason
    return _BY_STATUS.get(status, Reason.BROKER_REJECTED)


def outcome_of(error: TradeLockerError) -> Rejected | Unknown:
    """A write that failed this way: refused or unsent for certain, or not known."""
    if isinstance(error, Refused):
        return Rejected(reason_for(error.text, error.status), error.text[:500])
    if isinstance(error, NotSent):
        return Rejected(Reason.BROKER_UNREACHABLE, str(error)[:500])
    return Unknown(str(error)[:500])
