"""One account at a simulated broker, and everything of a worker in this process: what takes minutes elsewhere is asked
for here when a test wants it. The database and the simulator are real; time passes when we say so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol

import asyncpg
import httpx
from pydantic import SecretStr

from shared import clock, codec
from shared.brokers.port import Broker, ConnectLogin
from shared.brokers.registry import Registry
from shared.models.enums import Lane, Side
from shared.models.trading import Account, AccountSnapshot
from shared.settings import WorkerSettings
from shared.store import as_json
from shared.store.postgres import PostgresStore
from tests.conformance.harness import ContractVenue
from tests.conformance.simulators import Operator
from tests.support.clusters import PATIENCE_S, Database
from tests.support.trading import Trader
from workers.execution.desk import desk_for
from workers.execution.pipeline import run_batch
from workers.execution.settler import Settler
from workers.leases import Leases
from workers.positions.enforce import Enforcer
from workers.positions.watcher import Watcher

D = Decimal
LEASE_MS = 60_000
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
WHILE = "interval '1 minute'"
_LATER = f"""
update public.orders set updated_at = updated_at - {WHILE}, created_at = created_at - {WHILE};
update public.fills set created_at = created_at - {WHILE};
update engine.commands set submitted_at = submitted_at - {WHILE}, answered_at = answered_at - {WHILE},
  send_deadline = send_deadline - {WHILE}, check_at = check_at - {WHILE};
update engine.queue set run_at = run_at - {WHILE} where run_at > '-infinity';
update engine.reconciled set suspects = coalesce((
  select jsonb_object_agg(s.key, (s.value #>> '{{}}')::timestamptz - {WHILE}) from jsonb_each(suspects) s
), '{{}}');
update engine.reconciled set believed_at = believed_at - {WHILE};
update engine.account_marks set due_at = now() - {WHILE}, lease_until = null, failures = 0, began_at = began_at - {WHILE};
"""
"""A minute later, for everything that waits: doubts, lists that lag, differences that were seen once. Our orders grow older
with their commands, the broker's do not: much later its whole history would be what a command in doubt may have made."""


class Place(ContractVenue, Protocol):
    """The venue of a contract test, and what logs in there."""

    operator: Operator
    opened: list[Any]

    def connector(self) -> ConnectLogin:
        """Another worker's adapter."""


@dataclass
class House:
    """`hand` is somebody else with the same login: what is done there nobody tells us."""

    place: Place
    trader: Trader
    account: Account
    store: PostgresStore
    hand: Broker
    http: httpx.AsyncClient
    admin: asyncpg.Connection
    brokers: Registry = field(init=False)
    restarts: int = 0
    _replaced: list[Registry] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Another worker, which remembers nothing."""
        self.restarts += 1
        if self.restarts > 1:
            self._replaced.append(self.brokers)
        self.brokers = Registry(self.store, None, {self.account.broker: self.place.connector()})
        settings = WorkerSettings(worker_database_url=SecretStr("postgresql://x"), env="development")
        self._leases = Leases(LEASE_MS, 1000)
        self._desk = desk_for(self.store, self.brokers, settings, asyncio.Event(), self._leases)
        self._settler = Settler(self._desk, "steps")

    async def price(self, symbol: str, bid: Decimal, ask: Decimal) -> None:
        """The market moves; what it reaches is filled before this returns."""
        body = codec.encode({"symbol": symbol, "bid": bid, "ask": ask})
        (await self.http.post("/_sim/prices", content=body)).raise_for_status()

    async def fault(self, *faults: dict[str, Any]) -> None:
        """Let these things go wrong."""
        (await self.http.post("/_sim/faults", content=codec.encode(list(faults)))).raise_for_status()

    async def clear(self) -> None:
        """Everything works again."""
        (await self.http.delete("/_sim/faults")).raise_for_status()

    async def later(self) -> None:
        """A minute passes, without anything that happens in it."""
        await self.admin.execute(_LATER)

    async def minutes_later(self) -> None:
        """The next read asks for fills without any cause, as every account's does every few minutes."""
        await self.admin.execute("update engine.account_marks set woken_at = clock_timestamp()")

    async def carry_out(self) -> None:
        """What is ready is claimed and carried out, until nothing is."""
        for _ in range(20):
            taken = 0
            for lane in (Lane.URGENT, Lane.NORMAL):
                asked_at = clock.monotonic()
                claimed = await self.store.claim(
                    worker="steps", executor="fleet", lane=lane, limit=64, lease_ms=LEASE_MS
                )
                batch = [(each, self._leases.taken(each.token, asked_at)) for each in claimed]
                await asyncio.gather(*run_batch(batch, self._desk))
                for _, lease in batch:
                    self._leases.done(lease)
                taken += len(batch)
            if not taken:
                return

    async def settle(self) -> None:
        """What is in doubt is asked for."""
        if await self._settler.settle_due():
            await asyncio.gather(*self._settler._open.values())

    async def read(self) -> None:
        """The account is read and compared, by a worker that has just begun."""
        watcher = Watcher(self.store, self.brokers, self._leases, "steps", Enforcer(self.store))
        await self.admin.execute(
            "update engine.account_marks set due_at = now(), lease_until = null; delete from engine.read_credits"
        )
        await watcher.read_due()
        await watcher.drain()

    async def difference(self) -> str:
        """What our books have otherwise than the broker, in words; nothing = they agree to the cent and the tick."""
        theirs = await self.hand.snapshot()
        ours, books = await _ours(self.admin, self.account.id), _theirs(theirs)
        for name, value in books.items():
            if ours[name] == value:
                continue
            if not isinstance(value, dict):
                return f"{name}: ours {ours[name]}, theirs {value}; {await self._fills()}"
            odd = [key for key in {*value, *ours[name]} if value.get(key) != ours[name].get(key)]
            return f"{name}: " + ", ".join(
                f"{x}: ours {ours[name].get(x)}, theirs {value.get(x)}" for x in odd
            )
        told = await self.trader.invariants()
        return f"invariants: {told}" if told else ""

    async def _fills(self) -> str:
        """The fills that are not the same in our books and at the broker."""
        theirs = {each.venue_fill_id: _terms(as_json.fill(each)) for each in await self.hand.fills(LONG_AGO)}
        rows = await self.admin.fetch("select * from public.fills where account_id = $1", self.account.id)
        ours = {row["venue_fill_id"]: _terms(dict(row)) for row in rows}
        odd = sorted(key for key in {*ours, *theirs} if ours.get(key) != theirs.get(key))
        return ", ".join(f"fill {key}: ours {ours.get(key)}, theirs {theirs.get(key)}" for key in odd)

    async def close(self) -> None:
        """Release every connection."""
        for each in (*self._replaced, self.brokers):
            await each.close()
        await self.store.close()
        await self.http.aclose()


def _terms(fill: dict[str, Any]) -> dict[str, Any]:
    """What a fill is, and what it has brought."""
    names = (
        "side",
        "effect",
        "position_id",
        "venue_order_id",
        "qty",
        "price",
        "realised",
        "commission",
        "swap",
        "fee",
    )
    values = {name: fill.get(name) for name in names}
    return {key: f"{x.normalize():f}" if isinstance(x, Decimal) else str(x) for key, x in values.items() if x}


def _theirs(read: AccountSnapshot) -> dict[str, Any]:
    return {
        "positions": {
            each.venue_position_id: (
                each.qty if each.side is Side.BUY else -each.qty,
                _average(each.entry_price),
                _level(each.stop_loss),
                _level(each.take_profit),
            )
            for each in read.positions
        },
        "orders": {
            each.venue_order_id: (
                each.side,
                each.type,
                each.qty - each.filled_qty,
                _level(each.price),
                _level(each.stop_price),
            )
            for each in read.orders
        },
        "balance": read.balance,
        "by fills": read.balance,
    }


def _average(price: Decimal) -> Decimal:
    """Averages are quotients: to the tenth digit, which is far below any tick."""
    return round(price, 10).normalize()


def _level(value: Decimal | None) -> Decimal | None:
    return D(value).normalize() if value else None


_BOOKS = """
select jsonb_build_object(
  'positions', (select coalesce(jsonb_agg(jsonb_build_array(p.venue_position_id, case p.side when 'buy' then p.qty else -p.qty end,
    p.entry_price, p.stop_loss, p.take_profit)), '[]') from public.positions p where p.account_id = a.id and p.closed_at is null),
  'orders', (select coalesce(jsonb_agg(jsonb_build_array(o.venue_order_id, o.side, o.type, o.qty - o.filled_qty, o.price,
    o.stop_price)), '[]') from public.orders o where o.account_id = a.id and o.status not in ('filled', 'canceled', 'rejected', 'expired')),
  'balance', a.balance,
  'by fills', a.initial_balance + (select coalesce(sum(f.realised - f.commission - f.swap - f.fee), 0) from public.fills f
    where f.account_id = a.id)
) from public.broker_accounts a where a.id = $1
"""


async def _ours(admin: asyncpg.Connection, account: str) -> dict[str, Any]:
    books = codec.decode((await admin.fetchval(_BOOKS, account)).encode())
    return {
        "positions": {
            row[0]: (D(row[1]), _average(D(row[2])), _level(row[3]), _level(row[4]))
            for row in books["positions"]
        },
        "orders": {
            row[0]: (row[1], row[2], D(row[3]), _level(row[4]), _level(row[5])) for row in books["orders"]
        },
        "balance": D(books["balance"]),
        "by fills": D(books["by fills"]),
    }


@asynccontextmanager
async def house(database: Database, place: Place, hand: Broker, account: Account) -> AsyncIterator[House]:
    """The account (as the hand has it) in our books, with an endpoint and a worker of its own."""
    made = await database.connect("supabase_admin")
    # Time passes without a trigger that would say that it is now.
    aged = await database.connect("supabase_admin")
    await aged.execute("set session_replication_role = replica")
    trader = await _trader(database, made, account, (await hand.snapshot()).balance)
    store = PostgresStore(database.url("empire_worker"))
    http = httpx.AsyncClient(base_url=place.operator.url, trust_env=False, timeout=PATIENCE_S)
    opened = House(place, trader, account, store, hand, http, aged)
    try:
        yield opened
    finally:
        await opened.close()
        await made.close()
        await aged.close()


async def _trader(
    database: Database, connection: asyncpg.Connection, account: Account, balance: Decimal
) -> Trader:
    """A user with the account and an endpoint, as the verbs would have made them."""
    trader = Trader(database, connection, broker=account.broker.value)
    await connection.execute("insert into auth.users (id, email) values ($1, 'a@example.com')", trader.user)
    await connection.execute(
        "insert into public.webhook_endpoints (id, user_id, broker, name, alerts_per_minute)"
        " values ($1, $2, $3, 'test', 100000)",
        *(trader.endpoint, trader.user, account.broker.value),
    )
    await connection.execute(
        "insert into public.broker_connections (id, user_id, broker, environment, server, status)"
        " values ($1, $2, $3, 'simulated', 'SIM', 'connected')",
        *(account.connection_id, trader.user, account.broker.value),
    )
    await connection.execute(
        "insert into public.broker_accounts (id, connection_id, user_id, broker, account_id, margin_mode,"
        " trading_enabled, balance, initial_balance) values ($1, $2, $3, $4, $5, $6, true, $7, $7)",
        *(account.id, account.connection_id, trader.user, account.broker.value),
        *(account.account_number, account.margin_mode.value, balance),
    )
    await connection.execute(
        "insert into public.webhook_endpoint_accounts (endpoint_id, account_id, user_id) values ($1, $2, $3)",
        *(trader.endpoint, account.id, trader.user),
    )
    trader.accounts.append(account.id)
    return trader
