"""Accounts at simulated brokers behind real workers: who trades there, with what alerts, and where it is written down."""

from __future__ import annotations

import random
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal as D
from typing import Any

import asyncpg

from local.console.connecting import Place
from local.keys.files import KeyFiles
from tests.conformance.simulators import Operator, running_simulator
from tests.support.clusters import Database
from tests.support.connections import Customer, customer, key_folder, publish
from tests.support.stacks import RunningStack
from tests.support.trading import Trader

REPLIES = ("refuse", "reverse", "close")


@dataclass(frozen=True)
class Kind:
    """One broker as the chaos trades it: prices that stand still, far from every stop, target and waiting order.

    lag_s, timeout_s: its lookup lag and how long an answer may take (Capabilities). away: how far stops and waiting
    orders are from the price.
    """

    broker: str
    accounts: int
    server: str | None
    symbol: str
    unit: D
    qty_mode: str
    bid: D
    ask: D
    away: D
    lag_s: float
    timeout_s: float


KINDS = {
    kind.broker: kind
    for kind in (
        Kind("tradelocker", 2, "SIM", "EURUSD", D("0.01"), "lots", D("1.09500"), D("1.09506"), D("0.05"), 10, 10),
        Kind("topstepx", 2, None, "MNQ1!", D(1), "contracts", D(25000), D("25000.25"), D(250), 10, 10),
        Kind("metatrader", 3, "SIM", "EURUSD", D("0.01"), "lots", D("1.09500"), D("1.09506"), D("0.05"), 120, 60),
    )
}  # fmt: skip


@dataclass
class Venue:
    """A simulator in its own process."""

    kind: Kind
    operator: Operator

    def hold_price(self) -> None:
        """The market stands still."""
        symbol = self.kind.symbol
        if self.kind.broker == "topstepx":
            symbol = self.operator.ask("contracts")[symbol.removesuffix("1!")]
        self.operator.price(symbol, self.kind.bid, self.kind.ask)


@dataclass
class Seat:
    """One account, its endpoint, and the alerts that were accepted for it."""

    venue: Venue
    number: str
    trader: Trader
    events: list[int] = field(default_factory=list)

    @property
    def account(self) -> str:
        """Our id of it."""
        return self.trader.account


def intent(kind: Kind, dice: random.Random) -> dict[str, Any]:
    """A random alert: every action, more entries than exits."""
    side = dice.choice(("buy", "sell"))
    sized = {"qty": kind.unit * dice.randint(1, 4), "qty_mode": kind.qty_mode}
    base = {"symbol": kind.symbol, "ref_price": kind.ask if side == "buy" else kind.bid}
    below, above = kind.bid - kind.away, kind.bid + kind.away
    stop, goal = (below, above) if side == "buy" else (above, below)
    levels: dict[str, Any] = {}
    if dice.random() < 0.4:
        levels["sl"] = {"mode": "price", "value": stop}
        levels |= {"tp": [{"mode": "price", "value": goal}]} if dice.random() < 0.5 else {}
    match dice.choices(ACTIONS, WEIGHTS)[0]:
        case "open":
            return {**base, **sized, **levels, "action": "open", "side": side}
        case "limit":
            waiting = {"type": "limit", "price": stop}
            return {**base, **sized, **waiting, "action": "open", "side": side}
        case "add" | "reverse" | "target" as action:
            return {**base, **sized, "action": action, "side": side}
        case "reduce":
            return {**base, **sized, "qty": kind.unit, "action": "reduce"}
        case "modify":
            return {**base, "action": "modify", "sl": {"mode": "price", "value": stop}}
        case "flatten":
            return {"action": "flatten"}
        case action:
            return {**base, "action": action}


ACTIONS = ("open", "limit", "add", "reverse", "target", "close", "reduce", "cancel", "modify", "flatten")
WEIGHTS = (30, 10, 8, 8, 8, 12, 10, 4, 6, 4)


@dataclass
class Floor:
    """Everything that one chaos is played with."""

    database: Database
    connection: asyncpg.Pool[asyncpg.Record]
    venues: list[Venue]
    files: KeyFiles
    seats: list[Seat] = field(default_factory=list)

    @property
    def addresses(self) -> dict[str, str]:
        """The simulators by broker, as a worker is told of them."""
        return {venue.kind.broker: venue.operator.url for venue in self.venues}

    async def names(self, seat: Seat) -> list[str]:
        """The names of all commands of an account."""
        text = "select client_order_id from engine.commands where account_id = $1"
        return [row[0] for row in await self.connection.fetch(text, seat.account)]

    async def untold(self, seat: Seat) -> list[str]:
        """Market orders and closes that a broker has taken, with less in our fills than they have filled."""
        text = (
            "select o.client_order_id from public.orders o where o.account_id = $1 and o.type = 'market'"
            # A close of all there is may find less than there was.
            " and o.status in ('working', 'partially_filled', 'filled')"
            " and case when o.kind = 'close' and o.status = 'filled' then greatest(o.filled_qty, 0) else o.qty end > coalesce("
            "  (select sum(f.qty) from public.fills f where f.order_id = o.id), 0)"
        )
        return [row[0] for row in await self.connection.fetch(text, seat.account)]


@contextmanager
def running_venues(brokers: Sequence[str], seed: int) -> Iterator[list[Venue]]:
    """A simulator for each broker, its own limits of requests off: the adapters keep to theirs all the same."""
    with ExitStack() as stack:
        venues = []
        for broker in brokers:
            kind = KINDS[broker]
            options = ("--no-limits", "--seed", str(seed), "--accounts", str(kind.accounts))
            venues.append(Venue(kind, stack.enter_context(running_simulator(broker, *options))))
            venues[-1].hold_price()
        yield venues


async def connect(who: Customer, venue: Venue, number: int) -> str:
    """One more login at a simulator; the connection's id."""
    place = Place(venue.kind.broker, "simulated", venue.kind.server)
    # MetaTrader takes its token for the login: another token is another customer of the bridge.
    return await who.connect(place, f"a secret of chaos {number}", f"chaos{number}@example.com")


async def seats_of(who: Customer, floor: Floor, venue: Venue, login: str, dice: random.Random) -> list[Seat]:
    """Enable the accounts of a login that a worker has checked; an endpoint of its own for each."""
    row = await who.checked(login)
    assert row["status"] == "connected", row
    seats = []
    for account in await who.accounts(login):
        await who.call("enable_account", p_account_id=account["id"])
        endpoint = await who.call(
            "create_endpoint",
            p_broker=venue.kind.broker,
            p_name=f"chaos {uuid.uuid4().hex[:8]}",
            p_account_ids=[account["id"]],
        )
        await floor.connection.execute(
            "update public.webhook_endpoints set alerts_per_minute = 100000, on_opposite = $2 where id = $1",
            endpoint,
            dice.choice(REPLIES),
        )
        trader = Trader(
            floor.database, floor.connection, who.user_id, endpoint, [account["id"]], venue.kind.broker
        )
        seats.append(Seat(venue, account["account_id"], trader))
    return seats


@asynccontextmanager
async def opened(
    stack: RunningStack, brokers: Sequence[str], seed: int
) -> AsyncIterator[tuple[Floor, Customer]]:
    """Simulators and fleet keys on a stack, a signed-in user, and nobody seated yet."""
    async with asyncpg.create_pool(stack.url("supabase_admin"), min_size=1, max_size=4) as pool:
        with key_folder() as files, running_venues(brokers, seed) as venues:
            await publish(stack.database, files)
            async with customer(stack, files) as who:
                yield Floor(stack.database, pool, venues, files), who
