"""Postgres for tests: clones of a template database that has every migration."""

from __future__ import annotations

import secrets as random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from local.scratch import ScratchCluster, quick_folder, scratch_cluster

TEMPLATE = "empire_template"
PATIENCE_S = 60.0
"""How long a test waits for what must come: on a busy machine, too. A test that passes never waits so long."""


@dataclass(frozen=True)
class Database:
    """One database with all migrations; nobody else uses it."""

    home: ScratchCluster
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
def template_cluster(version: int, durable: bool = False) -> Iterator[ScratchCluster]:
    """A cluster with the template in it."""
    with scratch_cluster(version, durable, quick_folder()) as running:
        running.prepare(TEMPLATE)
        running.freeze(TEMPLATE)
        yield running


def clone(cluster: ScratchCluster) -> Database:
    """A new database that equals the template."""
    name = f"test_{random.token_hex(6)}"
    cluster.cluster.clone(TEMPLATE, name)
    return Database(cluster, name)


def wait_until(condition: Callable[[], object], timeout_s: float = PATIENCE_S) -> None:
    """Wait for a condition; TimeoutError when it does not come true in time."""
    deadline = time.monotonic() + timeout_s
    pause_s = 0.01
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the condition did not come true in time")
        time.sleep(pause_s)
        # Asking may cost a process: who waits long does not take the time of what he waits for.
        pause_s = min(pause_s * 1.3, 0.1)
