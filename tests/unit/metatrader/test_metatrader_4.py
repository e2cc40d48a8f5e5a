"""What is different on MetaTrader 4: a position that changes its ticket, and a close without a label."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from shared.models.command import Protection
from shared.models.enums import CommandKind, Effect, OrderStatus, Side
from shared.models.outcome import Absent, CannotTell, Found, Unknown
from tests.conformance.harness import (
    accepted,
    close_of,
    entry,
    leg_of,
    open_position,
    sent,
)
from tests.conformance.test_metatrader import MetaTraderVenue
from tests.unit.metatrader.trades import LOTS, D, traded


async def test_metatrader_4_trades(make: type[MetaTraderVenue]) -> None:
    """An entry, a stop, a whole close: with MetaTrader 4's own codes."""
    venue = make("mt4")
    broker = await venue.connect()
    instrument = await traded(broker)
    position = await open_position(broker, instrument, 3 * LOTS)
    whole = accepted(await broker.execute(sent(close_of(instrument, position))))
    assert (whole.status, whole.filled_qty, venue.net()) == (OrderStatus.FILLED, 3 * LOTS, 0)


@pytest.mark.parametrize("commented", [True, False], ids=["comments", "no comments"])
@pytest.mark.parametrize("again", [False, True], ids=["one process", "a new one each time"])
async def test_a_position_keeps_its_name_on_metatrader_4(
    make: type[MetaTraderVenue], again: bool, commented: bool
) -> None:
    """Parts are closed, each leaves a new ticket, and to us it is the same position: protected, closed, told."""
    venue = make("mt4")
    if not commented:
        venue.fault("strip_comment", "close", times=None)
    broker, began = await venue.connect(), datetime.now(UTC) - timedelta(seconds=2)
    instrument = await traded(broker)
    position = await open_position(broker, instrument, 4 * LOTS)
    for rest in (3, 2):
        broker = await venue.connect() if again else broker
        held = replace(position, qty=(rest + 1) * LOTS)
        part = accepted(await broker.execute(sent(close_of(instrument, held, LOTS))))
        assert (part.status, [each.qty for each in part.fills]) == (OrderStatus.FILLED, [LOTS])
        [left] = part.positions
        assert (left.venue_position_id, left.qty) == (position.venue_position_id, rest * LOTS)
    broker = await venue.connect() if again else broker
    guard = leg_of(instrument, kind=CommandKind.PROTECT, side=Side.BUY, qty=2 * LOTS,
                   venue_position_id=position.venue_position_id, protection=Protection(D("1.08000")))  # fmt: skip
    assert accepted(await broker.execute(sent(guard))).positions[0].stop_loss == D("1.08000")
    whole = accepted(await broker.execute(sent(close_of(instrument, replace(position, qty=2 * LOTS)))))
    assert (whole.filled_qty, [each.qty for each in whole.positions], venue.net()) == (2 * LOTS, [D(0)], 0)
    told = await broker.fills(began)
    assert [(each.effect, each.qty) for each in told] == [
        (Effect.OPEN, 4 * LOTS), (Effect.CLOSE, LOTS), (Effect.CLOSE, LOTS), (Effect.CLOSE, 2 * LOTS),
    ]  # fmt: skip
    assert len({each.venue_fill_id for each in told}) == 4
    assert {each.venue_position_id for each in told} == {position.venue_position_id}


@pytest.mark.parametrize("commented", [True, False], ids=["comments", "no comments"])
async def test_what_nobody_saw_come_about(make: type[MetaTraderVenue], commented: bool) -> None:
    """Two positions of one symbol are closed part by part, one of them for good, while nobody who knows them looks: a process
    that begins after that has every rest and every fill at its own position."""
    venue = make("mt4")
    if not commented:
        venue.fault("strip_comment", "close", times=None)
    broker, began = await venue.connect(), datetime.now(UTC) - timedelta(seconds=2)
    instrument = await traded(broker)
    one = await open_position(broker, instrument, 3 * LOTS)
    [two] = accepted(await broker.execute(sent(entry(instrument, 3 * LOTS)))).positions
    for held in (one, two, replace(one, qty=2 * LOTS), replace(two, qty=2 * LOTS)):
        accepted(await broker.execute(sent(close_of(instrument, held, LOTS))))
    accepted(await broker.execute(sent(close_of(instrument, replace(one, qty=LOTS)))))
    fresh = await venue.connect()
    [left] = (await fresh.snapshot()).positions
    assert (left.venue_position_id, left.qty, left.doubt) == (two.venue_position_id, LOTS, "")
    told = await (await venue.connect()).fills(began)
    closed = [each.venue_position_id for each in told if each.effect is Effect.CLOSE]
    assert closed == [each.venue_position_id for each in (one, two, one, two, one)]


@pytest.mark.parametrize("done", [True, False])
async def test_a_doubtful_part_on_metatrader_4(make: type[MetaTraderVenue], done: bool) -> None:
    """It takes no label with a close: what is left of the position tells, not a part that was closed before."""
    venue, began = make("mt4"), datetime.now(UTC)
    broker = await venue.connect()
    instrument = await traded(broker)
    position = await open_position(broker, instrument, 3 * LOTS)
    accepted(await broker.execute(sent(close_of(instrument, position, LOTS))))
    venue.fault("drop_after_accept" if done else "drop_after_read", "close")
    command = sent(close_of(instrument, replace(position, qty=2 * LOTS), LOTS))
    assert isinstance(await broker.execute(command), Unknown)
    # Sent long enough ago for every list, and before either close, however slow the machine is.
    later = replace(command, submitted_at=began - timedelta(seconds=5))
    answer = await broker.lookup(later)
    assert isinstance(answer, Found if done else Absent), answer
    fresh = await (await venue.connect()).lookup(later)
    # A new process does not know which of two equal deals was the other command's.
    assert isinstance(fresh, CannotTell if done else Absent), fresh


@pytest.mark.parametrize("part", [None, LOTS], ids=["whole", "part"])
async def test_what_another_close_did_on_metatrader_4(make: type[MetaTraderVenue], part: D | None) -> None:
    """A close never arrived, and another of ours, planned from the same read, has closed as much: whoever knows whose that
    order is does not take it for the first one's, in any process. It was, and stood with no fill for ever."""
    venue = make("mt4")
    broker = await venue.connect()
    instrument = await traded(broker)
    position = await open_position(broker, instrument, 3 * LOTS)
    venue.fault("drop_after_read", "close")
    lost = sent(close_of(instrument, position, part), datetime.now(UTC) - timedelta(seconds=5))
    assert isinstance(await broker.execute(lost), Unknown)
    done = accepted(await broker.execute(sent(close_of(instrument, position, part))))
    asked = replace(lost, taken=frozenset({str(done.venue_order_id)}))
    answer = await (await venue.connect()).lookup(asked)
    if part is not None:
        assert isinstance(answer, Absent), answer
        return
    assert isinstance(answer, Found), answer
    assert accepted(answer.outcome).fills == ()


async def test_a_part_is_no_close_of_everything_on_metatrader_4(make: type[MetaTraderVenue]) -> None:
    """A close of all there is never arrived, and a part was closed beside it, of which our books know nothing yet: as long as
    something is left it is sent again. It was taken for done, and the position stayed open."""
    venue = make("mt4")
    broker = await venue.connect()
    instrument = await traded(broker)
    position = await open_position(broker, instrument, 3 * LOTS)
    venue.fault("drop_after_read", "close")
    lost = sent(close_of(instrument, position), datetime.now(UTC) - timedelta(seconds=5))
    assert isinstance(await broker.execute(lost), Unknown)
    accepted(await broker.execute(sent(close_of(instrument, position, LOTS))))
    assert isinstance(await (await venue.connect()).lookup(lost), Absent)
    venue.fault("drop_after_accept", "close")
    again = sent(close_of(instrument, position), datetime.now(UTC) - timedelta(seconds=5))
    assert isinstance(await broker.execute(again), Unknown)
    assert isinstance(await (await venue.connect()).lookup(again), Found)


async def test_the_name_of_a_close_is_known_before_its_deal_is_shown(make: type[MetaTraderVenue]) -> None:
    """The terminal is slow to list what a close has done: its order is told all the same, so that nobody else takes it."""
    for kind in ("mt4", "mt5 hedging"):
        venue = make(kind)
        broker = await venue.connect()
        instrument = await traded(broker)
        position = await open_position(broker, instrument, 3 * LOTS)
        venue.fault("lag_lists", "reads", value="30", times=None)
        told = accepted(await broker.execute(sent(close_of(instrument, position, LOTS))))
        venue.clear()
        assert told.venue_order_id is not None
        assert told.fills == ()
