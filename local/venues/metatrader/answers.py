"""The bodies of MetaApi's answers to a trade, and of its errors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from local.venues.metatrader.codes import NAMES
from shared import codec

_TEXTS = {
    "ValidationError": 3,
    "NotFoundError": 2,
    "UnauthorizedError": 4,
    "TooManyRequestsError": 1,
    "TimeoutError": 6,
    "InternalError": 7,
    "ConflictError": 8,
}
"""The error's name and its number in `id`."""
NOT_CONNECTED = (
    "It seems like the account {id} is not connected to broker yet or SDK settings you use does not match the "
    "account region. Please make sure that your account is connected to broker before retrying."
)


class HttpError(Exception):
    """Answered with this status and body."""

    def __init__(self, status: int, error: str, message: str, details: Any = None) -> None:
        super().__init__(message)
        self.status, self.error, self.message, self.details = status, error, message, details

    def response(self) -> web.Response:
        """As MetaApi writes it."""
        body = {"id": _TEXTS[self.error], "error": self.error, "message": self.message}
        return with_status(self.status, body if self.details is None else {**body, "details": self.details})


def with_status(status: int, value: Any) -> web.Response:
    """A JSON answer with a status of its own."""
    return web.Response(status=status, body=codec.encode(value), content_type="application/json")


def traded(code: int, ids: dict[str, str], status: int = 200) -> web.Response:
    """The result of a trade."""
    words = NAMES[code].removeprefix("TRADE_RETCODE_").removeprefix("ERR_").replace("_", " ").capitalize()
    return with_status(status, {"numericCode": code, "stringCode": NAMES[code], "message": words, **ids})


def missing(*problems: tuple[str, Any, str]) -> HttpError:
    """A body that is not as it must be: (parameter, value, what is wrong with it)."""
    details = [{"parameter": name, "value": value, "message": text} for name, value, text in problems]
    return HttpError(400, "ValidationError", "Validation failed", details)


def not_found(what: str) -> HttpError:
    """Nothing has that id."""
    return HttpError(404, "NotFoundError", what)


def not_connected(account_id: str) -> HttpError:
    """The bridge has no terminal for the account."""
    return HttpError(504, "TimeoutError", NOT_CONNECTED.format(id=account_id))


def unauthorized() -> web.Response:
    """No token, or one that is not good (any more)."""
    text = "Authorization token invalid. Please obtain the latest authorization token."
    return HttpError(401, "UnauthorizedError", text).response()


def server_error() -> web.Response:
    """Something broke before anything was done."""
    return HttpError(500, "InternalError", "Internal error (0f8ab1c2d3e4f5a6b7c8d9e0f1a2b3c4)").response()


def too_many(method: str = "trade", seconds: float = 0.5) -> web.Response:
    """Over a limit; says when to come again."""
    again = datetime.now(UTC) + timedelta(seconds=seconds)
    body = {
        "id": _TEXTS["TooManyRequestsError"],
        "error": "TooManyRequestsError",
        "message": f"The {method} API allows 2000 cpu credits per 1s. Please throttle your requests.",
        "metadata": {
            "total": 2000,
            "available": 0,
            "needed": 50,
            "resourceId": "user:simulated",
            "exceededConfig": "perAccount",
            "exceededPeriod": "1s",
            "recommendedRetryTime": moment(again),
            "method": method,
        },
    }
    answer = with_status(429, body)
    answer.headers["Retry-After"] = "1"
    return answer


def moment(at: datetime) -> str:
    """`2026-01-02T03:04:05.678Z`."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
