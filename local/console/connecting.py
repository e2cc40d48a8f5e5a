"""Connecting a broker login through the Supabase SDK: sealed here, kept there, checked by a worker."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from local.console import session
from local.console.events import Row
from shared.crypto import fleet_keys, spelling
from shared.crypto.sealing import Binding, Credential, seal_credential
from supabase import AsyncClient

_CONNECTION = "id,status,last_error,seal_version,verified_at"
_ACCOUNT = "id,account_id,label,currency,margin_mode,balance::text,trading_enabled,executor"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a login belongs: broker, environment (live, demo, simulated) and the broker's server name."""

    broker: str
    environment: str
    server: str | None = None


async def connect(client: AsyncClient, root: str, place: Place, credential: Credential) -> str:
    """Seal and hand in; a login that is known already gets the new credential. Returns the connection's id.

    `root` is the public key that must have signed the fleet's key. Raises FleetKeyError (nothing was sealed),
    SealError and the API's own errors.
    """
    user = await client.auth.get_user()
    if user is None:
        raise session.NotSignedIn("The session ended.")
    key_id, public_key = fleet_keys.newest_valid(
        await served_keys(client), fleet_keys.read_root(root), datetime.now(UTC).date()
    )
    known = await _known(client, place, credential.login)
    binding = Binding(
        user_id=user.user.id,
        connection_id=known["id"] if known else str(uuid.uuid4()),
        broker=place.broker,
        environment=place.environment,
        base_url=None,
        server=place.server,
        login=credential.login,
        version=known["seal_version"] + 1 if known else 1,
        key_id=key_id,
    )
    sealed = {
        "p_connection_id": binding.connection_id,
        "p_key_id": key_id,
        "p_sealed": spelling.encode(seal_credential(credential, binding, public_key)),
    }
    if known:
        await session.call(client, "reseal_connection", **sealed, p_version=binding.version)
    else:
        where = {"p_broker": place.broker, "p_environment": place.environment, "p_server": place.server}
        await session.call(client, "connect_broker", **sealed, **where, p_login=credential.login)
    return binding.connection_id


async def wait_checked(client: AsyncClient, connection_id: str, timeout_s: float) -> Row:
    """The connection once a worker has said connected or failed, or as it is when the time is over."""
    deadline = time.monotonic() + timeout_s
    while True:
        (row,) = await session.rows(
            client.table("broker_connections").select(_CONNECTION).eq("id", connection_id)
        )
        if row["status"] != "new" or time.monotonic() > deadline:
            return row
        await asyncio.sleep(0.1)


async def accounts(client: AsyncClient, connection_id: str) -> list[Row]:
    """The accounts that were found."""
    query = client.table("broker_accounts").select(_ACCOUNT).eq("connection_id", connection_id)
    return await session.rows(query.order("account_id"))


async def served_keys(client: AsyncClient) -> list[Row]:
    """The fleet's keys as they are served, newest first: nothing is sealed to them before they are checked."""
    columns = "key_id,public_key,expires_on,signature"
    query = client.table("fleet_keys").select(columns).is_("retired_at", "null")
    return await session.rows(query.order("created_at", desc=True))


async def _known(client: AsyncClient, place: Place, login: str) -> Row | None:
    query = client.table("broker_connections").select(_CONNECTION).eq("broker", place.broker)
    query = query.eq("environment", place.environment).eq("login_label", login)
    query = query.is_("server", "null") if place.server is None else query.eq("server", place.server)
    found = await session.rows(query)
    return found[0] if found else None
