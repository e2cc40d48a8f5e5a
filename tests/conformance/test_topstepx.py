"""TopstepX against the contract of all brokers."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from decimal import Decimal

import httpx
import pytest

from shared import codec
from shared.brokers.port import Broker
from shared.brokers.session import Login
from shared.brokers.topstepx.account import Patience
from shared.brokers.topstepx.client import Timing
from shared.brokers.topstepx.connect import TopstepX
from shared.brokers.transport import open_http
from shared.models import enums
from shared.models.trading import Account
from tests.conformance.broker_contract import BrokerContract
from tests.conformance.harness import PATIENCE_S, PATIENT_S
from tests.conformance.simulators import Operator, running_simulator

TIMING = Timing(request_timeout=PATIENT_S, send_within=PATIENT_S, read_within=PATIENT_S)
PATIENCE = Patience(confirm=1.0, lag=1.2, reapply=0.3)
READS = ("positions", "query", "orders", "trades", "accounts")
KEY = "correct horse battery"


def account(number: str, connection: str = "connection", executor: str = "fleet") -> Account:
    """An account as a worker has it."""
    return Account(
        id=f"account {number}",
        user_id="user",
        connection_id=connection,
        broker=enums.Broker.TOPSTEPX,
        account_number=number,
        currency="USD",
        margin_mode=enums.MarginMode.NETTING,
        environment="simulated",
        executor=executor,
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
class TopstepXVenue:
    """A user of the simulator; what the contract asks of a venue."""

    operator: Operator
    stop: Callable[[], None]
    symbol: str = "CME_MINI:MNQ1!"
    bid: Decimal = Decimal("25000.00")
    ask: Decimal = Decimal("25000.25")
    qty: Decimal = Decimal(1)
    user: str = field(default_factory=lambda: uuid.uuid4().hex)
    number: str = ""
    opened: list[TopstepX] = field(default_factory=list)
    limits: Mapping[str, tuple[int, float]] | None = None
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
        # The gateway has two ways to close: of a position, and of a part of it.
        operations = ("close", "partial_close") if operation == "close" else operations
        for name in operations:
            self.operator.fault(kind, value=value, operation=name, times=times)

    def clear(self) -> None:
        self.operator.clear()

    def price(self, bid: Decimal, ask: Decimal) -> None:
        self.operator.price(self.contract(), bid, ask)

    def contract(self, root: str = "MNQ") -> str:
        """The active contract of a root."""
        answer = httpx.get(f"{self.operator.url}/_sim/contracts", trust_env=False, timeout=PATIENCE_S)
        active: dict[str, str] = codec.decode(answer.content)
        return active[root]

    def orders_made(self) -> int:
        return sum(1 for each in self.orders() if is_entry(each) and each["status"] != 5)

    def orders(self) -> list[dict[str, object]]:
        """Every order of the account's book."""
        found: list[dict[str, object]] = self.operator.state()[self.number]["orders"]
        return found

    def net(self) -> Decimal:
        held = self.operator.state()[self.number]["positions"]
        return sum((Decimal(each["size"]) * (1 if each["type"] == 1 else -1) for each in held), Decimal(0))

    def down(self) -> None:
        self.stop()

    def connector(self) -> TopstepX:
        """Another worker's adapter."""

        async def login(_: Account) -> Login:
            return Login(self.operator.url, "", self.user, KEY)

        timing = replace(TIMING, request_timeout=self.answer_s)
        connect = TopstepX(open_http, login, timing=timing, patience=self.patience, limits=self.limits)
        self.opened.append(connect)
        return connect


def is_entry(order: dict[str, object]) -> bool:
    """An order that was placed: no close, no child, nothing that protects, no probe."""
    tag = str(order["tag"] or "")
    return bool(tag) and not tag.startswith("probe-") and not tag.endswith(("-SL", "-TP"))


class Simulator:
    """The simulator of a module, started anew after a test has stopped it."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self.operator: Operator | None = None

    def running(self) -> Operator:
        """Its operator's side; starts it where it does not run."""
        if self.operator is None:
            self.operator = self._stack.enter_context(running_simulator("topstepx", "--no-limits"))
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
async def venue(simulator: Simulator) -> AsyncIterator[TopstepXVenue]:
    """A user of its own, and the price where every test starts."""
    made = TopstepXVenue(simulator.running(), simulator.stop)
    made.price(made.bid, made.ask)
    yield made
    for connect in made.opened:
        await connect.close()
    if simulator.operator is not None:
        made.clear()


class TestTopstepX(BrokerContract):
    """Every test of the contract."""
