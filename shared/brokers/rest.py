"""One request to a broker's REST API, and what its answer is: data, or an error that says whether it was done."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from shared import clock, codec
from shared.brokers.errors import LoggedOut, NotSent, Refused, Silent, Throttled
from shared.brokers.transport import Http, never_sent

_JSON = {"content-type": "application/json"}
_TRY_LATER = frozenset({408, 425})
"""4xx that say nothing about whether it was done."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A request. `kind` is the broker's rate limit it counts for (None = no limit is named)."""

    method: str
    path: str
    kind: str | None = None
    params: Mapping[str, str] | None = None
    body: Mapping[str, Any] | None = None


async def exchange(
    http: Http, ask: Ask, headers: Mapping[str, str], timeout_s: float, prefix: str = ""
) -> httpx.Response:
    """Send it once and read the whole answer. Raises NotSent or Silent."""
    try:
        async with asyncio.timeout(timeout_s):
            return await http.request(
                ask.method,
                prefix + ask.path,
                params=ask.params,
                content=None if ask.body is None else codec.encode(ask.body),
                headers={**headers, **(_JSON if ask.body is not None else {})},
            )
    except TimeoutError as error:
        raise Silent(f"no answer within {timeout_s:g} s") from error
    except httpx.HTTPError as error:
        words = f"{type(error).__name__}: {error}"
        raise NotSent(words) if never_sent(error) else Silent(words) from error


def payload(response: httpx.Response) -> Any:
    """The JSON of a 2xx answer (None for an empty one). Raises Refused and its kinds, or Silent."""
    status = response.status_code
    if 200 <= status < 300:
        return _json(response)
    text = words(response)
    if status == 401:
        raise LoggedOut(status, text)
    if status == 429:
        raise Throttled(status, text, retry_after_s(response))
    if 400 <= status < 500 and status not in _TRY_LATER:
        raise Refused(status, text)
    raise Silent(f"HTTP {status}: {text}")


def words(response: httpx.Response) -> str:
    """What an error answer says, JSON or plain text; brokers seldom document its shape."""
    try:
        found = codec.decode(response.content)
    except codec.NotReadable:
        return response.text.strip()[:300] or f"HTTP {response.status_code}"
    if isinstance(found, dict):
        for name in ("errmsg", "errorMessage", "message", "error", "detail", "title"):
            if isinstance(found.get(name), str):
                return str(found[name])
    return str(found)[:300]


def retry_after_s(response: httpx.Response) -> float | None:
    """The Retry-After header in seconds, which may be written as a number or as a date; None without one."""
    said = response.headers.get("Retry-After", "")
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(said) - clock.now()).total_seconds())
    except (ValueError, TypeError):
        return None


def _json(response: httpx.Response) -> Any:
    if not response.content.strip():
        return None
    try:
        return codec.decode(response.content)
    except codec.NotReadable as error:
        raise Silent(f"an answer that cannot be read: {error}") from error
