"""Guards on the road: stops that trail, break-even, time exits. Database, both workers and a venue, all real processes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal as D
from typing import Any

import asyncpg
import pytest

from tests.support.clusters import Database
from tests.support.trading import Trader, new_trader, until, venue, worker
from tests.support.venue_admin import book, fault, no_faults, price, release, stop_by_hand, written

BUY = {"action": "open", "side": "buy", "symbol": "EURUSD", "qty_mode": "lots", "qty": 1, "ref_price": 1.1}
TRAIL = {"trail": {"mode": "pips", "value": 20, "step": 5}}
LIMIT = {**BUY, "type": "limit", "price": 1.0, "qty": 0.1}
SHORT = {"lease_ms": 1500, "heartbeat_ms": 300, "send_margin_ms": 300, "request_timeout_ms": 500}
"""Recovery in seconds instead of a quarter of a minute."""


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """The operator's connection to the test's own database."""
    opened = await database.connect("supabase_admin")
    yield opened
    await opened.close()


def stop_at(url: str, account: str) -> D | None:
    """The stop of the account's one position as the venue has it; None = no position."""
    held = book(url, account)["positions"]
    return D(str(held[0]["stop_loss"])) if held else None


async def stop_is(url: str, account: str, wanted: str) -> None:
    """Wait until the venue has the stop there."""

    async def there() -> bool:
        return stop_at(url, account) == D(wanted)

    await until(there)


async def is_flat(trader: Trader) -> None:
    """Wait until our books have nothing open and every guard is over."""

    async def flat() -> bool:
        await trader.connection.execute("update engine.account_marks set due_at = least(due_at, now())")
        return not await trader.connection.fetchval(
            "select exists (select from public.positions where closed_at is null)"
            " or exists (select from engine.guards where ended_at is null)"
        )

    await until(flat)


async def executed(trader: Trader, **intent: Any) -> dict[str, Any]:
    """The alert's delivery, which must be executed."""
    done = await trader.delivery(await trader.alert(**intent))
    assert done["outcome"] == "executed", done
    return done


async def asked(trader: Trader) -> list[tuple[str, str]]:
    """Action and outcome of every delivery that we asked for ourselves."""
    text = (
        "select d.action, d.outcome from public.deliveries d join public.webhook_events e on e.id = d.event_id"
        " where e.source = 'system' order by d.id"
    )
    return [(row["action"], row["outcome"]) for row in await trader.connection.fetch(text)]


async def told(trader: Trader, kind: str) -> list[str]:
    """The lines of the trader's log of one type."""
    return [row["message"] for row in await trader.rows("logs", type=kind)]


def moves(url: str) -> int:
    """How many changes of a stop have reached the venue."""
    return sum(1 for each in written(url) if each["kind"] == "protect")


@pytest.mark.parametrize("mode", ["netting", "hedging"])
async def test_a_stop_trails_at_the_broker_and_fires(
    database: Database, connection: asyncpg.Connection, mode: str
) -> None:
    """The price rises: the stop at the broker follows by steps, never back; it fires there, and the trade is closed with
    its result. Each move is asked for once, and told."""
    trader = await new_trader(database, connection, server="SIM", mode=mode)
    with (
        venue() as (url, _),
        worker(database, paper_venue_url=url),
        worker(database, "positions", paper_venue_url=url),
    ):
        done = await executed(trader, **BUY, **TRAIL)
        assert stop_at(url, trader.account) == D("1.098"), "its own distance is the first stop"
        price(url, "EURUSD", 1.101)
        await stop_is(url, trader.account, "1.099")
        price(url, "EURUSD", 1.1013)
        price(url, "EURUSD", 1.103)
        await stop_is(url, trader.account, "1.101")
        price(url, "EURUSD", 1.1012)
        price(url, "EURUSD", 1.1009)
        await is_flat(trader)
        assert moves(url) == 2
    (fitted,) = [step["detail"]["legs"] for step in done["trace"] if step["stage"] == "fit"]
    assert (fitted[0]["trail"]["mode"], fitted[0]["kept"]) == ("offset", "by us")
    assert await asked(trader) == [("modify", "executed")] * 2
    assert await told(trader, "stop_moved") == [
        f"P{trader.account[:8]}: The trailing stop of EURUSD goes from 1.098 to 1.099: the best price was 1.101.",
        f"P{trader.account[:8]}: The trailing stop of EURUSD goes from 1.099 to 1.101: the best price was 1.103.",
    ]
    (closing,) = await trader.rows("fills", effect="close")
    assert (closing["price"], closing["realised"]) == (D("1.1009"), D(90))
    assert await connection.fetchval("select why from engine.guards") == "the position is closed"
    assert await trader.invariants() == {}


async def test_killed_while_a_stop_moves(database: Database, connection: asyncpg.Connection) -> None:
    """Both workers die after the venue has moved the stop and before anybody knows: it is found by asking, not moved
    twice; the next move is the only other one."""
    trader = await new_trader(database, connection, server="SIM")
    with venue() as (url, _):

        async def moved(times: int) -> bool:
            return moves(url) == times

        with (
            worker(database, paper_venue_url=url, **SHORT) as executes,
            worker(database, "positions", paper_venue_url=url) as watches,
        ):
            await executed(trader, **BUY, **TRAIL)
            fault(url, "hang_after_accept", value="30")
            price(url, "EURUSD", 1.101)
            await until(lambda: moved(1))
            executes.kill()
            watches.kill()
        no_faults(url)
        with (
            worker(database, paper_venue_url=url, **SHORT),
            worker(database, "positions", paper_venue_url=url),
        ):

            async def settled() -> bool:
                return await asked(trader) == [("modify", "executed")]

            await until(settled)
            price(url, "EURUSD", 1.102)
            await stop_is(url, trader.account, "1.1")
            assert moves(url) == 2
    assert await asked(trader) == [("modify", "executed")] * 2
    assert await trader.invariants() == {}


async def test_a_time_exit_fires_once(database: Database, connection: asyncpg.Connection) -> None:
    """A second after the fill the position is closed, in front of everything, by one order; an entry that waits stays."""
    trader = await new_trader(database, connection, server="SIM")
    with (
        venue() as (url, _),
        worker(database, paper_venue_url=url),
        worker(database, "positions", paper_venue_url=url),
    ):
        await executed(trader, **LIMIT)
        await executed(trader, **BUY, time_exit_s=1)
        await is_flat(trader)
        assert [each["kind"] for each in written(url)] == ["place", "place", "close"]
    assert await asked(trader) == [("close", "executed")]
    assert await told(trader, "guard_closes") == [
        f"P{trader.account[:8]}: EURUSD has been open for 1 s, its time exit: it is being closed."
    ]
    assert sorted(row["status"] for row in await trader.rows("orders")) == ["filled", "filled", "working"]
    (lane,) = {row["lane"] for row in await trader.rows("deliveries", action="close")}
    assert lane == "urgent"
    assert await trader.invariants() == {}


async def test_a_time_exit_closes_its_own_part(database: Database, connection: asyncpg.Connection) -> None:
    """On a net position that another entry has added to: what its own entry bought is closed, and no more, ever."""
    trader = await new_trader(database, connection, server="SIM")
    with (
        venue() as (url, _),
        worker(database, paper_venue_url=url),
        worker(database, "positions", paper_venue_url=url),
    ):
        await executed(trader, **BUY, time_exit_s=3600)
        await executed(trader, **{**BUY, "qty": 0.5})

        async def over() -> bool:
            # The hour has passed; a reader who keeps the guard meanwhile writes what he has read.
            await connection.execute(
                "update engine.guards set entered_at = now() - interval '1 hour' where ended_at is null"
            )
            return await connection.fetchval("select why from engine.guards") == "its time is over"

        await until(over)
        (held,) = book(url, trader.account)["positions"]
        assert D(str(held["qty"])) == D("0.5")
        assert [each["kind"] for each in written(url)] == ["place", "place", "close"]
    assert await asked(trader) == [("reduce", "executed")]
    assert await trader.invariants() == {}


async def test_guards_given_later_and_taken_away(database: Database, connection: asyncpg.Connection) -> None:
    """A modify gives an open position a break-even: nothing is sent until it is reached, then once. Another takes the
    trail away: the stop stays where it is."""
    trader = await new_trader(database, connection, server="SIM")
    even = {"trigger": {"mode": "rr", "value": 1}, "plus": {"mode": "pips", "value": 1}}
    with (
        venue() as (url, _),
        worker(database, paper_venue_url=url),
        worker(database, "positions", paper_venue_url=url),
    ):
        await executed(trader, **BUY, **TRAIL, sl={"mode": "price", "value": 1.099})
        await executed(trader, action="modify", symbol="EURUSD", be=even, trail={"mode": "none"})
        assert moves(url) == 0, "what we see to ourselves is not sent"

        async def known() -> bool:
            return bool(await connection.fetchval("select max(risk_distance) from engine.guards"))

        await until(known)
        price(url, "EURUSD", 1.101)
        await stop_is(url, trader.account, "1.1001")
        price(url, "EURUSD", 1.11)

        async def secured() -> bool:
            text = "select bool_or(is_secured and best = 1.11) from engine.guards where ended_at is null"
            return bool(await connection.fetchval(text))

        await until(secured)
        assert (moves(url), stop_at(url, trader.account)) == (1, D("1.1001"))
    (line,) = await told(trader, "stop_moved")
    assert line.endswith(
        "goes from 1.099 to break-even at 1.1001: entered at 1.1, the best price was 1.101."
    ), line
    assert await trader.invariants() == {}


async def test_a_trail_goes_on_from_a_stop_moved_by_hand(
    database: Database, connection: asyncpg.Connection
) -> None:
    """The trader gives his stop room at the broker: the first read that shows it has the trail bring it back, once, though
    our books knew another one until then. He moves it nearer: there it stays until the trail is further."""
    trader = await new_trader(database, connection, server="SIM")
    with (
        venue() as (url, _),
        worker(database, paper_venue_url=url),
        worker(database, "positions", paper_venue_url=url),
    ):
        await executed(trader, **BUY, **TRAIL)
        stop_by_hand(url, trader.account, "1.0975")
        await stop_is(url, trader.account, "1.098")
        stop_by_hand(url, trader.account, "1.0995")
        price(url, "EURUSD", 1.101)
        price(url, "EURUSD", 1.102)
        await stop_is(url, trader.account, "1.1")
    assert await asked(trader) == [("modify", "executed")] * 2
    assert [
        line.partition("goes from ")[2].partition(":")[0] for line in await told(trader, "stop_moved")
    ] == [
        "1.0975 to 1.098",
        "1.0995 to 1.1",
    ]
    assert await trader.invariants() == {}


async def test_a_stop_moved_by_hand_while_ours_is_on_its_way(
    database: Database, connection: asyncpg.Connection
) -> None:
    """The trail has asked for a stop, and before the broker does it the trader has moved it nearer himself: his stays."""
    trader = await new_trader(database, connection, server="SIM")
    with (
        venue() as (url, _),
        worker(database, paper_venue_url=url),
        worker(database, "positions", paper_venue_url=url),
    ):
        await executed(trader, **BUY, **TRAIL)
        fault(url, "hang_before")
        price(url, "EURUSD", 1.101)

        async def is_sent() -> bool:
            text = (
                "select exists (select from engine.commands where kind = 'protect' and state = 'submitting')"
            )
            return bool(await connection.fetchval(text))

        await until(is_sent)
        stop_by_hand(url, trader.account, "1.1")
        release(url)

        async def is_over() -> bool:
            return [outcome for _, outcome in await asked(trader)] == ["skipped"]

        await until(is_over)
        assert stop_at(url, trader.account) == D("1.1")
        price(url, "EURUSD", 1.103)
        await stop_is(url, trader.account, "1.101")
    (skipped, _) = await trader.rows("deliveries", action="modify")
    assert skipped["reason"] == "nothing_to_modify", dict(skipped)
    assert await trader.invariants() == {}
