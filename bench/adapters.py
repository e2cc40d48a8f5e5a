"""`python -m bench.adapters`: how many orders a second one worker can send through each broker's adapter.

The simulators run in processes of their own, with their limits off and ours, too. Every account has one order after
the other under way: a market order to buy, then the broker's close of that position. An order counts when its outcome
is known: sent, seen in the broker's lists, with its fill. One JSON line per broker: what bounds it is whoever's CPU is
near 1000 ms a second; on a machine with few cores `worker_cpu_ms` is what a worker would need anywhere.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from local.venues.tradelocker.config import RATE_LIMITS
from shared.brokers.metatrader.client import LIMITS as METATRADER_LIMITS
from shared.brokers.metatrader.connect import MetaTrader
from shared.brokers.port import Broker, ConnectLogin
from shared.brokers.session import Login, OpenLogin
from shared.brokers.topstepx.client import LIMITS as TOPSTEPX_LIMITS
from shared.brokers.topstepx.connect import TopstepX
from shared.brokers.tradelocker.connect import TradeLocker
from shared.brokers.transport import open_http
from shared.models import enums
from shared.models.command import Leg
from shared.models.enums import CommandKind, OrderStatus, Side
from shared.models.market import Ambiguous, Instrument
from shared.models.outcome import Accepted
from shared.models.trading import Account
from tests.conformance.harness import entry, leg_of, sent
from tests.conformance.simulators import Operator, running_simulator

D = Decimal
NONE = (1_000_000, 1.0)
LOGINS = 10
WARM = 10


@dataclass(frozen=True)
class Way:
    """How one broker is traded here. `symbol` stands still at `bid` / `ask`."""

    broker: enums.Broker
    connector: Callable[[OpenLogin], ConnectLogin]
    server: str
    symbol: str
    qty: D
    bid: D
    ask: D


def limitless(names: Mapping[str, Any]) -> dict[str, tuple[int, float]]:
    """Limits of these names that nobody reaches."""
    return dict.fromkeys(names, NONE)


WAYS = {
    "tradelocker": Way(
        enums.Broker.TRADELOCKER,
        lambda login: TradeLocker(open_http, login, limits=limitless(RATE_LIMITS)),
        *("SIM", "EURUSD", D("0.01"), D("1.09500"), D("1.09506")),
    ),
    "topstepx": Way(
        enums.Broker.TOPSTEPX,
        lambda login: TopstepX(open_http, login, limits=limitless(TOPSTEPX_LIMITS)),
        *("", "MNQ1!", D(1), D(25000), D("25000.25")),
    ),
    "metatrader": Way(
        enums.Broker.METATRADER,
        lambda login: MetaTrader(open_http, login, limits=limitless(METATRADER_LIMITS)),
        *("SIM", "EURUSD", D("0.01"), D("1.09500"), D("1.09506")),
    ),
}


@dataclass
class Line:
    """One account, and the orders that went through it, one after the other."""

    broker: Broker
    way: Way
    done: int = 0

    async def trade(self, orders: int) -> None:
        """In and out in turn. Raises RuntimeError for an order that was not filled."""
        instrument = await self.broker.instrument(self.way.symbol)
        if isinstance(instrument, Ambiguous):
            instrument = await self.broker.instrument(instrument.candidates[0])
        assert isinstance(instrument, Instrument)
        for _ in range(orders // 2):
            opened = await self._order(entry(instrument, self.way.qty))
            out = leg_of(
                instrument, kind=CommandKind.CLOSE, side=Side.SELL, qty=None, held_qty=self.way.qty,
                reduce_only=True, venue_position_id=opened.fills[0].venue_position_id,
            )  # fmt: skip
            await self._order(out)

    async def _order(self, leg: Leg) -> Accepted:
        outcome = await self.broker.execute(sent(leg))
        if not isinstance(outcome, Accepted) or outcome.status is not OrderStatus.FILLED:
            raise RuntimeError(f"{self.way.broker.value}: an order was not filled: {outcome}")
        self.done += 1
        return outcome


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.adapters")
    parser.add_argument("--brokers", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--orders", type=int, default=6000, help="at each broker")
    parser.add_argument("--accounts", type=int, default=10, help="of each of ten logins")
    chosen = parser.parse_args()
    for name in chosen.brokers:
        options = ("--no-limits", "--accounts", str(chosen.accounts))
        with running_simulator(name, *options) as operator:
            print(json.dumps(uvloop.run(_measure(WAYS[name], operator, chosen))), flush=True)


async def _measure(way: Way, operator: Operator, chosen: argparse.Namespace) -> dict[str, Any]:
    hold_price(way, operator)
    users = {f"login {number}": uuid.uuid4().hex for number in range(LOGINS)}

    async def login(account: Account) -> Login:
        user = users[account.connection_id]
        return Login(operator.url, way.server, user, f"a secret of {user}")

    connect = way.connector(login)
    lines = [
        Line(await connect(account), way) for name in users for account in await _accounts(way, connect, name)
    ]
    await asyncio.gather(*(line.trade(WARM) for line in lines))
    before, began = _cpu(), time.perf_counter()
    each = -(-chosen.orders // len(lines))
    await asyncio.gather(*(line.trade(each) for line in lines))
    took, spent = time.perf_counter() - began, [b - a for a, b in zip(before, _cpu(), strict=True)]
    orders = sum(line.done - WARM for line in lines)
    await connect.close()
    return {
        "broker": way.broker.value,
        "orders_per_s": round(orders / took),
        "orders": orders,
        "accounts": len(lines),
        "worker_cpu_ms": round(spent[0] * 1000 / orders, 3),
        "simulator_cpu_ms": round(spent[1] * 1000 / orders, 3),
        "worker_busy": round(spent[0] / took, 2),
        "simulator_busy": round(spent[1] / took, 2),
    }


async def _accounts(way: Way, connect: ConnectLogin, login: str) -> list[Account]:
    """The accounts of a login, as a worker has them."""
    found = await connect.accounts(_account(way, login, "0", enums.MarginMode.NETTING, "USD"))
    return [_account(way, login, each.number, each.margin_mode, each.currency) for each in found]


def _account(way: Way, login: str, number: str, mode: enums.MarginMode, currency: str) -> Account:
    return Account(
        id=f"{login} {number}",
        user_id="user",
        connection_id=login,
        broker=way.broker,
        account_number=number,
        currency=currency,
        margin_mode=mode,
        environment="simulated",
        executor="fleet",
        trading_enabled=True,
        halt_epoch=0,
        locked_until=None,
        lock_reason=None,
        balance=None,
        equity=None,
        as_of=datetime.now(UTC),
        freshness=enums.Freshness.UNKNOWN,
    )


def hold_price(way: Way, operator: Operator) -> None:
    """The price of what is traded stands still."""
    root = way.symbol.removesuffix("1!")
    symbol = way.symbol if root == way.symbol else operator.ask("contracts")[root]
    operator.price(symbol, way.bid, way.ask)


def _cpu() -> tuple[float, float]:
    """Seconds of processor: ours, and those of what we started: the simulator, and the process that forked it."""
    used = [each.cpu_times() for each in psutil.Process().children(recursive=True)]
    return time.process_time(), sum(each.user + each.system for each in used)


if __name__ == "__main__":
    main()
