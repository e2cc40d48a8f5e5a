"""Resolve, against a broker whose account has one symbol under several names."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from shared.brokers.port import Broker
from shared.brokers.session import Login
from shared.brokers.tradelocker.connect import TradeLocker
from shared.brokers.transport import open_http
from shared.models import enums
from shared.models.context import SymbolWord
from shared.models.enums import Action, Lane, Side
from shared.models.market import Ambiguous, Instrument
from shared.models.outcome import Accepted
from shared.models.signal import Signal
from shared.models.trading import Account
from shared.store.rows import AccountRow, Claimed, Delivery, Event
from tests.conformance.harness import entry, only_position, sent
from tests.conformance.simulators import Operator, running_simulator
from tests.conformance.test_tradelocker import PATIENCE, TIMING, account
from workers.execution import trace
from workers.execution.resolve import Resolved, context_for

D = Decimal
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def operator() -> Iterator[Operator]:
    """A simulator without rate limits."""
    with running_simulator("tradelocker", "--no-limits") as running:
        yield running


@pytest.fixture
async def broker(operator: Operator) -> AsyncIterator[Broker]:
    """An account that trades EURUSD.r and EURUSD.pro."""
    user = f"joe+mixed@{uuid.uuid4().hex}.example.com"

    async def login(_: Account) -> Login:
        return Login(operator.url, "SIM", user, "correct horse")

    connect = TradeLocker(open_http, login, timing=TIMING, patience=PATIENCE)
    number = (await connect.accounts(account("0")))[0].number
    yield await connect(account(number))
    await connect.close()


def claimed(action: Action, word: SymbolWord | None = None) -> Claimed:
    """A delivery of an account of which nothing is known yet."""
    row = AccountRow(
        id="a",
        user_id="u",
        connection_id="c",
        broker=enums.Broker.TRADELOCKER,
        account_id="1",
        currency="USD",
        margin_mode=enums.MarginMode.HEDGING,
        trading_enabled=True,
        halt_epoch=0,
        freshness=enums.Freshness.UNKNOWN,
        environment="simulated",
    )
    delivery = Delivery(1, 1, "u", "a", Lane.NORMAL, action, 0)
    return Claimed(delivery, 1, NOW, Event(1, "tradingview", "", NOW), row, word=word)


async def resolved(broker: Broker, action: Action, word: SymbolWord | None = None) -> Resolved:
    """What resolve makes of an alert that says EURUSD."""
    return await context_for(claimed(action, word), Signal(action, "FX:EURUSD", Side.BUY), broker)


async def bought(broker: Broker, name: str) -> None:
    """A position in one of the names."""
    instrument = await broker.instrument(name)
    assert isinstance(instrument, Instrument)
    assert isinstance(await broker.execute(sent(entry(instrument, D("0.10")))), Accepted)


async def test_an_entry_is_not_guessed(broker: Broker) -> None:
    """No instrument, the candidates, and both in the trace; the read itself did not fail."""
    found = await resolved(broker, Action.OPEN)
    assert found.context.instrument is None
    assert found.context.ambiguous == Ambiguous("EURUSD", ("EURUSD.pro", "EURUSD.r"))
    assert found.unread is None
    assert trace.of_context(found.context, None, None)["ambiguous"] == ["EURUSD.pro", "EURUSD.r"]


async def test_the_traders_own_word_decides(broker: Broker) -> None:
    """With a line in the symbol map nothing is ambiguous, and the trace says who has chosen."""
    found = await resolved(broker, Action.OPEN, SymbolWord("EURUSD.r", D("0.001")))
    instrument = found.context.instrument
    assert found.context.ambiguous is None
    assert instrument is not None
    assert (instrument.venue_symbol, instrument.pip_size) == ("EURUSD.r", D("0.001"))
    why = trace.of_context(found.context, None, None)["why"]
    assert why == "FX:EURUSD is EURUSD.r: the symbol map says so"


async def test_an_exit_means_what_is_held(broker: Broker) -> None:
    """Flat: nothing to mean. One name held: that one, said so. Two: the two are named, none is chosen."""
    flat = await resolved(broker, Action.CLOSE)
    assert (flat.context.instrument, flat.context.ambiguous) == (None, None)
    assert flat.context.positions_known
    await bought(broker, "EURUSD.pro")
    await only_position(broker)
    one = await resolved(broker, Action.CLOSE)
    assert one.context.instrument is not None
    assert one.context.instrument.venue_symbol == "EURUSD.pro"
    assert "of EURUSD.pro, EURUSD.r the one held" in one.context.instrument.why
    await bought(broker, "EURUSD.r")
    both = await resolved(broker, Action.CLOSE)
    assert both.context.ambiguous == Ambiguous("EURUSD", ("EURUSD.pro", "EURUSD.r"))
    assert (await resolved(broker, Action.OPEN)).context.ambiguous is not None
