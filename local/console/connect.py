"""`empire connect <broker>`: a broker login, sealed on this machine; the secret is typed or piped, no argument."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated, NoReturn

import httpx
import typer
from postgrest.exceptions import APIError
from supabase_auth.errors import AuthError

from local.console import connecting, session
from local.console.connecting import Place
from local.console.events import Row
from local.console.render import plain
from local.paths import Paths
from shared.crypto.fleet_keys import FleetKeyError
from shared.crypto.sealing import Credential, SealError

WAIT_S = 60.0


def connect(
    broker: Annotated[str, typer.Argument(help="tradelocker, topstepx or metatrader")],
    login: Annotated[str, typer.Option(help="user name, e-mail or account number, as the broker knows it")],
    server: Annotated[str | None, typer.Option(help="the broker's server name, where it has several")] = None,
    environment: Annotated[str, typer.Option(help="live, demo or simulated")] = "demo",
    secret_stdin: Annotated[
        bool,
        typer.Option(
            "--secret-stdin", help="password or API key on standard input; a developer key on a 2nd line"
        ),
    ] = False,
    enable: Annotated[
        bool, typer.Option("--enable", help="allow entries on the accounts that are found")
    ] = False,
    code: Annotated[str | None, typer.Option(help="your authenticator's code; live logins need it")] = None,
) -> None:
    """Connect a broker login: sealed here, checked by a worker. Ends 0 connected, 2 refused, 3 not yet known."""
    secret, developer_key = _secrets(secret_stdin)
    credential = Credential(login, secret, server, developer_key)
    try:
        row, found = asyncio.run(_connect(Place(broker, environment, server), credential, enable, code))
    except (APIError, AuthError) as error:
        _fail(error.message or type(error).__name__)
    except (FleetKeyError, SealError, session.NotSignedIn, httpx.TransportError) as error:
        _fail(str(error) or type(error).__name__)
    for line in _lines(row, found):
        print(plain(line))
    raise typer.Exit({"connected": 0, "failed": 2}.get(row["status"], 3))


async def _connect(
    place: Place, credential: Credential, enable: bool, code: str | None
) -> tuple[Row, list[Row]]:
    login = session.saved(Paths.find().login)
    client = await session.sign_in(login, code)
    connection = await connecting.connect(client, login.root, place, credential)
    row = await connecting.wait_checked(client, connection, WAIT_S)
    for account in await connecting.accounts(client, connection) if enable else []:
        await session.call(client, "enable_account", p_account_id=account["id"])
    return row, await connecting.accounts(client, connection)


def _secrets(from_stdin: bool) -> tuple[str, str | None]:
    if not from_stdin:
        return str(typer.prompt("password or API key", hide_input=True)), None
    lines = sys.stdin.read().splitlines()
    if not lines or not lines[0]:
        _fail("Nothing came on standard input: the password or API key belongs on the first line.")
    return lines[0], lines[1] if len(lines) > 1 and lines[1] else None


def _lines(row: Row, found: list[Row]) -> list[str]:
    if row["status"] == "failed":
        return [f"not connected: {row['last_error']}"]
    if row["status"] != "connected":
        return [f"not checked yet: {row['last_error'] or 'no worker has looked at it; is one running?'}"]
    return [f"connected: {len(found)} accounts", *(_account(account) for account in found)]


def _account(account: Row) -> str:
    money = "balance unknown" if account["balance"] is None else f"{account['balance']} {account['currency']}"
    trades = "entries allowed" if account["trading_enabled"] else "no entries yet (empire connect --enable)"
    if account["executor"] == "edge":
        trades = "watched only: its orders come from your own device"
    return f"  {account['label'] or account['account_id']} ({account['account_id']}), {money}, {trades}"


def _fail(sentence: str) -> NoReturn:
    print(plain(sentence), file=sys.stderr)
    raise typer.Exit(1)
