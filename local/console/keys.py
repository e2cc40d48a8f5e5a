"""`empire keys db | fleet | rotate | list | forget`: the operator's keys, embedded or on any other footing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import asyncpg
import typer

from local.keys import fleet as keys
from local.keys import roles
from local.keys.files import KeyFiles
from local.paths import Paths
from local.secrets import write_private
from local.status import installation
from shared.crypto.fleet_keys import FleetKeyError

app = typer.Typer(name="keys", no_args_is_help=True, help="Sealing keys and database passwords.")
Value = TypeVar("Value")

Database = Annotated[
    str | None,
    typer.Option(
        envvar="EMPIRE_ADMIN_DATABASE_URL",
        help="The database as postgres; default: the embedded stack's, which must run.",
    ),
]
Folder = Annotated[
    Path | None,
    typer.Option(help="Where root.key, root.pub and fleet.json are; default: the state folder's keys."),
]


@app.command("db")
def set_database_passwords(
    database: Database = None,
    out: Annotated[Path | None, typer.Option(help="Write the variables to this file, 0600.")] = None,
) -> None:
    """Give our login roles new passwords; prints (or writes) the addresses they log in with."""
    if database is None:
        _fail("The embedded stack sets its own passwords; name another database with --database.")
    passwords = _with(database, roles.set_passwords)
    text = roles.environment(database, passwords)
    if out is None:
        print(text, end="")
    else:
        write_private(out, text)
        print(f"wrote {out}")


@app.command()
def fleet(database: Database = None, folder: Folder = None) -> None:
    """Make the root and a fleet key where there are none, sign the key and serve it to clients."""
    files = _files(folder)
    keys.ensure(files)

    async def publish(opened: asyncpg.Connection[Any]) -> None:
        await keys.publish_if_new(opened, files)

    _with(_url(database), publish)
    print(
        f"root {files.root_text()} (clients are built with it; keep {files.root} on a machine that serves nobody)"
    )
    _show(database, files)


@app.command()
def rotate(database: Database = None, folder: Folder = None) -> None:
    """A new fleet key: clients seal to it from now on, what is sealed to older ones still opens."""
    files = _files(folder)

    async def change(opened: asyncpg.Connection[Any]) -> str:
        return (await keys.rotate(opened, files, datetime.now(UTC).date())).key_id

    print(f"{_with(_url(database), change)} is current; workers with {files.fleet} use it at once")
    _show(database, files)


@app.command("list")
def show(database: Database = None, folder: Folder = None) -> None:
    """Every fleet key: until when it is sealed to, and how many credentials in force are sealed to it."""
    _show(database, _files(folder))


@app.command()
def forget(
    key_id: Annotated[str, typer.Argument(help="An old key, as shown by empire keys list.")],
    even_if_needed: Annotated[
        bool, typer.Option("--even-if-needed", help="Traders must then enter credentials again.")
    ] = False,
    database: Database = None,
    folder: Folder = None,
) -> None:
    """Drop an old private key: nothing sealed to it can be opened any more, by anybody."""
    files = _files(folder)

    async def drop(opened: asyncpg.Connection[Any]) -> int:
        return await keys.forget(opened, files, key_id, even_if_needed)

    needed = _with(_url(database), drop)
    print(f"{key_id} is gone" + (f"; {needed} credentials must be entered again" if needed else ""))


def _show(database: str | None, files: KeyFiles) -> None:
    async def read(opened: asyncpg.Connection[Any]) -> list[keys.Known]:
        return await keys.known(opened, files)

    for key in _with(_url(database), read):
        state = "current" if key.current else "retired" if key.retired else "served"
        until = f"sealed to until {key.expires_on}" if key.expires_on else "not published"
        held = "private key held" if key.held else "private key not here"
        print(f"{key.key_id} {state}, {until}, {held}, {key.sealed} credentials in force")


def _files(folder: Path | None) -> KeyFiles:
    if folder is None:
        return KeyFiles.of(Paths.find())
    return KeyFiles(folder / "root.key", folder / "root.pub", folder / "fleet.json")


def _url(database: str | None) -> str:
    if database is not None:
        return database
    found = installation(Paths.find())
    if found is None:
        _fail("The stack is not running: empire up; or name a database with --database.")
    return found.boot.url("postgres")


def _with(database: str, work: Callable[[asyncpg.Connection[Any]], Awaitable[Value]]) -> Value:
    try:
        return asyncio.run(_connected(database, work))
    except (FleetKeyError, roles.RolesMissing) as error:
        _fail(str(error))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        # Never the address: a password stands in it.
        _fail(f"The database did not do it: {type(error).__name__}.")


async def _connected(database: str, work: Callable[[asyncpg.Connection[Any]], Awaitable[Value]]) -> Value:
    opened = await asyncpg.connect(database, timeout=10, statement_cache_size=0)
    try:
        return await work(opened)
    finally:
        await opened.close()


def _fail(sentence: str) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(1)
