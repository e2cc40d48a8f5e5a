"""The envelopes of TradeLocker's answers."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from local.venues.admin import answer
from shared import codec


def ok(data: Any) -> web.Response:
    """What was asked for."""
    return answer({"s": "ok", "d": data})


def done() -> web.Response:
    """A write that has nothing to say."""
    return answer({"s": "ok"})


def refused(text: str) -> web.Response:
    """A refusal: 200 all the same."""
    return answer({"s": "error", "errmsg": text})


def with_status(status: int, value: Any) -> web.Response:
    """A JSON answer with a status of its own."""
    return web.Response(status=status, body=codec.encode(value), content_type="application/json")


def failed(status: int, text: str) -> web.Response:
    """An HTTP error."""
    return with_status(status, {"s": "error", "errmsg": text})


def unauthorized() -> web.Response:
    """No token, or one that is not good any more."""
    return failed(401, "Unauthorized")


def too_many() -> web.Response:
    """Over a rate limit."""
    return failed(429, "Too many requests")


def server_error() -> web.Response:
    """Something broke before anything was done."""
    return failed(500, "Internal server error")
