"""The HTTP transport against real sockets: what proves that nothing was sent, and that nothing is sent twice."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from shared.brokers.transport import Unanswered, open_http

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(talk: Talk) -> AsyncIterator[str]:
    """A socket that behaves as `talk` says; its address."""
    listening = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


async def failure(url: str, method: str = "POST", timeout_s: float = 30) -> Unanswered:
    """How one request to this address fails."""
    async with open_http(url, timeout_s) as client:
        with pytest.raises(Unanswered) as caught:
            await client.request(method, "/orders", content=b"{}")
    return caught.value


async def test_refused_connection_proves_nothing_was_sent() -> None:
    """Nobody listens: the request provably never left."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))  # it is nobody else's meanwhile, and nobody listens
        assert (await failure(f"http://127.0.0.1:{probe.getsockname()[1]}")).never_sent


async def test_unknown_host_proves_nothing_was_sent() -> None:
    """A name that does not resolve: the request provably never left."""
    assert (await failure("http://no-such-host.invalid")).never_sent


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
        assert not (await failure(url)).never_sent


async def test_silence_proves_nothing() -> None:
    """No answer in time: it may have been done."""
    silent = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        await silent.wait()
        writer.close()

    async with server(talk) as url:
        error = await failure(url, timeout_s=0.5)
        silent.set()
    assert "Timeout" in str(error)
    assert not error.never_sent


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

    async with server(talk) as url, open_http(url, 20) as client:
        assert (await client.request(method, "/orders", content=b"{}")).text == "ok"
        with pytest.raises(Unanswered) as caught:
            await client.request(method, "/orders", content=b"{}")
        assert not caught.value.never_sent
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

    async with server(talk) as url, open_http(url, 60) as client:
        stuck = [asyncio.create_task(client.request("GET", "/hangs")) for _ in range(100)]
        assert (await asyncio.wait_for(client.request("GET", "/answers"), 50)).status == 200
        silent.set()
        assert {answer.status for answer in await asyncio.gather(*stuck)} == {200}
    assert hanging == 100


async def test_an_answer_is_status_body_and_headers() -> None:
    """Compressed or not; a header is found however it is written; what is no UTF-8 can be told all the same."""
    body = gzip.compress(b'{"price": "1.1\xff"}')

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 429 Slow\r\nretry-AFTER: 3\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}"
        writer.write(head.encode() + b"\r\n\r\n" + body)
        writer.close()

    async with server(talk) as url, open_http(url, 20) as client:
        answer = await client.request("GET", "/")
    assert (answer.status, answer.content) == (429, b'{"price": "1.1\xff"}')
    assert answer.headers["Retry-After"] == "3"
    assert answer.text == '{"price": "1.1\N{REPLACEMENT CHARACTER}"}'
