"""Reads that wait to be recorded: an account that is due again meanwhile, and many of them. Over the real database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from shared.brokers.registry import Registry
from shared.store.postgres import PostgresStore
from tests.support.clusters import Database
from tests.support.trading import new_trader, until
from workers.leases import Leases
from workers.positions import watcher as watching
from workers.positions.enforce import Enforcer
from workers.positions.watcher import BACKLOG, MARKS, Watcher

DUE = "update engine.account_marks set due_at = now(), lease_until = null where account_id = $1"
LEASE_MS = 600_000
"""No lease ends by itself while a test runs: what comes, comes before that."""


@pytest.fixture(autouse=True)
def _long_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LEASE_MS", LEASE_MS)


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """The operator's connection to the test's own database."""
    opened = await database.connect("supabase_admin")
    yield opened
    await opened.close()


async def test_an_account_that_is_due_again_is_read_again(
    database: Database, connection: asyncpg.Connection
) -> None:
    """What a read has found waits to be recorded when the account is claimed anew: when that read ends, the account is read under the
    new claim at once, and not left alone until its lease runs out."""
    trader = await new_trader(database, connection)
    account, blocker = trader.accounts[0], await database.connect("supabase_admin")
    store = PostgresStore(database.url("empire_worker"))
    watcher = Watcher(store, Registry(store, None, {}), Leases(LEASE_MS, 1000), "w1", Enforcer(store))
    held = "select token from engine.account_marks where account_id = $1"

    async def waits() -> bool:
        return bool(
            await connection.fetchval(
                "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
                " and usename = 'empire_worker' and datname = current_database()"
            )
        )

    async def is_recorded() -> bool:
        return await connection.fetchval(held, account) is None

    try:
        await connection.execute(DUE, account)
        async with blocker.transaction():
            await blocker.execute("select from public.broker_accounts where id = $1 for update", account)
            await watcher.read_due()
            await until(waits)
            first = await connection.fetchval(held, account)
            await connection.execute(DUE, account)
            await watcher.read_due()
            assert await connection.fetchval(held, account) != first
        await until(is_recorded)
    finally:
        await watcher.drain()
        await store.close()
        await blocker.close()


async def test_nobody_reads_more_than_is_recorded(database: Database, connection: asyncpg.Connection) -> None:
    """What was read waits to be recorded: while much of it waits, nothing more is read, however much is due; what is told is
    of just now. When it is recorded, the reads go on."""
    trader = await new_trader(database, connection, accounts=BACKLOG + MARKS + 2)
    # What they hold is known: nothing but the marks has to be written.
    await connection.execute("update public.broker_accounts set balance = 100000")
    blocker, store = await database.connect("supabase_admin"), PostgresStore(database.url("empire_worker"))
    watcher = Watcher(store, Registry(store, None, {}), Leases(LEASE_MS, 1000), "w1", Enforcer(store))
    begun = "select count(*) from engine.account_marks where token is not null"
    tokens = "select account_id, token from engine.account_marks order by account_id"

    async def due_again() -> None:
        await connection.execute("update engine.account_marks set due_at = now(), lease_until = null")

    async def waits() -> bool:
        return watcher.backlog > BACKLOG

    async def is_recorded() -> bool:
        return await connection.fetchval(begun) == 0

    try:
        await due_again()
        async with blocker.transaction():
            await blocker.execute("select from public.broker_accounts for update")
            assert await watcher.read_due() is True
            await until(waits)
            first = await connection.fetch(tokens)
            await due_again()
            assert await watcher.read_due() is True
            assert await connection.fetch(tokens) == first
        await until(is_recorded)
        await due_again()
        await watcher.read_due()
        assert await connection.fetchval(begun) > 0
        assert len(trader.accounts) == len(first)
    finally:
        await watcher.drain()
        await store.close()
        await blocker.close()
