"""The session of one connection: logged in rarely, refreshed early, by one at a time, shared between workers.

Every full login may throw the trader out of the broker's own platform: a refresh is always tried first, and a
login that was refused is not tried again for a while.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx

from shared import clock, log
from shared.brokers.session import Login, Session, Sessions
from shared.brokers.tradelocker import parse
from shared.brokers.tradelocker.errors import LoggedOut, NotSent, Refused, Silent, TradeLockerError
from shared.brokers.tradelocker.http import Ask, exchange, payload
from shared.brokers.tradelocker.rows import UnreadableError

_log = log.get("tradelocker")
EARLY = timedelta(minutes=5)
"""So long before its end a token is refreshed, while it is used on."""
AT_THE_LAST = timedelta(seconds=20)
"""Nearer to its end a token is not used any more."""
REFUSED_PAUSE_S = 30.0


class Keeper:
    """Hands out a good access token."""

    def __init__(
        self, http: httpx.AsyncClient, login: Login, connection_id: str, sessions: Sessions, timeout_s: float
    ) -> None:
        self._http, self._login, self._timeout_s = http, login, timeout_s
        self._connection_id, self._sessions = connection_id, sessions
        self._session: Session | None = None
        self._one = asyncio.Lock()
        self._early: asyncio.Task[str] | None = None
        self._refused: tuple[float, Refused] | None = None

    async def token(self) -> str:
        """A token that is good for a while. Raises Refused (login refused) or NotSent."""
        session = self._session
        if session is None:
            return await self._renew(None)
        left = session.expires_at - clock.now()
        if left <= AT_THE_LAST:
            return await self._renew(session.access)
        if left <= EARLY and (self._early is None or self._early.done()):
            self._early = asyncio.ensure_future(self._renew(session.access))
            self._early.add_done_callback(_seen)
        return session.access

    async def after_refusal(self, token: str) -> str:
        """Another token, because the broker has not taken this one."""
        return await self._renew(token)

    async def close(self) -> None:
        """End what runs in the background."""
        if self._early is not None:
            self._early.cancel()

    async def _renew(self, used: str | None) -> str:
        try:
            async with self._one:
                return await self._renewed(used)
        except UnreadableError as error:
            raise NotSent(f"tokens that cannot be read: {error}") from error

    async def _renewed(self, used: str | None) -> str:
        if self._session is not None and self._session.access != used:
            return self._session.access  # somebody was here while we waited
        stored = await self._sessions.load(self._connection_id)
        if stored is not None and self._usable(stored, used):
            self._session = self._checked(stored)
            return stored.access
        version = stored.version if stored else 0
        self._session = await self._kept(await self._fresh(stored or self._session, version + 1))
        return self._session.access

    def _usable(self, session: Session, used: str | None) -> bool:
        return session.access != used and session.expires_at - clock.now() > EARLY

    async def _fresh(self, old: Session | None, version: int) -> Session:
        if old is not None:
            try:
                body = {"refreshToken": old.refresh}
                return self._checked(parse.session(await self._ask("refresh", body), version))
            except Refused:
                _log.info("refresh refused, logging in", connection_id=self._connection_id)
            except Silent as error:
                raise NotSent(f"the session could not be refreshed: {error}") from error
        return await self._log_in(version)

    async def _log_in(self, version: int) -> Session:
        if self._refused is not None and clock.monotonic() < self._refused[0]:
            raise self._refused[1]
        body = {"email": self._login.user, "password": self._login.secret, "server": self._login.server}
        try:
            answer = await self._ask("token", body)
        except Refused as error:
            refused = LoggedOut(401, f"login refused: {error.text}")
            self._refused = clock.monotonic() + REFUSED_PAUSE_S, refused
            raise refused from error
        except Silent as error:
            raise NotSent(f"login failed: {error}") from error
        return self._checked(parse.session(answer, version))

    def _checked(self, session: Session) -> Session:
        """The server that the token names must be the one the credential names: never another account."""
        server = parse.claims(session.access).server
        if server is not None and server.casefold() != self._login.server.casefold():
            raise LoggedOut(401, f"logged in at server {server}, not {self._login.server}")
        return session

    async def _kept(self, session: Session) -> Session:
        """The session after compare-and-set: ours, or that of the worker who was faster."""
        if await self._sessions.save(self._connection_id, session):
            return session
        theirs = await self._sessions.load(self._connection_id)
        return self._checked(theirs) if theirs is not None else session

    async def _ask(self, route: str, body: dict[str, str]) -> object:
        headers = self.key_header()
        answer = payload(
            await exchange(self._http, Ask("POST", f"/auth/jwt/{route}", body=body), headers, self._timeout_s)
        )
        if answer is None:
            raise Silent("an empty answer to a login")
        return answer

    def key_header(self) -> dict[str, str]:
        """The developer key, where we have one."""
        key = self._login.developer_key
        return {"developer-api-key": key} if key else {}


def _seen(task: asyncio.Task[str]) -> None:
    """An early refresh that fails is tried again by the next request; it must not be an unread exception."""
    if not task.cancelled() and isinstance(task.exception(), TradeLockerError):
        _log.warning("early refresh failed", error=str(task.exception()))
