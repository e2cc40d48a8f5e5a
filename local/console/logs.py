"""`empire logs`: the trader's own log, a line each; `--follow` shows new lines as they come."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any

import typer

from local.console import session
from local.console.commands import Code, run
from local.console.events import Row
from local.console.render import plain
from local.paths import Paths
from supabase import AsyncClient

_COLUMNS = "id,created_at,level,type,message,correlation_id,details"
_POLL_S = 2.0
"""Live messages are hints: what they miss is read with the next look."""
_PAGE = 500


def logs(
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="go on with what comes, until Ctrl-C")
    ] = False,
    event: Annotated[int | None, typer.Option(help="only what is about this alert")] = None,
    last: Annotated[int, typer.Option(min=1, max=500, help="how many lines from before")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a line, for scripts")] = False,
    code: Code = None,
) -> None:
    """Your log: what became of every alert, and what was changed, in sentences."""
    with suppress(KeyboardInterrupt):
        run(_show(follow, event, last, as_json, code))


async def _show(follow: bool, event: int | None, last: int, as_json: bool, code: str | None) -> None:
    client = await session.sign_in(session.saved(Paths.find().login), code)
    seen = 0
    for row in await newest(client, event, last):
        _print(row, as_json)
        seen = row["id"]
    if not follow:
        return
    async with _hints(client) as hinted:
        while True:
            hinted.clear()
            for row in await after(client, event, seen):
                _print(row, as_json)
                seen = row["id"]
            with suppress(TimeoutError):
                await asyncio.wait_for(hinted.wait(), _POLL_S)


async def newest(client: AsyncClient, event: int | None, last: int) -> list[Row]:
    """The last lines, oldest first."""
    query = client.table("logs").select(_COLUMNS)
    if event is not None:
        query = query.eq("correlation_id", event)
    return (await session.rows(query.order("id", desc=True).limit(last)))[::-1]


async def after(client: AsyncClient, event: int | None, seen: int) -> list[Row]:
    """Lines that are newer than one, oldest first."""
    query = client.table("logs").select(_COLUMNS).gt("id", seen)
    if event is not None:
        query = query.eq("correlation_id", event)
    return await session.rows(query.order("id").limit(_PAGE))


def line(row: Row) -> str:
    """`2026-11-25 18:01:08 warning (alert 12) Open buy EURUSD on Demo was not sent. ...`"""
    at = str(row["created_at"]).replace("T", " ")[:19]
    about = f" (alert {row['correlation_id']})" if row["correlation_id"] is not None else ""
    return f"{at} {row['level']}{about} {plain(row['message'])}"


def _print(row: Row, as_json: bool) -> None:
    print(json.dumps(row) if as_json else line(row), flush=True)


@asynccontextmanager
async def _hints(client: AsyncClient) -> AsyncIterator[asyncio.Event]:
    """Set whenever the private topic says that there is something new."""
    hinted = asyncio.Event()
    signed_in = await client.auth.get_session()
    if signed_in is None:
        raise session.NotSignedIn("The session ended.")
    await client.realtime.set_auth(signed_in.access_token)
    private: Any = {"config": {"private": True}}
    channel = client.channel(f"logs:{signed_in.user.id}", private)
    channel.on_broadcast("log.created", lambda _: hinted.set())
    await channel.subscribe()
    try:
        yield hinted
    finally:
        await client.remove_all_channels()
        await client.realtime.close()
