"""What TradeLocker's refusals mean: its sentences as our closed reasons."""

from __future__ import annotations

import re

from shared.brokers import errors
from shared.brokers.errors import BrokerError
from shared.models.outcome import Rejected, Unknown
from shared.models.reasons import Reason

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


def outcome_of(error: BrokerError) -> Rejected | Unknown:
    """A write that failed this way: refused or unsent for certain, or not known."""
    return errors.outcome_of(error, lambda refused: reason_for(refused.text, refused.status))
