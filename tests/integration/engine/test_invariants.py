"""What must never be: each view is empty, and shows the row when somebody breaks it. How the functions are made."""

from __future__ import annotations

import pytest

from tests.integration.engine.road import Road, filled, outcome

BREAKS = {
    "invariant_position_is_sum_of_fills": "update public.positions set qty = qty + 1",
    "invariant_sent_has_an_outcome": "update engine.commands set state = 'unknown', submitted_at = now() - '1 h'::interval",
    "invariant_done_has_an_outcome": "alter table public.deliveries drop constraint done_has_an_outcome;"
    " update public.deliveries set outcome = null where status = 'done'",
    "invariant_no_account_sleeps": "update engine.queue set state = 'waiting' where state = 'ready'",
    "invariant_order_and_command_agree": "alter table public.orders disable trigger order_status_follows_the_table;"
    " update public.orders set status = 'pending'",
    "invariant_queue_and_delivery_agree": "delete from engine.queue",
    "invariant_done_leaves_nothing_unsent": "update engine.commands set state = 'pending'",
    "invariant_events_count_their_deliveries": "update public.webhook_events set processed = not processed",
}


async def test_every_view_is_tried(road: Road) -> None:
    """No invariant goes untested, and invariant_rows() names them all."""
    views = await road.column(
        "select viewname::text from pg_views where schemaname = 'engine' and viewname like 'invariant%'"
    )
    assert set(views) == set(BREAKS) == set(await road.worker.fetchval("select engine.invariant_rows()"))


@pytest.mark.parametrize("view", BREAKS)
async def test_broken_row_is_shown(road: Road, view: str) -> None:
    """Empty after honest work; not empty after one manipulated row."""
    trader = await road.trader()
    await road.trade(trader)
    await road.accept(trader)
    await road.accept(trader)
    assert await road.broken() == {}
    for statement in BREAKS[view].split(";"):
        await road.admin.execute(statement)
    assert view in await road.broken()


async def test_unknown_order_is_no_breach_at_first(road: Road) -> None:
    """Unknown for a moment is what the settler is for; for ten minutes it is an alarm."""
    trader = await road.trader()
    await road.accept(trader)
    (claimed,) = await road.claim()
    opened = await road.open_one(claimed)
    await road.record(claimed, [outcome(opened["commands"][0]["id"], "unknown")], "unknown")
    assert await road.broken() == {}
    stats = await road.worker.fetchval("select engine.stats()")
    assert stats["unknown_orders"] == 1


async def test_functions_are_made_safely(road: Road) -> None:
    """Every function has an empty search_path, is not PUBLIC's, belongs to the right role and says what it does."""
    rows = await road.admin.fetch(
        """
        select p.oid::regprocedure::text as name, p.proconfig, n.nspname, r.rolname, d.description,
          exists (
            select 1 from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a where a.grantee = 0
          ) as is_public
        from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_roles r on r.oid = p.proowner
        left join pg_description d on d.objoid = p.oid and d.classoid = 'pg_proc'::regclass
        where n.nspname = 'engine'
        """
    )
    assert len(rows) > 60
    for row in rows:
        assert 'search_path=""' in (row["proconfig"] or []), row["name"]
        assert not row["is_public"], row["name"]
        assert row["rolname"] == "empire_engine", row["name"]
        assert row["description"], row["name"]


async def test_functions_stay_short(road: Road) -> None:
    """A function of more than 60 lines mixes things; the longest are queries that list columns."""
    lengths = await road.admin.fetch(
        "select proname, array_length(string_to_array(prosrc, e'\\n'), 1) as n from pg_proc"
        " where pronamespace = 'engine'::regnamespace order by 2 desc"
    )
    assert {row["proname"] for row in lengths if row["n"] > 62} <= {"contexts"}


async def test_workers_and_edge_touch_no_table(road: Road) -> None:
    """Both roles have no right on any table, view or sequence of ours."""
    rows = await road.admin.fetch(
        """
        select r.rolname, c.oid::regclass::text as name from pg_class c
        cross join (values ('empire_worker'), ('empire_edge')) as r (rolname)
        where c.relnamespace in ('engine'::regnamespace, 'public'::regnamespace, 'private'::regnamespace)
          and c.relkind in ('r', 'v') and has_table_privilege(r.rolname, c.oid, 'select, insert, update, delete')
        """
    )
    assert rows == []


async def test_lost_message_undoes_nothing(road: Road) -> None:
    """A fill is recorded although realtime cannot be written: the loss is counted."""
    trader = await road.trader()
    await road.accept(trader)
    (claimed,) = await road.claim()
    opened = await road.open_one(claimed)
    await road.admin.execute("alter table realtime.messages rename to gone")
    assert await road.record(claimed, [filled(opened["commands"][0]["id"], 1, [])])
    assert await road.value("select n > 0 from engine.counters where name = 'realtime_failures'")
