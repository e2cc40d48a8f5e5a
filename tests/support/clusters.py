"""Postgres for tests: a throw-away cluster, a migrated template in it, and clones of that."""

from __future__ import annotations

import os
import secrets as random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from local import database as local_database
from local import orphans
from local.account import server_account
from local.binaries import VERSIONS, place
from local.child import Child, Program
from local.paths import Paths
from local.ports import Reservation, reserve
from local.postgres import Cluster
from local.secrets import Secrets, load_or_create
from local.supabase_cli import SupabaseCli

TEMPLATE = "empire_template"
_PREFIX = "empire-test-"


class Service:
    """A child that a test may stop, kill and start again."""

    def __init__(self, program: Program) -> None:
        self.child = Child(program)

    def start(self) -> None:
        """Start it and wait until it is healthy; one that ends at once is started again."""
        if self.child.program.prepare:
            self.child.program.prepare()
        deadline = time.monotonic() + self.child.program.start_timeout_s
        self.child.start()
        while not self.child.healthy():
            if time.monotonic() > deadline:
                log = self.child.program.log.read_text(errors="replace")[-2000:]
                raise TimeoutError(f"{self.child.program.name} is not healthy:\n{log}")
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
class TestCluster:
    """A running cluster of its own folder and port block."""

    paths: Paths
    secrets: Secrets
    cluster: Cluster
    postgres: Service
    cli: SupabaseCli
    __test__ = False

    def url(self, role: str, database: str = "postgres") -> str:
        """The address for a role."""
        return self.cluster.url(role, database)

    def prepare(self, database: str) -> None:
        """Make a database with everything a deployment has: roles, schemas, migrations by the real CLI."""
        self.cluster.sql(f"create database {database}")
        local_database.prepare(self.cluster, self.cli, database)

    def clone(self, template: str = TEMPLATE) -> Database:
        """A new database that equals the template."""
        name = f"test_{random.token_hex(6)}"
        self.cluster.clone(template, name)
        return Database(self, name)


@dataclass(frozen=True)
class Database:
    """One database with all migrations; nobody else uses it."""

    home: TestCluster
    name: str

    def url(self, role: str) -> str:
        """The address for postgres, authenticator, empire_worker, empire_edge or supabase_admin."""
        return self.home.url(role, self.name)

    async def connect(self, role: str = "postgres", **options: Any) -> asyncpg.Connection:
        """A connection as that role; the caller closes it."""
        return await asyncpg.connect(self.url(role), **options)

    def sql(self, statements: str, role: str = "supabase_admin") -> str:
        """Run statements through psql and return the rows as text (`|` between columns)."""
        return self.home.cluster.sql(statements, self.name, role)

    def drop(self) -> None:
        """Drop it, whoever is connected."""
        self.home.cluster.drop(self.name)


@contextmanager
def running_cluster(version: int, durable: bool = False) -> Iterator[TestCluster]:
    """A cluster in a temporary folder, gone afterwards. `durable=True` keeps fsync on."""
    _remove_leftovers()
    home = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    paths = Paths(home)
    paths.create()
    reservation = reserve(None)
    secrets = load_or_create(paths.secrets)
    cluster = Cluster.at(home, reservation.ports.postgres, secrets.passwords, version, durable)
    postgres = Service(cluster.program(paths.log("postgres")))
    try:
        postgres.start()
        yield TestCluster(paths, secrets, cluster, postgres, SupabaseCli(home / "cli"))
    finally:
        postgres.stop()
        reservation.release()
        _remove(home)


def freeze(cluster: TestCluster, template: str = TEMPLATE) -> None:
    """Let nobody connect to the template any more (autovacuum would block cloning)."""
    cluster.cluster.sql(f"alter database {template} with allow_connections false")


def reserve_ports() -> Reservation:
    """A block of ports for one stack."""
    return reserve(None)


def wait_until(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    """Wait for a condition; TimeoutError when it does not come true in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the condition did not come true in time")
        time.sleep(0.01)


def _remove_leftovers() -> None:
    """What a killed test run left: its clusters still run and would fill memory and disk."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        owner = folder.name.removeprefix(_PREFIX).split("-")[0]
        if owner.isdigit() and not orphans.is_running(int(owner)) and folder.owner() == _me():
            _remove(folder)


def _remove(home: Path) -> None:
    folder = place(home, server_account())
    orphans.end_orphans(home, [folder / f"postgres-{version}" for version in VERSIONS])
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)


def _me() -> str:
    return Path(f"/proc/{os.getpid()}").owner()
