"""Closes have no id at TopstepX: which order is whose, and when none is, against its simulator."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal

import pytest
from msgspec.structs import replace

from shared.brokers.port import Broker
from shared.models.market import Instrument
from shared.models.outcome import Absent, Accepted, CannotTell, Found, Unknown
from shared.models.trading import Position
from tests.conformance.harness import (
    accepted,
    close_of,
    entry,
    eventually,
    instrument_of,
    only_position,
    open_position,
    sent,
    settled,
)
from tests.conformance.simulators import Operator, running_simulator
from tests.conformance.test_topstepx import PATIENCE, TopstepXVenue

D = Decimal


@pytest.fixture(scope="module")
def operator() -> Iterator[Operator]:
    """A simulator without rate limits."""
    with running_simulator("topstepx", "--no-limits") as running:
        yield running


@pytest.fixture
async def venue(operator: Operator) -> AsyncIterator[TopstepXVenue]:
    """A user of its own, on a machine whose clock is the simulator's."""
    made = TopstepXVenue(operator, lambda: None, patience=dataclasses.replace(PATIENCE, apart=0.0))
    made.price(made.bid, made.ask)
    yield made
    for connect in made.opened:
        await connect.close()
    made.clear()


async def opened(venue: TopstepXVenue, qty: int) -> tuple[Broker, Instrument, Position]:
    """A position, and who opened it."""
    broker = await venue.connect()
    instrument = await instrument_of(broker, venue)
    return broker, instrument, await open_position(broker, instrument, D(qty))


async def test_a_part_that_never_arrived_is_absent_whatever_the_book_says(venue: TopstepXVenue) -> None:
    """Our book has more than the broker, because a fill was not told yet: a close that no order stems from never
    arrived. It was unknown for ever."""
    broker, instrument, position = await opened(venue, 3)
    command = sent(close_of(instrument, replace(position, qty=D(5)), D(1)))
    assert isinstance(await broker.lookup(command), CannotTell)
    assert isinstance(await settled(broker, command), Absent)


async def test_a_part_that_arrived_is_found_whatever_has_come_since(venue: TopstepXVenue) -> None:
    """The position is larger than it was known to be, and the close was done all the same: it was sent twice."""
    broker, instrument, position = await opened(venue, 3)
    venue.fault("drop_after_accept", "close")
    command = sent(close_of(instrument, replace(position, qty=D(2)), D(1)))
    assert isinstance(await broker.execute(command), Unknown)
    accepted(await broker.execute(sent(entry(instrument, D(2)))))
    answer = await settled(await venue.connect(), command)
    assert isinstance(answer, Found)
    assert accepted(answer.outcome).filled_qty == 1


async def test_an_earlier_close_is_not_this_one(venue: TopstepXVenue) -> None:
    """Another command's close, whose fill was not told: a later one that never arrived is not taken for done. It
    stays unknown, until it is known whose the order is."""
    broker, instrument, position = await opened(venue, 4)
    earlier = accepted(await broker.execute(sent(close_of(instrument, position, D(1)))))
    command = sent(close_of(instrument, position, D(1)))
    other = await venue.connect()

    async def old_enough() -> CannotTell | None:
        answer = await other.lookup(command)
        assert isinstance(answer, CannotTell), answer
        return answer if earlier.venue_order_id and earlier.venue_order_id in answer.text else None

    await eventually(old_enough, "the doubt is named")
    assert earlier.venue_order_id is not None
    known = replace(command, taken=frozenset({earlier.venue_order_id}))
    assert isinstance(await settled(other, known), Absent)


async def test_a_close_of_all_is_told_by_its_own_order(venue: TopstepXVenue) -> None:
    """Nothing can be read before it, and our book holds what an earlier close has closed: its own order is told, not
    that one, although that one is as large as the book says."""
    broker, instrument, position = await opened(venue, 3)
    accepted(await broker.execute(sent(close_of(instrument, position))))
    accepted(await broker.execute(sent(entry(instrument, D(4)))))
    await only_position(broker)
    other = await venue.connect()
    for name in ("positions", "orders", "trades", "query"):
        venue.operator.fault("error_before", operation=name, times=None)
    closing = asyncio.create_task(other.execute(sent(close_of(instrument, position))))

    async def closed() -> bool | None:
        return venue.net() == 0 or None

    await eventually(closed, "the close")
    venue.clear()
    outcome = await closing
    assert isinstance(outcome, Accepted)
    assert outcome.filled_qty == 4
