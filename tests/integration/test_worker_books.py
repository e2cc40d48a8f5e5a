"""Our books say what the broker says: database, both workers, a broker where others act, too. All real processes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from decimal import Decimal as D
from typing import Any

import asyncpg
import pytest

from tests.support.clusters import Database
from tests.support.trading import Trader, new_trader, until, venue, worker
from tests.support.venue_admin import book, by_hand, fault, no_faults, price, taken_back

BUY = {"action": "open", "side": "buy", "symbol": "EURUSD", "qty_mode": "lots", "qty": 1, "ref_price": 1.1}


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """The operator's connection to the test's own database."""
    opened = await database.connect("supabase_admin")
    yield opened
    await opened.close()


async def held(trader: Trader) -> dict[str, D]:
    """Open positions by our books: long +, short -, by the broker's id."""
    rows = await trader.connection.fetch(
        "select venue_position_id as id, qty * case when side = 'buy' then 1 else -1 end as qty from public.positions"
        " where account_id = $1 and closed_at is null",
        trader.account,
    )
    return {row["id"]: row["qty"] for row in rows}


def seen(url: str, trader: Trader) -> dict[str, D]:
    """The same as the broker has it."""
    found = book(url, trader.account)["positions"]
    return {each["id"]: D(str(each["qty"])) * (1 if each["side"] == "buy" else -1) for each in found}


async def agree(url: str, trader: Trader) -> None:
    """Wait until positions, waiting orders and the result agree with the broker's; then everything else has to, too."""

    async def same() -> bool:
        # Where nothing is open by our books it would be read in half a minute.
        await trader.connection.execute("update engine.account_marks set due_at = least(due_at, now())")
        state = book(url, trader.account)
        waiting = await trader.rows("orders")
        ours = {row["venue_order_id"] for row in waiting if row["status"] in ("working", "partially_filled")}
        fills = await trader.connection.fetchval(
            "select coalesce(sum(realised - commission), 0) from public.fills where account_id = $1",
            trader.account,
        )
        return (
            await held(trader) == seen(url, trader)
            and ours == {each["id"] for each in state["orders"]}
            and D(str(state["balance"])) == 1_000_000 + fills
        )

    try:
        await until(same)
    except TimeoutError:
        raise TimeoutError(f"{await held(trader)} {await told(trader)} {book(url, trader.account)}") from None
    assert await trader.invariants() == {}


async def told(trader: Trader) -> list[dict[str, Any]]:
    """The corrections, oldest first."""
    return [{**row, "numbers": json.loads(row["numbers"])} for row in await trader.rows("corrections")]


async def opened(trader: Trader, **more: Any) -> None:
    """An alert that ends with an order."""
    done = await trader.delivery(await trader.alert(**{**BUY, **more}))
    assert done["outcome"] == "executed", done


async def test_what_a_trader_does_at_the_broker_himself(
    database: Database, connection: asyncpg.Connection
) -> None:
    """Closed by hand, opened by hand, turned by hand, an order placed and taken back by hand: each is in our books in a
    moment, with its fills and its result, as somebody else's; and the trader is told with the numbers."""
    trader = await new_trader(database, connection, server="SIM")
    with (
        venue() as (url, _),
        worker(database, paper_venue_url=url),
        worker(database, "positions", paper_venue_url=url),
    ):
        await opened(trader)
        price(url, "EURUSD", 1.102)
        by_hand(url, trader.account, "EURUSD", "sell", 1)
        await agree(url, trader)
        assert await held(trader) == {}
        by_hand(url, trader.account, "EURUSD", "sell", 2)
        await agree(url, trader)
        by_hand(url, trader.account, "EURUSD", "buy", 3)
        await agree(url, trader)
        waiting = by_hand(url, trader.account, "EURUSD", "buy", 1, type="limit", price=1.05)
        await agree(url, trader)
        (limit,) = await trader.rows("orders", venue_order_id=waiting)
        taken_back(url, trader.account, "EURUSD", waiting)
        await agree(url, trader)
        corrected = await told(trader)
    assert (limit["origin"], limit["type"], limit["price"]) == ("broker", "limit", D("1.05"))
    kinds = [row["kind"] for row in corrected]
    assert kinds == ["fill", "fill", "fill", "fill", "order_unknown", "order_ended"], corrected
    assert corrected[0]["told"] == "EURUSD: sold 1 at 1.10200, result 200.00, not by us."
    orders = {row["origin"]: row for row in await trader.rows("orders")}
    assert set(orders) == {"alert", "broker"}
    logs = [
        row["message"]
        for row in await trader.rows("logs")
        if row["type"] in ("books_corrected", "position_changed")
    ]
    assert len(logs) == len(corrected)
    assert (await trader.rows("broker_accounts"))[0]["drift"] > 0


async def stop_is_known(trader: Trader) -> bool:
    """Whether a read has told the stop of what is open."""
    return [row["stop_loss"] for row in await trader.rows("positions")] != [None]


async def test_a_stop_that_fired_and_a_limit_that_was_filled(
    database: Database, connection: asyncpg.Connection
) -> None:
    """The market reaches a limit order of ours, then the stop of what it opened: our order is filled, the position closed
    with its result, the fill a protection's, without any alert."""
    trader = await new_trader(database, connection, server="SIM")
    with (
        venue() as (url, _),
        worker(database, paper_venue_url=url),
        worker(database, "positions", paper_venue_url=url),
    ):
        price(url, "EURUSD", 1.1)
        await opened(trader, type="limit", price=1.095, sl={"mode": "price", "value": 1.09})
        price(url, "EURUSD", 1.095)
        await agree(url, trader)
        assert list((await held(trader)).values()) == [1]
        await until(lambda: stop_is_known(trader))
        price(url, "EURUSD", 1.089)
        await agree(url, trader)
        entry, exit_ = await trader.rows("orders")
        corrected = await told(trader)
    assert (entry["status"], entry["filled_qty"], entry["avg_price"]) == ("filled", 1, D("1.095"))
    assert (exit_["origin"], exit_["status"], exit_["reduce_only"]) == ("protection", "filled", True)
    assert [row["kind"] for row in corrected] == ["fill", "fill"], corrected
    assert corrected[1]["told"] == "EURUSD: the stop was reached: sold 1 at 1.08900, result -600.00."


async def test_the_reader_is_killed_and_the_database_goes_away(
    database: Database, connection: asyncpg.Connection
) -> None:
    """What happened at the broker while nobody looked is in the books once, whoever comes next and however often."""
    trader = await new_trader(database, connection, server="SIM")
    with venue() as (url, _), worker(database, paper_venue_url=url):
        await opened(trader)
        with worker(database, "positions", paper_venue_url=url) as first:
            await agree(url, trader)
            by_hand(url, trader.account, "EURUSD", "sell", 0.4)
            first.kill()
        by_hand(url, trader.account, "EURUSD", "sell", 0.6)
        by_hand(url, trader.account, "EURUSD", "buy", 0.5)
        with (
            worker(database, "positions", paper_venue_url=url),
            worker(database, "positions", paper_venue_url=url),
        ):
            await agree(url, trader)
            await connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            )
            by_hand(url, trader.account, "EURUSD", "buy", 0.1)
            await agree(url, trader)
    keys = [row["key"] for row in await told(trader)]
    assert len(keys) == len(set(keys))
    assert len([each for each in keys if each.startswith("fill:")]) == 4
    fills = await trader.rows("fills")
    assert len(fills) == 5


async def test_a_failed_read_corrects_nothing(database: Database, connection: asyncpg.Connection) -> None:
    """While the broker cannot be read nothing is flat and nothing is ended; when it can, everything is known."""
    trader = await new_trader(database, connection, server="SIM")
    with (
        venue() as (url, _),
        worker(database, paper_venue_url=url),
        worker(database, "positions", paper_venue_url=url),
    ):
        await opened(trader)
        await agree(url, trader)
        fault(url, "error_before", 1000, operation="read")
        by_hand(url, trader.account, "EURUSD", "sell", 1)
        stale = "select freshness <> 'fresh' from public.broker_accounts where id = $1"
        await connection.execute("update public.broker_accounts set as_of = now() - interval '10 s'")

        async def is_stale() -> bool:
            return bool(await connection.fetchval(stale, trader.account))

        await until(is_stale)
        assert list((await held(trader)).values()) == [1]
        no_faults(url)
        await agree(url, trader)
        assert await held(trader) == {}


async def test_an_exit_looks_before_it_says_that_nothing_is_open(
    database: Database, connection: asyncpg.Connection
) -> None:
    """Bought by hand a moment ago, and nobody has read the idle account since: a close finds it all the same."""
    trader = await new_trader(database, connection, server="SIM", scope="symbol")
    with venue() as (url, _), worker(database, paper_venue_url=url):
        price(url, "EURUSD", 1.1)
        await opened(trader)
        closed = await trader.delivery(await trader.alert(action="close", symbol="EURUSD"))
        by_hand(url, trader.account, "EURUSD", "buy", 2)
        await connection.execute(
            "update public.broker_accounts set as_of = now() - interval '20 s', freshness = 'fresh'"
        )
        again = await trader.delivery(await trader.alert(action="close", symbol="EURUSD"))
        assert book(url, trader.account)["positions"] == []
    assert (closed["outcome"], again["outcome"]) == ("executed", "executed")
