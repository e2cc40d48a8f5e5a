"""Flatten, and wait until the account is flat: no position, no working order, nothing of ours in doubt."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from local.console import session
from local.console.events import Row
from local.console.render import plain
from shared.models.reasons import Reason
from shared.risk.reasons import sentence
from supabase import AsyncClient

_OPEN = ["pending", "submitting", "working", "partially_filled", "unknown"]


@dataclass(frozen=True, slots=True)
class Asked:
    """A flatten that is under way: of which accounts, and its number."""

    accounts: list[Row]
    event_id: int


async def flatten_accounts(client: AsyncClient, account: str | None, wait_s: float) -> tuple[list[str], bool]:
    """Ask for it in the urgent lane and wait. Returns a line per account and whether all are flat."""
    asked = await ask(client, account)
    if asked is None:
        return [f"You have no account {plain(account)}."], False
    deadline = time.monotonic() + wait_s
    while True:
        lines, flat, waiting = await look(client, asked)
        if not waiting or time.monotonic() > deadline:
            return lines, flat
        await asyncio.sleep(0.1)


async def ask(client: AsyncClient, account: str | None) -> Asked | None:
    """Ask for it in the urgent lane. None: there is no such account."""
    accounts = await accounts_named(client, account)
    if not accounts:
        return None
    ids = [row["id"] for row in accounts]
    event = await session.call(client, "flatten", p_account_ids=ids, p_source="cli")
    return Asked(accounts, event["event_id"])


async def look(client: AsyncClient, asked: Asked) -> tuple[list[str], bool, int]:
    """How it stands: a line per account, whether all are flat, and how many accounts are still being tried."""
    left = await _what_is_left(client, [row["id"] for row in asked.accounts])
    missed = await _not_done(client, asked.event_id)
    lines = [_line(row, left.get(row["id"], []), missed.get(row["id"])) for row in asked.accounts]
    return lines, not left and not missed, len(left)


async def accounts_of(client: AsyncClient, event_id: int) -> list[Row]:
    """The accounts that a flatten is for."""
    wanted = await session.rows(client.table("deliveries").select("account_id").eq("event_id", event_id))
    ids = [row["account_id"] for row in wanted]
    known = client.table("broker_accounts").select("id,label,account_id,broker").in_("id", ids)
    return await session.rows(known)


async def accounts_named(client: AsyncClient, name: str | None) -> list[Row]:
    """The user's accounts with this label, number or id; None = all of them."""
    known = await session.rows(client.table("broker_accounts").select("id,label,account_id,broker"))
    return [row for row in known if name is None or name in (row["id"], row["label"], row["account_id"])]


async def _what_is_left(client: AsyncClient, ids: list[str]) -> dict[str, list[str]]:
    """Per account what keeps it from being flat; an account that is missing is flat."""
    left: dict[str, list[str]] = {}
    for table, columns, query in (
        ("deliveries", "account_id,action", {"status": ["queued", "claimed"]}),
        ("positions", "account_id,side,qty::text,symbol", None),
        ("orders", "account_id,side,qty::text,symbol,status", {"status": _OPEN}),
    ):
        select: Any = client.table(table).select(columns).in_("account_id", ids)
        select = select.in_("status", query["status"]) if query else select.is_("closed_at", "null")
        for row in await session.rows(select):
            left.setdefault(row.pop("account_id"), []).append(" ".join(str(value) for value in row.values()))
    return left


async def _not_done(client: AsyncClient, event_id: int) -> dict[str, str]:
    """Per account why the flatten itself was not done: then that nothing is left only means that we see nothing."""
    query = client.table("deliveries").select("account_id,outcome,reason,numbers").eq("event_id", event_id)
    return {
        row["account_id"]: sentence(Reason(row["reason"]), row["numbers"] or {})
        for row in await session.rows(query)
        if row["outcome"] in ("denied", "rejected", "invalid") and row["reason"]
    }


def _line(account: Row, left: list[str], missed: str | None) -> str:
    name = plain(account["label"] or account["account_id"])
    if missed is not None:
        return f"{name}: not flattened. {plain(missed)}"
    return f"{name}: flat" if not left else f"{name}: still trying: {', '.join(map(plain, left))}"
