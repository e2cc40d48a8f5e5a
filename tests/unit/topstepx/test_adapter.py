"""What is special about TopstepX, against its simulator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from local.venues.topstepx.refusals import CANCEL, CLOSE, MODIFY, PARTIAL, PLACE
from shared import codec
from shared.brokers.port import Broker, ReadFailed, Sent
from shared.brokers.topstepx.errors import SET_AUTO_OCO
from shared.models.command import Protection
from shared.models.enums import CommandKind, Effect, OrderStatus, OrderType, Side
from shared.models.market import Instrument
from shared.models.outcome import Accepted, CannotTell, Found, Rejected, Unknown
from shared.models.reasons import Reason
from tests.conformance.harness import (
    accepted,
    close_of,
    entry,
    eventually,
    leg_of,
    only_position,
    rejected,
    sent,
)
from tests.conformance.simulators import Operator, running_simulator
from tests.conformance.test_topstepx import TopstepXVenue, account

D = Decimal
BID, ASK, TICK = D("25000.00"), D("25000.25"), D("0.25")


@pytest.fixture(scope="module")
def operator() -> Iterator[Operator]:
    """A simulator without rate limits, three accounts a user."""
    with running_simulator("topstepx", "--no-limits", "--accounts", "3") as running:
        yield running


@pytest.fixture
async def venue(operator: Operator) -> AsyncIterator[TopstepXVenue]:
    """A user of its own, at the price where every test starts."""
    made = TopstepXVenue(operator, lambda: None)
    made.price(BID, ASK)
    yield made
    for connect in made.opened:
        await connect.close()
    made.clear()


async def mnq(broker: Broker) -> Instrument:
    """The active contract of MNQ."""
    found = await broker.instrument("MNQ1!")
    assert isinstance(found, Instrument)
    return found


def settings(venue: TopstepXVenue, **values: object) -> None:
    """Change what the account may do."""
    body = codec.encode({"id": int(venue.number), **values})
    httpx.post(f"{venue.operator.url}/_sim/accounts", content=body, trust_env=False).raise_for_status()


def roll(venue: TopstepXVenue, root: str) -> None:
    """The next month becomes the active one, for every test of this module: GC is used by one only."""
    body = codec.encode({"root": root})
    httpx.post(f"{venue.operator.url}/_sim/roll", content=body, trust_env=False).raise_for_status()


def written(venue: TopstepXVenue) -> list[dict[str, Any]]:
    """The writes of this account, but for the probes."""
    log = venue.operator.log()
    return [e for e in log if e["account"] == venue.number and not e["tag"].startswith("probe-")]


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


async def test_children_are_set_to_the_exact_prices(venue: TopstepXVenue) -> None:
    """Ticks count from the fill, prices do not: after slippage the children are where the alert wanted them."""
    broker = await venue.connect()
    instrument = await mnq(broker)
    await broker.quote(instrument, None)  # the last price, kept for a second
    venue.price(BID + 12 * TICK, ASK + 12 * TICK)
    wanted = Protection(BID - 50 * TICK, ASK + 90 * TICK)
    outcome = accepted(await broker.execute(sent(entry(instrument, D(2), protection=wanted))))
    [position] = outcome.positions
    assert (position.stop_loss, position.take_profit) == (wanted.stop_loss, wanted.take_profit)
    assert position.entry_price == ASK + 12 * TICK
    [placed] = [each for each in written(venue) if each["operation"] == "place"]
    assert placed["body"]["stopLossBracket"]["ticks"] < 0 < placed["body"]["takeProfitBracket"]["ticks"]


async def test_a_sold_entry_has_its_stop_above(venue: TopstepXVenue) -> None:
    """Signs turn around for a sell."""
    broker = await venue.connect()
    wanted = Protection(ASK + 50 * TICK, BID - 90 * TICK)
    leg = entry(await mnq(broker), D(1), side=Side.SELL, protection=wanted)
    [position] = accepted(await broker.execute(sent(leg))).positions
    assert (position.side, position.stop_loss, position.take_profit) == (
        Side.SELL, wanted.stop_loss, wanted.take_profit,
    )  # fmt: skip


async def test_a_stop_that_the_market_has_passed_is_not_sent(venue: TopstepXVenue) -> None:
    """A stop above the market of a buy would fire at once: nothing leaves."""
    broker = await venue.connect()
    leg = entry(await mnq(broker), D(1), protection=Protection(ASK + 4 * TICK))
    assert rejected(await broker.execute(sent(leg))).reason is Reason.STOP_PASSED
    assert not written(venue)


async def test_a_half_filled_entry_is_protected_for_what_it_has(venue: TopstepXVenue) -> None:
    """Stop and target are no larger than the position."""
    broker = await venue.connect()
    venue.fault("partial_fill", "place", value="0.5")
    leg = entry(await mnq(broker), D(4), protection=Protection(BID - 50 * TICK, ASK + 90 * TICK))
    outcome = accepted(await broker.execute(sent(leg)))
    assert (outcome.status, outcome.filled_qty) == (OrderStatus.CANCELED, D(2))
    assert {each.qty for each in (await broker.snapshot()).orders} == {D(2)}


async def test_a_waiting_entry_keeps_its_children_asleep(venue: TopstepXVenue) -> None:
    """They are shown when it is filled, at its price; and are gone when it is canceled."""
    broker = await venue.connect()
    instrument = await mnq(broker)
    low = BID - 20 * TICK
    wanted = Protection(low - 40 * TICK, low + 80 * TICK)
    command = sent(entry(instrument, D(1), type=OrderType.LIMIT, price=low, protection=wanted))
    accepted(await broker.execute(command))
    [order] = (await broker.snapshot()).orders
    assert (order.is_entry, order.client_order_id) == (True, command.client_order_id)
    venue.price(low - TICK, low)
    position = await only_position(broker)
    assert (position.stop_loss, position.take_profit) == (wanted.stop_loss, wanted.take_profit)
    other = accepted(await broker.execute(sent(entry(
        instrument, D(1), type=OrderType.LIMIT, price=low - 60 * TICK, protection=Protection(low - 90 * TICK)
    ))))  # fmt: skip
    cancel = leg_of(instrument, kind=CommandKind.CANCEL, venue_order_id=other.venue_order_id, side=Side.BUY)
    accepted(await broker.execute(sent(cancel)))
    assert len((await broker.snapshot()).orders) == 2


async def test_a_full_close_sweeps_what_protected(venue: TopstepXVenue) -> None:
    """The gateway leaves stops and targets behind, where they would open a position: they go with it."""
    broker = await venue.connect()
    instrument = await mnq(broker)
    wanted = Protection(BID - 50 * TICK, ASK + 90 * TICK)
    accepted(await broker.execute(sent(entry(instrument, D(2), protection=wanted))))
    position = await only_position(broker)
    done = accepted(await broker.execute(sent(close_of(instrument, position))))
    assert (done.status, [each.qty for each in done.positions]) == (OrderStatus.FILLED, [D(0)])
    assert not (await broker.snapshot()).orders
    venue.price(BID - 60 * TICK, ASK - 60 * TICK)
    assert venue.net() == 0


async def test_a_partial_close_fits_what_protects(venue: TopstepXVenue) -> None:
    """What is left keeps its stop, and no more of it: a stop for three would turn two around."""
    broker = await venue.connect()
    instrument = await mnq(broker)
    wanted = Protection(BID - 50 * TICK, ASK + 90 * TICK)
    accepted(await broker.execute(sent(entry(instrument, D(3), protection=wanted))))
    position = await only_position(broker)
    [rest] = accepted(await broker.execute(sent(close_of(instrument, position, D(1))))).positions
    assert (rest.qty, rest.stop_loss, rest.take_profit) == (D(2), wanted.stop_loss, wanted.take_profit)
    assert {each.qty for each in (await broker.snapshot()).orders} == {D(2)}
    venue.price(BID - 60 * TICK, ASK - 60 * TICK)
    assert venue.net() == 0


async def test_of_several_stops_so_many_stay_as_the_rest_needs(venue: TopstepXVenue) -> None:
    """Two entries, two stops: after a close of most of it they do not hold more than what is left."""
    broker = await venue.connect()
    instrument = await mnq(broker)
    for qty in (D(2), D(3)):
        wanted = Protection(BID - 50 * TICK, ASK + 90 * TICK)
        accepted(await broker.execute(sent(entry(instrument, qty, protection=wanted))))
    position = await only_position(broker)
    accepted(await broker.execute(sent(close_of(instrument, position, D(4)))))
    orders = (await broker.snapshot()).orders
    sizes = [
        sum(each.qty for each in orders if each.type is kind) for kind in (OrderType.STOP, OrderType.LIMIT)
    ]
    assert sizes == [D(1), D(1)]
    venue.price(BID - 60 * TICK, ASK - 60 * TICK)
    assert venue.net() == 0


async def test_removing_the_target_keeps_the_stop_either_way(venue: TopstepXVenue) -> None:
    """Where canceling one leg takes the other with it, the stop is placed again."""
    broker = await venue.connect()
    instrument = await mnq(broker)
    settings(venue, cancels_siblings=True)
    wanted = Protection(BID - 50 * TICK, ASK + 90 * TICK)
    accepted(await broker.execute(sent(entry(instrument, D(1), protection=wanted))))
    position = await only_position(broker)
    leg = leg_of(
        instrument, kind=CommandKind.PROTECT, side=position.side, qty=position.qty,
        venue_position_id=position.venue_position_id, protection=Protection(clear_take_profit=True),
    )  # fmt: skip
    [seen] = accepted(await broker.execute(sent(leg))).positions
    assert (seen.stop_loss, seen.take_profit) == (wanted.stop_loss, None)
    venue.price(BID - 60 * TICK, ASK - 60 * TICK)
    assert venue.net() == 0


async def test_a_naked_position_gets_its_first_stop(venue: TopstepXVenue) -> None:
    """Protection of a position that had none is a stop order of its size."""
    broker = await venue.connect()
    instrument = await mnq(broker)
    accepted(await broker.execute(sent(entry(instrument, D(3)))))
    position = await only_position(broker)
    leg = leg_of(
        instrument, kind=CommandKind.PROTECT, side=position.side, qty=position.qty,
        venue_position_id=position.venue_position_id, protection=Protection(stop_loss=BID - 30 * TICK),
    )  # fmt: skip
    [seen] = accepted(await broker.execute(sent(leg))).positions
    assert seen.stop_loss == BID - 30 * TICK
    [guard] = (await broker.snapshot()).orders
    assert (guard.qty, guard.is_entry, guard.client_order_id) == (D(3), False, None)


async def test_limit_exits_only_reduce(venue: TopstepXVenue) -> None:
    """Two targets of one position rest; none is taken that is larger than it, or without one."""
    broker = await venue.connect()
    instrument = await mnq(broker)
    high = ASK + 90 * TICK

    def target(qty: Decimal) -> Sent:
        leg = entry(instrument, qty, side=Side.SELL, type=OrderType.LIMIT, price=high, reduce_only=True)
        return sent(leg)

    assert rejected(await broker.execute(target(D(1)))).reason is Reason.POSITION_NOT_FOUND
    accepted(await broker.execute(sent(entry(instrument, D(3)))))
    assert rejected(await broker.execute(target(D(4)))).reason is Reason.REDUCE_TOO_LARGE
    commands = [target(D(1)), target(D(2))]
    for command in commands:
        assert accepted(await broker.execute(command)).status is OrderStatus.WORKING
    orders = (await broker.snapshot()).orders
    assert {(each.client_order_id, each.reduce_only) for each in orders} == {
        (each.client_order_id, True) for each in commands
    }
    began = datetime.now(UTC) - timedelta(seconds=2)
    venue.price(high, high + TICK)

    async def look() -> bool | None:
        closing = [each for each in await broker.fills(began) if each.effect is Effect.CLOSE]
        return {each.client_order_id for each in closing} == {
            each.client_order_id for each in commands
        } or None

    assert await eventually(look, "both targets filled")
    assert venue.net() == 0


async def test_a_market_order_that_only_reduces_is_the_gateways_close(venue: TopstepXVenue) -> None:
    """It can never turn a position around."""
    broker = await venue.connect()
    instrument = await mnq(broker)
    accepted(await broker.execute(sent(entry(instrument, D(3)))))
    done = accepted(await broker.execute(sent(entry(instrument, D(2), side=Side.SELL, reduce_only=True))))
    assert (done.status, done.filled_qty, [each.effect for each in done.fills]) == (
        OrderStatus.FILLED, D(2), [Effect.CLOSE],
    )  # fmt: skip
    assert venue.net() == 1
    too_much = await broker.execute(sent(entry(instrument, D(2), side=Side.SELL, reduce_only=True)))
    assert rejected(too_much).reason is Reason.INVALID_QUANTITY
    assert venue.net() == 1


async def test_a_close_of_the_wrong_side_closes_nothing(venue: TopstepXVenue) -> None:
    """A sell that was to close a long does not close the short that has come since."""
    broker = await venue.connect()
    instrument = await mnq(broker)
    accepted(await broker.execute(sent(entry(instrument, D(1)))))
    position = await only_position(broker)
    accepted(await broker.execute(sent(entry(instrument, D(2), side=Side.SELL))))
    late = rejected(await broker.execute(sent(close_of(instrument, position))))
    assert late.reason is Reason.POSITION_NOT_FOUND
    assert venue.net() == -1


async def test_an_exit_finds_the_month_it_is_in(venue: TopstepXVenue) -> None:
    """After the roll the symbol means another month: the position of the old one is seen, and closed there."""
    broker = await venue.connect()
    before = await broker.instrument("COMEX:GC1!")
    assert isinstance(before, Instrument)
    accepted(await broker.execute(sent(entry(before, D(2)))))
    roll(venue, "GC")
    other = await venue.connect()
    after = await other.instrument("COMEX:GC1!")
    assert isinstance(after, Instrument)
    assert (after.root, after.symbol == before.symbol) == (before.root, False)
    position = await only_position(other)
    assert (position.root, position.symbol, position.venue_symbol) == (
        "GC", before.symbol, before.venue_symbol,
    )  # fmt: skip
    stale = rejected(await other.execute(sent(entry(before, D(1)))))
    assert stale.reason is Reason.INSTRUMENT_UNKNOWN
    assert "not the active month" in stale.text
    part = close_of(after, position, D(1))
    by_our_name = replace(part, venue_symbol=position.symbol, venue_position_id=None)
    assert accepted(await other.execute(sent(by_our_name))).filled_qty == 1
    accepted(await other.execute(sent(entry(after, D(1)))))
    native = leg_of(after, kind=CommandKind.CLOSE, reduce_only=True)
    done = accepted(await other.execute(sent(native)))
    assert (done.status, {each.symbol for each in done.fills}) == (
        OrderStatus.FILLED, {before.symbol, after.symbol},
    )  # fmt: skip
    assert not (await other.snapshot()).positions


async def test_symbols(venue: TopstepXVenue) -> None:
    """Continuous and dated symbols are contracts with a root; later places and other things are none."""
    broker = await venue.connect()
    active = await mnq(broker)
    assert (active.root, active.qty_unit, active.tick_size, active.tick_value) == (
        "MNQ",
        "contracts",
        TICK,
        D("0.5"),
    )
    assert active.why == f"MNQ1! is {active.symbol}: the active contract"
    for symbol in ("MNQ", f"CME_MINI:{active.symbol}", active.venue_symbol):
        found = await broker.instrument(symbol)
        assert isinstance(found, Instrument)
        assert replace(found, why="") == replace(active, why="")
    es, mes = await broker.instrument("ES1!"), await broker.instrument("MES1!")
    assert isinstance(es, Instrument)
    assert isinstance(mes, Instrument)
    assert (es.root, mes.root, es.tick_value) == ("ES", "MES", 10 * mes.tick_value)
    assert es.venue_symbol.startswith("CON.F.US.EP.")
    for symbol in ("MNQ2!", "EURUSD", "MNQZ1999", "ZZ1!"):
        assert await broker.instrument(symbol) is None


@pytest.mark.parametrize("fault", ["rate_limit_text", "expired_token", "error_before"])
async def test_a_contract_that_cannot_be_read_is_not_unknown(venue: TopstepXVenue, fault: str) -> None:
    """Only the gateway's own no says that there is none: throttled or logged out says nothing about it."""
    broker = await venue.connect()
    dated = "MNQH2031"
    assert await broker.instrument(dated) is None
    venue.operator.fault(fault, operation="contract_by_id", times=None)
    with pytest.raises(ReadFailed):
        await broker.instrument(dated)


async def test_the_account_is_worth_its_open_profit(venue: TopstepXVenue) -> None:
    """Equity is the balance and what the positions have made at the last price."""
    broker = await venue.connect()
    instrument = await mnq(broker)
    accepted(await broker.execute(sent(entry(instrument, D(2)))))
    venue.price(BID + 40 * TICK, ASK + 40 * TICK)

    async def look() -> bool | None:
        seen = await broker.snapshot()
        return seen.equity - seen.balance == 39 * D("0.5") * 2 or None

    assert await eventually(look, "the open profit at the last price")


async def test_equity_without_a_price_is_not_known(venue: TopstepXVenue) -> None:
    """A position without a price is no flat one: the snapshot fails."""
    broker = await venue.connect()
    accepted(await broker.execute(sent(entry(await mnq(broker), D(1)))))
    venue.operator.fault("error_before", operation="bars", times=None)
    with pytest.raises(ReadFailed):
        await (await venue.connect()).snapshot()


async def test_fields_that_are_null_may_be_missing(venue: TopstepXVenue) -> None:
    """Rows in another order and without nulls say the same."""
    broker = await venue.connect()
    venue.operator.fault("reorder_columns", times=None)
    leg = entry(await mnq(broker), D(1), protection=Protection(BID - 50 * TICK, ASK + 90 * TICK))
    assert accepted(await broker.execute(sent(leg))).status is OrderStatus.FILLED
    assert len((await broker.snapshot()).orders) == 2


async def test_a_device_account_is_read_and_never_traded(venue: TopstepXVenue) -> None:
    """Topstep takes orders from the trader's device only: here nothing is sent, not even a probe."""
    await venue.connect()
    before = len(venue.operator.log())
    connect = venue.connector()
    broker = await connect(account(venue.number, executor="edge"))
    assert (await broker.snapshot()).balance == 50_000
    instrument = await mnq(broker)
    for leg in (entry(instrument, D(1)), leg_of(instrument, kind=CommandKind.CLOSE)):
        outcome = rejected(await broker.execute(sent(leg)))
        assert (outcome.reason, "device" in outcome.text) == (Reason.EXECUTOR_OFFLINE, True)
    assert len(venue.operator.log()) == before


async def test_a_hosted_worker_trades_practice_accounts_only(venue: TopstepXVenue) -> None:
    """An account that is neither a simulator's nor named PRAC-... is read; nothing is sent for it."""
    connect = venue.connector()
    practice, combine, _ = await connect.accounts(account("0"))
    assert (practice.name[:5], combine.name[:5]) == ("PRAC-", "50KTC")
    for found, may in ((practice, True), (combine, False)):
        broker = await connect(replace(account(found.number), environment="live"))
        outcome = await broker.execute(sent(entry(await mnq(broker), D(1))))
        assert isinstance(outcome, Accepted if may else Rejected), outcome


async def test_two_closes_at_once_are_told_apart(venue: TopstepXVenue) -> None:
    """Two equal parts closed side by side: each has its own fill."""
    broker = await venue.connect()
    instrument = await mnq(broker)
    accepted(await broker.execute(sent(entry(instrument, D(5)))))
    position = await only_position(broker)
    commands = [sent(close_of(instrument, position, D(1))) for _ in range(4)]
    outcomes = [accepted(each) for each in await asyncio.gather(*(broker.execute(e) for e in commands))]
    fills = [fill.venue_fill_id for each in outcomes for fill in each.fills]
    assert (len(fills), len(set(fills)), venue.net()) == (4, 4, D(1))


async def test_protection_that_cannot_be_read_first_is_not_sent(venue: TopstepXVenue) -> None:
    """Nothing leaves when it is not known what is there: a refusal by us, no doubt."""
    broker = await venue.connect()
    instrument = await mnq(broker)
    accepted(await broker.execute(sent(entry(instrument, D(1)))))
    venue.operator.fault("error_before", operation="query", times=None)
    leg = leg_of(
        instrument, kind=CommandKind.PROTECT, side=Side.BUY, qty=D(1), venue_position_id=instrument.venue_symbol,
        protection=Protection(stop_loss=BID - 30 * TICK),
    )  # fmt: skip
    assert rejected(await broker.execute(sent(leg))).reason is Reason.BROKER_UNREACHABLE
    assert len(written(venue)) == 1


async def test_without_a_last_price_the_alerts_own_counts(venue: TopstepXVenue) -> None:
    """Ticks are counted from the alert's price then; without one an entry with a stop is not sent."""
    broker = await venue.connect()
    instrument = await mnq(broker)
    other = await venue.connect()
    venue.operator.fault("error_before", operation="bars", times=None)
    wanted = Protection(BID - 50 * TICK)
    leg = entry(instrument, D(1), protection=wanted)
    assert rejected(await other.execute(sent(leg))).reason is Reason.NO_QUOTE
    done = accepted(await other.execute(sent(replace(leg, ref_price=BID - 10 * TICK))))
    assert [each.stop_loss for each in done.positions] == [wanted.stop_loss]


async def test_exits_do_not_wait_for_reads(venue: TopstepXVenue) -> None:
    """A close goes out when the position cannot be read first."""
    broker = await venue.connect()
    instrument = await mnq(broker)
    accepted(await broker.execute(sent(entry(instrument, D(2)))))
    position = await only_position(broker)
    for name in ("positions", "orders", "trades", "query"):
        venue.operator.fault("error_before", operation=name, times=None)
    outcome = accepted(await broker.execute(sent(close_of(instrument, position))))
    assert outcome.status is OrderStatus.WORKING
    venue.clear()
    assert venue.net() == 0


async def test_many_orders_at_once_are_each_their_own(venue: TopstepXVenue) -> None:
    """Side by side on one account every command gets its own fills, and none those of another."""
    broker = await venue.connect()
    instrument = await mnq(broker)
    commands = [sent(entry(instrument, D(1 + index % 3))) for index in range(12)]
    outcomes = [accepted(each) for each in await asyncio.gather(*(broker.execute(e) for e in commands))]
    assert [each.filled_qty for each in outcomes] == [each.leg.qty for each in commands]
    ids = [fill.venue_fill_id for each in outcomes for fill in each.fills]
    assert len(ids) == len(set(ids))
    assert venue.net() == sum(each.filled_qty for each in outcomes)


async def test_more_orders_than_a_page(venue: TopstepXVenue) -> None:
    """The gateway gives orders page by page: all are seen, each once."""
    broker = await venue.connect()
    instrument = await mnq(broker)
    settings(venue, max_size=1000)
    legs = [entry(instrument, D(1), type=OrderType.LIMIT, price=BID - (100 + n) * TICK) for n in range(54)]
    for leg in legs:
        accepted(await broker.execute(sent(leg)))
    orders = (await (await venue.connect()).snapshot()).orders
    assert sorted(each.price for each in orders if each.price) == sorted(
        leg.price for leg in legs if leg.price
    )


async def test_a_lookup_finds_a_resting_order(venue: TopstepXVenue) -> None:
    """Hung after it was accepted: found as working, with the broker's id."""
    broker = await venue.connect()
    instrument = await mnq(broker)
    venue.fault("hang_after_accept", "place")
    command = sent(entry(instrument, D(1), type=OrderType.LIMIT, price=BID - 100 * TICK))
    assert isinstance(await broker.execute(command), Unknown)
    answer = await broker.lookup(command)
    assert isinstance(answer, Found)
    assert isinstance(answer.outcome, Accepted)
    assert answer.outcome.status is OrderStatus.WORKING
