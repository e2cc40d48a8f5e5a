"""Commands in a storm of faults: whatever is said, the gateway has each order at most once, and asking settles it."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal

import pytest

from shared.brokers.port import Broker, ReadFailed, Sent
from shared.brokers.topstepx.client import LIMITS
from shared.models.command import Protection
from shared.models.enums import OrderStatus, Side
from shared.models.market import Instrument
from shared.models.outcome import Absent, Accepted, Outcome, Rejected, Unknown
from tests.conformance.harness import entry, sent, settled
from tests.conformance.simulators import Operator, running_simulator
from tests.conformance.test_topstepx import TopstepXVenue, is_entry

D = Decimal
BID, ASK, TICK = D("25000.00"), D("25000.25"), D("0.25")
FAULTS = ",".join(
    f"{kind}@{operation}:{rate}"
    for operation, rate in (("place", 0.12), ("orders", 0.06), ("trades", 0.06), ("positions", 0.06))
    for kind in ("drop_after_read", "drop_after_accept", "error_before", "error_after", "garbled", "rate_limit_text",
                 "expired_token", "hang_after_accept=3", "late=0.3")
)  # fmt: skip
SEEDS = (1, 2)
COUNT = 40


@pytest.fixture(params=SEEDS, ids=lambda seed: f"seed {seed}")
def operator(request: pytest.FixtureRequest) -> Iterator[Operator]:
    """A simulator where one request in several goes wrong, in an order that the seed decides."""
    with running_simulator(
        "topstepx", "--no-limits", "--seed", str(request.param), "--faults", FAULTS
    ) as running:
        yield running


@pytest.fixture
async def venue(operator: Operator) -> AsyncIterator[TopstepXVenue]:
    """A user whose market stands still."""
    made = TopstepXVenue(operator, lambda: None, limits=dict.fromkeys(LIMITS, (100_000, 1.0)), answer_s=1.0)
    made.price(BID, ASK)
    yield made
    for connect in made.opened:
        await connect.close()


async def connected(venue: TopstepXVenue) -> Broker:
    """A broker, however often it takes."""
    while True:
        try:
            return await venue.connect()
        except ReadFailed:
            continue


def command(instrument: Instrument, number: int) -> Sent:
    """One contract to buy or to sell, every third with stop and target."""
    side = Side.BUY if number % 2 else Side.SELL
    sign = 1 if side is Side.BUY else -1
    wanted = Protection(BID - sign * 200 * TICK, BID + sign * 300 * TICK) if number % 3 == 0 else Protection()
    return sent(entry(instrument, D(1), side=side, protection=wanted, ref_price=BID))


async def end_of(broker: Broker, each: Sent) -> tuple[Outcome, bool]:
    """What a command comes to, and whether it was in doubt. Sent again only where it is provably absent."""
    outcome, doubted = await broker.execute(each), False
    while isinstance(outcome, Unknown):
        doubted = True
        answer = await settled(broker, each)
        outcome = await broker.execute(each) if isinstance(answer, Absent) else answer.outcome
    return outcome, doubted


async def test_each_order_is_there_as_often_as_it_was_said(venue: TopstepXVenue) -> None:
    """One order for each that was accepted, none for each that was refused, none twice."""
    broker = await connected(venue)
    instrument = await broker.instrument("MNQ1!")
    assert isinstance(instrument, Instrument)
    commands = [command(instrument, number) for number in range(COUNT)]
    random.Random(len(venue.user)).shuffle(commands)
    ends = await asyncio.gather(*(end_of(broker, each) for each in commands))
    venue.clear()
    made = Counter(str(each["tag"]) for each in venue.orders() if is_entry(each) and each["status"] != 5)
    assert all(count == 1 for count in made.values())
    for each, (outcome, _) in zip(commands, ends, strict=True):
        if isinstance(outcome, Accepted):
            assert made[each.client_order_id] == 1, outcome
            assert outcome.status in (OrderStatus.FILLED, OrderStatus.WORKING)
        else:
            assert isinstance(outcome, Rejected)
            assert made[each.client_order_id] == 0, outcome
    assert sum(doubted for _, doubted in ends) >= COUNT // 8
    fills = [
        fill.venue_fill_id for outcome, _ in ends if isinstance(outcome, Accepted) for fill in outcome.fills
    ]
    assert len(fills) == len(set(fills))
