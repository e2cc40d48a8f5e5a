"""Positions without their stop, after a read of an account: the stop asked for again, then the close or the alarm.

What is to be done shared/risk/naked.py decides. Which stop a position should have the database knows from what was
written ahead, and in the same transaction in which it keeps what was decided it puts what is asked for in line
(engine.keep_naked): whoever is stopped in between has asked for nothing, whoever asks again finds that it was.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from shared import clock, log
from shared.brokers.pacing import background
from shared.brokers.registry import Registry
from shared.models.naked import STOP, Naked
from shared.models.trading import Position
from shared.risk.levels import Market
from shared.risk.naked import Act, Lists, Look, look, may_act
from shared.store.port import Store, StoreUnavailable
from shared.store.watch_rows import Watched
from workers.gather import Gather
from workers.positions.enforce import Seen
from workers.positions.quotes import Quotes

_log = log.get("positions")
BATCH = 128
CLEAN_S = 60.0
"""So long a position that need not have a stop is not asked about again, while nothing about it changes."""
REMEMBERED = 20_000


class Unprotected:
    """Sees to the stops of accounts as they are read; each is read by one worker at a time."""

    def __init__(self, store: Store, brokers: Registry) -> None:
        self._store, self._quotes = store, Quotes(brokers)
        self._clean: OrderedDict[tuple[object, ...], float] = OrderedDict()
        self._keeping: Gather[dict[str, Any], set[str]] = Gather(self._keep, lambda _: 0, BATCH)

    async def keep(self, watched: Watched, seen: Seen) -> None:
        """Every position of the account, after a read. Raises nothing: the account is read again."""
        if seen.snapshot is None:
            return
        held = {each.venue_position_id: each for each in seen.snapshot.positions}
        bare = self._bare(watched, held)
        if not watched.naked and not bare:
            return
        try:
            spells = await self._looked(watched, held, seen)
            if spells or bare:
                told = {"account": watched.account.id, "token": watched.token, "at": seen.snapshot.at}
                shown = [{"position_id": each.venue_position_id, "side": each.side} for each in bare]
                clean = await self._keeping.ask(told | {"bare": shown, "spells": spells})
                self._remember(watched, [each for each in bare if each.venue_position_id in clean])
        except StoreUnavailable as error:
            _log.warning("naked positions were not kept, again at the next read", error=str(error))
        except Exception as error:  # noqa: BLE001 - the watch of the account goes on
            _log.error("seeing to naked positions failed", account_id=watched.account.id, exc_info=error)

    def _bare(self, watched: Watched, held: Mapping[str, Position]) -> list[Position]:
        """Positions of our books that are shown without a stop, and of which nothing is known yet."""
        known = {each.position_id for each in watched.naked}
        booked = {each.venue_position_id: each.side for each in watched.positions}
        found = []
        for each in held.values():
            if each.stop_loss is not None or each.venue_position_id in known:
                continue
            asked_at = self._clean.get(_memo(watched, each), float("-inf"))
            if booked.get(each.venue_position_id) is each.side and clock.monotonic() - asked_at > CLEAN_S:
                found.append(each)
        return found

    def _remember(self, watched: Watched, clean: Sequence[Position]) -> None:
        for each in clean:
            self._clean[_memo(watched, each)] = clock.monotonic()
            self._clean.move_to_end(_memo(watched, each))
        while len(self._clean) > REMEMBERED:
            self._clean.popitem(last=False)

    async def _looked(
        self, watched: Watched, held: Mapping[str, Position], seen: Seen
    ) -> list[dict[str, Any]]:
        """What has to be kept of the known ones."""
        lists, now = Lists(timedelta(seconds=float(seen.lag_s)), seen.stops_double), clock.now()
        asking = [
            held[each.position_id]
            for each in watched.naked
            if each.position_id in held and may_act(each, now, lists)
        ]
        priced = await self._priced(watched, asking, seen)
        found = []
        for each in watched.naked:
            position = held.get(each.position_id)
            market = None if position is None else priced.get(position.venue_position_id)
            told = look(each, position, market, clock.now(), lists)
            if told.act or told.alarm or told.ended:
                found.append(_as_json(told, market))
        return found

    async def _priced(self, watched: Watched, positions: Sequence[Position], seen: Seen) -> dict[str, Market]:
        """Their markets by their ids; unlike the read itself this is as urgent as an order."""
        if seen.snapshot is None:
            return {}
        turn = background.set(False)
        try:
            return await self._quotes.markets(watched, positions, seen.snapshot.at)
        finally:
            background.reset(turn)

    async def _keep(self, results: list[dict[str, Any]]) -> list[set[str]]:
        """Of each account the positions that need no stop."""
        clean: dict[str, set[str]] = {each["account"]: set() for each in results}
        for account, position in await self._store.keep_naked(results=results):
            clean[account].add(position)
        return [clean[each["account"]] for each in results]


def _memo(watched: Watched, position: Position) -> tuple[object, ...]:
    """What has to be the same for an answer to hold: the position, its size, and whether limits require a stop."""
    required = watched.limits is not None and watched.limits.stop_required
    return watched.account.id, position.venue_position_id, position.side, position.qty, required


def _as_json(told: Look, market: Market | None) -> dict[str, Any]:
    """A naked position as engine.keep_naked takes it."""
    act = told.act
    asks = None
    if act is not None:
        intent = _intent(told.naked, act, market)
        asks = {"kind": act.kind, "told": act.told, "stop": act.stop, "intent": intent}
    return {
        "id": told.naked.id,
        "version": told.naked.version,
        "failures": told.naked.failures,
        "ended": told.ended,
        "alarm": told.alarm,
        "act": asks,
    }


def _intent(naked: Naked, act: Act, market: Market | None) -> dict[str, Any]:
    """What is asked for, as everybody asks for it."""
    named = {
        "symbol": naked.symbol, "position_id": naked.position_id, "scope": "symbol", "comment": act.told[:500]
    }  # fmt: skip
    if act.kind != STOP:
        return {"action": "close"} | named
    # The price it was decided at goes along: an older one kept elsewhere would deny it as passed.
    price = None if market is None else market.quote.entry_price(naked.side.opposite)
    return {"action": "modify", "sl": {"mode": "price", "value": act.stop}, "ref_price": price} | named
