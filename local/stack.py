"""The supervisor's program: `python -m local.stack`. Everything between `empire up` and `empire down`."""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets as random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from local import database, orphans
from local.account import AccountError, server_account
from local.binaries import VERSIONS, place
from local.deno import DenoError
from local.paths import PROJECT, Paths, base_environment
from local.ports import PortsTaken, Reservation, reserve
from local.postgres import Cluster, PostgresError
from local.programs import VENUES, WORKERS, Boot, programs
from local.secrets import UnsafeStart, load_or_create, refuse_open_bind
from local.state import ChildState, StackState, lock, read_state, write_state
from local.supabase_cli import SupabaseCli, SupabaseCliError
from local.supervisor import StartFailed, Supervisor

_LOG_LIMIT = 10_000_000
_KEY_S = 60


class AlreadyRunning(Exception):
    """Another supervisor holds the state folder."""


class Stack:
    """One run of the stack in a state folder."""

    def __init__(self, boot: Boot, workers: Sequence[str], venues: Sequence[str] = ()) -> None:
        self.boot = boot
        self._ready = False
        cli = SupabaseCli(boot.paths.home / "cli")
        table = programs(boot, workers, lambda: _prepare(boot, cli), venues)
        self.supervisor = Supervisor(table, self._write_state)

    async def run(self) -> None:
        """Start, serve until SIGTERM or SIGINT, stop. Raises StartFailed."""
        self._write_state()
        await self.supervisor.run(self._announce)

    async def _announce(self) -> None:
        self._ready = True
        self._write_state()
        print(f"ready {self.boot.api_url}", flush=True)

    def _write_state(self) -> None:
        children = [
            ChildState(kept.child.program.name, kept.child.pid, kept.restarts, kept.ready.is_set())
            for kept in self.supervisor.kept
        ]
        boot = self.boot
        state = StackState(
            pid=os.getpid(),
            nonce=boot.nonce,
            base_port=boot.ports.base,
            postgres_version=boot.cluster.version,
            ready=self._ready,
            children=children,
            proxies=boot.proxies,
        )
        write_state(boot.paths, state)


def _prepare(boot: Boot, cli: SupabaseCli) -> None:
    database.prepare(boot.cluster, cli)
    _serve_fleet_key(boot)


def _serve_fleet_key(boot: Boot) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "local.keys.serve", "--home", str(boot.paths.home)],
        env={**base_environment(), **boot.marks(), "EMPIRE_DATABASE_URL": boot.url("postgres")},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=_KEY_S,
    )
    if done.returncode != 0:
        raise StartFailed(done.stderr.strip())


def boot(paths: Paths, port: int | None, version: int, proxies: int = 0) -> tuple[Boot, Reservation]:
    """Everything a start needs, after the leftovers of a killed one are gone. Hold the lock when calling."""
    account = server_account()
    directories = [place(paths.home, account) / f"postgres-{known}" for known in VERSIONS]
    ended = orphans.end_orphans(paths.home, directories)
    if ended:
        print(f"ended {len(ended)} processes that an earlier start left behind", file=sys.stderr)
    if not paths.secrets.exists() and any((data / "PG_VERSION").exists() for data in directories):
        raise UnsafeStart(
            f"{paths.secrets} is missing, and with it the passwords of the database beside it: put it back,"
            " or start anew without the data (empire down --remove-data)."
        )
    held = load_or_create(paths.secrets)
    last = read_state(paths)
    reservation = reserve(port, preferred=last.base_port if last else None)
    cluster = Cluster(paths.home, reservation.ports.postgres, held.passwords, version, account=account)
    nonce = random.token_hex(8)
    return Boot(paths, held, reservation.ports, cluster, nonce, proxies=proxies), reservation


def run(
    paths: Paths,
    port: int | None,
    version: int,
    workers: Sequence[str],
    proxies: int = 0,
    venues: Sequence[str] = (),
) -> None:
    """Be the supervisor of this state folder until told to stop."""
    paths.create()
    held = lock(paths.lock)
    if held is None:
        raise AlreadyRunning(f"The stack of {paths.home} is already running.")
    with held:
        _shorten_logs(paths)
        start, reservation = boot(paths, port, version, proxies)
        asyncio.run(Stack(start, workers, venues).run())
        reservation.release()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line of the supervisor; errors are one sentence and exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m local.stack")
    parser.add_argument("--home", type=Path)
    parser.add_argument("--port", type=int)
    parser.add_argument("--pg", type=int, choices=sorted(VERSIONS), default=18)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--no-workers", action="store_true")
    parser.add_argument("--proxies", type=int, choices=range(9), default=0)
    parser.add_argument("--venues", action="store_true")
    chosen = parser.parse_args(arguments)
    try:
        refuse_open_bind(chosen.host)
        workers = () if chosen.no_workers else WORKERS
        venues = VENUES if chosen.venues else ()
        run(Paths.find(chosen.home), chosen.port, chosen.pg, workers, chosen.proxies, venues)
    except _EXPECTED as error:
        print(error, file=sys.stderr)
        return 1
    return 0


_EXPECTED = (
    AccountError,
    AlreadyRunning,
    PortsTaken,
    PostgresError,
    StartFailed,
    SupabaseCliError,
    UnsafeStart,
    DenoError,
    OSError,
)
"""What a user can cause; everything else is a bug and shows its traceback."""


def _shorten_logs(paths: Paths) -> None:
    for log in paths.logs.glob("*.log"):
        if log.stat().st_size > _LOG_LIMIT:
            log.replace(log.with_suffix(".log.1"))


if __name__ == "__main__":
    sys.exit(main())
