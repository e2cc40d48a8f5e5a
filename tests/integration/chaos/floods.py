"""Many alerts at once through the real door, with a worker and a venue behind it."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.integration.chaos.accidents import SHORT
from tests.security.senders import Sender, alert, make_sender
from tests.support.clusters import wait_until
from tests.support.processes import run
from tests.support.stacks import RunningStack
from tests.support.trading import until

PATIENCE_S = 180.0
AT_ONCE = 64
"""Connections of the senders: more would measure the test's own machine."""


@dataclass
class Flood:
    """Senders with a far-away paper account each, and what they were answered."""

    stack: RunningStack
    senders: list[Sender]
    url: str
    statuses: Counter[int] = field(default_factory=Counter)
    refusals: list[dict[str, Any]] = field(default_factory=list)

    async def post(self, count: int, pause_s: float = 0.0) -> list[int]:
        """That many different alerts, spread over the senders; the event of each that was accepted."""
        limits = httpx.Limits(max_connections=AT_ONCE)
        async with httpx.AsyncClient(limits=limits, timeout=httpx.Timeout(30, pool=None)) as http:

            async def one(number: int) -> int | None:
                await asyncio.sleep(number * pause_s)
                return await self._until_known(http, self.senders[number % len(self.senders)])

            events = await asyncio.gather(*(one(number) for number in range(count)))
        return [event for event in events if event is not None]

    async def _until_known(self, http: httpx.AsyncClient, sender: Sender) -> int | None:
        """Post as TradingView does: the same bytes again while the answer is not a word about the alert."""
        body = alert(qty=0.01, ref_price=1.1)
        address = f"{self.stack.api_url}/functions/v1/webhook/paper/{sender.token}"
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            answer = await http.post(address, content=body)
            self.statuses[answer.status_code] += 1
            if answer.status_code == 202:
                return int(answer.json()["event_id"])
            if answer.status_code < 500:
                self.refusals.append(answer.json())
                return None
            await asyncio.sleep(0.3)
        raise TimeoutError(f"never accepted: {self.statuses}")

    async def wait_answered(self, count: int) -> None:
        """Wait until so many requests have had an answer."""

        async def answered() -> bool:
            return self.statuses.total() >= count

        await until(answered, PATIENCE_S)

    def wait_finished(self, count: int) -> None:
        """Wait until so many deliveries are done, and no more exist."""
        text = "select count(*), count(*) filter (where status = 'done') from public.deliveries"
        try:
            wait_until(lambda: self.stack.database.sql(text).strip() == f"{count}|{count}", PATIENCE_S)
        except TimeoutError:
            left = "select to_jsonb(d) from public.deliveries d where status <> 'done' limit 3"
            raise TimeoutError(f"{self.outcomes()}: {self.stack.database.sql(left)}") from None

    def outcomes(self) -> dict[str, int]:
        """How many deliveries ended how: their reason, else their outcome."""
        text = (
            "select coalesce(reason::text, outcome::text, 'open'), count(*) from public.deliveries group by 1"
        )
        rows = self.stack.database.sql(text).splitlines()
        return {name: int(number) for name, _, number in (row.rpartition("|") for row in rows)}

    def orders_at_broker(self) -> Counter[str]:
        """How often each client order id was done by the broker."""
        log = httpx.get(f"{self.url}/log").json()
        return Counter(each["client_order_id"] for each in log if each["applied"])

    def orders(self) -> set[str]:
        """The client order ids of the orders that our books call filled."""
        text = "select client_order_id from public.orders where status = 'filled'"
        return set(self.stack.database.sql(text).split())

    def broken_invariants(self) -> str:
        """Invariant views that have rows."""
        text = "select key from jsonb_each(engine.invariant_rows()) where value <> '0'"
        return self.stack.database.sql(text).strip()


@contextmanager
def flood(stack: RunningStack, settings: Sequence[dict[str, Any]]) -> Iterator[Flood]:
    """A sender for each of these endpoint settings, a venue, and a worker that serves them."""
    with run(sys.executable, "-m", "local.venues.paper") as venue:
        url = venue.wait_for_line("ready").split()[1]
        senders = [make_sender(stack, **each) for each in settings]
        env = {"EMPIRE_WORKER_DATABASE_URL": stack.url("empire_worker"), "EMPIRE_PAPER_VENUE_URL": url}
        env |= {f"EMPIRE_{name.upper()}": str(value) for name, value in SHORT.items()}
        with run(sys.executable, "-m", "workers.cli", "worker", "execution", env=env):
            yield Flood(stack, senders, url)
