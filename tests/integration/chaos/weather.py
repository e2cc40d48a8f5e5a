"""What goes wrong while alerts are executed: spells of faults at every simulator, and accidents of the workers."""

from __future__ import annotations

import asyncio
import random
import signal
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from tests.integration.chaos.venues import Floor, Venue
from tests.support.connections import fleet_worker
from tests.support.processes import Running

SHORT: dict[str, Any] = {"lease_ms": 2500, "heartbeat_ms": 400, "send_margin_ms": 400}
"""A worker that is missed after seconds. How long a request may be under way is left as the adapters say."""
WRITES = ("place", "close", "cancel", "modify", "protect")
DONE = ("drop_after_accept", "error_after", "garbled")
"""The broker has done it, and the answer is lost."""
NOT_DONE = ("drop_after_read", "error_before", "rate_limit_json", "rate_limit_text", "expired_token")
SLOW = ("late", "hang_after_accept", "hang_before")
SILENT = ("drop_bracket", "strip_comment")


@dataclass(frozen=True)
class Climate:
    """How bad it gets: seconds between the spells and between the accidents, seconds that a broker hangs.

    slow_proof: nothing that proves absent only after minutes where the broker's lists lag that long.
    """

    spell_s: float = 1.5
    accident_s: float = 6.0
    hang_s: tuple[float, ...] = (2.0, 12.0)
    slow_proof: bool = True


class Workers:
    """Two workers; one of them may be killed or stopped at any time."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._stack = ExitStack()
        self.running: list[Running] = []
        self.killed = self.stopped = 0

    def start(self) -> None:
        """One more worker, ready."""
        floor = self._floor
        starting = fleet_worker(floor.database, floor.files, floor.addresses, **SHORT)
        self.running.append(self._stack.enter_context(starting))

    def watch(self) -> None:
        """A worker that reads the accounts and compares the books; nothing happens to it."""
        floor = self._floor
        self._stack.enter_context(fleet_worker(floor.database, floor.files, floor.addresses, "positions"))

    async def accident(self, dice: random.Random, pause_s: float) -> None:
        """kill -9 and another one in its place; or a sleep, perhaps past its lease, and on as if nothing was."""
        one = dice.choice(self.running)
        if dice.random() < 0.5:
            self.killed += 1
            self.running.remove(one)
            await asyncio.to_thread(one.kill)
            # Each new worker opens every credential. So many in an hour would raise the alarm that stops it.
            await self._floor.connection.execute("delete from engine.credential_opens")
            await asyncio.to_thread(self.start)
        else:
            self.stopped += 1
            one.send(signal.SIGSTOP)
            await asyncio.sleep(pause_s)
            one.send(signal.SIGCONT)

    def close(self) -> None:
        """End them all."""
        self._stack.close()


@dataclass
class Weather:
    """Runs beside the alerts until it is told to clear up."""

    floor: Floor
    workers: Workers
    climate: Climate
    dice: random.Random
    faults: int = 0
    over: bool = False
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def begin(self) -> None:
        """Let it come."""
        seeds = [random.Random(self.dice.random()) for _ in range(len(self.floor.venues) + 1)]
        spells = [self._spells(venue, dice) for venue, dice in zip(self.floor.venues, seeds[1:], strict=True)]
        self._tasks = [asyncio.create_task(each) for each in (self._accidents(seeds[0]), *spells)]

    async def clear_up(self) -> None:
        """Everything works again, once the accident under way is over."""
        self.over = True
        await asyncio.gather(*self._tasks)
        for venue in self.floor.venues:
            await asyncio.to_thread(venue.operator.clear)

    async def _accidents(self, dice: random.Random) -> None:
        while not self.over:
            await asyncio.sleep(dice.uniform(0.5, 1.5) * self.climate.accident_s)
            if not self.over:
                await self.workers.accident(dice, dice.uniform(0.2, 5.0))

    async def _spells(self, venue: Venue, dice: random.Random) -> None:
        while not self.over:
            await asyncio.sleep(dice.uniform(0.2, 1.8) * self.climate.spell_s)
            for _ in range(dice.randint(1, 3)):
                await asyncio.to_thread(self._fault, venue, dice)
            if dice.random() < 0.3:
                await asyncio.to_thread(venue.operator.fault, "lag_lists", value="2", times=None)
                await asyncio.sleep(dice.uniform(1, 3))
                await asyncio.to_thread(venue.operator.clear)

    def _fault(self, venue: Venue, dice: random.Random) -> None:
        kinds = [*DONE, *SLOW, *SILENT, *NOT_DONE]
        if venue.kind.lag_s > 30 and not self.climate.slow_proof:
            kinds = [each for each in kinds if each not in ("drop_after_read", "error_before", "hang_before")]
        kind, value = dice.choice(kinds), ""
        operation = dice.choice((*WRITES, "place", "place", "close"))
        if kind in ("rate_limit_json", "rate_limit_text", "expired_token", "late") and dice.random() < 0.5:
            # Reads, too: everything that the adapter has to look up meanwhile.
            venue.operator.fault(kind, times=dice.randint(1, 3))
            self.faults += 1
            return
        if kind in SLOW:
            value = str(dice.choice(self.climate.hang_s))
        venue.operator.fault(kind, value=value, operation=operation if kind not in SILENT else "place")
        self.faults += 1
        if kind == "strip_comment":
            # A lost label matters where the answer is lost as well.
            venue.operator.fault(dice.choice(DONE), operation="place")
