"""Who is at the terminal: a login kept by `empire up` (the demo user), or one given on the command line."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from local.secrets import write_private
from supabase import AsyncClient, acreate_client


class NotSignedIn(Exception):
    """There is nobody to act for; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Login:
    """An installation's address and publishable key, the user's own login, and where his alerts go.

    `root` is the public key that signs what credentials are sealed to; it never comes from the installation's API.
    """

    url: str
    key: str
    email: str
    password: str
    endpoint_url: str = ""
    root: str = ""

    def __repr__(self) -> str:
        return f"Login({self.email} at {self.url})"


def save(login: Login, path: Path) -> None:
    """Keep a login, readable by its owner only."""
    write_private(path, json.dumps(asdict(login), indent=2) + "\n")


def saved(path: Path) -> Login:
    """The kept login. Raises NotSignedIn."""
    try:
        return Login(**json.loads(path.read_text()))
    except FileNotFoundError:
        raise NotSignedIn("No login is kept here yet: run `make up` (or `empire up`) first.") from None


async def sign_in(login: Login, code: str | None = None) -> AsyncClient:
    """A Supabase client that acts as the user; `code`: of his authenticator app, where he has one.

    Raises NotSignedIn: without it he would see nothing of his own, and be told that he has nothing.
    """
    client = await acreate_client(login.url, login.key)
    await client.auth.sign_in_with_password({"email": login.email, "password": login.password})
    if code is not None:
        await step_up(client, code)
    level = await client.auth.mfa.get_authenticator_assurance_level()
    if level.next_level == "aal2" and level.current_level != "aal2":
        raise NotSignedIn(
            "Your login has a second factor: add --code with the code of your authenticator app."
        )
    return client


async def step_up(client: AsyncClient, code: str) -> None:
    """Use the authenticator's code in this session. Raises NotSignedIn, AuthError."""
    factors = await client.auth.mfa.list_factors()
    if not factors.totp:
        raise NotSignedIn("You have no authenticator app set up yet: live accounts need one.")
    await client.auth.mfa.challenge_and_verify({"factor_id": factors.totp[0].id, "code": code})


async def rows(query: Any) -> list[dict[str, Any]]:
    """Run a select and return its rows."""
    return cast("list[dict[str, Any]]", (await query.execute()).data)


async def call(client: AsyncClient, function: str, **arguments: Any) -> Any:
    """Call one of the database's public verbs."""
    return (await client.rpc(function, arguments).execute()).data
