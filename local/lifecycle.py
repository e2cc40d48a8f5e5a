"""`empire up | down | status`: the stack on this machine. Loads little, so that a status is there at once."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from local.account import AccountError
from local.binaries import VERSIONS
from local.console.render import plain
from local.control import StackError, UpOptions, remove_state, start, stop
from local.paths import Paths
from local.secrets import UnsafeStart
from local.status import Installation, installation

if TYPE_CHECKING:
    from local.console.session import Login

app = typer.Typer(
    name="empire", add_completion=False, rich_markup_mode=None, pretty_exceptions_show_locals=False
)

# What is printed may come from outside: never read it as markup.
out = Console(markup=False, highlight=False, soft_wrap=True)
_err = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)

EXPECTED = (AccountError, StackError, UnsafeStart, OSError)


@app.command()
def up(
    detach: Annotated[bool, typer.Option("--detach", help="Return when it is ready.")] = False,
    port: Annotated[int | None, typer.Option(help="First of a block of ten ports.")] = None,
    pg: Annotated[int, typer.Option(help="Major version of Postgres: 16 or 18.")] = 18,
    host: Annotated[str, typer.Option(help="Loopback address; anything else is refused.")] = "127.0.0.1",
    workers: Annotated[bool, typer.Option(" /--no-workers", help="Without worker processes.")] = True,
    proxies: Annotated[
        int, typer.Option(min=0, max=8, help="Proxies in front that append to X-Forwarded-For.")
    ] = 0,
    venues: Annotated[
        bool, typer.Option("--venues", help="Also simulate the brokers, each in a process of its own.")
    ] = False,
) -> None:
    """Start the embedded stack: Postgres, the Supabase-compatible API, edge functions, workers."""
    if pg not in VERSIONS:
        fail(f"Postgres {pg} is not available; choose one of {sorted(VERSIONS)}.")
    paths = Paths.find()
    running = installed()
    if running is not None:
        _err.print(f"The stack is already running (pid {running.state.pid}).")
        _show(running.as_dict())
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: the stack must not outlive us
    supervisor = start_stack(paths, UpOptions(port, pg, host, workers, proxies, venues))
    try:
        started = installation(paths)
        if started is not None:
            from local.demo.people import keep_demo_login  # it loads the SDK

            login = asyncio.run(keep_demo_login(started))
            _show(started.as_dict())
            _show_login(login)
        code = 0 if detach else supervisor.wait()
    except KeyboardInterrupt:
        supervisor.terminate()
        code = supervisor.wait()
    raise typer.Exit(code)


@app.command()
def down(
    remove_data: Annotated[
        bool, typer.Option("--remove-data", help="Also remove database, secrets and logs.")
    ] = False,
) -> None:
    """Stop the embedded stack."""
    paths = Paths.find()
    try:
        stopped = stop(paths)
        if remove_data:
            remove_state(paths)
    except EXPECTED as error:
        fail(str(error))
    out.print("stopped" if stopped else "The stack was not running.")


@app.command()
def status(
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object, with keys and passwords.")
    ] = False,
) -> None:
    """Show every address, key and the health of each process. Ends with 1 when the stack is not well."""
    found = installed()
    values: dict[str, Any] = found.as_dict() if found else {"running": False, "ready": False}
    if as_json:
        sys.stdout.write(json.dumps(values, indent=2) + "\n")
    elif found:
        _show(values)
    else:
        _err.print("The stack is not running: empire up.")
    raise typer.Exit(0 if values["ready"] else 1)


def installed() -> Installation | None:
    """The running stack; ends with one sentence when its secrets must not be used."""
    try:
        return installation(Paths.find())
    except EXPECTED as error:
        fail(str(error))


def start_stack(paths: Paths, options: UpOptions) -> subprocess.Popen[bytes]:
    try:
        if not _err.is_terminal:
            return start(paths, options)
        with _err.status("starting") as spinner:
            return start(paths, options, spinner.update)
    except EXPECTED as error:
        fail(str(error))
    except KeyboardInterrupt:
        fail("stopped before it was ready")


def _show(values: dict[str, Any]) -> None:
    rows = [*values["urls"].items(), *((f"{name} key", key) for name, key in values["keys"].items())]
    rows += [(name, health) for name, health in values["health"].items()]
    system = values["system"]
    rows += [
        (f"{name} (broker)", plain(broker["status"])) for name, broker in sorted(system["brokers"].items())
    ]
    rows.append(("system", plain(" ".join(filter(None, (system["status"], system["message"]))))))
    if not out.is_terminal:
        for name, value in rows:
            out.print(f"{name}: {value}")
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, str(value))
    out.print(table)


def _show_login(login: Login) -> None:
    for name, value in (
        ("demo login", login.email),
        ("demo password", login.password),
        ("demo webhook", login.endpoint_url),
    ):
        out.print(f"{name}: {value}")


def fail(sentence: str) -> NoReturn:
    _err.print(sentence)
    raise typer.Exit(1)
