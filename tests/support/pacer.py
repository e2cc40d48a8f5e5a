"""A worker's side of pacing as a program: asks a venue on one route as fast as it may, until it is stopped.

    python -m tests.support.pacer <database> <connection> <venue> <name> <limit> <seconds> <urgent every s> [<rest s>]

Entries are asked for by four loops at once, or by one that rests after each, as who looks on does; every so often an urgent
request comes between them. Each request says when its turn came. Prints how many entries got a turn while an urgent one
waited for its own, and how often the database was asked.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time

from shared.brokers import pacing
from shared.brokers.errors import NoTurn
from shared.brokers.pacing import Pace, Window, urgent
from shared.brokers.transport import Http, open_http
from shared.brokers.turns import GRACE_S
from shared.models.calls import CallsGranted, CallsWanted
from shared.store.postgres import PostgresStore
from workers.gather import Gather

PATIENCE_S = 20.0


class Pacer:
    """One worker: its store, its window, its client."""

    def __init__(self, name: str, store: PostgresStore, window: Window, http: Http) -> None:
        self._name, self.store, self.window, self.http = name, store, window, http
        self._entries: list[float] = []
        self._urgent: list[tuple[float, float]] = []

    @property
    def overtook(self) -> int:
        """How many entries got a turn while an urgent request waited."""
        return sum(wanted < at < got for wanted, got in self._urgent for at in self._entries)

    async def entries(self, rest_s: float = 0) -> None:
        """One entry after the other."""
        while True:
            if (at := await self._ask("entry")) is not None:
                self._entries.append(at)
            await asyncio.sleep(rest_s)

    async def urgents(self, every_s: float) -> None:
        """An urgent request now and then."""
        urgent.set(True)
        while True:
            await asyncio.sleep(every_s)
            wanted = time.monotonic()
            if (got := await self._ask("urgent")) is not None:
                self._urgent.append((wanted, got))

    async def _ask(self, kind: str) -> float | None:
        """One request; when its turn was handed out (monotonic), None when none came."""
        try:
            with await self.window.turn(PATIENCE_S) as turn:
                handed_out, sent = turn.over - GRACE_S, {"Turn": str(time.monotonic())}
                answer = await self.http.request("POST", f"/{kind}/{self._name}", headers=sent)
        except NoTurn:
            return None
        if answer.status == 429:
            self.window.pause(float(answer.headers["Retry-After"]))
        return handed_out


async def main(
    dsn: str,
    connection: str,
    venue: str,
    name: str,
    limit: int,
    seconds: float,
    every_s: float,
    rest_s: float = 0,
) -> None:
    """Run until SIGTERM."""
    # How a fleet shares is shown here, so the database is waited for, on a busy machine, too. That a worker counts alone
    # while it is away: tests/unit/brokers/test_pacing.py.
    pacing.ANSWER_S = 30.0
    store, asked = PostgresStore(dsn), 0

    async def reserve(asks: list[CallsWanted]) -> list[CallsGranted]:
        nonlocal asked
        asked += len(asks)
        return await store.reserve_calls(worker=name, asks=asks)

    pace = Pace({"PLACE": (limit, seconds)}, Gather(reserve, order=lambda _: 0).ask, connection)
    async with open_http(venue, 10.0) as http:
        pacer = Pacer(name, store, pace.window("PLACE"), http)
        loops = [asyncio.create_task(pacer.entries(rest_s)) for _ in range(1 if rest_s else 4)]
        if every_s:
            loops.append(asyncio.create_task(pacer.urgents(every_s)))
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        print("ready", flush=True)
        await stop.wait()
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
    await store.close()
    print(f"asked {asked} overtook {pacer.overtook}", flush=True)


if __name__ == "__main__":
    own, *numbers = sys.argv[1:5], *map(float, sys.argv[5:9])
    asyncio.run(main(*own, int(numbers[0]), *numbers[1:]))
