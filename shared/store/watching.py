"""What the watch of open accounts asks of the database, over asyncpg: calls of their own on lines of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any

from shared import codec
from shared.store.line import Line
from shared.store.watch_rows import Stream, ToldPrices, Watched

BREACH_LINES = 2
BREACH_RESTS_S = 10.0


class WatchCalls:
    """A part of PostgresStore."""

    def __init__(self, dsn: str, statement_cache_size: int) -> None:
        self._watching = Line("watch", dsn, statement_cache_size)
        self._marks = Line("marks", dsn, statement_cache_size)
        self._streams = Line("streams", dsn, statement_cache_size)
        self._breaches: asyncio.PriorityQueue[tuple[int, Line]] = asyncio.PriorityQueue()
        # The first is taken first and stays connected; the others are for many at once, which is rare.
        for number in range(BREACH_LINES):
            rests = BREACH_RESTS_S if number else None
            line = Line("breach", dsn, statement_cache_size, rests_after_s=rests)
            self._breaches.put_nowait((number, line))

    async def watched_accounts(
        self, *, worker: str, limit: int, lease_ms: int, pauses: Mapping[str, Decimal], look: bool = True
    ) -> list[Watched]:
        rows = await self._watching.call(
            "select engine.watched_accounts(p_worker => $1, p_limit => $2, p_lease_ms => $3, p_pauses => $4, "
            "p_look => $5)",
            *(worker, limit, lease_ms, codec.encode(pauses), look),
            repeat=True,
        )
        return [codec.decode_as(Watched, row) for row in rows]

    async def hold_streams(
        self,
        *,
        worker: str,
        brokers: Sequence[str],
        told: Sequence[Mapping[str, Any]],
        limit: int,
        lease_ms: int,
    ) -> list[Stream]:
        (answer,) = await self._streams.call(
            "select engine.hold_streams(p_worker => $1, p_brokers => $2, p_told => $3, p_limit => $4, "
            "p_lease_ms => $5)",
            *(worker, list(brokers), codec.encode(told), limit, lease_ms),
            repeat=True,
        )
        return codec.decode_as(list[Stream], answer)

    async def wake_accounts(self, *, accounts: Sequence[str]) -> int:
        (answer,) = await self._streams.call(
            "select engine.wake_accounts(p_accounts => $1)", list(accounts), repeat=True
        )
        return int(answer)

    async def record_marks(self, *, marks: Sequence[Mapping[str, Any]]) -> None:
        await self._marks.call("select engine.record_marks(p_marks => $1)", codec.encode(marks), repeat=True)

    async def keep_guards(self, *, results: Sequence[Mapping[str, Any]]) -> int:
        (answer,) = await self._marks.call(
            "select engine.keep_guards(p_results => $1)", codec.encode(results), repeat=True
        )
        return int(answer)

    async def keep_naked(self, *, results: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
        (answer,) = await self._marks.call(
            "select engine.keep_naked(p_results => $1)", codec.encode(results), repeat=True
        )
        return [(each["account"], each["position_id"]) for each in codec.decode(answer)]

    async def breach(
        self,
        *,
        account: str,
        rule: str,
        scope: str,
        numbers: Mapping[str, str],
        until: datetime | None,
        flatten: bool,
    ) -> int | None:
        async with self._breach_line() as line:
            (answer,) = await line.call(
                "select engine.breach(p_account => $1, p_rule => $2, p_scope => $3, p_numbers => $4, "
                "p_until => $5, p_flatten => $6)",
                *(account, rule, scope, codec.encode(numbers), until, flatten),
                repeat=True,
            )
        return None if answer is None else int(answer)

    async def flatten_again(self, *, account: str, rule: str, seen_at: datetime) -> int | None:
        async with self._breach_line() as line:
            (answer,) = await line.call(
                "select engine.flatten_again(p_account => $1, p_rule => $2, p_seen_at => $3)",
                *(account, rule, seen_at),
                repeat=True,
            )
        return None if answer is None else int(answer)

    async def prices_told(self, *, after: int | None) -> ToldPrices:
        (answer,) = await self._marks.call("select engine.prices_told(p_after => $1)", after, repeat=True)
        return codec.decode_as(ToldPrices, answer)

    async def mark_books(self, *, prices: Sequence[Any]) -> int:
        (answer,) = await self._marks.call(
            "select engine.mark_books(p_prices => $1)", codec.encode(prices), repeat=True
        )
        return int(answer)

    @asynccontextmanager
    async def _breach_line(self) -> AsyncIterator[Line]:
        number, line = await self._breaches.get()
        try:
            yield line
        finally:
            self._breaches.put_nowait((number, line))

    def _watch_lines(self) -> list[Line]:
        """Every line, to be closed."""
        lines = [self._watching, self._marks, self._streams]
        while not self._breaches.empty():
            lines.append(self._breaches.get_nowait()[1])
        return lines
