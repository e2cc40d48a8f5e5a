"""A trader's positions as a client keeps them: followed on the private topic, and read again after every join.

A message is a hint that may be lost (the socket was cut, the gateway restarted): whoever joins reads what is there
and forgets nothing that was told meanwhile; of two versions of a row the higher one counts.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from local.console.session import rows
from supabase import AsyncClient

JOIN_S = 15.0
AGAIN_S = 0.5
OVERLAP = timedelta(minutes=1)
_COLUMNS = "id::text,v:version,broker,symbol,qty::text,unrealized_pnl::text,closed_at,as_of"


class Following:
    """`rows` by id, the newest of each; `changes`: the values of its profit that were told, in their order."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._reading: set[asyncio.Task[None]] = set()
        self.rows: dict[str, dict[str, Any]] = {}
        self.changes: dict[str, list[str]] = defaultdict(list)
        self.joins = 0
        self.is_read = asyncio.Event()

    @property
    def open(self) -> list[dict[str, Any]]:
        """What is open by now."""
        return [each for each in self.rows.values() if each["closed_at"] is None]

    def moved(self, position: str) -> bool:
        """Whether its value was told, and was another one before."""
        return len(set(self.changes[position])) > 1

    def hear(self, message: Any) -> None:
        """A message of the topic."""
        row = dict(message["payload"])
        self.changes[row["id"]].append(row["unrealized_pnl"])
        self._keep(row)

    def joined(self, state: Any, _error: Exception | None = None) -> None:
        """The topic is joined, for the first time or again: what was told meanwhile went to nobody."""
        if str(state).endswith("SUBSCRIBED"):
            self.joins += 1
            task = asyncio.ensure_future(self._read())
            self._reading.add(task)
            task.add_done_callback(self._reading.discard)

    async def _read(self) -> None:
        """What is open, what became of what we thought to be open, and what came and went meanwhile."""
        while True:
            query = self._client.table("positions").select(_COLUMNS)
            try:
                found = await rows(query.or_(self._wanted()))
                break
            except httpx.TransportError:
                await asyncio.sleep(AGAIN_S)  # what cut the socket cuts this, too
        for row in found:
            self._keep(row)
        self.is_read.set()

    def _wanted(self) -> str:
        known = [f"id.in.({','.join(each['id'] for each in self.open)})"] if self.open else []
        if self.rows:
            newest = max(datetime.fromisoformat(each["as_of"]) for each in self.rows.values())
            since = (newest - OVERLAP).astimezone(UTC)
            known.append(f"closed_at.gt.{since:%Y-%m-%dT%H:%M:%SZ}")
        return ",".join(["closed_at.is.null", *known])

    def _keep(self, row: dict[str, Any]) -> None:
        known = self.rows.get(row["id"])
        if known is None or row["v"] > known["v"]:
            self.rows[row["id"]] = row

    def stop(self) -> None:
        """Read no more."""
        for task in self._reading:
            task.cancel()


@asynccontextmanager
async def following(client: AsyncClient, user_id: str) -> AsyncIterator[Following]:
    """Follow the user's positions; begins when they were read once. Raises TimeoutError."""
    live = Following(client)
    held = await client.auth.get_session()
    await client.realtime.set_auth(held.access_token if held else None)
    private: Any = {"config": {"broadcast": None, "presence": None, "private": True}}
    channel = client.channel(f"positions:{user_id}", private)
    for event in ("position.created", "position.updated"):
        channel.on_broadcast(event, live.hear)
    await channel.subscribe(live.joined)
    try:
        await asyncio.wait_for(live.is_read.wait(), JOIN_S)
        yield live
    finally:
        live.stop()
        await client.remove_channel(channel)
