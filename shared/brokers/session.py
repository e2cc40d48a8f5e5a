"""A login at a broker: what is presented, what it gives back, where rotated tokens are kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from shared.models.trading import Account


@dataclass(frozen=True, slots=True)
class Login:
    """An opened credential. `base_url` is operator data, never what a user typed; secrets are not shown."""

    base_url: str
    server: str
    user: str
    secret: str = field(repr=False)
    developer_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Session:
    """Tokens of one login. `version` counts the rotations, for compare-and-set."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    expires_at: datetime
    version: int = 0


class Sessions(Protocol):
    """Where sessions outlive a process (sealed, engine.sessions)."""

    async def load(self, connection_id: str) -> Session | None:
        """The newest session of a connection."""

    async def save(self, connection_id: str, session: Session) -> bool:
        """Keep it if the stored version is one less (none counts as 0). False: somebody was faster."""


OpenLogin = Callable[[Account], Awaitable[Login]]
"""Opens the sealed credential of an account's connection. Raises ReadFailed."""


class MemorySessions:
    """Sessions that end with the process."""

    def __init__(self) -> None:
        self._kept: dict[str, Session] = {}

    async def load(self, connection_id: str) -> Session | None:
        return self._kept.get(connection_id)

    async def save(self, connection_id: str, session: Session) -> bool:
        kept = self._kept.get(connection_id)
        if session.version != (kept.version if kept else 0) + 1:
            return False
        self._kept[connection_id] = session
        return True
