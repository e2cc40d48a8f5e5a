"""A broker that tells what happens: trades of another hand are in our books at once. Real processes and logins, the
simulator's limits in force, the vendor's protocol by pysignalr."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from decimal import Decimal as D

import pytest

from local.keys.files import KeyFiles
from shared.brokers.port import Broker
from shared.models.market import Instrument
from tests.conformance.harness import accepted, close_of, entry, sent
from tests.conformance.simulators import Operator, running_simulator
from tests.integration.test_books_brokers import CASES, begin, mover, the_hand
from tests.support.clusters import Database
from tests.support.connections import Customer, fleet_worker
from tests.support.stacks import RunningStack
from tests.support.trading import until, worker

(CASE,) = (each for each in CASES if each.place.broker == "topstepx")
NET = (
    "select coalesce(sum(case when side = 'buy' then qty else -qty end), 0) from public.positions"
    " where closed_at is null"
)


@dataclass
class Told:
    """A connected account that nobody of ours trades, and somebody else's hand on it."""

    database: Database
    operator: Operator
    files: KeyFiles
    hand: Broker
    instrument: Instrument

    @contextmanager
    def watching(self, **more: object) -> Iterator[None]:
        """A worker that watches and listens."""
        addresses = json.dumps({CASE.place.broker: {"simulated": self.operator.url}})
        settings = {"fleet_keys_file": self.files.fleet, "env": "development", "venues": addresses}
        with worker(self.database, "positions", **settings, **more):
            yield

    async def state_is(self, word: str) -> None:
        """Wait until the login's stream is said to be so."""
        await self.becomes(
            f"select count(*) from public.streams where state = '{word}' and until > now()", "1"
        )

    def has_been_quiet(self) -> None:
        """As if nothing had happened for a long time: the next read is an hour away, and the login's limits are untouched."""
        self.database.sql(
            "update engine.account_marks set woken_at = woken_at - interval '1 hour', due_at = now() + interval '1 hour',"
            " answered_at = answered_at - interval '1 hour'"
        )
        self.database.sql("update engine.read_credits set at = at - interval '1 minute'")

    async def buys(self) -> None:
        """The other hand buys a contract."""
        accepted(await self.hand.execute(sent(entry(self.instrument, D(1)))))

    async def closes(self) -> None:
        """The other hand closes everything."""
        for each in (await self.hand.snapshot()).positions:
            accepted(await self.hand.execute(sent(close_of(self.instrument, each))))

    async def in_books(self, net: int) -> None:
        """Wait until our books say so."""
        await self.becomes(NET, str(net))

    async def becomes(self, question: str, answer: str) -> None:
        """Wait until the database answers so."""

        async def so() -> bool:
            return self.database.sql(question) == answer

        try:
            await until(so)
        except TimeoutError:
            seen = self.database.sql("select jsonb_agg(to_jsonb(s)) from public.streams s")
            marks = self.database.sql("select jsonb_agg(to_jsonb(m)) from engine.account_marks m")
            raise TimeoutError(f"{question}: {self.database.sql(question)!r}; {seen}; {marks}") from None


@pytest.fixture
async def told(stack: RunningStack, trader: Customer, files: KeyFiles) -> AsyncIterator[Told]:
    """The account, connected and checked; nobody watches yet."""
    with ExitStack() as opened:
        operator = opened.enter_context(running_simulator("topstepx"))
        with fleet_worker(stack.database, files, {CASE.place.broker: operator.url}):
            await begin(trader, CASE)
        mover(operator, CASE)(0)
        number = stack.database.sql("select account_id from public.broker_accounts where trading_enabled")
        async with the_hand(operator, CASE, number) as hand:
            instrument = await hand.instrument(CASE.symbol)
            assert isinstance(instrument, Instrument)
            yield Told(stack.database, operator, files, hand, instrument)


async def test_what_another_hand_trades_is_in_our_books_at_once(told: Told) -> None:
    """Nothing is open and the next look is an hour away: a trade by hand is in our books all the same, and so is its
    close. Events that were lost are made up for when the connection is made anew; so is what happened while no worker was
    there. The books say so by fills alone."""
    with told.watching():
        await told.state_is("live")
        told.has_been_quiet()
        await told.buys()
        await told.in_books(1)
        told.has_been_quiet()
        await told.closes()
        await told.in_books(0)
        told.operator.post("hubs", drop=1000)
        told.has_been_quiet()
        await told.buys()
        told.operator.post("hubs", drop=0, cut=True)
        await told.in_books(1)
        await told.state_is("live")
    await told.closes()
    with told.watching():
        await told.in_books(0)
    assert told.database.sql("select engine.invariant_rows()::text ~ '[1-9]'") == "f"
    assert told.database.sql("select count(*) from engine.adjustments") == "0"
    assert told.database.sql("select string_agg(distinct origin::text, ' ') from public.orders") == "broker"


async def test_a_hub_that_says_nothing_is_not_believed(told: Told) -> None:
    """The connection stands and not even a ping comes: it is said to be silent, with why. A trade by hand, of which nobody
    tells, is in our books by polling, and so is its close; the figures are fresh all the while. The hub is opened anew
    again and again: once it speaks, what happens is told at once."""
    told.operator.post("hubs", ping=0.2)
    with told.watching(stream_silent_ms=1500):
        await told.state_is("live")
        told.has_been_quiet()
        told.operator.post("hubs", silent=True)
        await told.buys()
        await told.becomes(
            "select why ~ 'not even a ping|has not said' from public.streams where state = 'silent'", "t"
        )
        await told.in_books(1)
        await told.becomes("select freshness from public.broker_accounts where trading_enabled", "fresh")
        await told.closes()
        await told.in_books(0)
        told.operator.post("hubs", silent=False, cut=True)
        await told.state_is("live")
        told.has_been_quiet()
        await told.buys()
        await told.in_books(1)
    assert told.database.sql("select engine.invariant_rows()::text ~ '[1-9]'") == "f"
