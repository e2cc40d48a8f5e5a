"""Chaos at the simulated brokers: random alerts of all actions on many accounts while everything goes wrong."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tests.integration.chaos.ledger import Reckoning, allowed_s, doubts, reckon, wait_agreed, wait_settled
from tests.integration.chaos.venues import Floor, Seat, connect, intent, opened, seats_of
from tests.integration.chaos.weather import Climate, Weather, Workers
from tests.support.connections import Customer
from tests.support.stacks import RunningStack


@dataclass(frozen=True)
class Plan:
    """How much of it: `logins` at each broker, `alerts` for each of their accounts; the same seed, the same dice.

    seconds: no new alerts after that; settle_s: how long the doubts may take then (None = as long as they may).
    """

    brokers: Sequence[str] = ("tradelocker", "topstepx", "metatrader")
    seed: int = 1
    logins: int = 2
    alerts: int = 10
    seconds: float = float("inf")
    settle_s: float | None = None
    climate: Climate = field(default_factory=Climate)


@dataclass(frozen=True)
class Played:
    """What came of it, and what was done to it."""

    told: Reckoning
    faults: int
    kills: int
    stops: int

    def totals(self) -> dict[str, Any]:
        """One line of figures."""
        told = self.told
        return {
            "alerts": told.alerts,
            "orders": told.orders,
            "doubles": len(told.doubles),
            "lost": len(told.lost),
            "unsettled": len(told.late),
            "differing": len(told.differing),
            "unknown_by_hand": len(told.by_hand),
            "books_behind": len(told.behind),
            "settled": len(told.settled_s),
            "settled_p99_s": told.settled_p99,
            "invariants": told.invariants,
            "faults": self.faults,
            "kills": self.kills,
            "stops": self.stops,
            "outcomes": dict(sorted(told.outcomes.items())),
        }


async def play(stack: RunningStack, plan: Plan) -> Played:
    """Seat everybody in good weather, let it come, wait until the doubts are over and the watch has looked, and reckon."""
    dice = random.Random(plan.seed)
    async with opened(stack, plan.brokers, plan.seed) as (floor, who):
        workers = Workers(floor)
        try:
            await asyncio.to_thread(workers.start)
            await _seat(floor, who, plan.logins, dice)
            await asyncio.to_thread(workers.start)
            weather = Weather(floor, workers, plan.climate, random.Random(dice.random()))
            weather.begin()
            await _trade(floor, plan, dice)
            await weather.clear_up()
            await wait_settled(floor, plan.settle_s)
            await asyncio.to_thread(workers.watch)
            await wait_agreed(floor)
            told = await reckon(floor)
        finally:
            await asyncio.to_thread(workers.close)
    return Played(told, weather.faults, workers.killed, workers.stopped)


async def _seat(floor: Floor, who: Customer, logins: int, dice: random.Random) -> None:
    made = [(venue, await connect(who, venue, number)) for venue in floor.venues for number in range(logins)]
    for venue, login in made:
        floor.seats += await seats_of(who, floor, venue, login, dice)


async def _trade(floor: Floor, plan: Plan, dice: random.Random) -> None:
    seeds = [random.Random(dice.random()) for _ in floor.seats]
    tasks = [_alerts(floor, seat, plan.alerts, own) for seat, own in zip(floor.seats, seeds, strict=True)]
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.gather(*tasks), None if plan.seconds == float("inf") else plan.seconds)


async def _alerts(floor: Floor, seat: Seat, count: int, dice: random.Random) -> None:
    """One alert after the other, now and then the next one while the last is still under way."""
    for _ in range(count):
        await asyncio.shield(_alert(seat, intent(seat.venue.kind, dice)))
        if dice.random() < 0.75 and not await _quiet(floor, seat):
            return  # left to a person: nothing more is traded here


async def _alert(seat: Seat, alert: dict[str, Any]) -> None:
    seat.events.append(await seat.trader.alert(**alert))


async def _quiet(floor: Floor, seat: Seat) -> bool:
    """Wait until nothing is open on the account. False: something is, longer than it may be."""
    while opened_ones := await doubts(seat, floor):
        if any(each.age_s > allowed_s(seat.venue) for each in opened_ones):
            return False
        await asyncio.sleep(0.1)
    return True
