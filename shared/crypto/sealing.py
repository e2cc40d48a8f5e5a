"""Broker credentials, sealed by the client to a recipient (the fleet, or a trader's own device) and opened there.

HPKE, single shot: X25519, HKDF-SHA256, AES-256-GCM; what is sealed is the encapsulated key (32 bytes) and the
ciphertext. `info` binds a seal to its row: another user, connection, broker, address, login, version or key, and
it does not open. Login and server stand inside as well and are compared after opening.

Twin of supabase/functions/_shared/sealing.ts: tests/payloads/crypto/seals.json is opened by both.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from shared.crypto import spelling

_CREDENTIAL_LABEL = b"empire-credential/1|"
_SESSION_LABEL = b"empire-session/1|"
MOST_BYTES = 16384
"""A seal is not longer: the table refuses it."""


class SealError(Exception):
    """A seal cannot be made or opened. The message is for the trader and never holds what was sealed."""


class UnknownKeyError(SealError):
    """Sealed to a key that is not (or no longer) held here."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What a trader seals. `secret` is the password or API key; `server` None where the broker has only one."""

    login: str
    secret: str = field(repr=False)
    server: str | None = None
    developer_key: str | None = field(default=None, repr=False)

    def to_bytes(self) -> bytes:
        """The plaintext of a seal."""
        return spelling.canonical(asdict(self))

    @classmethod
    def from_bytes(cls, plaintext: bytes) -> Self:
        """Raises SealError."""
        try:
            values = json.loads(plaintext)
            made = cls(**values)
        except (ValueError, TypeError):
            raise SealError("What was sealed is not a credential: enter it again.") from None
        texts = (made.login, made.secret, made.server or "", made.developer_key or "")
        if not all(isinstance(text, str) for text in texts):
            raise SealError("What was sealed is not a credential: enter it again.")
        return made


@dataclass(frozen=True, slots=True)
class Binding:
    """The row a credential belongs to. `base_url` None = the operator's settings know the address."""

    user_id: str
    connection_id: str
    broker: str
    environment: str
    base_url: str | None
    server: str | None
    login: str
    version: int
    key_id: str

    def info(self) -> bytes:
        """HPKE's info. Nothing of it is secret."""
        return _CREDENTIAL_LABEL + spelling.canonical(asdict(self))


@dataclass(frozen=True, slots=True)
class SessionBinding:
    """The row a broker's session tokens belong to."""

    connection_id: str
    version: int
    key_id: str

    def info(self) -> bytes:
        """HPKE's info."""
        return _SESSION_LABEL + spelling.canonical(asdict(self))


def seal(plaintext: bytes, info: bytes, public_key: X25519PublicKey) -> bytes:
    """Encapsulated key and ciphertext. Raises SealError when it would be too long to be kept."""
    sealed = _suite().encrypt(plaintext, public_key, info)
    if len(sealed) > MOST_BYTES:
        raise SealError(f"Too long: {len(sealed)} bytes sealed, at most {MOST_BYTES} are kept.")
    return sealed


def unseal(sealed: bytes, info: bytes, private_key: X25519PrivateKey) -> bytes:
    """The plaintext. Raises SealError: for another row, another version, or altered."""
    try:
        return _suite().decrypt(sealed, private_key, info)
    except (InvalidTag, ValueError):
        raise SealError(
            "The sealed credential does not belong to this connection as it stands: enter it again."
        ) from None


def seal_credential(credential: Credential, binding: Binding, public_key: X25519PublicKey) -> bytes:
    """A credential sealed for its row. Raises SealError when it names another login or server than the row."""
    _compare(credential, binding)
    return seal(credential.to_bytes(), binding.info(), public_key)


def open_credential(sealed: bytes, binding: Binding, private_key: X25519PrivateKey) -> Credential:
    """The credential of a row. Raises SealError."""
    credential = Credential.from_bytes(unseal(sealed, binding.info(), private_key))
    _compare(credential, binding)
    return credential


def _compare(credential: Credential, binding: Binding) -> None:
    if (credential.login, credential.server) != (binding.login, binding.server):
        raise SealError("The sealed credential names another login or server than this connection.")


def _suite() -> Suite:
    return Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
