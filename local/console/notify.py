"""`empire notify`: where messages go. Addresses are sealed on this machine; secrets are typed or piped, no argument."""

from __future__ import annotations

import asyncio
import sys
import time
import uuid
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from local.console import connecting, session
from local.console.commands import Code, run
from local.console.events import Row
from local.console.render import plain
from local.paths import Paths
from shared.crypto import fleet_keys, spelling
from shared.crypto.targets import FIELDS, TargetBinding, TargetError, checked_address, hint_of, seal_address
from shared.models.enums import NotificationClass
from supabase import AsyncClient

app = typer.Typer(name="notify", no_args_is_help=True, help="Where messages go: add, list, test, remove.")

_TARGET = (
    "id,kind,name,hint,classes,quiet_from,quiet_to,quiet_zone,enabled,verified_at,last_sent_at,last_error"
)
_DEFAULT = [each.value for each in NotificationClass if each.value not in ("skipped", "test")]
_HIDDEN = {"token", "secret", "url"}
WAIT_S = 45.0

Target = Annotated[str, typer.Argument(help="name or id of the target")]


@app.command()
def add(
    kind: Annotated[str, typer.Argument(help="email, telegram, discord, slack or webhook")],
    name: Annotated[str, typer.Option(help="what you call it")],
    classes: Annotated[str, typer.Option(help="what is sent there, with commas")] = ",".join(_DEFAULT),
    quiet: Annotated[str | None, typer.Option(help="quiet hours, such as 22:00-07:00@Europe/Berlin")] = None,
    stdin: Annotated[
        bool, typer.Option("--stdin", help="the address on standard input, a value a line")
    ] = False,
    code: Code = None,
) -> None:
    """Add a target. A code is sent there: confirm it with empire notify verify. Needs your authenticator's code."""
    values = _address(kind, stdin)
    run(_add(kind, name, values, classes.split(","), _quiet(quiet), code))
    print(f"A code was sent to {plain(name)}: empire notify verify '{plain(name)}' <code>")


@app.command("list")
def list_targets(code: Code = None) -> None:
    """Your targets, and when something was last sent there."""
    for row in run(_targets(code)):
        print(plain(_line(row)))


@app.command()
def verify(
    target: Target,
    sent: Annotated[str, typer.Argument(help="the code that was sent there")],
    code: Code = None,
) -> None:
    """Confirm the code that was sent to a target."""
    if not run(_call(target, "verify_notification_target", code, p_code=sent)):
        print("That is another code than the one that was sent.", file=sys.stderr)
        raise typer.Exit(2)
    print(f"Messages are sent to {plain(target)} now.")


@app.command("test")
def send_test(target: Target, code: Code = None) -> None:
    """Send a test and wait for what becomes of it. Ends 0 sent, 2 given up, 3 not sent yet."""
    row = run(_test(target, code))
    print(plain(_outcome(row)))
    raise typer.Exit({"sent": 0, "dead": 2, "dropped": 2}.get(row["status"], 3))


@app.command()
def remove(target: Target, code: Code = None) -> None:
    """Remove a target and its address. Needs your authenticator's code."""
    run(_call(target, "remove_notification_target", code))
    print(f"Nothing is sent to {plain(target)} any more.")


async def seal_and_add(
    client: AsyncClient,
    root: str,
    kind: str,
    name: str,
    values: dict[str, str],
    classes: list[str],
    quiet: dict[str, str] | None = None,
) -> str:
    """Seal an address to the fleet's key and hand it in; the target's id.

    Raises TargetError, FleetKeyError (nothing was sealed), SealError and the API's own errors.
    """
    user = await client.auth.get_user()
    if user is None:
        raise session.NotSignedIn("The session ended.")
    key_id, public_key = fleet_keys.newest_valid(
        await connecting.served_keys(client), fleet_keys.read_root(root), datetime.now(UTC).date()
    )
    binding = TargetBinding(user.user.id, str(uuid.uuid4()), kind, key_id)
    await session.call(
        client,
        "add_notification_target",
        p_id=binding.target_id,
        p_kind=kind,
        p_name=name,
        p_hint=hint_of(kind, values),
        p_key_id=key_id,
        p_sealed=spelling.encode(seal_address(values, binding, public_key)),
        p_classes=classes,
        p_quiet=quiet,
    )
    return binding.target_id


async def wait_sent(client: AsyncClient, message: int, timeout_s: float) -> Row:
    """A message once it was sent or given up, or as it is when the time is over."""
    deadline = time.monotonic() + timeout_s
    while True:
        query = client.table("notifications").select("id,status,attempts,last_error,target_name,sent_at")
        (row,) = await session.rows(query.eq("id", message))
        if row["status"] != "waiting" or time.monotonic() > deadline:
            return row
        await asyncio.sleep(0.1)


async def _add(
    kind: str,
    name: str,
    values: dict[str, str],
    classes: list[str],
    quiet: dict[str, str] | None,
    code: str | None,
) -> str:
    login = session.saved(Paths.find().login)
    client = await session.sign_in(login, code)
    return await seal_and_add(client, login.root, kind, name, values, classes, quiet)


async def _targets(code: str | None) -> list[Row]:
    client = await session.sign_in(session.saved(Paths.find().login), code)
    return await session.rows(client.table("notification_targets").select(_TARGET).order("created_at"))


async def _test(target: str, code: str | None) -> Row:
    client = await session.sign_in(session.saved(Paths.find().login), code)
    found = await _found(client, target)
    message = await session.call(client, "test_notification_target", p_target_id=found["id"])
    return await wait_sent(client, int(message), WAIT_S)


async def _call(target: str, verb: str, code: str | None, **more: Any) -> Any:
    client = await session.sign_in(session.saved(Paths.find().login), code)
    found = await _found(client, target)
    return await session.call(client, verb, p_target_id=found["id"], **more)


async def _found(client: AsyncClient, target: str) -> Row:
    rows = await session.rows(client.table("notification_targets").select(_TARGET))
    named = [row for row in rows if target in (row["id"], row["name"])]
    if len(named) != 1:
        raise TargetError(f"{len(named)} of your targets are called {target}: see empire notify list.")
    return named[0]


def _address(kind: str, from_stdin: bool) -> dict[str, str]:
    fields = FIELDS.get(kind, ())
    if from_stdin:
        lines = sys.stdin.read().splitlines()
        values = dict(zip(fields, lines, strict=False))
    else:
        values = {name: str(typer.prompt(name, hide_input=name in _HIDDEN)) for name in fields}
    try:
        return checked_address(kind, values)
    except TargetError as error:
        print(plain(str(error)), file=sys.stderr)
        raise typer.Exit(1) from None


def _quiet(text: str | None) -> dict[str, str] | None:
    if text is None:
        return None
    hours, _, zone = text.partition("@")
    begins, _, ends = hours.partition("-")
    return {"from": begins, "to": ends, "zone": zone}


def _line(row: Row) -> str:
    state = "on" if row["enabled"] else "off"
    if row["verified_at"] is None:
        state = "not confirmed"
    quiet = (
        f", quiet {row['quiet_from'][:5]}-{row['quiet_to'][:5]} {row['quiet_zone']}"
        if row["quiet_from"]
        else ""
    )
    last = f", last sent {str(row['last_sent_at'])[:19]}" if row["last_sent_at"] else ""
    error = f", last error: {row['last_error']}" if row["last_error"] else ""
    where = f"{row['name']} ({row['kind']} {row['hint'] or ''})"
    return f"{where}: {state}, {', '.join(row['classes'])}{quiet}{last}{error}"


def _outcome(row: Row) -> str:
    if row["status"] == "sent":
        return f"sent to {row['target_name']} at {row['sent_at']}"
    if row["status"] == "waiting":
        why = row["last_error"] or "no relay has taken it; is one running?"
        return f"not sent to {row['target_name']} yet after {row['attempts']} tries: {why}"
    return f"not sent to {row['target_name']}: {row['last_error']}"
