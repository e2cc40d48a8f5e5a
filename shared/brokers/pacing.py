"""Our turn: never more requests than the broker allows in any window, by kind of request and over all workers.

The fleet shares a limit through engine.reserve_calls: a worker is handed a block of requests to be sent within a
second at most, and spends it without asking again. Without a fleet, or while the database is away, a worker counts by
itself. What is urgent goes first and has a share of every limit for itself: a flatten never waits behind entries. What
is background (looking at accounts again and again) comes last and leaves half of every limit to orders.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass

from shared import clock, log
from shared.brokers.blocks import Blocks, Rank, Reserve, Share
from shared.brokers.errors import NoTurn
from shared.brokers.turns import Turn, TurnLog

_log = log.get("pacing")
UNLISTED = (5, 1.0)
"""Requests and seconds for what the broker names no limit for."""
UNREACHABLE_PER_S = 1000.0
"""A limit that one worker cannot reach is none: nothing is counted."""
ANSWER_S, AWAY_S = 0.5, 1.0
"""So long the database may take for a block; then for so long it is not asked, and this worker counts by itself."""
NEVER = float("inf")

urgent: ContextVar[bool] = ContextVar("urgent", default=False)
"""Set in the task of a delivery that goes before others: flatten, kill switch, breach, a close that was clicked."""
background: ContextVar[bool] = ContextVar("background", default=False)
"""Set in the task of a read that nobody waits for: it must not cost an order its turn."""


@contextmanager
def foreground() -> Iterator[None]:
    """Around a read whose answer is kept for long and without which an account cannot be looked at, whoever asks."""
    token = background.set(False)
    try:
        yield
    finally:
        background.reset(token)


def rank() -> Rank:
    """Who asks, from the task that asks."""
    if urgent.get():
        return Rank.URGENT
    return Rank.BACKGROUND if background.get() else Rank.NORMAL


@dataclass(slots=True, eq=False)
class _Ticket:
    """Somebody who waits, until `by` at the longest."""

    by: float
    turn: asyncio.Future[Turn]


class Window:
    """At most `limit` requests in any `seconds`, in the order in which they were asked for, the urgent first."""

    def __init__(self, limit: int, seconds: float, share: Share | None = None) -> None:
        limit = max(1, limit)
        self._own = TurnLog(limit, seconds)
        self._limit, self._seconds = limit, seconds
        self._blocks = Blocks(share, self._wake) if share is not None else None
        self._away_until = self._not_before = 0.0
        self._waiting: dict[Rank, deque[_Ticket]] = {each: deque() for each in Rank}
        self._ahead = {who: [self._waiting[each] for each in Rank if each <= who] for who in Rank}
        self._news = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None
        self._telling: set[asyncio.Task[None]] = set()

    async def turn(self, within_s: float) -> Turn:
        """Wait for a turn; `with` it around the request. NoTurn when it does not come within `within_s`."""
        who, now = rank(), clock.monotonic()
        if not any(self._ahead[who]):
            turn = self._take(who, now)
            if turn is not None:
                return turn
        ticket = _Ticket(now + within_s, asyncio.get_running_loop().create_future())
        self._waiting[who].append(ticket)
        self._wake()
        try:
            async with asyncio.timeout(max(within_s, 0)):
                return await ticket.turn
        except TimeoutError:
            raise NoTurn(f"the broker's rate limit: our turn did not come within {within_s:.1f} s") from None
        finally:
            self._news.set()

    def pause(self, seconds: float) -> None:
        """No turn for so long, for any worker: the broker has said that we are too fast."""
        self._not_before = max(self._not_before, clock.monotonic() + seconds)
        if self._blocks is not None:
            task = asyncio.ensure_future(self._tell_pause(self._blocks, seconds))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    @property
    def quiet_s(self) -> float:
        """For so long no turn comes, because the broker has said that we are too fast; 0 = it has not."""
        return max(0.0, self._not_before - clock.monotonic())

    def resize(self, limit: int, seconds: float) -> None:
        """The broker names another limit. What was sent before counts on."""
        self._limit, self._seconds = max(1, limit), seconds
        self._own.resize(self._limit, seconds)

    def _kept(self, who: Rank) -> int:
        """So many of the limit are for higher ranks; of a few none are: there they are only the first in the line."""
        kept = {Rank.URGENT: 0, Rank.NORMAL: min(self._limit // 5, 20), Rank.BACKGROUND: self._limit // 2}
        return kept[who]

    def _take(self, who: Rank, now: float) -> Turn | None:
        if now < self._not_before:
            return None
        if self._limit / self._seconds >= UNREACHABLE_PER_S:
            return Turn(now)
        if self._blocks is None or now < self._away_until:
            free = self._own.free_at(self._limit - self._kept(who), now) <= now
            return self._own.add(Turn(now, self._wake)) if free else None
        turn = self._blocks.take(who, now)
        # Counted here too: so a worker that loses the database goes on within the limit.
        return None if turn is None else self._own.add(turn)

    def _next_at(self, who: Rank, now: float) -> float:
        """When somebody waiting may have a turn, or when it is worth asking for one."""
        if self._blocks is None or now < self._away_until:
            next_at = self._own.free_at(self._limit - self._kept(who), now)
        else:
            next_at = self._blocks.next_at(who, now)
        return max(next_at, self._not_before)

    def _lanes(self) -> list[Rank]:
        """The ranks where somebody waits, the urgent one first. Who gave up is forgotten."""
        for line in self._waiting.values():
            while line and line[0].turn.done():
                line.popleft()
        return [who for who, line in self._waiting.items() if line]

    def _wake(self) -> None:
        self._news.set()
        if (self._pump is None or self._pump.done()) and any(self._waiting.values()):
            self._pump = asyncio.ensure_future(self._serve())
            self._pump.add_done_callback(self._served)

    def _served(self, pump: asyncio.Task[None]) -> None:
        if not pump.cancelled() and (error := pump.exception()) is not None:
            _log.error("pacing failed", exc_info=error)
            self._refuse({})

    async def _serve(self) -> None:
        while self._lanes():
            self._news.clear()
            self._hand_out()
            now = clock.monotonic()
            waits = {who: self._next_at(who, now) for who in self._lanes()}
            due = [who for who, at in waits.items() if at <= now]
            if due and self._blocks is not None and now >= self._away_until:
                await self._ask(self._blocks, due[0], now)
            elif waits and not due:
                self._refuse(waits)
                with suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, min(waits.values()) - clock.monotonic())):
                        await self._news.wait()

    def _hand_out(self) -> None:
        for who in self._lanes():
            line = self._waiting[who]
            while line:
                if line[0].turn.done():
                    line.popleft()
                elif (turn := self._take(who, clock.monotonic())) is not None:
                    line.popleft().turn.set_result(turn)
                else:
                    break

    async def _ask(self, blocks: Blocks, who: Rank, now: float) -> None:
        line = [each for each in self._waiting[who] if not each.turn.done()]
        within_s = max(each.by for each in line) - now
        try:
            async with asyncio.timeout(ANSWER_S):
                await blocks.ask(
                    self._limit,
                    self._kept(who),
                    self._seconds,
                    rank=who,
                    want=len(line),
                    within_s=within_s,
                )
        except (ConnectionError, TimeoutError) as error:
            _log.warning(
                "no block from the database, counting alone", error=str(error) or "no answer in time"
            )
            self._away_until = clock.monotonic() + AWAY_S
        except Exception as error:  # noqa: BLE001 - whatever it is, orders must not wait for it
            _log.error("no block from the database, counting alone", exc_info=error)
            self._away_until = clock.monotonic() + AWAY_S

    def _refuse(self, waits: Mapping[Rank, float]) -> None:
        """Whoever would wait in vain is told at once, and when the turn would be."""
        now = clock.monotonic()
        for who, line in self._waiting.items():
            at = waits.get(who, NEVER)
            for ticket in line:
                if ticket.by < at and not ticket.turn.done():
                    when = (
                        f"our turn would be in {at - now:.1f} s"
                        if at < NEVER
                        else "turns cannot be given now"
                    )
                    ticket.turn.set_exception(NoTurn(f"the broker's rate limit: {when}"))

    async def _tell_pause(self, blocks: Blocks, seconds: float) -> None:
        try:
            async with asyncio.timeout(ANSWER_S):
                await blocks.tell_pause(self._limit, self._seconds, seconds)
        except (ConnectionError, TimeoutError) as error:
            _log.warning("a pause was not told to the other workers", error=str(error) or "no answer in time")


class Pace:
    """The windows of one account or login, by whatever the broker counts."""

    def __init__(
        self,
        limits: Mapping[str, tuple[int, float]] | None = None,
        reserve: Reserve | None = None,
        connection_id: str = "",
        part: str = "",
    ) -> None:
        """No limits yet (None): every kind gets UNLISTED until `learn`.

        With `reserve` the limits are shared with the other workers, under the connection's id and, where the broker
        counts its accounts apart, the account's number as `part`.
        """
        self._limits: Mapping[str, tuple[int, float]] = limits or {}
        self._reserve, self._connection_id, self._part = reserve, connection_id, part
        self._windows: dict[str, Window] = {}

    def learn(self, limits: Mapping[str, tuple[int, float]]) -> None:
        """The limits that the broker has named: they hold from now on, for what was sent before too."""
        self._limits = limits
        for kind, window in self._windows.items():
            window.resize(*limits.get(kind, UNLISTED))

    def window(self, kind: str) -> Window:
        """The window of a kind of request, by the broker's own name for it."""
        if kind not in self._windows:
            limit, seconds = self._limits.get(kind, UNLISTED)
            self._windows[kind] = Window(limit, seconds, self._shared(kind))
        return self._windows[kind]

    def _shared(self, kind: str) -> Share | None:
        if self._reserve is None:
            return None
        route = f"{self._part}/{kind}" if self._part else kind
        return Share(self._reserve, self._connection_id, route)
