"""Targets that we see to, after a read of their account: which exits are asked for, and as which intents.

What is due shared/risk/laddering.py decides. The database puts each exit in line in the transaction that notes that it
was asked for (engine.keep_guards): one event each, so that what became of it is known one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from shared.models.guard import MOVE, Guard
from shared.models.market import Instrument
from shared.models.trading import AccountSnapshot, Position
from shared.risk.guarding import Due, Look
from shared.risk.laddering import climbed, due, promised
from shared.risk.levels import Market


class Ladders:
    """The ladders of one account at one read. What one asks for the next one has no room for."""

    def __init__(
        self, guards: Sequence[Guard], read: AccountSnapshot | None, listed: Mapping[str, Instrument]
    ) -> None:
        self._guards, self._read, self._listed = guards, read, listed
        self._taken: dict[str, Decimal] = {}

    def climbed(self, told: Look, position: Position | None, market: Market | None, now: datetime) -> Look:
        """A guard's look with the exits that its ladder asks for."""
        return climbed(told, () if told.ended or position is None else self._due(told, position, market, now))

    def _due(self, told: Look, position: Position, market: Market | None, now: datetime) -> tuple[Due, ...]:
        guard, instrument = told.guard, self._listed.get(position.symbol)
        ends = told.act is not None and told.act.kind != MOVE
        if instrument is None or guard.ladder is None or ends or self._read is None:
            return ()
        name = position.venue_position_id
        taken = promised(position, self._read.orders, self._guards, guard.ladder.at_broker)
        room = position.qty - taken - self._taken.get(name, Decimal(0))
        found = due(guard, position, instrument, market, room, now)
        self._taken[name] = self._taken.get(name, Decimal(0)) + sum((each.qty for each in found), Decimal(0))
        return found

    def asked(self, told: Look) -> list[dict[str, Any]]:
        """The exits as engine.keep_guards takes them."""
        return [_as_json(told.guard, each, self._unit(told.guard)) for each in told.exits]

    def _unit(self, guard: Guard) -> str:
        held: Iterable[Position] = () if self._read is None else self._read.positions
        symbols = (each.symbol for each in held if each.venue_position_id == guard.position_id)
        return self._listed[next(iter(symbols))].qty_unit


def _as_json(guard: Guard, due: Due, unit: str) -> dict[str, Any]:
    waits = {} if due.price is None else {"type": "limit", "price": due.price}
    named = {"symbol": guard.symbol, "position_id": guard.position_id, "scope": "symbol", "comment": due.told}
    intent = {"action": "reduce", "qty_mode": unit, "qty": due.qty} | waits | named
    return {
        "nth": due.nth,
        "qty": due.qty,
        "price": due.price,
        "told": due.told,
        "failures": due.failures,
        "intent": intent,
    }
