"""One POST to the outside: no redirects, no cookies, no proxy of the environment, a limit on time and on bytes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
from yarl import URL

from shared import clock
from workers.relay.guard import Guard, Refused

MOST_BYTES = 16_384
"""Of an answer; the rest is not read."""
LONGEST_REST_S = 3600.0
_HEADERS = {"accept-encoding": "identity", "user-agent": "EmpireTradingHub/5"}


class Unreachable(Exception):
    """No answer; the message is for the trader and never names the address."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    retry_after: str | None = None

    def json(self) -> Mapping[str, Any]:
        """The answer's JSON object, or an empty one."""
        try:
            read = json.loads(self.body)
        except ValueError:
            return {}
        return read if isinstance(read, dict) else {}

    def rest_s(self) -> float | None:
        """What Retry-After asks for, at most an hour."""
        if self.retry_after is None:
            return None
        try:
            seconds = float(self.retry_after)
        except ValueError:
            try:
                seconds = (parsedate_to_datetime(self.retry_after) - clock.now()).total_seconds()
            except (ValueError, TypeError):
                return None
        return bounded(seconds)


def bounded(seconds: float) -> float | None:
    """A pause that a target has asked for, if it is one."""
    return min(seconds, LONGEST_REST_S) if seconds >= 0 else None


async def post(
    url: URL, body: bytes, headers: Mapping[str, str], timeout_s: float, guard: Guard | None = None
) -> Answer:
    """`guard` None: the address is the operator's own. Raises Unreachable, Refused."""
    resolver = None if guard is None else guard.resolver()
    connector = aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, force_close=True, limit=1)
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=timeout_s),
        auto_decompress=False,
        trust_env=False,
    )
    try:
        async with (
            session,
            session.post(url, data=body, headers={**_HEADERS, **headers}, allow_redirects=False) as answer,
        ):
            read = await _first_bytes(answer)
            return Answer(answer.status, read, answer.headers.get("retry-after"))
    except TimeoutError:
        raise Unreachable(f"No answer within {timeout_s:g} s.") from None
    except aiohttp.ClientConnectorDNSError:
        raise Unreachable("Its name could not be resolved.") from None
    except aiohttp.ClientSSLError:
        raise Unreachable("Its TLS certificate is not valid.") from None
    except aiohttp.InvalidURL:
        raise Refused("Its address is none that can be used.") from None
    except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError) as error:
        raise Unreachable(f"It could not be reached ({type(error).__name__}).") from None


async def _first_bytes(answer: aiohttp.ClientResponse) -> bytes:
    read = b""
    async for chunk in answer.content.iter_chunked(4096):
        read += chunk
        if len(read) >= MOST_BYTES:
            break
    return read[:MOST_BYTES]
