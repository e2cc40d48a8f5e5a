"""A user who connects broker logins through the SDK, the fleet's keys, and workers that hold them."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyotp

from local.console import connecting, session
from local.console.connecting import Place
from local.console.session import Login
from local.keys import fleet
from local.keys.files import KeyFiles
from shared.crypto.sealing import Credential
from supabase import AsyncClient
from tests.support.clusters import Database
from tests.support.processes import Running
from tests.support.stacks import RunningStack
from tests.support.trading import worker

PASSWORD = "correct horse battery"
USER = "trader@example.com"
SIM = Place("tradelocker", "simulated", "SIM")


@contextmanager
def key_folder() -> Iterator[KeyFiles]:
    """A root and a fleet key of the test's own."""
    with tempfile.TemporaryDirectory(prefix="empire-keys-") as folder:
        files = KeyFiles(Path(folder) / "root.key", Path(folder) / "root.pub", Path(folder) / "fleet.json")
        fleet.ensure(files)
        yield files


async def publish(database: Database, files: KeyFiles) -> None:
    """Serve the fleet's key."""
    opened = await database.connect("postgres")
    try:
        await fleet.publish_if_new(opened, files)
    finally:
        await opened.close()


def fleet_worker(
    database: Database,
    files: KeyFiles,
    urls: dict[str, str],
    *kinds: str,
    live: bool = False,
    **settings: object,
) -> AbstractContextManager[Running]:
    """A worker (of these kinds) that holds the fleet's keys and reaches simulated (or `live`) brokers: `urls` by broker."""
    environment = "live" if live else "simulated"
    addresses = json.dumps({broker: {environment: url} for broker, url in urls.items()})
    given = {"fleet_keys_file": files.fleet, "env": "development", "venues": addresses, **settings}
    return worker(database, *kinds, **given)


@dataclass(frozen=True)
class Customer:
    """A signed-in user with the SDK in hand."""

    client: AsyncClient
    login: Login
    user_id: str

    async def connect(self, place: Place = SIM, secret: str = PASSWORD, user: str = USER) -> str:
        """Seal and hand in; the connection's id."""
        credential = Credential(user, secret, place.server)
        return await connecting.connect(self.client, self.login.root, place, credential)

    async def checked(self, connection: str, timeout_s: float = 60) -> dict[str, Any]:
        """The connection once a worker has checked it."""
        row = await connecting.wait_checked(self.client, connection, timeout_s)
        assert row["status"] != "new", row
        return row

    async def accounts(self, connection: str) -> list[dict[str, Any]]:
        """The accounts that were found."""
        return await connecting.accounts(self.client, connection)

    async def call(self, verb: str, **arguments: Any) -> Any:
        """One of the public verbs."""
        return await session.call(self.client, verb, **arguments)

    async def enroll(self) -> pyotp.TOTP:
        """Set up an authenticator app; this session has used it then."""
        factor = await self.client.auth.mfa.enroll({"factor_type": "totp", "friendly_name": "phone"})
        assert factor.totp is not None
        app = pyotp.TOTP(factor.totp.secret)
        await self.client.auth.mfa.challenge_and_verify({"factor_id": factor.id, "code": app.now()})
        return app

    async def until(self, connection: str, **equal: Any) -> dict[str, Any]:
        """The connection's row once its columns start with these texts."""
        for _ in range(3000):
            (row,) = await session.rows(
                self.client.table("broker_connections").select("*").eq("id", connection)
            )
            if all(str(row[name]).startswith(str(value)) for name, value in equal.items()):
                return row
            await asyncio.sleep(0.02)
        raise TimeoutError(f"not so: {equal} in {row}")


@asynccontextmanager
async def customer(stack: RunningStack, files: KeyFiles) -> AsyncIterator[Customer]:
    """A new user of the stack, signed in through the SDK, who was given the root's public key."""
    made = stack.create_user()
    login = Login(stack.api_url, stack.publishable_key, made.email, made.password, root=files.root_text())
    client = await session.sign_in(login)
    yield Customer(client, login, made.id)
    await client.auth.sign_out()
