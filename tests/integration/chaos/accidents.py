"""Accidents of a worker, staged with real processes: all actions under way at once, each on its own account.

Nothing in the product helps: a worker is brought to one exact step by a lock that the test holds on the
accounts' rows (every function of the engine that matters asks for them first), or by a fault of the venue.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal as D
from enum import StrEnum
from typing import Any

import asyncpg
import httpx

from local.scratch import ScratchCluster
from tests.support.clusters import Database, clone
from tests.support.processes import Running
from tests.support.trading import Trader, new_trader, until, venue, worker
from tests.support.venue_admin import release

SHORT = {"lease_ms": 1200, "heartbeat_ms": 300, "send_margin_ms": 200, "request_timeout_ms": 2000}
"""A worker that is missed after a second. A request may be under way 2 s longer: more than HANG_S."""
HANG_S = "1.2"
UNTIL_RELEASED_S = "60"
"""Longer than any accident takes to be staged, on a busy machine, too."""
SETTLED_S = 60.0
BUY = {"action": "open", "side": "buy", "symbol": "EURUSD", "qty_mode": "lots", "qty": 0.1, "ref_price": 1.1}
CLOSE = {"action": "close", "symbol": "EURUSD", "ref_price": 1.1}
LIMIT = {**BUY, "type": "limit", "price": 1.05}


@dataclass(frozen=True)
class Task:
    """What an account holds before, the alert under test, and what must be true at the broker afterwards."""

    before: tuple[dict[str, Any], ...]
    alert: dict[str, Any]
    legs: int
    held: D


# Nothing has to be read before the write (the account is fresh, the alert has a price): all go out in one call.
TASKS = {
    "open": Task((BUY, CLOSE), BUY, 1, D("0.1")),
    "close": Task((BUY,), CLOSE, 1, D(0)),
    "reduce": Task((BUY,), {**BUY, "action": "reduce", "side": None, "qty": 0.04}, 1, D("0.06")),
    "reverse": Task((BUY,), {**BUY, "action": "reverse", "side": "sell", "qty": 0.2}, 2, D("-0.2")),
    "target": Task((BUY,), {**BUY, "action": "target", "qty": 0.3}, 1, D("0.3")),
    "cancel": Task((BUY, CLOSE, LIMIT), {"action": "cancel", "symbol": "EURUSD", "ref_price": 1.1}, 1, D(0)),
    "modify": Task(
        (BUY,),
        {"action": "modify", "symbol": "EURUSD", "sl": {"mode": "price", "value": 1.05}, "ref_price": 1.1},
        1,
        D("0.1"),
    ),
    "flatten": Task((BUY, LIMIT), {"action": "flatten"}, 2, D(0)),
}


class Step(StrEnum):
    """Where the worker is when it happens."""

    CLAIMED = "claimed"
    """It has its deliveries; nothing is written."""
    WRITTEN = "written"
    """open_orders commits, and its answer is never read."""
    SENDING = "sending"
    """The broker has read the request and does it later."""
    ARRIVED = "arrived"
    """The broker has done it and has not answered yet."""
    ANSWERED = "answered"
    """The answer is here and not recorded; a reverse is about to begin its second leg."""
    RECORDED = "recorded"
    """The record commits, and so does the beginning of a second leg that is never sent."""


@dataclass
class Aftermath:
    """What became of one alert: at the broker, and in our books."""

    task: Task
    delivery: dict[str, Any]
    received: Counter[str]
    applied: Counter[str]
    broker: dict[str, Any]
    positions: list[dict[str, Any]]

    @property
    def steps(self) -> set[str]:
        """The outcomes of all stages that the trace shows."""
        return {step["outcome"] for step in self.delivery["trace"]}

    @property
    def held_at_broker(self) -> D:
        """Net quantity in the broker's book."""
        return net(self.broker["positions"])

    @property
    def held(self) -> D:
        """Net quantity in ours."""
        return net([row for row in self.positions if row["closed_at"] is None])


@dataclass
class Stage:
    """A database, a venue, and a trader per action who already holds what his alert needs."""

    database: Database
    connection: asyncpg.Connection
    url: str
    traders: dict[str, Trader] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)

    def worker(self, **settings: object) -> Any:
        """A worker at this venue."""
        return worker(self.database, **{"paper_venue_url": self.url, **SHORT, **settings})

    def log(self, trader: Trader | None = None) -> list[dict[str, Any]]:
        """The writes that the venue has received, of all accounts or of one trader."""
        written: list[dict[str, Any]] = httpx.get(f"{self.url}/log").json()
        return [each for each in written if trader is None or each["account"] in trader.accounts]

    def forget_log(self) -> None:
        """Empty the venue's log."""
        httpx.delete(f"{self.url}/log")

    def book(self, trader: Trader) -> dict[str, Any]:
        """The broker's own book of a trader's account."""
        book: dict[str, Any] = httpx.get(f"{self.url}/accounts/{trader.account}").json()
        return book

    def fault(self, kind: str, value: str) -> None:
        """From now on every command meets it."""
        httpx.post(f"{self.url}/faults", json={"kind": kind, "value": value, "operation": "execute"})

    def heal(self) -> None:
        """No more faults; those that have struck go on."""
        httpx.delete(f"{self.url}/faults")

    def release(self) -> None:
        """No more faults; those that have struck are over."""
        self.heal()
        release(self.url)

    async def prepare(self) -> None:
        """A trader for every action, with the positions and orders that it needs."""
        for action, task in TASKS.items():
            trader = self.traders[action] = await new_trader(self.database, self.connection, server="SIM")
            for intent in task.before:
                done = await trader.delivery(await trader.alert(**intent), SETTLED_S)
                assert done["outcome"] == "executed", done
        self.forget_log()

    async def alerts(self) -> None:
        """Every trader's alert under test."""
        for action, trader in self.traders.items():
            self.events[action] = await trader.alert(**TASKS[action].alert)

    async def all_received(self) -> None:
        """Wait until the venue has had a command of every account."""

        async def received() -> bool:
            return len({each["account"] for each in self.log()}) == len(self.traders)

        await until(received, SETTLED_S)

    @asynccontextmanager
    async def accounts_locked(self) -> AsyncIterator[None]:
        """Hold every account's row: whatever the worker asks of the engine waits inside its function."""
        holder = await self.database.connect("supabase_admin")
        try:
            async with holder.transaction():
                await holder.execute("select 1 from public.broker_accounts for no key update")
                yield
        finally:
            await holder.close()

    async def waits_in(self, *functions: str) -> None:
        """Wait until the worker is blocked in each of these functions."""

        async def blocked() -> bool:
            rows = await self.connection.fetch(
                "select query from pg_stat_activity where datname = current_database()"
                " and usename = 'empire_worker' and wait_event_type = 'Lock'"
            )
            return all(any(name in row["query"] for row in rows) for name in functions)

        await until(blocked, SETTLED_S)

    async def forget_questions(self) -> None:
        """End the sessions of a dead worker before what they wait for is free: as if it had never asked."""
        await self.connection.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
            " where datname = current_database() and usename = 'empire_worker'"
        )

    async def aftermath(self) -> dict[str, Aftermath]:
        """Wait until every alert has ended; then what became of each."""
        ends = {}
        for action, trader in self.traders.items():
            delivery = await trader.delivery(self.events[action], SETTLED_S)
            log = self.log(trader)
            ends[action] = Aftermath(
                TASKS[action],
                delivery,
                Counter(each["client_order_id"] for each in log),
                Counter(each["client_order_id"] for each in log if each["applied"]),
                self.book(trader),
                await trader.rows("positions"),
            )
        return ends

    async def invariants(self) -> dict[str, int]:
        """Rows of every invariant view that is not empty."""
        return await next(iter(self.traders.values())).invariants()


@asynccontextmanager
async def stage(cluster: ScratchCluster) -> AsyncIterator[Stage]:
    """A database and a venue for one accident."""
    database = clone(cluster)
    connection = await database.connect("supabase_admin")
    try:
        with venue() as (url, _):
            yield Stage(database, connection, url)
    finally:
        await connection.close()
        database.drop()


async def kill_at(scene: Stage, step: Step, running: Running) -> None:
    """Send the alerts, bring the worker to the step, and kill -9 it there."""
    if step in (Step.CLAIMED, Step.WRITTEN):
        await stop_in_write(scene, running, signal.SIGKILL, forget=step is Step.CLAIMED)
    elif step in (Step.SENDING, Step.ARRIVED):
        scene.fault("hang_before" if step is Step.SENDING else "hang_after_accept", UNTIL_RELEASED_S)
        await scene.alerts()
        await scene.all_received()
        running.kill()
        scene.release()
    else:
        await _kill_in_record(scene, running, forget=step is Step.ANSWERED)


async def stop_in_write(scene: Stage, running: Running, how: signal.Signals, *, forget: bool) -> None:
    """The worker is hit inside open_orders, which then commits, unless it is forgotten."""
    running.send(signal.SIGSTOP)
    await scene.alerts()
    async with scene.accounts_locked():
        running.send(signal.SIGCONT)
        await scene.waits_in("open_orders")
        running.send(how)
        if forget:
            await scene.forget_questions()


async def _kill_in_record(scene: Stage, running: Running, *, forget: bool) -> None:
    scene.fault("late", UNTIL_RELEASED_S)
    await scene.alerts()
    await scene.all_received()
    async with scene.accounts_locked():
        scene.release()
        await scene.waits_in("record_executions", "begin_send")
        running.kill()
        if forget:
            await scene.forget_questions()


def net(positions: list[dict[str, Any]]) -> D:
    """Net quantity, sells negative."""
    sizes = [D(str(row["qty"])) * (1 if row["side"] == "buy" else -1) for row in positions]
    return sum(sizes, D(0))
