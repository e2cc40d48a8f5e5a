"""Which position each ticket of a MetaTrader 4 account is: from comments, from what the fleet has kept, from history.

The last resort is dear and rare: what nobody has seen come about, because every worker that knew it was gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared import clock, log
from shared.brokers.errors import BrokerError, UnreadableError
from shared.brokers.metatrader.client import Client
from shared.brokers.metatrader.lineage import Lineage
from shared.brokers.metatrader.rows import DealRow, PositionRow
from shared.brokers.metatrader.tickets import Kept, Tickets
from shared.brokers.metatrader.tracing import Evidence, trace

_log = log.get("broker")
PAUSES_S = (1.0, 5.0, 15.0, 60.0, 300.0)
"""Before history is asked once more for the same tickets: what explains them may be listed by then."""
MOST_ASKED = 40
"""Positions whose own history is asked for at once; with more of them the next look goes on."""


@dataclass(slots=True)
class Origins:
    """Of one account. What is found is kept before it is told: another process has to find the same."""

    account_id: str
    client: Client
    tickets: Tickets
    lineage: Lineage = field(default_factory=Lineage)
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)
    _asked: frozenset[str] = frozenset()
    _times: int = 0
    _next: float = float("-inf")

    async def of_positions(self, rows: Sequence[PositionRow]) -> list[PositionRow]:
        """Open positions under their first tickets. Raises UnreadableError where our own records cannot be read."""
        await self._find({each.id for each in rows}, rows, None)
        return self.lineage.positions(rows)

    async def of_deals(self, rows: Sequence[DealRow], since: datetime) -> list[DealRow]:
        """Deals since a time under the first tickets of their positions. Raises as `of_positions`."""
        opened = {each.position_id for each in rows if each.opens}
        closed = {each.position_id for each in rows if each.position_id and not each.opens}
        await self._find({each for each in closed if each is not None} - opened, None, since)
        return self.lineage.deals(rows)

    def settled(self, deals: Sequence[DealRow], lag_s: float) -> list[DealRow]:
        """Without those that have closed lately what nobody knows yet: what explains them may be listed by then."""
        opened = {each.position_id for each in deals if each.opens}
        young = clock.now() - timedelta(seconds=lag_s)
        return [
            each
            for each in deals
            if each.time < young or each.position_id in opened or self.lineage.knows(each.position_id or "")
        ]

    def may_be(self, position_id: str, rows: Iterable[PositionRow]) -> list[str]:
        """Open tickets of which one may be what is left of a position."""
        return [
            each.id
            for each in rows
            if not self.lineage.knows(each.id) and position_id in self.lineage.doubts.get(each.id, ())
        ]

    async def _find(
        self, tickets: Collection[str], rows: Sequence[PositionRow] | None, since: datetime | None
    ) -> None:
        """Learn whose tickets are that are not known."""
        if not self._unknown(tickets):
            return
        async with self._one:
            await self._keep(self.lineage.said(rows or ()))
            if not (unknown := self._unknown(tickets)) or not self._may_ask(unknown):
                return
            try:
                kept = await self._kept()
                await self._keep(self.lineage.said(rows or ()))
                if unknown := self._unknown(tickets):
                    await self._trace(unknown, kept, rows, since)
            except (BrokerError, UnreadableError):
                self._next = float("-inf")  # nothing was found out, and nothing may be told until it is
                raise
            self._asked = self._unknown((*self._asked, *tickets))

    def _unknown(self, tickets: Iterable[str]) -> frozenset[str]:
        return frozenset(each for each in tickets if not self.lineage.knows(each))

    def _may_ask(self, unknown: frozenset[str]) -> bool:
        """Not again and again for what could not be told."""
        now = clock.monotonic()
        if unknown <= self._asked and now < self._next:
            return False
        self._times = self._times + 1 if unknown <= self._asked else 0
        self._next = now + PAUSES_S[min(self._times, len(PAUSES_S) - 1)]
        return True

    async def _kept(self) -> Kept:
        try:
            kept = await self.tickets.tickets_of(account=self.account_id)
        except ConnectionError as error:
            raise UnreadableError("what we have kept of the account's tickets cannot be read") from error
        self.lineage.learn(kept.tickets)
        for each in kept.positions:
            self.lineage.opened(each)
        return kept

    async def _keep(self, found: dict[str, str]) -> None:
        later = {ticket: first for ticket, first in found.items() if ticket != first}
        if later:
            try:
                stands = await self.tickets.keep_tickets(account=self.account_id, tickets=later)
            except ConnectionError as error:
                raise UnreadableError("the account's tickets cannot be kept") from error
            found = {**found, **stands}
        self.lineage.learn(found)

    async def _trace(
        self,
        unknown: frozenset[str],
        kept: Kept,
        rows: Sequence[PositionRow] | None,
        since: datetime | None,
    ) -> None:
        """What history says, asked from the moment on at which the account was known last."""
        if rows is None:
            rows = await self.client.positions()
        began = [each.time for each in rows if each.time is not None and each.id in unknown]
        start = min([each for each in (kept.since, since) if each is not None] or began, default=clock.now())
        deals = await self._history(kept, rows, await self.client.deals(start))
        more = self._unknown(each.position_id or "" for each in deals if not each.opens)
        wanted = unknown | more | self._unknown(each.id for each in rows)
        seen = Evidence(self.lineage.known, kept.positions, rows, deals, start)
        traced = trace(wanted, seen)
        await self._keep(dict(traced.first))
        doubts = {ticket: firsts for ticket, firsts in traced.untold.items() if firsts}
        for ticket in set(doubts) - set(self.lineage.doubts):
            _log.warning("a ticket may be what is left of another", ticket=ticket, positions=doubts[ticket])
        self.lineage.doubts = doubts

    async def _history(
        self, kept: Kept, rows: Sequence[PositionRow], deals: Sequence[DealRow]
    ) -> list[DealRow]:
        """With all deals of those positions that were opened before these and have changed since."""
        first = self.lineage.first
        opened = {each.position_id for each in deals if each.opens}
        closed = {first(each.position_id or "") for each in deals if not each.opens}
        here = {first(each.id) for each in rows}
        changed = [
            each for each in kept.positions if each in closed or (each in kept.open and each not in here)
        ]
        # What nobody knows and was closed is a position that was opened before, or the rest of one.
        changed += [each for each in closed if each not in kept.positions]
        found = {each.id: each for each in deals}
        for position in [each for each in changed if each not in opened][:MOST_ASKED]:
            known = [ticket for ticket, of in self.lineage.known.items() if of == position]
            for ticket in dict.fromkeys((position, *known)):
                found |= {each.id: each for each in await self.client.deals_of(ticket)}
        return list(found.values())
