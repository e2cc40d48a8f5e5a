"""A trader in a database of the test's own: accounts, an endpoint, alerts through the real ingest, and the worker."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import asyncpg

from tests.support.clusters import PATIENCE_S, Database
from tests.support.processes import Running, run


@dataclass
class Trader:
    """One user with accounts (paper ones, unless said) and one endpoint whose alerts go to all of them."""

    database: Database
    connection: asyncpg.Connection | asyncpg.Pool[asyncpg.Record]
    user: str = field(default_factory=lambda: str(uuid.uuid4()))
    endpoint: str = field(default_factory=lambda: str(uuid.uuid4()))
    accounts: list[str] = field(default_factory=list)
    broker: str = "paper"

    @property
    def account(self) -> str:
        """The first account."""
        return self.accounts[0]

    async def alert(self, fired_at: datetime | None = None, **intent: Any) -> int:
        """An alert as the edge function hands it in; the event's id. It must be accepted."""
        fired = {} if fired_at is None else {"ts": fired_at.isoformat()}
        body = json.dumps(
            {
                "version": "unify.v1",
                "source": "tradingview",
                "id": uuid.uuid4().hex,
                **fired,
                "intent": intent,
            },
            default=str,
        )
        answer = await self.ingest(body)
        assert answer["http"] == 202, answer
        return int(answer["event_id"])

    async def ingest(self, body: str) -> dict[str, Any]:
        """engine.ingest, then the wake-up in a transaction of its own."""
        given = {
            "endpoint_id": self.endpoint,
            "token_version": 1,
            "broker": self.broker,
            "body": body,
            "body_sha256": hashlib.sha256(body.encode()).hexdigest(),
            "payload": json.loads(body),
            "refusal": None,
            "signature": None,
            "signature_valid": None,
            "client_ip": None,
        }
        answer = await self.connection.fetchval("select engine.ingest($1::jsonb) -> 0", json.dumps([given]))
        return dict(json.loads(answer))

    async def intend(self, **intent: Any) -> int:
        """An intent of the user's own hand (dashboard) for all his accounts; the event's id."""
        asked = {"user_id": self.user, "source": "dashboard", "accounts": self.accounts, "intent": intent}
        answer = await self.connection.fetchval("select engine.accept_intent($1::jsonb)", json.dumps(asked))
        return int(json.loads(answer)["event_id"])

    async def delivery(self, event: int, timeout_s: float = PATIENCE_S) -> dict[str, Any]:
        """The event's delivery once it has an outcome other than unknown."""
        return (await self.deliveries(event, timeout_s))[0]

    async def deliveries(self, event: int, timeout_s: float = PATIENCE_S) -> list[dict[str, Any]]:
        """All deliveries of an event, once every one is done."""

        async def rows() -> list[dict[str, Any]]:
            text = "select to_jsonb(d) from public.deliveries d where event_id = $1 order by id"
            return [
                json.loads(row[0], parse_float=Decimal) for row in await self.connection.fetch(text, event)
            ]

        async def all_done() -> bool:
            return all(row["status"] in ("done", "dead") for row in await rows())

        try:
            await until(all_done, timeout_s)
        except TimeoutError:
            raise TimeoutError(f"not done: {await rows()}") from None
        return await rows()

    async def rows(self, table: str, order: str = "id", **equal: Any) -> list[dict[str, Any]]:
        """Rows of a public table of this user, as plain dicts."""
        where = "".join(f" and {name} = ${place}" for place, name in enumerate(equal, 2))
        text = f"select * from public.{table} where user_id = $1{where} order by {order}"
        return [dict(row) for row in await self.connection.fetch(text, self.user, *equal.values())]

    async def invariants(self) -> dict[str, int]:
        """Rows of every invariant view that is not empty."""
        told = json.loads(await self.connection.fetchval("select engine.invariant_rows()"))
        return {name: rows for name, rows in told.items() if rows}


async def new_trader(
    database: Database,
    connection: asyncpg.Connection,
    *,
    accounts: int = 1,
    mode: str = "netting",
    server: str | None = None,
    balance: int = 100_000,
    **endpoint: Any,
) -> Trader:
    """A user with paper accounts (`server` SIM: at the paper venue) and an endpoint with these settings."""
    trader = Trader(database, connection)
    await connection.execute(
        "insert into auth.users (id, email) values ($1, $2)", trader.user, f"{trader.user}@example.com"
    )
    await connection.execute(
        "insert into public.webhook_endpoints (id, user_id, broker, name, alerts_per_minute)"
        " values ($1, $2, 'paper', 'test', 100000)",
        trader.endpoint,
        trader.user,
    )
    for name, value in endpoint.items():
        await connection.execute(
            f"update public.webhook_endpoints set {name} = $2 where id = $1", trader.endpoint, value
        )
    for _ in range(accounts):
        trader.accounts.append(await _open_account(trader, mode, server, balance))
    return trader


async def _open_account(trader: Trader, mode: str, server: str | None, balance: int) -> str:
    # Its day ends in half a day, whenever the test runs: midnight is in tests of its own.
    account = str(uuid.uuid4())
    await trader.connection.execute(
        f"""
        insert into public.broker_connections (id, user_id, broker, environment, server, status)
        values ('{account}', '{trader.user}', 'paper', 'simulated', nullif('{server or ""}', ''), 'connected');
        insert into public.broker_accounts (id, connection_id, user_id, broker, account_id, margin_mode,
          trading_enabled, reset_time) values ('{account}', '{account}', '{trader.user}', 'paper', 'P{account[:8]}',
          '{mode}', true, date_trunc('minute', now() at time zone 'UTC' + interval '12 hours')::time);
        insert into engine.paper_accounts (account_id, balance) values ('{account}', {balance});
        insert into public.webhook_endpoint_accounts (endpoint_id, account_id, user_id)
        values ('{trader.endpoint}', '{account}', '{trader.user}');
        """
    )
    return account


@contextmanager
def worker(database: Database, *kinds: str, **settings: object) -> Iterator[Running]:
    """A real worker on this database, ready: one that executes and does the upkeep, or one of other kinds."""
    env = {"EMPIRE_WORKER_DATABASE_URL": database.url("empire_worker")}
    env |= {f"EMPIRE_{name.upper()}": str(value) for name, value in settings.items()}
    with run(
        sys.executable, "-m", "workers.cli", "worker", *(kinds or ("execution", "maintenance")), env=env
    ) as running:
        yield running


@contextmanager
def venue(*options: str) -> Iterator[tuple[str, Running]]:
    """A real paper venue in a process of its own: its address, and the process."""
    starting: AbstractContextManager[Running] = run(sys.executable, "-m", "local.venues.paper", *options)
    with starting as running:
        yield running.wait_for_line("ready").split()[1], running


async def until(condition: Callable[[], Any], timeout_s: float = PATIENCE_S) -> None:
    """Wait for an async condition; TimeoutError when it does not come true in time."""
    deadline = time.monotonic() + timeout_s
    while not await condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the condition did not come true in time")
        await asyncio.sleep(0.02)
