"""Closes of positions by the broker's own close, which has no id: what one did is told by the order it made."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec.structs import replace

from shared.brokers.errors import BrokerError, UnreadableError
from shared.brokers.port import Sent
from shared.brokers.tradelocker.account import SKEW, Desk, or_else
from shared.brokers.tradelocker.closes import Claim, age, claim_of, loose, whose
from shared.brokers.tradelocker.errors import outcome_of
from shared.brokers.tradelocker.rows import OrderRow
from shared.brokers.tradelocker.views import closings
from shared.models.command import Leg
from shared.models.enums import Effect, OrderStatus, OrderType
from shared.models.outcome import Accepted, CannotTell, Outcome, Unknown
from shared.models.trading import Position

MEET_S = 0.5


class Closer:
    """Closes on one account, and looks for what they did."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def close(self, command: Sent, by: float) -> Outcome:
        """A position, or a part of it. Raises BrokerError: nothing, or nobody knows what, was done."""
        leg, memory = command.leg, self._desk.memory
        position_id = leg.venue_position_id or ""
        with suppress(BrokerError, UnreadableError, TimeoutError):
            async with asyncio.timeout(MEET_S):  # an exit does not wait for what only its result needs
                await self._desk.meet(position_id)
        claim = self._claim(command)
        memory.claim(position_id, claim)
        try:
            await self._desk.client.close_position(position_id, leg.qty, by)
        except BrokerError as error:
            if not isinstance(outcome_of(error), Unknown):
                memory.unclaim(command.client_order_id)
            raise
        memory.claim(position_id, replace(claim, certain=True))
        return await or_else(Accepted(None, OrderStatus.WORKING), self._done(command))

    async def _done(self, command: Sent) -> Accepted:
        """What a close that the broker has taken did, as far as it shows in a while."""

        async def look() -> OrderRow | None:
            history = await self._desk.history(command.submitted_at)
            claims = self._desk.memory.claims(command.leg.venue_position_id or "")
            if command.client_order_id not in {each.name for each in claims}:
                claims.append(replace(self._claim(command), certain=True))
            last = self._last(command, history)
            row = whose(self._open(command, history, claims), claims, last).get(command.client_order_id)
            if row is not None:
                # At once: a close beside this one must not take the same order for its own.
                self._desk.memory.told(row.id, command.client_order_id)
            return row

        row = await self._desk.until(look, self._desk.patience.confirm)
        return Accepted(None, OrderStatus.WORKING) if row is None else await self._told(command, row)

    async def found(self, command: Sent, asked_at: datetime, *, gone: bool) -> Accepted | CannotTell | None:
        """What a close in doubt did; None = nothing that is listed. `gone`: nothing is left of the position.

        Where more orders could be theirs than there are closes of ours, one is somebody else's: which, is not guessed.
        Where there are fewer, all must have had their time before one of them is said to have made none.
        """
        apart = timedelta(seconds=self._desk.patience.apart)
        mine, rivals = self._claim(command), [claim_of(each, apart) for each in command.rivals]
        claims = [mine, *rivals]
        history = await self._desk.history(min(each.since for each in claims) + apart)
        rows = self._open(command, history, claims)
        over = all(not each.under_way and self._is_old(each, apart, asked_at) for each in claims)
        last = self._last(command, history, all_shown=over) if gone else None
        given = whose(rows, claims, last)
        row, others = given.get(mine.name), loose(rows, mine, given)
        if others:
            return None if gone else _undecided([*others, *([row] if row else [])])
        if not over and any(each.qty == mine.qty and each.name not in given for each in rivals):
            return CannotTell(
                "what is listed may be another close's of the position, whose answer is waited for"
            )
        if row is None:
            return None
        self._desk.memory.told(row.id, command.client_order_id)
        return await self._told(command, row)

    async def alike(self, command: Sent) -> list[str]:
        """Ids of all orders that a close of a part could have made, if the clocks differ as much as they ever may, and
        that are no other close's."""
        leg = command.leg
        rows = (*await self._desk.orders(), *await self._desk.history(command.submitted_at))
        apart = timedelta(seconds=self._desk.patience.apart)
        rivals = [claim_of(each, apart) for each in command.rivals]
        theirs = {each.id for each in whose(self._free(command, rows), rivals, None).values()}
        return [
            each.id
            for each in self._free(command, rows)
            if (each.side, each.type, each.qty) == (leg.side, OrderType.MARKET, leg.qty)
            and (each.created is None or each.created >= command.submitted_at - SKEW)
            and (each.filled or not each.is_final)
            and each.id not in theirs
        ]

    def _claim(self, command: Sent) -> Claim:
        since = command.submitted_at - timedelta(seconds=self._desk.patience.apart)
        return Claim(command.client_order_id, command.leg.qty, command.leg.held_qty, since)

    def _is_old(self, claim: Claim, apart: timedelta, asked_at: datetime) -> bool:
        """Whether lists that were asked for then have had time to show what a close did."""
        return (asked_at - claim.since - apart).total_seconds() > self._desk.patience.lag

    def _last(
        self, command: Sent, history: Sequence[OrderRow], *, all_shown: bool = False
    ) -> OrderRow | None:
        """The order that has ended a position; None where what is listed has not taken all that was held from it since
        the close went out, unless nothing more can come."""
        rows = self._closings(command, history, self._claim(command).since)
        taken, held = sum((each.filled for each in rows), Decimal(0)), command.leg.held_qty
        shown = all_shown or (held is not None and taken >= held)
        return max(rows, key=age, default=None) if shown else None

    def _open(self, command: Sent, history: Sequence[OrderRow], claims: Sequence[Claim]) -> list[OrderRow]:
        """Orders that one of these closes has made, as far as nobody else has."""
        since = min(each.since for each in claims)
        return self._free(command, self._closings(command, history, since))

    def _closings(self, command: Sent, history: Sequence[OrderRow], since: datetime) -> list[OrderRow]:
        return closings(history, command.leg.venue_position_id or "", command.leg.side, since)

    def _free(self, command: Sent, rows: Sequence[OrderRow]) -> list[OrderRow]:
        """Orders of the position that are no answer to another command."""
        return [
            each
            for each in rows
            if each.position_id == command.leg.venue_position_id
            and each.id not in command.taken
            and not self._desk.memory.is_anothers(each.id, command.client_order_id)
        ]

    async def _told(self, command: Sent, row: OrderRow) -> Accepted:
        lens, leg = await self._desk.lens(), command.leg
        fill = lens.fill(row, Effect.CLOSE, command.client_order_id, await self._desk.realised(row))
        done = row.filled >= row.qty
        status = OrderStatus.FILLED if done else OrderStatus.CANCELED if row.is_final else OrderStatus.WORKING
        left = await or_else(None, self._left(leg, row.filled, whole=leg.qty is None and done))
        positions = (left,) if left else ()
        return Accepted(row.id, status, row.filled, row.average, (fill,), positions)

    async def _left(self, leg: Leg, closed: Decimal, *, whole: bool) -> Position | None:
        """The position after a close: gone, or as the lists show it; None where they do not show it yet."""
        known = self._desk.memory.position(leg.venue_position_id)
        if leg.held_qty is None or leg.venue_position_id is None or known is None:
            return None
        lens, rest = await self._desk.lens(), leg.held_qty - closed
        if whole or rest <= 0:
            return lens.gone(leg.venue_position_id, known)
        row = {each.id: each for each in await self._desk.positions()}.get(leg.venue_position_id)
        if row is None or row.qty != rest:
            return None
        return lens.position(row, {each.id: each for each in await self._desk.orders()})


def _undecided(rows: Sequence[OrderRow]) -> CannotTell:
    names = ", ".join(sorted(each.id for each in rows))
    return CannotTell(f"each of these orders could be its, and not all of them are ours: {names}")
