"""The fleet's sealing keys: private ones held by workers, public ones signed by an offline root.

Clients seal only to a key whose signature verifies under the root they were built with: who can write the
database still cannot make them seal to a key of his own. Twin of supabase/functions/_shared/fleet_keys.ts.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from shared.crypto import spelling
from shared.crypto.sealing import UnknownKeyError

_LABEL = b"empire-fleet-key/1|"


class FleetKeyError(Exception):
    """A key that must not be used. The message is a sentence and never holds a private key."""


@dataclass(frozen=True, slots=True)
class SignedKey:
    """A public fleet key as clients are served it. `expires_on` is the last day (UTC) it is sealed to."""

    key_id: str
    public_key: str
    expires_on: date
    signature: str

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> Self:
        """A row of public.fleet_keys. Raises FleetKeyError."""
        try:
            return cls(
                str(row["key_id"]),
                str(row["public_key"]),
                date.fromisoformat(str(row["expires_on"])),
                str(row["signature"]),
            )
        except (KeyError, ValueError):
            raise FleetKeyError("The fleet key that was served cannot be read.") from None

    def checked(self, root: Ed25519PublicKey, today: date) -> X25519PublicKey:
        """The key to seal to. Raises FleetKeyError unless root has signed it, it names itself and is valid."""
        try:
            raw = spelling.decode(self.public_key)
            root.verify(spelling.decode(self.signature), self.statement())
            public = X25519PublicKey.from_public_bytes(raw)
        except (InvalidSignature, ValueError):
            raise FleetKeyError(
                f"The key {self.key_id} is not signed by this installation's root: nothing is sealed to it."
            ) from None
        if key_id_of(raw) != self.key_id:
            raise FleetKeyError(f"The key {self.key_id} is not the key it says: nothing is sealed to it.")
        if self.expires_on < today:
            raise FleetKeyError(
                f"The key {self.key_id} expired on {self.expires_on}: the operator must run empire keys rotate."
            )
        return public

    def statement(self) -> bytes:
        """What the root signs."""
        values = {"expires_on": self.expires_on.isoformat(), "key_id": self.key_id}
        return _LABEL + spelling.canonical({**values, "public_key": self.public_key})


def key_id_of(public_key: bytes) -> str:
    """`f` and 16 hex digits of the key's SHA-256: an id cannot be given to another key."""
    return "f" + hashlib.sha256(public_key).hexdigest()[:16]


def sign(public_key: X25519PublicKey, expires_on: date, root: Ed25519PrivateKey) -> SignedKey:
    """The public key with the root's signature."""
    raw = public_key.public_bytes_raw()
    unsigned = SignedKey(key_id_of(raw), spelling.encode(raw), expires_on, "")
    signature = spelling.encode(root.sign(unsigned.statement()))
    return SignedKey(unsigned.key_id, unsigned.public_key, expires_on, signature)


def newest_valid(
    rows: Iterable[Mapping[str, Any]], root: Ed25519PublicKey, today: date
) -> tuple[str, X25519PublicKey]:
    """Id and key to seal to, of rows that come newest first. Raises FleetKeyError with the first one's fault."""
    fault = FleetKeyError("This installation has no fleet key yet: the operator must run empire keys fleet.")
    for nth, row in enumerate(rows):
        try:
            signed = SignedKey.read(row)
            return signed.key_id, signed.checked(root, today)
        except FleetKeyError as error:
            fault = error if nth == 0 else fault
    raise fault


def read_root(text: str) -> Ed25519PublicKey:
    """The root's public key from its base64url text. Raises FleetKeyError."""
    try:
        return Ed25519PublicKey.from_public_bytes(spelling.decode(text.strip()))
    except ValueError:
        raise FleetKeyError("The root key must be the base64url text of 32 bytes.") from None


@dataclass(frozen=True, slots=True)
class Keyring:
    """The private keys of a fleet. What is sealed anew goes to `current`; older keys still open old seals."""

    current: str
    keys: Mapping[str, X25519PrivateKey] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `{"current": id, "keys": {id: base64url of 32 bytes}}`. Raises FleetKeyError."""
        try:
            values = json.loads(text)
            keys = {
                str(key_id): X25519PrivateKey.from_private_bytes(spelling.decode(raw))
                for key_id, raw in values["keys"].items()
            }
            current = str(values["current"])
        except (ValueError, TypeError, KeyError, AttributeError):
            raise FleetKeyError(
                "The fleet key file cannot be read: make it with empire keys fleet."
            ) from None
        if current not in keys or any(key_id != _own_id(key) for key_id, key in keys.items()):
            raise FleetKeyError("The fleet key file names keys it does not hold.")
        return cls(current, keys)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads a key file that only its owner can read. Raises FleetKeyError."""
        try:
            if os.name == "posix" and path.stat().st_mode & 0o077:
                raise FleetKeyError(f"{path} can be read by others; make it 0600.")
            return cls.parse(path.read_text())
        except OSError as error:
            raise FleetKeyError(f"{path} cannot be read: {error.strerror or error}.") from None

    def text(self) -> str:
        """What `parse` reads. Holds private keys: for a 0600 file only."""
        keys = {key_id: spelling.encode(key.private_bytes_raw()) for key_id, key in self.keys.items()}
        return json.dumps({"current": self.current, "keys": keys}, indent=2) + "\n"

    def key(self, key_id: str) -> X25519PrivateKey:
        """Raises UnknownKeyError."""
        if key_id not in self.keys:
            raise UnknownKeyError(
                f"Sealed to the key {key_id[:32]}, which this installation does not hold: enter it again."
            )
        return self.keys[key_id]

    def with_new(self) -> Keyring:
        """The same keys and a new one, which is current."""
        fresh = X25519PrivateKey.generate()
        key_id = _own_id(fresh)
        return Keyring(key_id, {key_id: fresh, **self.keys})

    def without(self, key_id: str) -> Keyring:
        """Without a key that nothing is sealed to any more. Raises FleetKeyError for the current one."""
        if key_id == self.current:
            raise FleetKeyError(f"{key_id} is the current key: rotate first.")
        return Keyring(self.current, {held: key for held, key in self.keys.items() if held != key_id})


def new_keyring() -> Keyring:
    """One fresh key."""
    fresh = X25519PrivateKey.generate()
    key_id = _own_id(fresh)
    return Keyring(key_id, {key_id: fresh})


def _own_id(key: X25519PrivateKey) -> str:
    return key_id_of(key.public_key().public_bytes_raw())


def new_root() -> Ed25519PrivateKey:
    """A root. Its private half signs fleet keys and belongs on a machine that serves nobody."""
    return Ed25519PrivateKey.generate()


def root_text(root: Ed25519PublicKey) -> str:
    """What `read_root` reads: what web and command line are built with."""
    return spelling.encode(root.public_bytes_raw())
