"""The user hub through the unmodified pysignalr: what is told, how it ends, and that its token is told to nobody."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal as D

import pytest

from shared.brokers.port import Broker, LoginRefused, ReadFailed
from shared.brokers.session import Login
from shared.brokers.streams import WentSilent
from shared.brokers.topstepx.client import Timing
from shared.brokers.topstepx.connect import TopstepX
from shared.brokers.topstepx.hub import account_of, address
from shared.brokers.transport import open_http
from shared.models.market import Instrument
from shared.models.trading import Account
from tests.conformance.harness import accepted, entry, sent
from tests.conformance.simulators import Operator, running_simulator
from tests.conformance.test_topstepx import account
from tests.support.trading import until

KEY = "an-api-key-of-projectx"
SILENT_S, HEARD_S = 1.5, 5.0
"""So long nothing is heard. The other one is long enough for a busy machine to say that it listens, before it is silent."""


@pytest.fixture(scope="module")
def operator() -> Iterator[Operator]:
    """A running simulator, two accounts a user."""
    with running_simulator("topstepx", "--no-limits", "--accounts", "2") as running:
        yield running


@dataclass
class Listener:
    """Somebody who is told; `ended` is how it ended."""

    login: TopstepX
    accounts: list[str]
    lives: int = 0
    heard: list[str | None] = field(default_factory=list)
    ended: Exception | None = None

    def live(self) -> None:
        self.lives += 1

    def news(self, account_number: str | None) -> None:
        self.heard.append(account_number)

    async def listen(self) -> None:
        """Once, until it ends."""
        try:
            await self.login.listen(account(""), self.accounts, self)
        except ReadFailed as error:
            self.ended = error

    async def broker(self, number: str) -> Broker:
        """One of its accounts, over REST."""
        return await self.login(account(number))

    async def until(self, condition: str) -> None:
        """Wait for what a Python expression over this says."""

        async def so() -> bool:
            return bool(eval(condition, {}, vars(self)))  # noqa: S307

        await until(so)


@asynccontextmanager
async def listening(
    operator: Operator, user: str, timing: Timing | None = None, secret: str = KEY
) -> AsyncIterator[Listener]:
    """A user of the gateway whose accounts are listened to."""

    async def login(_: Account) -> Login:
        return Login(operator.url, "", user, secret)

    made = TopstepX(open_http, login, timing=timing)
    found = [each.number for each in await made.accounts(account(""))] if secret == KEY else ["1"]
    listener = Listener(made, found)
    task = asyncio.create_task(listener.listen())
    try:
        yield listener
    finally:
        task.cancel()
        await asyncio.wait([task])
        await made.close()
        operator.post("hubs", silent=False, late=0, wrapped=True, drop=0, ping=15, answer=True)


async def bought(broker: Broker) -> None:
    """One contract at market."""
    instrument = await broker.instrument("CME_MINI:MNQ1!")
    assert isinstance(instrument, Instrument)
    accepted(await broker.execute(sent(entry(instrument, D(1)))))


@pytest.mark.parametrize("wrapped", [True, False])
async def test_it_says_on_which_account_something_has_happened(operator: Operator, wrapped: bool) -> None:
    """Live when all subscriptions are acknowledged; a trade is news of its own account and of no other, in either form."""
    operator.post("hubs", wrapped=wrapped)
    async with listening(operator, f"news-{wrapped}") as listener:
        await listener.until("lives == 1")
        first, second = listener.accounts
        await bought(await listener.broker(second))
        await listener.until("len(heard) >= 4")
        assert set(listener.heard) == {second}
        await bought(await listener.broker(first))
        await listener.until("len(set(heard)) == 2")
        assert listener.ended is None


@pytest.mark.parametrize("end", ["close", "cut", "logout"])
async def test_when_the_connection_ends_so_does_listening(operator: Operator, end: str) -> None:
    """An orderly close, a cut cable, a kick: each ends it with a sentence, and it can be begun anew."""
    async with listening(operator, f"ends-{end}") as listener:
        await listener.until("lives == 1")
        operator.post("hubs", **{end: True})
        await listener.until("ended is not None")
        assert not isinstance(listener.ended, WentSilent | LoginRefused), listener.ended
        again = asyncio.create_task(listener.listen())
        await listener.until("lives == 2")
        again.cancel()


async def test_a_silent_connection_is_not_trusted(operator: Operator) -> None:
    """It stands and says nothing: after the time that a ping would have come in several times it is given up."""
    async with listening(operator, "silent", Timing(stream_silent=HEARD_S)) as listener:
        await listener.until("lives == 1")
        operator.post("hubs", silent=True)
        await listener.until("ended is not None")
        assert isinstance(listener.ended, WentSilent)
        assert "not even a ping" in str(listener.ended)


async def test_who_is_not_told_that_he_is_heard_is_not_live(operator: Operator) -> None:
    """The hub takes the subscriptions and acknowledges none: that does not count as listening."""
    operator.post("hubs", silent=True)
    async with listening(operator, "unheard", Timing(stream_silent=SILENT_S)) as listener:
        await listener.until("ended is not None")
        assert (listener.lives, type(listener.ended)) == (0, WentSilent)


async def test_pings_do_not_stand_for_answers(operator: Operator) -> None:
    """The hub takes the subscriptions, acknowledges none, and pings: it tells of nothing, and is given up all the same."""
    operator.post("hubs", answer=False, ping=0.05)
    async with listening(operator, "unanswered", Timing(stream_silent=SILENT_S)) as listener:
        await listener.until("ended is not None")
        assert (listener.lives, type(listener.ended)) == (0, WentSilent)
        assert "has not said" in str(listener.ended)


async def test_it_is_made_anew_before_its_token_ends(operator: Operator) -> None:
    """A connection lives for so long, and no longer."""
    async with listening(operator, "old", Timing(stream_life=0.3)) as listener:
        await listener.until("ended is not None")
        assert "younger token" in str(listener.ended)


async def test_a_token_that_is_not_taken_is_renewed(operator: Operator) -> None:
    """The gateway has ended every session: the first try fails, the next one has a token that is good."""
    async with listening(operator, "revoked") as listener:
        await listener.until("lives == 1")
        operator.revoke()
        operator.post("hubs", close=True)
        await listener.until("ended is not None")
        await listener.listen()
        again = asyncio.create_task(listener.listen())
        await listener.until("lives == 2")
        again.cancel()


async def test_a_refused_login_is_a_refused_login(operator: Operator) -> None:
    """A key that the gateway does not take is not tried again and again."""
    async with listening(operator, "refused", secret="short") as listener:
        await listener.until("ended is not None")
        assert isinstance(listener.ended, LoginRefused)


async def test_the_token_is_in_no_log_and_no_error(
    operator: Operator, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """The library logs addresses, and the token is part of the hub's: nothing of it comes out, whatever goes wrong."""
    caplog.set_level(logging.DEBUG)
    async with listening(operator, "secret") as listener:
        await listener.until("lives == 1")
        await bought(await listener.broker(listener.accounts[0]))
        operator.post("hubs", cut=True)
        await listener.until("ended is not None")
        operator.revoke()
        await listener.listen()
    text = caplog.text + "".join(capfd.readouterr()) + str(listener.ended)
    assert "access_token" not in text
    assert "eyJ" not in text


def test_where_the_hub_is() -> None:
    """The hosts of the sheet; a simulator has it beside its REST."""
    assert address("https://api.topstepx.com") == "https://rtc.topstepx.com/hubs/user"
    assert (
        address("https://gateway-api-demo.s2f.projectx.com")
        == "https://gateway-rtc-demo.s2f.projectx.com/hubs/user"
    )
    assert address("http://127.0.0.1:4711") == "http://127.0.0.1:4711/hubs/user"


@pytest.mark.parametrize(
    ("target", "arguments", "number"),
    [
        ("GatewayUserTrade", [{"action": 0, "data": {"id": 9, "accountId": 101}}], "101"),
        ("GatewayUserOrder", [{"id": 9, "accountId": 101}], "101"),
        ("GatewayUserAccount", [{"action": 1, "data": {"id": 101}}], "101"),
        ("GatewayUserPosition", [], None),
        ("GatewayUserPosition", [[1]], None),
        ("GatewayUserPosition", None, None),
    ],
)
def test_whose_event_it_is(target: str, arguments: object, number: str | None) -> None:
    """Wrapped or not; what cannot be told is news of any account."""
    assert account_of(target, arguments) == number
