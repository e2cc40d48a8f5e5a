"""Closes have no id at TradeLocker: which order is whose, and when none is, against its simulator."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from decimal import Decimal

import pytest

from shared.models.outcome import Absent, CannotTell
from tests.conformance.harness import (
    accepted,
    close_of,
    eventually,
    instrument_of,
    open_position,
    sent,
    settled,
)
from tests.conformance.simulators import Operator, running_simulator
from tests.conformance.test_tradelocker import PATIENCE, TradeLockerVenue

PART = Decimal("0.10")


@pytest.fixture(scope="module")
def operator() -> Iterator[Operator]:
    """A simulator without rate limits."""
    with running_simulator("tradelocker", "--no-limits") as running:
        yield running


@pytest.fixture
async def venue(operator: Operator) -> AsyncIterator[TradeLockerVenue]:
    """A user of its own, on a machine whose clock is the simulator's, which writes milliseconds."""
    made = TradeLockerVenue(operator, lambda: None, patience=replace(PATIENCE, apart=0.002))
    made.price(made.bid, made.ask)
    yield made
    for connect in made.opened:
        await connect.close()
    made.clear()


async def test_a_part_that_never_arrived_is_absent_whatever_the_book_says(venue: TradeLockerVenue) -> None:
    """Our book has more than the broker, because a fill was not told yet: a close that no order stems from never
    arrived. It was unknown for ever."""
    broker = await venue.connect()
    instrument = await instrument_of(broker, venue)
    position = await open_position(broker, instrument, 3 * PART)
    command = sent(close_of(instrument, replace(position, qty=5 * PART), PART))
    assert isinstance(await broker.lookup(command), CannotTell)
    assert isinstance(await settled(broker, command), Absent)


async def test_an_earlier_close_is_not_this_one(venue: TradeLockerVenue) -> None:
    """Another command's close, whose fill was not told: a later one that never arrived is not taken for done. It
    stays unknown, until it is known whose the order is."""
    broker = await venue.connect()
    instrument = await instrument_of(broker, venue)
    position = await open_position(broker, instrument, 4 * PART)
    earlier = accepted(await broker.execute(sent(close_of(instrument, position, PART))))
    assert earlier.venue_order_id is not None
    other = await venue.connect()
    command = sent(close_of(instrument, position, PART))

    async def named() -> CannotTell | None:
        answer = await other.lookup(command)
        assert isinstance(answer, CannotTell), answer
        return answer if str(earlier.venue_order_id) in answer.text else None

    await eventually(named, "the doubt is named")
    known = replace(command, taken=frozenset({earlier.venue_order_id}))
    assert isinstance(await settled(other, known), Absent)
