"""The load itself: alerts through the public webhook, at a rate or as fast as it goes."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from bench.population import Population
from bench.wire import Wires
from local.demo.tradingview import alert


@dataclass
class Sent:
    """What one alert got: when it left (epoch seconds), how long the answer took, and our number for it."""

    sent_at: float
    ack_ms: float
    status: int
    event_id: int | None


@dataclass
class Load:
    """Everything that was sent."""

    sent: list[Sent] = field(default_factory=list)

    @property
    def accepted(self) -> dict[int, Sent]:
        """Event id -> what was sent, of what was answered with 202."""
        return {one.event_id: one for one in self.sent if one.status == 202 and one.event_id is not None}


async def at_rate(people: Population, per_s: int, seconds: float) -> Load:
    """Open loop: one alert every 1/per_s, whether the ones before were answered or not."""
    load = Load()
    async with Wires(people.traders[0].endpoint_url) as wires:
        tasks: list[asyncio.Task[None]] = []
        begun = time.perf_counter()
        for number in range(int(per_s * seconds)):
            await asyncio.sleep(max(0.0, begun + number / per_s - time.perf_counter()))
            tasks.append(asyncio.create_task(_one(wires, people, number, number, load)))
        await asyncio.gather(*tasks)
    return load


async def one_by_one(people: Population, alerts: int, pause_s: float) -> Load:
    """Alone: each alert long after the one before."""
    load = Load()
    async with Wires(people.traders[0].endpoint_url) as wires:
        for number in range(alerts):
            await _one(wires, people, number, number, load)
            await asyncio.sleep(pause_s)
    return load


async def flat_out(people: Population, clients: int, seconds: float) -> Load:
    """Closed loop: each client sends its next alert when the last was answered."""
    load = Load()
    until = time.perf_counter() + seconds

    async def client(number: int) -> None:
        # Each begins at another account: all at the same one would measure how long its line is.
        first, sent = number * len(people.traders) // clients, 0
        while time.perf_counter() < until:
            await _one(wires, people, first + sent, sent, load)
            sent += 1

    async with Wires(people.traders[0].endpoint_url) as wires:
        await asyncio.gather(*(client(number) for number in range(clients)))
    return load


async def _one(wires: Wires, people: Population, place: int, sent: int, load: Load) -> None:
    # A round of all accounts in, then one out, so books stay small however long it runs; a reduce supersedes nothing
    # that waits.
    trader = people.traders[place % len(people.traders)]
    turn = (sent // len(people.traders)) % 2
    action, side = (("open", "buy"), ("reduce", "sell"))[turn]
    body = alert(action=action, side=side, symbol="EURUSD", qty_mode="lots", qty="0.01", ref_price="1.1")
    sent_at, begun = time.time(), time.perf_counter()
    try:
        status, answer = await wires.post(urlsplit(trader.endpoint_url).path, body)
        event = json.loads(answer).get("event_id") if status == 202 else None
        load.sent.append(Sent(sent_at, (time.perf_counter() - begun) * 1000, status, event))
    except OSError:
        load.sent.append(Sent(sent_at, (time.perf_counter() - begun) * 1000, 0, None))
