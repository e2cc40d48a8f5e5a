"""Opening what traders sealed: one credential per lease held, for its own row, at the operator's address.

Whatever does not fit (another row's seal, an older one, an unknown key, another address) is refused before a
single byte leaves for anywhere.
"""

from __future__ import annotations

import os
from pathlib import Path

from shared import log
from shared.brokers.port import LoginRefused, ReadFailed
from shared.brokers.session import Login
from shared.brokers.venues import Venues
from shared.crypto.fleet_keys import FleetKeyError, Keyring
from shared.crypto.sealing import Binding, SealError, UnknownKeyError, open_credential
from shared.models.enums import Broker
from shared.models.trading import Account
from shared.store.port import Store, StoreUnavailable
from shared.store.rows import SealedCredential
from workers.leases import Leases

_log = log.get("credentials")

_REFUSALS = {
    "no_lease": "this worker has no work for the connection (any more)",
    "stopped": "opening credentials was stopped: ten times the usual number were asked for, the operator must look",
}
_FINAL = {
    "disconnected": "The connection is disconnected: connect it again.",
    "missing": "The sealed credential is missing: enter it again.",
}


class KeyFile:
    """The fleet's private keys, read anew when the file has changed: a rotation needs no restart."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._read: tuple[tuple[int, int], Keyring] | None = None

    def ring(self) -> Keyring:
        """Raises ReadFailed: the operator has to put it right."""
        if self._path is None:
            raise ReadFailed("this worker holds no fleet keys (EMPIRE_FLEET_KEYS_FILE)")
        try:
            status = os.stat(self._path)
            stamp = (status.st_mtime_ns, status.st_ino)
            if self._read is None or self._read[0] != stamp:
                self._read = stamp, Keyring.load(self._path)
        except OSError as error:
            raise ReadFailed(f"the fleet keys cannot be read: {error.strerror}") from error
        except FleetKeyError as error:
            raise ReadFailed(str(error)) from error
        return self._read[1]


class Credentials:
    """Implements `OpenLogin` for one worker process."""

    def __init__(self, store: Store, worker: str, leases: Leases, venues: Venues, keys: KeyFile) -> None:
        self._store, self._worker, self._leases = store, worker, leases
        self._venues, self._keys = venues, keys
        self._newest: dict[str, int] = {}

    async def open_login(self, account: Account) -> Login:
        """The login of an account's connection. Raises LoginRefused (a new credential is needed), ReadFailed."""
        found = await self._sealed(account.connection_id)
        _same_row(found, account)
        self._not_older(account.connection_id, found.version)
        address = self._venues.address(
            Broker(found.broker), found.environment, found.server, claimed=found.base_url
        )
        binding = Binding(
            user_id=found.user_id,
            connection_id=account.connection_id,
            broker=found.broker,
            environment=found.environment,
            base_url=found.base_url,
            server=found.server,
            login=found.login or "",
            version=found.version,
            key_id=found.key_id,
        )
        ring = self._keys.ring()
        try:
            opened = open_credential(bytes.fromhex(found.sealed), binding, ring.key(found.key_id))
        except SealError as error:
            kind = "unknown key" if isinstance(error, UnknownKeyError) else "does not open"
            _log.error("sealed credential refused", connection_id=account.connection_id, why=kind)
            raise LoginRefused(str(error)) from error
        return Login(address, opened.server or "", opened.login, opened.secret, opened.developer_key)

    async def _sealed(self, connection_id: str) -> SealedCredential:
        try:
            found = await self._store.open_credential(
                connection=connection_id, worker=self._worker, tokens=self._leases.proofs()
            )
        except StoreUnavailable as error:
            raise ReadFailed(f"the sealed credential could not be read: {error}") from error
        if found.refusal is not None:
            if found.refusal == "stopped":
                _log.error("ten times the usual number of credentials were opened: stopped")
            if found.refusal in _FINAL:
                raise LoginRefused(_FINAL[found.refusal])
            raise ReadFailed(_REFUSALS.get(found.refusal, found.refusal))
        return found

    def _not_older(self, connection_id: str, version: int) -> None:
        """The database says that versions only rise; here it is not taken at its word."""
        newest = self._newest.get(connection_id, 0)
        if version < newest:
            _log.error(
                "an older sealed credential was put back", connection_id=connection_id, version=version
            )
            raise LoginRefused(
                f"An older credential (version {version}, not {newest}) was put back: enter it again."
            )
        self._newest[connection_id] = version


def _same_row(found: SealedCredential, account: Account) -> None:
    named = (found.user_id, found.broker, found.environment)
    if named != (account.user_id, account.broker.value, account.environment):
        raise LoginRefused("The connection has changed under its sealed credential: enter it again.")
