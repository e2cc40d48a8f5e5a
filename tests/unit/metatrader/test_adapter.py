"""What is special about MetaTrader, against its simulator: whose account it is, and what it trades."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from local.venues.metatrader.codes import NAMES
from local.venues.metatrader.desk import KINDS
from shared.brokers.metatrader.connect import MetaTrader, trading_url
from shared.brokers.port import LoginRefused, ReadFailed
from shared.brokers.session import Login
from shared.brokers.transport import open_http
from shared.models.enums import MarginMode, OrderStatus
from shared.models.market import Ambiguous
from shared.models.outcome import Absent, Accepted, CannotTell, Rejected, Unknown
from shared.models.reasons import Reason
from shared.models.trading import Account
from tests.conformance.harness import (
    accepted,
    entry,
    only_position,
    rejected,
    sent,
)
from tests.conformance.test_metatrader import MetaTraderVenue, account
from tests.unit.metatrader.test_codes import CODES, DOUBT
from tests.unit.metatrader.trades import LONG_AGO, LOTS, D, log_of, traded


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
