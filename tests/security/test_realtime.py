"""Security suite no. 10: who hears what, and that nobody but the database speaks."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from local import programs
from local.scratch import ScratchCluster, Service
from tests.security.people import (
    ADMIN_AT_AAL2,
    ANON,
    GUARDED,
    OTHER,
    OWNER,
    OWNER_AT_AAL1,
    OWNER_AT_AAL2,
    OWNER_WITHOUT_FACTOR,
    STRANGER,
    Actor,
    acting,
    refused,
    seed,
)
from tests.support.clusters import Database, clone, wait_until
from tests.support.stacks import RunningStack, running_stack

TOPICS = ("orders", "positions", "logs", "events")
EXTENSIONS = ("broadcast", "presence", "postgres_changes")


def hears(actor: Actor) -> set[str]:
    """The topics that an actor may join."""
    if actor is ANON or actor is OWNER_AT_AAL1:
        return {"health:system"}
    return {"health:system", *(f"{topic}:{actor.user}" for topic in TOPICS)}


ASKED = [
    "health:system",
    "health:other",
    "orders:",
    "orders",
    "",
    "*",
    "orders:*",
    "orders:%",
    *(f"{topic}:{user}" for topic in TOPICS for user in (OWNER, GUARDED, OTHER)),
    f"ORDERS:{OWNER}",
    f"orders:{OWNER}x",
    f"orders:{OWNER} ",
    f" orders:{OWNER}",
    f"orders:{OWNER},orders:{OTHER}",
    f"work:{OWNER}",
]


@pytest.mark.parametrize(
    "actor", [ANON, OWNER_WITHOUT_FACTOR, OWNER_AT_AAL1, OWNER_AT_AAL2, STRANGER, ADMIN_AT_AAL2], ids=str
)
async def test_policies_open_ones_own_topics_only(peopled: Database, actor: Actor) -> None:
    """Exactly the four own topics and health:system, broadcast only; nobody else's, not for admins either."""
    connection = await peopled.connect("supabase_admin")
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("delete from realtime.messages")
    await connection.executemany(
        "insert into realtime.messages (topic, extension) values ($1, $2)",
        list(itertools.product(ASKED, EXTENSIONS)),
    )
    await connection.execute(
        "select set_config('role', $1, true), set_config('request.jwt.claims', $2, true)",
        actor.role,
        json.dumps(actor.claims),
    )
    seen = await connection.fetch("select topic, extension from realtime.messages")
    await transaction.rollback()
    await connection.close()
    assert {row["topic"] for row in seen} == hears(actor) & set(ASKED)
    assert {row["extension"] for row in seen} == {"broadcast"}


@pytest.mark.parametrize("actor", [ANON, OWNER_WITHOUT_FACTOR, ADMIN_AT_AAL2], ids=str)
async def test_clients_cannot_write_messages(peopled: Database, actor: Actor) -> None:
    """No insert, update or delete of messages and no realtime.send(), not even to one's own topic."""
    topic = f"orders:{actor.user}" if actor.user else "health:system"
    count = "select count(*) from realtime.messages"
    before = peopled.sql(count)
    async with acting(peopled, actor, keep=True) as connection:
        async with refused(connection, "42501"):
            await connection.execute(
                "insert into realtime.messages (topic, extension, private, event, payload)"
                " values ($1, 'broadcast', true, 'order.created', '{}')",
                topic,
            )
        assert await connection.execute("update realtime.messages set payload = '{}'") == "UPDATE 0"
        async with refused(connection, "42501"):
            await connection.execute("delete from realtime.messages")
        await connection.execute("select realtime.send('{}', 'order.created', $1)", topic)
    assert peopled.sql(count) == before


@pytest.fixture(scope="module")
def served(cluster: ScratchCluster) -> Iterator[RunningStack]:
    """A stack with users of every kind."""
    database = clone(cluster)
    seed(database)
    with running_stack(database) as running:
        yield running
    database.drop()


def token(stack: RunningStack, actor: Actor, lifetime_s: int = 900) -> str:
    """An access token of the actor, signed as the auth service signs."""
    claims = {**actor.claims, "aud": "authenticated", "exp": int(time.time()) + lifetime_s}
    parts = [_base64(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
    key = stack.boot.secrets.jwt_secret.encode()
    signature = hmac.digest(key, ".".join(parts).encode(), hashlib.sha256)
    return ".".join([*parts, _base64(signature)])


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Client:
    """One socket that speaks Phoenix 1.0.0, to send what the real clients would not."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._refs = itertools.count(1)
        self.broadcasts: list[dict[str, Any]] = []

    async def join(self, topic: str, access_token: str | None, private: bool = True) -> dict[str, Any]:
        """The answer to phx_join."""
        config = {"private": private, "broadcast": {"ack": False, "self": True}, "presence": {"key": ""}}
        payload = {"config": config, **({"access_token": access_token} if access_token else {})}
        return await self.ask(f"realtime:{topic}", "phx_join", payload)

    async def ask(self, topic: str, event: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Send a frame and wait for its reply."""
        ref = await self.push(topic, event, payload)
        async with asyncio.timeout(60):
            while True:
                frame = await self._read()
                if frame["event"] == "phx_reply" and frame["ref"] == ref:
                    answer: dict[str, Any] = frame["payload"]
                    return answer

    async def push(self, topic: str, event: str, payload: dict[str, Any]) -> str:
        """Send a frame."""
        ref = str(next(self._refs))
        frame = {"topic": topic, "event": event, "payload": payload, "ref": ref, "join_ref": "1"}
        await self._socket.send(json.dumps(frame))
        return ref

    async def hear(self) -> dict[str, Any]:
        """The next broadcast."""
        async with asyncio.timeout(60):
            while not self.broadcasts:
                await self._read()
        return self.broadcasts.pop(0)

    async def settle(self) -> None:
        """Everything the server sent before now has been read."""
        await self.ask("phoenix", "heartbeat", {})

    async def _read(self) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads(await self._socket.recv())
        if frame["event"] == "broadcast":
            self.broadcasts.append(frame["payload"])
        return frame


@asynccontextmanager
async def client(stack: RunningStack) -> AsyncIterator[Client]:
    """A connected socket."""
    address = stack.api_url.replace("http", "ws", 1)
    url = f"{address}/realtime/v1/websocket?apikey={stack.publishable_key}&vsn=1.0.0"
    async with connect(url) as socket:
        yield Client(socket)


def touch_order(stack: RunningStack, user: str) -> None:
    """Change an order of the user: the database tells his topic."""
    stack.database.sql(f"update public.orders set price = coalesce(price, 1) + 0.1 where user_id = '{user}'")


async def test_the_owner_hears_the_database(served: RunningStack) -> None:
    """On his private topic the owner gets what the database tells, and others' changes never."""
    async with client(served) as owner:
        joined = await owner.join(f"orders:{OWNER}", token(served, OWNER_WITHOUT_FACTOR))
        assert joined["status"] == "ok", joined
        touch_order(served, OTHER)
        touch_order(served, OWNER)
        heard = await owner.hear()
        assert heard["event"] == "order.updated"
        mine = served.database.sql(f"select id from public.orders where user_id = '{OWNER}'")
        assert heard["payload"]["id"] == mine
        await owner.settle()
        assert owner.broadcasts == []


async def test_the_first_listener_after_a_silence_misses_nothing(served: RunningStack) -> None:
    """Without a socket the stream pauses and the gateway stays healthy; whoever joins hears all that follows."""
    program = programs.gateway(served.boot)
    served.gateway.stop()
    gateway = Service(replace(program, environment={**program.environment, "EMPIRE_SERVICE_IDLE_S": "1"}))
    gateway.start()
    try:
        slots = "select count(*) from pg_replication_slots where database = current_database()"
        for _ in range(3):
            wait_until(lambda: served.database.sql(slots) == "0")
            async with httpx.AsyncClient(base_url=served.api_url) as http:
                assert (await http.get("/health")).status_code == 200
            async with client(served) as owner:
                joined = await owner.join(f"orders:{OWNER}", token(served, OWNER_WITHOUT_FACTOR))
                assert joined["status"] == "ok", joined
                touch_order(served, OWNER)
                assert (await owner.hear())["event"] == "order.updated"
    finally:
        gateway.stop()
        served.gateway.start()


async def test_a_transaction_that_stays_open_holds_up_joins_only(served: RunningStack) -> None:
    """The stream begins when whoever writes at that moment has ended. Until then the gateway starts, is healthy and takes
    alerts: it must not be restarted for what it would wait for again. Who joins waits, and hears all that follows."""
    writer = await served.database.connect("supabase_admin")
    await writer.execute("begin; select pg_current_xact_id()")
    served.gateway.stop()
    served.gateway.start()
    async with httpx.AsyncClient(base_url=served.api_url) as http, client(served) as owner:
        joining = asyncio.create_task(owner.join(f"orders:{OWNER}", token(served, OWNER_WITHOUT_FACTOR)))
        assert (await http.get("/health")).status_code == 200
        assert (await http.post("/functions/v1/webhook/paper/x")).status_code == 401
        assert not joining.done()
        await writer.close()
        joined = await joining
        assert joined["status"] == "ok", joined
        touch_order(served, OWNER)
        assert (await owner.hear())["event"] == "order.updated"


@pytest.mark.parametrize(
    ("actor", "topic"),
    [
        (STRANGER, f"orders:{OWNER}"),
        (STRANGER, f"events:{OWNER}"),
        (ADMIN_AT_AAL2, f"orders:{OWNER}"),
        (OWNER_AT_AAL1, f"orders:{GUARDED}"),
        (ANON, f"orders:{OWNER}"),
        (OWNER_WITHOUT_FACTOR, "orders:*"),
        (OWNER_WITHOUT_FACTOR, f"ORDERS:{OWNER}"),
        (OWNER_WITHOUT_FACTOR, f"work:{OWNER}"),
    ],
    ids=str,
)
async def test_joins_that_are_refused(served: RunningStack, actor: Actor, topic: str) -> None:
    """Others' topics, one's own below the enrolled factor, other spellings: unauthorised."""
    async with client(served) as intruder:
        joined = await intruder.join(topic, token(served, actor) if actor.user else None)
        assert joined["status"] == "error"
        assert "Unauthorized" in joined["response"]["reason"]


async def test_a_factor_used_opens_the_topic(served: RunningStack) -> None:
    """The same user at aal2 may join."""
    async with client(served) as owner:
        assert (await owner.join(f"orders:{GUARDED}", token(served, OWNER_AT_AAL2)))["status"] == "ok"


async def test_visitors_hear_the_brokers_health(served: RunningStack) -> None:
    """Without a login health:system is open, and a change of state arrives."""
    async with client(served) as visitor:
        assert (await visitor.join("health:system", None))["status"] == "ok"
        served.database.sql("update public.health set status = 'operational' where broker = 'paper'")
        assert (await visitor.hear())["payload"]["broker"] == "paper"


async def test_clients_cannot_speak(served: RunningStack) -> None:
    """A broadcast by the owner himself, by socket and by HTTP, reaches nobody on his topic."""
    topic, key = f"orders:{OWNER}", token(served, OWNER_WITHOUT_FACTOR)
    async with client(served) as listener, client(served) as speaker:
        for each in (listener, speaker):
            assert (await each.join(topic, key))["status"] == "ok"
        forged = {"type": "broadcast", "event": "order.updated", "payload": {"id": "forged"}}
        await speaker.push(f"realtime:{topic}", "broadcast", forged)
        await speaker.settle()
        async with httpx.AsyncClient(base_url=served.api_url) as http:
            message = {"topic": topic, "event": "order.updated", "payload": {"id": "forged"}, "private": True}
            headers = {"apikey": served.publishable_key, "authorization": f"Bearer {key}"}
            await http.post("/realtime/v1/api/broadcast", headers=headers, json={"messages": [message]})
        touch_order(served, OWNER)
        assert (await listener.hear())["payload"]["id"] != "forged"
        await listener.settle()
        assert listener.broadcasts == []


async def test_a_public_join_hears_nothing(served: RunningStack) -> None:
    """Who joins the topic of somebody as a public channel gets none of the database's messages."""
    topic = f"orders:{OWNER}"
    async with client(served) as owner, client(served) as intruder:
        assert (await owner.join(topic, token(served, OWNER_WITHOUT_FACTOR)))["status"] == "ok"
        await intruder.join(topic, token(served, STRANGER), private=False)
        touch_order(served, OWNER)
        await owner.hear()
        await intruder.settle()
        assert intruder.broadcasts == []


async def test_an_expired_token_opens_nothing(served: RunningStack) -> None:
    """A token that ended a minute ago joins no private topic, not even the user's own."""
    async with client(served) as late:
        joined = await late.join(f"orders:{OWNER}", token(served, OWNER_WITHOUT_FACTOR, -60))
        assert joined["status"] == "error"


async def test_a_forged_token_opens_nothing(served: RunningStack) -> None:
    """A token with another signature joins nothing."""
    good = token(served, OWNER_WITHOUT_FACTOR)
    forged = good[:-6] + ("AAAAAA" if not good.endswith("AAAAAA") else "BBBBBB")
    async with client(served) as intruder:
        assert (await intruder.join(f"orders:{OWNER}", forged))["status"] == "error"
