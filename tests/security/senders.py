"""Senders of alerts: a user with a paper account and an endpoint, and the address to post to."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import Any

import httpx

from shared.crypto.signature import SIGNATURE_HEADER
from tests.support.stacks import RunningStack, User

LOOPBACK = "127.0.0.1/32"
# One client, since making one reads every certificate of the machine; no connection outlives its request.
HTTP = httpx.Client(timeout=30, limits=httpx.Limits(max_keepalive_connections=0))


def alert(**intent: Any) -> bytes:
    """A valid alert that is new every time: its tag differs."""
    given = {"side": "buy", "symbol": "EURUSD", "qty_mode": "lots", "qty": 0.1, "tag": uuid.uuid4().hex}
    return json.dumps({"version": "unify.v1", "intent": {**given, **intent}}).encode()


@dataclass(frozen=True)
class Sender:
    """An endpoint, its owner and what its sender knows."""

    stack: RunningStack
    user: User
    endpoint_id: str
    token: str = field(repr=False)
    signing_secret: str = field(repr=False)

    @property
    def mac(self) -> str:
        """The secret part of the token."""
        return self.token.rpartition(".")[2]

    def post(self, body: bytes, token: str | None = None, **headers: str) -> httpx.Response:
        """Post a body as TradingView does; underscores in header names become hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.post_with(body, named, token)

    def post_with(
        self, body: bytes, headers: dict[str, str] | list[tuple[str, str]], token: str | None = None
    ) -> httpx.Response:
        """Post with exactly these headers, which may repeat."""
        address = f"{self.stack.api_url}/functions/v1/webhook/paper/{token or self.token}"
        return HTTP.post(address, content=body, headers=headers)

    def post_signed(self, body: bytes, *signatures: str) -> httpx.Response:
        """Post with these signature headers."""
        return self.post_with(body, [(SIGNATURE_HEADER, signature) for signature in signatures])

    def call(self, verb: str, **arguments: Any) -> Any:
        """One of the public verbs, as the owner."""
        return call(self.stack, self.user, verb, **arguments)

    def reveal(self) -> dict[str, Any]:
        """Address and signing secret, as the owner sees them now."""
        return reveal(self.stack, self.user, self.endpoint_id).raise_for_status().json()  # type: ignore[no-any-return]

    def events(self, columns: str, where: str = "true") -> str:
        """Rows of the inbox of this endpoint, as psql prints them."""
        return self.stack.database.sql(
            f"select {columns} from public.webhook_events where endpoint_id = '{self.endpoint_id}'"
            f" and ({where}) order by id"
        )


def call(stack: RunningStack, user: User, verb: str, **arguments: Any) -> Any:
    """One of the public verbs through the REST API."""
    headers = {"apikey": stack.publishable_key, "authorization": f"Bearer {user.access_token}"}
    address = f"{stack.api_url}/rest/v1/rpc/{verb}"
    answer = HTTP.post(address, headers=headers, json=arguments).raise_for_status()
    return answer.json() if answer.content else None


def reveal(stack: RunningStack, user: User, endpoint_id: str) -> httpx.Response:
    """Ask the function `endpoint` for the secrets of an endpoint."""
    headers = {"apikey": stack.publishable_key, "authorization": f"Bearer {user.access_token}"}
    address = f"{stack.api_url}/functions/v1/endpoint"
    return HTTP.post(address, headers=headers, json={"endpoint_id": endpoint_id})


def make_sender(
    stack: RunningStack, user: User | None = None, server: str | None = "SIM", **settings: Any
) -> Sender:
    """A new endpoint with these settings, for a new user unless one is given. Its account's book is at the paper
    venue, or with `server` None in the database."""
    owner = user or stack.create_user()
    account = call(stack, owner, "connect_paper", p_server=server)
    endpoint = call(
        stack,
        owner,
        "create_endpoint",
        p_broker="paper",
        p_name="tests",
        p_account_ids=[account],
        p_settings={"alerts_per_minute": 100_000, **settings},
    )
    shown = reveal(stack, owner, endpoint).raise_for_status().json()
    return Sender(stack, owner, endpoint, shown["token"], shown["signing_secret"])
