"""The session of a login: refreshed early and by one, shared between workers, at the right server only."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from aiohttp import web

from local.venues.tradelocker.tokens import Tokens
from shared import clock, codec
from shared.brokers.errors import LoggedOut, NotSent
from shared.brokers.keeper import Keeper
from shared.brokers.session import Login, MemorySessions
from shared.brokers.tradelocker.login import JwtDoor
from shared.brokers.transport import Http, open_http
from tests.conformance.harness import PATIENT_S
from tests.support.trading import until

PASSWORD = "correct horse"


@dataclass
class Door:
    """The login routes of a broker: real tokens, and a count of who came."""

    tokens: Tokens = field(default_factory=Tokens)
    server: str = "SIM"
    asked: Counter[str] = field(default_factory=Counter)
    refuse: int | None = None
    url: str = ""

    async def login(self, request: web.Request) -> web.Response:
        self.asked["login"] += 1
        if self.refuse is not None or codec.decode(await request.read())["password"] != PASSWORD:
            return web.json_response({"message": "Invalid credentials"}, status=self.refuse or 400)
        return web.json_response(self.tokens.issue(self.server, "joe"), status=201)

    async def refresh(self, request: web.Request) -> web.Response:
        self.asked["refresh"] += 1
        token = codec.decode(await request.read())["refreshToken"]
        if self.tokens.user_of(token, "refresh_token") is None:
            return web.json_response({"message": "Invalid refresh token"}, status=400)
        self.tokens.spend(token)
        return web.json_response(self.tokens.issue(self.server, "joe"), status=201)


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    """A broker's door on a free port."""
    made = Door()
    app = web.Application()
    app.add_routes(
        [
            web.post("/backend-api/auth/jwt/token", made.login),
            web.post("/backend-api/auth/jwt/refresh", made.refresh),
        ]
    )
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


@pytest.fixture
async def http(door: Door) -> AsyncIterator[Http]:
    """The client that adapters use."""
    async with open_http(door.url, 20.0) as client:
        yield client


def keeper(door: Door, http: Http, sessions: MemorySessions, secret: str = PASSWORD) -> Keeper:
    """One worker's keeper of the login."""
    return Keeper(JwtDoor(http, Login(door.url, "sim", "joe", secret), PATIENT_S), "connection", sessions)


async def test_one_login_for_many(door: Door, http: Http) -> None:
    """However many ask at once, one logs in, and nobody else's session is touched."""
    kept = keeper(door, http, MemorySessions())
    tokens = await asyncio.gather(*(kept.token() for _ in range(20)))
    assert len(set(tokens)) == 1
    assert door.asked == {"login": 1}


async def test_another_worker_takes_over_the_session(door: Door, http: Http) -> None:
    """A second worker uses what the first has stored instead of logging in."""
    sessions = MemorySessions()
    assert await keeper(door, http, sessions).token() == await keeper(door, http, sessions).token()
    assert door.asked == {"login": 1}


async def test_a_session_is_refreshed_early_while_it_is_used(door: Door, http: Http) -> None:
    """Minutes before its end a token is still handed out at once, and a new one is fetched behind it, once."""
    door.tokens.access_s = 120
    kept = keeper(door, http, MemorySessions())
    first = await kept.token()
    door.tokens.access_s = 3600
    assert await kept.token() == first

    async def is_new() -> bool:
        return await kept.token() != first

    await until(is_new)
    assert door.asked == {"login": 1, "refresh": 1}


async def test_a_token_at_its_end_is_not_used(door: Door, http: Http) -> None:
    """Seconds before its end nobody gets a token any more that may be dead on arrival."""
    door.tokens.access_s = 10
    kept = keeper(door, http, MemorySessions())
    first = await kept.token()
    door.tokens.access_s = 3600
    assert await kept.token() != first
    assert door.asked == {"login": 1, "refresh": 1}


async def test_a_refused_token_is_replaced_once(door: Door, http: Http) -> None:
    """Many requests with the same dead token fetch one new one."""
    kept = keeper(door, http, MemorySessions())
    dead = await kept.token()
    tokens = await asyncio.gather(*(kept.after_refusal(dead) for _ in range(10)))
    assert len(set(tokens)) == 1
    assert dead not in tokens
    assert door.asked == {"login": 1, "refresh": 1}


async def test_a_kicked_session_logs_in_again(door: Door, http: Http) -> None:
    """When a login elsewhere has ended both tokens, the password is used again."""
    kept = keeper(door, http, MemorySessions())
    dead = await kept.token()
    door.tokens.revoke("joe")
    fresh = await kept.after_refusal(dead)
    assert door.tokens.user_of(fresh, "access_token") == "joe"
    assert door.asked == {"login": 2, "refresh": 1}


async def test_rotated_tokens_are_stored_by_compare_and_set(door: Door, http: Http) -> None:
    """Who refreshes second finds the newer session and takes that one."""
    sessions = MemorySessions()
    first, second = keeper(door, http, sessions), keeper(door, http, sessions)
    dead = await first.token()
    assert await second.token() == dead
    fresh = await first.after_refusal(dead)
    assert await second.after_refusal(dead) == fresh
    stored = await sessions.load("connection")
    assert stored is not None
    assert (stored.access, stored.version) == (fresh, 2)
    assert not await sessions.save("connection", replace(stored, access="stale"))


async def test_a_refused_login_is_not_hammered(door: Door, http: Http) -> None:
    """A wrong password is tried once; then the refusal is told from memory for a while."""
    kept = keeper(door, http, MemorySessions(), secret="wrong horse")
    for _ in range(5):
        with pytest.raises(LoggedOut, match="login refused: Invalid credentials"):
            await kept.token()
    assert door.asked == {"login": 1}


async def test_the_server_must_be_the_one_we_know(door: Door, http: Http) -> None:
    """A login that ends at another server is not used."""
    door.server = "OTHER-LIVE"
    with pytest.raises(LoggedOut, match="logged in at server OTHER-LIVE, not sim"):
        await keeper(door, http, MemorySessions()).token()


async def test_a_door_that_does_not_answer_sent_nothing(door: Door, http: Http) -> None:
    """When the login breaks, the order behind it was provably not sent."""
    door.refuse = 503
    with pytest.raises(NotSent, match="login failed"):
        await keeper(door, http, MemorySessions()).token()


async def test_a_stored_session_that_ends_soon_is_refreshed(door: Door, http: Http) -> None:
    """A worker that starts with a nearly dead session refreshes it instead of logging in."""
    sessions = MemorySessions()
    await keeper(door, http, sessions).token()
    stored = await sessions.load("connection")
    assert stored is not None
    sessions._kept["connection"] = replace(stored, expires_at=clock.now() + timedelta(seconds=30))
    await keeper(door, http, sessions).token()
    assert door.asked == {"login": 1, "refresh": 1}
