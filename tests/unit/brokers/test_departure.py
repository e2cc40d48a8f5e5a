"""The last moment before a command's request is written: it waits for its like, and is still refused when it is late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from shared import clock
from shared.brokers import departure
from shared.brokers.errors import NotSent
from shared.brokers.rest import Ask, exchange
from shared.brokers.transport import Http, open_http

ORDER, LOOK = Ask("POST", "/orders", body={"qty": 1}), Ask("GET", "/orders")


@asynccontextmanager
async def host(received: list[str]) -> AsyncIterator[Http]:
    """A host that answers whatever it receives."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append((await reader.readuntil(b"\r\n")).decode().split()[0])
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        writer.close()

    listening = await asyncio.start_server(talk, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    async with listening, open_http(url, 5) as http:
        yield http


async def test_a_command_waits_and_a_read_does_not() -> None:
    """What only looks goes at once, in the same task; the order goes when it may."""
    received: list[str] = []
    may_go = asyncio.Event()

    async def meet() -> None:
        await may_go.wait()

    departure.waits.set(meet)
    async with host(received) as http:
        await exchange(http, LOOK, {}, 5)
        leaving = asyncio.create_task(exchange(http, ORDER, {}, 5, by=clock.monotonic() + 60))
        await exchange(http, LOOK, {}, 5)
        assert received == ["GET", "GET"]
        may_go.set()
        assert (await leaving).status == 200
    assert received == ["GET", "GET", "POST"]


async def test_what_waited_too_long_is_never_sent() -> None:
    """Its time is over when the others are there: it ends as not sent, and nothing of it was received."""
    received: list[str] = []

    async def too_long() -> None:
        over = asyncio.Event()
        asyncio.get_running_loop().call_later(0.03, over.set)
        await over.wait()

    departure.waits.set(too_long)
    async with host(received) as http:
        with pytest.raises(NotSent, match="too long"):
            await exchange(http, ORDER, {}, 5, by=clock.monotonic() + 0.01)
    assert received == []
