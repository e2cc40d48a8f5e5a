"""Fixtures of the whole suite: real Postgres, gateway and programs; each test has a database of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from tests.support import processes
from tests.support.clusters import TEMPLATE, Database, TestCluster, freeze, running_cluster
from tests.support.stacks import RunningStack, running_stack


def pytest_addoption(parser: pytest.Parser) -> None:
    """--pg chooses the Postgres that the suite runs on."""
    parser.addoption("--pg", type=int, choices=(16, 18), default=18, help="major version of Postgres")


@pytest.fixture(scope="session")
def pg(request: pytest.FixtureRequest) -> int:
    """The major version of Postgres under test."""
    version: int = request.config.getoption("--pg")
    return version


@pytest.fixture(scope="session")
def cluster(pg: int) -> Iterator[TestCluster]:
    """One cluster per test process, without fsync, with a template database that has every migration."""
    with running_cluster(pg) as running:
        running.prepare(TEMPLATE)
        freeze(running)
        yield running


@pytest.fixture
def database(cluster: TestCluster) -> Iterator[Database]:
    """A database of the test's own."""
    cloned = cluster.clone()
    yield cloned
    cloned.drop()


@pytest.fixture
def stack(database: Database) -> Iterator[RunningStack]:
    """Gateway and functions on the test's own database."""
    with running_stack(database) as running:
        yield running


@pytest.fixture(scope="module")
def shared_stack(cluster: TestCluster) -> Iterator[RunningStack]:
    """Gateway and functions for a whole module, for tests that only touch users they made themselves."""
    cloned = cluster.clone()
    with running_stack(cloned) as running:
        yield running
    cloned.drop()


@pytest.fixture
def own_cluster(pg: int) -> Iterator[TestCluster]:
    """A cluster of the test's own, with fsync, migrated: its `postgres` may be stopped and killed."""
    with running_cluster(pg, durable=True) as running:
        running.prepare(TEMPLATE)
        freeze(running)
        yield running


@pytest.fixture
def own_stack(own_cluster: TestCluster) -> Iterator[RunningStack]:
    """Gateway and functions on a cluster of the test's own: everything may be killed."""
    with running_stack(own_cluster.clone()) as running:
        yield running


@pytest.fixture(scope="session")
def run() -> Callable[..., AbstractContextManager[processes.Running]]:
    """`with run("empire", "worker", "execution", env={...}) as worker:` starts a real program."""
    return processes.run
