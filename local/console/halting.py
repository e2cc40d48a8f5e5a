"""The kill switch: nothing is opened any more, in a scope; with a flatten, and until everything there is flat."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from local.console import flatten, session
from local.console.events import Row
from local.console.render import plain
from supabase import AsyncClient

_ADMIN_REASON = "the operator's kill switch"


@dataclass(frozen=True, slots=True)
class Switch:
    """What is to be done: on or off, for which scope (none named = all accounts of the user), closing or not."""

    on: bool
    account: str | None = None
    broker: str | None = None
    system: bool = False
    flatten: bool = False
    reason: str | None = None


async def throw(client: AsyncClient, switch: Switch, wait_s: float) -> tuple[list[str], bool]:
    """Throw or release it. Returns lines, and whether what was to be flat is flat (nothing was: yes)."""
    if switch.system:
        # Halted first and for itself: however long closing everybody's positions takes, nothing is opened meanwhile.
        answer = await _system(client, switch, closing=False)
        answer = await _system(client, switch, closing=True) if switch.flatten else answer
    else:
        scope = await _scope(client, switch)
        if scope is None:
            return [f"You have no account {plain(switch.account or '')}."], False
        answer = await session.call(
            client,
            "kill_switch",
            p_on=switch.on,
            p_reason=switch.reason,
            p_scope=scope,
            p_flatten=switch.flatten,
        )
    lines, flat = await _until_flat(client, answer["events"], wait_s)
    return [_told(switch, answer), *lines], flat


async def _system(client: AsyncClient, switch: Switch, *, closing: bool) -> Row:
    reason = switch.reason or _ADMIN_REASON
    answer: Row = await session.call(
        client, "admin_kill_switch", p_on=switch.on, p_reason=reason, p_flatten=closing
    )
    return answer


async def _scope(client: AsyncClient, switch: Switch) -> dict[str, Any] | None:
    if switch.account is None:
        return {} if switch.broker is None else {"broker": switch.broker}
    found = await flatten.accounts_named(client, switch.account)
    return {"account_id": found[0]["id"]} if found else None


async def _until_flat(client: AsyncClient, events: list[int], wait_s: float) -> tuple[list[str], bool]:
    if not events:
        return [], True
    deadline = time.monotonic() + wait_s
    while True:
        lines, flat, waiting = await _look(client, events)
        if not waiting or time.monotonic() > deadline:
            return lines, flat
        await asyncio.sleep(0.1)


async def _look(client: AsyncClient, events: list[int]) -> tuple[list[str], bool, int]:
    lines: list[str] = []
    flat, waiting = True, 0
    for event in events:
        asked = flatten.Asked(await flatten.accounts_of(client, event), event)
        said, is_flat, left = await flatten.look(client, asked)
        lines, flat, waiting = lines + said, flat and is_flat, waiting + left
    return lines, flat, waiting


def _told(switch: Switch, answer: Row) -> str:
    what = "the system" if switch.system else switch.account or switch.broker or "all accounts"
    count = f"{answer['accounts']} account" + ("" if answer["accounts"] == 1 else "s")
    if not switch.on:
        return f"{plain(what)}: released, entries are allowed again ({count})"
    return (
        f"{plain(what)}: halted, no entries until released ({count}, {answer['ended']} waiting alerts ended)"
    )
