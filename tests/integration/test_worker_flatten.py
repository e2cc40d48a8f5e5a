"""A flatten ends when the account is flat, not when its orders were sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal as D

import asyncpg
import pytest

from tests.support.clusters import Database
from tests.support.trading import Trader, new_trader, until, venue, worker
from tests.support.venue_admin import book, fault, written

BUY = {"action": "open", "side": "buy", "symbol": "EURUSD", "qty_mode": "lots", "qty": 0.1, "ref_price": 1.1}
TOLD = """
create table public.told (reason text, numbers jsonb);
create function public.tell() returns trigger language plpgsql security definer as
  $f$ begin insert into public.told values (new.reason, new.numbers); return null; end $f$;
create trigger tell after update on public.deliveries for each row execute function public.tell();
"""
"""Keeps what a delivery says of itself on its way: the next round may follow at once."""
SHORT = {"lease_ms": 1500, "heartbeat_ms": 300, "send_margin_ms": 300, "request_timeout_ms": 500}


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """The operator's connection to the test's own database."""
    opened = await database.connect("supabase_admin")
    yield opened
    await opened.close()


def held(url: str, trader: Trader) -> tuple[int, int]:
    """Positions and working orders at the venue, whatever we believe."""
    state = book(url, trader.account)
    return len(state["positions"]), len(state["orders"])


async def test_refused_close_is_tried_again_until_flat(
    database: Database, connection: asyncpg.Connection
) -> None:
    """The broker refuses two of three commands: the flatten tells what is left, goes on, and ends flat."""
    trader = await new_trader(database, connection, server="SIM", mode="hedging")
    with venue() as (url, _), worker(database, paper_venue_url=url):
        for more in ({}, {"symbol": "XAUUSD", "ref_price": 2400}, {"type": "limit", "price": 1.05}):
            opened = await trader.delivery(await trader.alert(**{**BUY, **more}))
            assert opened["outcome"] == "executed", opened
        assert held(url, trader) == (2, 1)
        await connection.execute(TOLD)
        fault(url, "rate_limit_text", 2)
        done = await trader.delivery(await trader.intend(action="flatten"))
        assert held(url, trader) == (0, 0)
    left = await connection.fetch("select numbers ->> 'left' from public.told where reason = 'not_flat'")
    assert "cancel EURUSD" in left[0][0], left
    assert (done["outcome"], done["reason"], done["numbers"]) == ("executed", None, {"flat": "yes"}), done
    assert [row["qty"] for row in await trader.rows("positions")] == [D(0), D(0)]
    assert await trader.invariants() == {}


async def test_unknown_close_is_settled_then_looked_at(
    database: Database, connection: asyncpg.Connection
) -> None:
    """A close whose answer is lost is settled by asking; flat is said only after a read that follows it."""
    trader = await new_trader(database, connection, server="SIM")
    with venue() as (url, _), worker(database, paper_venue_url=url, **SHORT):
        await trader.delivery(await trader.alert(**BUY))
        fault(url, "drop_after_accept")
        done = await trader.delivery(await trader.intend(action="flatten"))
        assert held(url, trader) == (0, 0)
    assert (done["outcome"], done["numbers"]) == ("executed", {"flat": "yes"}), done
    looks = [step["detail"]["flat"] for step in done["trace"] if step["outcome"] == "verified"]
    assert looks[-1] == "yes"
    assert looks.count("yes") == 1
    assert await trader.invariants() == {}


async def test_late_fill_is_closed_again(database: Database, connection: asyncpg.Connection) -> None:
    """An entry that is done after the flatten has looked is closed by it: nothing is flat before it is answered."""
    trader = await new_trader(database, connection, server="SIM")
    with venue() as (url, _), worker(database, paper_venue_url=url):
        fault(url, "hang_before", value="1.5")
        entry = await trader.alert(**BUY)

        async def sent() -> bool:
            return bool(await connection.fetchval("select count(*) from engine.commands"))

        await until(sent)
        done = await trader.delivery(await trader.intend(action="flatten"))
        assert (await trader.delivery(entry))["outcome"] == "executed"
        assert [each["kind"] for each in written(url)] == ["place", "close"]
        assert held(url, trader) == (0, 0)
    assert (done["outcome"], done["numbers"]) == ("executed", {"flat": "yes"}), done
    assert await trader.invariants() == {}


async def test_flat_account_is_looked_at(database: Database, connection: asyncpg.Connection) -> None:
    """Nothing to close: skipped, and it says that the account was seen to be flat."""
    trader = await new_trader(database, connection)
    with worker(database):
        done = await trader.delivery(await trader.intend(action="flatten"))
    assert (done["outcome"], done["reason"], done["numbers"]) == (
        "skipped",
        "nothing_to_close",
        {"flat": "yes"},
    )
