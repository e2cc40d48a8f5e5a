"""A worker's side of pacing as a program: asks a venue on one route as fast as it may, until it is stopped.

    python -m tests.support.pacer <database> <connection> <venue> <name> <limit> <seconds> <urgent every s> [<rest s>]

Entries are asked for by four loops at once, or by one that rests after each, as who looks on does; every so often an urgent request comes between them. Prints the longest
that an urgent one took from being wanted to being answered, and how often the database was asked.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time

from shared.brokers.errors import NoTurn
from shared.brokers.pacing import Pace, Window, urgent
from shared.brokers.transport import Http, open_http
from shared.models.calls import CallsGranted, CallsWanted
from shared.store.postgres import PostgresStore
from workers.gather import Gather

PATIENCE_S = 20.0


class Pacer:
    """One worker: its store, its window, its client."""

    def __init__(self, name: str, store: PostgresStore, window: Window, http: Http) -> None:
        self._name, self.store, self.window, self.http = name, store, window, http
        self.slowest_urgent = 0.0

    async def entries(self, rest_s: float = 0) -> None:
        """One entry after the other."""
        while True:
            await self._ask("entry")
            await asyncio.sleep(rest_s)

    async def urgents(self, every_s: float) -> None:
        """An urgent request now and then."""
        urgent.set(True)
        while True:
            await asyncio.sleep(every_s)
            began = time.monotonic()
            await self._ask("urgent")
            self.slowest_urgent = max(self.slowest_urgent, time.monotonic() - began)

    async def _ask(self, kind: str) -> None:
        try:
            with await self.window.turn(PATIENCE_S):
                answer = await self.http.request("POST", f"/{kind}/{self._name}")
        except NoTurn:
            return
        if answer.status == 429:
            self.window.pause(float(answer.headers["Retry-After"]))


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
    print(f"asked {asked} slowest {pacer.slowest_urgent:.3f}", flush=True)


if __name__ == "__main__":
    own, *numbers = sys.argv[1:5], *map(float, sys.argv[5:9])
    asyncio.run(main(*own, int(numbers[0]), *numbers[1:]))
