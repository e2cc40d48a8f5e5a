"""The HTTP transport against real sockets: what proves that nothing was sent, and that nothing is sent twice."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from shared.brokers.transport import never_sent, open_http

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(talk: Talk) -> AsyncIterator[str]:
    """A socket that behaves as `talk` says; its address."""
    listening = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


async def failure(url: str, method: str = "POST", timeout_s: float = 0.5) -> httpx.HTTPError:
    """How one request to this address fails."""
    async with open_http(url, timeout_s) as client:
        with pytest.raises(httpx.HTTPError) as caught:
            await client.request(method, "/orders", content=b"{}")
    return caught.value


async def test_refused_connection_proves_nothing_was_sent() -> None:
    """Nobody listens: the request provably never left."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    assert never_sent(await failure(f"http://127.0.0.1:{free}"))


async def test_unknown_host_proves_nothing_was_sent() -> None:
    """A name that does not resolve: the request provably never left."""
    assert never_sent(await failure("http://no-such-host.invalid"))


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", b"nonsense\r\n\r\n"]
)
async def test_cut_or_broken_answer_proves_nothing(answer: bytes) -> None:
    """The server reads the request, answers with something broken or nothing, and cuts: it may have done it."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(answer)
        writer.close()

    async with server(talk) as url:
        assert not never_sent(await failure(url))


async def test_silence_proves_nothing() -> None:
    """No answer in time: it may have been done."""
    silent = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        await silent.wait()
        writer.close()

    async with server(talk) as url:
        error = await failure(url)
        silent.set()
    assert isinstance(error, httpx.TimeoutException)
    assert not never_sent(error)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_no_write_is_sent_twice(method: str) -> None:
    """A kept connection that the server has closed: the write fails, and is not repeated on a new connection."""
    requests = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        while await reader.readuntil(b"{}"):
            requests += 1
            if requests == 2:
                writer.close()
                return
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async with server(talk) as url, open_http(url, 1) as client:
        assert (await client.request(method, "/orders", content=b"{}")).text == "ok"
        with pytest.raises(httpx.HTTPError) as caught:
            await client.request(method, "/orders", content=b"{}")
        assert not never_sent(caught.value)
    assert requests == 2


async def test_a_hundred_answers_that_do_not_come_hold_up_nobody() -> None:
    """An alert went to a hundred accounts of one host and none is answered: the next request is, all the same."""
    silent, hanging = asyncio.Event(), 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal hanging
        head = await reader.readuntil(b"\r\n\r\n")
        if b"/hangs" in head:
            hanging += 1
            await silent.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    async with server(talk) as url, open_http(url, 5) as client:
        stuck = [asyncio.create_task(client.request("GET", "/hangs")) for _ in range(100)]
        assert (await asyncio.wait_for(client.request("GET", "/answers"), 2)).status_code == 200
        silent.set()
        assert {answer.status_code for answer in await asyncio.gather(*stuck)} == {200}
    assert hanging == 100
