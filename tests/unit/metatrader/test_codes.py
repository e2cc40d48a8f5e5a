"""Every documented result code, one by one: a yes, a no with our word for it, or a doubt."""

from __future__ import annotations

import pytest

from local.venues.metatrader.codes import NAMES
from shared import codec
from shared.brokers.errors import BrokerError, LoggedOut, NotSent, Refused, Silent, Throttled
from shared.brokers.metatrader import http
from shared.brokers.metatrader.errors import Said, TradeRefused, outcome_of, verdict
from shared.brokers.transport import Answer
from shared.models.outcome import Rejected, Unknown
from shared.models.reasons import Reason as R

DONE, DOUBT = Said.DONE, Said.DOUBT
CODES = {
    -1: DOUBT, -4: R.NOT_SUPPORTED, -5: R.BROKER_UNREACHABLE, -6: R.NO_QUOTE, -7: DOUBT, -8: R.NOT_AUTHORIZED,
    -9: R.PIP_UNDEFINED, -10: R.BROKER_UNREACHABLE, -11: DOUBT, 4753: R.POSITION_NOT_FOUND, 4754: R.ORDER_NOT_FOUND,
    10004: R.INVALID_PRICE, 10006: R.BROKER_REJECTED, 10007: R.BROKER_REJECTED, 10008: DONE, 10009: DONE, 10010: DONE,
    10011: R.BROKER_REJECTED, 10012: DOUBT, 10013: R.INVALID, 10014: R.INVALID_QUANTITY, 10015: R.INVALID_PRICE,
    10016: R.INVALID_STOPS, 10017: R.TRADING_DISABLED, 10018: R.MARKET_CLOSED, 10019: R.INSUFFICIENT_MARGIN,
    10020: R.INVALID_PRICE, 10021: R.NO_QUOTE, 10022: R.INVALID, 10023: R.BROKER_REJECTED, 10024: R.BROKER_BUSY,
    10025: DONE, 10026: R.TRADING_DISABLED, 10027: R.TRADING_DISABLED, 10028: R.BROKER_BUSY, 10029: R.BROKER_REJECTED,
    10030: R.INVALID, 10031: DOUBT, 10032: R.TRADING_DISABLED, 10033: R.RISK_REJECTED, 10034: R.RISK_REJECTED,
    10035: R.INVALID, 10036: R.POSITION_NOT_FOUND, 10038: R.INVALID_QUANTITY, 10039: R.DUPLICATE_ORDER,
    10040: R.RISK_REJECTED, 10041: R.BROKER_REJECTED, 10042: R.TRADING_DISABLED, 10043: R.TRADING_DISABLED,
    10044: R.TRADING_DISABLED, 10045: R.BROKER_REJECTED, 10046: R.OPPOSITE_POSITION,
    0: DONE, 1: DOUBT, 2: R.BROKER_REJECTED, 3: R.INVALID, 4: R.BROKER_BUSY, 5: R.NOT_SUPPORTED,
    6: R.BROKER_UNREACHABLE, 7: R.NOT_AUTHORIZED, 8: R.BROKER_BUSY, 9: R.BROKER_REJECTED, 64: R.TRADING_DISABLED,
    65: R.NOT_AUTHORIZED, 128: DOUBT, 129: R.INVALID_PRICE, 130: R.INVALID_STOPS, 131: R.INVALID_QUANTITY,
    132: R.MARKET_CLOSED, 133: R.TRADING_DISABLED, 134: R.INSUFFICIENT_MARGIN, 135: R.INVALID_PRICE, 136: R.NO_QUOTE,
    137: R.BROKER_BUSY, 138: R.INVALID_PRICE, 139: R.BROKER_BUSY, 140: R.TRADING_DISABLED, 141: R.BROKER_BUSY,
    145: R.BROKER_REJECTED, 146: R.BROKER_BUSY, 147: R.INVALID, 148: R.RISK_REJECTED, 149: R.OPPOSITE_POSITION,
    150: R.BROKER_REJECTED, 4106: R.INSTRUMENT_UNKNOWN, 4107: R.INVALID_PRICE, 4108: R.ORDER_NOT_FOUND,
    4109: R.TRADING_DISABLED,
}  # fmt: skip


def answered(status: int, body: object) -> Answer:
    """An answer with this body."""
    return Answer(status, codec.encode(body))


def test_no_code_is_forgotten() -> None:
    """The list here is the documented one."""
    assert CODES.keys() == NAMES.keys()


@pytest.mark.parametrize(("code", "expected"), CODES.items(), ids=lambda each: str(each))
@pytest.mark.parametrize("status", [200, 400])
def test_a_code_is_what_it_says(code: int, expected: Said | R, status: int) -> None:
    """By name or by number alone, whatever the HTTP status is."""
    whole = {
        "numericCode": code,
        "stringCode": NAMES[code],
        "message": "Words",
        "orderId": 7,
        "positionId": "8",
    }
    for body in (whole, {**whole, "numericCode": None}, {**whole, "stringCode": None}):
        if isinstance(expected, R):
            with pytest.raises(TradeRefused, match="Words") as refused:
                http.trade_result(answered(status, body))
            outcome = outcome_of(refused.value)
            assert isinstance(outcome, Rejected)
            assert outcome.reason is expected
        elif expected is DOUBT:
            with pytest.raises(Silent) as silent:
                http.trade_result(answered(status, body))
            assert isinstance(outcome_of(silent.value), Unknown)
        else:
            assert http.trade_result(answered(status, body)) == http.Done("7", "8", code == 10010)


def test_a_code_that_nobody_knows_is_a_doubt() -> None:
    """An order is never said to be refused on a guess."""
    assert verdict("TRADE_RETCODE_BRAND_NEW", 12345) is DOUBT


def test_older_servers_write_error_and_description() -> None:
    """`error` is the number then."""
    with pytest.raises(TradeRefused, match="No money") as refused:
        http.trade_result(answered(200, {"error": 10019, "description": "No money"}))
    assert refused.value.reason is R.INSUFFICIENT_MARGIN


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (400, {"error": "ValidationError", "message": "Validation failed", "details": []}, R.INVALID),
        (401, {"error": "UnauthorizedError", "message": "Authorization token invalid"}, R.NOT_AUTHORIZED),
        (403, {"error": "ForbiddenError", "message": "no"}, R.NOT_AUTHORIZED),
        (404, {"error": "NotFoundError", "message": "Trading account not found"}, R.ACCOUNT_DISCONNECTED),
        (409, {"error": "ConflictError", "message": "wrong region"}, R.BROKER_UNREACHABLE),
        (429, {"error": "TooManyRequestsError", "message": "slow down"}, R.BROKER_BUSY),
        (429, "error code: 1015", R.BROKER_BUSY),
    ],
)
def test_a_4xx_is_a_refusal(status: int, body: object, reason: R) -> None:
    """Nothing was done: the request was turned down before any terminal saw it."""
    with pytest.raises(Refused) as refused:
        http.trade_result(answered(status, body))
    outcome = outcome_of(refused.value)
    assert isinstance(outcome, Rejected)
    assert outcome.reason is reason


@pytest.mark.parametrize(
    ("status", "text"),
    [(500, "{}"), (502, "<html>"), (503, ""), (504, '{"error":"TimeoutError","message":"not connected"}'), (408, ""),
     (302, ""), (200, '{"numericCode": 1'), (200, ""), (200, "[]"), (200, '{"message":"fine"}')],
)  # fmt: skip
def test_what_says_nothing_is_a_doubt(status: int, text: str) -> None:
    """5xx, redirects, answers cut in the middle, and a 200 without a code: it may have been done."""
    with pytest.raises(Silent) as silent:
        http.trade_result(Answer(status, text.encode()))
    assert isinstance(outcome_of(silent.value), Unknown)


def test_a_validation_error_names_its_fields() -> None:
    """The trader reads which number was wrong."""
    details = [{"parameter": "volume", "value": -1, "message": "Must be positive."}]
    body = {"error": "ValidationError", "message": "Validation failed", "details": details}
    with pytest.raises(Refused, match="Validation failed: volume: Must be positive"):
        http.trade_result(answered(400, body))


def test_every_error_has_an_outcome() -> None:
    """Refused and unsent are Rejected, silence is Unknown."""
    kinds: dict[BrokerError, R | None] = {
        NotSent("x"): R.BROKER_UNREACHABLE,
        LoggedOut(401, "no"): R.NOT_AUTHORIZED,
        Throttled(429, "no"): R.BROKER_BUSY,
        Refused(418, "no"): R.BROKER_REJECTED,
        TradeRefused(200, "no", R.MARKET_CLOSED): R.MARKET_CLOSED,
        Silent("x"): None,
    }
    for error, reason in kinds.items():
        outcome = outcome_of(error)
        assert outcome.reason is reason if isinstance(outcome, Rejected) else reason is None
