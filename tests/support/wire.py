"""Between a store and its Postgres: a port that passes everything on, and lets a call of one function go wrong."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_PARSED = re.compile(rb"P.{4}([^\0]+)\0select engine\.(\w+)\(", re.DOTALL)
_BOUND = re.compile(rb"B.{4}[^\0]*\0([^\0]+)\0", re.DOTALL)
_SHUTDOWN = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"
_FATAL = b"E" + (len(_SHUTDOWN) + 4).to_bytes(4, "big") + _SHUTDOWN
_DONE = frozenset({"drop_after_accept", "error_after", "garbled", "hang_after_accept", "late"})


@dataclass
class Fault:
    """What happens to the next `times` calls (None = all) of these functions; kinds as in local.venues.faults."""

    kind: str
    functions: frozenset[str]
    seconds: float = 0.0
    times: int | None = 1


@dataclass
class Wire:
    """A loopback port in front of a database. Everything happens in the event loop that started it."""

    url: str
    faults: list[Fault] = field(default_factory=list)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> str:
        """Listen; the address that stands for the database's."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        parts = urlsplit(self.url)
        login, _, _ = parts.netloc.rpartition("@")
        port = self._server.sockets[0].getsockname()[1]
        return parts._replace(netloc=f"{login}@127.0.0.1:{port}").geturl()

    def fault(self, kind: str, functions: Iterable[str], seconds: float = 0, times: int | None = 1) -> None:
        """Let a call go wrong."""
        self.faults.append(Fault(kind, frozenset(functions), seconds, times))

    def down(self) -> None:
        """Nobody listens any more, and every connection is cut."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = urlsplit(self.url)
        up, down = await asyncio.open_connection(there.hostname, there.port)
        self._writers |= {writer, down}
        session = _Session(self, writer, down)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(session.ask(reader))
                both.create_task(session.answer(up))
        except* (OSError, EOFError):
            pass
        finally:
            session.cut()
            self._tasks.discard(task)

    def struck(self, function: str) -> Fault | None:
        """The fault that meets this call, counted down."""
        for fault in self.faults:
            if function in fault.functions:
                if fault.times is not None:
                    fault.times -= 1
                    if not fault.times:
                        self.faults.remove(fault)
                return fault
        return None


class _Session:
    """One connection."""

    def __init__(self, wire: Wire, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self._wire, self._client, self._server = wire, client, server
        self._statements: dict[bytes, str] = {}
        self._fault: Fault | None = None

    def cut(self) -> None:
        """End both sides."""
        self._client.transport.abort()
        self._server.transport.abort()

    async def ask(self, reader: asyncio.StreamReader) -> None:
        """What the store says, to Postgres."""
        while chunk := await reader.read(1 << 20):
            for name, function in _PARSED.findall(chunk):
                self._statements[name] = function.decode()
            for name in _BOUND.findall(chunk):
                self._fault = self._wire.struck(self._statements.get(name, "")) or self._fault
            if self._fault is not None and self._fault.kind not in _DONE:
                await self._end(_FATAL if self._fault.kind == "error_before" else b"")
            self._server.write(chunk)
        raise EOFError

    async def answer(self, reader: asyncio.StreamReader) -> None:
        """What Postgres says, to the store. A call is one statement: its answer comes after its commit."""
        while chunk := await reader.read(1 << 20):
            fault, self._fault = self._fault, None
            if fault is not None and fault.kind == "late":
                await asyncio.sleep(fault.seconds)
            elif fault is not None and fault.kind == "hang_after_accept":
                continue
            elif fault is not None:
                await self._end({"error_after": _FATAL, "garbled": chunk[:5]}.get(fault.kind, b""))
            self._client.write(chunk)
        raise EOFError

    async def _end(self, last: bytes) -> None:
        """Cut the connection after these bytes."""
        self._client.write(last)
        await self._client.drain()
        self._client.close()
        raise EOFError
