"""Session tokens: JWTs that say when they end, good for a day; a new one does not end the old."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

LIFETIME_S = 24 * 3600


@dataclass(slots=True)
class Tokens:
    """Issues tokens and knows which are good."""

    lifetime_s: int = LIFETIME_S
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    _not_before: float = 0.0

    def issue(self, user: str) -> str:
        """A new token for a user."""
        now = time.time()
        claims = {
            "iss": "projectx-gateway",
            "nbf": int(now),
            "iat": int(now),
            "exp": int(now) + self.lifetime_s,
            "jti": secrets.token_hex(8),
            "user": user,
            "at": now,
        }
        body = ".".join(_b64(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
        return f"{body}.{self._signature(body)}"

    def user_of(self, token: str) -> str | None:
        """Whose good token it is; None for any other."""
        body, _, signature = token.rpartition(".")
        if not hmac.compare_digest(self._signature(body).encode(), signature.encode()):
            return None
        payload = body.partition(".")[2]
        claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        good = claims["exp"] > time.time() and claims["at"] >= self._not_before
        return str(claims["user"]) if good else None

    def revoke(self) -> None:
        """End every session."""
        self._not_before = time.time()

    def _signature(self, body: str) -> str:
        return _b64(hmac.new(self._key, body.encode(), hashlib.sha256).digest())


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
