"""MetaTrader, through MetaApi, against the contract of all brokers: a hedging and a netting account."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from decimal import Decimal

import pytest

from local.venues.metatrader.desk import KINDS
from shared.brokers.metatrader.account import Patience
from shared.brokers.metatrader.client import LIMITS, Timing
from shared.brokers.metatrader.connect import MetaTrader
from shared.brokers.port import Broker
from shared.brokers.session import Login
from shared.brokers.transport import open_http
from shared.models import enums
from shared.models.enums import MarginMode
from shared.models.trading import Account
from tests.conformance.broker_contract import BrokerContract
from tests.conformance.harness import PATIENT_S
from tests.conformance.simulators import Operator, running_simulator

TIMING = Timing(PATIENT_S, PATIENT_S, send_within=PATIENT_S, read_within=PATIENT_S)
PATIENCE = Patience(confirm=1.0, lag=1.2, reapply=0.3)
UNLIMITED = dict.fromkeys(LIMITS, (1000, 1.0))
KIND_NAMES = [kind.name for kind in KINDS]
READ_NAMES = ("positions", "position", "orders", "account_information", "history_deals")


def account(
    number: str, margin_mode: MarginMode = MarginMode.HEDGING, connection: str = "connection"
) -> Account:
    """An account as a worker has it."""
    return Account(
        id=f"account {number}",
        user_id="user",
        connection_id=connection,
        broker=enums.Broker.METATRADER,
        account_number=number,
        currency="USD",
        margin_mode=margin_mode,
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
class MetaTraderVenue:
    """A token of the simulator and its account of one kind; what the contract asks of a venue."""

    operator: Operator
    kind: str
    stop: Callable[[], None] = lambda: None
    symbol: str = "OANDA:EURUSD"
    bid: Decimal = Decimal("1.09500")
    ask: Decimal = Decimal("1.09506")
    qty: Decimal = Decimal("0.10")
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    opened: list[MetaTrader] = field(default_factory=list)
    timing: Timing = TIMING
    answer_s: float = PATIENT_S
    patience: Patience = PATIENCE
    limits: Mapping[str, tuple[int, float]] = field(default_factory=lambda: UNLIMITED)

    @property
    def mode(self) -> MarginMode:
        return MarginMode.HEDGING if KINDS[KIND_NAMES.index(self.kind)].hedging else MarginMode.NETTING

    async def connect(self) -> Broker:
        connect = self.connector()
        return await connect(account(await self.number(), self.mode))

    async def connect_elsewhere(self) -> Broker:
        return await self.connector()(account("4711", self.mode))

    async def number(self) -> str:
        """The account's number, as the trader knows it."""
        found = await self.connector().accounts(account("0"))
        return found[KIND_NAMES.index(self.kind)].number

    def fault(self, kind: str, operation: str, *, value: str = "", times: int | None = 1) -> None:
        operations = READ_NAMES if operation == "reads" and kind != "lag_lists" else (operation,)
        for name in operations:
            self.operator.fault(kind, value=value, operation=name, times=times)

    def clear(self) -> None:
        self.operator.clear()

    def price(self, bid: Decimal, ask: Decimal) -> None:
        self.operator.price("EURUSD", bid, ask)

    def orders_made(self) -> int:
        book = self._book()
        return sum(1 for each in (*book["working"], *book["ended"]) if each["role"] == "entry")

    def net(self) -> Decimal:
        signs = {"buy": 1, "sell": -1}
        held = self._book()["positions"]
        return sum((Decimal(each["qty"]) * signs[each["side"]] for each in held), Decimal(0))

    def down(self) -> None:
        self.stop()

    def connector(self, server: str = "SIM", user: str = "trader") -> MetaTrader:
        """A connector with the venue's token."""

        async def login(_: Account) -> Login:
            return Login(self.operator.url, server, user, self.token)

        timing = replace(self.timing, request_timeout=self.answer_s, trade_timeout=self.answer_s)
        connect = MetaTrader(open_http, login, timing, self.patience, self.limits)
        self.opened.append(connect)
        return connect

    async def close(self) -> None:
        """Release what was connected."""
        for connect in self.opened:
            await connect.close()

    def _book(self) -> dict[str, list[dict[str, str]]]:
        books = self.operator.state().values()
        found: dict[str, list[dict[str, str]]] = next(
            each for each in books if each["kind"] == self.kind and each["token"] == self.token
        )
        return found


class Simulator:
    """The simulator of a module, started anew after a test has stopped it."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self.operator: Operator | None = None

    def running(self) -> Operator:
        """Its operator's side; starts it where it does not run."""
        if self.operator is None:
            options = ("--no-limits", "--accounts", str(len(KINDS)))
            self.operator = self._stack.enter_context(running_simulator("metatrader", *options))
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
async def venue(simulator: Simulator, request: pytest.FixtureRequest) -> AsyncIterator[MetaTraderVenue]:
    """A token of its own, and the price where every test starts."""
    made = MetaTraderVenue(simulator.running(), request.cls.kind, simulator.stop)
    made.price(made.bid, made.ask)
    yield made
    await made.close()
    if simulator.operator is not None:
        made.clear()


class TestHedgingAccount(BrokerContract):
    """Every test of the contract, on MetaTrader 5 with hedging."""

    kind = "mt5 hedging"


class TestNettingAccount(BrokerContract):
    """Every test of the contract, on MetaTrader 5 with netting, where symbols end in `.r`."""

    kind = "mt5 netting"


class TestMetaTrader4(BrokerContract):
    """Every test of the contract, on MetaTrader 4, where symbols end in `m` and parts have new tickets."""

    kind = "mt4"
