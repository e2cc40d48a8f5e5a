"""Passwords of our login roles on a database that is not embedded: the migrations create the roles without."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

ROLES = ("empire_worker", "empire_edge", "empire_relay", "empire_maintenance")
VARIABLES = {role: f"{role.upper()}_DATABASE_URL" for role in ROLES}
_ITERATIONS = 4096


class RolesMissing(Exception):
    """The migrations have not been applied."""


async def set_passwords(database: asyncpg.Connection[Any], roles: Iterable[str] = ROLES) -> dict[str, str]:
    """Give each role a fresh password and the right to log in; the passwords by role. Raises RolesMissing.

    What goes to the server is the SCRAM verifier, so no password stands in a statement log.
    """
    wanted = list(roles)
    there = {row["rolname"] for row in await database.fetch("select rolname from pg_roles")}
    if missing := [role for role in wanted if role not in there]:
        raise RolesMissing(f"The database has no role {', '.join(missing)}: apply the migrations first.")
    passwords = {role: secrets.token_urlsafe(32) for role in wanted}
    async with database.transaction():
        for role, password in passwords.items():
            statement = await database.fetchval(
                "select format('alter role %I with login password %L', $1::text, $2::text)",
                *(role, scram_verifier(password, secrets.token_bytes(16))),
            )
            await database.execute(statement)
    return passwords


def scram_verifier(password: str, salt: bytes, iterations: int = _ITERATIONS) -> str:
    """What Postgres stores for a password of ASCII characters (RFC 5803)."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    client = hmac.digest(salted, b"Client Key", "sha256")
    stored = hashlib.sha256(client).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    salt64, stored64, server64 = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return f"SCRAM-SHA-256${iterations}:{salt64}${stored64}:{server64}"


def environment(database_url: str, passwords: dict[str, str]) -> str:
    """The variables for workers and edge functions, one a line: the database's address as each role."""
    lines = [f"{VARIABLES[role]}={_as(database_url, role, password)}" for role, password in passwords.items()]
    return "\n".join(lines) + "\n"


def _as(database_url: str, role: str, password: str) -> str:
    parts = urlsplit(database_url)
    host = parts.netloc.rpartition("@")[2]
    # Behind Supabase's pooler a user name carries the project: postgres.<project>.
    project = (parts.username or "").partition(".")[2]
    user = f"{role}.{project}" if project else role
    return urlunsplit(parts._replace(netloc=f"{quote(user)}:{quote(password, safe='')}@{host}"))
