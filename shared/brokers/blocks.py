"""One route's blocks of the fleet's requests in this worker's hands: asked for, spent, told about. No waiting."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import IntEnum

from shared import clock
from shared.brokers.turns import GRACE_S, MARGIN, Turn
from shared.models.calls import CallsGranted, CallsUsed, CallsWanted

Reserve = Callable[[CallsWanted], Awaitable[CallsGranted]]
"""engine.reserve_calls for this worker. Raises ConnectionError when the database does not answer."""
LIFE_S = 1.0
"""How long a block may be used at most; a quarter of the window where that is shorter."""


class Rank(IntEnum):
    """Who goes before whom. The urgent has a share of every limit for itself, and the background leaves one."""

    URGENT = 0
    NORMAL = 1
    BACKGROUND = 2


@dataclass(frozen=True, slots=True)
class Share:
    """Whose limit it is: a route of a connection, shared out by `reserve`."""

    reserve: Reserve
    connection_id: str
    route: str


@dataclass(slots=True)
class Block:
    """Requests to be sent from `starts` to `ends` (monotonic): inside of what the database allows, whatever the
    way there and back took."""

    number: int
    left: int
    starts: float
    ends: float
    turns: list[Turn] = field(default_factory=list)

    def over(self, now: float) -> float:
        """When its last request has arrived for certain."""
        return max((each.over for each in self.turns), default=now)


class Blocks:
    """`limit` requests in `seconds`, of which `kept` are not for this rank. Every rank has blocks of its own."""

    def __init__(self, share: Share, freed: Callable[[], None]) -> None:
        self._share, self._freed = share, freed
        self._held: dict[Rank, Block] = {}
        self._spent: list[Block] = []
        self._again_at = dict.fromkeys(Rank, 0.0)
        self._way_s = 0.0

    def take(self, rank: Rank, now: float) -> Turn | None:
        """A turn out of a block in hand: of a lower rank before one's own, never of a higher one."""
        for kind in reversed(Rank):
            block = self._held.get(kind) if kind >= rank else None
            if block is not None and block.left and block.starts <= now < block.ends:
                block.left -= 1
                block.turns.append(turn := Turn(now, self._given_back))
                return turn
        return None

    def next_at(self, rank: Rank, now: float) -> float:
        """When there may be a turn, or when to ask again; not after `now` = ask now."""
        block = self._held.get(rank)
        if block is not None and block.left and now < block.ends:
            return block.starts
        return self._again_at[rank]

    async def ask(
        self, limit: int, kept: int, seconds: float, *, rank: Rank, want: int, within_s: float
    ) -> None:
        """Ask for a block. Raises what `reserve` raises."""
        asked_at = clock.monotonic()
        self._put_away(asked_at)
        if rank in self._held:
            return  # it has begun meanwhile
        life_s = min(LIFE_S, seconds / 4) + 2 * self._way_s
        told, reports = self._told(asked_at)
        granted = await self._share.reserve(
            self._wanted(limit, kept, seconds, rank, want, within_s, life_s, reports)
        )
        answered_at = clock.monotonic()
        self._way_s = 0.8 * self._way_s + 0.2 * (answered_at - asked_at)
        # What was still under way is told about again, when it is known when it has arrived.
        self._spent = [each for each in self._spent if each.number not in told]
        self._again_at[rank] = answered_at + granted.wait_ms / 1000
        if granted.calls:
            starts, ends = answered_at + granted.from_ms / 1000, asked_at + granted.until_ms / 1000
            self._held[rank] = Block(granted.block, granted.calls, starts, ends)
            self._again_at[rank] = 0.0

    async def tell_pause(self, limit: int, seconds: float, pause_s: float) -> None:
        """Stop the route for the whole fleet. Raises what `reserve` raises."""
        wanted = self._wanted(limit, 0, seconds, Rank.NORMAL, 0, 0.0, LIFE_S, (), _ms(pause_s))
        await self._share.reserve(wanted)

    def _wanted(
        self,
        limit: int,
        kept: int,
        seconds: float,
        rank: Rank,
        want: int,
        within_s: float,
        life_s: float,
        reports: tuple[CallsUsed, ...],
        pause_ms: int = 0,
    ) -> CallsWanted:
        return CallsWanted(
            connection_id=self._share.connection_id,
            route=self._share.route,
            urgent=rank is Rank.URGENT,
            background=rank is Rank.BACKGROUND,
            limit=limit,
            reserve=kept,
            window_ms=_ms(seconds * MARGIN),
            want=want,
            within_ms=_ms(within_s),
            life_ms=_ms(life_s),
            grace_ms=_ms(GRACE_S),
            pause_ms=pause_ms,
            used=reports,
        )

    def _put_away(self, now: float) -> None:
        for rank, block in list(self._held.items()):
            if not block.left or now >= block.ends:
                self._spent.append(self._held.pop(rank))

    def _told(self, now: float) -> tuple[set[int], tuple[CallsUsed, ...]]:
        """Reports about every spent block, and the numbers of those that need no other."""
        final = {each.number for each in self._spent if each.over(now) <= now}
        reports = (
            # Rounded to what is later: a little too long is safe.
            CallsUsed(each.number, len(each.turns), math.floor((now - each.over(now)) * 1000))
            for each in self._spent
        )
        return final, tuple(reports)

    def _given_back(self) -> None:
        """A request has been answered: once all of a used-up block are, asking again can bring more."""
        now = clock.monotonic()
        used_up = [*self._spent, *(each for each in self._held.values() if not each.left)]
        if any(each.over(now) <= now for each in used_up):
            self._again_at = dict.fromkeys(Rank, 0.0)
            self._freed()


def _ms(seconds: float) -> int:
    return max(0, math.ceil(seconds * 1000))
