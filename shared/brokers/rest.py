"""One request to a broker's REST API, and what its answer is: data, or an error that says whether it was done."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from shared import clock, codec
from shared.brokers import departure
from shared.brokers.errors import LoggedOut, NotSent, Refused, Silent, Throttled
from shared.brokers.transport import Answer, Http, Unanswered

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
    http: Http,
    ask: Ask,
    headers: Mapping[str, str],
    timeout_s: float,
    prefix: str = "",
    by: float | None = None,
) -> Answer:
    """Send it once and read the whole answer. Raises NotSent or Silent.

    `by` (monotonic) is for what does something: it leaves with the other orders of its alert, and not after that.
    """
    content = None if ask.body is None else codec.encode(ask.body)
    sent = headers if ask.body is None else {**headers, **_JSON}
    if by is not None:
        await departure.leave(by)
    try:
        async with asyncio.timeout(timeout_s):
            return await http.request(
                ask.method, prefix + ask.path, params=ask.params, content=content, headers=sent
            )
    except TimeoutError as error:
        raise Silent(f"no answer within {timeout_s:g} s") from error
    except Unanswered as error:
        raise NotSent(str(error)) if error.never_sent else Silent(str(error)) from error


def payload(answer: Answer) -> Any:
    """The JSON of a 2xx answer (None for an empty one). Raises Refused and its kinds, or Silent."""
    status = answer.status
    if 200 <= status < 300:
        return _json(answer)
    text = words(answer)
    if status == 401:
        raise LoggedOut(status, text)
    if status == 429:
        raise Throttled(status, text, retry_after_s(answer))
    if 400 <= status < 500 and status not in _TRY_LATER:
        raise Refused(status, text)
    raise Silent(f"HTTP {status}: {text}")


def words(answer: Answer) -> str:
    """What an error answer says, JSON or plain text; brokers seldom document its shape."""
    try:
        found = codec.decode(answer.content)
    except codec.NotReadable:
        return answer.text.strip()[:300] or f"HTTP {answer.status}"
    if isinstance(found, dict):
        for name in ("errmsg", "errorMessage", "message", "error", "detail", "title"):
            if isinstance(found.get(name), str):
                return str(found[name])
    return str(found)[:300]


def retry_after_s(answer: Answer) -> float | None:
    """The Retry-After header in seconds, which may be written as a number or as a date; None without one."""
    said = answer.headers.get("Retry-After", "")
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(said) - clock.now()).total_seconds())
    except (ValueError, TypeError):
        return None


def _json(answer: Answer) -> Any:
    if not answer.content.strip():
        return None
    try:
        return codec.decode(answer.content)
    except codec.NotReadable as error:
        raise Silent(f"an answer that cannot be read: {error}") from error
