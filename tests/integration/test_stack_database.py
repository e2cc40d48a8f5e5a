"""The embedded database is set up like hosted Supabase."""

from __future__ import annotations

import subprocess
from contextlib import suppress

import pytest

from local import database as local_database
from local.postgres import PostgresError
from local.scratch import ScratchCluster
from tests.support.clusters import Database, clone, wait_until
from tests.support.processes import own_memory

LOGIN_ROLES = [
    "postgres",
    "authenticator",
    "empire_worker",
    "empire_edge",
    "empire_relay",
    "empire_maintenance",
    "supabase_admin",
]


async def test_a_clone_has_every_migration(database: Database) -> None:
    """A test's database has recorded each file of supabase/migrations."""
    assert local_database.missing_migrations(database.home.cluster, database.name) == []


@pytest.mark.parametrize("role", LOGIN_ROLES)
async def test_every_login_role_connects_with_its_own_password(database: Database, role: str) -> None:
    """Each role logs in over scram with the generated password."""
    connection = await database.connect(role)
    assert await connection.fetchval("select session_user::text") == role
    await connection.close()


def test_a_wrong_password_is_refused(database: Database) -> None:
    """Loopback is not trusted: without the password nobody gets in."""
    address = database.url("postgres").replace("postgres:", "postgres:x", 1)
    psql = database.home.cluster.binaries / "psql"
    refused = subprocess.run([psql, "-c", "select 1", address], capture_output=True, text=True, check=False)
    assert "password authentication failed" in refused.stderr


def test_a_server_that_does_not_answer_in_time_is_told_in_a_sentence(database: Database) -> None:
    """Who asks for an answer in time gets an error of the database like any other, for `doctor` to show."""
    with pytest.raises(PostgresError, match=r"^psql: no answer within 0\.2 s$"):
        database.home.cluster.sql("select pg_sleep(60)", database.name, timeout_s=0.2)


async def test_only_the_stack_is_superuser(database: Database) -> None:
    """postgres is no superuser, as on hosted Supabase."""
    rows = database.sql("select rolname from pg_roles where rolsuper")
    assert rows.splitlines() == ["supabase_admin"]


def test_the_server_listens_on_loopback_only(database: Database) -> None:
    """Neither another address nor a socket file leads to the database."""
    assert database.sql("show listen_addresses; show unix_socket_directories") == "127.0.0.1"


async def test_a_session_gives_back_what_a_statement_took(database: Database) -> None:
    """Some 20 MB came and went: the C library keeps 4 of them when it may raise its own thresholds."""
    connection = await database.connect()
    before = own_memory(connection.get_server_pid())
    assert await connection.fetchval("select length(jsonb_agg(n)::text) from generate_series(1, 200000) n")
    assert own_memory(connection.get_server_pid()) - before < 2_000_000
    await connection.close()


def test_a_killed_server_keeps_what_was_committed(own_cluster: ScratchCluster) -> None:
    """After kill -9 the server starts again, has recovered, and committed rows are there."""
    database = clone(own_cluster)
    database.sql("create table kept (n int); insert into kept select generate_series(1, 1000)")
    own_cluster.postgres.kill()
    own_cluster.postgres.start()
    assert database.sql("select count(*) from kept") == "1000"


def test_a_killed_backend_does_not_stop_the_server(own_cluster: ScratchCluster) -> None:
    """When one backend is killed, the server recovers by itself: it has another one then."""
    walwriter = "select pid from pg_stat_activity where backend_type = 'walwriter'"
    killed = own_cluster.cluster.sql(walwriter)
    subprocess.run(["kill", "-9", killed], check=True)

    def recovered() -> bool:
        with suppress(PostgresError):
            return own_cluster.cluster.sql(walwriter) not in ("", killed)
        return False

    wait_until(recovered)
    assert own_cluster.postgres.pid is not None


async def test_a_database_is_dropped_whoever_reads_its_log(cluster: ScratchCluster) -> None:
    """The session of an active logical slot is ended first, and waited for: a gateway's, which has just gone, too."""
    database = clone(cluster)
    reader = await database.connect("supabase_admin")
    await reader.execute("select pg_create_logical_replication_slot('reader', 'pgoutput', true)")
    database.drop()
    assert cluster.cluster.sql(f"select count(*) from pg_database where datname = '{database.name}'") == "0"
    reader.terminate()


def test_preparing_twice_changes_nothing(own_cluster: ScratchCluster) -> None:
    """A second start finds everything in place and leaves the schema as it is."""
    own_cluster.prepare("twice")
    before = own_cluster.cluster.dump_schema("twice", "public", "auth", "realtime")
    local_database.prepare(own_cluster.cluster, own_cluster.cli, "twice")
    assert _stable(own_cluster.cluster.dump_schema("twice", "public", "auth", "realtime")) == _stable(before)


def _stable(dump: str) -> list[str]:
    # pg_dump writes a random key around its output.
    return [line for line in dump.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]
