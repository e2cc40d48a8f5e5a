"""A Postgres cluster from the wheel: loopback only, scram, a superuser that nobody but the stack knows."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from local.account import Account, server_account
from local.binaries import DEFAULT_VERSION, binaries, place
from local.child import Program
from local.paths import base_environment

SUPERUSER = "supabase_admin"

# `force` ends sessions, but refuses before where somebody still reads the log: a client that has just gone, too.
_DROP = """
select pg_terminate_backend(active_pid, 10000) from pg_replication_slots
where database = '{name}' and active_pid is not null;
drop database if exists "{name}" with (force)
"""

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "wal_level": "logical",
    "max_connections": "100",
    "max_replication_slots": "20",
    "max_wal_senders": "20",
    "max_worker_processes": "4",
    "max_parallel_workers_per_gather": "0",
    "shared_buffers": "48MB",  # all of it counts as ours; 1,000 alerts a second need more than 32
    "wal_buffers": "4MB",
    # A worker that analyzes the inbox holds 36 MB for a while: one beside the queue's is enough.
    "autovacuum_max_workers": "2",
    "autovacuum_work_mem": "16MB",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "10min",
    "jit": "off",
    "log_checkpoints": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "password_encryption": "scram-sha-256",
}
_VERSION_SETTINGS = {16: {}, 18: {"io_workers": "1"}}
# The C library raises both by itself, to the largest block freed so far and its double: every session then keeps what a
# statement took once. Fixed, 25 sessions hold 12 MB less; an alert has 8 to 20 page faults more, not seen in its time.
_MALLOC = {"MALLOC_MMAP_THRESHOLD_": "262144", "MALLOC_TRIM_THRESHOLD_": "262144"}
_FAST_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_wal_size": "192MB",  # such a cluster may live in memory
}


class PostgresError(Exception):
    """A statement or a tool of Postgres failed; the message is what it printed."""


@dataclass(frozen=True)
class Cluster:
    """One data directory. `durable=False` turns fsync off: for tests that do not pull the plug."""

    home: Path
    port: int
    passwords: Mapping[str, str]
    version: int = DEFAULT_VERSION
    durable: bool = True
    account: Account | None = None

    @classmethod
    def at(
        cls,
        home: Path,
        port: int,
        passwords: Mapping[str, str],
        version: int = DEFAULT_VERSION,
        durable: bool = True,
    ) -> Cluster:
        """The cluster of a state folder, run by the account that fits the caller."""
        return cls(home, port, passwords, version, durable, server_account())

    @property
    def binaries(self) -> Path:
        """The folder with this version's tools."""
        return binaries(self.version, self.account)

    @property
    def data(self) -> Path:
        """The data directory; another one per major version."""
        return place(self.home, self.account) / f"postgres-{self.version}"

    def create(self) -> None:
        """initdb, once. A half-made directory (killed during initdb) is made again."""
        if (self.data / "PG_VERSION").exists() and (self.data / "global" / "pg_control").exists():
            return
        self._make_folder()
        with tempfile.NamedTemporaryFile("w", prefix="empire-", dir=self._passing_folder()) as file:
            file.write(self.passwords[SUPERUSER])
            file.flush()
            if self.account:
                os.chown(file.name, self.account.uid, self.account.gid)
            command = [self.binaries / "initdb", "-D", self.data, "-U", SUPERUSER, "--pwfile", file.name]
            options = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions"]
            durability = [] if self.durable else ["--no-sync"]
            self._run([*command, *options, *durability], as_server=True)

    def program(self, log: Path) -> Program:
        """The server as a direct child: then a killed postmaster is reaped at once and can be restarted."""
        settings = {
            **_SETTINGS,
            **_VERSION_SETTINGS[self.version],
            **({} if self.durable else _FAST_SETTINGS),
        }
        flags = [flag for name, value in settings.items() for flag in ("-c", f"{name}={value}")]
        return Program(
            name="postgres",
            command=[str(self.binaries / "postgres"), "-D", str(self.data), "-p", str(self.port), *flags],
            environment={**base_environment(), **_MALLOC, "EMPIRE_HOME": str(self.home)},
            log=log,
            healthy=self.accepts,
            account=self.account,
            stop_signal=signal.SIGINT,  # fast shutdown: roll back, disconnect, checkpoint
            prepare=self.create,
        )

    def accepts(self) -> bool:
        """Whether OUR server answers: only it knows our password, whoever else sits on the port."""
        try:
            return self.sql("select 1", timeout_s=3) == "1"
        except PostgresError:
            return False

    def url(self, role: str, database: str = "postgres") -> str:
        """The address for a role, with its password."""
        password = quote(self.passwords[role], safe="")
        return f"postgresql://{role}:{password}@127.0.0.1:{self.port}/{database}?sslmode=disable"

    def sql(
        self,
        statements: str,
        database: str = "postgres",
        role: str = SUPERUSER,
        timeout_s: float | None = None,
    ) -> str:
        """Run statements with psql, stop at the first error, return the rows as plain text."""
        return self._psql(["-f", "-"], database, role, statements, timeout_s)

    def run_file(self, file: Path, database: str = "postgres", role: str = SUPERUSER) -> None:
        """Run an SQL file in one transaction."""
        self._psql(["--single-transaction", "-f", str(file)], database, role)

    def clone(self, template: str, name: str) -> None:
        """A new database that equals the template. Nobody may be connected to the template."""
        self.sql(f'create database "{name}" template "{template}" owner postgres strategy wal_log')

    def drop(self, name: str) -> None:
        """Drop a database, whoever is connected; nothing happens when it does not exist."""
        self.sql(_DROP.format(name=name))

    def dump_schema(self, database: str, *schemas: str) -> str:
        """pg_dump of the schemas without data, owners kept."""
        command = [self.binaries / "pg_dump", "--schema-only", *(f"--schema={schema}" for schema in schemas)]
        return self._run([*command, database], login=SUPERUSER)

    def dump(self, database: str) -> str:
        """pg_dump of everything, with data: what a backup holds."""
        return self._run([self.binaries / "pg_dump", database], login=SUPERUSER)

    def dump_roles(self) -> str:
        """pg_dumpall of what is not in any one database: roles with their hashes, and settings."""
        return self._run([self.binaries / "pg_dumpall", "--globals-only"], login=SUPERUSER)

    def _psql(
        self, source: list[str], database: str, role: str, stdin: str = "", timeout_s: float | None = None
    ) -> str:
        command = [self.binaries / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *source, database]
        return self._run(command, stdin=stdin, login=role, timeout_s=timeout_s).strip()

    def _run(
        self,
        command: Sequence[object],
        *,
        stdin: str = "",
        login: str = "",
        as_server: bool = False,
        timeout_s: float | None = None,
    ) -> str:
        account = self.account if as_server else None
        tool = Path(str(command[0])).name
        try:
            done = subprocess.run(
                [str(part) for part in command],
                input=stdin,
                capture_output=True,
                text=True,
                check=False,
                cwd="/",
                env={**base_environment(), **(self._login(login) if login else {})},
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
                timeout=timeout_s,
            )
        except subprocess.TimeoutExpired:
            raise PostgresError(f"{tool}: no answer within {timeout_s:g} s") from None
        if done.returncode != 0:
            raise PostgresError(f"{tool}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def _login(self, role: str) -> dict[str, str]:
        # In the environment, because command lines can be read by everybody on the machine.
        return {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": role,
            "PGPASSWORD": self.passwords[role],
            "PGSSLMODE": "disable",
            "PGCONNECT_TIMEOUT": "5",
        }

    def _passing_folder(self) -> Path:
        return place(self.home, self.account)

    def _make_folder(self) -> None:
        folder = self._passing_folder()
        folder.mkdir(parents=True, exist_ok=True)
        if folder != self.home:
            folder.chmod(0o711)
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(mode=0o700)
        if self.account:
            os.chown(self.data, self.account.uid, self.account.gid)
