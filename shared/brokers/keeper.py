"""The session of one connection: logged in rarely, refreshed early, by one at a time, shared between workers.

Every full login may throw the trader out of the broker's own platform: a refresh is always tried first, and a
login that was refused is not tried again for a while. How a broker logs in and refreshes is its `Door`; a
broker whose token never ends needs no keeper.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace  # noqa: TID251 - tokens are no struct: one would show them
from datetime import timedelta
from typing import Protocol

from shared import clock, log
from shared.brokers.errors import BrokerError, LoggedOut, NotSent, Refused, Silent, UnreadableError
from shared.brokers.session import Session, Sessions

_log = log.get("session")
REFUSED_PAUSE_S = 30.0


class Door(Protocol):
    """How one login gets a session at its broker. Each method asks the broker at most once.

    Raises Refused (the broker said no), Silent, NotSent or UnreadableError. The keeper counts `version`.
    """

    async def log_in(self) -> Session:
        """A new session for the credential."""

    async def refresh(self, session: Session) -> Session:
        """A newer session for one that is good, or was."""

    def check(self, session: Session) -> Session:
        """The session, if it is of the server and user of the credential; else raises LoggedOut.

        Asked of every session before it is used, also of one that another worker has stored.
        """


@dataclass(frozen=True, slots=True)
class Ends:
    """`early`: so long before its end a token is refreshed, while it is used on. `at_the_last`: nearer to its
    end it is not used any more."""

    early: timedelta = timedelta(minutes=5)
    at_the_last: timedelta = timedelta(seconds=20)


class Keeper:
    """Hands out a good access token."""

    def __init__(self, door: Door, connection_id: str, sessions: Sessions, ends: Ends | None = None) -> None:
        self._door, self._ends = door, ends or Ends()
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
        if left <= self._ends.at_the_last:
            return await self._renew(session.access)
        if left <= self._ends.early and (self._early is None or self._early.done()):
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
            self._session = self._door.check(stored)
            return stored.access
        version = stored.version if stored else 0
        fresh = await self._fresh(stored or self._session)
        self._session = await self._kept(replace(fresh, version=version + 1))
        return self._session.access

    def _usable(self, session: Session, used: str | None) -> bool:
        return session.access != used and session.expires_at - clock.now() > self._ends.early

    async def _fresh(self, old: Session | None) -> Session:
        if old is not None:
            try:
                return self._door.check(await self._door.refresh(old))
            except Refused:
                _log.info("refresh refused, logging in", connection_id=self._connection_id)
            except Silent as error:
                raise NotSent(f"the session could not be refreshed: {error}") from error
        return await self._log_in()

    async def _log_in(self) -> Session:
        if self._refused is not None and clock.monotonic() < self._refused[0]:
            raise self._refused[1]
        try:
            found = await self._door.log_in()
        except Refused as error:
            refused = LoggedOut(401, f"login refused: {error.text}")
            self._refused = clock.monotonic() + REFUSED_PAUSE_S, refused
            raise refused from error
        except Silent as error:
            raise NotSent(f"login failed: {error}") from error
        return self._door.check(found)

    async def _kept(self, session: Session) -> Session:
        """The session after compare-and-set: ours, or that of the worker who was faster."""
        if await self._sessions.save(self._connection_id, session):
            return session
        theirs = await self._sessions.load(self._connection_id)
        return self._door.check(theirs) if theirs is not None else session


def _seen(task: asyncio.Task[str]) -> None:
    """An early refresh that fails is tried again by the next request; it must not be an unread exception."""
    if not task.cancelled() and isinstance(task.exception(), BrokerError):
        _log.warning("early refresh failed", error=str(task.exception()))
