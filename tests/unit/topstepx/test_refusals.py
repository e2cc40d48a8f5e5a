"""Every refusal of the gateway over the wire: its closed reason, and nothing done."""

from __future__ import annotations

import pytest

from local.venues.topstepx.refusals import CANCEL, CLOSE, MODIFY, PARTIAL, PLACE
from shared.brokers.topstepx.errors import SET_AUTO_OCO
from shared.models.command import Protection
from shared.models.enums import CommandKind, OrderStatus, OrderType, Side
from shared.models.outcome import CannotTell, Rejected, Unknown
from shared.models.reasons import Reason
from tests.conformance.harness import (
    accepted,
    close_of,
    entry,
    leg_of,
    only_position,
    rejected,
    sent,
)
from tests.conformance.test_topstepx import TopstepXVenue
from tests.unit.topstepx.trades import BID, TICK, D, mnq, settings, written

REFUSALS = {
    "account": Reason.NOT_AUTHORIZED,
    "position_brackets": Reason.NOT_SUPPORTED,
    "stop_loss_ticks_long": Reason.INVALID_STOPS,
    "stop_loss_ticks_short": Reason.INVALID_STOPS,
    "take_profit_ticks_long": Reason.INVALID_STOPS,
    "take_profit_ticks_short": Reason.INVALID_STOPS,
    "stop_loss_type": Reason.INVALID_STOPS,
    "take_profit_type": Reason.INVALID_STOPS,
    "trail_not_set": Reason.INVALID_STOPS,
    "trail_price": Reason.INVALID_STOPS,
    "trail_no_last": Reason.INVALID_STOPS,
    "trail_maximum": Reason.INVALID_STOPS,
    "symbol": Reason.INSTRUMENT_UNKNOWN,
    "price_range": Reason.INVALID_PRICE,
    "price_tick": Reason.INVALID_PRICE,
    "size": Reason.INVALID_QUANTITY,
    "size_limit": Reason.RISK_REJECTED,
    "type": Reason.INVALID,
    "funds": Reason.INSUFFICIENT_FUNDS,
    "violation": Reason.TRADING_DISABLED,
    "closed": Reason.MARKET_CLOSED,
    "contract": Reason.INSTRUMENT_UNKNOWN,
    "inactive": Reason.INSTRUMENT_UNKNOWN,
    "account_rejected": Reason.TRADING_DISABLED,
}
DOUBTS = {"pending", "unknown", "tag"}
"""Refusals of a placement that are none: it may be there."""


async def test_every_refusal_of_an_order_over_the_wire(venue: TopstepXVenue) -> None:
    """Every word of the simulator comes back as its closed reason, doubts as Unknown, and none is a position."""
    assert REFUSALS.keys() | DOUBTS == PLACE.keys()
    broker = await venue.connect()
    instrument = await mnq(broker)
    for word, reason in REFUSALS.items():
        venue.fault("refuse", "place", value=word)
        outcome = rejected(await broker.execute(sent(entry(instrument, D(1)))))
        assert outcome.reason is reason, (word, outcome)
        assert outcome.text
    for word in DOUBTS - {"tag"}:
        venue.fault("refuse", "place", value=word)
        assert isinstance(await broker.execute(sent(entry(instrument, D(1)))), Unknown), word
    assert venue.net() == 0


@pytest.mark.parametrize(
    ("operation", "table", "doubts"),
    [("close", CLOSE, {"pending", "unknown"}), ("partial_close", PARTIAL, {"pending", "unknown"})],
)
async def test_every_refusal_of_a_close(
    venue: TopstepXVenue, operation: str, table: dict[str, object], doubts: set[str]
) -> None:
    """The same for both ways to close, whose codes differ: nothing is closed, and a doubt is a doubt."""
    broker = await venue.connect()
    instrument = await mnq(broker)
    accepted(await broker.execute(sent(entry(instrument, D(2)))))
    position = await only_position(broker)
    part = None if operation == "close" else D(1)
    for word in table:
        venue.operator.fault("refuse", value=word, operation=operation)
        outcome = await broker.execute(sent(close_of(instrument, position, part)))
        assert isinstance(outcome, Unknown if word in doubts else Rejected), (word, outcome)
    assert venue.net() == 2


@pytest.mark.parametrize(("kind", "table"), [(CommandKind.MODIFY, MODIFY), (CommandKind.CANCEL, CANCEL)])
async def test_every_refusal_of_a_change(
    venue: TopstepXVenue, kind: CommandKind, table: dict[str, object]
) -> None:
    """Changing and canceling: the order stays as it was."""
    broker = await venue.connect()
    instrument = await mnq(broker)
    low = BID - 100 * TICK
    placed = accepted(await broker.execute(sent(entry(instrument, D(1), type=OrderType.LIMIT, price=low))))
    for word in table:
        venue.operator.fault("refuse", value=word, operation=str(kind))
        change = leg_of(
            instrument, kind=kind, venue_order_id=placed.venue_order_id, side=Side.BUY, type=OrderType.LIMIT,
            price=low - TICK if kind is CommandKind.MODIFY else None,
        )  # fmt: skip
        outcome = await broker.execute(sent(change))
        assert isinstance(outcome, Unknown if word in ("pending", "unknown") else Rejected), (word, outcome)
    [order] = (await broker.snapshot()).orders
    assert order.price == low


async def test_a_tag_in_use_means_that_the_order_is_there(venue: TopstepXVenue) -> None:
    """The same command sent twice is one order, and the second answer tells what became of the first."""
    broker = await venue.connect()
    command = sent(entry(await mnq(broker), D(1)))
    first = accepted(await broker.execute(command))
    again = accepted(await (await venue.connect()).execute(command))
    assert (again.venue_order_id, again.status, again.filled_qty) == (
        first.venue_order_id,
        OrderStatus.FILLED,
        D(1),
    )
    assert [each.venue_fill_id for each in again.fills] == [each.venue_fill_id for each in first.fills]
    assert venue.orders_made() == 1
    assert venue.net() == 1


async def test_a_tag_in_use_that_nothing_shows_is_a_doubt(venue: TopstepXVenue) -> None:
    """Refused as in use, and only a rejected order carries it: no refusal, the one that was taken may show yet."""
    broker = await venue.connect()
    command = sent(entry(await mnq(broker), D(1)))
    venue.fault("refuse", "place", value="tag")
    assert isinstance(await broker.execute(command), Unknown)
    assert isinstance(await broker.lookup(command), CannotTell)
    assert venue.net() == 0


async def test_position_brackets_are_named_as_the_setting_they_are(venue: TopstepXVenue) -> None:
    """The account is probed at the connection; an entry with a stop is refused with what to do, one without is not."""
    venue.user += "+position"
    broker = await venue.connect()
    assert not broker.capabilities.brackets_on_entry
    instrument = await mnq(broker)
    wanted = Protection(BID - 50 * TICK)
    outcome = rejected(await broker.execute(sent(entry(instrument, D(1), protection=wanted))))
    assert (outcome.reason, outcome.text) == (Reason.NOT_SUPPORTED, SET_AUTO_OCO)
    accepted(await broker.execute(sent(entry(instrument, D(1)))))


async def test_the_probe_is_no_order(venue: TopstepXVenue) -> None:
    """Connecting leaves nothing but a rejected order, also where the market is closed."""
    broker = await venue.connect()
    assert broker.capabilities.brackets_on_entry
    assert {each["status"] for each in venue.orders()} == {5}
    settings(venue, open=False)
    assert (await venue.connect()).capabilities.brackets_on_entry
    assert not (await broker.snapshot()).orders


@pytest.mark.parametrize("kind", [CommandKind.CANCEL, CommandKind.MODIFY])
async def test_an_id_that_is_none_is_an_order_that_is_not_there(
    venue: TopstepXVenue, kind: CommandKind
) -> None:
    """Nothing is sent for it."""
    broker = await venue.connect()
    for order_id in ("", "abc", None):
        leg = leg_of(await mnq(broker), kind=kind, venue_order_id=order_id, side=Side.BUY, price=BID)
        assert rejected(await broker.execute(sent(leg))).reason is Reason.ORDER_NOT_FOUND
    assert not written(venue)
