"""The store over asyncpg: each method calls the function of its name, arguments by name; no other SQL.

`repeat=True` marks what is safe to ask again after a lost answer: reads, and what a fence makes idempotent.
begin_send and paper_save are never repeated: a lost answer there means "do not send" and "look it up".
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any

import asyncpg

from shared import codec, log
from shared.models.calls import CallsGranted, CallsWanted
from shared.models.enums import Lane
from shared.store.bookkeeping import BookCalls
from shared.store.drilling import DrillCalls
from shared.store.line import COMMAND_TIMEOUT_S, LOST, Line, open_connection
from shared.store.port import StoreUnavailable
from shared.store.rows import (
    Begun,
    CheckedConnection,
    Claimed,
    ConnectionCheck,
    Deferral,
    Execution,
    Opened,
    PaperBook,
    PaperSaved,
    Plan,
    Recorded,
    Rescued,
    SealedCredential,
    SealedSession,
    Settlement,
    Trace,
    Unsettled,
)
from shared.store.upkeep import Forgotten, Thinned
from shared.store.watching import WatchCalls

_log = log.get("store")

WAKE_CHANNEL = "empire_work"
BOOK_LINES = 2


class PostgresStore(DrillCalls, WatchCalls, BookCalls):
    """Implements `Store`. One connection per loop of the worker, so that no loop waits for another's call."""

    def __init__(
        self, dsn: str, statement_cache_size: int = 200, command_timeout_s: float = COMMAND_TIMEOUT_S
    ) -> None:
        DrillCalls.__init__(self, dsn, statement_cache_size)
        WatchCalls.__init__(self, dsn, statement_cache_size)
        self._dsn = dsn
        self._cache = statement_cache_size

        def line(name: str) -> Line:
            return Line(name, dsn, statement_cache_size, command_timeout_s)

        self._claiming = {lane: line(f"claim {lane}") for lane in Lane}
        self._writing, self._recording = line("write"), line("record")
        self._pulse, self._upkeep = line("pulse"), line("upkeep")
        self._logins, self._pacing = line("logins"), line("pacing")
        self._truth = line("truth")
        self._books: asyncio.LifoQueue[Line] = asyncio.LifoQueue()
        for _ in range(BOOK_LINES):
            self._books.put_nowait(line("book"))

    async def claim(
        self, *, worker: str, executor: str, lane: str, limit: int, lease_ms: int
    ) -> list[Claimed]:
        rows = await self._claiming[Lane(lane)].call(
            "select engine.claim("
            "p_worker => $1, p_executor => $2, p_lane => $3, p_limit => $4, p_lease_ms => $5)",
            *(worker, executor, lane, limit, lease_ms),
            repeat=True,
        )
        return [row for row in map(_claimed, rows) if row is not None]

    async def heartbeat(self, *, worker: str, tokens: Sequence[int], lease_ms: int) -> frozenset[int]:
        (answer,) = await self._pulse.call(
            "select engine.heartbeat(p_worker => $1, p_tokens => $2, p_lease_ms => $3)",
            *(worker, list(tokens), lease_ms),
            repeat=True,
        )
        return frozenset(codec.decode(answer)["alive"])

    async def open_orders(
        self, *, plans: Sequence[Plan], begin: bool, request_timeout_ms: int
    ) -> list[Opened]:
        (answer,) = await self._writing.call(
            "select engine.open_orders(p_plans => $1, p_begin => $2, p_request_timeout_ms => $3)",
            *(codec.encode(plans), begin, request_timeout_ms),
            repeat=True,
        )
        return codec.decode_as(list[Opened], answer)

    async def begin_send(
        self, *, commands: Sequence[tuple[int, int]], request_timeout_ms: int
    ) -> list[Begun]:
        asked = codec.encode([{"id": command, "token": token} for command, token in commands])
        (answer,) = await self._writing.call(
            "select engine.begin_send(p_commands => $1, p_request_timeout_ms => $2)",
            *(asked, request_timeout_ms),
            repeat=False,
        )
        return codec.decode_as(list[Begun], answer)

    async def record_executions(self, *, results: Sequence[Execution]) -> list[Recorded]:
        (answer,) = await self._recording.call(
            "select engine.record_executions(p_results => $1)", codec.encode(results), repeat=True
        )
        return codec.decode_as(list[Recorded], answer)

    async def defer(self, *, deliveries: Sequence[Deferral]) -> None:
        await self._recording.call(
            "select engine.defer(p_deliveries => $1)", codec.encode(deliveries), repeat=True
        )

    async def release(self, *, deliveries: Sequence[tuple[int, int]]) -> None:
        given = codec.encode([{"delivery_id": delivery, "token": token} for delivery, token in deliveries])
        await self._recording.call("select engine.release(p_deliveries => $1)", given, repeat=True)

    async def dead_letter(self, *, delivery_id: int, token: int, error: str, trace: Trace) -> bool:
        (answer,) = await self._recording.call(
            "select engine.dead_letter(p_delivery_id => $1, p_token => $2, p_error => $3, p_trace => $4)",
            *(delivery_id, token, error, codec.encode(trace)),
            repeat=True,
        )
        return bool(answer)

    async def rescue(self, *, limit: int) -> Rescued:
        (answer,) = await self._upkeep.call("select engine.rescue(p_limit => $1)", limit, repeat=True)
        return codec.decode_as(Rescued, answer)

    async def claim_unsettled(
        self, *, worker: str, executor: str, limit: int, lease_ms: int
    ) -> list[Unsettled]:
        rows = await self._upkeep.call(
            "select engine.claim_unsettled("
            "p_worker => $1, p_executor => $2, p_limit => $3, p_lease_ms => $4)",
            *(worker, executor, limit, lease_ms),
            repeat=True,
        )
        return [codec.decode_as(Unsettled, row) for row in rows]

    async def settle(self, *, results: Sequence[Settlement]) -> None:
        await self._upkeep.call("select engine.settle(p_results => $1)", codec.encode(results), repeat=True)

    async def end_entries(self, *, limit: int) -> int:
        (answer,) = await self._upkeep.call("select engine.end_entries(p_limit => $1)", limit, repeat=True)
        return int(answer)

    async def housekeeping(self, *, limit: int) -> Forgotten:
        (answer,) = await self._upkeep.call("select engine.housekeeping(p_limit => $1)", limit, repeat=True)
        told = codec.decode(answer)
        return Forgotten(bool(told.pop("more")), told)

    async def thin_equity(self, *, limit: int) -> Thinned:
        (answer,) = await self._upkeep.call("select engine.thin_equity(p_limit => $1)", limit, repeat=True)
        return codec.decode_as(Thinned, answer)

    async def find_gaps(self, *, limit: int) -> int:
        (answer,) = await self._upkeep.call("select engine.find_gaps(p_limit => $1)", limit, repeat=True)
        return int(answer)

    async def raise_alarms(self, *, limit: int) -> dict[str, int]:
        (answer,) = await self._upkeep.call("select engine.raise_alarms(p_limit => $1)", limit, repeat=True)
        return codec.decode_as(dict[str, int], answer)

    async def paper_load(self, *, account: str) -> PaperBook | None:
        async with self._book() as line:
            (answer,) = await line.call("select engine.paper_load(p_account => $1)", account, repeat=True)
        return None if answer is None else codec.decode_as(PaperBook, answer)

    async def paper_save(
        self,
        *,
        account: str,
        version: int,
        balance: Decimal,
        book: Any,
        orders: Sequence[Any],
        fills: Sequence[Any],
    ) -> PaperSaved:
        try:
            async with self._book() as line:
                (answer,) = await line.call(
                    "select engine.paper_save(p_account => $1, p_version => $2, p_balance => $3, "
                    "p_book => $4, p_orders => $5, p_fills => $6)",
                    *(
                        account,
                        version,
                        balance,
                        codec.encode(book),
                        codec.encode(orders),
                        codec.encode(fills),
                    ),
                    repeat=False,
                )
        except asyncpg.UniqueViolationError:
            return PaperSaved(saved=False)  # this client order id was answered before
        return codec.decode_as(PaperSaved, answer)

    async def paper_answer(self, *, account: str, client_order_id: str) -> bytes | None:
        async with self._book() as line:
            (answer,) = await line.call(
                "select engine.paper_answer(p_account => $1, p_client_order_id => $2)",
                *(account, client_order_id),
                repeat=True,
            )
        return None if answer is None else bytes(answer)

    async def paper_fills_since(self, *, account: str, since: datetime) -> list[bytes]:
        async with self._book() as line:
            return await line.call(
                "select engine.paper_fills_since(p_account => $1, p_since => $2)", account, since, repeat=True
            )

    async def end_unreachable(self, *, limit: int) -> int:
        (answer,) = await self._upkeep.call(
            "select engine.end_unreachable(p_limit => $1)", limit, repeat=True
        )
        return int(answer)

    async def claim_connections(self, *, worker: str, limit: int, lease_ms: int) -> list[ConnectionCheck]:
        rows = await self._logins.call(
            "select engine.claim_connections(p_worker => $1, p_limit => $2, p_lease_ms => $3)",
            *(worker, limit, lease_ms),
            repeat=True,
        )
        return [codec.decode_as(ConnectionCheck, row) for row in rows]

    async def record_connection(self, *, connection: str, token: int, result: CheckedConnection) -> bool:
        (answer,) = await self._logins.call(
            "select engine.record_connection(p_connection => $1, p_token => $2, p_result => $3)",
            *(connection, token, codec.encode(result)),
            repeat=True,
        )
        return bool(answer)

    async def recheck_connection(self, *, connection: str) -> bool:
        (answer,) = await self._logins.call(
            "select engine.recheck_connection(p_connection => $1)", connection, repeat=True
        )
        return bool(answer)

    async def open_credential(
        self, *, connection: str, worker: str, tokens: Sequence[int]
    ) -> SealedCredential:
        (answer,) = await self._logins.call(
            "select engine.open_credential(p_connection => $1, p_worker => $2, p_tokens => $3)",
            *(connection, worker, list(tokens)),
            repeat=False,
        )
        return codec.decode_as(SealedCredential, answer)

    async def load_session(self, *, connection: str) -> SealedSession | None:
        (answer,) = await self._logins.call(
            "select engine.load_session(p_connection => $1)", connection, repeat=True
        )
        return None if answer is None else codec.decode_as(SealedSession, answer)

    async def take_session_turn(self, *, connection: str, worker: str, ms: int) -> bool:
        (answer,) = await self._logins.call(
            "select engine.take_session_turn(p_connection => $1, p_worker => $2, p_ms => $3)",
            *(connection, worker, ms),
            repeat=True,
        )
        return bool(answer)

    async def save_session(
        self,
        *,
        connection: str,
        worker: str,
        version: int,
        key_id: str,
        sealed: bytes,
        expires_at: datetime,
    ) -> bool:
        (answer,) = await self._logins.call(
            "select engine.save_session(p_connection => $1, p_worker => $2, p_version => $3, "
            "p_key_id => $4, p_sealed => $5, p_expires_at => $6)",
            *(connection, worker, version, key_id, sealed, expires_at),
            repeat=False,
        )
        return bool(answer)

    async def reserve_calls(self, *, worker: str, asks: Sequence[CallsWanted]) -> list[CallsGranted]:
        (answer,) = await self._pacing.call(
            "select engine.reserve_calls(p_worker => $1, p_asks => $2)",
            *(worker, codec.encode(asks)),
            repeat=False,
        )
        return codec.decode_as(list[CallsGranted], answer)

    async def worker_seen(self, *, worker: str, kind: str, details: dict[str, Any]) -> None:
        await self._upkeep.call(
            "select engine.worker_seen(p_worker => $1, p_kind => $2, p_details => $3)",
            *(worker, kind, codec.encode(details)),
            repeat=True,
        )

    async def invariant_rows(self) -> dict[str, int]:
        (answer,) = await self._upkeep.call("select engine.invariant_rows()", repeat=True)
        return codec.decode_as(dict[str, int], answer)

    async def record_health(self, *, latencies: Mapping[str, float]) -> int:
        (answer,) = await self._upkeep.call(
            "select engine.record_health(p_latencies => $1)", codec.encode(latencies), repeat=True
        )
        return int(answer)

    async def stats(self) -> dict[str, Any]:
        (answer,) = await self._upkeep.call("select engine.stats()", repeat=True)
        return codec.decode(answer) or {}

    async def wakeups(self, wake: Callable[[], None]) -> None:
        """Call `wake` when it listens, and for each hint of work, until the connection is lost (StoreUnavailable).

        Only a hint: it may be lost or late, the poll is the guarantee.
        """
        connection = await open_connection(self._dsn, self._cache, "empire wake-up")
        lost = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(WAKE_CHANNEL, lambda *_: wake())
            wake()  # what was told before anybody listened
            await lost.wait()
            raise StoreUnavailable("the wake-up connection was lost")
        except (*LOST, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise StoreUnavailable(str(error)) from error
        finally:
            connection.terminate()

    @asynccontextmanager
    async def _book(self) -> AsyncIterator[Line]:
        line = await self._books.get()
        try:
            yield line
        finally:
            self._books.put_nowait(line)

    async def close(self) -> None:
        """Close every connection; calls that are under way end with StoreUnavailable."""
        lines = [
            *self._claiming.values(),
            self._writing,
            self._recording,
            self._pulse,
            self._upkeep,
            self._logins,
            self._pacing,
            self._drilling,
            *self._watch_lines(),
        ]
        while not self._books.empty():
            lines.append(self._books.get_nowait())
        await asyncio.gather(*(line.close() for line in lines))


def _claimed(row: bytes) -> Claimed | None:
    """A row that cannot be read is left to its lease, and said loudly: it must not take the batch with it."""
    try:
        return codec.decode_as(Claimed, row)
    except codec.NotReadable as error:
        _log.error("claimed row not readable", error=str(error))
        return None
