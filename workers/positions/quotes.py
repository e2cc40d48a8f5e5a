"""What positions can be got out at: asked for where a decision needs it; every question counts at the broker."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence, Set
from datetime import datetime

from shared import log
from shared.brokers.port import Broker, ReadFailed
from shared.brokers.registry import Registry
from shared.models.market import Instrument, Quote
from shared.models.trading import Position
from shared.risk.levels import Market
from shared.store.watch_rows import Watched

_log = log.get("positions")
QUOTE_S = 2.5
"""So long the broker may take to tell its prices: the account's next read waits for it."""
_Told = tuple[Instrument | None, Quote | None]
_NOTHING: _Told = (None, None)


class Quotes:
    """Prices of positions, asked for with the rank of the task that asks."""

    def __init__(self, brokers: Registry) -> None:
        self._brokers = brokers
        self._asked: dict[tuple[str, str, bool], asyncio.Task[_Told]] = {}

    async def markets(
        self, watched: Watched, positions: Sequence[Position], at: datetime
    ) -> dict[str, Market]:
        """What each position could be closed at, by its id; what cannot be had is missing."""
        if not positions:
            return {}
        broker = await self._broker(watched)
        if broker is None:
            return {}
        told = await self._told(broker, watched.account.id, {(e.symbol, e.price is None) for e in positions})
        found = {}
        for each in positions:
            instrument, quote = told.get((each.symbol, each.price is None), _NOTHING)
            if each.price is not None:
                quote = Quote(each.symbol, each.price, each.price, at, "position")
            if instrument is not None and quote is not None:
                found[each.venue_position_id] = Market(quote, instrument)
        return found

    async def instruments(self, watched: Watched, symbols: Set[str]) -> dict[str, Instrument]:
        """The instrument of each symbol; what cannot be had is missing."""
        broker = await self._broker(watched) if symbols else None
        if broker is None:
            return {}
        told = await self._told(broker, watched.account.id, {(each, False) for each in symbols})
        return {symbol: found for (symbol, _), (found, _) in told.items() if found is not None}

    async def _broker(self, watched: Watched) -> Broker | None:
        try:
            async with asyncio.timeout(QUOTE_S):
                return await self._brokers.broker(watched.account.account())
        except (ReadFailed, TimeoutError) as error:
            _log.info(
                "no quotes for positions", account_id=watched.account.id, error=str(error) or "no answer"
            )
            return None

    async def _told(
        self, broker: Broker, account_id: str, wanted: set[tuple[str, bool]]
    ) -> dict[tuple[str, bool], _Told]:
        """Instrument, and quote where one is wanted, of each symbol. What takes longer goes on and is found by the next
        read: asked anew each time, an answer that waits its turn under the broker's limits would never come."""
        for symbol, priced in wanted:
            if (account_id, symbol, priced) not in self._asked:
                asking = asyncio.create_task(_ask(broker, symbol, priced))
                self._asked[account_id, symbol, priced] = asking
        keys = {(account_id, *each) for each in wanted}
        await asyncio.wait([self._asked[each] for each in keys], timeout=QUOTE_S)
        answered = {each: self._asked.pop(each) for each in keys if self._asked[each].done()}
        if len(answered) < len(keys):
            _log.info("no quotes for positions yet", account_id=account_id)
        return {(symbol, priced): each.result() for (_, symbol, priced), each in answered.items()}


async def _ask(broker: Broker, symbol: str, priced: bool) -> _Told:
    """None = not to be had now. One symbol without a price keeps no other's stop from being moved."""
    try:
        instrument = await broker.instrument(symbol)
        if not isinstance(instrument, Instrument):
            return _NOTHING
        return instrument, await broker.quote(instrument, None) if priced else None
    except ReadFailed as error:
        _log.info("no quote for a position", symbol=symbol, error=str(error))
        return _NOTHING
