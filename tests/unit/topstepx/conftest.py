"""A simulator for the tests of the adapter, and a user of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.conformance.simulators import Operator, running_simulator
from tests.conformance.test_topstepx import TopstepXVenue
from tests.unit.topstepx.trades import ASK, BID


@pytest.fixture(scope="package")
def operator() -> Iterator[Operator]:
    """A simulator without rate limits, three accounts a user."""
    with running_simulator("topstepx", "--no-limits", "--accounts", "3") as running:
        yield running


@pytest.fixture
async def venue(operator: Operator) -> AsyncIterator[TopstepXVenue]:
    """A user of its own, at the price where every test starts."""
    made = TopstepXVenue(operator, lambda: None)
    made.price(BID, ASK)
    yield made
    for connect in made.opened:
        await connect.close()
    made.clear()
