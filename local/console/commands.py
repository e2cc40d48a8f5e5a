"""`empire send | trace | replay | flatten | halt`: a person's commands, through the public doors only."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import httpx
import typer
from postgrest.exceptions import APIError
from supabase_auth.errors import AuthError

from local.console import events, halting, session
from local.console.flatten import flatten_accounts
from local.console.render import plain, road_lines
from local.paths import Paths
from shared.crypto.fleet_keys import FleetKeyError
from shared.crypto.sealing import SealError
from shared.crypto.targets import TargetError

FOLLOW_S = 30.0
_OURS = (events.EventUnknown, session.NotSignedIn, FleetKeyError, SealError, TargetError)
_EXIT = {"executed": 0, "skipped": 0, "denied": 2, "rejected": 2, "invalid": 2, "unknown": 3}

Value = TypeVar("Value")

Json = Annotated[bool, typer.Option("--json", help="one JSON object, for scripts")]
Code = Annotated[str | None, typer.Option(help="your authenticator's code, if your login has one")]


def send(
    file: Annotated[str, typer.Argument(help="a file with the alert, or - for standard input")],
    endpoint: Annotated[str | None, typer.Option(help="webhook address; default: the demo user's")] = None,
    as_json: Json = False,
    code: Code = None,
) -> None:
    """Post an alert as TradingView would, follow it. Ends 0 filled, 2 denied or rejected, 3 unknown."""
    body = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    _finish(_send(body, endpoint, code), as_json)


def trace(event: int, as_json: Json = False, code: Code = None) -> None:
    """The decision trace of an alert."""
    _finish(_trace(event, code), as_json, judge=False)


def replay(event: int, as_json: Json = False, code: Code = None) -> None:
    """The same alert through today's rules, sending nothing."""
    _finish(_replay(event, code), as_json, judge=False)


def flatten(
    account: Annotated[str | None, typer.Argument(help="label, number or id of the account")] = None,
    everything: Annotated[bool, typer.Option("--all", help="every account of yours")] = False,
    wait_s: Annotated[float, typer.Option(help="how long to wait until it is flat")] = 60.0,
    code: Code = None,
) -> None:
    """Close every position and cancel every order, before anything else; waits until the account is flat."""
    if (account is None) == (not everything):
        raise typer.BadParameter("name an account, or --all")
    lines, flat = run(_flatten(account, wait_s, code))
    for line in lines:
        print(line)
    raise typer.Exit(0 if flat else 3)


def halt(
    account: Annotated[str | None, typer.Option(help="label, number or id of one account")] = None,
    broker: Annotated[str | None, typer.Option(help="your accounts at one broker")] = None,
    system: Annotated[bool, typer.Option("--system", help="everybody's accounts; for admins")] = False,
    release: Annotated[bool, typer.Option("--release", help="allow entries again")] = False,
    close: Annotated[bool, typer.Option("--flatten", help="also close everything, wait until flat")] = False,
    reason: Annotated[str | None, typer.Option(help="why; shown in the log")] = None,
    wait_s: Annotated[float, typer.Option(help="how long to wait until it is flat")] = 60.0,
    code: Code = None,
) -> None:
    """The kill switch: no entries on an account, a broker, the system or (none named) all of yours; exits go on."""
    if (account is not None) + (broker is not None) + system > 1:
        raise typer.BadParameter("name one of --account, --broker, --system, or none for all your accounts")
    if release and close:
        raise typer.BadParameter("--flatten goes with throwing the switch, not with --release")
    switch = halting.Switch(not release, account, broker, system, close, reason)
    lines, flat = run(_halt(switch, wait_s, code))
    for line in lines:
        print(line)
    raise typer.Exit(0 if flat else 3)


async def _send(body: bytes, endpoint: str | None, code: str | None) -> events.Road:
    login = _login()
    address = endpoint or login.endpoint_url
    kind = "application/json" if _is_json(body) else "text/plain"
    async with httpx.AsyncClient(timeout=5) as http:
        answer = await http.post(address, content=body, headers={"content-type": kind})
    if answer.status_code != 202:
        raise typer.Exit(_refused(answer))
    client = await session.sign_in(login, code)
    return await events.wait_finished(client, answer.json()["event_id"], FOLLOW_S)


async def _flatten(account: str | None, wait_s: float, code: str | None) -> tuple[list[str], bool]:
    return await flatten_accounts(await session.sign_in(_login(), code), account, wait_s)


async def _halt(switch: halting.Switch, wait_s: float, code: str | None) -> tuple[list[str], bool]:
    return await halting.throw(await session.sign_in(_login(), code), switch, wait_s)


async def _trace(event: int, code: str | None) -> events.Road:
    return await events.read(await session.sign_in(_login(), code), event)


async def _replay(event: int, code: str | None) -> events.Road:
    client = await session.sign_in(_login(), code)
    answer = await session.call(client, "replay_event", p_event_id=event)
    return await events.wait_finished(client, answer["event_id"], FOLLOW_S)


def _refused(answer: httpx.Response) -> int:
    print(f"{answer.status_code} {plain(answer.text)}", file=sys.stderr)
    return 3 if answer.status_code >= 500 else 2


def _finish(work: Coroutine[Any, Any, events.Road], as_json: bool, judge: bool = True) -> None:
    road = run(work)
    if as_json:
        print(json.dumps({"event": road.event, "deliveries": road.deliveries, "orders": road.orders}))
    else:
        print("\n".join(road_lines(road)))
    raise typer.Exit(exit_code(road) if judge else 0)


def exit_code(road: events.Road) -> int:
    """The worst outcome decides: 3 unknown or unfinished, 2 denied or rejected, else 0."""
    return max((_EXIT.get(delivery["outcome"] or "unknown", 3) for delivery in road.deliveries), default=3)


def run(work: Coroutine[Any, Any, Value]) -> Value:
    """What a command does at the API; ends with one sentence where it cannot."""
    try:
        return asyncio.run(work)
    except (*_OURS, httpx.TransportError, APIError, AuthError) as error:
        message = error.message if isinstance(error, APIError | AuthError) else str(error)
        print(plain(message or type(error).__name__), file=sys.stderr)
        raise typer.Exit(1) from None


def _login() -> session.Login:
    return session.saved(Paths.find().login)


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True
