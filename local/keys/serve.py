"""`python -m local.keys.serve`: makes keys where there are none, serves the current one to clients, and ends.

A program of its own: the supervisor, which lives as long as the stack, holds no key and no library that opens one.
The database's address is in EMPIRE_DATABASE_URL.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

import asyncpg

from local.keys import fleet
from local.keys.files import KeyFiles
from local.paths import Paths
from shared.crypto.fleet_keys import FleetKeyError


async def serve(files: KeyFiles, database_url: str) -> None:
    """Raises FleetKeyError for files that are no keys, OSError where they cannot be read or the database is away."""
    fleet.ensure(files)
    opened = await asyncpg.connect(database_url)
    try:
        await fleet.publish_if_new(opened, files)
    finally:
        await opened.close()


def main() -> int:
    """Errors are one sentence and exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m local.keys.serve")
    parser.add_argument("--home", type=Path, required=True)
    paths = Paths.find(parser.parse_args().home)
    try:
        asyncio.run(serve(KeyFiles.of(paths), os.environ["EMPIRE_DATABASE_URL"]))
    except (FleetKeyError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
