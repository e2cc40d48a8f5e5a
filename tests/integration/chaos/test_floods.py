"""A thousand alerts at once, and a database that goes away under load: each is executed once, or refused."""

from __future__ import annotations

import asyncio

from tests.integration.chaos.floods import Flood, flood
from tests.support.stacks import RunningStack

FLOOD = 1000
LIMIT = 20
DOWN_S = 5.0
CUTS = 12
# While it is not known whether an order arrived, no further entry is allowed on its account and symbol; and an
# order that provably never arrived is not sent when the alert is too old by then. Both are told.
EXCUSES = frozenset({"unresolved_order", "never_arrived", "stale"})


def each_executed_once(storm: Flood, events: list[int], excuses: frozenset[str] = frozenset()) -> None:
    """One order at the broker for every accepted alert that ended without an excuse, the same as in our books."""
    assert len(set(events)) == len(events)
    storm.wait_finished(len(events))
    outcomes = storm.outcomes()
    assert outcomes.keys() <= {"executed", *excuses}
    assert set(storm.orders_at_broker().values()) == {1}
    assert set(storm.orders_at_broker()) == storm.orders()
    assert len(storm.orders()) == outcomes["executed"]
    assert storm.broken_invariants() == ""


async def test_a_thousand_alerts_at_once(stack: RunningStack) -> None:
    """All end with 202, or 429 with the reason, and each accepted one is executed once."""
    settings = [{"alerts_per_minute": 100_000}] * 9 + [{"alerts_per_minute": LIMIT}]
    with flood(stack, settings) as storm:
        events = await storm.post(FLOOD)
        # What a busy machine has no answer for in time is told to come again, and does.
        assert {202, 429} <= set(storm.statuses) <= {202, 429, 503}
        assert storm.statuses[202] + storm.statuses[429] == FLOOD
        assert storm.statuses[503] < FLOOD / 10
        assert {refusal["error"] for refusal in storm.refusals} == {"rate_limited"}
        # A new minute may begin meanwhile.
        assert FLOOD * 9 // 10 + LIMIT <= len(events) <= FLOOD * 9 // 10 + 2 * LIMIT
        each_executed_once(storm, events)


async def test_connections_cut_after_commit(stack: RunningStack) -> None:
    """Sessions of door and worker are ended again and again: what was not confirmed is sent again, once."""
    with flood(stack, [{"alerts_per_minute": 100_000}] * 8) as storm:
        posting = asyncio.create_task(storm.post(300, pause_s=0.01))
        connection = await stack.database.connect("supabase_admin")
        for _ in range(CUTS):
            await connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and usename in ('empire_edge', 'empire_worker')"
            )
            await asyncio.sleep(0.25)
        await connection.close()
        events = await posting
        assert set(storm.statuses) <= {202, 503}
        each_executed_once(storm, events, EXCUSES)


async def test_postgres_stopped_under_load(own_stack: RunningStack) -> None:
    """Postgres is stopped for seconds under load: senders are told to come again, and each alert is done once."""
    with flood(own_stack, [{"alerts_per_minute": 100_000}] * 8) as storm:
        posting = asyncio.create_task(storm.post(300, pause_s=0.02))
        await storm.wait_answered(20)
        await asyncio.to_thread(own_stack.postgres.stop)
        await asyncio.sleep(DOWN_S)
        await asyncio.to_thread(own_stack.postgres.start)
        events = await posting
        assert storm.statuses[503] > 0
        assert set(storm.statuses) <= {202, 502, 503}
        each_executed_once(storm, events, EXCUSES)
