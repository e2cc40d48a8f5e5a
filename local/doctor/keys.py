"""The keys: none a known default, none readable by others, the fleet's key published and good for a while."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from local.doctor.checks import check
from local.keys.files import KeyFiles
from local.keys.fleet import Known, known
from local.secrets import UnsafeStart, refuse_known_defaults
from local.status import Installation
from shared.crypto.fleet_keys import FleetKeyError

_GOOD_FOR = timedelta(days=14)


@check("keys")
def _keys(found: Installation) -> str | None:
    paths = found.boot.paths
    files = KeyFiles.of(paths)
    for file in (paths.secrets, paths.state, paths.login, files.root, files.fleet):
        if file.exists() and _others_may_read(file):
            return f"{file} can be read by others: make it 0600."
    try:
        refuse_known_defaults(found.boot.secrets)
    except UnsafeStart as error:
        return str(error)
    return None


def _others_may_read(file: Path) -> bool:
    return bool(file.stat().st_mode & 0o077)


@check("fleet key")
def _fleet_key(found: Installation) -> str | None:
    try:
        keys = asyncio.run(_known(found))
    except FleetKeyError as error:
        return str(error)
    current = next((key for key in keys if key.current), None)
    if current is None or current.expires_on is None or current.retired:
        return "the key that credentials are sealed to is not published: run empire keys rotate."
    if current.expires_on < (datetime.now(UTC) + _GOOD_FOR).date():
        return f"the key that credentials are sealed to ends on {current.expires_on}: run empire keys rotate."
    if lost := [key for key in keys if key.sealed and not key.held]:
        count = sum(key.sealed for key in lost)
        return f"{count} credentials are sealed to a key that is not here: their owners must connect again."
    return None


async def _known(found: Installation) -> list[Known]:
    opened = await asyncpg.connect(found.boot.url("postgres"), timeout=5)
    try:
        return await known(opened, KeyFiles.of(found.boot.paths))
    finally:
        await opened.close()
