"""The secrets of one installation: generated on first use, kept in one 0600 file, never a known default."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import json
import os
import secrets
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from shared.known_defaults import KNOWN_DEFAULTS

LOGIN_ROLES = (
    "supabase_admin",
    "postgres",
    "authenticator",
    "supabase_auth_admin",
    "empire_worker",
    "empire_edge",
    "empire_relay",
    "empire_maintenance",
)
"""Roles that may log in; each has a password of its own."""

_KEY_LIFETIME_S = 10 * 365 * 86400


class UnsafeStart(Exception):
    """Starting would expose the installation; the message names the setting, never its value."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """Everything generated. `token_keys` is `k1:<base64url of 32 bytes>`, the current key first."""

    jwt_secret: str
    publishable_key: str
    secret_key: str
    anon_jwt: str
    service_jwt: str
    token_keys: str
    functions_secret: str
    metrics_token: str
    passwords: dict[str, str]

    def __repr__(self) -> str:
        return "Secrets(...)"


def generate() -> Secrets:
    """Fresh random secrets, 128 bits and more each."""
    jwt_secret = secrets.token_urlsafe(48)
    return Secrets(
        jwt_secret=jwt_secret,
        publishable_key=_api_key("sb_publishable"),
        secret_key=_api_key("sb_secret"),
        anon_jwt=sign_jwt({"role": "anon", "iss": "empire"}, jwt_secret),
        service_jwt=sign_jwt({"role": "service_role", "iss": "empire"}, jwt_secret),
        token_keys=f"k1:{_base64url(secrets.token_bytes(32))}",
        functions_secret=secrets.token_urlsafe(32),
        metrics_token=secrets.token_urlsafe(32),
        passwords={role: secrets.token_urlsafe(24) for role in LOGIN_ROLES},
    )


def load_or_create(path: Path) -> Secrets:
    """Read the file, or generate and write it. Raises UnsafeStart when what it holds must not be used."""
    if not path.exists():
        _write_once(path, generate())
    if path.stat().st_mode & 0o077:
        raise UnsafeStart(f"{path} can be read by others; make it 0600.")
    loaded = Secrets(**json.loads(path.read_text()))
    refuse_known_defaults(loaded)
    if missing := [role for role in LOGIN_ROLES if role not in loaded.passwords]:
        # Made by a version that knew fewer roles.
        fresh = {role: secrets.token_urlsafe(24) for role in missing}
        loaded = replace(loaded, passwords={**loaded.passwords, **fresh})
        write_private(path, json.dumps(asdict(loaded), indent=2) + "\n")
    return loaded


def refuse_known_defaults(held: Secrets) -> None:
    """Raise UnsafeStart if a secret is empty, short or one that is printed in somebody's documentation."""
    values = {name: value for name, value in asdict(held).items() if isinstance(value, str)}
    values |= {f"password of {role}": value for role, value in held.passwords.items()}
    for name, value in values.items():
        if value in KNOWN_DEFAULTS or len(value) < 20:
            raise UnsafeStart(f"The {name} is a known default or too short; remove it and start again.")


def refuse_open_bind(host: str) -> None:
    """Raise UnsafeStart unless `host` is a loopback address: the embedded stack has no TLS of its own."""
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise UnsafeStart(
            f"{host} is not a loopback address: put a TLS proxy in front and keep the stack on 127.0.0.1."
        )


def sign_jwt(claims: dict[str, object], secret: str) -> str:
    """An HS256 token with iat and a far exp: the old style of API key, which some clients still send."""
    now = int(time.time())
    body = {**claims, "iat": now, "exp": now + _KEY_LIFETIME_S}
    parts = [
        json.dumps(part, separators=(",", ":")).encode() for part in ({"alg": "HS256", "typ": "JWT"}, body)
    ]
    signed = ".".join(_base64url(part) for part in parts)
    return f"{signed}.{_base64url(hmac.digest(secret.encode(), signed.encode(), 'sha256'))}"


def write_private(path: Path, text: str) -> None:
    """Replace a file by one only its owner can read; readers see the old or the new one, never half."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _write_once(path: Path, fresh: Secrets) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    write_private(draft, json.dumps(asdict(fresh), indent=2) + "\n")
    try:
        os.link(draft, path)  # fails when another start wrote it first: then its secrets are the ones
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _api_key(prefix: str) -> str:
    random = secrets.token_urlsafe(17)[:22]
    check = _base64url(hashlib.sha256(random.encode()).digest())[:8]
    return f"{prefix}_{random}_{check}"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
