"""One database connection, used by one caller at a time: made when first needed, replaced when lost."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import asyncpg

from shared import log
from shared.store.port import StoreUnavailable

_log = log.get("store")

COMMAND_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 5.0
PAUSES_S = (0.02, 0.1)
"""Between the tries of a call that is safe to repeat; longer outages are waited for by the loops."""

NOTHING_HAPPENED = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
)
"""The database rolled the call back."""

LOST = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    # A session ended by the server between two calls can leave asyncpg's protocol in no usable state.
    asyncpg.InternalClientError,
)
"""The connection is gone or never came: the call may have happened."""


async def open_connection(
    dsn: str, statement_cache_size: int, application_name: str, command_timeout_s: float = COMMAND_TIMEOUT_S
) -> asyncpg.Connection[Any]:
    """A connection whose jsonb travels as UTF-8 bytes, for shared.codec. Raises StoreUnavailable."""
    try:
        connection: asyncpg.Connection[Any] = await asyncpg.connect(
            dsn,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=command_timeout_s,
            statement_cache_size=statement_cache_size,
            server_settings={"application_name": application_name, "jit": "off", "timezone": "UTC"},
        )
        # jsonb on the wire is one version byte, then the text.
        await connection.set_type_codec(
            "jsonb",
            schema="pg_catalog",
            encoder=lambda text: b"\x01" + text,
            decoder=lambda wire: bytes(wire[1:]),
            format="binary",
        )
    except (*LOST, asyncpg.InterfaceError) as error:
        raise StoreUnavailable(_words(error)) from error
    return connection


class Line:
    """A named connection. Calls wait for one another; a lost connection is replaced by the next call."""

    def __init__(
        self,
        name: str,
        dsn: str,
        statement_cache_size: int,
        command_timeout_s: float = COMMAND_TIMEOUT_S,
        *,
        rests_after_s: float | None = None,
    ) -> None:
        """`rests_after_s`: unused for so long, its session is given back to the server, which holds 10 MB for it."""
        self._name = name
        self._dsn = dsn
        self._cache = statement_cache_size
        self._timeout_s = command_timeout_s
        self._connection: asyncpg.Connection[Any] | None = None
        self._lock = asyncio.Lock()
        self._rests_after_s = rests_after_s
        self._rest: asyncio.Task[None] | None = None

    async def call(self, statement: str, *arguments: Any, repeat: bool) -> list[Any]:
        """The first column of every row. `repeat` = safe to ask again when the answer was lost."""
        async with self._lock:
            self._stay()
            try:
                return await self._repeated(statement, arguments, repeat)
            finally:
                self._rest_later()

    async def _repeated(self, statement: str, arguments: tuple[Any, ...], repeat: bool) -> list[Any]:
        for pause in (*PAUSES_S, None):
            try:
                return await self._once(statement, arguments)
            except StoreUnavailable:
                if not repeat or pause is None:
                    raise
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311
        raise AssertionError("unreachable")

    async def _once(self, statement: str, arguments: tuple[Any, ...]) -> list[Any]:
        if self._connection is None or self._connection.is_closed():
            self._connection = await open_connection(
                self._dsn, self._cache, f"empire {self._name}", self._timeout_s
            )
        connection = self._connection
        try:
            return [row[0] for row in await connection.fetch(statement, *arguments)]
        except NOTHING_HAPPENED as error:
            raise StoreUnavailable(_words(error)) from error
        except LOST as error:
            self._drop()
            raise StoreUnavailable(_words(error)) from error
        except asyncpg.InterfaceError as error:
            if not connection.is_closed():
                raise
            self._drop()
            raise StoreUnavailable(_words(error)) from error

    def _stay(self) -> None:
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None

    def _rest_later(self) -> None:
        if self._rests_after_s is not None:
            self._rest = asyncio.create_task(self._rest_in(self._rests_after_s))

    async def _rest_in(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        # Taken off before anything is waited for: whoever calls meanwhile finds no connection, and makes one.
        connection, self._connection, self._rest = self._connection, None, None
        await _goodbye(connection)

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def close(self) -> None:
        """Say goodbye to the server, at most for a second."""
        self._stay()
        connection, self._connection = self._connection, None
        await _goodbye(connection)


async def _goodbye(connection: asyncpg.Connection[Any] | None) -> None:
    if connection is not None and not connection.is_closed():
        try:
            await connection.close(timeout=1)
        except (*LOST, asyncpg.InterfaceError):
            connection.terminate()


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
