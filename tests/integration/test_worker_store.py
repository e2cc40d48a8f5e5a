"""The store over the real functions."""

from __future__ import annotations

import asyncio
import inspect
from decimal import Decimal

import asyncpg
import pytest

from shared.store.line import Line
from shared.store.port import Store, StoreUnavailable
from shared.store.postgres import PostgresStore
from tests.support.clusters import Database
from tests.support.trading import new_trader

NOT_FUNCTIONS = {"wakeups", "close"}


async def test_methods_are_the_engines_functions(database: Database) -> None:
    """The port has exactly the functions empire_worker may execute, with the same argument names."""
    connection = await database.connect("supabase_admin")
    rows = await connection.fetch(
        "select p.proname, coalesce(p.proargnames, '{}') as names from pg_proc p"
        " join pg_namespace n on n.oid = p.pronamespace where n.nspname = 'engine'"
        " and has_function_privilege('empire_worker', p.oid, 'execute')"
    )
    await connection.close()
    granted = {row["proname"]: [name.removeprefix("p_") for name in row["names"]] for row in rows}
    for port in (Store, PostgresStore):
        methods = {
            name: [each for each in inspect.signature(method).parameters if each != "self"]
            for name, method in inspect.getmembers(port, inspect.isfunction)
            if not name.startswith("_") and name not in NOT_FUNCTIONS
        }
        assert methods == granted


async def test_money_stays_exact(database: Database) -> None:
    """A number with more digits than a float has comes back from the database as it went in."""
    exact = Decimal("123456789012345678.000000000000000001")
    connection = await database.connect("supabase_admin")
    trader = await new_trader(database, connection)
    store = PostgresStore(database.url("empire_worker"))
    try:
        loaded = await store.paper_load(account=trader.account)
        assert loaded is not None
        assert (
            await store.paper_save(
                account=trader.account, version=loaded.version, balance=exact, book={}, orders=[], fills=[]
            )
        ).saved
        again = await store.paper_load(account=trader.account)
        assert again is not None
        assert again.balance == exact
    finally:
        await store.close()
        await connection.close()


async def test_second_save_of_one_version_is_refused(database: Database) -> None:
    """Two workers load one book; only the first save counts, and a repeated client order id is never a second order."""
    connection = await database.connect("supabase_admin")
    trader = await new_trader(database, connection)
    store = PostgresStore(database.url("empire_worker"))
    try:
        loaded = await store.paper_load(account=trader.account)
        assert loaded is not None
        given = {
            "account": trader.account,
            "balance": loaded.balance,
            "book": {},
            "orders": [{"client_order_id": "c1", "answer": {}}],
            "fills": [],
        }
        first = await store.paper_save(version=loaded.version, **given)
        assert first.saved
        assert not (await store.paper_save(version=loaded.version, **given)).saved
        assert not (await store.paper_save(version=first.version, **given)).saved
    finally:
        await store.close()
        await connection.close()


async def test_cut_connection_is_replaced(database: Database) -> None:
    """After the server cuts a connection, a call that is safe to repeat works again by itself."""
    connection = await database.connect("supabase_admin")
    store = PostgresStore(database.url("empire_worker"))
    try:
        assert (await store.stats())["queue_ready"] == 0
        cut = "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'empire_worker'"
        await connection.execute(cut)
        assert (await store.stats())["queue_ready"] == 0
    finally:
        await store.close()
        await connection.close()


async def test_absent_database_is_said(database: Database) -> None:
    """A server that is not there is StoreUnavailable, not a crash."""
    store = PostgresStore("postgresql://nobody:nothing@127.0.0.1:1/none")
    with pytest.raises(StoreUnavailable):
        await store.stats()
    await store.close()


async def test_wrong_password_is_no_outage(database: Database) -> None:
    """A login that is refused is an error for the operator, not something to wait for."""
    store = PostgresStore(database.url("empire_worker").replace("empire_worker:", "empire_worker:x"))
    with pytest.raises(asyncpg.InvalidPasswordError):
        await store.stats()
    await store.close()


async def test_an_idle_session_is_given_back(database: Database) -> None:
    """A line that may rest ends its session when it is not used, never during a call however long, and makes a new one
    when it is needed.
    """
    connection = await database.connect("supabase_admin")
    line = Line("resting", database.url("empire_worker"), 0, rests_after_s=0.2)
    mine = "select pg_backend_pid() from pg_sleep($1)"
    try:
        first = await line.call(mine, 0.0, repeat=False)
        assert await line.call(mine, 0.5, repeat=False) == first
        async with asyncio.timeout(30):
            while await connection.fetchval("select 1 from pg_stat_activity where pid = $1", *first):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert await line.call(mine, 0.0, repeat=False) != first
    finally:
        await line.close()
        await connection.close()
