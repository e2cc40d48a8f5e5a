"""Targets of messages as they are in the world: servers that speak each service's wire format, and a mailbox."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import asyncpg
from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session

from local.keys.files import KeyFiles
from shared.crypto.fleet_keys import Keyring
from shared.crypto.targets import TargetBinding, seal_address
from shared.relay_settings import RelaySettings
from tests.support.clusters import Database

TOKEN, CHAT = "123456789:AAE-planted-bot-token-4711", "-1001234567890"
DISCORD_PATH = "/api/webhooks/1234567890/planted-discord-token-4711"
SLACK_PATH = "/services/T00000000/B00000000/XXXXplantedXXXX4711"
SECRET = "whsec-planted-secret-4711"
ADDRESSES = {
    "email": {"address": "trader@example.com"},
    "telegram": {"token": TOKEN, "chat": CHAT},
    "discord": {"url": f"https://discord.com{DISCORD_PATH}"},
    "slack": {"url": f"https://hooks.slack.com{SLACK_PATH}"},
}


@dataclass(frozen=True)
class Received:
    """A request that reached a server."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """Its body."""
        return dict(json.loads(self.body))


Answer = tuple[int, str, dict[str, str]]
"""Status, body and headers."""


@dataclass
class Server:
    """Keeps what it is sent; answers from `script` first, then as `usual`."""

    usual: Answer
    url: str = ""
    received: list[Received] = field(default_factory=list)
    script: list[Answer | None] = field(default_factory=list)
    """None = never answer."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Any request."""
        body = await request.read()
        self.received.append(Received(request.path_qs, dict(request.headers), body))
        answer = self.script.pop(0) if self.script else self.usual
        if answer is None:
            await asyncio.Event().wait()
            raise AssertionError("unreachable")
        status, text, headers = answer
        return web.Response(status=status, text=text, headers={"content-type": "text/plain", **headers})


JSON = {"content-type": "application/json"}
TELEGRAM_OK: Answer = (200, '{"ok":true,"result":{"message_id":7,"date":1764000000,"chat":{"id":1}}}', JSON)
TELEGRAM_BUSY: Answer = (
    429,
    '{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 1","parameters":{"retry_after":1}}',
    JSON,
)
TELEGRAM_BLOCKED: Answer = (
    403,
    '{"ok":false,"error_code":403,"description":"Forbidden: bot was blocked by the user"}',
    JSON,
)
DISCORD_OK: Answer = (200, '{"id":"1","type":0,"content":"x"}', JSON)
DISCORD_BUSY: Answer = (
    429,
    '{"message":"You are being rate limited.","retry_after":0.3,"global":false}',
    {**JSON, "retry-after": "1", "x-ratelimit-scope": "shared"},
)
DISCORD_GONE: Answer = (404, '{"message":"Unknown Webhook","code":10015}', JSON)
SLACK_OK: Answer = (200, "ok", {})
SLACK_GONE: Answer = (404, "no_service", {})


@asynccontextmanager
async def server(usual: Answer = (204, "", {})) -> AsyncIterator[Server]:
    """Listening on a loopback port of its own."""
    made = Server(usual)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield made
    finally:
        await runner.cleanup()


class Mailbox:
    """An SMTP server that keeps what it takes; `refusals` are answered first."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refusals: list[str] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """A whole message."""
        if self.refusals:
            return self.refusals.pop(0)
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"


@asynccontextmanager
async def mailbox() -> AsyncIterator[tuple[Mailbox, int]]:
    """A mail server and its port."""
    box = Mailbox()
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: SMTP(box, enable_SMTPUTF8=True), "127.0.0.1", 0)
    async with listening:
        yield box, int(listening.sockets[0].getsockname()[1])


def relay_settings(database: Database, files: KeyFiles, **more: Any) -> RelaySettings:
    """Settings of a relay on this database that may reach this machine, and soon tries again."""
    given = {
        "relay_database_url": database.url("empire_relay"),
        "fleet_keys_file": files.fleet,
        "env": "development",
        "notify_allow_cidrs": ("127.0.0.0/8",),
        "notify_first_retry_ms": 1,
        **more,
    }
    return RelaySettings(**given)


async def add_target(
    admin: asyncpg.Connection,
    files: KeyFiles,
    user: str,
    kind: str,
    address: dict[str, str],
    classes: str = "{executed,denied,rejected,exit_failed,unknown,breach,offline,credentials,security}",
) -> str:
    """A confirmed target, as the verbs make it; its id."""
    ring = Keyring.load(files.fleet)
    target = str(uuid.uuid4())
    binding = TargetBinding(user, target, kind, ring.current)
    sealed = seal_address(address, binding, ring.key(ring.current).public_key())
    await admin.execute(
        "insert into public.notification_targets (id, user_id, kind, name, classes, verified_at) values"
        f" ($1::text::uuid, $2::text::uuid, '{kind}', 'my {kind}', '{classes}', now())",
        *(target, user),
    )
    await admin.execute(
        "insert into engine.notification_doors (target_id, key_id, sealed) values ($1::text::uuid, $2, $3)",
        *(target, ring.current, sealed),
    )
    return target


Step = Callable[[], Awaitable[object]]


async def drained(turn: Step, most: int = 20) -> None:
    """Turns until one finds nothing to do."""
    for _ in range(most):
        if not await turn():
            return
    raise TimeoutError(f"still busy after {most} turns")
