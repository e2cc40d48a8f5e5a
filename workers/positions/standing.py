"""How far each account is from its limits of money, told to the database when it changes: what a dashboard shows."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from msgspec.structs import replace

from shared import clock, log
from shared.risk.watch import Stands, stands
from shared.store.port import Store, StoreUnavailable
from shared.store.watch_rows import Watched
from workers.gather import Gather
from workers.positions.enforce import Seen

_log = log.get("positions")
BATCH = 256
REMEMBERED = 20_000


class Standings:
    """What was told last of each account; several accounts are told in one call."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._told: OrderedDict[str, tuple[Stands, ...]] = OrderedDict()
        self._telling: Gather[dict[str, Any], None] = Gather(self._record, lambda _: 0, BATCH)

    async def tell(self, watched: Watched, seen: Seen) -> None:
        """Where the limits stand after a read. Without limits, without a read or without a change: nothing."""
        read = seen.snapshot
        if read is None or watched.limits is None or watched.risk is None:
            return
        account = replace(watched.account.account(), equity=read.equity)
        found = stands(account, watched.risk, watched.limits, clock.now(), per_usd=seen.per_usd)
        if self._told.get(account.id) == found:
            return
        try:
            await self._telling.ask({"account": account.id, "at": read.at, "standings": found})
        except StoreUnavailable as error:
            _log.warning("where limits stand was not told, again at the next read", error=str(error))
            return
        self._told[account.id] = found
        self._told.move_to_end(account.id)
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)

    async def _record(self, accounts: list[dict[str, Any]]) -> list[None]:
        await self._store.record_standings(accounts=accounts)
        return [None] * len(accounts)
