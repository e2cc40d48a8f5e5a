"""A database with users of every kind in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.scratch import ScratchCluster
from tests.security.people import seed
from tests.support.clusters import Database, clone


@pytest.fixture(scope="module")
def peopled(cluster: ScratchCluster) -> Iterator[Database]:
    """For tests that undo what they do: one database for a module."""
    cloned = clone(cluster)
    seed(cloned)
    yield cloned
    cloned.drop()


@pytest.fixture
def own_people(database: Database) -> Database:
    """For tests that leave something behind: a database of the test's own."""
    seed(database)
    return database
