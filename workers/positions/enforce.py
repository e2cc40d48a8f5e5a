"""A limit that is touched while positions are open: the account is locked and flattened, at once.

What was read is compared with the limits by shared/risk/watch.py, which shares its arithmetic with the entry rules.
The database does the rest in one transaction (engine.breach): lock, halt, urgent flatten, the trader is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from msgspec.structs import replace

from shared import clock, log
from shared.models.context import Limits
from shared.models.enums import Freshness
from shared.models.trading import Account, AccountSnapshot
from shared.risk.watch import Breach, breaches
from shared.store.port import Store, StoreUnavailable
from shared.store.watch_rows import Watched

_log = log.get("positions")


@dataclass(frozen=True, slots=True)
class Seen:
    """What a read of an account brought. `snapshot` None = it failed: `why`. `per_usd` None = no rate, or no need.

    `every_s`, `shares_limits`: how often the broker may be looked at (Capabilities); `lag_s`: how far its lists lag;
    `stops_double`: a stop that is set twice is two orders there.
    """

    snapshot: AccountSnapshot | None
    why: str = ""
    per_usd: Decimal | None = None
    every_s: Decimal = Decimal(1)
    shares_limits: bool = False
    lag_s: Decimal = Decimal(0)
    stops_double: bool = False


class Enforcer:
    """Asks the rules about every read, and the database to act on what they say."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def enforce(self, watched: Watched, seen: Seen) -> None:
        """Every limit of the account. Where it could not be read only what the clock decides can fire."""
        if watched.limits is None or watched.risk is None:
            return
        seen_at = clock.monotonic()
        account = _with_money(watched.account.account(), seen.snapshot)
        found = breaches(
            account,
            watched.positions if seen.snapshot is None else seen.snapshot.positions,
            watched.risk,
            watched.limits,
            clock.now(),
            per_usd=seen.per_usd,
            orders=watched.orders if seen.snapshot is None else seen.snapshot.orders,
        )
        for each in found:
            try:
                await self._act(watched, account, each, seen, seen_at)
            except StoreUnavailable as error:
                # The account is read again in a moment, and the limit is touched then, too.
                _log.error(
                    "a breach was not acted on", account_id=account.id, rule=each.rule, error=str(error)
                )

    async def _act(
        self, watched: Watched, account: Account, breach: Breach, seen: Seen, seen_at: float
    ) -> None:
        # What was seen, and when, stands beside the fills of the flatten later: their difference is the excess.
        numbers = {**breach.numbers, **_mark(account)}
        event = await self._store.breach(
            account=account.id,
            rule=breach.rule,
            scope=breach.scope,
            numbers=numbers,
            until=breach.until,
            flatten=breach.flatten,
        )
        if event is None and breach.flatten and seen.snapshot is not None and _is_exposed(seen.snapshot):
            # Locked for it already, and yet something is open: by hand at the broker, or a late fill. It was so when
            # the read began, by the database's clock: what has been closed since may be shown all the same.
            again = await self._store.flatten_again(account=account.id, rule=breach.rule, seen_at=watched.now)
            if again is not None:
                _log.warning(
                    "closed again what was opened behind a lock", account_id=account.id, event_id=again
                )
        elif event is not None:
            _log.warning(
                "limit reached: account locked",
                account_id=account.id,
                rule=breach.rule,
                event_id=event,
                numbers=numbers,
                ms=clock.ms_since(seen_at),
            )


def _is_exposed(snapshot: AccountSnapshot) -> bool:
    return bool(snapshot.positions) or any(each.is_entry for each in snapshot.orders)


def in_dollars(limits: Limits) -> bool:
    """Whether any limit of money is set in US dollars."""
    if limits.max_daily_loss_usd is not None:
        return True
    rules = [getattr(each.rules, name) for each in limits.rule_sets for name in type(each.rules).model_fields]
    return any(getattr(rule, "unit", None) == "usd" for rule in rules)


def _with_money(account: Account, snapshot: AccountSnapshot | None) -> Account:
    """The account with the money that was read; without a read its money is not known, whatever it was."""
    if snapshot is None:
        return replace(account, balance=None, equity=None, freshness=Freshness.UNKNOWN)
    return replace(
        account,
        balance=snapshot.balance,
        equity=snapshot.equity,
        as_of=snapshot.at,
        freshness=Freshness.FRESH,
    )


def _mark(account: Account) -> dict[str, str]:
    if account.equity is None or account.as_of is None:
        return {}
    return {"equity": f"{account.equity:f}", "seen_at": account.as_of.isoformat(timespec="milliseconds")}
