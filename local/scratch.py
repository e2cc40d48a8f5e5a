"""Throw-away clusters: for tests, for generated files, for the advisors. Nothing of them stays."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from local import database as local_database
from local import orphans
from local.account import server_account
from local.binaries import VERSIONS, place
from local.child import Child, Program
from local.paths import Paths
from local.ports import SCRATCH_BASE, reserve
from local.postgres import Cluster
from local.secrets import Secrets, load_or_create
from local.supabase_cli import SupabaseCli

_PREFIX = "empire-scratch-"
_MEMORY = Path("/dev/shm")  # noqa: S108 (folders in it are made by mkdtemp)
_ROOM_BYTES = 2 << 30


class Service:
    """A child without a supervisor: who holds it starts, stops and kills it."""

    def __init__(self, program: Program) -> None:
        self.child = Child(program)

    def start(self) -> None:
        """Start it, wait until it is healthy; one that ends at once is started again. Raises TimeoutError."""
        program = self.child.program
        if program.prepare:
            program.prepare()
        deadline = time.monotonic() + program.start_timeout_s
        self.child.start()
        while not self.child.healthy():
            if time.monotonic() > deadline:
                log = program.log.read_text(errors="replace")[-2000:]
                raise TimeoutError(f"{program.name} is not healthy:\n{log}")
            time.sleep(0.01)
            if self.child.pid is None:
                self.child.start()

    def stop(self) -> None:
        """Stop it in order."""
        self.child.stop()

    def kill(self) -> None:
        """kill -9."""
        self.child.kill()

    @property
    def pid(self) -> int | None:
        """The process while it runs."""
        return self.child.pid


@dataclass
class ScratchCluster:
    """A running cluster in a folder of its own."""

    paths: Paths
    secrets: Secrets
    cluster: Cluster
    postgres: Service
    cli: SupabaseCli

    def url(self, role: str, database: str = "postgres") -> str:
        """The address for a role."""
        return self.cluster.url(role, database)

    def prepare(self, database: str) -> None:
        """Make a database with everything a deployment has: roles, schemas, migrations by the real CLI."""
        self.cluster.sql(f"create database {database}")
        local_database.prepare(self.cluster, self.cli, database)

    def freeze(self, database: str) -> None:
        """Let nobody connect any more: a connection (autovacuum's, too) would block cloning."""
        self.cluster.sql(f"alter database {database} with allow_connections false")


def quick_folder() -> Path:
    """Where temporary things are cheapest: in memory, where there is room; a database has a thousand files."""
    if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free >= _ROOM_BYTES:
        return _MEMORY
    return Path(tempfile.gettempdir())


@contextmanager
def scratch_cluster(
    version: int = 18, durable: bool = False, parent: Path | None = None
) -> Iterator[ScratchCluster]:
    """A cluster in a temporary folder, gone afterwards. `durable=True` keeps fsync on, `parent` says where."""
    _remove_leftovers()
    home = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=parent))
    paths = Paths(home)
    paths.create()
    reservation = reserve(None, first=SCRATCH_BASE)
    secrets = load_or_create(paths.secrets)
    cluster = Cluster.at(home, reservation.ports.postgres, secrets.passwords, version, durable)
    postgres = Service(cluster.program(paths.log("postgres")))
    try:
        postgres.start()
        yield ScratchCluster(paths, secrets, cluster, postgres, SupabaseCli(home / "cli"))
    finally:
        postgres.stop()
        reservation.release()
        _remove(home)


def abandoned(prefix: str) -> list[Path]:
    """Temporary folders `<prefix><pid>-...` of ours whose process has ended without removing them."""
    parents = {Path(tempfile.gettempdir()), _MEMORY}
    found = [folder for parent in parents for folder in parent.glob(f"{prefix}*-*")]
    return [folder for folder in found if _is_abandoned(folder, folder.name.removeprefix(prefix))]


def _is_abandoned(folder: Path, rest: str) -> bool:
    owner = rest.split("-")[0]
    with suppress(FileNotFoundError):  # somebody else removes it
        ours = folder.stat().st_uid == os.geteuid()
        return owner.isdigit() and not orphans.is_running(int(owner)) and ours
    return False


def _remove_leftovers() -> None:
    """What a killed run left: its clusters still run and would fill memory and disk."""
    for folder in abandoned(_PREFIX):
        _remove(folder)


def _remove(home: Path) -> None:
    folder = place(home, server_account())
    orphans.end_orphans(home, [folder / f"postgres-{version}" for version in VERSIONS])
    for path in {folder, home}:
        shutil.rmtree(path, ignore_errors=True)
