"""Guards of an account after a read of it: trailing stops moved, break-even set, time exits asked for.

What is to be done shared/risk/guarding.py decides, from the positions just read and a quote. The database keeps what a
guard has seen and, in the same transaction, puts what it asks for in line (engine.keep_guards): whoever is stopped in
between has asked for nothing, whoever asks again finds that it was. The stop in force is always the broker's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from shared import clock, log
from shared.brokers.registry import Registry
from shared.models.guard import MOVE, REDUCE, Guard
from shared.models.market import Instrument
from shared.models.trading import Position
from shared.risk.guarding import Act, Look, look, newest, wants_price
from shared.risk.levels import Market
from shared.risk.reanchoring import is_due, measured
from shared.store.port import Store, StoreUnavailable
from shared.store.watch_rows import Watched
from workers.gather import Gather
from workers.positions.enforce import Seen
from workers.positions.ladder import Ladders
from workers.positions.quotes import Quotes

_log = log.get("positions")
BATCH = 128


class Guards:
    """Sees to the guards of accounts as they are read; each is read by one worker at a time."""

    def __init__(self, store: Store, brokers: Registry) -> None:
        self._store = store
        self._quotes = Quotes(brokers)
        self._keeping: Gather[dict[str, Any], None] = Gather(self._keep, lambda _: 0, BATCH)

    async def keep(self, watched: Watched, seen: Seen) -> None:
        """Every guard of the account, after a read or one that failed. Raises nothing: the account is read again."""
        if not watched.guards:
            return
        try:
            found = await self._looked(watched, seen)
            if found:
                await self._keeping.ask(
                    {"account": watched.account.id, "token": watched.token, "guards": found}
                )
        except StoreUnavailable as error:
            _log.warning("guards were not kept, again at the next read", error=str(error))
        except Exception as error:  # noqa: BLE001 - the watch of the account goes on
            _log.error("seeing to guards failed", account_id=watched.account.id, exc_info=error)

    async def _looked(self, watched: Watched, seen: Seen) -> list[dict[str, Any]]:
        """What has to be kept of the guards that are not as they were."""
        before = {each.id: each for each in watched.guards}
        held = {} if seen.snapshot is None else {e.venue_position_id: e for e in seen.snapshot.positions}
        guards = newest(watched.guards)
        markets = (
            {}
            if seen.snapshot is None
            else await self._quotes.markets(watched, _priced(guards, held), seen.snapshot.at)
        )
        ladders = Ladders(guards, seen.snapshot, await self._listed(watched, guards, held, markets))
        found = []
        for guard in guards:
            position = held.get(guard.position_id or "")
            market = None if position is None else markets.get(position.venue_position_id)
            told = look(guard, position, market, clock.now())
            told = measured(told, guard, position, market, clock.now())
            if told.guard.ladder is not None:
                told = ladders.climbed(told, position, market, clock.now())
            if told.guard != before[guard.id] or told.act or told.ended or told.blind or told.exits:
                found.append(_as_json(told, position, market) | {"exits": ladders.asked(told)})
        return found

    async def _listed(
        self,
        watched: Watched,
        guards: Iterable[Guard],
        held: dict[str, Position],
        markets: Mapping[str, Market],
    ) -> dict[str, Instrument]:
        """The instruments that ladders count in; what cannot be had is missing, and asked for at the next read."""
        known = {held[name].symbol: each.instrument for name, each in markets.items()}
        symbols = {held[e.position_id].symbol for e in guards if e.ladder and e.position_id in held}
        if symbols <= known.keys():
            return known
        return known | await self._quotes.instruments(watched, symbols - known.keys())

    async def _keep(self, results: list[dict[str, Any]]) -> list[None]:
        await self._store.keep_guards(results=results)
        return [None] * len(results)


def _priced(guards: Iterable[Guard], held: dict[str, Position]) -> list[Position]:
    """Positions whose price is asked for, no others: every question counts against the broker's limits."""
    found = [(each, held[each.position_id]) for each in guards if each.position_id in held]
    wanted = [position for guard, position in found if _wants(guard, position)]
    return list({each.venue_position_id: each for each in wanted}.values())


def _wants(guard: Guard, position: Position) -> bool:
    """Whether a guard asks for a price now."""
    ours = guard.ladder is not None and not guard.ladder.at_broker
    return ours or wants_price(guard) or is_due(guard) or _takes_part(guard, position)


def _takes_part(guard: Guard, position: Position) -> bool:
    """Whether its time exit means a part of a net position: the instrument says how a part is written."""
    return guard.time_exit_s is not None and guard.qty is not None and position.qty > guard.qty


def _as_json(told: Look, position: Position | None, market: Market | None) -> dict[str, Any]:
    """A guard as engine.keep_guards takes it; with what it asks for the stop that stands by this read."""
    guard, act = told.guard, told.act
    intent = None if act is None else _intent(guard, act, market)
    return {
        "id": guard.id,
        "version": guard.version,
        "position_id": guard.position_id,
        "opened_at": guard.opened_at,
        "trail": guard.trail,
        "be": guard.be,
        "time_exit_s": guard.time_exit_s,
        "ladder": guard.ladder,
        "anchor": guard.anchor,
        "entered_at": guard.entered_at,
        "risk_distance": guard.risk_distance,
        "best": guard.best,
        "quoted_at": guard.quoted_at,
        "is_secured": guard.is_secured,
        "stop": guard.stop,
        "failures": guard.failures,
        "ended": told.ended,
        "blind": told.blind,
        "act": None
        if act is None or intent is None
        else {
            "kind": act.kind,
            "told": act.told,
            "stands": None if position is None else position.stop_loss,
            "intent": intent,
        },
    }


def _measured_again(guard: Guard, act: Act) -> dict[str, Any]:
    """What says that exits are measured again from their entry's fill: the entry, and the stop that is replaced."""
    if act.target is None and act.replaces is None:
        return {}
    target = {} if act.target is None else {"tp": [{"mode": "price", "value": act.target}]}
    return {"order_id": str(guard.order_id), "stop_price": act.replaces} | target


def _intent(guard: Guard, act: Act, market: Market | None) -> dict[str, Any] | None:
    """What is asked for, as everybody asks for it. None = how a part is written is not known: at the next read."""
    named = {"symbol": guard.symbol, "position_id": guard.position_id, "scope": "symbol", "comment": act.told}
    if act.kind == MOVE:
        # The price it was decided at goes along: where a broker tells no quotes, whoever executes it may have kept an
        # older last price, by which the market would seem to be beyond the stop.
        price = None if market is None else market.quote.entry_price(guard.side.opposite)
        stop = {} if act.stop is None else {"sl": {"mode": "price", "value": act.stop}}
        return {"action": "modify", "ref_price": price} | stop | _measured_again(guard, act) | named
    if act.kind == REDUCE:
        if market is None:
            return None
        return {"action": "reduce", "qty_mode": market.instrument.qty_unit, "qty": act.qty} | named
    return {"action": "close"} | named
