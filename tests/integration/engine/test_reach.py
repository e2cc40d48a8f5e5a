"""Accounts that nobody can reach: Topstep trades from the trader's own device only, a disconnected login not at all."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from tests.integration.engine.road import Road, Trader


async def sweep(road: Road) -> int:
    """What a fleet worker does twice a second."""
    ended: int = await road.worker.fetchval("select engine.end_unreachable(100)")
    return ended


async def ends(road: Road) -> list[tuple[Any, ...]]:
    """Action, status, reason and numbers of every delivery, oldest first."""
    rows = await road.admin.fetch("select action, status, reason, numbers from public.deliveries order by id")
    return [tuple(row) for row in rows]


async def device(road: Road, trader: Trader, seen: str = "now()") -> None:
    """The trader's device, heard of at a moment."""
    await road.admin.execute(
        "insert into public.devices (user_id, name, public_key, last_seen_at)"
        f" values ('{trader.user}', 'pc', sha256(convert_to(gen_random_uuid()::text, 'utf8')), {seen})"
    )


async def test_without_a_device_nothing_is_kept_for_later(road: Road) -> None:
    """Entries are denied, a flatten says where to close, in the log too; no fleet worker could claim either."""
    trader = await road.trader(broker="topstepx", executor="edge")
    for _ in range(2):
        await road.accept(trader)
    assert await road.claim() == []
    assert await sweep(road) == 2
    await road.intend(trader, action="flatten")
    assert await road.claim(lane="urgent") == []
    assert await sweep(road) == 1
    entry = ("open", "done", "executor_offline", None)
    assert await ends(road) == [
        entry,
        entry,
        ("flatten", "done", "executor_offline", {"close_in": "TopstepX"}),
    ]
    told = "select level::text, message from public.logs where type = 'executor_offline'"
    (log,) = await road.admin.fetch(told)
    assert log["level"] == "error"
    assert log["message"].endswith("was not sent: cannot reach your device: close in TopstepX now.")
    assert await sweep(road) == 0
    assert set((await road.worker.fetchval("select engine.invariant_rows()")).values()) == {0}


@pytest.mark.parametrize("seen", ["now() - interval '2 minutes'", "null"])
async def test_a_device_that_was_seen_long_ago_is_none(road: Road, seen: str) -> None:
    """A minute of silence, a device never heard of, or one that was revoked count as no device."""
    trader = await road.trader(broker="topstepx", executor="edge")
    await device(road, trader, seen)
    await device(road, trader)
    await road.admin.execute(
        "update public.devices set revoked_at = now() where last_seen_at > now() - interval '1 minute'"
    )
    await road.accept(trader)
    assert await sweep(road) == 1


async def test_a_device_that_is_seen_gets_its_work(road: Road) -> None:
    """Seen within a minute: the delivery waits for it, and only it can claim."""
    trader = await road.trader(broker="topstepx", executor="edge")
    await device(road, trader)
    await road.accept(trader)
    assert (await sweep(road), await road.claim()) == (0, [])
    assert len(await road.claim(executor="edge")) == 1


async def test_others_are_left_alone(road: Road) -> None:
    """What the fleet trades, and what a device has claimed, is not touched."""
    fleet, edge = await road.trader(), await road.trader(broker="topstepx", executor="edge")
    await road.accept(fleet)
    await device(road, edge)
    await road.accept(edge)
    assert len(await road.claim(executor="edge")) == 1
    await road.admin.execute("update public.devices set last_seen_at = null")
    assert await sweep(road) == 0
    assert len(await road.claim()) == 1


async def test_a_disconnected_login_ends_what_waits_for_it(road: Road) -> None:
    """Deliveries that were under way when the login was disconnected end with that reason."""
    trader = await road.trader(broker="tradelocker")
    await road.accept(trader)
    await road.accept(trader, action="close", symbol="XAUUSD")
    await road.admin.execute("update public.broker_connections set status = 'disabled'")
    assert await sweep(road) == 2
    assert await ends(road) == [
        ("open", "done", "account_disconnected", None),
        ("close", "done", "account_disconnected", {"close_in": "TradeLocker"}),
    ]


async def test_topstep_is_never_handed_to_the_fleet(road: Road) -> None:
    """No write can make it so: not of the connection, not of an account, unless the broker itself calls it practice."""
    trader = await road.trader(broker="topstepx", executor="edge")
    refused = [
        "update public.broker_connections set environment = 'live', executor = 'fleet'",
        "update public.broker_accounts set executor = 'fleet'",
        "update public.broker_accounts set executor = 'fleet', label = 'PRAC-V2-1'",
        "update public.broker_accounts set executor = 'fleet', venue_name = 'EXPRESS-PRAC-1'",
    ]
    for statement in refused:
        with pytest.raises(asyncpg.CheckViolationError, match="topstep"):
            await road.admin.execute(statement)
    await road.admin.execute("update public.broker_accounts set executor = 'fleet', venue_name = 'PRAC-V2-1'")
    await road.accept(trader)
    assert len(await road.claim()) == 1


@pytest.mark.parametrize(
    ("environment", "name", "executor"),
    [
        ("live", "50KTC-V2-1", "edge"),
        ("live", "PRAC-V2-1", "fleet"),
        ("live", "prac-1", "edge"),
        ("live", "XPRAC-1", "edge"),
        ("demo", "50KTC-V2-1", "edge"),
        ("simulated", "50KTC-V2-1", "fleet"),
    ],
)
async def test_who_trades_an_account_that_was_found(
    road: Road, environment: str, name: str, executor: str
) -> None:
    """A checked login's accounts: the trader's device, but for practice accounts and the operator's simulator."""
    trader = await road.trader()
    by_rule = "fleet" if environment == "simulated" else "edge"
    connection = await road.admin.fetchval(
        "insert into public.broker_connections (user_id, broker, environment, executor)"
        f" values ('{trader.user}', 'topstepx', '{environment}', '{by_rule}') returning id"
    )
    await road.admin.execute("insert into engine.connection_checks (connection_id) values ($1)", connection)
    check = await road.worker.fetchval("select engine.claim_connections('w1', 1, 60000)")
    found = {"number": "77", "name": name, "currency": "USD", "margin_mode": "netting", "balance": 50000}
    result = {"outcome": "connected", "error": None, "retry_ms": 0, "accounts": [found]}
    assert await road.worker.fetchval(
        "select engine.record_connection($1, $2, $3)", connection, check["token"], result
    )
    account = await road.admin.fetchval(
        "select engine.account_json(a, c) from public.broker_accounts a"
        " join public.broker_connections c on c.id = a.connection_id where c.id = $1",
        connection,
    )
    assert (account["executor"], account["trading_enabled"], account["balance"]) == (executor, False, 50000)
    # A renamed account stays what the broker calls it.
    await road.admin.execute(
        "update public.broker_accounts set label = 'PRAC-mine' where connection_id = $1", connection
    )
    await road.admin.execute("update engine.connection_checks set run_at = now()")
    check = await road.worker.fetchval("select engine.claim_connections('w1', 1, 60000)")
    assert await road.worker.fetchval(
        "select engine.record_connection($1, $2, $3)", connection, check["token"], result
    )
    again = "select coalesce(a.executor, c.executor)::text from public.broker_accounts a join public.broker_connections c"
    assert (
        await road.admin.fetchval(again + " on c.id = a.connection_id where c.id = $1", connection)
        == executor
    )
