"""`empire worker`: which loops run in which kind of worker, and how their parts are put together."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from enum import StrEnum
from typing import Annotated, Literal

import asyncpg
import httpx
import typer
import uvloop

from shared import log
from shared.brokers.blocks import Reserve
from shared.brokers.registry import ADDRESSES, Registry, with_logins
from shared.brokers.venues import Venues
from shared.models.calls import CallsGranted, CallsWanted
from shared.relay_settings import RelaySettings, read_relay_settings
from shared.settings import SettingsError, WorkerSettings, read_worker_settings
from shared.store.postgres import PostgresStore
from shared.store.relay import RelayStore
from workers import collector, metrics
from workers.connections.verify import Office, verify_due
from workers.credentials import Credentials, KeyFile
from workers.drills.drill import Drills
from workers.drills.simulators import Simulators
from workers.execution.desk import Desk, desk_for
from workers.execution.pipeline import run_batch
from workers.execution.settler import Settler
from workers.gather import Gather
from workers.leases import Leases
from workers.loops import common_loops, maintenance_loops, relay_loops, rescue_loops
from workers.positions.enforce import Enforcer
from workers.positions.streams import Streams
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
WATCH_EVERY_S, MARK_EVERY_S = 0.2, 0.5


class Kind(StrEnum):
    """The kinds of worker there are; `all` is every one of them in one process."""

    EXECUTION = "execution"
    POSITIONS = "positions"
    MAINTENANCE = "maintenance"
    RELAY = "relay"
    ALL = "all"


Kinds = frozenset[Kind]


@app.callback()
def empire() -> None:
    """Empire Trading Hub: alerts become orders, checked, exactly once, with a trace of every decision."""


@app.command()
def worker(
    kinds: Annotated[
        list[Kind] | None, typer.Argument(help="Which work this process does; default: all.")
    ] = None,
    metrics_port: Annotated[
        int | None, typer.Option(help="Serve Prometheus metrics on this loopback port.")
    ] = None,
) -> None:
    """Run a worker until SIGTERM: it ends what is in flight, then leaves. A second one stops it at once."""
    chosen = frozenset(Kind) if not kinds or Kind.ALL in kinds else frozenset(kinds)
    role = _role(chosen)
    try:
        settings, relaying = read_worker_settings(role), read_relay_settings()
    except SettingsError as error:
        typer.echo(f"The settings are not complete:\n{error}", err=True)
        raise typer.Exit(2) from None
    log.setup(settings.log_level)
    if metrics_port is not None:
        metrics.serve(metrics_port)
    try:
        uvloop.run(_serve(chosen, settings, relaying))
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
        # Nothing to wait for: somebody has to correct the address, the password or the database.
        variable = f"EMPIRE_{role.upper()}_DATABASE_URL"
        typer.echo(f"The database refuses this worker ({variable}): {error}.", err=True)
        raise typer.Exit(2) from None


def _role(kinds: Kinds) -> Literal["worker", "maintenance", "relay"]:
    """The narrowest role that may do all of it; the relay always logs in as itself."""
    if kinds == {Kind.RELAY}:
        return "relay"
    return "maintenance" if kinds <= {Kind.MAINTENANCE, Kind.RELAY} else "worker"


async def _serve(kinds: Kinds, settings: WorkerSettings, relaying: RelaySettings) -> None:
    name = f"{socket.gethostname()[:40]}-{os.getpid()}-{secrets.token_hex(3)}"
    store = PostgresStore(settings.worker_database_url.get_secret_value(), settings.statement_cache_size)
    leases = Leases(settings.lease_ms, settings.send_margin_ms)
    brokers = _brokers(store, name, leases, settings)
    stopping = asyncio.Event()
    desk = desk_for(store, brokers, settings, stopping, leases)
    watcher = Watcher(store, brokers, leases, name, Enforcer(store))
    streams = Streams(store, brokers, leases, name, watcher.read_due)
    relay = _relay_store(kinds, relaying)
    executes = Kind.EXECUTION in kinds
    loops = _upkeep_loops(kinds, store, name)
    if executes:
        loops += [_settle_loop(desk, name), _logins_loop(Office(store, brokers, leases, name))]
        drills = Drills(store, brokers, leases, name, _simulators(brokers, settings))
        loops.append(Loop("drills", 1.0, drills.run_due))
    if Kind.POSITIONS in kinds:
        loops += _watch_loops(watcher, brokers, streams)
    if executes or Kind.POSITIONS in kinds:
        loops.append(_health_loop(store, watcher))
    if relay is not None:
        loops += relay_loops(relay, relaying, name, alone=kinds == {Kind.RELAY})
    runtime = Runtime(
        worker=name,
        store=store,
        settings=settings,
        stopping=stopping,
        start_batch=(lambda batch: run_batch(batch, desk)) if executes else None,
        loops=loops,
        leases=leases,
    )
    collector.calm()
    try:
        await runtime.run()
        await streams.close()
        await watcher.drain()
    finally:
        await brokers.close()
        await store.close()
        if relay is not None:
            await relay.close()


def _relay_store(kinds: Kinds, settings: RelaySettings) -> RelayStore | None:
    """The relay logs in as a role of its own: without its address it does not run among others."""
    if Kind.RELAY not in kinds or settings.relay_database_url is None:
        return None
    return RelayStore(settings.relay_database_url.get_secret_value(), settings.statement_cache_size)


def _upkeep_loops(kinds: Kinds, store: PostgresStore, name: str) -> list[Loop]:
    if kinds == {Kind.RELAY}:
        return []
    loops = common_loops(store, name, "all" if Kind.ALL in kinds else "+".join(sorted(kinds)))
    if Kind.EXECUTION in kinds or Kind.MAINTENANCE in kinds:
        # A fleet without a maintenance worker must not lose an alert.
        loops += rescue_loops(store)
    return [*loops, *maintenance_loops(store)] if Kind.MAINTENANCE in kinds else loops


def _simulators(brokers: Registry, settings: WorkerSettings) -> tuple[Simulators, ...]:
    """Where drills of simulated accounts are carried out; in production nothing is simulated."""
    if settings.env == "production":
        return ()
    venues = Venues(ADDRESSES, settings.venues, production=False)
    return (Simulators(brokers, venues, KeyFile(settings.fleet_keys_file), httpx.AsyncClient(timeout=5)),)


def _brokers(store: PostgresStore, worker: str, leases: Leases, settings: WorkerSettings) -> Registry:
    venues = Venues(ADDRESSES, settings.venues, production=settings.env == "production")
    keys = KeyFile(settings.fleet_keys_file)
    credentials = Credentials(store, worker, leases, venues, keys)
    sessions = SealedSessions(store, worker, keys)
    logins = with_logins(
        credentials.open_login,
        sessions,
        _fleet_calls(store, worker),
        settings.stream_silent_ms / 1000,
        store,
    )
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


def _health_loop(store: PostgresStore, watcher: Watcher) -> Loop:
    """Told by all that execute or watch: where nobody watches any more, somebody has to say so."""

    async def health() -> None:
        await store.record_health(latencies=watcher.latencies)

    return Loop("health", 2.0, health)


def _watch_loops(watcher: Watcher, brokers: Registry, streams: Streams) -> list[Loop]:
    return [
        Loop("streams", 1.0, streams.turn),
        Loop("watch", WATCH_EVERY_S, watcher.read_due),
        Loop("marks", MARK_EVERY_S, brokers.mark_own_books),
    ]


def _settle_loop(desk: Desk, name: str) -> Loop:
    settler = Settler(desk, name)

    async def settle() -> bool:
        return await settler.settle_due() > 0

    return Loop("settle", 0.4, settle)


def main() -> None:
    """Entry point of `python -m workers.cli`."""
    app()


if __name__ == "__main__":
    main()
