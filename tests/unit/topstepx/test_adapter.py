"""What is special about TopstepX, against its simulator: symbols, money, whose device it is, many at once."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from shared.brokers.port import ReadFailed
from shared.models.command import Protection
from shared.models.enums import CommandKind, OrderStatus, OrderType, Side
from shared.models.market import Instrument
from shared.models.outcome import Accepted, Found, Rejected, Unknown
from shared.models.reasons import Reason
from tests.conformance.harness import (
    HASTY_S,
    accepted,
    close_of,
    entry,
    eventually,
    leg_of,
    only_position,
    rejected,
    sent,
)
from tests.conformance.test_topstepx import TopstepXVenue, account
from tests.unit.topstepx.trades import ASK, BID, TICK, D, mnq, settings, written


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
    venue.answer_s = HASTY_S
    broker = await venue.connect()
    instrument = await mnq(broker)
    venue.fault("hang_after_accept", "place")
    command = sent(entry(instrument, D(1), type=OrderType.LIMIT, price=BID - 100 * TICK))
    assert isinstance(await broker.execute(command), Unknown)
    answer = await broker.lookup(command)
    assert isinstance(answer, Found)
    assert isinstance(answer.outcome, Accepted)
    assert answer.outcome.status is OrderStatus.WORKING
