"""TradeLocker against the contract of all brokers."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from decimal import Decimal

import pytest

from shared.brokers.port import Broker
from shared.brokers.session import Login
from shared.brokers.tradelocker.account import Patience
from shared.brokers.tradelocker.client import Timing
from shared.brokers.tradelocker.connect import TradeLocker
from shared.brokers.transport import open_http
from shared.models import enums
from shared.models.trading import Account
from tests.conformance.broker_contract import BrokerContract
from tests.conformance.harness import PATIENT_S
from tests.conformance.simulators import Operator, running_simulator

TIMING = Timing(request_timeout=PATIENT_S, send_within=PATIENT_S, read_within=PATIENT_S)
PATIENCE = Patience(confirm=1.0, lag=1.2, reapply=0.3)
READS = ("positions", "orders", "history", "state")


def account(number: str, connection: str = "connection") -> Account:
    """An account as a worker has it."""
    return Account(
        id=f"account {number}",
        user_id="user",
        connection_id=connection,
        broker=enums.Broker.TRADELOCKER,
        account_number=number,
        currency="USD",
        margin_mode=enums.MarginMode.HEDGING,
        environment="simulated",
        executor="fleet",
        trading_enabled=True,
        halt_epoch=0,
        locked_until=None,
        lock_reason=None,
        balance=None,
        equity=None,
        as_of=None,
        freshness=enums.Freshness.UNKNOWN,
    )


@dataclass
class TradeLockerVenue:
    """A user of the simulator; what the contract asks of a venue."""

    operator: Operator
    stop: Callable[[], None]
    symbol: str = "OANDA:EURUSD"
    bid: Decimal = Decimal("1.09500")
    ask: Decimal = Decimal("1.09506")
    qty: Decimal = Decimal("0.10")
    user: str = field(default_factory=lambda: f"{uuid.uuid4().hex}@example.com")
    number: str = ""
    opened: list[TradeLocker] = field(default_factory=list)
    patience: Patience = PATIENCE
    answer_s: float = PATIENT_S

    async def connect(self) -> Broker:
        connect = self.connector()
        if not self.number:
            self.number = (await connect.accounts(account("0")))[0].number
        return await connect(account(self.number))

    async def connect_elsewhere(self) -> Broker:
        return await self.connector()(account("4711"))

    def fault(self, kind: str, operation: str, *, value: str = "", times: int | None = 1) -> None:
        operations = READS if operation == "reads" and kind != "lag_lists" else (operation,)
        for name in operations:
            self.operator.fault(kind, value=value, operation=name, times=times)

    def clear(self) -> None:
        self.operator.clear()

    def price(self, bid: Decimal, ask: Decimal) -> None:
        self.operator.price("EURUSD", bid, ask)

    def orders_made(self) -> int:
        book = self.operator.state()[self.number]
        return sum(1 for each in (*book["working"], *book["ended"]) if each["role"] == "entry")

    def net(self) -> Decimal:
        signs = {"buy": 1, "sell": -1}
        held = self.operator.state()[self.number]["positions"]
        return sum((Decimal(each["qty"]) * signs[each["side"]] for each in held), Decimal(0))

    def down(self) -> None:
        self.stop()

    def connector(self) -> TradeLocker:
        """Another worker's adapter."""

        async def login(_: Account) -> Login:
            return Login(self.operator.url, "SIM", self.user, "correct horse")

        timing = replace(TIMING, request_timeout=self.answer_s)
        connect = TradeLocker(open_http, login, timing=timing, patience=self.patience)
        self.opened.append(connect)
        return connect


class Simulator:
    """The simulator of a module, started anew after a test has stopped it."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self.operator: Operator | None = None

    def running(self) -> Operator:
        """Its operator's side; starts it where it does not run."""
        if self.operator is None:
            self.operator = self._stack.enter_context(running_simulator("tradelocker", "--no-limits"))
        return self.operator

    def stop(self) -> None:
        """Nobody listens any more."""
        self.operator = None
        self._stack.close()


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """The module's simulator."""
    made = Simulator()
    yield made
    made.stop()


@pytest.fixture
async def venue(simulator: Simulator) -> AsyncIterator[TradeLockerVenue]:
    """A user of its own, and the price where every test starts."""
    made = TradeLockerVenue(simulator.running(), simulator.stop)
    made.price(made.bid, made.ask)
    yield made
    for connect in made.opened:
        await connect.close()
    if simulator.operator is not None:
        made.clear()


class TestTradeLocker(BrokerContract):
    """Every test of the contract."""
