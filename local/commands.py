"""Every command of `empire`: the stack's, the workers', a person's. Loads all of them, adapters and SDK included."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

import typer

from local import doctor as doctor_checks
from local import lifecycle
from local.console import commands, connect, keys, logs, notify, risk
from local.control import UpOptions, stop
from local.demo.scenes import PromiseBroken
from local.demo.story import play
from local.lifecycle import EXPECTED, fail, installed, out, start_stack
from local.paths import Paths
from local.status import installation
from local.venues.cli import venue
from workers.cli import app

__all__ = ["app"]

for _command in (commands.send, commands.trace, commands.replay, commands.flatten, commands.halt):
    app.command()(_command)
app.command()(risk.packs)
app.command()(risk.risk)
app.command()(risk.drill)
app.command()(lifecycle.up)
app.command()(lifecycle.down)
app.command()(lifecycle.status)


@app.command()
def doctor() -> None:
    """Ask every check; each prints OK or one sentence. Ends with 1 when one fails."""
    found = installed()
    if found is None:
        fail("The stack is not running: empire up.")
    failed = False
    for check in doctor_checks.CHECKS:
        sentence = doctor_checks.examine(found, check)
        failed = failed or sentence is not None
        out.print(f"{check.name}: {sentence or 'OK'}", style="red" if sentence else None)
    raise typer.Exit(1 if failed else 0)


@app.command()
def demo(
    port: Annotated[int | None, typer.Option(help="First of a block of ten ports.")] = None,
    pg: Annotated[int, typer.Option(help="Major version of Postgres: 16 or 18.")] = 18,
) -> None:
    """Show the whole road with real alerts: fills, traces, a killed worker, a lost database."""
    begun = time.monotonic()
    paths = Paths.find()
    ours = installed() is None
    if ours:
        start_stack(paths, UpOptions(port, pg))
    try:
        found = installation(paths)
        if found is None:
            fail("The stack did not stay up; see its logs.")
        closing = asyncio.run(play(found, begun))
    except (PromiseBroken, *EXPECTED) as error:
        fail(f"demo failed: {error}")
    finally:
        if ours:
            stop(paths)
    out.print(f"\n{closing}")


app.command("venue")(venue)
app.command("connect")(connect.connect)
app.command("logs")(logs.logs)
app.add_typer(keys.app)
app.add_typer(notify.app)
