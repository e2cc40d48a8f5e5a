"""What the contract of all brokers is written with: the venue of a test, legs, and waiting for what must come."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Protocol, TypeVar

from shared.brokers.port import Broker, Sent, WrittenAhead
from shared.models.command import Leg
from shared.models.enums import CommandKind, Side
from shared.models.market import Instrument
from shared.models.outcome import Accepted, CannotTell, Lookup, Outcome, Rejected
from shared.models.trading import Position

T = TypeVar("T")
D = Decimal
PATIENCE_S = 60.0
PATIENT_S, HASTY_S = 20.0, 2.5
"""How long an adapter waits for an answer: on a busy machine, and where none will come."""
_numbers = itertools.count(1)


class ContractVenue(Protocol):
    """One simulator with one fresh account, and what an adapter's fixture has to say about it.

    Faults are named as in local.venues.faults; operations are the kinds of commands: place, close, cancel, modify,
    protect, and `reads` for every read.
    """

    symbol: str
    """A TradingView symbol that the account trades, whose price the fixture holds at `bid` / `ask`."""
    bid: Decimal
    ask: Decimal
    qty: Decimal
    """A small quantity; twice and thrice of it are on the step too."""
    answer_s: float
    """So long a broker that is connected from now on waits for an answer."""

    async def connect(self) -> Broker:
        """A new broker of the account, as another worker would have it: it remembers nothing."""

    async def connect_elsewhere(self) -> Broker:
        """A broker whose login has no such account. Must raise ReadFailed."""

    def fault(self, kind: str, operation: str, *, value: str = "", times: int | None = 1) -> None:
        """Let something go wrong."""

    def clear(self) -> None:
        """Let everything work again."""

    def price(self, bid: Decimal, ask: Decimal) -> None:
        """Move the symbol's price."""

    def orders_made(self) -> int:
        """How many orders the account's book has made of placements (not of closes, stops or targets)."""

    def net(self) -> Decimal:
        """The account's net quantity as the book has it, long is positive."""

    def down(self) -> None:
        """Stop the simulator: nobody listens any more."""


def sent(leg: Leg, at: datetime | None = None, send_by: float = float("inf")) -> Sent:
    """A leg as it goes out, named as the database names legs; not after `send_by` (monotonic)."""
    number = next(_numbers)
    name = f"E{time.time_ns() % 10**15:x}_{number:x}_0"
    return Sent(number, name, leg, WrittenAhead(), at or datetime.now(UTC), send_by)


def entry(instrument: Instrument, qty: Decimal, **changes: object) -> Leg:
    """A market order to buy, unless changed."""
    values: dict[str, object] = {"kind": CommandKind.PLACE, "side": Side.BUY, "qty": qty, **changes}
    return leg_of(instrument, **values)


def close_of(instrument: Instrument, position: Position, qty: Decimal | None = None) -> Leg:
    """The venue's own close of a position, or of a part of it."""
    return leg_of(
        instrument,
        kind=CommandKind.CLOSE,
        side=position.side.opposite,
        qty=qty,
        held_qty=position.qty,
        reduce_only=True,
        venue_position_id=position.venue_position_id,
    )


def leg_of(instrument: Instrument, **values: object) -> Leg:
    """A leg on an instrument."""
    names = {"symbol": instrument.symbol, "venue_symbol": instrument.venue_symbol, "root": instrument.root}
    return Leg(leg=0, **names, **values)  # type: ignore[arg-type]


async def eventually(look: Callable[[], Awaitable[T | None]], what: str) -> T:
    """What `look` finds before the deadline."""
    by = time.monotonic() + PATIENCE_S
    while time.monotonic() < by:
        found = await look()
        if found is not None:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"never happened: {what}")


async def instrument_of(broker: Broker, venue: ContractVenue) -> Instrument:
    """The instrument of the venue's symbol."""
    found = await broker.instrument(venue.symbol)
    assert found is not None
    return found


def accepted(outcome: Outcome) -> Accepted:
    """The outcome, which has to be a yes."""
    assert isinstance(outcome, Accepted), outcome
    return outcome


def rejected(outcome: Outcome) -> Rejected:
    """The outcome, which has to be a no."""
    assert isinstance(outcome, Rejected), outcome
    return outcome


async def settled(broker: Broker, command: Sent) -> Lookup:
    """What the lookups come to: asked until one of them can tell."""

    async def look() -> Lookup | None:
        answer = await broker.lookup(command)
        return None if isinstance(answer, CannotTell) else answer

    return await eventually(look, "a lookup that can tell")


async def open_position(broker: Broker, instrument: Instrument, qty: Decimal) -> Position:
    """Buy, and the position as the broker shows it."""
    accepted(await broker.execute(sent(entry(instrument, qty))))
    return await only_position(broker)


async def only_position(broker: Broker) -> Position:
    """The one position there is, or soon will be."""

    async def look() -> Position | None:
        positions = (await broker.snapshot()).positions
        return positions[0] if len(positions) == 1 else None

    return await eventually(look, "exactly one position")
