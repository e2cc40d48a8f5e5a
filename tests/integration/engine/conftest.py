"""One road per test, in a database of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.integration.engine.road import Road
from tests.support.clusters import Database


@pytest.fixture
async def road(database: Database) -> AsyncIterator[Road]:
    """Connected as superuser, worker and edge."""
    connected = await Road.on(database)
    yield connected
    await connected.close()
