"""The console script `empire`: the workers' commands, and those of the embedded stack."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from local import doctor as doctor_checks
from local.account import AccountError
from local.binaries import VERSIONS
from local.console import commands, connect, keys, logs, notify, risk
from local.console.render import plain
from local.console.session import Login
from local.control import StackError, UpOptions, remove_state, start, stop
from local.demo.people import keep_demo_login
from local.demo.scenes import PromiseBroken
from local.demo.story import play
from local.paths import Paths
from local.secrets import UnsafeStart
from local.status import Installation, installation
from local.venues.cli import venue
from workers.cli import app

for _command in (commands.send, commands.trace, commands.replay, commands.flatten, commands.halt):
    app.command()(_command)
app.command()(risk.packs)
app.command()(risk.risk)
app.command()(risk.drill)

# What is printed may come from outside: never read it as markup.
_out = Console(markup=False, highlight=False, soft_wrap=True)
_err = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)

_EXPECTED = (AccountError, StackError, UnsafeStart, OSError)


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
        _fail(f"Postgres {pg} is not available; choose one of {sorted(VERSIONS)}.")
    paths = Paths.find()
    running = _installed()
    if running is not None:
        _err.print(f"The stack is already running (pid {running.state.pid}).")
        _show(running.as_dict())
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: the stack must not outlive us
    supervisor = _start(paths, UpOptions(port, pg, host, workers, proxies, venues))
    try:
        started = installation(paths)
        if started is not None:
            _show(started.as_dict())
            _show_login(asyncio.run(keep_demo_login(started)))
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
    except _EXPECTED as error:
        _fail(str(error))
    _out.print("stopped" if stopped else "The stack was not running.")


@app.command()
def status(
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object, with keys and passwords.")
    ] = False,
) -> None:
    """Show every address, key and the health of each process. Ends with 1 when the stack is not well."""
    found = _installed()
    values: dict[str, Any] = found.as_dict() if found else {"running": False, "ready": False}
    if as_json:
        sys.stdout.write(json.dumps(values, indent=2) + "\n")
    elif found:
        _show(values)
    else:
        _err.print("The stack is not running: empire up.")
    raise typer.Exit(0 if values["ready"] else 1)


@app.command()
def doctor() -> None:
    """Ask every check; each prints OK or one sentence. Ends with 1 when one fails."""
    found = _installed()
    if found is None:
        _fail("The stack is not running: empire up.")
    failed = False
    for check in doctor_checks.CHECKS:
        sentence = doctor_checks.examine(found, check)
        failed = failed or sentence is not None
        _out.print(f"{check.name}: {sentence or 'OK'}", style="red" if sentence else None)
    raise typer.Exit(1 if failed else 0)


@app.command()
def demo(
    port: Annotated[int | None, typer.Option(help="First of a block of ten ports.")] = None,
    pg: Annotated[int, typer.Option(help="Major version of Postgres: 16 or 18.")] = 18,
) -> None:
    """Show the whole road with real alerts: fills, traces, a killed worker, a lost database."""
    begun = time.monotonic()
    paths = Paths.find()
    ours = _installed() is None
    if ours:
        _start(paths, UpOptions(port, pg))
    try:
        found = installation(paths)
        if found is None:
            _fail("The stack did not stay up; see its logs.")
        closing = asyncio.run(play(found, begun))
    except (PromiseBroken, *_EXPECTED) as error:
        _fail(f"demo failed: {error}")
    finally:
        if ours:
            stop(paths)
    _out.print(f"\n{closing}")


app.command("venue")(venue)
app.command("connect")(connect.connect)
app.command("logs")(logs.logs)
app.add_typer(keys.app)
app.add_typer(notify.app)


def main() -> None:
    """Entry point of the console script."""
    app()


def _installed() -> Installation | None:
    """The running stack; ends with one sentence when its secrets must not be used."""
    try:
        return installation(Paths.find())
    except _EXPECTED as error:
        _fail(str(error))


def _start(paths: Paths, options: UpOptions) -> subprocess.Popen[bytes]:
    try:
        if not _err.is_terminal:
            return start(paths, options)
        with _err.status("starting") as spinner:
            return start(paths, options, spinner.update)
    except _EXPECTED as error:
        _fail(str(error))
    except KeyboardInterrupt:
        _fail("stopped before it was ready")


def _show(values: dict[str, Any]) -> None:
    rows = [*values["urls"].items(), *((f"{name} key", key) for name, key in values["keys"].items())]
    rows += [(name, health) for name, health in values["health"].items()]
    system = values["system"]
    rows += [
        (f"{name} (broker)", plain(broker["status"])) for name, broker in sorted(system["brokers"].items())
    ]
    rows.append(("system", plain(" ".join(filter(None, (system["status"], system["message"]))))))
    if not _out.is_terminal:
        for name, value in rows:
            _out.print(f"{name}: {value}")
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, str(value))
    _out.print(table)


def _show_login(login: Login) -> None:
    for name, value in (
        ("demo login", login.email),
        ("demo password", login.password),
        ("demo webhook", login.endpoint_url),
    ):
        _out.print(f"{name}: {value}")


def _fail(sentence: str) -> NoReturn:
    _err.print(sentence)
    raise typer.Exit(1)


if __name__ == "__main__":
    main()
