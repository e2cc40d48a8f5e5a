"""The simulated hubs: SignalR with and without negotiation, and user events as they come live."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from shared import codec
from tests.conformance.simulators import Operator, running_simulator

END = "\x1e"


@pytest.fixture(scope="module")
def operator() -> Iterator[Operator]:
    """A running simulator."""
    with running_simulator("topstepx", "--no-limits") as running:
        yield running


@dataclass
class Listener:
    """A user of the gateway, and a connection to a hub."""

    http: aiohttp.ClientSession
    url: str
    token: str = ""
    account: int = 0
    contract: str = ""
    heard: list[dict[str, Any]] = field(default_factory=list)

    async def ask(self, path: str, **body: object) -> Any:
        """A question or command over REST, or to the operator's side."""
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self.http.post(self.url + path, data=codec.encode(body), headers=headers) as answer:
            return codec.decode(await answer.read())

    async def log_in(self) -> None:
        """A user of its own."""
        keys = {"userName": uuid.uuid4().hex, "apiKey": "0123456789"}
        self.token = (await self.ask("/api/Auth/loginKey", **keys))["token"]
        self.account = (await self.ask("/api/Account/search", onlyActiveAccounts=True))["accounts"][0]["id"]
        found = (await self.ask("/api/Contract/search", searchText="MNQ", live=False))["contracts"]
        self.contract = found[0]["id"]

    @asynccontextmanager
    async def hub(
        self, *methods: str, handshake: str = '{"protocol":"json","version":1}'
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Connected to the user hub with these methods called."""
        async with self.http.ws_connect(f"{self.url}/hubs/user?access_token={self.token}") as ws:
            await ws.send_str(handshake + END)
            assert (await ws.receive_str()).startswith("{")
            for number, method in enumerate(methods):
                arguments = [] if method.endswith("Accounts") else [self.account]
                call = {"type": 1, "target": method, "arguments": arguments, "invocationId": str(number)}
                await ws.send_str(codec.encode(call).decode() + END)
                assert codec.decode((await ws.receive_str()).strip(END))["invocationId"] == str(number)
            yield ws

    async def buy(self) -> None:
        """One contract at market, with a stop."""
        done = await self.ask(
            "/api/Order/place", accountId=self.account, contractId=self.contract, type=2, side=0, size=1,
            customTag=uuid.uuid4().hex, stopLossBracket={"ticks": -40, "type": 4},
        )  # fmt: skip
        assert done["success"], done

    async def close(self) -> None:
        """Flat again."""
        await self.ask("/api/Position/closeContract", accountId=self.account, contractId=self.contract)


async def next_of(ws: aiohttp.ClientWebSocketResponse, count: int) -> list[tuple[str, Any]]:
    """The next so many calls of the hub: method and argument."""
    found: list[tuple[str, Any]] = []
    while len(found) < count:
        for text in (await ws.receive_str(timeout=60)).split(END):
            message = codec.decode(text) if text else {}
            if message.get("type") == 1:
                found.append((message["target"], message["arguments"][0]))
    return found


@pytest.fixture
async def listener(operator: Operator) -> AsyncIterator[Listener]:
    """A user, logged in."""
    async with aiohttp.ClientSession(trust_env=False) as http:
        made = Listener(http, operator.url)
        await made.log_in()
        yield made
        await made.ask("/_sim/hubs", wrapped=True, drop=0)


async def test_events_of_a_trade(listener: Listener) -> None:
    """Orders come pending and asleep first; a position's end is type 0 and size 0; null fields are not there."""
    async with listener.hub(
        "SubscribeOrders", "SubscribePositions", "SubscribeTrades", "SubscribeOrders"
    ) as ws:
        await listener.buy()
        events = await next_of(ws, 6)
        orders = [each["data"] for name, each in events if name == "GatewayUserOrder"]
        assert [(each["type"], each["status"]) for each in orders] == [(2, 6), (4, 8), (2, 2), (4, 1)]
        assert "filledPrice" not in orders[0]
        assert [name for name, _ in events[4:]] == ["GatewayUserTrade", "GatewayUserPosition"]
        await listener.close()
        ended = await next_of(ws, 4)
        assert ended[-1] == (
            "GatewayUserPosition",
            {"action": 2, "data": {**ended[-1][1]["data"], "type": 0, "size": 0}},
        )


async def test_events_as_the_documents_have_them(listener: Listener) -> None:
    """Without a wrapping, when the operator says so; what was dropped is lost."""
    await listener.ask("/_sim/hubs", wrapped=False, drop=1)
    async with listener.hub("SubscribePositions", "SubscribeAccounts") as ws:
        await listener.buy()
        [(name, row)] = await next_of(ws, 1)
        assert name in ("GatewayUserPosition", "GatewayUserAccount")
        assert "action" not in row


async def test_what_was_not_subscribed_is_not_told(listener: Listener) -> None:
    """Nor what was unsubscribed, nor methods nobody knows."""
    async with listener.hub("SubscribeOrders", "UnsubscribeOrders", "Heartbeat", "SubscribeTrades") as ws:
        await listener.buy()
        assert [name for name, _ in await next_of(ws, 1)] == ["GatewayUserTrade"]


async def test_a_kick_ends_the_connection(listener: Listener) -> None:
    """GatewayLogout, a close that lets one come back, and the socket is shut."""
    async with listener.hub() as ws:
        await listener.ask("/_sim/hubs", logout=True)
        assert (await next_of(ws, 1))[0][0] == "GatewayLogout"
        async for message in ws:
            assert codec.decode(str(message.data).strip(END))["type"] == 7
        assert ws.closed


async def test_who_has_no_good_token_is_not_let_in(listener: Listener) -> None:
    """401 on the negotiation and on the upgrade; with one, either version of the negotiation."""
    async with listener.http.post(f"{listener.url}/hubs/user/negotiate?access_token=nonsense") as refused:
        assert refused.status == 401
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await listener.http.ws_connect(f"{listener.url}/hubs/user?access_token=")
    assert caught.value.status == 401
    for version in (0, 1):
        path = f"/hubs/market/negotiate?access_token={listener.token}&negotiateVersion={version}"
        found = await listener.ask(path)
        assert (found["negotiateVersion"], found["availableTransports"][0]["transport"]) == (
            version,
            "WebSockets",
        )


async def test_another_protocol_is_refused(listener: Listener) -> None:
    """The handshake answers with an error, and the socket is shut."""
    async with listener.hub(handshake='{"protocol":"messagepack","version":1}') as ws:
        assert (await ws.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
