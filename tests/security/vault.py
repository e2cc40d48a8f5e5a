"""A worker's way to a sealed credential, in one process with the test, and a decoy where the broker should be."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from local.keys.files import KeyFiles
from shared.brokers.registry import Registry, with_logins
from shared.brokers.venues import Venues
from shared.crypto import spelling
from shared.crypto.fleet_keys import Keyring
from shared.crypto.sealing import Binding, Credential, seal_credential
from shared.store.postgres import PostgresStore
from tests.security.people import Actor, acting
from tests.support.clusters import Database
from workers.connections.verify import Office, verify_due
from workers.credentials import Credentials, KeyFile
from workers.leases import Leases
from workers.sessions import SealedSessions

SECRET = "planted-secret-4711"
WORKER = "worker of the test"


@dataclass
class Decoy:
    """A host that only counts what it is sent."""

    port: int = 0
    received: bytes = b""

    @property
    def url(self) -> str:
        """Its address, as a simulated broker's."""
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take everything, then say no as TradeLocker does."""
        while True:
            data = await reader.read(65536)
            if not data:
                break
            self.received += data
            body = b'{"message": "Invalid credentials"}'
            writer.write(
                b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nConnection: close\r\n"
                + b"Content-Length: %d\r\n\r\n" % len(body)
                + body
            )
            await writer.drain()
            writer.close()


@asynccontextmanager
async def decoy() -> AsyncIterator[Decoy]:
    """Listening on a port of its own."""
    made = Decoy()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    async with server:
        yield made


@dataclass
class Vault:
    """The database, the fleet's keys, and a worker that would log in at the decoy."""

    database: Database
    files: KeyFiles
    decoy: Decoy
    store: PostgresStore
    leases: Leases = field(default_factory=lambda: Leases(60_000, 1000))

    def __post_init__(self) -> None:
        self.keys = KeyFile(self.files.fleet)
        self.start_worker()

    def start_worker(self, production: bool = False) -> None:
        """A worker process that remembers nothing."""
        configured = {"tradelocker": {"simulated": self.decoy.url, "demo": self.decoy.url}}
        venues = Venues({}, configured, production=production)
        self.credentials = Credentials(self.store, WORKER, self.leases, venues, self.keys)
        self.open_connections_anew()

    def open_connections_anew(self) -> None:
        """The same worker, whose open connections made room for others meanwhile."""
        sessions = SealedSessions(self.store, WORKER, self.keys)
        self.brokers = Registry(self.store, None, with_logins(self.credentials.open_login, sessions))
        self.office = Office(self.store, self.brokers, self.leases, WORKER)

    def sealed(self, binding: Binding, secret: str = SECRET) -> str:
        """A credential sealed to the fleet's current key."""
        ring = Keyring.load(self.files.fleet)
        credential = Credential(binding.login, secret, binding.server)
        public = ring.key(ring.current).public_key()
        return spelling.encode(seal_credential(credential, binding, public))

    def binding(self, actor: Actor, connection: str, version: int = 1, **other: Any) -> Binding:
        """The row that `connect` makes."""
        assert actor.user is not None
        row = {
            "user_id": actor.user,
            "connection_id": connection,
            "broker": "tradelocker",
            "environment": "simulated",
            "base_url": None,
            "server": "SIM",
            "login": "trader@example.com",
            "version": version,
            "key_id": Keyring.load(self.files.fleet).current,
        }
        return Binding(**{**row, **other})

    async def connect(self, actor: Actor, secret: str = SECRET, login: str = "trader@example.com") -> str:
        """A new connection of `actor`, through the verb."""
        connection = str(uuid.uuid4())
        binding = self.binding(actor, connection, login=login)
        async with acting(self.database, actor, keep=True) as opened:
            await opened.execute(
                "select public.connect_broker($1, 'tradelocker', 'simulated', $2, $3, $4, 'SIM')",
                *(connection, login, binding.key_id, self.sealed(binding, secret)),
            )
        return connection

    async def reseal(self, actor: Actor, connection: str, version: int, secret: str = SECRET) -> None:
        """The next version, through the verb."""
        binding = self.binding(actor, connection, version)
        async with acting(self.database, actor, keep=True) as opened:
            await opened.execute(
                "select public.reseal_connection($1, $2, $3, $4)",
                *(connection, version, binding.key_id, self.sealed(binding, secret)),
            )

    def tamper(self, statements: str) -> None:
        """As somebody who owns the database: triggers are off."""
        self.database.sql(
            f"alter table public.credential_seals disable trigger guard_seal; {statements};"
            "alter table public.credential_seals enable always trigger guard_seal"
        )

    async def check(self, connection: str) -> tuple[str, str]:
        """Let the worker check everything that is due; status and last_error of the connection."""
        await verify_due(self.office)
        row = f"select status, last_error from public.broker_connections where id = '{connection}'"
        status, error = self.database.sql(row).split("|", 1)
        return status, error

    async def close(self) -> None:
        """End the worker."""
        await self.brokers.close()
        await self.store.close()
