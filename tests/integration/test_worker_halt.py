"""The kill switch on the whole road, while one broker does not answer."""

from __future__ import annotations

import json
import signal
from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.security.people import Actor, acting
from tests.support.clusters import Database
from tests.support.trading import Trader, new_trader, until, venue, worker
from tests.support.venue_admin import book

BUY = {"action": "open", "side": "buy", "symbol": "EURUSD", "qty_mode": "lots", "qty": 0.1, "ref_price": 1.1}
SHORT = {"lease_ms": 3000, "heartbeat_ms": 300, "send_margin_ms": 300, "request_timeout_ms": 1000}


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """The operator's connection to the test's own database."""
    opened = await database.connect("supabase_admin")
    yield opened
    await opened.close()


async def stuck_and_healthy(database: Database, connection: asyncpg.Connection) -> Trader:
    """A trader with one account at the paper venue and one in the database, both in his endpoint."""
    trader = await new_trader(database, connection, server="SIM")
    other = await new_trader(database, connection)
    account = other.account
    for table in ("broker_connections", "broker_accounts"):
        await connection.execute(
            f"update public.{table} set user_id = $1 where id = $2", trader.user, account
        )
    await connection.execute(
        "update public.webhook_endpoint_accounts set user_id = $1, endpoint_id = $2 where account_id = $3",
        *(trader.user, trader.endpoint, account),
    )
    trader.accounts.append(account)
    return trader


async def throw(trader: Trader) -> int:
    """The kill switch with flatten; the flatten's event."""
    async with acting(trader.database, Actor("owner", trader.user), keep=True) as connection:
        answer = json.loads(
            await connection.fetchval("select public.kill_switch(true, 'stop', p_flatten => true)")
        )
    (event,) = answer["events"]
    return int(event)


async def test_it_works_while_a_broker_hangs(database: Database, connection: asyncpg.Connection) -> None:
    """Nothing more is opened anywhere, the other account is flat, the hanging one is still tried, until it is flat, too."""
    trader = await stuck_and_healthy(database, connection)
    hanging, healthy = trader.accounts
    with venue() as (url, process), worker(database, paper_venue_url=url, **SHORT):
        opened = await trader.deliveries(await trader.alert(**BUY))
        assert [each["outcome"] for each in opened] == ["executed"] * 2, opened
        process.send(signal.SIGSTOP)
        flatten = await throw(trader)
        late = await trader.alert(**BUY)

        async def said(event: int, account: str, *outcomes: str) -> bool:
            row = await connection.fetchrow(
                "select outcome::text, reason::text, status::text from public.deliveries"
                " where event_id = $1 and account_id = $2",
                *(event, account),
            )
            return row is not None and (row["outcome"] or row["status"]) in outcomes

        await until(lambda: said(flatten, healthy, "executed"))
        await until(lambda: said(late, healthy, "denied"))
        assert await said(flatten, hanging, "claimed", "queued"), "still trying"
        process.send(signal.SIGCONT)
        done = {each["account_id"]: each for each in await trader.deliveries(flatten)}
        refused = await trader.deliveries(late)
        state = book(url, hanging)
    assert (state["positions"], state["orders"]) == ([], [])
    assert {each["outcome"] for each in done.values()} == {"executed"}, done
    assert {each["reason"] for each in refused} == {"kill_switch"}, refused
    entries = "select count(*) from public.orders where delivery_id = any (select id from public.deliveries where event_id = $1)"
    assert await connection.fetchval(entries, late) == 0
    assert await trader.invariants() == {}
