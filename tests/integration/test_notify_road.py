"""From the trader's hands to his target: sealed in the SDK, confirmed by a code, told by a relay process."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from local.console import logs, notify, session
from local.keys.files import KeyFiles
from tests.support.clusters import PATIENCE_S, Database
from tests.support.connections import customer, key_folder, publish
from tests.support.notices import SECRET, server
from tests.support.processes import run
from tests.support.stacks import RunningStack
from tests.support.trading import new_trader, until, worker


@pytest.fixture
async def files(stack: RunningStack) -> AsyncIterator[KeyFiles]:
    """The fleet's keys, served."""
    with key_folder() as made:
        await publish(stack.database, made)
        yield made


async def test_a_target_from_its_code_to_an_alarm(stack: RunningStack, files: KeyFiles) -> None:
    """Added with a second factor only; silent until its code is typed; then it gets what its class says, signed.

    The same lines stand in the log; a test is shown as sent when it has arrived; the code stands nowhere to be read.
    """
    env = {
        "EMPIRE_RELAY_DATABASE_URL": stack.url("empire_relay"),
        "EMPIRE_FLEET_KEYS_FILE": str(files.fleet),
        "EMPIRE_ENV": "development",
        "EMPIRE_NOTIFY_ALLOW_CIDRS": '["127.0.0.0/8"]',
    }
    async with server() as hook, customer(stack, files) as trader:
        address = {"url": hook.url, "secret": SECRET}
        adding = (trader.client, trader.login.root, "webhook", "desk", address, ["security", "denied"])
        with pytest.raises(Exception, match="second factor"):
            await notify.seal_and_add(*adding)
        await trader.enroll()
        with run(sys.executable, "-m", "workers.cli", "worker", "relay", env=env) as relay:
            target = await notify.seal_and_add(*adding)
            await until(lambda: _arrived(hook.received, 1))
            code = re.search(
                r"Test: (\d{6}) is the code for the target desk", hook.received[0].json["message"]
            )
            assert code is not None
            wrong = f"{(int(code[1]) + 1) % 1_000_000:06}"
            assert await trader.call("verify_notification_target", p_target_id=target, p_code=wrong) is False
            assert await trader.call("verify_notification_target", p_target_id=target, p_code=code[1]) is True
            changed = {"classes": ["security"], "quiet": None}
            await trader.call("update_notification_target", p_target_id=target, p_settings=changed)
            # That it was added may be told after it was verified, and then arrives first.
            await until(
                lambda: _says(hook.received, "Settings changed: What is sent to desk (webhook) was changed.")
            )
            shown = [logs.line(row) for row in await logs.newest(trader.client, None, 10)]
            assert any("warning What is sent to desk (webhook) was changed." in each for each in shown)
            message = await trader.call("test_notification_target", p_target_id=target)
            assert (await notify.wait_sent(trader.client, int(message), PATIENCE_S))["status"] == "sent"
            seen = await session.rows(trader.client.table("notifications").select("message"))
            assert not any(code[1] in row["message"] for row in seen)
            await trader.call("remove_notification_target", p_target_id=target)
            assert await session.rows(trader.client.table("notification_targets").select("id")) == []
            assert SECRET not in relay.output
            assert relay.stop() == 0


async def test_the_log_says_what_became_of_every_alert(database: Database) -> None:
    """A fill with its price, a denial with its numbers, each under the id of its alert; the outbox is empty then."""
    admin = await database.connect("supabase_admin")
    trader = await new_trader(database, admin)
    buy = {
        "action": "open",
        "side": "buy",
        "symbol": "EURUSD",
        "qty": 0.1,
        "qty_mode": "lots",
        "ref_price": 1.085,
    }
    with worker(
        database, "execution", "maintenance", "relay", relay_database_url=database.url("empire_relay")
    ):
        filled = await trader.alert(**buy)
        await trader.delivery(filled)
        await admin.execute(
            "insert into public.risk_settings (user_id, max_trades_per_day) values ($1, 1)", trader.user
        )
        denied = await trader.alert(**buy)
        await trader.delivery(denied)

        async def told() -> bool:
            return len(await trader.rows("logs")) == 2 and not await admin.fetchval(
                "select count(*) from engine.outbox"
            )

        await until(told)
    first, second = await trader.rows("logs")
    assert (first["correlation_id"], first["type"], second["correlation_id"]) == (
        filled,
        "delivery_executed",
        denied,
    )
    assert re.fullmatch(r"Bought 0\.10* EURUSD at 1\.08500* on P\w+\.", first["message"]), first["message"]
    assert "was not sent. " in second["message"]
    assert "(1 of 1)" in second["message"] or " 1 " in second["message"], second["message"]
    await admin.close()


async def _says(received: list[Any], message: str) -> bool:
    return any(each.json["message"] == message for each in received)


async def _arrived(received: list[object], wanted: int) -> bool:
    await asyncio.sleep(0)
    return len(received) >= wanted
