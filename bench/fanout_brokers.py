"""`python -m bench.fanout_brokers`: one alert for 100 accounts at three brokers, one of which never answers.

A stack of its own: its worker sends without the brokers' limits (bench/unpaced.py) through the real adapters to the
simulators, each a process of its own. An endpoint belongs to one broker, so what goes to all three is an intent; three
alerts that are posted at the same moment are measured beside it. Before the intents are measured one MetaTrader
account is stuck: the broker takes its order, and the answer does not come. How far apart the others' orders leave is
read from the worker's stamps, how far apart they are received from the simulators' own logs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets as random
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench import readings
from bench.adapters import WAYS, hold_price
from bench.stack import fresh_stack
from bench.unpaced import STAMPS
from local import programs
from local.console import connecting, session
from local.console.connecting import Place
from local.console.session import Login
from local.demo.people import endpoint_url, new_login
from local.demo.tradingview import alert
from local.scratch import Service
from local.status import Installation
from shared.crypto.sealing import Credential
from supabase import AsyncClient
from tests.conformance.simulators import Operator, running_simulator

LOGINS = {"tradelocker": 9, "topstepx": 8, "metatrader": 8}
EACH = 4
"""Accounts of a login."""
WARM, VOLLEYS = 4, 40
SYMBOL, FUTURE = "EURUSD", "MNQ1!"
"""What the intent names, and what the trader's symbol map makes of it at a broker of futures."""
HANGS, HANG_S = "metatrader", 120
"""Longer than the adapter waits for it, which is 60 s: so long its account is stuck."""
STUCK_S = 50.0
"""In this time all volleys are sent; fewer where the machine is too slow."""
CHECKED_S = 60.0
_LEFT = "select count(*) from engine.queue where account_id is distinct from $1"
_OUTCOME = """
select coalesce(reason::text, outcome::text) from public.deliveries where account_id = $1 and event_id = any($2)
"""


@dataclass
class Site:
    """A broker: its simulator, the address that its accounts listen to, and how much of its log was read."""

    name: str
    operator: Operator
    url: str = ""
    read: int = 0

    def received(self, but: str | None) -> list[float]:
        """When each order since the last look was received (epoch ms), without those of one account."""
        entries = self.operator.log()
        new, self.read = entries[self.read :], len(entries)
        return [
            datetime.fromisoformat(each["at"]).timestamp() * 1000 for each in new if each["account"] != but
        ]


@dataclass
class Stamps:
    """When orders left the worker, as it wrote it down."""

    file: Path
    read: int = 0

    def left(self) -> dict[str, list[float]]:
        """The orders since the last look, by broker (epoch ms)."""
        with self.file.open() as file:
            file.seek(self.read)
            lines = file.read().splitlines()
            self.read = file.tell()
        found: dict[str, list[float]] = {name: [] for name in LOGINS}
        for name, at in map(str.split, lines):
            found[name].append(float(at))
        return found


@dataclass
class Volley:
    """Of one signal: when the orders left, and when they were received, by broker."""

    left: dict[str, list[float]]
    received: dict[str, list[float]]


@dataclass
class Bench:
    """What is measured with. `stuck`: account id and the broker's number for it, once somebody is."""

    sites: list[Site]
    stamps: Stamps
    client: AsyncClient
    accounts: list[str]
    database: asyncpg.Connection
    http: aiohttp.ClientSession
    events: list[int] = field(default_factory=list)
    stuck: tuple[uuid.UUID, str] | None = None


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.fanout_brokers")
    parser.add_argument("--pg", type=int, default=18, choices=(16, 18))
    print(json.dumps(measure(parser.parse_args().pg)))


def measure(pg: int) -> dict[str, Any]:
    """Of one alert for all accounts `skew_ms_p50`, `skew_ms_p99` from the first order that left to the last, and
    `received_ms`; of three alerts the same, and each of them alone; how the stuck account's order ended."""
    with ExitStack() as stack:
        found = stack.enter_context(fresh_stack(pg, workers=False))
        options = ("--no-limits", "--accounts", str(EACH))
        sites = [Site(name, stack.enter_context(running_simulator(name, *options))) for name in LOGINS]
        for site in sites:
            hold_price(WAYS[site.name], site.operator)
        stamps = Stamps(Path(stack.enter_context(tempfile.TemporaryDirectory())) / "left")
        stamps.file.touch()
        stack.enter_context(_workers(found, sites, stamps))
        return asyncio.run(_measure(found, sites, stamps))


@contextmanager
def _workers(found: Installation, sites: list[Site], stamps: Stamps) -> Iterator[None]:
    """The stack's workers, what they send unpaced and stamped."""
    venues = json.dumps({site.name: {"simulated": site.operator.url} for site in sites})
    running = []
    for kind in programs.WORKERS:
        program = programs.worker(found.boot, kind, {"EMPIRE_VENUES": venues, STAMPS: str(stamps.file)})
        command = [sys.executable, "-m", "bench.unpaced", *program.command[3:]]
        running.append(Service(replace(program, command=command)))
    try:
        for each in running:
            each.start()
        yield
    finally:
        for each in running:
            each.stop()


async def _measure(found: Installation, sites: list[Site], stamps: Stamps) -> dict[str, Any]:
    database = await readings.connect(found)
    async with aiohttp.ClientSession() as http:
        bench = await _settle_in(found, sites, stamps, database, http)
        for post in (_alerts, _intent):
            for number in range(WARM):
                # The first connects, and a broker may be asked then in the shape of an order: it is not counted.
                await post(bench, number)
                await _quiet(bench)
                await _spread(bench)
        three = [await _volley(bench, _alerts, number) for number in range(VOLLEYS)]
        _site(bench, HANGS).operator.fault("hang_after_accept", value=str(HANG_S), operation="place")
        await _intent(bench, 0)
        bench.stuck = await _stuck(bench)
        first = bench.events
        await _quiet(bench)
        await _spread(bench)
        one, until = [], time.perf_counter() + STUCK_S
        while len(one) < VOLLEYS and time.perf_counter() < until:
            one.append(await _volley(bench, _intent, 1 + len(one)))
        await _let_go(bench)
        outcomes = await database.fetch(_OUTCOME, bench.stuck[0], first)
    await database.close()
    return _report(one, three, [row[0] for row in outcomes])


def _report(one: list[Volley], three: list[Volley], outcomes: list[str]) -> dict[str, Any]:
    skew = _apart([each.left for each in one])
    return {
        "accounts": EACH * sum(LOGINS.values()),
        "volleys": len(one),
        "skew_ms_p50": skew["p50"],
        "skew_ms_p99": skew["p99"],
        "received_ms": _apart([each.received for each in one]),
        "three_alerts_ms": {
            "left": _apart([each.left for each in three]),
            "received": _apart([each.received for each in three]),
        },
        "of_one_alert_ms": {
            name: {
                "left": _apart([{name: each.left[name]} for each in three]),
                "received": _apart([{name: each.received[name]} for each in three]),
            }
            for name in LOGINS
        },
        "stuck": ", ".join(outcomes),
    }


def _apart(volleys: list[dict[str, list[float]]]) -> dict[str, float | None]:
    """From the first to the last of each volley, ms."""
    together = [[at for times in each.values() for at in times] for each in volleys]
    return readings.percentiles([max(each) - min(each) for each in together])


# The accounts.


async def _settle_in(
    found: Installation,
    sites: list[Site],
    stamps: Stamps,
    database: asyncpg.Connection,
    http: aiohttp.ClientSession,
) -> Bench:
    login = await new_login(found, f"fanout-{uuid.uuid4().hex[:8]}@empire.example")
    client = await session.sign_in(login)
    user = await client.auth.get_user()
    assert user is not None
    bench = Bench(sites, stamps, client, [], database, http)
    for site in sites:
        connections = [
            await _connect(login, client, site.name, number) for number in range(LOGINS[site.name])
        ]
        of_logins = await asyncio.gather(*(_accounts(client, each) for each in connections))
        accounts = [account for each in of_logins for account in each]
        for account in accounts:
            await session.call(client, "enable_account", p_account_id=account)
            if WAYS[site.name].symbol == FUTURE:
                word = {"account_id": account, "tv_symbol": SYMBOL, "venue_symbol": FUTURE}
                await client.table("symbol_map").insert({"user_id": user.user.id, **word}).execute()
        endpoint = await session.call(
            client, "create_endpoint", p_broker=site.name, p_name="fanout", p_account_ids=accounts,
            p_settings={"alerts_per_minute": 100_000},
        )  # fmt: skip
        site.url = await endpoint_url(login, client, endpoint)
        bench.accounts += accounts
    return bench


async def _connect(login: Login, client: AsyncClient, broker: str, number: int) -> str:
    place = Place(broker, "simulated", WAYS[broker].server or None)
    credential = Credential(f"fanout{number}@empire.example", random.token_urlsafe(12), place.server)
    return await connecting.connect(client, login.root, place, credential)


async def _accounts(client: AsyncClient, connection: str) -> list[str]:
    row = await connecting.wait_checked(client, connection, CHECKED_S)
    found = [each["id"] for each in await connecting.accounts(client, connection)]
    if row["status"] != "connected" or len(found) != EACH:
        raise RuntimeError(f"a login was not connected: {row}, {len(found)} accounts")
    return found


# The alerts.


Post = Callable[[Bench, int], Awaitable[None]]


async def _volley(bench: Bench, post: Post, number: int) -> Volley:
    """In and out in turn. Raises RuntimeError when an order is missing."""
    await post(bench, number)
    await _quiet(bench)
    volley = await _spread(bench)
    _complete(bench, volley)
    return volley


async def _intent(bench: Bench, number: int) -> None:
    """One for all accounts. Out by a target of nothing: a close that a person asks for goes another way, the urgent."""
    entry = {"action": "open", "side": "buy", "qty_mode": "lots", "qty": "1", "ref_price": "1.095"}
    what = {"action": "target", "scope": "symbol", "qty_mode": "lots", "qty": "0"} if number % 2 else entry
    answer = await session.call(
        bench.client, "submit_intent", intent={"symbol": SYMBOL, "accounts": bench.accounts, **what}
    )
    bench.events = [int(answer["event_id"])]


async def _alerts(bench: Bench, number: int) -> None:
    """One for the accounts of each broker, all posted at the same moment."""
    bench.events = list(await asyncio.gather(*(_alert(bench.http, site, number) for site in bench.sites)))


async def _alert(http: aiohttp.ClientSession, site: Site, number: int) -> int:
    way = WAYS[site.name]
    sized = {"qty_mode": "contracts" if site.name == "topstepx" else "lots", "qty": str(way.qty)}
    intent = {"action": "close"} if number % 2 else {"action": "open", "side": "buy", **sized}
    body = alert(broker=site.name, symbol=way.symbol, ref_price=str(way.ask), **intent)
    async with http.post(site.url, data=body, headers={"content-type": "application/json"}) as got:
        if got.status != 202:
            raise RuntimeError(f"{site.name}: the alert was answered {got.status}: {await got.text()}")
        return int((await got.json())["event_id"])


async def _spread(bench: Bench) -> Volley:
    """The orders since the last look, when all of them have been written down."""
    await asyncio.sleep(0.1)
    but = bench.stuck[1] if bench.stuck else None
    received = {site.name: site.received(but if site.name == HANGS else None) for site in bench.sites}
    left = bench.stamps.left()
    return Volley(left, received)


def _complete(bench: Bench, volley: Volley) -> None:
    """Raises RuntimeError when an order is missing, or too many left."""
    for name, logins in LOGINS.items():
        wanted = EACH * logins - (bench.stuck is not None and name == HANGS)
        for what, times in (("left", volley.left[name]), ("received", volley.received[name])):
            if len(times) != wanted:
                raise RuntimeError(f"{name}: {len(times)} orders {what} for {wanted} accounts")


async def _quiet(bench: Bench, left: int = 0) -> None:
    """Wait until nothing is under way but for the stuck account. Raises TimeoutError."""
    deadline = time.perf_counter() + readings.SETTLE_S
    while await bench.database.fetchval(_LEFT, bench.stuck[0] if bench.stuck else None) > left:
        if time.perf_counter() > deadline:
            raise TimeoutError("the queue did not empty")
        await asyncio.sleep(0.02)


async def _stuck(bench: Bench) -> tuple[uuid.UUID, str]:
    """The one that is left when the others are done."""
    await _quiet(bench, left=1)
    row = await bench.database.fetchrow(
        "select q.account_id, a.account_id as number from engine.queue q join public.broker_accounts a"
        " on a.id = q.account_id"
    )
    if row is None:
        raise RuntimeError("nobody is stuck")
    return row["account_id"], row["number"]


async def _let_go(bench: Bench) -> None:
    """Wait until the stuck account is through with what it had to wait for. Raises TimeoutError."""
    bench.stuck, stuck = None, bench.stuck
    await _quiet(bench)
    bench.stuck = stuck


def _site(bench: Bench, name: str) -> Site:
    return next(site for site in bench.sites if site.name == name)


if __name__ == "__main__":
    main()
