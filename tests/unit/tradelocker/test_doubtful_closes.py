"""Closes have no id at TradeLocker: which order is whose, and when none is, against its simulator."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal

import pytest
from msgspec.structs import replace

from shared.brokers.port import Broker, Sent
from shared.models.command import Rival
from shared.models.outcome import Absent, Accepted, CannotTell, Found, Unknown
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
    made = TradeLockerVenue(operator, lambda: None, patience=dataclasses.replace(PATIENCE, apart=0.002))
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


@pytest.fixture
async def apart(operator: Operator) -> AsyncIterator[TradeLockerVenue]:
    """A user of its own, on a machine whose clock may be some seconds from the broker's: time tells little."""
    made = TradeLockerVenue(operator, lambda: None)
    made.price(made.bid, made.ask)
    yield made
    for connect in made.opened:
        await connect.close()
    made.clear()


def rival_of(command: Sent, *, certain: bool, under_way: bool = False) -> Rival:
    """A close as the lookup of another one of its position is told of it, while its order is not known."""
    leg = command.leg
    return Rival(
        command.client_order_id,
        leg.qty,
        leg.held_qty,
        command.submitted_at,
        certain=certain,
        under_way=under_way,
    )


def orders_of(answers: list[Accepted]) -> Counter[str]:
    """How often each order of the broker is the answer to a close."""
    return Counter(each.venue_order_id for each in answers if each.venue_order_id is not None)


async def found(broker: Broker, command: Sent) -> Accepted:
    """What a lookup finds, in the end."""
    answer = await settled(broker, command)
    assert isinstance(answer, Found), answer
    return accepted(answer.outcome)


@pytest.mark.parametrize("lag", ["", "0.4"], ids=["lists at once", "lists that lag"])
async def test_a_close_of_the_rest_takes_nothing_of_a_part_in_doubt(
    apart: TradeLockerVenue, lag: str
) -> None:
    """The answer to a part was lost, and the rest is closed by another worker, which knows nothing of it: each has its own
    order. The close of all had both, and the part none for ever."""
    one, other = await apart.connect(), await apart.connect()
    instrument = await instrument_of(one, apart)
    position = await open_position(one, instrument, 3 * PART)
    await instrument_of(other, apart)
    if lag:
        apart.fault("lag_lists", "reads", value=lag, times=None)
    apart.fault("drop_after_accept", "close")
    part, whole = sent(close_of(instrument, position, PART)), sent(close_of(instrument, position))
    assert isinstance(await one.execute(part), Unknown)
    rest = accepted(await other.execute(whole))
    assert (rest.filled_qty, [each.qty for each in rest.fills]) == (2 * PART, [2 * PART])
    assert apart.net() == 0
    told = await found(one, replace(part, taken=frozenset({str(rest.venue_order_id)})))
    assert (told.filled_qty, [each.qty for each in told.fills]) == (PART, [PART])
    assert set(orders_of([rest, told]).values()) == {1}


async def test_two_parts_in_doubt_at_once_have_an_order_each(apart: TradeLockerVenue) -> None:
    """Both were done and both answers were lost, at two workers: as many orders as closes, and each its own."""
    one, other = await apart.connect(), await apart.connect()
    instrument = await instrument_of(one, apart)
    await instrument_of(other, apart)
    position = await open_position(one, instrument, 3 * PART)
    apart.fault("drop_after_accept", "close", times=2)
    first, second = sent(close_of(instrument, position, PART)), sent(close_of(instrument, position, PART))
    told = await asyncio.gather(one.execute(first), other.execute(second))
    assert [type(each) for each in told] == [Unknown, Unknown]
    first = replace(first, rivals=(rival_of(second, certain=False),))
    second = replace(second, rivals=(rival_of(first, certain=False),))
    answers = [await found(other, first), await found(one, second)]
    assert [each.filled_qty for each in answers] == [PART, PART]
    assert set(orders_of(answers).values()) == {1}
    assert len(orders_of(answers)) == 2


async def test_the_only_order_is_that_of_the_close_that_was_taken(apart: TradeLockerVenue) -> None:
    """One close never arrived. Of another, which the broker has taken, the order is not known yet: the one order there is
    is not taken for the first one's, which is sent again then."""
    broker = await apart.connect()
    instrument = await instrument_of(broker, apart)
    position = await open_position(broker, instrument, 4 * PART)
    apart.fault("drop_after_read", "close")
    lost, done = sent(close_of(instrument, position, PART)), sent(close_of(instrument, position, PART))
    assert isinstance(await broker.execute(lost), Unknown)
    accepted(await (await apart.connect()).execute(done))
    asked = await apart.connect()
    assert isinstance(await settled(asked, replace(lost, rivals=(rival_of(done, certain=True),))), Absent)


async def test_an_order_is_nobodys_while_a_close_beside_it_is_under_way(apart: TradeLockerVenue) -> None:
    """Two closes of the same part, one order, and one of them may still be done: whose it is cannot be told. When no more
    can come it is that of the one sent first, and the other one never arrived: two in all, whichever it was."""
    broker = await apart.connect()
    instrument = await instrument_of(broker, apart)
    position = await open_position(broker, instrument, 4 * PART)
    apart.fault("drop_after_accept", "close")
    first, second = sent(close_of(instrument, position, PART)), sent(close_of(instrument, position, PART))
    assert isinstance(await broker.execute(second), Unknown)
    asked = await apart.connect()
    beside = replace(first, rivals=(rival_of(second, certain=False, under_way=True),))
    by = asyncio.get_running_loop().time() + 2 * PATIENCE.lag
    while asyncio.get_running_loop().time() < by:
        assert isinstance(await asked.lookup(beside), CannotTell)
    assert (await found(asked, replace(first, rivals=(rival_of(second, certain=False),)))).filled_qty == PART
    assert isinstance(await settled(asked, replace(second, rivals=(rival_of(first, certain=False),))), Absent)


async def test_of_two_orders_that_could_be_its_none_is(apart: TradeLockerVenue) -> None:
    """A close in doubt, and two alike that nobody here knows: the trader's own hand was there. Which one is it cannot be
    told, and is not guessed, while anything is left of the position."""
    broker, hand = await apart.connect(), await apart.connect()
    instrument = await instrument_of(broker, apart)
    position = await open_position(broker, instrument, 4 * PART)
    apart.fault("drop_after_accept", "close")
    command = sent(close_of(instrument, position, PART))
    assert isinstance(await broker.execute(command), Unknown)
    by_hand = accepted(await hand.execute(sent(close_of(instrument, position, PART))))
    asked = await apart.connect()

    async def both() -> CannotTell | None:
        answer = await asked.lookup(command)
        assert isinstance(answer, CannotTell), answer
        return answer if str(by_hand.venue_order_id) in answer.text else None

    await eventually(both, "the candidates are named")
    known = replace(command, taken=frozenset({str(by_hand.venue_order_id)}))
    assert (await found(asked, known)).filled_qty == PART


async def test_a_part_that_comes_before_the_rest_is_not_the_rest(apart: TradeLockerVenue) -> None:
    """Two closes of one worker at once, both answered, of the same quantity in the end: what leaves nothing came last."""
    broker = await apart.connect()
    instrument = await instrument_of(broker, apart)
    position = await open_position(broker, instrument, 2 * PART)
    apart.fault("lag_lists", "reads", value="0.4", times=None)
    part, whole = sent(close_of(instrument, position, PART)), sent(close_of(instrument, position))

    def made() -> list[str]:
        return [e["id"] for e in apart.operator.state()[apart.number]["ended"] if e["role"] == "close"]

    async def one() -> bool | None:
        return bool(await asyncio.to_thread(made)) or None

    first = asyncio.create_task(broker.execute(part))
    await eventually(one, "the part is closed")
    answers = [accepted(await broker.execute(whole)), accepted(await first)][::-1]
    assert [each.venue_order_id for each in answers] == made()
    assert [each.filled_qty for each in answers] == [PART, PART]


async def test_a_whole_close_that_was_filled_in_part_has_what_it_did(apart: TradeLockerVenue) -> None:
    """The broker closed half of all there is: the close has that half, and is over."""
    broker = await apart.connect()
    instrument = await instrument_of(broker, apart)
    position = await open_position(broker, instrument, 2 * PART)
    apart.fault("partial_fill", "close", value="0.5")
    told = accepted(await broker.execute(sent(close_of(instrument, position))))
    assert (told.status.value, told.filled_qty) == ("canceled", PART)
    assert apart.net() == PART
