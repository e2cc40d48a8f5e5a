"""Thousands of steps at the simulated brokers, with the database and the whole road: whenever it is quiet our books are
theirs to the cent and the tick, and no invariant is broken."""

from __future__ import annotations

import pytest

from tests.integration.steps.cases import CASES, lived
from tests.support.clusters import Database

STEPS, SEED = 2_500, 20_261_125
"""At each account, of which there are four. Hours of it: bench/steps.py."""


@pytest.mark.parametrize("case", list(CASES))
async def test_our_books_follow_thousands_of_steps(database: Database, case: str) -> None:
    """Alerts of every action, orders placed, filled, closed and taken back by hand, stops and targets that fire, writes that
    fail in every way, lists that lag, other workers: at every quiet point positions, prices, protection, waiting orders and
    money agree with the broker's."""
    life = await lived(database, case, SEED, STEPS)
    told = life.count
    assert told["hand done"] > STEPS / 20, told
    assert told["alert"] > STEPS / 125, told
    assert told["quiet"] > STEPS / 125, told
