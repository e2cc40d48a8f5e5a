"""ASP.NET Core SignalR as a server speaks it: JSON protocol 1 over a WebSocket, negotiated or not."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Any

from aiohttp import WSMsgType, web

from local.venues.admin import answer
from shared import codec

END = "\x1e"
"""Ends each message; several may come in one frame."""
PING_S = 15.0
HANDSHAKE_S = 15.0
LARGEST = 1 << 20
Invoked = Callable[["Socket", str, list[Any]], None]


class Socket:
    """One connection. What it is told goes out in order; `topics` is what it has subscribed to.

    `silent`: the socket stays open and nothing comes any more, pings neither. Not `answering`: nothing is acknowledged.
    """

    def __init__(self, user: str, cut: Callable[[], None], ping_s: float = PING_S) -> None:
        self.user, self.cut, self._ping_s = user, cut, ping_s
        self.topics: set[tuple[str, Any]] = set()
        self.silent, self.answering = False, True
        self._out: asyncio.Queue[Any] = asyncio.Queue()

    def tell(self, target: str, *arguments: Any, late_s: float = 0.0) -> None:
        """Call a method of the client, now or so many seconds later."""
        message = {"type": 1, "target": target, "arguments": list(arguments)}
        if late_s:
            asyncio.get_running_loop().call_later(late_s, self._out.put_nowait, message)
        else:
            self._out.put_nowait(message)

    def complete(self, invocation: str) -> None:
        """Acknowledge an invocation; only those that asked for it are."""
        if not self.answering:
            return
        self._out.put_nowait({"type": 3, "invocationId": invocation, "result": None})

    def end(self, error: str) -> None:
        """Close, and let the client come back."""
        self._out.put_nowait({"type": 7, "error": error, "allowReconnect": True})

    async def write(self, ws: web.WebSocketResponse) -> None:
        """Send what there is, and a ping when there is nothing for a while."""
        while not ws.closed:
            try:
                message = await asyncio.wait_for(self._out.get(), self._ping_s)
            except TimeoutError:
                message = {"type": 6}
            if self.silent:
                continue
            await ws.send_str(codec.encode(message).decode() + END)
            if message["type"] == 7:
                await ws.close()


def negotiated(request: web.Request) -> web.Response:
    """The answer to a negotiation, in either version; only WebSockets are offered."""
    version = int(request.query.get("negotiateVersion", 0))
    token = secrets.token_urlsafe(16)
    transport = {"transport": "WebSockets", "transferFormats": ["Text", "Binary"]}
    return answer(
        {
            "negotiateVersion": min(version, 1),
            "connectionId": token,
            "connectionToken": token,
            "availableTransports": [transport],
        }
    )


async def serve(request: web.Request, socket: Socket, invoked: Invoked) -> web.WebSocketResponse:
    """Shake hands, then read until the end. Methods nobody knows are ignored, as the real hubs do."""
    ws = web.WebSocketResponse(max_msg_size=LARGEST)
    await ws.prepare(request)
    first = await asyncio.wait_for(ws.receive(), HANDSHAKE_S)
    if first.type is not WSMsgType.TEXT or codec.decode(first.data.split(END)[0]).get("protocol") != "json":
        await ws.send_str('{"error":"The protocol is not supported."}' + END)
        await ws.close()
        return ws
    await ws.send_str("{}" + END)
    writer = asyncio.create_task(socket.write(ws))
    try:
        async for message in ws:
            if message.type is WSMsgType.TEXT:
                _read(message.data, socket, invoked)
    finally:
        writer.cancel()
    return ws


def _read(frame: str, socket: Socket, invoked: Invoked) -> None:
    for text in frame.split(END):
        message = codec.decode(text) if text else {}
        if message.get("type") != 1:
            continue
        invoked(socket, str(message.get("target")), list(message.get("arguments") or []))
        if message.get("invocationId") is not None:
            socket.complete(message["invocationId"])
