"""`empire worker`: which loops run in which kind of worker, and how their parts are put together."""

from __future__ import annotations

import asyncio
import gc
import os
import secrets
import socket
from enum import StrEnum
from typing import Annotated

import asyncpg
import typer
import uvloop

from shared import log
from shared.brokers.blocks import Reserve
from shared.brokers.registry import ADDRESSES, Registry, with_logins
from shared.brokers.venues import Venues
from shared.models.calls import CallsGranted, CallsWanted
from shared.settings import SettingsError, WorkerSettings, read_worker_settings
from shared.store.postgres import PostgresStore
from workers import metrics
from workers.connections.verify import Office, verify_due
from workers.credentials import Credentials, KeyFile
from workers.drills.drill import Drills
from workers.execution.desk import Desk, desk_for
from workers.execution.pipeline import run_batch
from workers.execution.settler import Settler
from workers.gather import Gather
from workers.leases import Leases
from workers.positions.enforce import Enforcer
from workers.positions.watcher import Watcher
from workers.runtime import Loop, Runtime
from workers.sessions import SealedSessions

app = typer.Typer(
    name="empire",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_show_locals=False,  # they hold passwords and alerts
)
RESCUE_LIMIT = 200
ENTRIES_LIMIT = 200
FORGET_LIMIT = 2000
WATCH_EVERY_S, MARK_EVERY_S = 0.2, 0.5


class Kind(StrEnum):
    """The kinds of worker there are; `all` is every one of them in one process."""

    EXECUTION = "execution"
    POSITIONS = "positions"
    ALL = "all"


@app.callback()
def empire() -> None:
    """Empire Trading Hub: alerts become orders, checked, exactly once, with a trace of every decision."""


@app.command()
def worker(
    kind: Annotated[Kind, typer.Argument(help="Which work this process does.")] = Kind.ALL,
    metrics_port: Annotated[
        int | None, typer.Option(help="Serve Prometheus metrics on this loopback port.")
    ] = None,
) -> None:
    """Run a worker until SIGTERM: it ends what is in flight, then leaves. A second one stops it at once."""
    try:
        settings = read_worker_settings()
    except SettingsError as error:
        typer.echo(f"The settings are not complete:\n{error}", err=True)
        raise typer.Exit(2) from None
    log.setup(settings.log_level)
    if metrics_port is not None:
        metrics.serve(metrics_port)
    try:
        uvloop.run(_serve(kind, settings))
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
        # Nothing to wait for: somebody has to correct the address, the password or the database.
        typer.echo(f"The database refuses this worker (EMPIRE_WORKER_DATABASE_URL): {error}.", err=True)
        raise typer.Exit(2) from None


async def _serve(kind: Kind, settings: WorkerSettings) -> None:
    name = f"{socket.gethostname()[:40]}-{os.getpid()}-{secrets.token_hex(3)}"
    store = PostgresStore(settings.worker_database_url.get_secret_value(), settings.statement_cache_size)
    leases = Leases(settings.lease_ms, settings.send_margin_ms)
    brokers = _brokers(store, name, leases, settings)
    stopping = asyncio.Event()
    desk = desk_for(store, brokers, settings, stopping, leases)
    drills = Drills(store, brokers, leases, name)
    watcher = Watcher(store, brokers, leases, name, Enforcer(store))
    executes, watches = kind is not Kind.POSITIONS, kind is not Kind.EXECUTION
    loops = [_seen_loop(store, name, kind), _health_loop(store, watcher)]
    if executes:
        loops += [*_execution_loops(desk, name), _logins_loop(Office(store, brokers, leases, name))]
        loops.append(Loop("drills", 1.0, drills.run_due))
    if watches:
        loops += _watch_loops(watcher, brokers)
    runtime = Runtime(
        worker=name,
        store=store,
        settings=settings,
        stopping=stopping,
        start_batch=(lambda batch: run_batch(batch, desk)) if executes else None,
        loops=loops,
        leases=leases,
    )
    # What is loaded now stays: the collector need not look at it again with every few hundred orders.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    try:
        await runtime.run()
        await watcher.drain()
    finally:
        await brokers.close()
        await store.close()


def _brokers(store: PostgresStore, worker: str, leases: Leases, settings: WorkerSettings) -> Registry:
    venues = Venues(ADDRESSES, settings.venues, production=settings.env == "production")
    keys = KeyFile(settings.fleet_keys_file)
    credentials = Credentials(store, worker, leases, venues, keys)
    sessions = SealedSessions(store, worker, keys)
    logins = with_logins(credentials.open_login, sessions, _fleet_calls(store, worker))
    return Registry(store, settings.paper_venue_url, logins)


def _fleet_calls(store: PostgresStore, worker: str) -> Reserve:
    """The fleet's share of every broker's limits; what accounts ask for at the same moment goes together."""

    async def reserve(asks: list[CallsWanted]) -> list[CallsGranted]:
        return await store.reserve_calls(worker=worker, asks=asks)

    return Gather(reserve, order=lambda _: 0).ask


def _logins_loop(office: Office) -> Loop:
    async def verify() -> bool:
        return await verify_due(office) > 0

    return Loop("logins", 1.0, verify)


def _seen_loop(store: PostgresStore, name: str, kind: Kind) -> Loop:
    async def seen() -> None:
        await store.worker_seen(worker=name, kind=kind.value, details={"pid": os.getpid()})

    return Loop("seen", 5.0, seen)


def _health_loop(store: PostgresStore, watcher: Watcher) -> Loop:
    """Told by every kind: where nobody watches any more, somebody has to say so."""

    async def health() -> None:
        await store.record_health(latencies=watcher.latencies)

    return Loop("health", 2.0, health)


def _watch_loops(watcher: Watcher, brokers: Registry) -> list[Loop]:
    return [
        Loop("watch", WATCH_EVERY_S, watcher.read_due),
        Loop("marks", MARK_EVERY_S, brokers.mark_own_books),
    ]


def _execution_loops(desk: Desk, name: str) -> list[Loop]:
    store, settler = desk.store, Settler(desk, name)

    async def rescue() -> bool:
        rescued = await store.rescue(limit=RESCUE_LIMIT)
        metrics.LEASES_LOST.inc(rescued.rearmed + rescued.unsettled)
        return rescued.rearmed + rescued.unsettled == RESCUE_LIMIT

    async def unreachable() -> bool:
        return await store.end_unreachable(limit=RESCUE_LIMIT) > 0

    async def settle() -> bool:
        return await settler.settle_due() > 0

    async def entries() -> bool:
        return await store.end_entries(limit=ENTRIES_LIMIT) == ENTRIES_LIMIT

    async def housekeeping() -> bool:
        return await store.housekeeping(limit=FORGET_LIMIT)

    async def stats() -> None:
        told = await store.stats()
        metrics.QUEUE_READY.set(float(told["queue_ready"]))
        metrics.QUEUE_OLDEST.set(float(told["queue_oldest_seconds"]))
        metrics.UNKNOWN_ORDERS.set(float(told["unknown_orders"]))
        metrics.OLDEST_XMIN.set(float(told["oldest_xmin_seconds"]))

    async def invariants() -> None:
        for view, rows in (await store.invariant_rows()).items():
            metrics.INVARIANT_ROWS.labels(view).set(rows)

    return [
        Loop("rescue", 1.0, rescue),
        Loop("unreachable", 0.5, unreachable),
        Loop("settle", 0.4, settle),
        Loop("entries", 1.0, entries),
        Loop("housekeeping", 60.0, housekeeping),
        Loop("stats", 5.0, stats),
        Loop("invariants", 60.0, invariants),
    ]


def main() -> None:
    """Entry point of `python -m workers.cli`."""
    app()


if __name__ == "__main__":
    main()
