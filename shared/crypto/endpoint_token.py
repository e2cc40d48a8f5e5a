"""Endpoint tokens: `<kid>.<endpoint id>.<version>.<128-bit MAC>`.

Twin of supabase/functions/_shared/token.ts: tests/payloads/crypto/tokens.json holds both to equal results.
The MAC alone never suffices: the database also wants an enabled endpoint and the current version."""

import base64
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_TOKEN_LABEL = b"empire/endpoint-token/1"
_SIGNATURE_LABEL = b"empire/endpoint-signature/1"
_MAC_BYTES = 16
_MOST_KEYS = 2
_KEY = re.compile(r"([a-z0-9]{1,8}):([A-Za-z0-9_-]{43})")
_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_TOKEN = re.compile(rf"([a-z0-9]{{1,8}})\.({_UUID})\.([1-9][0-9]{{0,8}})\.([A-Za-z0-9_-]{{22}})")


class TokenKeysError(ValueError):
    """EMPIRE_TOKEN_KEYS is not what it must be. The message never holds a key."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What a token names, once its MAC has been found right."""

    kid: str
    endpoint_id: str
    version: int


@dataclass(frozen=True, slots=True)
class _DerivedKeys:
    token: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class TokenKeys:
    """The keys derived from EMPIRE_TOKEN_KEYS. `current` makes new tokens."""

    keys: Mapping[str, _DerivedKeys] = field(repr=False)
    current: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `k2:<base64url of 32 bytes>,k1:...`: the first is current, two are a rotation.

        Raises TokenKeysError."""
        keys: dict[str, _DerivedKeys] = {}
        for entry in text.split(","):
            match = _KEY.fullmatch(entry)
            master = base64.urlsafe_b64decode(match[2] + "=") if match else b""
            # Compared with its own encoding: stray bits in the last character would make two spellings.
            if match is None or _encode(master) != match[2] or match[1] in keys:
                raise TokenKeysError(
                    "EMPIRE_TOKEN_KEYS must be <key id>:<base64url of 32 bytes>, one or two, by commas"
                )
            keys[match[1]] = _DerivedKeys(_derive(master, _TOKEN_LABEL), _derive(master, _SIGNATURE_LABEL))
        if len(keys) > _MOST_KEYS:
            raise TokenKeysError("EMPIRE_TOKEN_KEYS may hold two keys: the new one and the old one")
        return cls(keys, next(iter(keys)))

    def token(self, endpoint_id: str, version: int) -> str:
        """The token of an endpoint under the current key."""
        named = f"{self.current}.{endpoint_id}.{version}"
        return f"{named}.{_mac(self.keys[self.current].token, named)}"

    def verify(self, token: str) -> Credential | None:
        """What `token` names, or None when it is malformed, of an unknown key, or forged."""
        match = _TOKEN.fullmatch(token)
        if match is None or match[1] not in self.keys:
            return None
        kid, endpoint_id, version, given = match.groups()
        expected = _mac(self.keys[kid].token, f"{kid}.{endpoint_id}.{version}")
        if not hmac.compare_digest(expected, given):
            return None
        return Credential(kid, endpoint_id, int(version))

    def signing_secret(self, endpoint_id: str, version: int, kid: str | None = None) -> str:
        """The secret with which the sender of an endpoint signs: `whsec_...`, used whole as the HMAC key.

        Raises KeyError for a key id we do not hold."""
        key = self.keys[kid or self.current].signature
        return "whsec_" + _encode(hmac.digest(key, f"{endpoint_id}.{version}".encode(), "sha256"))


def _derive(master: bytes, label: bytes) -> bytes:
    return HKDF(SHA256(), length=32, salt=None, info=label).derive(master)


def _mac(key: bytes, named: str) -> str:
    return _encode(hmac.digest(key, named.encode(), "sha256")[:_MAC_BYTES])


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
