"""What is special about TradeLocker, against its simulator."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from local.venues.tradelocker.refusals import TEXTS
from shared.brokers.port import Broker, ReadFailed
from shared.brokers.session import Login
from shared.brokers.tradelocker.account import Patience
from shared.brokers.tradelocker.client import Timing
from shared.brokers.tradelocker.connect import TradeLocker
from shared.brokers.transport import open_http
from shared.models.command import Leg
from shared.models.enums import CommandKind, OrderStatus, OrderType, Side
from shared.models.market import Ambiguous, Instrument
from shared.models.outcome import Absent, Accepted, CannotTell, Found, Rejected, Unknown
from shared.models.reasons import Reason
from shared.models.trading import Account
from tests.conformance.harness import PATIENT_S, close_of, entry, eventually, only_position, sent
from tests.conformance.simulators import Operator, running_simulator
from tests.conformance.test_tradelocker import PATIENCE, TIMING, account

D = Decimal


@pytest.fixture(scope="module")
def operator() -> Iterator[Operator]:
    """A simulator without rate limits, three accounts a user."""
    with running_simulator("tradelocker", "--no-limits", "--accounts", "3") as running:
        yield running


class Connected:
    """A user of the simulator and the brokers of its accounts."""

    def __init__(
        self, operator: Operator, user: str, timing: Timing = TIMING, patience: Patience = PATIENCE
    ) -> None:
        self.operator, self.user = operator, user
        self._connect = TradeLocker(open_http, self._login, timing=timing, patience=patience)

    async def _login(self, _: Account) -> Login:
        return Login(self.operator.url, "SIM", self.user, "correct horse")

    async def numbers(self) -> list[str]:
        """The account numbers of the login."""
        return [each.number for each in await self._connect.accounts(account("0"))]

    async def broker(self, index: int = 0) -> Broker:
        """The broker of one of the user's accounts."""
        return await self._connect(account((await self.numbers())[index]))

    async def close(self) -> None:
        await self._connect.close()


@pytest.fixture
async def connect(operator: Operator) -> AsyncIterator[Connected]:
    """A connector of a user of its own."""
    made = Connected(operator, f"{uuid.uuid4().hex}@example.com")
    yield made
    await made.close()
    operator.clear()


REFUSALS = {
    "closed": Reason.MARKET_CLOSED,
    "close_only": Reason.TRADING_DISABLED,
    "order_type": Reason.MARKET_CLOSED,
    "margin": Reason.INSUFFICIENT_MARGIN,
    "stop_loss": Reason.INVALID_STOPS,
    "take_profit": Reason.INVALID_STOPS,
    "take_profit_not_allowed": Reason.INVALID_STOPS,
    "quantity": Reason.INVALID_QUANTITY,
    "quantity_step": Reason.INVALID_QUANTITY,
    "price": Reason.INVALID_PRICE,
    "stop_price": Reason.INVALID_PRICE,
    "validity": Reason.INVALID,
    "strategy_id": Reason.INVALID,
    "instrument": Reason.INSTRUMENT_UNKNOWN,
    "route": Reason.INSTRUMENT_UNKNOWN,
    "type": Reason.INVALID,
    "side": Reason.INVALID,
    "no_order": Reason.ORDER_NOT_FOUND,
    "no_position": Reason.POSITION_NOT_FOUND,
}


async def test_every_refusal_over_the_wire(connect: Connected) -> None:
    """Every sentence of the simulator comes back as its closed reason, and none is an order."""
    assert REFUSALS.keys() == TEXTS.keys()
    broker = await connect.broker()
    instrument = await broker.instrument("EURUSD")
    assert instrument is not None
    for word, reason in REFUSALS.items():
        connect.operator.fault("refuse", value=word, operation="place")
        outcome = await broker.execute(sent(entry(instrument, D("0.10"))))
        assert isinstance(outcome, Rejected), word
        assert outcome.reason is reason, outcome
    assert not (await broker.snapshot()).positions


async def test_names_of_an_account_type(connect: Connected) -> None:
    """On the second account names end in `.r`: positions are shown under the plain name, and close again."""
    broker = await connect.broker(1)
    instrument = await broker.instrument("OANDA:EURUSD")
    assert instrument is not None
    assert (instrument.symbol, instrument.venue_symbol) == ("EURUSD", "EURUSD.r")
    assert instrument.why == "EURUSD is EURUSD.r: its name on this account type"
    assert isinstance(await broker.execute(sent(entry(instrument, D("0.10")))), Accepted)
    position = await only_position(broker)
    assert (position.symbol, position.venue_symbol) == ("EURUSD", "EURUSD.r")
    assert isinstance(await broker.execute(sent(close_of(instrument, position))), Accepted)


async def test_two_names_for_one_symbol_are_refused(operator: Operator) -> None:
    """With EURUSD.r and EURUSD.pro on one account both are named; by its full name each can be traded."""
    connect = Connected(operator, f"joe+mixed@{uuid.uuid4().hex}.example.com")
    broker = await connect.broker()
    assert await broker.instrument("OANDA:EURUSD") == Ambiguous("EURUSD", ("EURUSD.pro", "EURUSD.r"))
    chosen = await broker.instrument("EURUSD.pro")
    assert isinstance(chosen, Instrument)
    assert chosen.why == "EURUSD.pro is the broker's own name"
    assert (chosen.symbol, chosen.venue_symbol) == ("EURUSD.pro", "EURUSD.pro")
    assert await broker.rate("EUR", "USD") is not None
    await connect.close()


async def test_prices_of_an_instrument_with_a_dead_route(connect: Connected) -> None:
    """The first INFO route of XAUUSD is good for nothing: the one that answers is found."""
    broker = await connect.broker()
    gold = await broker.instrument("TVC:GOLD")
    assert gold is not None
    quote = await broker.quote(gold, None)
    assert quote is not None
    assert quote.ask - quote.bid == D("0.20")


@pytest.mark.parametrize(
    ("currency", "into", "rate"),
    [("USD", "USD", "1"), ("EUR", "USD", "1.09503"), ("GBP", "EUR", "1.1627")],
)
async def test_rates(connect: Connected, currency: str, into: str, rate: str) -> None:
    """Directly, inversely or through the dollar; a currency nobody quotes is not known."""
    connect.operator.price("EURUSD", D("1.09500"), D("1.09506"))
    broker = await connect.broker()
    found = await broker.rate(currency, into)
    assert found is not None
    assert abs(found - D(rate)) < D("0.0005")
    assert await broker.rate("THB", "USD") is None


async def test_columns_that_change_under_way(connect: Connected) -> None:
    """A broker that reorders its columns while we are connected is asked for them again, never misread."""
    broker = await connect.broker()
    instrument = await broker.instrument("EURUSD")
    assert instrument is not None
    await broker.execute(sent(entry(instrument, D("0.10"))))
    before = await broker.snapshot()
    connect.operator.fault("reorder_columns", times=None)
    after = await broker.snapshot()
    assert [each.venue_position_id for each in after.positions] == [
        each.venue_position_id for each in before.positions
    ]
    outcome = await broker.execute(sent(entry(instrument, D("0.20"))))
    assert isinstance(outcome, Accepted)
    assert outcome.filled_qty == D("0.20")


async def test_a_broker_without_the_tag_column(connect: Connected) -> None:
    """Where orders do not show our id a doubtful order is left to a person, not adopted and not sent again."""
    connect.operator.fault("reorder_columns", value="without_tag", times=None)
    broker = await connect.broker()
    instrument = await broker.instrument("EURUSD")
    assert instrument is not None
    connect.operator.fault("drop_after_accept", operation="place")
    command = sent(entry(instrument, D("0.10")), datetime.now(UTC) - timedelta(minutes=1))
    assert isinstance(await broker.execute(command), Unknown)
    answer = await broker.lookup(command)
    assert isinstance(answer, CannotTell)
    assert "without any tag" in answer.text
    never = sent(entry(instrument, D("0.30")), datetime.now(UTC) - timedelta(minutes=1))
    assert isinstance(await broker.lookup(never), Absent)


@pytest.mark.parametrize("left", [D("0.00"), D("0.10")])
async def test_a_close_is_not_taken_for_a_lost_entry(connect: Connected, left: Decimal) -> None:
    """Closes never have a tag: one of the same side and size, made by another worker, is no doubt about an entry."""
    broker = await connect.broker()
    instrument = await broker.instrument("EURUSD")
    assert instrument is not None
    await broker.execute(sent(entry(instrument, D("0.10") + left, side=Side.SELL)))
    close = close_of(instrument, await only_position(broker), D("0.10") if left else None)
    assert isinstance(await broker.execute(sent(close)), Accepted)
    never = sent(entry(instrument, D("0.10")), datetime.now(UTC) - timedelta(minutes=1))
    elsewhere = Connected(connect.operator, connect.user)
    answer = await (await elsewhere.broker()).lookup(never)
    await elsewhere.close()
    assert isinstance(answer, Absent), answer


async def test_a_close_tells_its_own_fill_only(connect: Connected) -> None:
    """A part was closed by another worker before: what closes the rest tells the rest."""
    broker = await connect.broker()
    instrument = await broker.instrument("EURUSD")
    assert instrument is not None
    await broker.execute(sent(entry(instrument, D("0.30"))))
    await broker.execute(sent(close_of(instrument, await only_position(broker), D("0.10"))))
    elsewhere = Connected(connect.operator, connect.user)
    other = await elsewhere.broker()
    outcome = await other.execute(sent(close_of(instrument, await only_position(other))))
    await elsewhere.close()
    assert isinstance(outcome, Accepted)
    assert (outcome.status, outcome.filled_qty) == (OrderStatus.FILLED, D("0.20"))
    assert [each.qty for each in outcome.fills] == [D("0.20")]


@pytest.mark.parametrize(
    "fault", ["drop_after_read", "drop_after_accept", "garbled", "error_after", "error_before"]
)
@pytest.mark.parametrize("operation", ["place", "close"])
async def test_one_write_for_one_command(connect: Connected, operation: str, fault: str) -> None:
    """Whatever breaks, the broker receives a command once: POST, and DELETE, which libraries like to repeat."""
    broker = await connect.broker()
    instrument = await broker.instrument("EURUSD")
    assert instrument is not None
    await broker.execute(sent(entry(instrument, D("0.30"))))
    position = await only_position(broker)
    place, close = entry(instrument, D("0.10")), close_of(instrument, position, D("0.10"))
    [number, *_] = await connect.numbers()
    before = len([each for each in connect.operator.log() if each["account"] == number])
    connect.operator.fault(fault, operation=operation)
    assert isinstance(await broker.execute(sent(place if operation == "place" else close)), Unknown)
    received = [each for each in connect.operator.log() if each["account"] == number][before:]
    assert len(received) == (0 if fault in ("drop_after_read", "error_before") else 1)


async def test_everything_of_a_symbol_is_closed(connect: Connected) -> None:
    """A close without a position id closes every position of the symbol and no other."""
    broker = await connect.broker()
    for symbol, side in (("EURUSD", Side.BUY), ("EURUSD", Side.SELL), ("USDJPY", Side.BUY)):
        instrument = await broker.instrument(symbol)
        assert instrument is not None
        await broker.execute(sent(entry(instrument, D("0.10"), side=side)))
    leg = Leg(
        leg=0, kind=CommandKind.CLOSE, symbol="EURUSD", venue_symbol="EURUSD", root="EURUSD", reduce_only=True
    )
    outcome = await broker.execute(sent(leg))
    assert isinstance(outcome, Accepted)
    assert outcome.status is OrderStatus.FILLED
    assert [each.symbol for each in (await broker.snapshot()).positions] == ["USDJPY"]


async def test_a_session_that_was_ended_elsewhere(connect: Connected) -> None:
    """The trader logs in to the platform and our tokens die: the next order still goes out, once."""
    broker = await connect.broker()
    instrument = await broker.instrument("EURUSD")
    assert instrument is not None
    connect.operator.revoke()
    command = sent(entry(instrument, D("0.10")))
    assert isinstance(await broker.execute(command), Accepted)
    assert len([each for each in connect.operator.log() if each["tag"] == command.client_order_id]) == 1


async def test_a_fill_of_an_old_order_is_not_missed(connect: Connected) -> None:
    """History filters by when an order was made; one that was made before `since` and filled after it is told."""
    broker = await connect.broker()
    instrument = await broker.instrument("USDCHF")
    assert instrument is not None
    command = sent(entry(instrument, D("0.10"), type=OrderType.LIMIT, price=D("0.88000")))
    await broker.execute(command)
    since = datetime.now(UTC)
    connect.operator.price("USDCHF", D("0.87900"), D("0.87909"))

    async def look() -> bool | None:
        fills = await (await Connected(connect.operator, connect.user).broker()).fills(since)
        return [each.client_order_id for each in fills] == [command.client_order_id] or None

    assert await eventually(look, "the fill")


async def test_a_number_that_names_another_account(connect: Connected) -> None:
    """An account that the login does not have is refused with the ones it has."""
    with pytest.raises(ReadFailed, match="has no account 999"):
        await connect._connect(account("999"))


async def test_a_wrong_password_says_so(operator: Operator) -> None:
    """The broker's own words reach the user who connects."""

    async def login(_: Account) -> Login:
        return Login(operator.url, "SIM", "joe@example.com", "short")

    wrong = TradeLocker(open_http, login, timing=TIMING)
    with pytest.raises(ReadFailed, match="login refused: Invalid credentials"):
        await wrong(account("1"))
    await wrong.close()


async def test_within_the_brokers_limits() -> None:
    """With its rate limits in force the broker never has to say 429, however fast orders come."""
    with running_simulator("tradelocker") as limited:
        connect = Connected(
            limited, "joe@example.com", Timing(PATIENT_S, PATIENT_S, PATIENT_S), Patience(4.0, 5.0, 1.0)
        )
        broker = await connect.broker()
        instrument = await broker.instrument("EURUSD")
        assert instrument is not None
        commands = [sent(entry(instrument, D("0.01"))) for _ in range(7)]
        outcomes = await asyncio.gather(*(broker.execute(each) for each in commands))
        assert all(isinstance(each, Accepted) for each in outcomes), outcomes
        assert isinstance(await broker.lookup(commands[0]), Found)
        received = [each["at"] for each in limited.log()]
        assert len(received) == 7
        gap = datetime.fromisoformat(received[5]) - datetime.fromisoformat(received[0])
        assert gap >= timedelta(seconds=1)
        await connect.close()
