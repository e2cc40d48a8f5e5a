"""The session of a login: one token of a day, renewed while it is good, at an account that the login has."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from shared import clock
from shared.brokers.errors import LoggedOut, NotSent
from shared.brokers.keeper import Keeper
from shared.brokers.port import LoginRefused, ReadFailed
from shared.brokers.session import Login, MemorySessions, Session
from shared.brokers.topstepx.connect import TopstepX
from shared.brokers.topstepx.login import KeyDoor
from shared.brokers.transport import Http, open_http
from shared.models.enums import MarginMode
from shared.models.trading import Account
from tests.conformance.harness import PATIENT_S
from tests.conformance.simulators import Operator, running_simulator
from tests.conformance.test_topstepx import KEY, account


@pytest.fixture(scope="module")
def operator() -> Iterator[Operator]:
    """A running simulator."""
    with running_simulator("topstepx", "--no-limits") as running:
        yield running


@pytest.fixture
async def http(operator: Operator) -> AsyncIterator[Http]:
    """The client that adapters use."""
    async with open_http(operator.url, 20.0) as client:
        yield client
    operator.clear()


@dataclass
class Worker:
    """One worker's keeper of a login."""

    http: Http
    sessions: MemorySessions = field(default_factory=MemorySessions)
    user: str = "joe"
    key: str = KEY

    def keeper(self) -> Keeper:
        login = Login(str(self.http.base_url), "", self.user, self.key)
        return Keeper(KeyDoor(self.http, login, PATIENT_S), "connection", self.sessions)


async def _ends_in(sessions: MemorySessions, left: timedelta) -> Session:
    """The stored session as if it had so long to go."""
    kept = await sessions.load("connection")
    assert kept is not None
    aged = replace(kept, expires_at=clock.now() + left, version=kept.version + 1)
    assert await sessions.save("connection", aged)
    return aged


async def test_one_login_serves_every_worker(http: Http, operator: Operator) -> None:
    """The second worker takes what the first has stored; it lasts a day."""
    sessions = MemorySessions()
    token = await Worker(http, sessions).keeper().token()
    operator.fault("refuse", value="credentials", operation="login", times=None)
    assert await Worker(http, sessions).keeper().token() == token
    kept = await sessions.load("connection")
    assert kept is not None
    assert timedelta(hours=23) < kept.expires_at - clock.now() <= timedelta(hours=24)


async def test_a_token_is_renewed_without_the_key(http: Http, operator: Operator) -> None:
    """Near its end `validate` gives another one; nobody logs in."""
    worker = Worker(http)
    token = await worker.keeper().token()
    await _ends_in(worker.sessions, timedelta(seconds=5))
    operator.fault("refuse", value="credentials", operation="login", times=None)
    renewed = await worker.keeper().token()
    kept = await worker.sessions.load("connection")
    assert kept is not None
    assert (renewed != token, kept.access, kept.version) == (True, renewed, 3)


@pytest.mark.parametrize("word", ["session", "not_found", "expired"])
async def test_a_token_that_cannot_be_renewed_is_replaced_by_a_login(
    http: Http, operator: Operator, word: str
) -> None:
    """Whatever validate says no with."""
    worker = Worker(http)
    token = await worker.keeper().token()
    await _ends_in(worker.sessions, timedelta(seconds=5))
    operator.fault("refuse", value=word, operation="validate")
    assert await worker.keeper().token() != token


async def test_a_refused_key_says_so_and_is_not_tried_again_at_once(http: Http, operator: Operator) -> None:
    """The sentence names what is wrong, and never the key."""
    keeper = Worker(http, key="short").keeper()
    with pytest.raises(LoggedOut, match="user name or API key is not right") as caught:
        await keeper.token()
    assert "short" not in str(caught.value)
    with pytest.raises(LoggedOut):
        await keeper.token()


@pytest.mark.parametrize(
    ("word", "says"),
    [("agreements", "agreements"), ("subscription", "no subscription"), ("key_disabled", "switched off")],
)
async def test_a_login_that_needs_a_person_says_what_to_do(
    http: Http, operator: Operator, word: str, says: str
) -> None:
    """Agreements, a missing subscription, and keys that are switched off."""
    operator.fault("refuse", value=word, operation="login")
    with pytest.raises(LoggedOut, match=says):
        await Worker(http).keeper().token()


async def test_an_unknown_error_of_the_login_is_no_refusal(http: Http, operator: Operator) -> None:
    """It is tried again with the next request."""
    keeper = Worker(http).keeper()
    operator.fault("refuse", value="unknown", operation="login")
    with pytest.raises(NotSent):
        await keeper.token()
    assert await keeper.token()


async def test_an_account_of_somebody_else_gives_no_broker(operator: Operator) -> None:
    """The login must show the account; the sentence names those it has."""

    def connector(user: str) -> TopstepX:
        async def login(_: Account) -> Login:
            return Login(operator.url, "", user, KEY)

        return TopstepX(open_http, login)

    mine, theirs = connector(uuid.uuid4().hex), connector(uuid.uuid4().hex)
    [own, other] = await mine.accounts(account("0"))
    with pytest.raises(ReadFailed, match="has no account"):
        await theirs(account(own.number))
    assert (await (await mine(account(other.number))).snapshot()).extra["name"].startswith("50KTC")
    found = [(each.currency, each.margin_mode, each.balance) for each in (own, other)]
    assert found == [("USD", MarginMode.NETTING, 50_000)] * 2
    for each in (mine, theirs):
        await each.close()


async def test_a_refused_login_is_told_from_one_that_could_not_be_tried(operator: Operator) -> None:
    """The first needs a new key, the second another moment; and a new key is used after `forget`."""
    keys = ["short", KEY]

    async def login(_: Account) -> Login:
        return Login(operator.url, "", "changes", keys[0])

    connect = TopstepX(open_http, login)
    with pytest.raises(LoginRefused, match="user name or API key"):
        await connect.accounts(account("0"))
    keys.pop(0)
    await connect.forget("connection")
    assert len(await connect.accounts(account("0"))) == 2
    await connect.forget("connection")
    operator.fault("rate_limit_text", operation="login")
    with pytest.raises(ReadFailed) as caught:
        await TopstepX(open_http, login).accounts(account("0"))
    assert not isinstance(caught.value, LoginRefused)
    await connect.close()
