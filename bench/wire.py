"""HTTP for a load: what a general client costs a request is a tenth of what the machine has for an alert."""

from __future__ import annotations

import asyncio
from typing import Self, cast
from urllib.parse import urlsplit

MOST = 256
"""Connections at once; further requests wait for a free one."""


class Cut(ConnectionError):
    """The connection ended before the whole answer was there."""


class Wire(asyncio.Protocol):
    """One kept connection, one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._got = b""

    @property
    def open(self) -> bool:
        """Whether another request can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body. Raises Cut."""
        assert self._transport is not None
        self._got, self._answer = b"", asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by class

    def data_received(self, data: bytes) -> None:
        self._got += data
        answer = _whole(self._got)
        if answer is not None and self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(Cut(str(exc or "closed")))


class Wires:
    """Kept connections to one address: the one used last is used next."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._free: list[Wire] = []
        self._room = asyncio.Semaphore(MOST)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for wire in self._free:
            wire.close()

    async def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer to one JSON body. Raises OSError."""
        head = (
            f"POST {path} HTTP/1.1\r\nhost: {self._host}:{self._port}\r\ncontent-type: application/json\r\n"
        )
        request = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
        async with self._room:
            wire = await self._wire()
            answer = await wire.ask(request)
            self._free.append(wire)
            return answer

    async def _wire(self) -> Wire:
        while self._free:
            wire = self._free.pop()
            if wire.open:
                return wire
        _, made = await asyncio.get_running_loop().create_connection(Wire, self._host, self._port)
        return made


def _whole(got: bytes) -> tuple[int, bytes] | None:
    """Status and body, once all of it is there. The gateway says a length, or sends chunks."""
    end = got.find(b"\r\n\r\n")
    if end < 0:
        return None
    head, body = got[:end].lower(), got[end + 4 :]
    status = int(head[9:12])
    at = head.find(b"content-length:")
    if at >= 0:
        length = int(head[at + 15 :].split(b"\r\n", 1)[0])
        return (status, body) if len(body) >= length else None
    if not body.endswith(b"0\r\n\r\n"):
        return None
    return status, b"".join(body.split(b"\r\n")[1::2])
