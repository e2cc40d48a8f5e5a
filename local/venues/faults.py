"""What goes wrong at a broker, as settings that every simulator shares.

A fault is a kind, the operation it strikes (None = any), how often (`times`, None = for ever) or how likely
(`rate`, drawn from the simulator's seed). Transport faults are done here, in a middleware around every
handler; the others are asked for by the simulator where they belong (`take`).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from aiohttp import web
from aiohttp.typedefs import Middleware


class Kind(StrEnum):
    """`value` means: a text, a number of seconds or a share, as said."""

    REFUSE = "refuse"
    """The broker says no; value: the simulator's word for the refusal."""
    HANG_AFTER_ACCEPT = "hang_after_accept"
    """The request is done; the answer comes after `value` seconds (60), if at all."""
    DROP_AFTER_READ = "drop_after_read"
    """The connection is cut when the request was read and not done."""
    DROP_AFTER_ACCEPT = "drop_after_accept"
    """The connection is cut when the request was done."""
    HANG_BEFORE = "hang_before"
    """The request is done only after `value` seconds (60), whoever still waits for it."""
    LATE = "late"
    """The request is done at once, the answer comes after `value` seconds (1)."""
    ERROR_BEFORE = "error_before"
    """Status 500 and nothing done."""
    ERROR_AFTER = "error_after"
    """Status 502 although it was done."""
    GARBLED = "garbled"
    """It was done, and the answer is cut off in the middle."""
    RATE_LIMIT_JSON = "rate_limit_json"
    RATE_LIMIT_TEXT = "rate_limit_text"
    """The network in front of the broker asks to stay away for `value` whole seconds (1)."""
    EXPIRED_TOKEN = "expired_token"  # noqa: S105  a name, not a secret
    PARTIAL_FILL = "partial_fill"
    """value: the share of the quantity that is filled (0.5)."""
    LATE_FILL = "late_fill"
    """A market order is taken now and filled after `value` seconds (1)."""
    REFUSE_AFTER = "refuse_after"
    """It was done, and the answer is the refusal `value`: a broker that lost sight of it says so."""
    REFUSE_LATER = "refuse_later"
    """The order is taken, and turned down a moment later."""
    REORDER_COLUMNS = "reorder_columns"
    """Rows have another order and one column more; value `without_tag`: and none for the tag."""
    NOT_CONNECTED = "not_connected"
    """The broker's bridge has no connection for the account; value: its word for the state."""
    INCOMPLETE_HISTORY = "incomplete_history"
    """History is in an envelope that says whether it is complete; value `wrapped`: it is, else it is empty."""
    LAG_LISTS = "lag_lists"
    """Lists show what was true `value` seconds ago (2)."""
    DROP_BRACKET = "drop_bracket"
    """The order is done without its stop-loss and take-profit, silently."""
    DUPLICATE_TAG = "duplicate_tag"
    """The broker does the order twice under one tag."""
    STRIP_COMMENT = "strip_comment"
    """Tag or comment of an order is lost."""
    EMPTY_ANSWER = "empty_answer"
    """204 without a body where the broker may answer so."""


_DEFAULT_VALUE = {
    Kind.HANG_AFTER_ACCEPT: "60",
    Kind.HANG_BEFORE: "60",
    Kind.LATE: "1",
    Kind.RATE_LIMIT_TEXT: "1",
    Kind.PARTIAL_FILL: "0.5",
    Kind.LATE_FILL: "1",
    Kind.LAG_LISTS: "2",
}


class BadFault(ValueError):
    """A fault that cannot be read; the message says what would be right."""


@dataclass(slots=True)
class Fault:
    """One setting. `times` counts down and the fault is gone at 0."""

    kind: Kind
    value: str = ""
    operation: str | None = None
    times: int | None = None
    rate: float = 1.0

    def __post_init__(self) -> None:
        self.value = self.value or _DEFAULT_VALUE.get(self.kind, "")

    @property
    def number(self) -> Decimal:
        """The value as a number."""
        return Decimal(self.value)

    @property
    def seconds(self) -> float:
        """The value as seconds."""
        return float(self.value)


def parse_faults(text: str) -> list[Fault]:
    """`kind[=value][@operation][:rate|xTIMES], ...`, such as `late=2@place:0.1, refuse=margin@place:x1`."""
    return [_parse_fault(word.strip()) for word in text.split(",") if word.strip()]


def _parse_fault(text: str) -> Fault:
    head, _, often = text.partition(":")
    head, _, operation = head.partition("@")
    name, _, value = head.partition("=")
    try:
        times = int(often[1:]) if often.startswith("x") else None
        rate = 1.0 if times is not None or not often else float(often)
        return Fault(Kind(name), value, operation or None, times, rate)
    except ValueError as error:
        known = ", ".join(Kind)
        raise BadFault(f"{text!r}: kind[=value][@operation][:rate|xTIMES], kind one of {known}") from error


class Faults:
    """The faults in force."""

    def __init__(self, faults: list[Fault] | None = None, seed: int = 1) -> None:
        self._faults = list(faults or ())
        self._released = asyncio.Event()
        self._dice = random.Random(seed)  # noqa: S311  a simulation, not a secret

    def add(self, fault: Fault) -> None:
        """One more; earlier ones go first."""
        self._faults.append(fault)

    def clear(self) -> None:
        """Everything works again."""
        self._faults.clear()

    def release(self) -> None:
        """Whoever hangs now goes on at once."""
        self._released.set()
        self._released = asyncio.Event()

    async def hang(self, fault: Fault) -> None:
        """For as long as it says, or until the release."""
        with suppress(TimeoutError):
            async with asyncio.timeout(fault.seconds):
                await self._released.wait()

    def active(self) -> list[Fault]:
        """The faults in force, in order."""
        return list(self._faults)

    def take(self, operation: str, *kinds: Kind) -> Fault | None:
        """The first fault of these kinds that strikes this operation now, counted down."""
        for fault in self._faults:
            if fault.kind in kinds and fault.operation in (None, operation) and self._strikes(fault):
                return self._used(fault)
        return None

    def _strikes(self, fault: Fault) -> bool:
        return fault.rate >= 1 or self._dice.random() < fault.rate

    def _used(self, fault: Fault) -> Fault:
        if fault.times is not None:
            fault.times -= 1
            if fault.times <= 0:
                self._faults.remove(fault)
        return fault


_TRANSPORT = (
    Kind.HANG_AFTER_ACCEPT,
    Kind.HANG_BEFORE,
    Kind.DROP_AFTER_READ,
    Kind.DROP_AFTER_ACCEPT,
    Kind.LATE,
    Kind.ERROR_BEFORE,
    Kind.ERROR_AFTER,
    Kind.GARBLED,
    Kind.RATE_LIMIT_JSON,
    Kind.RATE_LIMIT_TEXT,
    Kind.EXPIRED_TOKEN,
)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Answers:
    """How a broker writes what every broker can answer."""

    rate_limited: Callable[[], web.Response]
    expired_token: Callable[[], web.Response]
    server_error: Callable[[], web.Response]


def edge_rate_limit(seconds: str = "1") -> web.Response:
    """429 as the network in front of a broker writes it: plain text, which is no JSON."""
    return web.Response(status=429, text="error code: 1015", headers={"Retry-After": seconds})


def middleware(
    faults: Faults, operation_of: Callable[[web.Request], str | None], answers: Answers
) -> Middleware:
    """Strikes the requests that `operation_of` gives a name; None = never struck (the admin's own)."""

    @web.middleware
    async def strike(request: web.Request, handler: Handler) -> web.StreamResponse:
        operation = operation_of(request)
        fault = None if operation is None else faults.take(operation, *_TRANSPORT)
        if fault is None:
            return await handler(request)
        await request.read()
        refused = _not_done(fault, request, answers)
        if refused is not None:
            return refused
        # aiohttp goes on when the client has given up: what was asked for is done all the same.
        return await _done(faults, fault, request, handler, answers)

    return strike


def _not_done(fault: Fault, request: web.Request, answers: Answers) -> web.Response | None:
    match fault.kind:
        case Kind.RATE_LIMIT_JSON:
            return answers.rate_limited()
        case Kind.RATE_LIMIT_TEXT:
            return edge_rate_limit(fault.value)
        case Kind.EXPIRED_TOKEN:
            return answers.expired_token()
        case Kind.ERROR_BEFORE:
            return answers.server_error()
        case Kind.DROP_AFTER_READ:
            return _cut(request)
        case _:
            return None


async def _done(
    faults: Faults, fault: Fault, request: web.Request, handler: Handler, answers: Answers
) -> web.StreamResponse:
    if fault.kind is Kind.HANG_BEFORE:
        await faults.hang(fault)
    answer = await handler(request)
    match fault.kind:
        case Kind.LATE | Kind.HANG_AFTER_ACCEPT:
            await faults.hang(fault)
        case Kind.DROP_AFTER_ACCEPT:
            return _cut(request)
        case Kind.ERROR_AFTER:
            return web.Response(status=502, text="<html><body>502 Bad Gateway</body></html>")
        case Kind.GARBLED:
            body = getattr(answer, "body", None) or b""
            return web.Response(status=answer.status, body=bytes(body)[:5], content_type="application/json")
    return answer


def _cut(request: web.Request) -> web.Response:
    """Close the connection without a byte of answer. What is returned is written to nobody."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
