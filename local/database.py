"""From an empty cluster to a database with every migration applied. Each step may be repeated."""

from __future__ import annotations

from pathlib import Path

from local import deno
from local.paths import PROJECT
from local.postgres import SUPERUSER, Cluster
from local.supabase_cli import SupabaseCli

_SQL = PROJECT / "local" / "sql"
_BOOTSTRAP = PROJECT / "local" / "api" / "bootstrap.ts"


def prepare(cluster: Cluster, cli: SupabaseCli, database: str = "postgres") -> None:
    """Roles, Supabase's own schemas, our migrations, passwords: in this order."""
    cluster.run_file(_SQL / "roles.sql")
    set_passwords(cluster)
    cluster.run_file(_SQL / "database.sql", database)
    _run_bootstrap(cluster, database)
    if missing_migrations(cluster, database):
        cli.db_push(cluster.url("postgres", database))
        set_passwords(cluster)  # the migrations create empire_worker and empire_edge without login


def missing_migrations(cluster: Cluster, database: str = "postgres") -> list[str]:
    """Versions in supabase/migrations that the database has not recorded, oldest first."""
    known = _applied(cluster, database)
    return sorted(set(_versions(PROJECT / "supabase" / "migrations")) - known)


def unknown_migrations(cluster: Cluster, database: str = "postgres") -> list[str]:
    """Versions that the database has recorded and no file here has, oldest first: it is newer than this program."""
    return sorted(_applied(cluster, database) - set(_versions(PROJECT / "supabase" / "migrations")))


def set_passwords(cluster: Cluster) -> None:
    """Give every login role that exists its password of this installation (the step `empire keys db`)."""
    roles = cluster.sql("select rolname from pg_roles").splitlines()
    for role, password in cluster.passwords.items():
        if role in roles:
            cluster.sql(f"alter role {role} with login password '{password}'")


def _applied(cluster: Cluster, database: str) -> set[str]:
    history = "supabase_migrations.schema_migrations"
    if cluster.sql(f"select to_regclass('{history}') is not null", database) != "t":
        return set()
    return set(cluster.sql(f"select version from {history}", database).splitlines())  # noqa: S608 - a constant


def _versions(folder: Path) -> list[str]:
    return [file.name.split("_", 1)[0] for file in folder.glob("*_*.sql")]


def _run_bootstrap(cluster: Cluster, database: str) -> None:
    permissions = [f"--allow-net=127.0.0.1:{cluster.port}", "--allow-env", f"--allow-read={PROJECT}"]
    deno.run(_BOOTSTRAP, permissions, {"EMPIRE_ADMIN_DATABASE_URL": cluster.url(SUPERUSER, database)})
