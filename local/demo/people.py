"""The demo's people and what they own: a login, paper accounts, an endpoint with its address."""

from __future__ import annotations

import secrets as random
from dataclasses import dataclass, replace
from typing import Any

import httpx

from local.console import session
from local.console.session import Login
from local.keys.files import KeyFiles
from local.status import Installation
from supabase import AsyncClient

EMAIL = "trader@empire.example"


@dataclass(frozen=True)
class Trader:
    """A signed-in user with one account and one endpoint whose alerts go there."""

    login: Login
    client: AsyncClient
    user_id: str
    account_id: str
    endpoint_url: str


async def keep_demo_login(found: Installation) -> Login:
    """The demo user of this installation, with a paper account and an endpoint; made once, then kept."""
    path = found.boot.paths.login
    try:
        kept = session.saved(path)
        login = replace(
            kept,
            url=found.boot.api_url,
            endpoint_url=_moved(kept.endpoint_url, found.boot.api_url),
            root=KeyFiles.of(found.boot.paths).root_text(),
        )
    except session.NotSignedIn:
        trader = await new_trader(found, EMAIL, "Paper")
        login = replace(trader.login, endpoint_url=trader.endpoint_url)
    session.save(login, path)
    return login


async def new_trader(found: Installation, email: str, label: str, server: str | None = None) -> Trader:
    """A new user with a paper account of 100,000 USD (hedging off) and an endpoint."""
    login = await new_login(found, email)
    client = await session.sign_in(login)
    return await with_account(login, client, label, server)


async def with_account(
    login: Login, client: AsyncClient, label: str, server: str | None = None, **settings: Any
) -> Trader:
    """Another account and endpoint of a signed-in user. `server` SIM: at the simulated paper venue."""
    account = await session.call(client, "connect_paper", p_label=label, p_server=server)
    endpoint = await session.call(
        client,
        "create_endpoint",
        p_broker="paper",
        p_name=label,
        p_account_ids=[account],
        p_settings={"on_opposite": "refuse", **settings},
    )
    user = await client.auth.get_user()
    if user is None:
        raise session.NotSignedIn("The session ended.")
    return Trader(login, client, user.user.id, account, await endpoint_url(login, client, endpoint))


async def new_login(found: Installation, email: str) -> Login:
    """A confirmed user made by the operator (the admin API), with a password of his own."""
    login = Login(
        found.boot.api_url,
        found.boot.secrets.publishable_key,
        email,
        random.token_urlsafe(12),
        root=KeyFiles.of(found.boot.paths).root_text(),
    )
    key = found.boot.secrets.secret_key
    body = {"email": email, "password": login.password, "email_confirm": True}
    async with httpx.AsyncClient(timeout=30) as http:
        answer = await http.post(
            f"{login.url}/auth/v1/admin/users",
            json=body,
            headers={"apikey": key, "authorization": f"Bearer {key}"},
        )
        answer.raise_for_status()
    return login


async def endpoint_url(login: Login, client: AsyncClient, endpoint_id: str) -> str:
    """The webhook address of the user's own endpoint, as the endpoint function reveals it to him."""
    held = await client.auth.get_session()
    if held is None:
        raise session.NotSignedIn("The session ended.")
    async with httpx.AsyncClient(timeout=30) as http:
        answer = await http.post(
            f"{login.url}/functions/v1/endpoint",
            json={"endpoint_id": endpoint_id},
            headers={"apikey": login.key, "authorization": f"Bearer {held.access_token}"},
        )
        answer.raise_for_status()
    return str(login.url + answer.json()["path"])


def _moved(address: str, api_url: str) -> str:
    """The kept address on today's port."""
    return api_url + address[address.index("/functions/") :] if address else ""
