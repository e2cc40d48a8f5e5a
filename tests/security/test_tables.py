"""Security suite no. 1: every table, column and verb, tried by everybody."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from tests.security.people import (
    ADMIN,
    ADMIN_AT_AAL1,
    ADMIN_AT_AAL2,
    ANON,
    CLAIM_WITHOUT_ROW,
    EVERYBODY,
    GUARDED,
    OTHER,
    OWNER,
    OWNER_AT_AAL1,
    OWNER_AT_AAL2,
    OWNER_STEPPED_UP,
    OWNER_WITHOUT_FACTOR,
    PEOPLE,
    ROW_WITHOUT_CLAIM,
    STRANGER,
    Actor,
    account,
    acting,
    refused,
)
from tests.support.clusters import Database

OWNER_COLUMN = {
    "profiles": "id",
    "subscriptions": "user_id",
    "admin_actions": "target_user_id",
    "broker_connections": "user_id",
    "broker_accounts": "user_id",
    "devices": "user_id",
    "webhook_endpoints": "user_id",
    "webhook_endpoint_accounts": "user_id",
    "api_keys": "user_id",
    "symbol_map": "user_id",
    "risk_settings": "user_id",
    "pending_risk": "user_id",
    "corrections": "user_id",
    "gaps": "user_id",
    "streams": "user_id",
    "drill_runs": "user_id",
    "drills": "user_id",
    "drill_status": "user_id",
    "risk_standings": "user_id",
    "account_risk": "user_id",
    "trading_config": "user_id",
    "webhook_events": "user_id",
    "deliveries": "user_id",
    "orders": "user_id",
    "fills": "user_id",
    "positions": "user_id",
    "equity_history": "user_id",
    "excursions": "user_id",
    "trades": "user_id",
    "results": "user_id",
    "logs": "user_id",
    "notification_targets": "user_id",
    "notifications": "user_id",
}
"""Tables with personal rows, and the column that says whose they are."""
SHARED = {"brands", "plan_limits", "order_transitions", "health", "fx_rates", "fleet_keys"}
"""Tables without personal rows that signed-in users may read (of brands, their own)."""
CLOSED = {"credential_seals"}
"""Tables that nobody reads through the API."""
VIEWS = {"pending_risk", "drill_status", "account_risk", "trades", "results"}
"""Nobody can write to these at all: that is no question of rights."""
TABLES = sorted(OWNER_COLUMN.keys() | SHARED | CLOSED)

ROLES = (
    "authenticated",
    "anon",
    "service_role",
    "empire_worker",
    "empire_edge",
    "empire_relay",
    "empire_maintenance",
)
BY_COLUMN = ("select", "insert", "update", "references")
BY_TABLE = ("delete", "truncate", "trigger")
HIDDEN = {
    "broker_accounts": {"api_key_hash"},
    "api_keys": {"key_hash"},
    "admin_actions": {"ip_address"},
    "drill_runs": {"attempts", "token", "lease_until"},
    "streams": {"worker", "token"},
}
"""Columns that nobody reads through the API."""
_DEFAULTS = {
    "lot_size_mode",
    "fixed_lot_size",
    "sl_percentage",
    "tp_percentage",
    "risk_reward_ratio",
    "use_trailing_sl",
}
_SYMBOL = {"account_id", "tv_symbol", "venue_symbol", "pip_size"}
UPDATABLE = {
    "profiles": {"name", "locale", "timezone"},
    "broker_accounts": {"label", "on_drift"},
    "symbol_map": _SYMBOL,
    "trading_config": _DEFAULTS,
}
INSERTABLE = {
    "symbol_map": {"user_id", *_SYMBOL},
    "trading_config": {"user_id", "broker", "account_id", *_DEFAULTS},
}
DELETABLE = {"symbol_map", "trading_config"}
READS_OWN = {
    OWNER_WITHOUT_FACTOR: {OWNER},
    OWNER_AT_AAL1: set(),
    OWNER_AT_AAL2: {GUARDED},
    OWNER_STEPPED_UP: {GUARDED},
    STRANGER: {OTHER},
    ADMIN_AT_AAL1: set(),
    ADMIN_AT_AAL2: set(PEOPLE),
    CLAIM_WITHOUT_ROW: {OTHER},
    ROW_WITHOUT_CLAIM: {ADMIN},
}
"""Whose rows each actor sees."""


@pytest.fixture(scope="module")
def columns(peopled: Database) -> dict[str, list[str]]:
    """The columns of every table of schema public."""
    rows = peopled.sql(
        "select relname, string_agg(attname, ',' order by attnum)"
        " from pg_attribute a join pg_class c on c.oid = attrelid"
        " where relnamespace = 'public'::regnamespace and relkind in ('r', 'v') and attnum > 0 and not attisdropped"
        " group by 1"
    )
    return {table: names.split(",") for table, names in (row.split("|") for row in rows.splitlines())}


def test_no_table_is_forgotten(peopled: Database) -> None:
    """The lists of this file name every table and view of schema public."""
    found = peopled.sql(
        "select relname from pg_class where relnamespace = 'public'::regnamespace"
        " and relkind in ('r', 'p', 'v', 'm', 'f') order by relname"
    )
    assert found.splitlines() == TABLES


def test_row_level_security_is_on_everywhere(peopled: Database) -> None:
    """Every table of public has RLS on, and one permissive policy per verb and role."""
    without = (
        "select relname from pg_class"
        " where relnamespace = 'public'::regnamespace and relkind = 'r' and not relrowsecurity"
    )
    assert peopled.sql(without) == ""
    twice = """
        select schemaname, tablename, cmd, r from pg_policies, unnest(roles) r
        where schemaname in ('public', 'realtime') group by 1, 2, 3, 4
        having count(*) > 1 or bool_or(permissive <> 'PERMISSIVE') or bool_or(cmd = 'ALL') or r = 'public'"""
    assert peopled.sql(twice) == ""


@pytest.fixture(scope="module")
def held(peopled: Database) -> dict[tuple[str, str, str], set[str]]:
    """What each role holds: by table, role and verb the columns; for a verb of whole tables the table's name."""
    rows = peopled.sql(
        f"""
        select relname, r, v, string_agg(attname, ',') from pg_attribute a join pg_class c on c.oid = attrelid,
          unnest(string_to_array('{" ".join(ROLES)}', ' ')) r, unnest(string_to_array('{" ".join(BY_COLUMN)}', ' ')) v
        where relnamespace = 'public'::regnamespace and relkind in ('r', 'v') and attnum > 0 and not attisdropped
          and has_column_privilege(r, c.oid, attnum, v) group by 1, 2, 3
        union all
        select relname, r, v, relname from pg_class c, unnest(string_to_array('{" ".join(ROLES)}', ' ')) r,
          unnest(string_to_array('{" ".join(BY_TABLE)}', ' ')) v
        where relnamespace = 'public'::regnamespace and relkind in ('r', 'v') and has_table_privilege(r, c.oid, v)
        """
    )
    found = (row.split("|") for row in rows.splitlines())
    return {(table, role, verb): set(names.split(",")) for table, role, verb, names in found}


@pytest.mark.parametrize("table", TABLES)
def test_grants_are_exactly_these(
    held: dict[tuple[str, str, str], set[str]], columns: dict[str, list[str]], table: str
) -> None:
    """Column by column and verb by verb, each role holds the grants listed here and no other."""
    every = set(columns[table])
    expected = {
        ("authenticated", "select"): set[str]() if table in CLOSED else every - HIDDEN.get(table, set()),
        ("authenticated", "insert"): INSERTABLE.get(table, set()),
        ("authenticated", "update"): UPDATABLE.get(table, set()),
        ("authenticated", "delete"): {table} if table in DELETABLE else set(),
        ("anon", "select"): every if table == "health" else set(),
    }
    for role in ROLES:
        for verb in (*BY_COLUMN, *BY_TABLE):
            allowed = expected.get((role, verb), set())
            assert held.get((table, role, verb), set()) == allowed, (role, verb)


async def _count_by_owner(connection: asyncpg.Connection, table: str) -> dict[str, int]:
    owner = OWNER_COLUMN[table]
    rows = await connection.fetch(
        f"select {owner}::text, count(*) from public.{table} where {owner} is not null group by 1"
    )
    return {row[0]: row[1] for row in rows}


@pytest.mark.parametrize("actor", EVERYBODY, ids=str)
async def test_everybody_reads_his_own_rows_only(peopled: Database, actor: Actor) -> None:
    """Owners see their rows (with an enrolled factor only at aal2), admins at aal2 see all, anon nothing."""
    whole = await peopled.connect("supabase_admin")
    try:
        async with acting(peopled, actor) as connection:
            for table in OWNER_COLUMN:
                if actor is ANON:
                    async with refused(connection, "42501"):
                        await connection.fetch(f"select {OWNER_COLUMN[table]} from public.{table}")
                    continue
                expected = await _count_by_owner(whole, table)
                assert all(user in expected for user in PEOPLE), f"{table} is not seeded"
                visible = {user: n for user, n in expected.items() if user in READS_OWN[actor]}
                assert await _count_by_owner(connection, table) == visible, table
    finally:
        await whole.close()


@pytest.mark.parametrize("actor", EVERYBODY, ids=str)
async def test_shared_tables(peopled: Database, actor: Actor) -> None:
    """Signed-in users read the reference tables and their own brand; visitors only the brokers' health."""
    async with acting(peopled, actor) as connection:
        for table in SHARED - {"brands"}:
            if actor is ANON and table != "health":
                async with refused(connection, "42501"):
                    await connection.fetch(f"select * from public.{table}")
            else:
                assert await connection.fetchval(f"select count(*) from public.{table}") > 0
        if actor is ANON:
            return
        names = {row["name"] for row in await connection.fetch("select name from public.brands")}
        sees_all = actor is ADMIN_AT_AAL2
        own = {"White"} if actor in (OWNER_WITHOUT_FACTOR, OWNER_AT_AAL2, OWNER_STEPPED_UP) else set()
        assert names == ({"White", "Label"} if sees_all else own)


@pytest.mark.parametrize("actor", EVERYBODY, ids=str)
async def test_nobody_reads_seals_or_hashes(peopled: Database, actor: Actor) -> None:
    """Sealed credentials, hashes of keys and addresses of admins are out of reach, for admins too."""
    async with acting(peopled, actor) as connection:
        for table, hidden in {**HIDDEN, "credential_seals": {"sealed", "id"}}.items():
            for column in hidden:
                async with refused(connection, "42501"):
                    await connection.fetch(f"select {column} from public.{table}")


@pytest.mark.parametrize("actor", EVERYBODY, ids=str)
async def test_writes_reach_own_rows_and_listed_columns_only(
    peopled: Database, columns: dict[str, list[str]], actor: Actor
) -> None:
    """Each column is set to a value by everybody: refused unless listed, and then only on own rows."""
    async with acting(peopled, actor) as connection:
        for table in TABLES:
            await _try_writes(connection, actor, table, columns[table])


async def _try_writes(connection: asyncpg.Connection, actor: Actor, table: str, names: list[str]) -> None:
    # Admins see all rows, but write like everybody else: their own.
    rows = len(READS_OWN.get(actor, set()) & {actor.user}) * (2 if table == "broker_accounts" else 1)
    no = "55000" if table in VIEWS else "42501"
    for column in names:
        if actor is not ANON and column in UPDATABLE.get(table, set()):
            result = await connection.execute(f"update public.{table} set {column} = {column}")
            assert result == f"UPDATE {rows}", (table, column)
        else:
            async with refused(connection, no):
                await connection.execute(f"update public.{table} set {column} = default")
    if actor is not ANON and table in DELETABLE:
        assert await connection.execute(f"delete from public.{table}") == f"DELETE {rows}", table
    else:
        for statement in (f"delete from public.{table}", f"insert into public.{table} default values"):
            async with refused(connection, no):
                await connection.execute(statement)


async def _insert_default(connection: asyncpg.Connection, user: str | None, of_account: str | None) -> Any:
    return await connection.execute(
        "insert into public.trading_config (user_id, account_id, lot_size_mode, fixed_lot_size)"
        " values ($1, $2, 'lots', 0.5)",
        user,
        of_account,
    )


@pytest.mark.parametrize("actor", [each for each in EVERYBODY if each is not ANON], ids=str)
async def test_inserts_are_in_ones_own_name_and_on_ones_own_accounts(peopled: Database, actor: Actor) -> None:
    """Defaults and symbols: own name and own account, or refused; with a factor only at aal2."""
    assert actor.user is not None
    stranger = OTHER if actor.user != OTHER else OWNER
    async with acting(peopled, actor) as connection:
        async with refused(connection, "42501"):
            await _insert_default(connection, stranger, None)
        async with refused(connection, "42501"):
            await _insert_default(connection, actor.user, account(stranger))
        if READS_OWN[actor]:
            assert await _insert_default(connection, actor.user, account(actor.user)) == "INSERT 0 1"
            async with refused(connection, "42501"):
                await connection.execute("update public.symbol_map set account_id = $1", account(stranger))
        else:
            async with refused(connection, "42501"):
                await _insert_default(connection, actor.user, account(actor.user))


@pytest.mark.parametrize("schema", ["engine", "private", "auth", "supabase_migrations"])
async def test_other_schemas_have_no_tables_for_clients(peopled: Database, schema: str) -> None:
    """No client and no login role of ours holds any right on a table outside public."""
    held = peopled.sql(
        f"""
        select r, c.oid::regclass from pg_class c, unnest(array['anon', 'authenticated', 'service_role',
          'empire_worker', 'empire_edge', 'empire_relay', 'empire_maintenance']) r
        where c.relnamespace = '{schema}'::regnamespace and c.relkind in ('r', 'p', 'v')
          and (has_any_column_privilege(r, c.oid, 'select') or has_any_column_privilege(r, c.oid, 'insert')
            or has_any_column_privilege(r, c.oid, 'update') or has_table_privilege(r, c.oid, 'delete'))
        """
    )
    assert held == ""
