"""Fixtures of the whole suite: real Postgres, gateway and programs; each test has a database of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
from hypothesis import HealthCheck, settings

from local.keys.files import KeyFiles
from local.scratch import ScratchCluster
from tests.support import processes
from tests.support.clusters import Database, clone, template_cluster
from tests.support.connections import key_folder
from tests.support.stacks import RunningStack, running_stack

settings.register_profile(
    "steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("wild", settings.get_profile("steady"), derandomize=False)
settings.load_profile("steady")
"""Properties are tried with the same examples each time, however slow the machine is. Others: --hypothesis-profile=wild."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """--pg chooses the Postgres that the suite runs on."""
    parser.addoption("--pg", type=int, choices=(16, 18), default=18, help="major version of Postgres")


@pytest.fixture(scope="session")
def pg(request: pytest.FixtureRequest) -> int:
    """The major version of Postgres under test."""
    version: int = request.config.getoption("--pg")
    return version


@pytest.fixture(scope="session")
def cluster(pg: int) -> Iterator[ScratchCluster]:
    """One cluster per test process, without fsync, with a template database that has every migration."""
    with template_cluster(pg) as running:
        yield running


@pytest.fixture
def database(cluster: ScratchCluster) -> Iterator[Database]:
    """A database of the test's own."""
    cloned = clone(cluster)
    yield cloned
    cloned.drop()


@pytest.fixture
def stack(database: Database) -> Iterator[RunningStack]:
    """Gateway and functions on the test's own database."""
    with running_stack(database) as running:
        yield running


@pytest.fixture(scope="module")
def shared_stack(cluster: ScratchCluster) -> Iterator[RunningStack]:
    """Gateway and functions for a whole module, for tests that only touch users they made themselves."""
    cloned = clone(cluster)
    with running_stack(cloned) as running:
        yield running
    cloned.drop()


@pytest.fixture
def own_cluster(pg: int) -> Iterator[ScratchCluster]:
    """A cluster of the test's own, with fsync, migrated: its `postgres` may be stopped and killed."""
    with template_cluster(pg, durable=True) as running:
        yield running


@pytest.fixture
def own_stack(own_cluster: ScratchCluster) -> Iterator[RunningStack]:
    """Gateway and functions on a cluster of the test's own: everything may be killed."""
    with running_stack(clone(own_cluster)) as running:
        yield running


@pytest.fixture(scope="module")
def files() -> Iterator[KeyFiles]:
    """The keys of a module's fleet."""
    with key_folder() as made:
        yield made


@pytest.fixture(scope="session")
def run() -> Callable[..., AbstractContextManager[processes.Running]]:
    """`with run("empire", "worker", "execution", env={...}) as worker:` starts a real program."""
    return processes.run
