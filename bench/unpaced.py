"""`python -m bench.unpaced worker execution`: a worker as it is, but for the brokers' limits: here nobody reaches them.

A bench sends in a minute what a broker allows in an hour. Paced, it would measure the brokers' limits. With
EMPIRE_BENCH_STAMPS = a file, it also writes down when each order left: a line of broker and epoch ms, taken
immediately before the bytes of its request are given to the socket.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from aiohttp.http_writer import StreamWriter

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench.adapters import limitless
from local.venues.tradelocker.config import RATE_LIMITS
from shared.brokers.blocks import Reserve
from shared.brokers.metatrader.client import LIMITS as METATRADER_LIMITS
from shared.brokers.metatrader.connect import MetaTrader
from shared.brokers.metatrader.tickets import Tickets
from shared.brokers.port import ConnectLogin
from shared.brokers.registry import SILENT_S
from shared.brokers.session import OpenLogin, Sessions
from shared.brokers.topstepx.client import LIMITS as TOPSTEPX_LIMITS
from shared.brokers.topstepx.client import Timing
from shared.brokers.topstepx.connect import TopstepX
from shared.brokers.tradelocker.connect import TradeLocker
from shared.brokers.transport import Answer, Http, open_http
from shared.models import enums
from workers import cli

STAMPS = "EMPIRE_BENCH_STAMPS"
FLUSH_S = 0.05
ORDERS = {
    "tradelocker": re.compile(r"POST \S*/orders|DELETE \S*/positions/\d+"),
    "topstepx": re.compile(r"POST /api/(Order/place|Position/closeContract)"),
    "metatrader": re.compile(r"POST \S*/trade"),
}
"""The requests that are orders: of a market order, and of the close of its position."""
_order: ContextVar[str | None] = ContextVar("order", default=None)


class Stamps:
    """When orders left; written to the file a while later, so that they are not parted by it."""

    def __init__(self, file: Path) -> None:
        self._file, self._taken = file, list[str]()

    def take(self, broker: str) -> None:
        """An order leaves now."""
        if not self._taken:
            asyncio.get_running_loop().call_later(FLUSH_S, self._flush)
        self._taken.append(f"{broker} {time.time() * 1000:.3f}\n")

    def _flush(self) -> None:
        with self._file.open("a") as file:
            file.writelines(self._taken)
        self._taken.clear()


class StampedHttp(Http):
    """Says of each request whether it is an order; aiohttp writes it in a task that knows what was said."""

    broker = ""

    async def request(self, method: str, url: Any, **more: Any) -> Answer:
        """As Http does it."""
        _order.set(self.broker if ORDERS[self.broker].fullmatch(f"{method} {url}") else None)
        return await super().request(method, url, **more)


def stamping(file: Path) -> None:
    """From now on orders are stamped where aiohttp hands a request with a body to the socket."""
    stamps, write = Stamps(file), StreamWriter._writelines

    def stamped(self: StreamWriter, chunks: Any) -> None:
        if (broker := _order.get()) is not None:
            stamps.take(broker)
        write(self, chunks)

    StreamWriter._writelines = stamped  # type: ignore[method-assign]


def opener(broker: str) -> Callable[[str, float], Http]:
    """`open_http` for one broker."""
    if STAMPS not in os.environ:
        return open_http

    def opened(base_url: str, request_timeout_s: float) -> Http:
        http = StampedHttp(base_url, open_http(base_url, request_timeout_s)._session)
        http.broker = broker
        return http

    return opened


def with_logins(
    open_login: OpenLogin,
    sessions: Sessions,
    reserve: Reserve | None = None,
    silent_s: float = SILENT_S,
    tickets: Tickets | None = None,
) -> Mapping[enums.Broker, ConnectLogin]:
    """The brokers as the registry connects them; `reserve` is not asked, no window is ever full."""
    tradelocker, topstepx, metatrader = map(limitless, (RATE_LIMITS, TOPSTEPX_LIMITS, METATRADER_LIMITS))
    return {
        enums.Broker.TRADELOCKER: TradeLocker(
            opener("tradelocker"), open_login, sessions, limits=tradelocker
        ),
        enums.Broker.TOPSTEPX: TopstepX(
            opener("topstepx"), open_login, sessions, timing=Timing(stream_silent=silent_s), limits=topstepx
        ),
        enums.Broker.METATRADER: MetaTrader(
            opener("metatrader"), open_login, limits=metatrader, tickets=tickets
        ),
    }


if __name__ == "__main__":
    cli.with_logins = with_logins
    if STAMPS in os.environ:
        stamping(Path(os.environ[STAMPS]))
    cli.main()
