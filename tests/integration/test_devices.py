"""A trader's own device: it is registered, given credentials that only it can open, and seen; or nothing is sent."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from postgrest import APIError

from local.console.connecting import Place
from local.demo.people import endpoint_url
from local.demo.tradingview import alert
from local.keys.files import KeyFiles
from shared.crypto import spelling
from shared.crypto.sealing import Binding, Credential, SealError, open_credential, seal_credential
from tests.support.clusters import wait_until
from tests.support.connections import Customer, customer, fleet_worker, publish
from tests.support.stacks import RunningStack

LOGIN = Credential("trader", "an-api-key-of-projectx")
LIVE = Place("topstepx", "live")


@pytest.fixture
async def trader(stack: RunningStack, files: KeyFiles) -> AsyncIterator[Customer]:
    """A customer whose session has just used his second factor."""
    await publish(stack.database, files)
    async with customer(stack, files) as who:
        await who.enroll()
        yield who


@dataclass
class Device:
    """A machine of the trader's with its key."""

    owner: Customer
    key: X25519PrivateKey = field(default_factory=X25519PrivateKey.generate)
    id: str = ""

    @property
    def public(self) -> str:
        """The public key as it is sent."""
        return spelling.encode(self.key.public_key().public_bytes_raw())

    async def register(self, name: str = "laptop") -> str:
        """Make it known; what names its key in seals."""
        self.id = await self.owner.call("register_device", p_name=name, p_public_key=self.public)
        row = await self.row()
        return str(row["key_id"])

    async def row(self) -> dict[str, Any]:
        """As its owner sees it."""
        answer = await self.owner.client.table("devices").select("*").eq("id", self.id).execute()
        (row,) = answer.data
        return dict(row)

    async def seen(self) -> None:
        """It says that it is there."""
        await self.owner.call("device_seen", p_device_id=self.id)

    def binding(self, connection: str, version: int, key_id: str) -> Binding:
        """What a seal to it is bound to."""
        return Binding(
            self.owner.user_id, connection, "topstepx", "live", None, None, LOGIN.login, version, key_id
        )

    def sealed(self, binding: Binding) -> str:
        """The credential for it, as it is sent."""
        return spelling.encode(seal_credential(LOGIN, binding, self.key.public_key()))


async def connect(device: Device, key_id: str, broker: str = "topstepx", environment: str = "live") -> str:
    """A login that is sealed to the device alone; the connection's id."""
    connection = str(uuid.uuid4())
    await device.owner.call(
        "connect_broker",
        p_connection_id=connection,
        p_broker=broker,
        p_environment=environment,
        p_login=LOGIN.login,
        p_key_id=key_id,
        p_sealed=device.sealed(device.binding(connection, 1, key_id)),
    )
    return connection


async def code(awaitable: Any) -> str:
    """The stable code of the refusal."""
    with pytest.raises(APIError) as caught:
        await awaitable
    return str(caught.value.hint)


def seals(stack: RunningStack, connection: str) -> list[dict[str, Any]]:
    """The seals of a connection as they lie in the database."""
    text = "select coalesce(jsonb_agg(jsonb_build_object('recipient', recipient, 'key_id', key_id, 'version', version,"
    text += " 'sealed', encode(sealed, 'hex')) order by id), '[]') from public.credential_seals"
    found: list[dict[str, Any]] = json.loads(
        stack.database.sql(f"{text} where connection_id = '{connection}'")
    )
    return found


async def test_a_credential_for_the_device_alone(stack: RunningStack, trader: Customer) -> None:
    """What is sealed to a device opens there and nowhere else; no worker of ours is asked to log in with it."""
    device, other = Device(trader), Device(trader)
    key_id = await device.register()
    connection = await connect(device, key_id)
    (row,) = seals(stack, connection)
    assert (row["recipient"], row["key_id"], row["version"]) == (device.id, key_id, 1)
    binding = device.binding(connection, 1, key_id)
    assert open_credential(bytes.fromhex(row["sealed"]), binding, device.key) == LOGIN
    with pytest.raises(SealError):
        open_credential(bytes.fromhex(row["sealed"]), binding, other.key)
    assert stack.database.sql("select count(*) from engine.connection_checks") == "0"
    assert await code(trader.call("check_connection", p_connection_id=connection)) == "nothing_to_check"


async def test_one_version_for_the_fleet_and_for_devices(stack: RunningStack, trader: Customer) -> None:
    """The fleet watches and a device trades: each has a seal of the version in force, once, and of no other."""
    device = Device(trader)
    key_id = await device.register()
    connection = await trader.connect(LIVE, LOGIN.secret, LOGIN.login)

    async def give(version: int, key: str = key_id) -> None:
        text = device.sealed(device.binding(connection, version, key))
        await trader.call(
            "seal_to_device", p_connection_id=connection, p_version=version, p_key_id=key, p_sealed=text
        )

    await give(1)
    await give(1)
    assert [each["recipient"] for each in seals(stack, connection)] == ["fleet", device.id]
    assert await code(give(2)) == "version_conflict"
    assert await code(give(1, "d0123456789abcdef")) == "unknown_key"
    assert await code(give(1, seals(stack, connection)[0]["key_id"])) == "invalid"


async def test_only_logins_that_are_traded_from_a_device(trader: Customer) -> None:
    """A login that our workers trade is not sealed to a device: nobody would trade it."""
    device = Device(trader)
    key_id = await device.register()
    assert await code(connect(device, key_id, "tradelocker")) == "not_on_a_device"
    assert await code(connect(device, "d0123456789abcdef")) == "unknown_key"


async def test_a_device_is_known_by_its_key(trader: Customer) -> None:
    """The same key is the same device, with its new name; one that was revoked never comes back; no key, no device."""
    device = Device(trader)
    await device.register("old name")
    first = device.id
    await device.register("new name")
    assert (device.id, (await device.row())["name"]) == (first, "new name")
    await trader.call("revoke_device", p_device_id=first)
    assert await code(device.register()) == "revoked"
    assert await code(device.seen()) == "revoked"
    for public in ("", "A" * 42, "A" * 44, "!" * 43):
        call = trader.call("register_device", p_name="x", p_public_key=public)
        assert await code(call) == "invalid"


async def test_a_revoked_device_keeps_nothing(stack: RunningStack, trader: Customer) -> None:
    """Its seals are deleted, and it does not count as seen; another device is not touched."""
    lost, kept = Device(trader), Device(trader)
    keys = [await each.register(name) for each, name in ((lost, "lost"), (kept, "kept"))]
    connection = await connect(lost, keys[0])
    text = kept.sealed(kept.binding(connection, 1, keys[1]))
    await trader.call(
        "seal_to_device", p_connection_id=connection, p_version=1, p_key_id=keys[1], p_sealed=text
    )
    await lost.seen()
    await trader.call("revoke_device", p_device_id=lost.id)
    assert [each["recipient"] for each in seals(stack, connection)] == [kept.id]
    assert stack.database.sql(f"select engine.device_seen('{trader.user_id}')") == "f"


async def test_entries_wait_only_for_a_device_that_is_seen(
    stack: RunningStack, trader: Customer, files: KeyFiles
) -> None:
    """Never seen: denied. Seen: the entry is the device's to claim, no worker of ours takes it. Silent for a minute:
    what still waits is denied."""
    device = Device(trader)
    connection = await connect(device, await device.register())
    stack.database.sql(
        "insert into public.broker_accounts (connection_id, user_id, broker, account_id, label, venue_name, margin_mode)"
        f" values ('{connection}', '{trader.user_id}', 'topstepx', '77', 'Express', 'EXPRESS-V2-77', 'netting')"
    )
    (account,) = await trader.accounts(connection)
    await trader.call("enable_account", p_account_id=account["id"])
    endpoint = await trader.call(
        "create_endpoint", p_broker="topstepx", p_name="TX", p_account_ids=[account["id"]]
    )
    url = await endpoint_url(trader.login, trader.client, endpoint)

    async def entry() -> None:
        body = alert(
            broker="topstepx", action="open", side="buy", symbol="MNQ1!", qty_mode="contracts", qty="1"
        )
        async with httpx.AsyncClient() as http:
            assert (await http.post(url, content=body)).status_code == 202

    def ended(count: int) -> bool:
        told = stack.database.sql("select count(*) from public.deliveries where reason = 'executor_offline'")
        return told == str(count)

    with fleet_worker(stack.database, files, {"topstepx": "https://127.0.0.1:1"}, live=True):
        await entry()
        wait_until(lambda: ended(1))
        await device.seen()
        await entry()
        claimed = "select count(*) from engine.claim('a device', 'edge', 'normal', 1, 5000)"
        wait_until(lambda: stack.database.sql(claimed) == "1")
        await entry()
        stack.database.sql("update public.devices set last_seen_at = now() - interval '61 seconds'")
        stack.database.sql("update engine.queue set lease_until = now() where state = 'claimed'")
        wait_until(lambda: ended(3))
