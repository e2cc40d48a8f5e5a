"""The scenes of the demo. Each proves one promise and returns the lines it shows; a broken promise raises."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx

from local import orphans
from local.console import events
from local.console.render import outcome, plain, road_lines
from local.console.session import rows
from local.demo import tradingview
from local.demo.people import Trader
from local.demo.venue import PaperVenue, SimulatedBroker
from local.state import read_state
from local.status import Installation

DOWN_S = 3.0
STREAM, STREAM_PER_S = 40, 20
SETTLED_S = 60.0


class PromiseBroken(Exception):
    """What the demo was to show did not happen."""


@dataclass
class Stage:
    """Where the scenes play, and what they count: every alert posted, the latency of each that was filled.

    `at`: the trader at each simulated broker, once he is connected there.
    """

    found: Installation
    trader: Trader
    far: Trader
    stranger: Trader
    venue: PaperVenue
    brokers: dict[str, SimulatedBroker]
    http: httpx.AsyncClient
    at: dict[str, Trader] = field(default_factory=dict)
    alerts: int = 0
    latencies_ms: list[float] = field(default_factory=list)

    def show(self, line: str) -> None:
        """A line at once, where what is shown is that it moves."""
        print(f"   {plain(line)}", flush=True)

    def pid(self, child: str) -> int:
        """The process of one child of the supervisor, now. Raises PromiseBroken where it does not run."""
        state = read_state(self.found.boot.paths)
        pid = {each.name: each.pid for each in state.children}.get(child) if state else None
        if pid is None:  # and never 0 in its place: a signal to that is one to ourselves and all beside us
            raise PromiseBroken(f"{child} does not run: see {self.found.boot.paths.logs}")
        return pid

    async def send(self, trader: Trader, body: bytes, **options: Any) -> tradingview.Posted:
        """One alert into the trader's endpoint."""
        self.alerts += 1
        return await tradingview.post(self.http, trader.endpoint_url, body, **options)

    async def filled(self, trader: Trader, **intent: Any) -> events.Road:
        """One alert and its road, all of it executed."""
        posted = await self.send(trader, tradingview.alert(**intent))
        expect(posted.statuses == (202,), f"the alert was answered {posted.statuses}: {posted.answer}")
        road = await events.wait_finished(trader.client, posted.event_id, SETTLED_S)
        for delivery in road.deliveries:
            expect(delivery["outcome"] == "executed", f"not executed: {outcome(delivery)}")
        self.latencies_ms += await self.latencies(trader, road, posted.sent_at)
        return road

    async def latencies(self, trader: Trader, road: events.Road, sent_at: float) -> list[float]:
        """From the POST to each fill, in ms."""
        ids = [order["id"] for order in road.orders]
        fills = await rows(trader.client.table("fills").select("filled_at").in_("order_id", ids))
        return [(datetime.fromisoformat(fill["filled_at"]).timestamp() - sent_at) * 1000 for fill in fills]


def expect(kept: bool, otherwise: str) -> None:
    """Raise PromiseBroken unless it holds."""
    if not kept:
        raise PromiseBroken(otherwise)


async def three_fills(stage: Stage) -> list[str]:
    """Three alerts, three fills, each with its trace; the first with every detail."""
    sizes = (
        {"qty_mode": "lots", "qty": "0.10"},
        {"qty_mode": "risk_pct", "qty": "0.5"},
        {"qty_mode": "contracts", "qty": "1"},
    )
    intents = (
        {
            "symbol": "OANDA:EURUSD",
            "side": "buy",
            "ref_price": "1.08500",
            "sl": {"mode": "pips", "value": 20},
        },
        {
            "symbol": "OANDA:XAUUSD",
            "side": "sell",
            "ref_price": "2650.00",
            "sl": {"mode": "offset", "value": "8.5"},
        },
        {
            "symbol": "CME_MINI:MNQ1!",
            "side": "buy",
            "ref_price": "21500.25",
            "tp": {"mode": "ticks", "value": 80},
        },
    )
    lines: list[str] = []
    for size, intent in zip(sizes, intents, strict=True):
        road = await stage.filled(stage.trader, action="open", **intent, **size)
        lines += road_lines(road, brief=bool(lines))
    return lines


async def same_alert_four_times(stage: Stage) -> list[str]:
    """The same alert four times at once is one order."""
    body = tradingview.alert(
        action="open", side="buy", symbol="BTCUSD", qty_mode="units", qty="0.01", ref_price="68000"
    )
    posted = await asyncio.gather(*(stage.send(stage.trader, body) for _ in range(4)))
    answers = sorted(str(one.answer["status"]) for one in posted)
    numbers = {one.event_id for one in posted}
    expect(answers == ["accepted", "duplicate", "duplicate", "duplicate"], f"answered {answers}")
    expect(len(numbers) == 1, f"several alerts: {numbers}")
    road = await events.wait_finished(stage.trader.client, numbers.pop(), SETTLED_S)
    expect(len(road.orders) == 1, f"{len(road.orders)} orders")
    return [f"4 posts at once: {', '.join(answers)} -> {len(road.orders)} order ({road.orders[0]['status']})"]


async def worker_killed(stage: Stage) -> list[str]:
    """kill -9 of the worker after the broker has the order, before it is recorded: settled by asking."""
    await stage.venue.hold_next_answer()
    posted = await stage.send(
        stage.far,
        tradingview.alert(
            action="open", side="buy", symbol="ETHUSD", qty_mode="units", qty="1", ref_price="3300"
        ),
    )
    await until(lambda: _has(stage.venue.commands, 1), "the order never reached the broker")
    os.kill(stage.pid("worker-execution"), signal.SIGKILL)
    killed = time.monotonic()
    road = await events.wait_finished(stage.far.client, posted.event_id, SETTLED_S)
    took = time.monotonic() - killed
    sent = await stage.venue.commands()
    asked = sum(1 for step in road.deliveries[0]["trace"] if step["stage"] == "settle")
    expect(sent == 1, f"the order was sent {sent} times")
    expect(asked >= 1, "nobody asked the broker")
    expect(road.deliveries[0]["outcome"] == "executed", f"ended {outcome(road.deliveries[0])}")
    return [
        f"killed after the send: settled by asking ({asked}x), {sent - 1} resent, "
        f"{outcome(road.deliveries[0])} in {took:.1f} s",
        *road_lines(road, brief=True)[1:],
    ]


async def database_down(stage: Stage) -> list[str]:
    """Postgres away for 3 s: 503, TradingView resends, one order."""
    body = tradingview.alert(
        action="open", side="buy", symbol="GBPUSD", qty_mode="lots", qty="0.1", ref_price="1.27"
    )
    async with _postgres_down(stage.found, stage.pid("postgres")):
        first = asyncio.create_task(stage.send(stage.trader, body))
        await asyncio.sleep(DOWN_S)
    posted = await first
    expect(posted.statuses[0] in (502, 503) and posted.statuses[-1] == 202, f"answered {posted.statuses}")
    road = await events.wait_finished(stage.trader.client, posted.event_id, SETTLED_S)
    expect(len(road.orders) == 1, f"{len(road.orders)} orders")
    return [
        f"database down {DOWN_S:.0f} s: answered {', then '.join(map(str, posted.statuses))} "
        f"-> {len(road.orders)} order ({road.orders[0]['status']})"
    ]


async def old_alert(stage: Stage) -> list[str]:
    """An alert that fired five minutes ago is not traded."""
    fired = datetime.now(UTC) - timedelta(minutes=5)
    posted = await stage.send(
        stage.trader,
        tradingview.alert(fired, action="open", side="buy", symbol="EURUSD", qty_mode="lots", qty="0.1"),
    )
    expect(posted.statuses == (409,), f"answered {posted.statuses}")
    return [f"old alert: {posted.statuses[0]} {posted.answer['error']}: {posted.answer['message']}"]


async def a_reverse(stage: Stage) -> list[str]:
    """Long one contract becomes short two: close first, then the entry."""
    road = await stage.filled(
        stage.trader,
        action="reverse",
        side="sell",
        symbol="CME_MINI:MNQ1!",
        qty_mode="contracts",
        qty="2",
        ref_price="21480",
    )
    open_now = await rows(
        stage.trader.client.table("positions")
        .select("side,qty::text,symbol,root")
        .eq("root", "MNQ")
        .is_("closed_at", "null")
    )
    expect(
        [(row["side"], Decimal(row["qty"])) for row in open_now] == [("sell", Decimal(2))],
        f"left: {open_now}",
    )
    legs = " then ".join(f"{order['kind']} {order['side']} {order['qty']}" for order in road.orders)
    return [f"reverse: {legs} -> {open_now[0]['side']} {open_now[0]['qty']} {open_now[0]['symbol']}"]


async def a_stream(stage: Stage) -> list[str]:
    """Alerts in a steady stream, in and out in turn: none lost, none doubled, in the order they came."""
    begun, posted = time.perf_counter(), []
    for number in range(STREAM):
        await asyncio.sleep(max(0.0, begun + number / STREAM_PER_S - time.perf_counter()))
        action, side = (("open", "buy"), ("reduce", "sell"))[number % 2]
        body = tradingview.alert(
            action=action, side=side, symbol="USDJPY", qty_mode="lots", qty="0.01", ref_price="155.20"
        )
        posted.append(asyncio.create_task(stage.send(stage.trader, body)))
    answers = await asyncio.gather(*posted)
    expect(all(one.statuses == (202,) for one in answers), "an alert was not taken")
    roads = [await events.wait_finished(stage.trader.client, one.event_id, SETTLED_S) for one in answers]
    for one, road in zip(answers, roads, strict=True):
        expect(len(road.orders) == 1, f"alert {one.event_id}: {len(road.orders)} orders")
        stage.latencies_ms += await stage.latencies(stage.trader, road, one.sent_at)
    return [f"{STREAM} alerts at {STREAM_PER_S} a second on one account: {len(roads)} orders, each once"]


async def a_stranger(stage: Stage) -> list[str]:
    """Another user sees nothing of it, live or stored."""
    seen: dict[str, int] = {}
    for table in ("webhook_events", "deliveries", "orders", "fills", "positions", "broker_accounts"):
        mine = stage.trader.user_id
        seen[table] = len(await rows(stage.stranger.client.table(table).select("id").eq("user_id", mine)))
    expect(not any(seen.values()), f"a stranger sees {seen}")
    refused = await _join(stage.stranger, f"orders:{stage.trader.user_id}")
    expect(refused == "refused", f"a stranger joined the trader's topic: {refused}")
    return [
        f"a second user sees {sum(seen.values())} of its rows in {len(seen)} tables; "
        f"joining its live topic is {refused}"
    ]


async def _join(trader: Trader, topic: str) -> str:
    held = await trader.client.auth.get_session()
    await trader.client.realtime.set_auth(held.access_token if held else None)
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def told(state: Any, _error: Exception | None = None) -> None:
        if not answer.done():
            answer.set_result("joined" if str(state).endswith("SUBSCRIBED") else "refused")

    channel = trader.client.channel(topic, {"config": {"broadcast": None, "presence": None, "private": True}})
    await channel.subscribe(told)
    return await asyncio.wait_for(answer, 15)


@asynccontextmanager
async def _postgres_down(found: Installation, postgres: int) -> AsyncIterator[None]:
    """Stop Postgres; its supervisor sleeps meanwhile, or it would bring it back in a tenth of a second."""
    os.kill(found.state.pid, signal.SIGSTOP)
    try:
        os.kill(postgres, signal.SIGINT)
        # It refuses new sessions before the old ones, which take alerts, have gone: it ends after all of them.
        await until(lambda: _ended(postgres), "Postgres did not stop")
        yield
    finally:
        os.kill(found.state.pid, signal.SIGCONT)


async def _ended(pid: int) -> bool:
    return not orphans.is_running(pid)


async def _has(count: Callable[[], Awaitable[int]], wanted: int) -> bool:
    return await count() >= wanted


async def until(condition: Callable[[], Awaitable[bool]], otherwise: str) -> None:
    """Wait until it holds; PromiseBroken when that takes too long."""
    deadline = time.monotonic() + SETTLED_S
    while not await condition():
        expect(time.monotonic() < deadline, otherwise)
        await asyncio.sleep(0.02)


SCENES: tuple[tuple[str, Callable[[Stage], Awaitable[list[str]]]], ...] = (
    ("three alerts, three fills", three_fills),
    ("the same alert four times", same_alert_four_times),
    ("a worker killed after the send", worker_killed),
    ("the database down for three seconds", database_down),
    ("an old alert", old_alert),
    ("a reverse", a_reverse),
    ("a stream of alerts", a_stream),
    ("a second user", a_stranger),
)
