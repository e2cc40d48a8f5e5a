"""Sessions of brokers in the database, sealed to the fleet: shared by its workers, refreshed by one at a time."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta

from shared import clock, codec, log
from shared.brokers.errors import NotSent
from shared.brokers.port import ReadFailed
from shared.brokers.session import Session
from shared.crypto.fleet_keys import Keyring
from shared.crypto.sealing import SealError, SessionBinding, seal, unseal
from shared.store.port import Store, StoreUnavailable
from shared.store.rows import SealedSession
from workers.credentials import KeyFile

_log = log.get("sessions")
GOOD_FOR = timedelta(minutes=5)
"""A stored session that lives longer is simply used; nearer to its end somebody is to refresh it."""
TURN_MS = 15_000
"""How long a refresh may take before another worker tries."""
LOOK_AGAIN_S = 0.1


class SealedSessions:
    """Implements `Sessions` for one worker process. Raises NotSent while the database or the keys are away."""

    def __init__(self, store: Store, worker: str, keys: KeyFile) -> None:
        self._store, self._worker, self._keys = store, worker, keys
        self._given: dict[str, int] = {}

    async def load(self, connection_id: str) -> Session | None:
        """The newest session. Returns at once when it is new to us and good for a while; else it is our turn to
        refresh it, or another worker's, whose result is waited for."""
        by = clock.monotonic() + 1.2 * TURN_MS / 1000
        while True:
            found = await self._newest(connection_id)
            known = self._given.get(connection_id, 0)
            if found is not None and found.version > known and found.expires_at - clock.now() > GOOD_FOR:
                return self._gives(connection_id, found)
            if await self._turn(connection_id) or clock.monotonic() > by:
                return self._gives(connection_id, await self._newest(connection_id))
            await asyncio.sleep(LOOK_AGAIN_S * random.uniform(0.5, 1.5))  # noqa: S311

    async def save(self, connection_id: str, session: Session) -> bool:
        """Keep it by compare-and-set and end the turn."""
        ring = self._ring()
        binding = SessionBinding(connection_id, session.version, ring.current)
        tokens = codec.encode({"access": session.access, "refresh": session.refresh})
        try:
            saved = await self._store.save_session(
                connection=connection_id,
                worker=self._worker,
                version=session.version,
                key_id=ring.current,
                sealed=seal(tokens, binding.info(), ring.key(ring.current).public_key()),
                expires_at=session.expires_at,
            )
        except StoreUnavailable as error:
            # The broker has given us these tokens, and only these: used on, and stored with the next rotation.
            _log.warning("session not stored", connection_id=connection_id, error=str(error))
            return True
        if saved:
            self._given[connection_id] = session.version
        return saved

    async def _turn(self, connection_id: str) -> bool:
        try:
            return await self._store.take_session_turn(
                connection=connection_id, worker=self._worker, ms=TURN_MS
            )
        except StoreUnavailable as error:
            raise NotSent(f"the session could not be read: {error}") from error

    async def _newest(self, connection_id: str) -> Session | None:
        try:
            found = await self._store.load_session(connection=connection_id)
        except StoreUnavailable as error:
            raise NotSent(f"the session could not be read: {error}") from error
        return None if found is None else self._opened(connection_id, found)

    def _opened(self, connection_id: str, found: SealedSession) -> Session:
        """One that does not open counts as ended: its version still says what comes next."""
        binding = SessionBinding(connection_id, found.version, found.key_id)
        try:
            key = self._ring().key(found.key_id)
            tokens = codec.decode(unseal(bytes.fromhex(found.sealed), binding.info(), key))
        except SealError as error:
            _log.warning("stored session refused", connection_id=connection_id, error=str(error))
            return Session("", "", clock.EPOCH, found.version)
        return Session(tokens["access"], tokens["refresh"], found.expires_at, found.version)

    def _ring(self) -> Keyring:
        try:
            return self._keys.ring()
        except ReadFailed as error:
            raise NotSent(str(error)) from error

    def _gives(self, connection_id: str, session: Session | None) -> Session | None:
        self._given[connection_id] = session.version if session is not None else 0
        return session
