"""ProjectX's user hub (SignalR over a WebSocket): orders, positions, trades and money of a login's accounts.

One connection is one try: when it ends everything is made anew, with a token of then. Nothing is replayed by the
gateway, so what counts as live is only what it has acknowledged to tell.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from pysignalr.client import SignalRClient
from pysignalr.exceptions import AuthorizationError, HubError
from pysignalr.messages import CompletionMessage, Message
from pysignalr.protocol.json import JSONProtocol
from websockets.exceptions import WebSocketException

from shared import clock
from shared.brokers.errors import NotSent
from shared.brokers.keeper import Keeper
from shared.brokers.port import ReadFailed
from shared.brokers.streams import Hearer, WentSilent
from shared.brokers.topstepx.client import Timing
from shared.brokers.transport import certificates

# The library writes the hub's address to its log, and the token is part of it.
logging.getLogger("pysignalr").setLevel(logging.CRITICAL)
OF_AN_ACCOUNT = ("GatewayUserOrder", "GatewayUserPosition", "GatewayUserTrade")
OF_MONEY = "GatewayUserAccount"
LOGOUT = "GatewayLogout"
SUBSCRIPTIONS = ("SubscribeOrders", "SubscribePositions", "SubscribeTrades")
LARGEST = 1 << 20


def address(base_url: str) -> str:
    """Where the user hub of a gateway is: api.topstepx.com has it at rtc.topstepx.com, others at their own host."""
    parts = urlsplit(base_url)
    first, dot, rest = parts.netloc.partition(".")
    words = ["rtc" if word == "api" else word for word in first.split("-")]
    return urlunsplit((parts.scheme, "-".join(words) + dot + rest, "/hubs/user", "", ""))


def account_of(target: str, arguments: Any) -> str | None:
    """The account that an event is about; None where it does not say so in a way that we know. Pure.

    Events come as {action, data} and, as the documents have them, as data alone.
    """
    event = arguments[0] if isinstance(arguments, list) and arguments else None
    if isinstance(event, Mapping) and isinstance(event.get("data"), Mapping):
        event = event["data"]
    number = event.get("id" if target == OF_MONEY else "accountId") if isinstance(event, Mapping) else None
    return None if number is None else str(number)


class UserHub:
    """Listens to one login's accounts."""

    def __init__(self, base_url: str, keeper: Keeper, timing: Timing) -> None:
        self._address, self._keeper, self._timing = address(base_url), keeper, timing

    async def listen(self, accounts: Collection[str], hearer: Hearer) -> None:
        """Until it ends, which it says by raising ReadFailed or BrokerError."""
        token = await self._keeper.token()
        ear = _Ear(f"{self._address}?access_token={quote(token)}", accounts, hearer, self._timing)
        try:
            await ear.listen()
        except _LoggedOut as error:
            await self._keeper.after_refusal(token)
            raise ReadFailed(str(error)) from None


class _LoggedOut(ReadFailed):
    """The hub does not take this token, or has ended its session."""


class _Noticing(JSONProtocol):
    """Tells of every frame, pings too: they are what a healthy connection without news consists of."""

    def __init__(self, noticed: Callable[[], None]) -> None:
        super().__init__()
        self._noticed = noticed

    def decode(self, raw_message: str | bytes) -> list[Message]:
        self._noticed()
        found: list[Message] = super().decode(raw_message)
        return found


class _Ear:
    """One connection, from its beginning to its end."""

    def __init__(self, url: str, accounts: Collection[str], hearer: Hearer, timing: Timing) -> None:
        self._accounts, self._hearer, self._timing = accounts, hearer, timing
        self._began = self._heard = clock.monotonic()
        self._unanswered, self._is_live = 0, False
        self._end: asyncio.Future[ReadFailed] = asyncio.get_running_loop().create_future()
        self._client = SignalRClient(
            url,
            protocol=_Noticing(self._notice),
            retry_count=1,
            max_size=LARGEST,
            connection_timeout=round(timing.request_timeout),
            ssl=certificates() if url.startswith("https:") else None,
        )
        self._client.on_open(self._subscribe)
        self._client.on_close(self._closed)
        self._client.on_error(self._refused)
        for target in (*OF_AN_ACCOUNT, OF_MONEY):
            self._client.on(target, self._teller(target))
        self._client.on(LOGOUT, self._logged_out)

    async def listen(self) -> None:
        """Until the connection ends or is silent. Always raises."""
        running = asyncio.create_task(self._client.run())
        either: tuple[asyncio.Future[Any], ...] = (running, self._end)
        try:
            while True:
                await asyncio.wait(either, timeout=self._left(), return_when=asyncio.FIRST_COMPLETED)
                if self._end.done():
                    raise self._end.result()
                if running.done():
                    raise _why(running)
                if self._left() <= 0:
                    raise self._too_late()
        finally:
            running.cancel()
            await asyncio.wait({running})

    def _left(self) -> float:
        """Seconds until we give up on it: a sign of life is due, or a connection of its age is made anew.

        Pings are no sign of life of a connection that tells of nothing yet.
        """
        now = clock.monotonic()
        due = (self._heard if self._is_live else self._began) + self._timing.stream_silent
        return max(0.0, min(due, self._began + self._timing.stream_life) - now)

    def _too_late(self) -> ReadFailed:
        if clock.monotonic() - self._began >= self._timing.stream_life:
            return ReadFailed("it is made anew with a younger token")
        if not self._is_live:
            return WentSilent(f"it has not said within {self._timing.stream_silent:g} s that it tells us")
        return WentSilent(f"nothing was heard for {self._timing.stream_silent:g} s, not even a ping")

    def _notice(self) -> None:
        self._heard = clock.monotonic()

    async def _subscribe(self) -> None:
        calls: list[tuple[str, list[Any]]] = [("SubscribeAccounts", [])]
        calls += [(method, [int(number)]) for number in self._accounts for method in SUBSCRIPTIONS]
        self._unanswered = len(calls)
        for method, arguments in calls:
            await self._client.send(method, arguments, self._answered)

    async def _answered(self, message: Message) -> None:
        if getattr(message, "error", None):
            return  # `_refused` was told of it
        self._unanswered -= 1
        if self._unanswered == 0:
            self._is_live = True
            self._hearer.live()

    async def _refused(self, message: CompletionMessage) -> None:
        self._ends(ReadFailed(f"the gateway does not tell of these accounts: {str(message.error)[:200]}"))

    async def _closed(self) -> None:
        self._ends(ReadFailed("the gateway has ended the connection"))

    async def _logged_out(self, _: Any) -> None:
        self._ends(_LoggedOut("the gateway has ended the session"))

    def _teller(self, target: str) -> Callable[[Any], Awaitable[None]]:
        async def tell(arguments: Any) -> None:
            self._hearer.news(account_of(target, arguments))

        return tell

    def _ends(self, why: ReadFailed) -> None:
        if not self._end.done():
            self._end.set_result(why)


def _why(running: asyncio.Task[None]) -> Exception:
    """Why the library has stopped; in words without the address, which holds the token."""
    error = running.exception()
    match error:
        case AuthorizationError():
            return _LoggedOut("the gateway does not take the token")
        case HubError() | WebSocketException() | OSError() | TimeoutError() | ValueError():
            return NotSent(f"the hub cannot be reached: {type(error).__name__}")
        case None:
            return ReadFailed("the connection has ended")
        case _:
            return ReadFailed(f"the connection has ended: {type(error).__name__}")
