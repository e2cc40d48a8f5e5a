"""What ProjectX's refusals mean: an integer of the endpoint that was asked, sometimes a sentence, as our closed
reasons. The same integer means another thing at every endpoint."""

from __future__ import annotations

import re
from dataclasses import dataclass

from shared.brokers import errors
from shared.brokers.errors import BrokerError, Refused
from shared.models.outcome import Rejected, Unknown
from shared.models.reasons import Reason


@dataclass(frozen=True, slots=True)
class Code:
    """One value of an endpoint's errorCode. `reason` None = it does not say that nothing was done."""

    name: str
    reason: Reason | None
    text: str


_ACCOUNT = Code("AccountNotFound", Reason.NOT_AUTHORIZED, "the login has no such account")
_CONTRACT = Code("ContractNotFound", Reason.INSTRUMENT_UNKNOWN, "there is no such contract")
_INACTIVE = Code("ContractNotActive", Reason.INSTRUMENT_UNKNOWN, "the contract is not the active month")
_NO_ORDER = Code("OrderNotFound", Reason.ORDER_NOT_FOUND, "there is no such order")
_NO_POSITION = Code("PositionNotFound", Reason.POSITION_NOT_FOUND, "there is no such position")
_REJECTED = Code("Rejected", Reason.BROKER_REJECTED, "rejected without a reason")
_PENDING = Code("Pending", None, "the order is pending: it may yet be done")
_UNKNOWN = Code("UnknownError", None, "an unknown error: it may have been done")
_NOT_HERE = Code("AccountRejected", Reason.TRADING_DISABLED, "the account may not trade through the API")

PLACE = {
    1: _ACCOUNT,
    2: Code("OrderRejected", Reason.BROKER_REJECTED, "the order was rejected without a reason"),
    3: Code("InsufficientFunds", Reason.INSUFFICIENT_FUNDS, "there are not enough funds"),
    4: Code("AccountViolation", Reason.TRADING_DISABLED, "the account may not trade: a broken rule, or a lock"),
    5: Code("OutsideTradingHours", Reason.MARKET_CLOSED, "the market is closed"),
    6: _PENDING,
    7: _UNKNOWN,
    8: _CONTRACT,
    9: _INACTIVE,
    10: _NOT_HERE,
}  # fmt: skip
MODIFY = {1: _ACCOUNT, 2: _NO_ORDER, 3: _REJECTED, 4: _PENDING, 5: _UNKNOWN, 6: _NOT_HERE, 7: _CONTRACT}
CANCEL = {1: _ACCOUNT, 2: _NO_ORDER, 3: _REJECTED, 4: _PENDING, 5: _UNKNOWN, 6: _NOT_HERE}
CLOSE = {
    1: _ACCOUNT,
    2: _NO_POSITION,
    3: _CONTRACT,
    4: _INACTIVE,
    5: Code(
        "OrderRejected", Reason.MARKET_CLOSED, "the close was rejected: the market is closed, or has no price"
    ),
    6: _PENDING,
    7: _UNKNOWN,
    8: _NOT_HERE,
}
PARTIAL_CLOSE = {
    1: _ACCOUNT,
    2: _NO_POSITION,
    3: _CONTRACT,
    4: _INACTIVE,
    5: Code("InvalidCloseSize", Reason.INVALID_QUANTITY, "the position is smaller than that"),
    6: CLOSE[5],
    7: _PENDING,
    8: _UNKNOWN,
    9: _NOT_HERE,
}
LOGIN = {
    1: Code("UserNotFound", Reason.NOT_AUTHORIZED, "there is no such user"),
    2: Code("PasswordVerificationFailed", Reason.NOT_AUTHORIZED, "the key is not right"),
    3: Code("InvalidCredentials", Reason.NOT_AUTHORIZED, "user name or API key is not right"),
    4: Code("AppNotFound", Reason.NOT_AUTHORIZED, "the app is not known"),
    5: Code("AppVerificationFailed", Reason.NOT_AUTHORIZED, "the app could not be verified"),
    6: Code("InvalidDevice", Reason.NOT_AUTHORIZED, "the device is not known"),
    7: Code("AgreementsNotSigned", Reason.NOT_AUTHORIZED, "log in to the platform and sign its agreements"),
    8: Code("UnknownError", None, "an unknown error"),
    9: Code("ApiSubscriptionNotFound", Reason.NOT_AUTHORIZED, "the user has no subscription to the API"),
    10: Code("ApiKeyAuthenticationDisabled", Reason.NOT_AUTHORIZED, "logging in by API key is switched off"),
}
VALIDATE = {
    1: Code("InvalidSession", Reason.NOT_AUTHORIZED, "the session is not good"),
    2: Code("SessionNotFound", Reason.NOT_AUTHORIZED, "the session is not known"),
    3: Code("ExpiredToken", Reason.NOT_AUTHORIZED, "the session has ended"),
    4: Code("UnknownError", None, "an unknown error"),
}
READ = {1: Code("NotFound", Reason.INVALID, "there is no such account, order or contract")}
CODES = {
    "place": PLACE,
    "modify": MODIFY,
    "cancel": CANCEL,
    "close": CLOSE,
    "partial_close": PARTIAL_CLOSE,
    "login": LOGIN,
    "validate": VALIDATE,
    "read": READ,
}
"""By endpoint, as `Ask` in client.py calls them."""

_SENTENCES: tuple[tuple[str, Reason], ...] = (
    (r"custom ?tag", Reason.DUPLICATE_ORDER),
    (r"position brackets|auto oco", Reason.NOT_SUPPORTED),
    (r"stop loss (ticks|type)|take profit (ticks|type)|trail", Reason.INVALID_STOPS),
    (r"outside (of )?trading hours|market (is )?closed", Reason.MARKET_CLOSED),
    (r"maximum position|position size|max(imum)? (order|contracts|size)|exceeds", Reason.RISK_REJECTED),
    (r"order size|invalid size|quantity", Reason.INVALID_QUANTITY),
    (r"invalid price|tick size|allowed range", Reason.INVALID_PRICE),
    (r"invalid symbol|contract", Reason.INSTRUMENT_UNKNOWN),
    (r"order type", Reason.INVALID),
    (r"funds|margin|buying power", Reason.INSUFFICIENT_FUNDS),
    (r"follower accounts|live accounts", Reason.TRADING_DISABLED),
    (r"not open|already (filled|cancell?ed)|not found", Reason.ORDER_NOT_FOUND),
)
"""Its sentences, in the order in which they are tried: what is specific first."""
_COMPILED = tuple((re.compile(pattern, re.IGNORECASE), reason) for pattern, reason in _SENTENCES)
_BY_STATUS = {
    400: Reason.INVALID,
    401: Reason.NOT_AUTHORIZED,
    403: Reason.NOT_AUTHORIZED,
    404: Reason.NOT_SUPPORTED,
    429: Reason.BROKER_BUSY,
}
SET_AUTO_OCO = (
    "TopstepX refuses stops and targets while the account is set to Position Brackets: choose Auto OCO Brackets under "
    "Settings, Risk Settings"
)


class Denied(Refused):
    """It said no in its envelope: `code` of `endpoint`. `order_id` is what it has rejected, if it made an order."""

    def __init__(self, endpoint: str, code: int, message: str | None, order_id: str | None = None) -> None:
        known = CODES[endpoint].get(code)
        words = known.text if known else f"refused with code {code}"
        super().__init__(200, message or words)
        self.endpoint, self.code, self.message, self.order_id = endpoint, code, message, order_id


def reason_of(refused: Refused) -> Reason:
    """Our closed word for a refusal: by its sentence where it has one, else by the endpoint's code, else by status."""
    if not isinstance(refused, Denied):
        return _BY_STATUS.get(refused.status, Reason.BROKER_REJECTED)
    for pattern, reason in _COMPILED if refused.message else ():
        if pattern.search(refused.message or ""):
            return reason
    known = CODES[refused.endpoint].get(refused.code)
    return (known.reason if known else None) or Reason.BROKER_REJECTED


def is_no(endpoint: str, code: int) -> bool:
    """Whether a code says that nothing was done. An unknown code of a write does not."""
    known = CODES[endpoint].get(code)
    return known.reason is not None if known else endpoint == "read"


def outcome_of(error: BrokerError) -> Rejected | Unknown:
    """A write that failed this way: refused or unsent for certain, or not known."""
    if isinstance(error, Denied) and reason_of(error) is Reason.NOT_SUPPORTED:
        return Rejected(Reason.NOT_SUPPORTED, SET_AUTO_OCO)
    return errors.outcome_of(error, reason_of)
