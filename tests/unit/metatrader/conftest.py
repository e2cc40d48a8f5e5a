"""A simulator for the tests of the adapter, and what makes accounts there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.conformance.simulators import Operator, running_simulator
from tests.conformance.test_metatrader import KIND_NAMES, MetaTraderVenue


@pytest.fixture(scope="package")
def operator() -> Iterator[Operator]:
    """A simulator without limits, an account of every kind for each token."""
    with running_simulator("metatrader", "--no-limits", "--accounts", str(len(KIND_NAMES))) as running:
        yield running


@pytest.fixture
async def make(operator: Operator) -> AsyncIterator[type]:
    """Makes tokens of their own, each with an account of a kind."""
    made: list[MetaTraderVenue] = []

    class Venue(MetaTraderVenue):
        def __init__(self, kind: str = "mt5 hedging") -> None:
            super().__init__(operator, kind)
            self.price(self.bid, self.ask)
            made.append(self)

    yield Venue
    for venue in made:
        await venue.close()
    operator.clear()
