"""The database: who may log in and do what, which migrations are in it, whether it agrees with itself."""

from __future__ import annotations

import time

from local.database import missing_migrations, unknown_migrations
from local.doctor.checks import check
from local.postgres import PostgresError
from local.status import Installation

OURS = ("empire_worker", "empire_edge", "empire_relay", "empire_maintenance")
_NO_RIGHTS = """
select rolname || ' is superuser' from pg_roles where rolsuper and rolname <> 'supabase_admin'
union all
select rolname || ' bypasses row security' from pg_roles
where rolbypassrls and (rolname in ('anon', 'authenticated', 'authenticator') or rolname = any ({ours}))
union all
select m.rolname || ' is a member of ' || g.rolname
from pg_auth_members a join pg_roles m on m.oid = a.member join pg_roles g on g.oid = a.roleid
where m.rolname = any ({ours})
union all
select distinct r.rolname || ' has rights on ' || c.oid::regclass
from pg_class c cross join pg_roles r
where r.rolname = any ({ours}) and c.relkind in ('r', 'p', 'v', 'm', 'S') and c.relnamespace in (
  select n.oid from pg_namespace n where n.nspname in ('public', 'engine', 'private', 'auth', 'realtime')
) and case when c.relkind = 'S' then has_sequence_privilege(r.oid, c.oid, 'usage, select, update')
  else has_table_privilege(r.oid, c.oid, 'select, insert, update, delete, truncate, references, trigger')
    or has_any_column_privilege(r.oid, c.oid, 'select, insert, update, references') end
union all
select 'everybody may call ' || p.oid::regprocedure from pg_proc p
where p.pronamespace in (select n.oid from pg_namespace n where n.nspname in ('engine', 'private'))
  and p.prosecdef and exists (
    select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a where a.grantee = 0
  )
"""
_SEEN_LATELY = "select count(*) from engine.workers where seen_at > clock_timestamp() - interval '20 seconds'"
_FIRST_SEEN_S = 8.0
_OLDEST_ALLOWED_S = 60


@check("connection")
def _connection(found: Installation) -> str | None:
    for role in ("postgres", "authenticator", *OURS):
        try:
            found.boot.cluster.sql("select 1", found.boot.database, role, timeout_s=5)
        except PostgresError as error:
            return f"{role} cannot log in: {error}"
    return None


@check("roles")
def _roles(found: Installation) -> str | None:
    ours = "array[" + ", ".join(f"'{role}'" for role in OURS) + "]"
    wrong = found.boot.cluster.sql(_NO_RIGHTS.replace("{ours}", ours), found.boot.database)
    if not wrong:
        return None
    return f"{'; '.join(wrong.splitlines())}: apply the migrations and revoke what they do not grant."


@check("migrations")
def _migrations(found: Installation) -> str | None:
    cluster, database = found.boot.cluster, found.boot.database
    if missing := missing_migrations(cluster, database):
        return f"{len(missing)} not applied ({', '.join(missing)}): run empire down, then empire up."
    if unknown := unknown_migrations(cluster, database):
        return (
            f"{len(unknown)} applied that this program does not know ({', '.join(unknown)}):"
            " the database is newer, update the program."
        )
    return None


@check("invariants")
def _invariants(found: Installation) -> str | None:
    told = found.boot.cluster.sql(
        "select string_agg(format('%s has %s rows', key, value), ', ')"
        " from jsonb_each_text(engine.invariant_rows()) where value <> '0'",
        found.boot.database,
    )
    return f"{told}: what must never be, is; look at these views before you trade on." if told else None


@check("workers")
def _workers(found: Installation) -> str | None:
    wanted = [child for child in found.state.children if child.name.startswith("worker-")]
    oldest, dead = found.boot.cluster.sql(
        "select round((engine.stats() ->> 'queue_oldest_seconds')::numeric),"
        " (select count(*) from engine.dead_letters)",
        found.boot.database,
    ).split("|")
    if (alive := _seen(found, len(wanted))) < len(wanted):
        return (
            f"{alive} of {len(wanted)} workers were seen in the last 20 seconds: see {found.boot.paths.logs}."
        )
    if wanted and int(oldest) > _OLDEST_ALLOWED_S:
        return f"the oldest alert has waited {oldest} s: see {found.boot.paths.logs}."
    if int(dead) > 0:
        return f"{dead} deliveries failed with a bug or a broken machine: read engine.dead_letters, then empty it."
    return None


def _seen(found: Installation, wanted: int) -> int:
    """How many workers have told of themselves lately; one that has just started does so within seconds."""
    deadline = time.monotonic() + _FIRST_SEEN_S
    while True:
        alive = int(found.boot.cluster.sql(_SEEN_LATELY, found.boot.database))
        if alive >= wanted or time.monotonic() > deadline:
            return alive
        time.sleep(0.1)
