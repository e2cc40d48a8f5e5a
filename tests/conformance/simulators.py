"""A simulated broker in its own process, and its operator's side: faults, prices, what really happened."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx

from shared import codec
from tests.support import processes
from tests.support.clusters import PATIENCE_S


@dataclass(frozen=True, slots=True)
class Operator:
    """Talks to `/_sim` of a running simulator."""

    url: str

    def fault(
        self, kind: str, *, value: str = "", operation: str | None = None, times: int | None = 1
    ) -> None:
        """Let something go wrong, `times` times (None = until `clear`)."""
        body = {"kind": kind, "value": value, "operation": operation, "times": times}
        self._call("POST", "/_sim/faults", body)

    def clear(self) -> None:
        """Let everything work again."""
        self._call("DELETE", "/_sim/faults")

    def release(self) -> None:
        """Whoever hangs now goes on at once."""
        self._call("POST", "/_sim/faults/release")

    def price(self, symbol: str, bid: Decimal, ask: Decimal) -> None:
        """Set a price and hold it."""
        self._call("POST", "/_sim/prices", {"symbol": symbol, "bid": bid, "ask": ask})

    def revoke(self) -> None:
        """End every session."""
        self._call("POST", "/_sim/revoke")

    def post(self, path: str, **body: object) -> Any:
        """What only one simulator can do: `path` below /_sim."""
        return self._call("POST", f"/_sim/{path}", body)

    def ask(self, path: str) -> Any:
        """What only one simulator can tell: `path` below /_sim."""
        return self._call("GET", f"/_sim/{path}")

    def log(self) -> list[dict[str, Any]]:
        """Every write that was received."""
        found: list[dict[str, Any]] = self._call("GET", "/_sim/log")
        return found

    def state(self) -> dict[str, Any]:
        """The books of all accounts."""
        found: dict[str, Any] = self._call("GET", "/_sim/state")
        return found

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        content = None if body is None else codec.encode(body)
        answer = httpx.request(method, self.url + path, content=content, trust_env=False, timeout=PATIENCE_S)
        answer.raise_for_status()
        return codec.decode(answer.content)


@contextmanager
def running_simulator(name: str, *options: str) -> Iterator[Operator]:
    """`empire venue <name>` on a free port, its market standing still."""
    command = (sys.executable, "-m", "local.venues", name, "--port", "0", "--tick-ms", "0", *options)
    with processes.run(*command) as program:
        yield Operator(program.wait_for_line("ready ").split()[1])
