"""Access and refresh tokens: JWTs with the claims of the real server, signed by the simulator."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

ACCESS_S = 3600
REFRESH_S = 7 * 24 * 3600


@dataclass(slots=True)
class Tokens:
    """Issues tokens and knows which are good. A refresh token is good once; `revoke` ends every session."""

    access_s: int = ACCESS_S
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    _not_before: dict[str, float] = field(default_factory=dict)
    _spent: set[str] = field(default_factory=set)

    def issue(self, server: str, user: str) -> dict[str, str]:
        """A new pair for a user, as the login and the refresh answer it."""
        now = time.time()
        expires = datetime.fromtimestamp(int(now) + self.access_s, UTC)
        return {
            "accessToken": self._token("access_token", server, user, now, self.access_s),
            "refreshToken": self._token("refresh_token", server, user, now, REFRESH_S),
            "expireDate": expires.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        }

    def user_of(self, token: str, kind: str) -> str | None:
        """The user a good token of this kind belongs to; None for any other."""
        claims = self._claims(token)
        if claims is None or claims.get("type") != kind or claims["exp"] <= time.time():
            return None
        user = str(claims["user"])
        good = claims["at"] >= self._not_before.get(user, 0.0) and claims["jti"] not in self._spent
        return user if good else None

    def spend(self, token: str) -> None:
        """A refresh token that was used is not good any more."""
        claims = self._claims(token)
        if claims is not None:
            self._spent.add(claims["jti"])

    def revoke(self, user: str) -> None:
        """End every session of a user: what a login elsewhere does."""
        self._not_before[user] = time.time()

    def _token(self, kind: str, server: str, user: str, now: float, lifetime_s: int) -> str:
        claims = {
            "iss": "tradelocker-api",
            "aud": "tradelocker-api-traders",
            "type": kind,
            "sub": f"{server}#{int(hashlib.sha256(user.encode()).hexdigest()[:8], 16)}",
            "uid": str(uuid.uuid5(uuid.NAMESPACE_URL, user)),
            "brand": server,
            "iat": int(now),
            "exp": int(now) + lifetime_s,
            "jti": secrets.token_hex(8),
            "user": user,
            "at": now,
        }
        body = ".".join(_b64(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
        return f"{body}.{self._signature(body)}"

    def _claims(self, token: str) -> dict[str, Any] | None:
        body, _, signature = token.rpartition(".")
        if not hmac.compare_digest(self._signature(body).encode(), signature.encode()):
            return None
        payload = body.partition(".")[2]
        claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return claims

    def _signature(self, body: str) -> str:
        return _b64(hmac.new(self._key, body.encode(), hashlib.sha256).digest())


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
