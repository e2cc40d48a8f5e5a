"""The fleet's keys: private halves in one 0600 file, public halves signed by the root and published.

The root signs and does nothing else: on a machine that serves nobody is the right place for its file. Rotating
publishes a new key and keeps the old private one, so what was sealed before still opens; its owners seal anew
when they next replace a password. Forgetting the old one is a step of its own, refused while it is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from local.keys.files import KeyFiles
from local.secrets import write_private
from shared.crypto import fleet_keys, spelling
from shared.crypto.fleet_keys import FleetKeyError, Keyring, SignedKey

LIFE = timedelta(days=730)
"""How long clients seal to a key. What was sealed opens for as long as the private key is kept."""

_PUBLISH = """
    insert into public.fleet_keys (key_id, public_key, expires_on, signature) values ($1, $2, $3, $4)
    on conflict (key_id) do update
    set expires_on = excluded.expires_on, signature = excluded.signature, retired_at = null"""
_IN_FORCE = """
    select k.key_id, count(*) as n from (
      select s.key_id from public.credential_seals s
      join public.broker_connections c on c.id = s.connection_id and c.seal_version = s.version
      union all
      select d.key_id from engine.notification_doors d
    ) k group by k.key_id"""
"""Credentials of logins, and addresses that messages go to."""


@dataclass(frozen=True, slots=True)
class Known:
    """A key: published or not, held here or not, and how many credentials in force are sealed to it."""

    key_id: str
    expires_on: date | None
    retired: bool
    held: bool
    current: bool
    sealed: int


def ensure(files: KeyFiles) -> None:
    """Make the root and a first fleet key where there are none. Existing files are only read."""
    files.fleet.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not files.root.exists():
        root = fleet_keys.new_root()
        write_private(files.root, spelling.encode(root.private_bytes_raw()) + "\n")
        write_private(files.root_public, fleet_keys.root_text(root.public_key()) + "\n")
    if not files.fleet.exists():
        write_private(files.fleet, fleet_keys.new_keyring().text())


def signed(files: KeyFiles, today: date, life: timedelta = LIFE) -> SignedKey:
    """The current key with the root's signature. Raises FleetKeyError."""
    ring = Keyring.load(files.fleet)
    return fleet_keys.sign(ring.key(ring.current).public_key(), today + life, _root(files.root))


async def publish(database: asyncpg.Connection[Any], key: SignedKey) -> None:
    """Serve a key to clients; the keys before it are not sealed to any more."""
    async with database.transaction():
        await database.execute(_PUBLISH, key.key_id, key.public_key, key.expires_on, key.signature)
        await database.execute(
            "update public.fleet_keys set retired_at = now() where key_id <> $1 and retired_at is null",
            key.key_id,
        )


async def publish_if_new(database: asyncpg.Connection[Any], files: KeyFiles) -> None:
    """Serve the current key, unless it is served already and good for another month."""
    today = datetime.now(UTC).date()
    served = await database.fetchval(
        "select expires_on from public.fleet_keys where key_id = $1 and retired_at is null",
        Keyring.load(files.fleet).current,
    )
    if served is None or served < today + timedelta(days=31):
        await publish(database, signed(files, today))


async def rotate(database: asyncpg.Connection[Any], files: KeyFiles, today: date) -> SignedKey:
    """A new current key, held before it is published: what is sealed to it can be opened from the start."""
    write_private(files.fleet, Keyring.load(files.fleet).with_new().text())
    key = signed(files, today)
    await publish(database, key)
    return key


async def forget(
    database: asyncpg.Connection[Any], files: KeyFiles, key_id: str, even_if_needed: bool
) -> int:
    """Drop an old private key. Returns how many credentials must be entered again. Raises FleetKeyError."""
    ring = Keyring.load(files.fleet)
    if key_id not in ring.keys:
        raise FleetKeyError(f"{key_id} is not held here.")
    needed = (await _in_force(database)).get(key_id, 0)
    if needed and not even_if_needed:
        raise FleetKeyError(
            f"{needed} credentials in force are sealed to {key_id}: they would have to be entered again."
            " Wait until they are sealed anew, or use --even-if-needed."
        )
    write_private(files.fleet, ring.without(key_id).text())
    await database.execute(
        "update public.fleet_keys set retired_at = coalesce(retired_at, now()) where key_id = $1", key_id
    )
    return needed


async def known(database: asyncpg.Connection[Any], files: KeyFiles) -> list[Known]:
    """Every key that is published or held, newest first."""
    ring = Keyring.load(files.fleet)
    sealed = await _in_force(database)
    rows = await database.fetch(
        "select key_id, expires_on, retired_at is not null as retired from public.fleet_keys"
        " order by created_at desc"
    )
    found = [
        Known(
            row["key_id"],
            row["expires_on"],
            row["retired"],
            row["key_id"] in ring.keys,
            row["key_id"] == ring.current,
            sealed.get(row["key_id"], 0),
        )
        for row in rows
    ]
    published = {each.key_id for each in found}
    return found + [
        Known(key_id, None, False, True, key_id == ring.current, sealed.get(key_id, 0))
        for key_id in ring.keys
        if key_id not in published
    ]


async def _in_force(database: asyncpg.Connection[Any]) -> dict[str, int]:
    return {row["key_id"]: row["n"] for row in await database.fetch(_IN_FORCE)}


def _root(path: Path) -> Ed25519PrivateKey:
    try:
        if path.stat().st_mode & 0o077:
            raise FleetKeyError(f"{path} can be read by others; make it 0600.")
        return Ed25519PrivateKey.from_private_bytes(spelling.decode(path.read_text().strip()))
    except (OSError, ValueError):
        raise FleetKeyError(f"The root key cannot be read from {path}: bring it here to sign.") from None
