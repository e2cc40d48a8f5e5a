"""Messages to real local servers in each service's wire format: what arrives, what is tried again, what is given up."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from local.keys.files import KeyFiles
from shared import clock
from shared.crypto.signature import SIGNATURE_HEADER, verify
from shared.store.relay import RelayStore
from tests.support.clusters import Database
from tests.support.connections import key_folder
from tests.support.notices import (
    ADDRESSES,
    CHAT,
    DISCORD_BUSY,
    DISCORD_GONE,
    DISCORD_OK,
    DISCORD_PATH,
    SECRET,
    SLACK_GONE,
    SLACK_OK,
    SLACK_PATH,
    TELEGRAM_BLOCKED,
    TELEGRAM_BUSY,
    TELEGRAM_OK,
    TOKEN,
    add_target,
    mailbox,
    relay_settings,
    server,
)
from tests.support.trading import until
from workers.relay import room
from workers.relay.guard import Guard
from workers.relay.sending import Post

TEXT = "Close EURUSD on Demo was NOT carried out. <@everyone> & co"


@dataclass
class Office:
    """A user with targets, and the relay's post office."""

    database: Database
    admin: asyncpg.Connection
    files: KeyFiles
    store: RelayStore
    user: str

    def post(self, guard: Guard | None = None, **settings: Any) -> Post:
        """A relay's sending half with these settings."""
        made = relay_settings(self.database, self.files, **settings)
        return room.post(self.store, made, "r1", guard)

    async def target(self, kind: str, address: dict[str, str] | None = None) -> str:
        """A confirmed target of the user's."""
        return await add_target(self.admin, self.files, self.user, kind, address or ADDRESSES[kind])

    async def message(
        self, target: str, text: str = TEXT, about: str = "exit_failed", times: int = 1
    ) -> None:
        """Messages that wait for a target."""
        for _ in range(times):
            await self.admin.execute(
                "insert into public.notifications"
                " (user_id, target_id, kind, target_name, event_class, event_key, event_id, message)"
                " select user_id, id, kind, name, $2::text::public.notification_class, $3, 12, $4"
                " from public.notification_targets where id = $1::text::uuid",
                *(target, about, uuid.uuid4().hex, text),
            )

    async def states(self) -> list[tuple[str, int, str | None]]:
        """Status, attempts and last error of every message."""
        rows = await self.admin.fetch(
            "select status, attempts, last_error from public.notifications order by id"
        )
        return [(row["status"], row["attempts"], row["last_error"]) for row in rows]

    async def rests(self, post: Post, seconds: float | None = None) -> None:
        """A turn, after which the target rests, for so long; then the rest is over."""
        began = await self.admin.fetchval("select clock_timestamp()")
        await post.turn()
        until = await self.admin.fetchval("select rest_until from engine.notification_doors")
        ended = await self.admin.fetchval("select clock_timestamp()")
        rest = timedelta(seconds=seconds or 0)
        assert began + rest <= until, until - began
        assert seconds is None or until <= ended + rest, until - ended
        await self.admin.execute("update engine.notification_doors set rest_until = null")


@pytest.fixture
async def office(database: Database) -> AsyncIterator[Office]:
    """One user, no target yet."""
    admin = await database.connect("supabase_admin")
    user = str(uuid.uuid4())
    await admin.execute("insert into auth.users (id, email) values ($1, 'x@example.com')", user)
    store = RelayStore(database.url("empire_relay"))
    with key_folder() as files:
        yield Office(database, admin, files, store, user)
    await store.close()
    await admin.close()


async def test_telegram(office: Office) -> None:
    """sendMessage of the bot, plain text; after 429 it rests for the named time; a bot that was blocked is given up."""
    async with server(TELEGRAM_OK) as telegram:
        telegram.script = [TELEGRAM_BUSY]
        post = office.post(notify_services={"telegram": telegram.url})
        await office.message(await office.target("telegram"))
        await office.rests(post, 1)
        assert await office.states() == [
            ("waiting", 1, "Telegram answered 429: Too Many Requests: retry after 1.")
        ]
        assert await post.turn()
        assert [state[:2] for state in await office.states()] == [("sent", 2)]
        request = telegram.received[-1]
        assert request.path == f"/bot{TOKEN}/sendMessage"
        assert request.headers["Content-Type"] == "application/json"
        assert request.json == {
            "chat_id": CHAT,
            "text": f"EXIT NOT EXECUTED: {TEXT} (alert 12)",
            "link_preview_options": {"is_disabled": True},
            "disable_notification": False,
        }
        telegram.script = [TELEGRAM_BLOCKED]
        await office.admin.execute("update public.notifications set status = 'waiting'")
        await post.turn()
    assert [state[0] for state in await office.states()] == ["dead"]
    line = await office.admin.fetchval("select message from public.logs where type = 'notification_dead'")
    assert "could not be delivered to my telegram (telegram)" in line
    assert "bot was blocked by the user" in line


async def test_discord(office: Office) -> None:
    """The channel's webhook, pinging nobody; retry_after of the body counts; an unknown webhook is given up."""
    async with server(DISCORD_OK) as discord:
        discord.script = [DISCORD_BUSY, (502, "bad gateway", {})]
        post = office.post(notify_services={"discord": discord.url})
        await office.message(await office.target("discord"))
        await office.rests(post, 0.3)
        await office.rests(post)
        assert (await office.states())[0] == ("waiting", 2, "Discord answered 502.")
        await post.turn()
        assert (await office.states())[0][0] == "sent"
        request = discord.received[-1]
        assert request.path == f"{DISCORD_PATH}?wait=true"
        assert request.json == {
            "content": f"EXIT NOT EXECUTED: {TEXT} (alert 12)",
            "allowed_mentions": {"parse": []},
        }
        discord.script = [DISCORD_GONE]
        await office.admin.execute("update public.notifications set status = 'waiting'")
        await post.turn()
    assert (await office.states())[0][::2] == ("dead", "Discord answered 404: Unknown Webhook.")


async def test_slack(office: Office) -> None:
    """The incoming webhook, without markup; Retry-After counts; a removed hook is given up."""
    async with server(SLACK_OK) as slack:
        slack.script = [(429, "rate_limited", {"retry-after": "30"})]
        post = office.post(notify_services={"slack": slack.url})
        await office.message(await office.target("slack"))
        await office.rests(post, 30)
        await post.turn()
        request = slack.received[-1]
        assert request.path == SLACK_PATH
        assert request.json == {
            "text": "EXIT NOT EXECUTED: Close EURUSD on Demo was NOT carried out. &lt;@everyone&gt; &amp; co (alert 12)",
            "mrkdwn": False,
            "unfurl_links": False,
        }
        slack.script = [SLACK_GONE]
        await office.admin.execute("update public.notifications set status = 'waiting'")
        await post.turn()
    assert (await office.states())[0][::2] == ("dead", "Slack answered 404: no_service.")


async def test_mail(office: Office) -> None:
    """A plain mail with one line as subject; 4xx is tried again, 5xx is final."""
    async with mailbox() as (box, port):
        box.refusals = ["451 try later"]
        post = office.post(
            smtp_host="127.0.0.1", smtp_port=port, smtp_security="none", mail_from="hub@example.com"
        )
        target = await office.target("email")
        await office.message(target)
        await office.rests(post)
        assert (await office.states())[0] == ("waiting", 1, "The mail server answered 451.")
        await post.turn()
        (mail,) = box.mails
        assert (mail["to"], mail["from"]) == ("trader@example.com", "hub@example.com")
        assert mail["subject"] == "Empire: EXIT NOT EXECUTED"
        assert mail.get_content().strip() == f"EXIT NOT EXECUTED: {TEXT} (alert 12)"
        box.refusals = ["550 no such user"]
        await office.message(target)
        await post.turn()
    assert (await office.states())[1] == ("dead", 1, "The mail server answered 550.")


async def test_signed_webhook(office: Office) -> None:
    """The body says what happened, and the signature is over its bytes, made just now with the target's secret."""
    async with server() as hook:
        await office.message(await office.target("webhook", {"url": f"{hook.url}/in?x=1", "secret": SECRET}))
        await office.post().turn()
    (request,) = hook.received
    now = int(clock.now().timestamp())
    assert verify(request.headers[SIGNATURE_HEADER], SECRET, request.body, now)
    assert not verify(request.headers[SIGNATURE_HEADER], SECRET, request.body + b" ", now)
    assert request.path == "/in?x=1"
    body = request.json
    assert {**body, "id": "", "at": ""} == {
        "version": "notification.v1",
        "id": "",
        "class": "exit_failed",
        "urgent": True,
        "event_id": "12",
        "message": f"EXIT NOT EXECUTED: {TEXT} (alert 12)",
        "at": "",
    }


async def test_a_webhook_that_fails_is_tried_again_and_given_up(office: Office) -> None:
    """5xx, 404 and no answer within the time are tried again, longer and longer; 410 and the tenth failure end it."""
    async with server((500, "oops", {})) as hook:
        hook.script = [(404, "", {}), None]
        target = await office.target("webhook", {"url": hook.url, "secret": SECRET})
        post = office.post(notify_first_retry_ms=1000)
        hasty = office.post(notify_timeout_ms=1000, notify_first_retry_ms=1000)
        await office.message(target)
        for failures in range(10):
            # Only where nobody ever answers the time is short: an answer may take a while, on a busy machine.
            await office.rests(hasty if failures == 1 else post, 2**failures)
        told = await office.admin.fetch("select message from public.logs where type = 'notification_dead'")
        assert (await office.states())[0] == ("dead", 10, "It answered 500.")
        assert len(hook.received) == 10
        assert "1 message could not be delivered to my webhook (webhook)" in told[0]["message"]
        hook.script = [(410, "", {})]
        await office.message(target)
        await post.turn()
    assert (await office.states())[1][:2] == ("dead", 1)


async def test_a_redirect_is_not_followed(office: Office) -> None:
    """A public server that points to this machine's inside: nothing reaches the inside, and nothing is tried again."""
    async with server() as inside, server() as outside:
        for status in (301, 302, 307, 308):
            outside.script.append((status, "", {"location": f"{inside.url}/admin"}))
            target = await office.target("webhook", {"url": outside.url, "secret": SECRET})
            await office.message(target)
        await office.post().turn()
        assert len(outside.received) == 4
        assert inside.received == []
    states = await office.states()
    assert {state[0] for state in states} == {"dead"}
    errors = sorted(str(state[2])[:40] for state in states)
    assert errors == [f"It answered {status}, a redirect, which is no" for status in (301, 302, 307, 308)]


INSIDE = (
    "http://127.0.0.1:{port}",
    "https://127.0.0.1",
    "https://[::1]",
    "https://[::ffff:127.0.0.1]",
    "https://[64:ff9b::7f00:1]",
    "https://10.1.2.3",
    "https://169.254.169.254/latest/meta-data",
    "https://100.64.0.1",
    "https://[fd00::1]",
    "https://0.0.0.0",
    "https://224.0.0.1",
    "https://user:pass@example.com",
    "https://example.com:22",
    "https://inside.example.com",
    "https://both.example.com",
    "https://2130706433",
)


async def test_only_public_addresses_are_reached(office: Office) -> None:
    """Whatever way a private address is written or resolved: it is refused before a byte is sent."""

    async def resolve(host: str, _port: int) -> list[str]:
        return {
            "inside.example.com": ["127.0.0.1"],
            "both.example.com": ["93.184.216.34", "127.0.0.1"],
            "2130706433": ["127.0.0.1"],
        }[host]

    async with server() as inside:
        port = inside.url.rpartition(":")[2]
        for url in INSIDE:
            target = await office.target("webhook", {"url": url.format(port=port), "secret": SECRET})
            await office.message(target)
        while await office.post(Guard(resolve=resolve), notify_allow_cidrs=()).turn():
            pass
        assert inside.received == []
    states = await office.states()
    assert len(states) == len(INSIDE)
    assert [state for state in states if state[0] != "dead"] == []


async def test_a_name_that_turns_to_the_inside_is_refused(office: Office) -> None:
    """DNS rebinding: each connection asks once and goes only to what it has checked, whatever comes later."""
    async with server() as inside:
        port = int(inside.url.rpartition(":")[2])
        answers = [["127.0.0.1"], ["127.0.0.2"]]
        asked: list[str] = []

        async def resolve(host: str, _port: int) -> list[str]:
            asked.append(host)
            return answers.pop(0)

        allowed = relay_settings(office.database, office.files, notify_allow_cidrs=("127.0.0.1/32",))
        post = office.post(Guard(allowed.notify_allow_cidrs, resolve))
        url = f"http://rebound.example.com:{port}"
        target = await office.target("webhook", {"url": url, "secret": SECRET})
        await office.message(target)
        await post.turn()
        assert ([state[0] for state in await office.states()], len(inside.received)) == (["sent"], 1)
        assert asked == ["rebound.example.com"]
        await office.message(target)
        await post.turn()
        assert len(inside.received) == 1
    assert (await office.states())[1][0] == "dead"
    assert asked == ["rebound.example.com"] * 2


async def test_many_become_a_digest_and_urgent_ones_stay_alone(office: Office) -> None:
    """Twelve fills at once are one message; an exit that failed goes by itself, first; no more than 20 a minute."""
    async with server() as hook:
        target = await office.target("webhook", {"url": hook.url, "secret": SECRET})
        post = office.post()
        await office.message(target, "Bought 1 EURUSD at 1.1 on Demo.", "executed", times=12)
        await office.message(target)
        await post.turn()
        first, digest = [request.json for request in hook.received]
        assert first["class"] == "exit_failed"
        assert digest["message"].splitlines()[0] == "12 more orders executed."
        assert digest["message"].splitlines()[1] == "- Bought 1 EURUSD at 1.1 on Demo."
        assert digest["message"].splitlines()[-1] == "... and 4 before these."
        assert {state[0] for state in await office.states()} == {"sent"}
        for _ in range(30):
            await office.message(target, "Bought 1.", "executed")
            await post.turn()
        assert len(hook.received) == 20
        await office.message(target)
        await post.turn()
        assert len(hook.received) == 21
        await office.admin.execute("update public.notifications set sent_at = sent_at - interval '1 minute'")
        await post.turn()
    assert hook.received[-1].json["message"].startswith("12 more orders executed.")
    assert {state[0] for state in await office.states()} == {"sent"}


async def test_a_target_that_hangs_holds_up_nobody_else(office: Office) -> None:
    """Another target's message arrives while one server never answers."""
    async with server() as good, server() as bad:
        bad.script = [None]
        for hook in (bad, good):
            await office.message(await office.target("webhook", {"url": hook.url, "secret": SECRET}))

        async def arrived() -> bool:
            states = sorted(state[0] for state in await office.states())
            return (states, len(bad.received)) == (["sent", "waiting"], 1)

        turning = asyncio.create_task(office.post(notify_timeout_ms=90_000, notify_lease_ms=300_000).turn())
        await until(arrived)
        assert not turning.done(), "it waits for the one that hangs"
        turning.cancel()
        await asyncio.wait([turning])


async def test_a_message_is_sent_by_one_relay(office: Office) -> None:
    """Two relays at once, each message arrives once; a late one records nothing."""
    async with server() as hook:
        target = await office.target("webhook", {"url": hook.url, "secret": SECRET})
        await office.message(target)
        held = await office.store.claim_notifications(
            worker="r1", limit=9, batch=9, lease_ms=60_000, per_minute=20
        )
        assert [each.target_id for each in held] == [target]
        assert not await office.post().turn()
        await office.admin.execute("update engine.notification_doors set lease_until = now()")
        assert await office.post().turn()
        assert len(hook.received) == 1
    late = await office.store.record_notifications(
        target=target, token=held[0].token, results=[], release=True, most=10
    )
    assert late is False


async def test_an_address_opens_for_its_own_target_only(office: Office) -> None:
    """The sealed address of another user's target, put into this row: nothing is sent to it."""
    async with server() as hook:
        stranger = str(uuid.uuid4())
        await office.admin.execute(
            "insert into auth.users (id, email) values ($1, 'y@example.com')", stranger
        )
        theirs = await add_target(
            office.admin, office.files, stranger, "webhook", {"url": hook.url, "secret": SECRET}
        )
        mine = await office.target("webhook", {"url": hook.url, "secret": SECRET})
        await office.admin.execute(
            "update engine.notification_doors d set sealed = o.sealed from engine.notification_doors o"
            " where d.target_id::text = $1 and o.target_id::text = $2",
            *(mine, theirs),
        )
        await office.message(mine)
        await office.post().turn()
        assert hook.received == []
    assert (await office.states())[0][0] == "dead"


async def test_secrets_stand_nowhere(office: Office, capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever fails, no token, hook or secret is in the database's readable tables or in what the relay prints."""
    addresses = {**ADDRESSES, "webhook": {"url": f"https://example.com/{SECRET}", "secret": SECRET}}
    for kind in ("telegram", "discord", "slack", "webhook"):
        await office.message(await office.target(kind, addresses[kind]))

    async def nowhere(_host: str, _port: int) -> list[str]:
        raise OSError("no such name")

    closed = "http://127.0.0.1:9"
    services = {"telegram": closed, "discord": closed, "slack": closed}
    await office.post(Guard(resolve=nowhere), notify_services=services).turn()
    states = await office.states()
    assert {state[0] for state in states} == {"waiting"}
    dump = json.dumps(
        [
            await office.admin.fetchval(f"select coalesce(jsonb_agg(t), '[]')::text from {table} t")
            for table in ("public.notifications", "public.notification_targets", "public.logs")
        ]
    )
    printed = capfd.readouterr()
    assert "planted" not in dump + printed.out + printed.err
