"""A synthetic account: like the trader's own in the limit that is drilled, unlike it in everything that could hurt.

Its alerts enter by the inbox and go the whole road: queue, rules, `open_orders`, broker, record. Only prices are moved
on purpose. Nothing here can name an account that is not of this drill: the database refuses it (engine.twin_account).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, Protocol

from shared import clock
from shared.brokers.port import Broker
from shared.models.enums import DeliveryOutcome, Side
from shared.models.market import Instrument
from shared.models.reasons import Reason
from shared.models.trading import Account
from shared.store.drill_rows import DrillAnswer, DrilledLimit, DrillRun, TwinSeen
from shared.store.port import Store

ANSWER_S = LEAVE_S = 60.0
"""So long is waited for what must come: a busy machine must not pass for a limit that does not fire."""
LEVERAGE = 100_000
"""An own book asks for next to no margin: what is drilled is our limit, not the broker's."""
LOOK_EVERY_S = 0.03


class DrillFailed(Exception):
    """A drill could not be carried through; the message says where. It proves nothing about the limit."""


class Market(Protocol):
    """Where a twin trades, and how its prices are moved."""

    async def move(self, symbol: str, bid: Decimal, ask: Decimal | None = None) -> None:
        """Set and hold the bid; the ask is a spread above it, unless it is said."""


@dataclass(frozen=True, slots=True)
class Desk:
    """One drill of one worker."""

    store: Store
    run: DrillRun

    @property
    def lease(self) -> dict[str, int]:
        """What every call of this drill is fenced with."""
        return {"run": self.run.id, "token": self.run.token}


class Twin:
    """One synthetic account with an instrument to trade. Money is in US dollars."""

    def __init__(
        self,
        desk: Desk,
        account: Account,
        broker: Broker,
        market: Market,
        instrument: Instrument,
        *,
        clocks: Mapping[str, str] | None = None,
        gaps: bool = False,
    ) -> None:
        """`clocks`: timezone and reset_time of its day. `gaps`: stops fire there, so prices must jump over them."""
        self._desk, self.market, self._clocks = desk, market, clocks or {}
        self.gaps = gaps
        self.account, self.broker, self.instrument = account, broker, instrument
        self.symbol = instrument.symbol

    @property
    def step(self) -> Decimal:
        """One notch of quantity."""
        return self.instrument.qty_step

    @property
    def least(self) -> Decimal:
        """The smallest order."""
        return max(self.instrument.qty_min, self.step)

    def down(self, qty: Decimal) -> Decimal:
        """The largest quantity on the broker's steps that is not above `qty`."""
        return (qty / self.step).to_integral_value(ROUND_FLOOR) * self.step

    def up(self, qty: Decimal) -> Decimal:
        """The smallest quantity on the broker's steps that is not below `qty`, at least the smallest order."""
        return max((qty / self.step).to_integral_value(ROUND_CEILING) * self.step, self.least)

    def loss(self, qty: Decimal, ticks: Decimal) -> Decimal:
        """What `qty` loses over so many ticks, its commission included, in an account in the instrument's currency."""
        per_tick = self.instrument.loss_tick_value or self.instrument.tick_value
        return qty * (ticks * per_tick + self.instrument.commission_per_unit)

    async def bid(self) -> Decimal:
        """The bid now."""
        return (await self._quote())[0]

    async def ask(self) -> Decimal:
        """The ask now: what a buy costs."""
        return (await self._quote())[1]

    async def _quote(self) -> tuple[Decimal, Decimal]:
        quote = await self.broker.quote(self.instrument, None)
        if quote is None:
            raise DrillFailed(f"there is no price of {self.symbol}")
        return quote.bid, quote.ask

    async def arm(self, limit: DrilledLimit | None, **values: Any) -> None:
        """The limit in force, and no other that could speak before it; `values` as engine.arm_twin takes them."""
        await self._desk.store.arm_twin(
            **self._desk.lease,
            account=self.account.id,
            values={"limits": rows_of(limit), **self._clocks, **values},
        )

    async def move(self, bid: Decimal) -> None:
        """Move the market of the twin's instrument."""
        await self.market.move(self.instrument.venue_symbol, bid)

    async def widen(self, limit: DrilledLimit, ticks: Decimal) -> None:
        """Arm the limit in a market whose bid and ask are so many ticks apart."""
        if not self.gaps:
            await self.arm(limit, terms={"spread_ticks": ticks, "leverage": LEVERAGE})
            return
        await self.arm(limit)
        bid = await self.bid()
        apart = ticks * self.instrument.tick_size
        await self.market.move(self.instrument.venue_symbol, bid, bid + apart)
        deadline = clock.monotonic() + ANSWER_S
        while (quote := await self._quote())[1] - quote[0] != apart:
            if clock.monotonic() > deadline:
                raise DrillFailed(f"the simulator shows no spread of {ticks} ticks")
            await asyncio.sleep(LOOK_EVERY_S)

    async def entry(
        self,
        qty: Decimal,
        *,
        side: Side = Side.BUY,
        stop_ticks: Decimal | None = None,
        symbol: str | None = None,
        fired_at: datetime | None = None,
        **more: Any,
    ) -> DrillAnswer:
        """An order that opens, and what became of it."""
        intent: dict[str, Any] = {"action": "open", "side": side, "symbol": symbol or self.symbol}
        intent |= {"qty_mode": self.instrument.qty_unit, "qty": qty, "sl": {"mode": "none"}} | more
        if stop_ticks is not None:
            intent["sl"] = {"mode": "ticks", "value": stop_ticks}
        return await self.ask_for(intent, fired_at)

    async def close(self) -> DrillAnswer:
        """Close everything of the instrument."""
        return await self.ask_for({"action": "close", "symbol": self.symbol, "scope": "symbol"})

    async def ask_for(self, intent: Mapping[str, Any], fired_at: datetime | None = None) -> DrillAnswer:
        """Send an alert and wait for what became of it."""
        event = await self._desk.store.twin_intent(
            **self._desk.lease, account=self.account.id, intent=intent, fired_at=fired_at
        )
        seen = await self.until(
            lambda seen: seen.answer is not None, "its alert was not answered", event=event
        )
        assert seen.answer is not None
        return seen.answer

    async def seen(self, event: int | None = None) -> TwinSeen:
        """What is known of the account now."""
        return await self._desk.store.twin_seen(**self._desk.lease, account=self.account.id, event=event)

    async def until(
        self,
        is_so: Callable[[TwinSeen], bool],
        else_: str,
        event: int | None = None,
    ) -> TwinSeen:
        """What is known once it is so. Raises DrillFailed when it does not become so in time."""
        deadline = clock.monotonic() + ANSWER_S
        while True:
            seen = await self.seen(event)
            if is_so(seen):
                return seen
            if clock.monotonic() > deadline:
                raise DrillFailed(f"{else_} within {ANSWER_S:.0f} seconds")
            await asyncio.sleep(LOOK_EVERY_S)

    async def read_since(self, moment: datetime) -> TwinSeen:
        """The account once a read of it has ended after this moment."""
        return await self.until(
            lambda seen: seen.is_locked or (seen.as_of is not None and seen.as_of > moment), "it was not read"
        )

    async def marked(self) -> TwinSeen:
        """The account, with something open on it, as a read that began after now found it."""
        now = (await self.seen()).now
        # A read that had begun before may have seen the old price: the second one after now has not.
        first = await self.read_since(now)
        return first if first.is_locked else await self.read_since(first.as_of or now)


async def leave(desk: Desk, account: str) -> None:
    """Close and cancel whatever a synthetic account has. Raises DrillFailed when it is not flat in time."""
    deadline, asked = clock.monotonic() + LEAVE_S, False
    while True:
        seen = await desk.store.twin_seen(**desk.lease, account=account, event=None)
        if seen.is_flat:
            return
        if not asked:
            await desk.store.twin_intent(
                **desk.lease, account=account, intent={"action": "flatten"}, fired_at=None
            )
            asked = True
        if clock.monotonic() > deadline:
            raise DrillFailed(f"what it had open was not closed within {LEAVE_S:.0f} seconds")
        await asyncio.sleep(LOOK_EVERY_S)


def rows_of(limit: DrilledLimit | None) -> list[dict[str, Any]]:
    """Rows of limits with this one alone. The ceiling of a trade is out of the way unless it is the one."""
    account: dict[str, Any] = {"scope": "account", "max_risk_per_trade_pct": 100}
    if limit is None:
        return [account]
    own: dict[str, Any] = {"scope": limit.scope}
    own |= (
        {"rules": {limit.rule: limit.settings}}
        if isinstance(limit.settings, dict)
        else {limit.rule: limit.settings}
    )
    if limit.rule == "max_risk_per_trade_pct":
        return [own]
    return [account | own] if limit.scope == "account" else [account, own]


def executed(answer: DrillAnswer) -> bool:
    """The order is at the broker."""
    return answer.outcome is DeliveryOutcome.EXECUTED


def denied(answer: DrillAnswer, *reasons: Reason) -> bool:
    """We refused it, for one of these reasons."""
    return answer.outcome is DeliveryOutcome.DENIED and answer.reason in reasons
