"""The gateway's envelope, and its HTTP errors."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from local.venues.admin import answer
from shared import codec


def ok(**payload: Any) -> web.Response:
    """What was asked for."""
    return answer({**payload, "success": True, "errorCode": 0, "errorMessage": None})


def refused(code: int, message: str | None, **payload: Any) -> web.Response:
    """A no: 200 all the same, and the code is the endpoint's own."""
    return answer({**payload, "success": False, "errorCode": code, "errorMessage": message})


def problem(status: int, title: str, detail: str | None = None) -> web.Response:
    """RFC 7807."""
    body = {
        "type": "https://tools.ietf.org/html/rfc9110#section-15.5.1",
        "title": title,
        "status": status,
        "detail": detail,
    }
    return web.Response(status=status, body=codec.encode(body), content_type="application/problem+json")


def unauthorized() -> web.Response:
    """No token, or one that is not good any more: nothing in the body."""
    return web.Response(status=401)


def too_many() -> web.Response:
    """Over a rate limit."""
    return problem(429, "Too Many Requests", "Rate limit exceeded. Try again after a short delay.")


def server_error() -> web.Response:
    """Something broke before anything was done."""
    return problem(500, "An error occurred while processing your request.")
