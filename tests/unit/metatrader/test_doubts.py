"""One trade for one command, whatever breaks; orders that lost their label; histories that are not complete."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta

import pytest

from shared.brokers.metatrader.client import LIMITS
from shared.brokers.pacing import background
from shared.brokers.port import Broker, ReadFailed, Sent
from shared.models.command import Protection
from shared.models.enums import CommandKind, OrderStatus, OrderType, Side
from shared.models.market import Instrument
from shared.models.outcome import Absent, CannotTell, Found, Unknown
from shared.models.reasons import Reason
from tests.conformance.harness import (
    accepted,
    close_of,
    entry,
    leg_of,
    open_position,
    rejected,
    sent,
)
from tests.conformance.simulators import running_simulator
from tests.conformance.test_metatrader import MetaTraderVenue
from tests.unit.metatrader.trades import LONG_AGO, LOTS, D, traded


@pytest.mark.parametrize(
    "fault", ["drop_after_read", "drop_after_accept", "garbled", "error_after", "error_before"]
)
@pytest.mark.parametrize("operation", ["place", "close", "cancel", "modify", "protect"])
async def test_one_trade_for_one_command(make: type[MetaTraderVenue], operation: str, fault: str) -> None:
    """Whatever breaks, MetaApi receives a command once, and what became of it is found out."""
    venue = make()
    broker = await venue.connect()
    instrument = await traded(broker)
    position = await open_position(broker, instrument, 3 * LOTS)
    low = venue.bid - 100 * instrument.tick_size
    waiting = accepted(await broker.execute(sent(entry(instrument, LOTS, type=OrderType.LIMIT, price=low))))
    named = {"venue_order_id": waiting.venue_order_id, "side": Side.BUY, "type": OrderType.LIMIT}
    legs = {
        "place": entry(instrument, LOTS),
        "close": close_of(instrument, position, LOTS),
        "cancel": leg_of(instrument, kind=CommandKind.CANCEL, **named),
        "modify": leg_of(instrument, kind=CommandKind.MODIFY, price=low - instrument.tick_size, **named),
        "protect": leg_of(
            instrument, kind=CommandKind.PROTECT, side=Side.BUY, qty=3 * LOTS,
            venue_position_id=position.venue_position_id, protection=Protection(low),
        ),
    }  # fmt: skip
    before = len(venue.operator.log())
    venue.fault(fault, operation)
    command = sent(legs[operation], datetime.now(UTC) - LONG_AGO)
    assert isinstance(await broker.execute(command), Unknown)
    done = fault not in ("drop_after_read", "error_before")
    assert len(venue.operator.log()) - before == int(done)
    answer = await (await venue.connect()).lookup(command)
    assert isinstance(answer, Found if done else Absent), answer


@pytest.mark.parametrize("code", ["-11", "-7", "-1", "10012", "10031", "128"])
async def test_done_although_the_code_doubts_it(make: type[MetaTraderVenue], code: str) -> None:
    """The terminal lost sight of it and it was executed: Unknown, then found, once."""
    venue = make()
    broker = await venue.connect()
    venue.fault("refuse_after", "place", value=code)
    command = sent(entry(await traded(broker), LOTS))
    assert isinstance(await broker.execute(command), Unknown)
    answer = await broker.lookup(command)
    assert isinstance(answer, Found)
    assert accepted(answer.outcome).filled_qty == LOTS
    assert venue.orders_made() == 1


async def test_a_yes_without_ids(make: type[MetaTraderVenue]) -> None:
    """Taken, and the answer does not say which order it is: found by our label."""
    venue = make()
    broker = await venue.connect()
    venue.fault("empty_answer", "place")
    command = sent(entry(await traded(broker), LOTS))
    assert isinstance(await broker.execute(command), Unknown)
    assert isinstance(await broker.lookup(command), Found)


async def test_a_throttled_trade_keeps_everything_quiet(make: type[MetaTraderVenue]) -> None:
    """After a 429 nothing is sent before the time that it named."""
    venue = make()
    broker = await venue.connect()
    instrument = await traded(broker)
    venue.fault("rate_limit_json", "place")
    began = datetime.now(UTC)
    assert rejected(await broker.execute(sent(entry(instrument, LOTS)))).reason is Reason.BROKER_BUSY
    assert accepted(await broker.execute(sent(entry(instrument, LOTS)))).status is OrderStatus.FILLED
    assert datetime.now(UTC) - began > timedelta(seconds=0.3)


@pytest.mark.parametrize("operation", ["modify", "protect"])
async def test_a_change_while_we_are_told_to_be_quiet(make: type[MetaTraderVenue], operation: str) -> None:
    """What has to be read first cannot be: nothing is sent, the broker is busy, and the text says for how long."""
    venue = make()
    broker = await venue.connect()
    instrument = await traded(broker)
    position = await open_position(broker, instrument, LOTS)
    low = venue.bid - 100 * instrument.tick_size
    waiting = accepted(await broker.execute(sent(entry(instrument, LOTS, type=OrderType.LIMIT, price=low))))
    legs = {
        "modify": leg_of(
            instrument, kind=CommandKind.MODIFY, price=low - instrument.tick_size, side=Side.BUY,
            type=OrderType.LIMIT, venue_order_id=waiting.venue_order_id,
        ),
        "protect": leg_of(
            instrument, kind=CommandKind.PROTECT, side=Side.BUY, qty=LOTS, protection=Protection(low),
            venue_position_id=position.venue_position_id,
        ),
    }  # fmt: skip
    venue.fault("rate_limit_text", "place", value="60")
    assert rejected(await broker.execute(sent(entry(instrument, LOTS)))).reason is Reason.BROKER_BUSY
    before = len(venue.operator.log())
    refused = rejected(await broker.execute(sent(legs[operation])))
    assert refused.reason is Reason.BROKER_BUSY
    assert re.search(r"for \d\d\.\d s", refused.text)
    assert len(venue.operator.log()) == before


# Orders that lost their label.


async def stripped(venue: MetaTraderVenue, broker: Broker, instrument: Instrument) -> Sent:
    """An order in doubt whose comment the broker has overwritten."""
    venue.fault("strip_comment", "place")
    venue.fault("drop_after_accept", "place")
    command = sent(entry(instrument, LOTS))
    assert isinstance(await broker.execute(command), Unknown)
    return command


async def test_the_only_one_that_it_can_be(make: type[MetaTraderVenue]) -> None:
    """Symbol, side, volume, time and the account's magic number: exactly one, and it is found, fills and all."""
    venue = make()
    broker = await venue.connect()
    instrument = await traded(broker)
    await broker.execute(sent(entry(instrument, 2 * LOTS)))
    answer = await broker.lookup(await stripped(venue, broker, instrument))
    assert isinstance(answer, Found)
    assert accepted(answer.outcome).filled_qty == LOTS  # type: ignore[arg-type]


async def test_two_that_it_can_be(make: type[MetaTraderVenue]) -> None:
    """Two orders without a label: neither is taken, and it is not absent either."""
    venue = make()
    broker = await venue.connect()
    instrument = await traded(broker)
    await stripped(venue, broker, instrument)
    second = await stripped(venue, broker, instrument)
    answer = await broker.lookup(second)
    assert isinstance(answer, CannotTell)
    assert "without any label" in answer.text


async def test_one_that_is_known_to_be_anothers(make: type[MetaTraderVenue]) -> None:
    """An order that was the answer to a command is nobody else's, label or not."""
    venue = make()
    broker = await venue.connect()
    instrument = await traded(broker)
    venue.fault("strip_comment", "place")
    accepted(await broker.execute(sent(entry(instrument, LOTS))))
    never = sent(entry(instrument, LOTS), datetime.now(UTC) - timedelta(seconds=5))
    assert isinstance(await broker.lookup(never), Absent)


async def test_the_traders_own_order_is_not_taken(make: type[MetaTraderVenue]) -> None:
    """It looks the same but was given by hand: only a person can tell, so it is neither ours nor absent."""
    venue = make()
    broker, number = await venue.connect(), await venue.number()
    instrument = await traded(broker)
    never = sent(entry(instrument, LOTS), datetime.now(UTC) - timedelta(seconds=5))
    venue.operator.post("by_hand", login=number, symbol="EURUSD", side="buy", qty=str(LOTS))
    assert isinstance(await broker.lookup(never), CannotTell)
    other = sent(entry(instrument, 3 * LOTS), datetime.now(UTC) - timedelta(seconds=5))
    assert isinstance(await broker.lookup(other), Absent)


async def test_a_close_that_lost_its_label(make: type[MetaTraderVenue]) -> None:
    """The position and the only deal of that volume tell."""
    venue = make()
    broker = await venue.connect()
    instrument = await traded(broker)
    position = await open_position(broker, instrument, 3 * LOTS)
    venue.fault("strip_comment", "close")
    venue.fault("drop_after_accept", "close")
    command = sent(close_of(instrument, position, LOTS))
    assert isinstance(await broker.execute(command), Unknown)
    answer = await broker.lookup(command)
    assert isinstance(answer, Found)
    assert [each.qty for each in accepted(answer.outcome).fills] == [LOTS]  # type: ignore[arg-type]


# Histories that are not complete.


async def test_a_history_that_is_still_loading(make: type[MetaTraderVenue]) -> None:
    """Nothing is said from it: not absent, no fills; in an envelope and complete it is a history like any other."""
    venue = make()
    broker, began = await venue.connect(), datetime.now(UTC) - timedelta(seconds=2)
    instrument = await traded(broker)
    await broker.execute(sent(entry(instrument, LOTS)))
    never = sent(entry(instrument, LOTS), datetime.now(UTC) - LONG_AGO)
    venue.operator.fault("incomplete_history", times=None)
    assert isinstance(await broker.lookup(never), CannotTell)
    with pytest.raises(ReadFailed, match="still loading"):
        await broker.fills(began)
    venue.clear()
    venue.operator.fault("incomplete_history", value="wrapped", times=None)
    assert [each.qty for each in await broker.fills(began)] == [LOTS]
    venue.clear()


async def test_a_pace_that_metaapi_never_has_to_slow_down() -> None:
    """With its credits in force and our own limits, orders that come at once are never answered with a 429."""
    with running_simulator("metatrader") as limited:
        venue = MetaTraderVenue(limited, "mt5 hedging", limits=LIMITS)
        broker = await venue.connect()
        instrument = await traded(broker)
        for _ in range(6):
            accepted(await broker.execute(sent(entry(instrument, D("0.01")))))
        assert len((await broker.snapshot()).positions) == 6
        await venue.close()


async def test_who_only_looks_has_what_a_look_needs() -> None:
    """Lists and contracts are kept for hours, and without them an account cannot be read: a worker that has just begun
    has them before the minute is over, though others have had what the background may take."""
    with running_simulator("metatrader") as limited:
        venue = MetaTraderVenue(
            limited, "mt5 hedging", limits=LIMITS | {"heavy reads of a minute": (4, 60.0)}
        )
        broker = await venue.connect()
        background.set(True)
        async with asyncio.timeout(50):
            for symbol in ("EURUSD", "GBPUSD", "USDJPY"):
                assert isinstance(await broker.instrument(symbol), Instrument)
        await venue.close()
