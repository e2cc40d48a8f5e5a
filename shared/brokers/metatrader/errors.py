"""What the result codes of MetaApi, MetaTrader 5 and MetaTrader 4 mean, one by one.

A code is a yes, a no (with our word for it) or a doubt: the terminal lost sight of what it had sent. A code that
nobody has documented is a doubt, never a no.
"""

from __future__ import annotations

from enum import StrEnum

from shared.brokers import errors
from shared.brokers.errors import BrokerError, Refused
from shared.models.outcome import Rejected, Unknown
from shared.models.reasons import Reason


class Said(StrEnum):
    """What a code says, when it is not a refusal."""

    DONE = "done"
    DOUBT = "doubt"


Verdict = Said | Reason
R = Reason
_CODES: tuple[tuple[int, str, Verdict], ...] = (
    # MetaApi's own
    (-1, "TRADE_RETCODE_UNKNOWN", Said.DOUBT),
    (-4, "TRADE_RETCODE_ORDER_TYPE_NOT_SUPPORTED", R.NOT_SUPPORTED),
    (-5, "ERR_NOT_SYNCHRONIZED", R.BROKER_UNREACHABLE),
    (-6, "ERR_NO_QUOTES", R.NO_QUOTE),
    (-7, "ERR_TRADE_TIMED_OUT", Said.DOUBT),
    (-8, "ERR_INVESTOR", R.NOT_AUTHORIZED),
    (-9, "ERR_PIP_SIZE_NOT_DEFINED", R.PIP_UNDEFINED),
    (-10, "TRADE_RETCODE_DISCONNECTED_BEFORE_TRADE", R.BROKER_UNREACHABLE),
    (-11, "TRADE_RETCODE_DISCONNECTED_DURING_TRADE", Said.DOUBT),
    (4753, "ERR_TRADE_POSITION_NOT_FOUND", R.POSITION_NOT_FOUND),
    (4754, "ERR_TRADE_ORDER_NOT_FOUND", R.ORDER_NOT_FOUND),
    # MetaTrader 5
    (10004, "TRADE_RETCODE_REQUOTE", R.INVALID_PRICE),
    (10006, "TRADE_RETCODE_REJECT", R.BROKER_REJECTED),
    (10007, "TRADE_RETCODE_CANCEL", R.BROKER_REJECTED),
    (10008, "TRADE_RETCODE_PLACED", Said.DONE),
    (10009, "TRADE_RETCODE_DONE", Said.DONE),
    (10010, "TRADE_RETCODE_DONE_PARTIAL", Said.DONE),
    (10011, "TRADE_RETCODE_ERROR", R.BROKER_REJECTED),
    (10012, "TRADE_RETCODE_TIMEOUT", Said.DOUBT),
    (10013, "TRADE_RETCODE_INVALID", R.INVALID),
    (10014, "TRADE_RETCODE_INVALID_VOLUME", R.INVALID_QUANTITY),
    (10015, "TRADE_RETCODE_INVALID_PRICE", R.INVALID_PRICE),
    (10016, "TRADE_RETCODE_INVALID_STOPS", R.INVALID_STOPS),
    (10017, "TRADE_RETCODE_TRADE_DISABLED", R.TRADING_DISABLED),
    (10018, "TRADE_RETCODE_MARKET_CLOSED", R.MARKET_CLOSED),
    (10019, "TRADE_RETCODE_NO_MONEY", R.INSUFFICIENT_MARGIN),
    (10020, "TRADE_RETCODE_PRICE_CHANGED", R.INVALID_PRICE),
    (10021, "TRADE_RETCODE_PRICE_OFF", R.NO_QUOTE),
    (10022, "TRADE_RETCODE_INVALID_EXPIRATION", R.INVALID),
    (10023, "TRADE_RETCODE_ORDER_CHANGED", R.BROKER_REJECTED),
    (10024, "TRADE_RETCODE_TOO_MANY_REQUESTS", R.BROKER_BUSY),
    (10025, "TRADE_RETCODE_NO_CHANGES", Said.DONE),
    (10026, "TRADE_RETCODE_SERVER_DISABLES_AT", R.TRADING_DISABLED),
    (10027, "TRADE_RETCODE_CLIENT_DISABLES_AT", R.TRADING_DISABLED),
    (10028, "TRADE_RETCODE_LOCKED", R.BROKER_BUSY),
    (10029, "TRADE_RETCODE_FROZEN", R.BROKER_REJECTED),
    (10030, "TRADE_RETCODE_INVALID_FILL", R.INVALID),
    (10031, "TRADE_RETCODE_CONNECTION", Said.DOUBT),
    (10032, "TRADE_RETCODE_ONLY_REAL", R.TRADING_DISABLED),
    (10033, "TRADE_RETCODE_LIMIT_ORDERS", R.RISK_REJECTED),
    (10034, "TRADE_RETCODE_LIMIT_VOLUME", R.RISK_REJECTED),
    (10035, "TRADE_RETCODE_INVALID_ORDER", R.INVALID),
    (10036, "TRADE_RETCODE_POSITION_CLOSED", R.POSITION_NOT_FOUND),
    (10038, "TRADE_RETCODE_INVALID_CLOSE_VOLUME", R.INVALID_QUANTITY),
    (10039, "TRADE_RETCODE_CLOSE_ORDER_EXIST", R.DUPLICATE_ORDER),
    (10040, "TRADE_RETCODE_LIMIT_POSITIONS", R.RISK_REJECTED),
    (10041, "TRADE_RETCODE_REJECT_CANCEL", R.BROKER_REJECTED),
    (10042, "TRADE_RETCODE_LONG_ONLY", R.TRADING_DISABLED),
    (10043, "TRADE_RETCODE_SHORT_ONLY", R.TRADING_DISABLED),
    (10044, "TRADE_RETCODE_CLOSE_ONLY", R.TRADING_DISABLED),
    (10045, "TRADE_RETCODE_FIFO_CLOSE", R.BROKER_REJECTED),
    (10046, "TRADE_RETCODE_HEDGE_PROHIBITED", R.OPPOSITE_POSITION),
    # MetaTrader 4
    (0, "ERR_NO_ERROR", Said.DONE),
    (1, "ERR_NO_RESULT", Said.DOUBT),
    (2, "ERR_COMMON_ERROR", R.BROKER_REJECTED),
    (3, "ERR_INVALID_TRADE_PARAMETERS", R.INVALID),
    (4, "ERR_SERVER_BUSY", R.BROKER_BUSY),
    (5, "ERR_OLD_VERSION", R.NOT_SUPPORTED),
    (6, "ERR_NO_CONNECTION", R.BROKER_UNREACHABLE),
    (7, "ERR_NOT_ENOUGH_RIGHTS", R.NOT_AUTHORIZED),
    (8, "ERR_TOO_FREQUENT_REQUESTS", R.BROKER_BUSY),
    (9, "ERR_MALFUNCTIONAL_TRADE", R.BROKER_REJECTED),
    (64, "ERR_ACCOUNT_DISABLED", R.TRADING_DISABLED),
    (65, "ERR_INVALID_ACCOUNT", R.NOT_AUTHORIZED),
    (128, "ERR_TRADE_TIMEOUT", Said.DOUBT),
    (129, "ERR_INVALID_PRICE", R.INVALID_PRICE),
    (130, "ERR_INVALID_STOPS", R.INVALID_STOPS),
    (131, "ERR_INVALID_TRADE_VOLUME", R.INVALID_QUANTITY),
    (132, "ERR_MARKET_CLOSED", R.MARKET_CLOSED),
    (133, "ERR_TRADE_DISABLED", R.TRADING_DISABLED),
    (134, "ERR_NOT_ENOUGH_MONEY", R.INSUFFICIENT_MARGIN),
    (135, "ERR_PRICE_CHANGED", R.INVALID_PRICE),
    (136, "ERR_OFF_QUOTES", R.NO_QUOTE),
    (137, "ERR_BROKER_BUSY", R.BROKER_BUSY),
    (138, "ERR_REQUOTE", R.INVALID_PRICE),
    (139, "ERR_ORDER_LOCKED", R.BROKER_BUSY),
    (140, "ERR_LONG_POSITIONS_ONLY_ALLOWED", R.TRADING_DISABLED),
    (141, "ERR_TOO_MANY_REQUESTS", R.BROKER_BUSY),
    (145, "ERR_TRADE_MODIFY_DENIED", R.BROKER_REJECTED),
    (146, "ERR_TRADE_CONTEXT_BUSY", R.BROKER_BUSY),
    (147, "ERR_TRADE_EXPIRATION_DENIED", R.INVALID),
    (148, "ERR_TRADE_TOO_MANY_ORDERS", R.RISK_REJECTED),
    (149, "ERR_TRADE_HEDGE_PROHIBITED", R.OPPOSITE_POSITION),
    (150, "ERR_TRADE_PROHIBITED_BY_FIFO", R.BROKER_REJECTED),
    (4106, "ERR_UNKNOWN_SYMBOL", R.INSTRUMENT_UNKNOWN),
    (4107, "ERR_INVALID_PRICE_PARAM", R.INVALID_PRICE),
    (4108, "ERR_INVALID_TICKET", R.ORDER_NOT_FOUND),
    (4109, "ERR_TRADE_NOT_ALLOWED", R.TRADING_DISABLED),
)
_BY_NAME = {name: verdict for _, name, verdict in _CODES}
_BY_NUMBER = {number: verdict for number, _, verdict in _CODES}
PARTIAL = "TRADE_RETCODE_DONE_PARTIAL"
_BY_STATUS = {
    400: Reason.INVALID,
    401: Reason.NOT_AUTHORIZED,
    403: Reason.NOT_AUTHORIZED,
    404: Reason.ACCOUNT_DISCONNECTED,
    409: Reason.BROKER_UNREACHABLE,
    429: Reason.BROKER_BUSY,
}


class TradeRefused(Refused):
    """The terminal or the broker refused a trade with a code of its own."""

    def __init__(self, status: int, text: str, reason: Reason) -> None:
        super().__init__(status, text)
        self.reason = reason


def verdict(name: str, number: int | None) -> Verdict:
    """What a result says, by its name, else by its number; one that is in no list is a doubt."""
    found = _BY_NAME.get(name)
    if found is None and number is not None:
        found = _BY_NUMBER.get(number)
    return Said.DOUBT if found is None else found


def reason_of(refused: Refused) -> Reason:
    """Our closed word for a refusal."""
    if isinstance(refused, TradeRefused):
        return refused.reason
    return _BY_STATUS.get(refused.status, Reason.BROKER_REJECTED)


def outcome_of(error: BrokerError) -> Rejected | Unknown:
    """A write that failed this way: refused or unsent for certain, or not known."""
    return errors.outcome_of(error, reason_of)
