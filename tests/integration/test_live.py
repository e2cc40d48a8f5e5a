"""What is told on the private topics: numbers as text, nothing secret, and never at the writer's cost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.security.people import OTHER, OWNER, account, seed
from tests.support.clusters import Database

_NEW_ORDERS = """
    insert into public.orders
      (user_id, broker, account_id, client_order_id, origin, symbol, root, side, type, qty, price)
    select u.id, 'paper', u.account, 'n' || n, 'alert', 'EURUSD', 'EURUSD', 'buy', 'limit', 0.10, 1.10000
    from generate_series(1, {n}) n, (values {users}) u (id, account)"""


@pytest.fixture
def quiet(database: Database) -> Database:
    """Users with rows, and no message yet."""
    seed(database)
    database.sql("delete from realtime.messages")
    return database


def told(database: Database) -> list[tuple[str, str, dict[str, Any]]]:
    """Topic, event and payload of each message, oldest first; all are forgotten afterwards."""
    rows = database.sql(
        "with gone as (delete from realtime.messages returning *)"
        " select jsonb_build_array(topic, event, payload) from gone"
        " where private and extension = 'broadcast' order by inserted_at, (payload ->> 'id')::bigint"
    )
    return [(topic, event, payload) for topic, event, payload in map(json.loads, rows.splitlines())]


def failures(database: Database) -> int:
    """Messages that could not be written."""
    return int(database.sql("select n from engine.counters where name = 'realtime_failures'"))


def new_orders(*users: str, n: int = 1) -> str:
    """A statement that inserts n orders of each user."""
    values = ", ".join(f"('{user}'::uuid, '{account(user)}'::uuid)" for user in users)
    return _NEW_ORDERS.format(users=values, n=n)


def numbers_of(payload: dict[str, Any]) -> Iterator[str]:
    """Names of members that are JSON numbers."""
    return (name for name, value in payload.items() if isinstance(value, int | float) and value is not True)


def test_an_order_is_told_to_its_owner(quiet: Database) -> None:
    """A new order: topic of its owner, event order.created, every number as text, a version to order by."""
    quiet.sql(new_orders(OWNER))
    ((topic, event, payload),) = told(quiet)
    assert (topic, event) == (f"orders:{OWNER}", "order.created")
    assert (payload["qty"], payload["price"], payload["filled_qty"]) == ("0.10", "1.10000", "0")
    assert payload["id"].isdigit()
    assert payload["v"] == 1
    assert [name for name in numbers_of(payload) if name not in ("v", "reduce_only")] == []


def test_each_owner_hears_of_his_own_rows(quiet: Database) -> None:
    """One statement over rows of two users tells each of them his own."""
    quiet.sql(new_orders(OWNER, OTHER, n=3))
    topics = [topic for topic, _, _ in told(quiet)]
    assert sorted(topics) == sorted([f"orders:{OWNER}"] * 3 + [f"orders:{OTHER}"] * 3)


def test_updates_are_told_when_a_trader_would_see_them(quiet: Database) -> None:
    """pending to submitting is silence; working, filled and a moved price are told with rising versions."""
    quiet.sql(new_orders(OWNER))
    told(quiet)
    mine = "where client_order_id = 'n1'"
    quiet.sql(f"update public.orders set status = 'submitting' {mine}")
    quiet.sql(f"update public.orders set expires_at = now() {mine}")
    assert told(quiet) == []
    for change in (
        "status = 'working'",
        "price = 1.2",
        "status = 'filled', filled_qty = 0.1, avg_price = 1.2",
    ):
        quiet.sql(f"update public.orders set {change} {mine}")
    messages = told(quiet)
    assert [event for _, event, _ in messages] == ["order.updated"] * 3
    assert [payload["v"] for _, _, payload in messages] == [4, 5, 6]
    assert messages[2][2]["status"] == "filled"


def test_events_and_deliveries_share_a_topic_and_hide_the_body(quiet: Database) -> None:
    """Alert and delivery are told without body, payload or signature; the delivery again when it is done."""
    quiet.sql(
        f"""
        with e as (
          insert into public.webhook_events (user_id, source, body, payload, signature, status)
          values ('{OWNER}', 'tradingview', 'planted', '{{"planted": 1}}', 'planted', 'accepted') returning id
        )
        insert into public.deliveries (event_id, user_id, account_id, action, symbol, halt_epoch)
        select id, '{OWNER}', '{account(OWNER)}', 'open', 'EURUSD', 0 from e
        """
    )
    done = "update public.deliveries set {} where status <> 'done' or reason = 'stale'"
    quiet.sql(done.format("status = 'claimed', attempts = 1"))
    numbers = """numbers = '{"age_s": 75.50}'"""
    quiet.sql(done.format(f"status = 'done', outcome = 'denied', reason = 'stale', {numbers}"))
    quiet.sql(done.format("trace = '[1]'"))
    messages = told(quiet)
    assert {topic for topic, _, _ in messages} == {f"events:{OWNER}"}
    assert [event for _, event, _ in messages] == ["event.created", "delivery.created", "delivery.updated"]
    assert messages[2][2]["numbers"] == {"age_s": "75.50"}
    assert "planted" not in json.dumps(messages)


def test_positions_logs_and_health(quiet: Database) -> None:
    """A changed mark is told, a newer reading of the same is not; log lines and a broker's state are told."""
    mine = f"where user_id = '{OWNER}'"
    quiet.sql(f"update public.positions set as_of = clock_timestamp() {mine}")
    assert told(quiet) == []
    quiet.sql(f"update public.positions set unrealized_pnl = -12.340 {mine}")
    lines = f"('{OWNER}', 'info', 't', 'm'), (null, 'info', 't', 'm')"
    quiet.sql(f"insert into public.logs (user_id, level, type, message) values {lines}")
    quiet.sql("update public.health set latency_ms = 5 where broker = 'paper'")
    quiet.sql("update public.health set status = 'operational' where broker = 'paper'")
    position, line, health = told(quiet)
    assert position[:2] == (f"positions:{OWNER}", "position.updated")
    assert position[2]["unrealized_pnl"] == "-12.340"
    assert line[:2] == (f"logs:{OWNER}", "log.created")
    assert health[:2] == ("health:system", "health.updated")
    assert (health[2]["status"], health[2]["latency_ms"]) == ("operational", "5")


@pytest.mark.parametrize(
    "damage",
    [
        "alter table realtime.messages rename to elsewhere",
        "alter table realtime.messages add constraint partition_missing check (topic = 'x') not valid",
        "alter schema realtime rename to elsewhere",
    ],
)
def test_a_lost_message_is_counted_and_undoes_nothing(quiet: Database, damage: str) -> None:
    """Without the table, the partition or the schema the write stays and the failure is counted."""
    before = failures(quiet)
    quiet.sql(damage)
    quiet.sql(new_orders(OWNER, n=2))
    quiet.sql("update public.orders set price = 1.5 where client_order_id like 'n%'")
    assert quiet.sql("select count(*) from public.orders where price = 1.5") == "2"
    assert failures(quiet) == before + 2


async def test_writers_do_not_wait_for_the_failure_counter(quiet: Database) -> None:
    """While another transaction has counted a failure and is still open, a failing writer goes on."""
    quiet.sql("alter table realtime.messages rename to elsewhere")
    first, second = await quiet.connect(), await quiet.connect()
    async with first.transaction():
        await first.execute(new_orders(OWNER))
        await second.execute("set statement_timeout = '60s'")
        await second.execute(new_orders(OTHER))
    await first.close()
    await second.close()
    assert quiet.sql("select count(*) from public.orders where client_order_id = 'n1'") == "2"
    assert failures(quiet) >= 1


def test_versions_only_rise(quiet: Database) -> None:
    """Nobody sets a version: every update adds one, whatever was asked for."""
    mine = f"where id = '{account(OWNER)}'"
    version = int(quiet.sql(f"select version from public.broker_accounts {mine}"))
    quiet.sql(f"update public.broker_accounts set version = 1, updated_at = 'epoch' {mine}")
    row = quiet.sql(
        f"select version, updated_at > now() - interval '1 minute' from public.broker_accounts {mine}"
    )
    assert row == f"{version + 1}|t"


def test_nobody_is_told_of_a_rolled_back_write(quiet: Database) -> None:
    """Messages belong to the transaction of the write."""
    quiet.sql(f"begin; {new_orders(OWNER)}; rollback")
    assert told(quiet) == []
