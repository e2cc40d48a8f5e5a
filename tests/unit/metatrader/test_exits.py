"""Net positions, closing everything, changes, protection."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from shared.models.command import Protection
from shared.models.enums import CommandKind, Effect, OrderStatus, OrderType, Side
from shared.models.outcome import Absent, Found, Unknown
from shared.models.reasons import Reason
from tests.conformance.harness import (
    accepted,
    entry,
    leg_of,
    only_position,
    open_position,
    rejected,
    sent,
)
from tests.conformance.test_metatrader import MetaTraderVenue
from tests.unit.metatrader.trades import LONG_AGO, LOTS, D, net_close, traded

# Netting.


async def test_a_net_position_is_closed_by_its_symbol(make: type[MetaTraderVenue]) -> None:
    """A part, then all of it, without a position's id; the wrong side is refused and nothing is turned around."""
    venue = make("mt5 netting")
    broker = await venue.connect()
    instrument = await traded(broker)
    await open_position(broker, instrument, 3 * LOTS)
    wrong = rejected(await broker.execute(sent(net_close(instrument, Side.BUY))))
    assert (wrong.reason, wrong.text) == (Reason.POSITION_NOT_FOUND, "there is no sell position of EURUSD.r")
    part = accepted(await broker.execute(sent(net_close(instrument, Side.SELL, LOTS))))
    assert (part.status, part.filled_qty, part.positions[0].qty) == (OrderStatus.FILLED, LOTS, 2 * LOTS)
    whole = accepted(await broker.execute(sent(net_close(instrument, Side.SELL))))
    assert (whole.status, whole.filled_qty, whole.positions[0].qty) == (OrderStatus.FILLED, 2 * LOTS, 0)
    large = rejected(await broker.execute(sent(net_close(instrument, Side.SELL))))
    assert (large.reason, venue.net()) == (Reason.POSITION_NOT_FOUND, 0)


async def test_more_than_there_is_is_never_closed(make: type[MetaTraderVenue]) -> None:
    """The broker's own close cannot flip: a quantity beyond the position is refused."""
    venue = make("mt5 netting")
    broker = await venue.connect()
    instrument = await traded(broker)
    await open_position(broker, instrument, LOTS)
    outcome = rejected(await broker.execute(sent(net_close(instrument, Side.SELL, 2 * LOTS))))
    assert (outcome.reason, venue.net()) == (Reason.INVALID_QUANTITY, LOTS)


@pytest.mark.parametrize("done", [True, False])
async def test_a_doubtful_net_close_is_found_out(make: type[MetaTraderVenue], done: bool) -> None:
    """By our label on its deal, or by the position that is still there."""
    venue = make("mt5 netting")
    broker = await venue.connect()
    instrument = await traded(broker)
    await open_position(broker, instrument, 3 * LOTS)
    venue.fault("drop_after_accept" if done else "drop_after_read", "close")
    leg = replace(net_close(instrument, Side.SELL), held_qty=3 * LOTS)
    command = sent(leg, datetime.now(UTC) - LONG_AGO)
    assert isinstance(await broker.execute(command), Unknown)
    answer = await broker.lookup(command)
    assert isinstance(answer, Found if done else Absent)
    if isinstance(answer, Found):
        assert accepted(answer.outcome).filled_qty == 3 * LOTS  # type: ignore[arg-type]


async def test_a_net_position_that_an_order_turned_around(make: type[MetaTraderVenue]) -> None:
    """One deal, two fills: what it closed with its profit, and what it opened."""
    venue = make("mt5 netting")
    broker, began = await venue.connect(), datetime.now(UTC) - timedelta(seconds=2)
    instrument = await traded(broker)
    await open_position(broker, instrument, LOTS)
    turned = accepted(await broker.execute(sent(entry(instrument, 3 * LOTS, side=Side.SELL))))
    assert [(each.effect, each.qty) for each in turned.fills] == [
        (Effect.CLOSE, LOTS),
        (Effect.OPEN, 2 * LOTS),
    ]
    assert (turned.fills[0].realised, turned.positions[0].side) == (D("-0.60"), Side.SELL)
    told = await broker.fills(began)
    assert [(each.effect, each.qty) for each in told[1:]] == [
        (each.effect, each.qty) for each in turned.fills
    ]
    assert venue.net() == -2 * LOTS


async def test_an_entry_that_grows_a_net_position(make: type[MetaTraderVenue]) -> None:
    """The fill is the entry's, the position is the whole one."""
    broker = await make("mt5 netting").connect()
    instrument = await traded(broker)
    await open_position(broker, instrument, LOTS)
    grown = accepted(await broker.execute(sent(entry(instrument, 2 * LOTS))))
    assert (grown.filled_qty, [each.qty for each in grown.positions]) == (2 * LOTS, [3 * LOTS])


# Closing everything, changes, protection.


@pytest.mark.parametrize("kind", ["mt5 hedging", "mt5 netting", "mt4"])
async def test_everything_of_a_symbol_is_closed(make: type[MetaTraderVenue], kind: str) -> None:
    """Without a side nothing has to be read first: every position of the symbol goes, and no other."""
    broker = await make(kind).connect()
    eurusd = await traded(broker)
    for instrument in (eurusd, eurusd, await traded(broker, "USDJPY")):
        await broker.execute(sent(entry(instrument, LOTS)))
    outcome = accepted(await broker.execute(sent(net_close(eurusd, None))))
    assert (outcome.status, outcome.filled_qty) == (OrderStatus.FILLED, 2 * LOTS)
    assert [each.symbol for each in (await broker.snapshot()).positions] == ["USDJPY"]
    again = rejected(await broker.execute(sent(net_close(eurusd, None))))
    assert again.reason is Reason.POSITION_NOT_FOUND


async def test_a_close_that_names_none_of_two(make: type[MetaTraderVenue]) -> None:
    """On a hedging account a close by side has to find exactly one."""
    broker = await make().connect()
    instrument = await traded(broker)
    for _ in range(2):
        await broker.execute(sent(entry(instrument, LOTS)))
    outcome = rejected(await broker.execute(sent(net_close(instrument, Side.SELL))))
    assert outcome.reason is Reason.AMBIGUOUS


async def test_a_pending_order_keeps_what_is_not_changed(make: type[MetaTraderVenue]) -> None:
    """Its stop stays when its price moves; its volume cannot change; a change to what it is sends nothing."""
    venue = make()
    broker = await venue.connect()
    instrument = await traded(broker)
    low, stop = D("1.09000"), D("1.08000")
    leg = entry(instrument, LOTS, type=OrderType.LIMIT, price=low, protection=Protection(stop))
    placed = accepted(await broker.execute(sent(leg)))
    named = {"kind": CommandKind.MODIFY, "venue_order_id": placed.venue_order_id, "side": Side.BUY,
             "type": OrderType.LIMIT}  # fmt: skip
    accepted(await broker.execute(sent(leg_of(instrument, price=D("1.08900"), **named))))
    body = venue.operator.log()[-1]["body"]
    assert (body["openPrice"], body["stopLoss"]) == (D("1.08900"), stop)
    bigger = rejected(await broker.execute(sent(leg_of(instrument, qty=2 * LOTS, **named))))
    assert (bigger.reason, "from 0.1" in bigger.text) == (Reason.NOT_SUPPORTED, True)
    before = len(venue.operator.log())
    accepted(await broker.execute(sent(leg_of(instrument, price=D("1.08900"), **named))))
    assert len(venue.operator.log()) == before


async def test_a_stop_that_a_pending_order_lost(make: type[MetaTraderVenue]) -> None:
    """It is set again before anything can fill."""
    venue = make()
    broker = await venue.connect()
    instrument = await traded(broker)
    venue.fault("drop_bracket", "place")
    leg = entry(
        instrument, LOTS, type=OrderType.STOP, stop_price=D("1.10000"), protection=Protection(D("1.09000"))
    )
    accepted(await broker.execute(sent(leg)))
    assert [each["operation"] for each in venue.operator.log()[-2:]] == ["place", "modify"]
    venue.price(D("1.10100"), D("1.10106"))
    assert (await only_position(broker)).stop_loss == D("1.09000")


async def test_an_order_that_was_filled_before_the_cancel(make: type[MetaTraderVenue]) -> None:
    """A cancel that comes too late is refused, and brings the fill along."""
    venue = make()
    broker = await venue.connect()
    instrument = await traded(broker)
    command = sent(entry(instrument, LOTS, type=OrderType.LIMIT, price=D("1.09400")))
    placed = accepted(await broker.execute(command))
    venue.price(D("1.09300"), D("1.09306"))
    leg = leg_of(instrument, kind=CommandKind.CANCEL, side=Side.BUY, venue_order_id=placed.venue_order_id)
    late = rejected(await broker.execute(sent(leg)))
    [news] = late.effects
    assert (late.reason, news.status, news.filled_qty) == (Reason.ORDER_NOT_FOUND, OrderStatus.FILLED, LOTS)
    assert (news.client_order_id, news.fills[0].price) == (command.client_order_id, D("1.09400"))


async def test_protection_that_is_already_there(make: type[MetaTraderVenue]) -> None:
    """Nothing is sent, and the answer is yes: MetaTrader 4 would call it an error."""
    venue = make("mt4")
    broker = await venue.connect()
    instrument = await traded(broker)
    guard = Protection(D("1.08000"), D("1.11000"))
    done = accepted(await broker.execute(sent(entry(instrument, LOTS, protection=guard))))
    position = done.positions[0]
    assert (position.stop_loss, position.take_profit) == (guard.stop_loss, guard.take_profit)
    before = len(venue.operator.log())
    leg = leg_of(instrument, kind=CommandKind.PROTECT, side=Side.BUY, qty=LOTS,
                 venue_position_id=position.venue_position_id, protection=guard)  # fmt: skip
    assert accepted(await broker.execute(sent(leg))).positions[0].stop_loss == guard.stop_loss
    assert len(venue.operator.log()) == before


async def test_protection_of_a_position_that_is_gone(make: type[MetaTraderVenue]) -> None:
    """Refused by us, with the number."""
    broker = await make().connect()
    instrument = await traded(broker)
    leg = leg_of(instrument, kind=CommandKind.PROTECT, venue_position_id="4711", protection=Protection(D(1)))
    outcome = rejected(await broker.execute(sent(leg)))
    assert (outcome.reason, outcome.text) == (Reason.POSITION_NOT_FOUND, "there is no position 4711")
