"""What happens on an account in seeded steps: the market, alerts, somebody else's hand, things that go wrong."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from shared.brokers.port import ReadFailed
from shared.models.command import Leg, Protection
from shared.models.enums import CommandKind, OrderType, Side
from shared.models.market import Instrument
from shared.models.outcome import Accepted
from tests.conformance.harness import close_of, entry, leg_of, sent
from tests.integration.steps.house import House

D = Decimal
QUIET_ROUNDS, MINUTES = 12, 5
"""Looks at a quiet point, a minute apart, and the one that is due by itself."""
FAULTS = ("drop_after_accept", "drop_after_read", "error_before", "error_after", "garbled", "partial_fill")
"""What strikes a write at once. Whatever hangs is played where minutes are: bench/chaos.py."""
WRITES = ("place", "close", "cancel", "modify", "protect")
LAG_S = 0.2
"""Less than the adapters take lists to be behind."""
STEPS = {"move": 862, "hand": 90, "alert": 15, "wrong": 10, "read": 8, "restart": 2, "quiet": 13}
"""How often each kind of step comes, in a thousand."""


@dataclass(frozen=True)
class Ground:
    """What is traded: our symbol and the simulator's, where bid and ask began, and how alerts name a quantity."""

    symbol: str
    listing: str
    bid: Decimal
    spread: Decimal
    tick: Decimal
    unit: Decimal
    qty_mode: str


@dataclass
class Life:
    """One account's. `count` is what happened (`looks`: at quiet points), `spent_s` how long each kind of step took."""

    house: House
    ground: Ground
    instrument: Instrument
    dice: random.Random
    bid: Decimal
    count: Counter[str] = field(default_factory=Counter)
    spent_s: Counter[str] = field(default_factory=Counter)

    async def play(self, steps: int) -> None:
        """So many steps, and a quiet point at their end. AssertionError with what differs."""
        # By dice of their own: how often the others are thrown depends on what lists that lag show just then, and so would
        # how often each kind comes.
        kinds = random.Random(self.dice.random()).choices(list(STEPS), list(STEPS.values()), k=steps)
        for kind in kinds:
            self.count[kind] += 1
            began = time.monotonic()
            await self._steps[kind]()
            self.spent_s[kind] += time.monotonic() - began
        await self.quiet()

    @property
    def _steps(self) -> dict[str, Callable[[], Awaitable[None]]]:
        return {
            "move": self.move,
            "hand": self.by_hand,
            "alert": self.alert,
            "wrong": self.wrong,
            "read": self.house.read,
            "restart": self.restart,
            "quiet": self.quiet,
        }

    async def restart(self) -> None:
        """The worker is another one from now on."""
        self.house.restart()

    async def move(self) -> None:
        """The market: mostly a little, now and then far enough for any stop; near where it began in the long run."""
        ticks = self.dice.randint(-6, 6) * (10 if self.dice.random() < 0.1 else 1)
        away = (self.bid - self.ground.bid) / self.ground.tick
        self.bid += self.ground.tick * (ticks - (ticks if away * ticks > 3000 else 0))
        await self.house.price(self.ground.listing, self.bid, self.bid + self.ground.spread)

    async def wrong(self) -> None:
        """The next write, or read, goes wrong; or lists are a second behind for a while."""
        if self.dice.random() < 0.2:
            await self.house.fault({"kind": "lag_lists", "value": str(LAG_S)})
            return
        fault: dict[str, Any] = {"kind": self.dice.choice(FAULTS), "times": 1}
        await self.house.fault(fault | {"operation": self.dice.choice(WRITES)})

    # Ours

    async def alert(self) -> None:
        """An alert of any action on its whole road."""
        await self.house.trader.alert(**self._intent())
        await self.house.carry_out()

    def _intent(self) -> dict[str, Any]:
        dice, ground = self.dice, self.ground
        side = dice.choice(list(Side))
        base: dict[str, Any] = {"symbol": ground.symbol, "action": dice.choices(ACTIONS, WEIGHTS)[0]}
        if base["action"] in ("close", "cancel", "flatten"):
            return base if base["action"] != "flatten" else {"action": "flatten"}
        sized = {"qty": ground.unit * dice.randint(1, 4), "qty_mode": ground.qty_mode}
        if base["action"] == "reduce":
            return base | sized
        base |= sized | {"side": side.value}
        below, above = self._levels(dice.randint(20, 120))
        stop, target = (below, above) if side is Side.BUY else (above, below)
        if dice.random() < 0.5:
            base |= {
                "sl": {"mode": "price", "value": str(stop)},
                "tp": {"mode": "price", "value": str(target)},
            }
        if base["action"] == "open" and "sl" not in base and dice.random() < 0.3:
            base |= {"type": "limit", "price": str(stop)}
        return base

    def _levels(self, ticks: int) -> tuple[Decimal, Decimal]:
        away = ticks * self.ground.tick
        return self.bid - away, self.bid + self.ground.spread + away

    # Not ours

    async def by_hand(self) -> None:
        """Bought, sold, closed in part or whole, placed and taken back at the broker itself: we are not asked."""
        try:
            leg = await self._leg()
            outcome = await self.house.hand.execute(sent(leg))
        except ReadFailed:
            self.count["hand failed"] += 1
            return
        self.count["hand done" if isinstance(outcome, Accepted) else "hand failed"] += 1

    async def _leg(self) -> Leg:
        dice, what = self.dice, self.dice.random()
        if what < 0.45:
            seen = await self.house.hand.snapshot()
            if seen.positions and what < 0.3:
                held = dice.choice(seen.positions)
                part = held.qty > self.ground.unit and dice.random() < 0.4
                return close_of(self.instrument, held, self.ground.unit if part else held.qty)
            waiting = [each for each in seen.orders if each.is_entry]
            if waiting:
                order = dice.choice(waiting)
                return leg_of(self.instrument, kind=CommandKind.CANCEL, venue_order_id=order.venue_order_id)
        side = dice.choice(list(Side))
        leg = entry(self.instrument, self.ground.unit * dice.randint(1, 3), side=side)
        below, above = self._levels(dice.randint(15, 100))
        stop, target = (below, above) if side is Side.BUY else (above, below)
        if what < 0.75:
            return replace(leg, type=OrderType.LIMIT, price=stop)
        return replace(leg, protection=Protection(stop, target)) if what < 0.9 else leg

    # A quiet point

    async def quiet(self) -> None:
        """Nothing goes wrong any more and time passes: then our books are the broker's, to the cent and the tick."""
        await self.house.clear()
        for looks in range(QUIET_ROUNDS):
            await self.house.later()
            if looks == MINUTES:
                await self.house.minutes_later()
            await self.house.carry_out()
            await self.house.settle()
            await self.house.read()
            left = await self.house.difference()
            if not left:
                self.count["looks"] += looks + 1
                return
        raise AssertionError(f"after {dict(self.count)} in {dict(self.spent_s)}: {left}")


ACTIONS = ("open", "add", "reverse", "target", "close", "reduce", "cancel", "flatten")
WEIGHTS = (40, 8, 10, 8, 12, 12, 4, 2)
