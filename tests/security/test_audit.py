"""Security suite no. 15 and 19: what is recorded cannot be changed, and what others write is recorded."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.security.people import (
    ADMIN,
    ADMIN_AT_AAL2,
    OTHER,
    OWNER,
    OWNER_WITHOUT_FACTOR,
    account,
    acting,
    endpoint,
)
from tests.support.clusters import Database

TAMPERING = [
    "update public.admin_actions set action = 'nothing happened'",
    "delete from public.admin_actions",
    "truncate public.admin_actions",
    "set session_replication_role = replica; delete from public.admin_actions",
]
_PAPER, _DOOR = account(OWNER), endpoint(OWNER)
STUDIO_WRITES = {
    "profiles": f"update public.profiles set name = 'changed' where id = '{OWNER}'",
    "subscriptions": f"update public.subscriptions set plan = 'elite' where user_id = '{OWNER}'",
    "plan_limits": "update public.plan_limits set price_usd = 0 where plan = 'starter'",
    "brands": f"delete from public.brands where id = '{OTHER}' and name = 'Label'",
    "broker_connections": f"update public.broker_connections set server = 'x' where user_id = '{OWNER}'",
    "broker_accounts": f"update public.broker_accounts set trading_enabled = false where id = '{_PAPER}'",
    "credential_seals": f"""insert into public.credential_seals
          (connection_id, recipient, key_id, version, sealed)
        values ('{_PAPER}', 'fleet', 'k1', 2, convert_to(repeat('planted', 20), 'utf8'))""",
    "fleet_keys": "update public.fleet_keys set retired_at = now()",
    "devices": f"update public.devices set name = 'x' where user_id = '{OWNER}'",
    "webhook_endpoints": f"update public.webhook_endpoints set max_age_s = 99 where id = '{_DOOR}'",
    "webhook_endpoint_accounts": f"delete from public.webhook_endpoint_accounts where user_id = '{OWNER}'",
    "api_keys": f"""insert into public.api_keys (id, user_id, name, key_hash, scopes)
        values ('abcdefgh', '{OWNER}', 'x', sha256('planted'), '{{read}}')""",
    "symbol_map": f"delete from public.symbol_map where user_id = '{OWNER}'",
    "risk_settings": f"update public.risk_settings set max_trades_per_day = null where user_id = '{OWNER}'",
    "trading_config": f"update public.trading_config set fixed_lot_size = 9 where user_id = '{OWNER}'",
    "notification_targets": f"update public.notification_targets set enabled = false where user_id = '{OWNER}'",
    "admins": f"insert into private.admins (user_id) values ('{OTHER}')",
}
"""One write per audited table, as somebody in Studio would make it."""


def recorded(database: Database, after: int) -> list[dict[str, Any]]:
    """The audit rows with a higher id."""
    rows = database.sql(f"select to_jsonb(a) from public.admin_actions a where id > {after} order by id")
    return [json.loads(row) for row in rows.splitlines()]


def newest(database: Database) -> int:
    """The last audit id."""
    return int(database.sql("select coalesce(max(id), 0) from public.admin_actions"))


@pytest.mark.parametrize("role", ["postgres", "supabase_admin"])
@pytest.mark.parametrize("statement", TAMPERING)
def test_the_trail_cannot_be_changed(peopled: Database, role: str, statement: str) -> None:
    """Update, delete and truncate are refused to every role, the owner of the table and the superuser too."""
    before = peopled.sql("select count(*), max(id) from public.admin_actions")
    with pytest.raises(Exception, match=r"insert only|permission denied to set"):
        peopled.sql(statement, role=role)
    assert peopled.sql("select count(*), max(id) from public.admin_actions") == before


@pytest.mark.parametrize("table", sorted(STUDIO_WRITES))
def test_a_write_in_studio_is_recorded(own_people: Database, table: str) -> None:
    """Each audited table: the actor, the table, the row and what changed are in the trail, once per row."""
    before = newest(own_people)
    own_people.sql(STUDIO_WRITES[table], role="postgres")
    rows = recorded(own_people, before)
    assert rows, table
    for row in rows:
        assert row["actor"] == "postgres"
        assert row["admin_user_id"] is None
        assert row["action"].endswith(f" {table}")
        assert row["details"]["changes"]
        assert row["ip_address"] == "127.0.0.1"


def test_no_audited_table_is_forgotten(peopled: Database) -> None:
    """The writes of this file cover every table with the audit trigger, and the trigger always fires."""
    found = peopled.sql(
        "select relname from pg_trigger t join pg_class c on c.oid = tgrelid"
        " where tgname = 'audit' and tgenabled = 'A'"
    )
    assert sorted(found.splitlines()) == sorted(STUDIO_WRITES)


def test_old_and_new_values_are_there_and_secrets_are_not(own_people: Database) -> None:
    """Changes hold old and new value; of hashes and sealed credentials only that they changed."""
    before = newest(own_people)
    own_people.sql(STUDIO_WRITES["subscriptions"], role="postgres")
    own_people.sql(STUDIO_WRITES["api_keys"], role="postgres")
    own_people.sql(STUDIO_WRITES["credential_seals"], role="postgres")
    plan, key, seal = recorded(own_people, before)
    assert plan["details"]["changes"] == {"plan": ["starter", "elite"]}
    assert plan["target_user_id"] == OWNER
    assert key["details"]["changes"]["key_hash"] == "(not shown)"
    assert seal["details"]["changes"]["sealed"] == "(not shown)"
    assert b"planted".hex() not in json.dumps([plan, key, seal])


def test_a_change_of_nothing_is_not_recorded(own_people: Database) -> None:
    """An update that leaves every value as it was makes no entry."""
    before = newest(own_people)
    own_people.sql(f"update public.profiles set name = name where id = '{OWNER}'", role="postgres")
    assert recorded(own_people, before) == []


async def test_impersonating_in_studio_is_recorded(own_people: Database) -> None:
    """Studio can take a user's role and claims; its login gives it away."""
    before = newest(own_people)
    connection = await own_people.connect("postgres")
    async with connection.transaction():
        await connection.execute(
            "select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)",
            json.dumps(OWNER_WITHOUT_FACTOR.claims),
        )
        await connection.execute("update public.profiles set name = 'somebody'")
    await connection.close()
    (row,) = recorded(own_people, before)
    assert row["actor"] == "postgres as authenticated"


async def test_the_secret_key_is_recorded(own_people: Database) -> None:
    """A definer function called with the secret key writes as service_role: that is in the trail."""
    own_people.sql(
        f"""create function public.later() returns void language sql security definer set search_path = '' as
        $$ update public.profiles set name = 'by key' where id = '{OWNER}' $$;
        grant execute on function public.later() to service_role""",
        role="postgres",
    )
    before = newest(own_people)
    connection = await own_people.connect("authenticator")
    async with connection.transaction():
        await connection.execute("select set_config('role', 'service_role', true)")
        await connection.execute("select public.later()")
    await connection.close()
    (row,) = recorded(own_people, before)
    assert (row["actor"], row["admin_user_id"]) == ("authenticator as service_role", None)


async def test_ones_own_writes_are_ones_own(own_people: Database) -> None:
    """What a user does to his own rows, directly or by a verb, is not in the audit trail."""
    before = newest(own_people)
    async with acting(own_people, OWNER_WITHOUT_FACTOR, keep=True) as connection:
        await connection.execute("update public.profiles set name = 'me'")
        await connection.execute("select public.connect_paper('mine')")
        await connection.execute("select public.disable_account($1)", account(OWNER, "live"))
        await connection.execute("select public.kill_switch(true)")
    assert recorded(own_people, before) == []


async def test_a_shown_token_is_recorded(own_people: Database) -> None:
    """Revealing an endpoint leaves an entry and a line in the user's log."""
    before = newest(own_people)
    async with acting(own_people, OWNER_WITHOUT_FACTOR, keep=True) as connection:
        shown = json.loads(await connection.fetchval("select public.reveal_endpoint($1)", endpoint(OWNER)))
    assert shown == {"endpoint_id": endpoint(OWNER), "version": 1, "broker": "paper"}
    (row,) = recorded(own_people, before)
    assert (row["action"], row["actor"], row["target_user_id"]) == ("endpoint_revealed", "owner", OWNER)
    logged = own_people.sql(
        f"select type from public.logs where user_id = '{OWNER}' order by id desc limit 1"
    )
    assert logged == "endpoint_revealed"


async def test_admin_verbs_are_recorded_and_told(own_people: Database) -> None:
    """An admin's act is recorded with his id and reason, in the same transaction, and the trader sees it."""
    before = newest(own_people)
    async with acting(own_people, ADMIN_AT_AAL2) as connection:
        await connection.execute("select public.admin_disable_account($1, 'undone')", account(OTHER))
    assert recorded(own_people, before) == []
    async with acting(own_people, ADMIN_AT_AAL2, keep=True) as connection:
        await connection.execute("select public.admin_disable_account($1, 'asked by phone')", account(OTHER))
        flat = json.loads(
            await connection.fetchval("select public.admin_flatten($1, 'asked by phone')", account(OTHER))
        )
    assert flat["deliveries"] == 1
    rows = recorded(own_people, before)
    verbs = [row for row in rows if row["action"].startswith("admin_")]
    assert [row["action"] for row in verbs] == ["admin_disable_account", "admin_flatten"]
    assert {row["admin_user_id"] for row in rows} == {ADMIN}
    assert verbs[0]["details"] == {"account_id": account(OTHER), "reason": "asked by phone"}
    told = own_people.sql(
        f"select count(*) from public.logs where user_id = '{OTHER}' and type like 'admin%'"
    )
    assert told == "2"
    off = own_people.sql(f"select trading_enabled from public.broker_accounts where id = '{account(OTHER)}'")
    assert off == "f"
