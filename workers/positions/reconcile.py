"""Our books follow the broker's: a read that shows something else asks for the fills since, and ours are corrected.

    look       a difference, an unexplained balance, the broker's word that something happened, a doubt that can be
               settled by now, or a few minutes since the last look
    ask        engine.books, under the token of the read; then the broker's fills since both agreed
    compare    workers/positions/diff.py, pure
    correct    engine.reconcile: one call for all accounts that were compared in the meantime

A read that fails corrects nothing. Everything here is behind the orders in the broker's limits.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from shared import clock, log
from shared.brokers.port import Broker, ReadFailed
from shared.brokers.registry import Registry
from shared.models.trading import AccountSnapshot
from shared.store.book_rows import Reconciled
from shared.store.port import Store, StoreUnavailable
from shared.store.watch_rows import Watched
from workers.gather import Gather
from workers.positions.diff import corrections, differs
from workers.positions.oversize import oversized

_log = log.get("positions")
BATCH = 64
FILLS_S = 2.5
"""So long the broker may take to tell its fills: the account's next read waits for it."""
EVERY_S = 300.0
"""So often fills are asked for where nothing differs: a trade that left no other trace is seen then."""
PATIENCE_S = 3.0
"""So long a difference may be what our own orders are about to explain, while there are some under way."""
PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
"""Before the next look at a difference that stays: what explains it may be under way, and reads are not free."""


@dataclass(slots=True)
class Look:
    """When an account was compared last, since how many looks a difference stays, and whether more has to follow."""

    checked: float
    since: float | None = None
    stays: int = 0
    next: float = 0.0
    is_open: bool = False

    def saw(self, told: Reconciled, now: float) -> None:
        """What has just been corrected is looked at once more, soon; what stays as it is, less and less often."""
        self.is_open = told.made + told.waiting > 0
        self.stays = 0 if told.made else min(self.stays + 1, len(PAUSES_S) - 1)
        self.next = now + PAUSES_S[self.stays]
        if not self.is_open:
            self.checked, self.since = now, None

    def is_due(self, differs: bool, moving: bool, now: float) -> bool:
        """Whether the account has to be compared at this read, which shows something else than our books, or not.

        Where our own orders are `moving` every other read differs: nothing is looked for until reads agree or that has
        lasted for a while.
        """
        if not differs and not self.is_open:
            self.stays, self.since = 0, None
            return now - self.checked > EVERY_S
        if self.since is None:
            self.since = now
        return now >= self.next and (self.is_open or not moving or now - self.since >= PATIENCE_S)


class Reconciler:
    """Compares accounts as they are read; each is read by one worker at a time."""

    def __init__(self, store: Store, brokers: Registry) -> None:
        self._store, self._brokers = store, brokers
        self._looks: dict[str, Look] = {}
        self._correcting: Gather[dict[str, Any], Reconciled] = Gather(self._correct, lambda _: 0, BATCH)

    async def reconcile(self, watched: Watched, theirs: AccountSnapshot | None) -> None:
        """Compare what was read with our books, where there is cause to. Raises nothing: the account is read again."""
        if theirs is None or not self._has_cause(watched, theirs):
            return
        look = self._looks[watched.account.id]
        try:
            told = await self._compare(watched, theirs)
        except (ReadFailed, StoreUnavailable, TimeoutError) as error:
            _log.info("books not compared", account_id=watched.account.id, error=str(error) or "no answer")
            told = Reconciled(watched.account.id, made=0, waiting=1)
        except Exception as error:  # noqa: BLE001 - the watch of the account goes on, whatever its books say
            _log.error("comparing the books failed", account_id=watched.account.id, exc_info=error)
            told = Reconciled(watched.account.id, made=0, waiting=1)
        look.saw(told, clock.monotonic())

    def _has_cause(self, watched: Watched, theirs: AccountSnapshot) -> bool:
        now = clock.monotonic()
        look = self._looks.get(watched.account.id)
        if look is None:
            # A fleet that begins does not ask for everybody's fills in the same second.
            look = self._looks[watched.account.id] = Look(now - random.random() * EVERY_S)  # noqa: S311
        # What was told may leave no other trace: fills alone say so.
        return watched.woken or look.is_due(differs(watched, theirs), watched.moving, now)

    async def _compare(self, watched: Watched, theirs: AccountSnapshot) -> Reconciled:
        account = watched.account.account()
        books = await self._store.books(account=account.id, token=watched.token)
        if books is None:
            return Reconciled(account.id, made=0, waiting=0)  # somebody else reads it now
        broker = await self._brokers.broker(account)
        async with asyncio.timeout(FILLS_S):
            fills = await broker.fills(books.since)
        found = corrections(books, theirs, fills)
        if not broker.capabilities.exits_shrink:
            found += tuple(oversized(books, theirs))
        return await self._correcting.ask(
            {
                "account": account.id,
                "token": watched.token,
                "read_from": watched.now,
                "lag_s": _lag(broker),
                "complete": True,
                "corrections": found,
            }
        )

    async def _correct(self, results: list[dict[str, Any]]) -> list[Reconciled]:
        told = {each.account: each for each in await self._store.reconcile(results=results)}
        for each in told.values():
            if each.made:
                _log.info("books corrected", account_id=each.account, made=each.made, waiting=each.waiting)
        return [
            told.get(each["account"]) or Reconciled(each["account"], made=0, waiting=0) for each in results
        ]


def _lag(broker: Broker) -> Decimal:
    """How far the broker's lists may be behind."""
    return broker.capabilities.lookup_lag_s
