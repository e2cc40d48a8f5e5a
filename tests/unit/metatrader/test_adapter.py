"""What is special about MetaTrader, against its simulator."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from local.venues.metatrader.codes import NAMES
from local.venues.metatrader.desk import KINDS
from shared.brokers.metatrader.client import LIMITS
from shared.brokers.metatrader.connect import MetaTrader, trading_url
from shared.brokers.port import Broker, LoginRefused, ReadFailed, Sent
from shared.brokers.session import Login
from shared.brokers.transport import open_http
from shared.models.command import Leg, Protection
from shared.models.enums import CommandKind, Effect, MarginMode, OrderStatus, OrderType, Side
from shared.models.market import Ambiguous, Instrument
from shared.models.outcome import Absent, Accepted, CannotTell, Found, Rejected, Unknown
from shared.models.reasons import Reason
from shared.models.trading import Account
from tests.conformance.harness import (
    accepted,
    close_of,
    entry,
    leg_of,
    only_position,
    open_position,
    rejected,
    sent,
)
from tests.conformance.simulators import Operator, running_simulator
from tests.conformance.test_metatrader import KIND_NAMES, MetaTraderVenue, account
from tests.unit.metatrader.test_codes import CODES, DOUBT

D = Decimal
LOTS = D("0.10")
LONG_AGO = timedelta(minutes=1)


@pytest.fixture(scope="module")
def operator() -> Iterator[Operator]:
    """A simulator without limits, an account of every kind for each token."""
    with running_simulator("metatrader", "--no-limits", "--accounts", str(len(KIND_NAMES))) as running:
        yield running


@pytest.fixture
async def make(operator: Operator) -> AsyncIterator[type]:
    """Makes tokens of their own, each with an account of a kind."""
    made: list[MetaTraderVenue] = []

    class Venue(MetaTraderVenue):
        def __init__(self, kind: str = "mt5 hedging") -> None:
            super().__init__(operator, kind)
            self.price(self.bid, self.ask)
            made.append(self)

    yield Venue
    for venue in made:
        await venue.close()
    operator.clear()


async def traded(broker: Broker, symbol: str = "EURUSD") -> Instrument:
    """The instrument of a symbol."""
    found = await broker.instrument(symbol)
    assert isinstance(found, Instrument)
    return found


def log_of(venue: MetaTraderVenue, tag: str) -> list[str]:
    """The trades that were received under a clientId."""
    return [each["operation"] for each in venue.operator.log() if each["tag"] == tag]


def net_close(instrument: Instrument, side: Side | None, qty: Decimal | None = None) -> Leg:
    """A close that names no position, as on a netting account."""
    return leg_of(instrument, kind=CommandKind.CLOSE, side=side, qty=qty, reduce_only=True)


async def test_every_code_over_the_wire(make: type[MetaTraderVenue]) -> None:
    """Every refusal comes back as its closed reason and every doubt as Unknown; none is an order."""
    venue = make()
    broker = await venue.connect()
    instrument = await traded(broker)
    for code, expected in CODES.items():
        if isinstance(expected, Reason) or expected is DOUBT:
            venue.fault("refuse", "place", value=f"{code}")
            outcome = await broker.execute(sent(entry(instrument, LOTS)))
            assert isinstance(outcome, Rejected if isinstance(expected, Reason) else Unknown), NAMES[code]
            assert not isinstance(outcome, Rejected) or outcome.reason is expected, NAMES[code]
            assert NAMES[code] in outcome.text
    assert venue.orders_made() == 0


# Whose account it is.


async def test_another_server_is_refused(make: type[MetaTraderVenue]) -> None:
    """The token has the number, on another server than the credential names: nothing can be sent."""
    venue = make()
    number = await venue.number()
    with pytest.raises(ReadFailed, match=f"no account {number} on Other-Live; it has {number} on SIM"):
        await venue.connector("Other-Live")(account(number))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"margin_mode": MarginMode.NETTING}, "is a hedging account, it is kept as netting"),
        ({"currency": "EUR"}, "is in USD, it is kept as in EUR"),
    ],
)
async def test_an_account_that_is_not_as_we_keep_it(
    make: type[MetaTraderVenue], wrong: dict[str, object], words: str
) -> None:
    """Margin mode and currency decide how orders are made and sized: a difference stops everything."""
    venue = make()
    ours = replace(account(await venue.number()), **wrong)  # type: ignore[arg-type]
    with pytest.raises(ReadFailed, match=words):
        await venue.connector()(ours)


async def test_what_a_token_has(make: type[MetaTraderVenue]) -> None:
    """Number, currency, margin mode and money of each account on the server; a server that has none is refused."""
    found = await make().connector().accounts(account(""))
    assert [each.margin_mode for each in found] == [
        MarginMode.HEDGING if kind.hedging else MarginMode.NETTING for kind in KINDS
    ]
    assert {(each.currency, each.balance) for each in found} == {("USD", D("100000.00"))}
    with pytest.raises(LoginRefused, match="no account on Other-Live"):
        await make().connector("Other-Live").accounts(account(""))


async def test_a_credential_for_one_account(make: type[MetaTraderVenue]) -> None:
    """A user name that is an account's number means that one and no other of the token."""
    venue = make()
    first, second = [each.number for each in await venue.connector().accounts(account(""))][:2]
    only = venue.connector(user=first)
    assert [each.number for each in await only.accounts(account(""))] == [first]
    with pytest.raises(ReadFailed, match=f"no account {second} on SIM"):
        await only(account(second, MarginMode.NETTING))
    with pytest.raises(LoginRefused, match="no account 4711 on SIM"):
        await venue.connector(user="4711").accounts(account(""))


async def test_a_token_that_is_not_good(make: type[MetaTraderVenue]) -> None:
    """It stays so until there is another one."""
    venue = make()
    venue.token = "short"
    with pytest.raises(LoginRefused, match="Authorization token invalid"):
        await venue.connector().accounts(account(""))


@pytest.mark.parametrize(
    ("region", "url"),
    [
        ("new-york", "https://mt-client-api-v1.new-york.agiliumtrade.ai"),
        ("evil.example/", None),
        ("", None),
    ],
)
def test_the_host_of_a_region(region: str, url: str | None) -> None:
    """Made of the account's region, if that can be a part of a host name; a simulator serves everything itself."""
    ours = "https://mt-provisioning-api-v1.agiliumtrade.agiliumtrade.ai"
    assert trading_url("http://127.0.0.1:1", region) == "http://127.0.0.1:1"
    if url is not None:
        assert trading_url(ours, region) == url
        return
    with pytest.raises(LoginRefused):
        trading_url(ours, region)


async def test_an_account_that_cannot_trade_says_why(make: type[MetaTraderVenue]) -> None:
    """Not deployed, or not connected to its broker: in a sentence, at the connecting and at every read."""
    venue = make()
    broker, number = await venue.connect(), await venue.number()
    command = sent(entry(await traded(broker), LOTS))
    venue.operator.fault("not_connected", times=None)
    with pytest.raises(ReadFailed, match="not connected to the broker"):
        await venue.connector()(account(number))
    assert isinstance(await broker.lookup(command), CannotTell)
    venue.clear()


async def test_the_terminal_is_not_connected_when_the_order_comes(make: type[MetaTraderVenue]) -> None:
    """504 says nothing about whether it was done: Unknown, and found out when the terminal is back."""
    venue = make()
    broker = await venue.connect()
    command = sent(entry(await traded(broker), LOTS), datetime.now(UTC) - LONG_AGO)
    venue.operator.fault("not_connected", times=None)
    assert isinstance(await broker.execute(command), Unknown)
    venue.clear()
    assert isinstance(await broker.lookup(command), Absent)


@pytest.mark.parametrize(
    ("allowed", "investor", "reason"),
    [(False, False, Reason.TRADING_DISABLED), (True, True, Reason.NOT_AUTHORIZED)],
)
async def test_an_account_that_may_not_trade(
    make: type[MetaTraderVenue], allowed: bool, investor: bool, reason: Reason
) -> None:
    """Entries are refused with the reason, before and after it is known; when it may again, they go out again."""
    venue = make()
    broker, number = await venue.connect(), await venue.number()
    leg = entry(await traded(broker), LOTS)
    venue.operator.post("rights", login=number, trade_allowed=allowed, investor=investor)
    assert rejected(await broker.execute(sent(leg))).reason is reason
    known = await venue.connect()
    assert rejected(await known.execute(sent(leg))).reason is reason
    venue.operator.post("rights", login=number, trade_allowed=True, investor=False)
    assert accepted(await known.execute(sent(leg))).status is OrderStatus.FILLED


async def test_a_token_that_was_replaced(make: type[MetaTraderVenue]) -> None:
    """After a 401 the credential is opened again, and the trade goes out once with the token of now."""
    venue = make()
    good, venue.token = venue.token, "x" * 8
    opened = venue.connector()
    venue.token = good
    broker = await opened(account(await venue.number()))
    command = sent(entry(await traded(broker), LOTS))
    assert accepted(await broker.execute(command)).status is OrderStatus.FILLED
    assert log_of(venue, command.client_order_id) == ["place"]


async def test_a_token_that_is_gone(make: type[MetaTraderVenue]) -> None:
    """The broker does not take the token any more and the credential cannot be opened again: a refusal, no error."""
    venue = make()
    opened = 0

    async def login(_: Account) -> Login:
        nonlocal opened
        opened += 1
        if opened > 1:
            raise LoginRefused("The connection is disconnected: connect it again.")
        return Login(venue.operator.url, "SIM", "trader", venue.token)

    connect = MetaTrader(open_http, login, venue.timing, venue.patience, venue.limits)
    venue.opened.append(connect)
    broker = await connect(account(await venue.number()))
    leg = entry(await traded(broker), LOTS)
    venue.fault("expired_token", "place")
    refused = rejected(await broker.execute(sent(leg)))
    assert (refused.reason, "connect it again" in refused.text) == (Reason.NOT_AUTHORIZED, True)
    assert venue.orders_made() == 0


# What it trades.


@pytest.mark.parametrize(
    ("kind", "asked", "name"),
    [
        ("mt5 hedging", "FX:EURUSD", "EURUSD"),
        ("mt5 netting", "OANDA:EURUSD", "EURUSD.r"),
        ("mt4", "EURUSD", "EURUSDm"),
        ("mt5 renamed", "OANDA:XAUUSD", "GOLD"),
        ("mt5 renamed", "TVC:US30", "#US30"),
        ("mt5 mixed", "EURUSD.pro", "EURUSD.pro"),
    ],
)
async def test_names_of_account_types(make: type[MetaTraderVenue], kind: str, asked: str, name: str) -> None:
    """What is chosen says why; it is traded under the broker's name and shown under the plain one."""
    broker = await make(kind).connect()
    instrument = await traded(broker, asked)
    assert (instrument.venue_symbol, name in instrument.why) == (name, True)
    assert isinstance(await broker.execute(sent(entry(instrument, D("0.1")))), Accepted)
    position = await only_position(broker)
    assert (position.symbol, position.venue_symbol) == (instrument.symbol, name)


async def test_two_names_for_one_symbol(make: type[MetaTraderVenue]) -> None:
    """EURUSD.r and EURUSD.pro: both are named, none is taken; what a euro is worth is known all the same."""
    broker = await make("mt5 mixed").connect()
    assert await broker.instrument("EURUSD") == Ambiguous("EURUSD", ("EURUSD.pro", "EURUSD.r"))
    assert await broker.rate("EUR", "USD") == D("1.09503")


@pytest.mark.parametrize(
    ("symbol", "tick", "value", "currency", "pip"),
    [
        ("EURUSD", "0.00001", "1", "USD", "0.0001"),
        ("USDJPY", "0.001", "100", "JPY", "0.01"),
        ("XAUUSD", "0.01", "1", "USD", None),
        ("US30", "0.1", "0.1", "USD", None),
        ("BTCUSD", "0.01", "0.01", "USD", None),
    ],
)
async def test_what_a_tick_is_worth(
    make: type[MetaTraderVenue], symbol: str, tick: str, value: str, currency: str, pip: str | None
) -> None:
    """Per lot, in the currency that is named; a pip only where there is one."""
    found = await traded(await make().connect(), symbol)
    assert (found.tick_size, found.tick_value, found.quote_currency) == (D(tick), D(value), currency)
    assert found.pip_size == (D(pip) if pip else None)


@pytest.mark.parametrize(
    ("currency", "into", "rate"),
    [("USD", "USD", "1"), ("EUR", "USD", "1.09503"), ("USD", "JPY", "148.2"), ("GBP", "EUR", "1.1627")],
)
async def test_rates(make: type[MetaTraderVenue], currency: str, into: str, rate: str) -> None:
    """Directly, inversely or through the dollar; a currency nobody quotes is not known."""
    broker = await make().connect()
    found = await broker.rate(currency, into)
    assert found is not None
    assert abs(found - D(rate)) < D("0.01")
    assert await broker.rate("THB", "USD") is None


# One trade for one command.


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
    assert rejected(await broker.execute(sent(entry(instrument, LOTS)))).reason is Reason.BROKER_BUSY
    began = datetime.now(UTC)
    assert accepted(await broker.execute(sent(entry(instrument, LOTS)))).status is OrderStatus.FILLED
    assert timedelta(seconds=0.3) < datetime.now(UTC) - began < timedelta(seconds=5)


@pytest.mark.parametrize("operation", ["modify", "protect"])
async def test_a_change_while_we_are_told_to_be_quiet(make: type[MetaTraderVenue], operation: str) -> None:
    """What has to be read first cannot be: nothing is sent, the broker is busy, and the text says for how long."""
    venue = make()
    venue.timing = replace(venue.timing, send_within=0.1)
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
    venue.fault("rate_limit_json", "place")
    assert rejected(await broker.execute(sent(entry(instrument, LOTS)))).reason is Reason.BROKER_BUSY
    before = len(venue.operator.log())
    refused = rejected(await broker.execute(sent(legs[operation])))
    assert refused.reason is Reason.BROKER_BUSY
    assert re.search(r"for \d\.\d s", refused.text)
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


# MetaTrader 4.


async def test_metatrader_4_trades(make: type[MetaTraderVenue]) -> None:
    """An entry, a stop, a whole close: with MetaTrader 4's own codes."""
    venue = make("mt4")
    broker = await venue.connect()
    instrument = await traded(broker)
    position = await open_position(broker, instrument, 3 * LOTS)
    whole = accepted(await broker.execute(sent(close_of(instrument, position))))
    assert (whole.status, whole.filled_qty, venue.net()) == (OrderStatus.FILLED, 3 * LOTS, 0)


@pytest.mark.parametrize("again", [False, True], ids=["one process", "a new one each time"])
async def test_a_position_keeps_its_name_on_metatrader_4(make: type[MetaTraderVenue], again: bool) -> None:
    """Parts are closed, each leaves a new ticket, and to us it is the same position: protected, closed, told."""
    venue = make("mt4")
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
    assert {told[0].venue_position_id, told[-1].venue_position_id} == {position.venue_position_id}
    assert again or {each.venue_position_id for each in told} == {position.venue_position_id}


@pytest.mark.parametrize("done", [True, False])
async def test_a_doubtful_part_on_metatrader_4(make: type[MetaTraderVenue], done: bool) -> None:
    """It takes no label with a close: what is left of the position tells, not a part that was closed before."""
    venue = make("mt4")
    broker = await venue.connect()
    instrument = await traded(broker)
    position = await open_position(broker, instrument, 3 * LOTS)
    accepted(await broker.execute(sent(close_of(instrument, position, LOTS))))
    venue.fault("drop_after_accept" if done else "drop_after_read", "close")
    command = sent(close_of(instrument, replace(position, qty=2 * LOTS), LOTS))
    assert isinstance(await broker.execute(command), Unknown)
    later = replace(command, submitted_at=datetime.now(UTC) - timedelta(seconds=5))
    answer = await broker.lookup(later)
    assert isinstance(answer, Found if done else Absent), answer
    fresh = await (await venue.connect()).lookup(later)
    # A new process does not know which of two equal deals was the other command's.
    assert isinstance(fresh, CannotTell if done else Absent), fresh


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
