"""Twins at the simulator of the trader's own broker: a login of their own, behind the very adapter that trades his.

Only where the trader's account is a simulated one. A simulator knows every login and gives it accounts of its own; its
market is one for all, so its price is held while a limit is drilled, of an instrument that few trade, and let go after.
"""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from decimal import Decimal

import httpx
from msgspec.structs import replace

from shared import clock, codec
from shared.brokers.registry import Registry
from shared.brokers.venues import SIMULATED, Venues
from shared.crypto.sealing import Binding, Credential, seal_credential
from shared.models.market import Instrument
from shared.models.trading import Account
from shared.store.drill_rows import DrillRun, TwinLogin
from workers.credentials import KeyFile
from workers.drills.places import opened
from workers.drills.twin import Desk, DrillFailed, Twin

CHECKED_S = 60.0
SYMBOLS = ("AUDUSD", "CL1!")
"""The first that the broker has: what few trade."""
YOUNG_S = 40
"""The twin's day begins with this minute; a reset is seen within a minute of it."""


@dataclass(frozen=True, slots=True)
class SimulatedMarket:
    """The prices of a simulator, which takes them from its own machine only."""

    http: httpx.AsyncClient
    address: str
    names: tuple[str, ...]

    async def move(self, symbol: str, bid: Decimal, ask: Decimal | None = None) -> None:
        """Set and hold the bid, and the ask where it is said."""
        prices = {"bid": bid} if ask is None else {"bid": bid, "ask": ask}
        for name in self.names:
            answer = await self._post(name, **prices)
            if answer.status_code == 200:
                return
        raise DrillFailed(f"the simulator took no price of {symbol}: {answer.text[:100]}")

    async def release(self) -> None:
        """Let the price walk again."""
        for name in self.names:
            await self._post(name)

    async def _post(self, name: str, **more: Decimal) -> httpx.Response:
        body = codec.encode({"symbol": name, **more})
        return await self.http.post(f"{self.address}/_sim/prices", content=body)


class Simulators:
    """Makes twins at the simulators that this installation knows."""

    name = "the broker's simulator"

    def __init__(self, brokers: Registry, venues: Venues, keys: KeyFile, http: httpx.AsyncClient) -> None:
        self._brokers, self._venues, self._keys, self._http = brokers, venues, keys, http

    def serves(self, run: DrillRun) -> bool:
        """A simulated account of a broker that one logs in at."""
        return run.environment == SIMULATED and self._brokers.logs_in_at(run.broker)

    async def twins(self, desk: Desk, hedging: bool, count: int) -> list[Twin]:
        # Hedging or netting is the broker's own there.
        login = await self._connected(desk)
        if len(login.accounts) < count:
            raise DrillFailed(
                f"the simulator gives a login {len(login.accounts)} accounts, {count} are needed"
            )
        accounts = [replace(row.account(), currency="USD") for row in login.accounts[:count]]
        return [await self._twin(desk, each) for each in accounts]

    async def rest(self, twins: Sequence[Twin]) -> None:
        for each in twins:
            if isinstance(each.market, SimulatedMarket):
                await each.market.release()

    async def _connected(self, desk: Desk) -> TwinLogin:
        run, ring = desk.run, self._keys.ring()
        binding = Binding(
            user_id=str(uuid.uuid4()),
            connection_id=str(uuid.uuid4()),
            broker=run.broker.value,
            environment=SIMULATED,
            base_url=None,
            server=run.server,
            login=f"drill-{secrets.token_hex(6)}@example.com",
            version=1,
            key_id=ring.current,
        )
        credential = Credential(binding.login, secrets.token_urlsafe(12), run.server)
        sealed = seal_credential(credential, binding, ring.key(ring.current).public_key())
        await opened(
            desk,
            user_id=binding.user_id,
            connection_id=binding.connection_id,
            broker=run.broker,
            server=run.server,
            login=binding.login,
            key_id=ring.current,
            sealed=sealed.hex(),
            books=[],
        )
        return await _checked(desk, binding.connection_id)

    async def _twin(self, desk: Desk, account: Account) -> Twin:
        broker = await self._brokers.broker(account)
        for symbol in SYMBOLS:
            found = await broker.instrument(symbol)
            if isinstance(found, Instrument):
                break
        else:
            raise DrillFailed(f"the simulator has none of {', '.join(SYMBOLS)}")
        address = self._venues.address(account.broker, SIMULATED, account.server, claimed=None)
        market = SimulatedMarket(self._http, address, (found.venue_symbol, found.root))
        # As late as can be: what came before may have taken long.
        await _early_in_a_minute()
        now = clock.now().astimezone(UTC)
        clocks = {"timezone": "UTC", "reset_time": f"{now:%H:%M}"}
        twin = Twin(desk, account, broker, market, found, clocks=clocks, gaps=True)
        began = (await twin.seen()).now
        await twin.arm(None)
        await twin.read_since(began)
        # Held where it is: it must not walk while it is drilled.
        await twin.move(await twin.bid())
        return twin


async def _early_in_a_minute() -> None:
    """A day that begins with this minute is known when it is read within a minute."""
    second = clock.now().second
    if second > YOUNG_S:
        await asyncio.sleep(60.5 - second)


async def _checked(desk: Desk, connection: str) -> TwinLogin:
    """The login once a worker has checked it."""
    deadline = clock.monotonic() + CHECKED_S
    while clock.monotonic() < deadline:
        login = await desk.store.twin_accounts(**desk.lease, connection=connection)
        if login is not None and login.status == "connected":
            return login
        if login is None or login.status in ("failed", "disabled"):
            raise DrillFailed(
                f"the simulator was not connected: {login.error if login else 'the drill is over'}"
            )
        await asyncio.sleep(0.1)
    raise DrillFailed(f"the simulator was not connected within {CHECKED_S:.0f} seconds")
