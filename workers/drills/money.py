"""Drills of losses, floors and caps: denied before the order, and flattened and locked while it is open.

How much may be lost is asked of the arithmetic that the rules and the watch use (shared/risk/floors.py), on a fresh
account. The market is then moved to one tick short of it (nothing may happen), and onto it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Any

from msgspec.structs import replace

from shared.models.context import Limits, RiskState, TradingDay, TradingWeek
from shared.models.limits import RuleSettings, ScopedRules
from shared.models.reasons import Reason
from shared.risk.floors import Money, Standing, standings
from shared.risk.grid import shown
from shared.store.drill_rows import DrilledLimit, TwinSeen
from workers.drills.orders import per_ticks
from workers.drills.shown import Shown, judged, words
from workers.drills.twin import DrillFailed, Twin, denied, executed

REASONS: Mapping[str, Reason] = {
    "max_daily_loss_usd": Reason.DAILY_LOSS,
    "max_daily_loss_pct": Reason.DAILY_LOSS,
    "daily_loss": Reason.DAILY_LOSS,
    "weekly_loss": Reason.WEEKLY_LOSS,
    "trailing_drawdown": Reason.TRAILING_DRAWDOWN,
    "static_floor": Reason.STATIC_FLOOR,
    "daily_profit": Reason.DAILY_PROFIT,
    "consistency": Reason.CONSISTENCY,
}


async def may_lose(twin: Twin, limit: DrilledLimit) -> Shown:
    """A loss or a floor: an order whose worst case reaches it, one a tick smaller, then the market itself."""
    balance = await _balance(twin)
    limit = _at_balance(limit, balance)
    await twin.arm(limit, initial_balance=balance, week_start=balance)
    room = _standing(limit, balance).distance
    reason = REASONS[limit.rule]
    if room <= 0:
        refused = await twin.entry(twin.least, stop_ticks=Decimal(10))
        return judged(refused, None, ("any order at all", ""), reason)
    qty, ticks = per_ticks(twin, room)
    refused = await twin.entry(qty, stop_ticks=ticks)
    ask = await twin.ask()
    passed = await twin.entry(qty, stop_ticks=ticks - 1)
    what = (
        f"{shown(twin.loss(qty, ticks))} at risk with {shown(room)} left",
        f"{shown(twin.loss(qty, ticks - 1))}",
    )
    before = judged(refused, passed, what, reason)
    if not before.passed:
        return before
    return await _breach(twin, before, reason, room, ask, qty, ticks, down=True)


async def may_win(twin: Twin, limit: DrilledLimit) -> Shown:
    """A cap of the day: open below it, and not any more once it is reached; with `flatten` what is open is closed."""
    balance = await _balance(twin)
    await twin.arm(limit, initial_balance=balance)
    reason, standing = REASONS[limit.rule], _standing(limit, balance)
    if limit.settings.get("action") == "warn":
        return Shown(True, "It only warns, and was not asked to refuse anything.")
    if standing.reached:
        refused = await twin.entry(twin.least)
        return judged(refused, None, ("any order at all", ""), reason)
    room = standing.distance if standing.touching else standing.distance + Decimal("0.01")
    qty, ticks = per_ticks(twin, max(room, Decimal("0.01")))
    ask = await twin.ask()
    passed = await twin.entry(qty)
    if not executed(passed):
        return judged(passed, None, ("below the cap", ""), reason)
    # The spread and the commission are lost first: the bid has to rise above the ask paid.
    ticks += 2 if twin.instrument.commission_per_unit else 0
    if limit.settings.get("action") == "flatten":
        before = Shown(True, f"{shown(room)} below the cap: {words(passed)}.")
        return await _breach(twin, before, reason, room, ask, qty, ticks, down=False)
    await twin.move(ask + ticks * twin.instrument.tick_size)
    await twin.marked()
    refused = await twin.entry(twin.least)
    return judged(
        refused, passed, (f"{shown(twin.loss(qty, ticks))} won", f"{shown(room)} below the cap"), reason
    )


async def _breach(
    twin: Twin,
    before: Shown,
    reason: Reason,
    room: Decimal,
    entry: Decimal,
    qty: Decimal,
    ticks: Decimal,
    *,
    down: bool,
) -> Shown:
    """One tick short of the threshold nothing happens; on it the account is flattened and locked."""
    tick = twin.instrument.tick_size * (-1 if down else 1)
    short = None if twin.gaps else await _moved(twin, entry + (ticks - 1) * tick)
    if short is not None and short.is_locked:
        return Shown(
            False,
            f"{before.told} Locked ({short.lock_reason}) one tick before it was reached.",
            before.numbers,
        )
    # The commission of the way out is part of an order's worst case, and not of what is lost yet.
    paid = twin.loss(qty, Decimal(0)) if down else Decimal(0)
    over = (paid / (twin.loss(qty, Decimal(1)) - twin.loss(qty, Decimal(0)))).to_integral_value(ROUND_CEILING)
    await twin.move(entry + (ticks + over) * tick)
    try:
        locked = await twin.until(lambda seen: seen.is_locked, "it was not locked")
        flat = await twin.until(lambda seen: seen.is_flat, "it was not flat")
    except DrillFailed as error:
        told = f"{before.told} {shown(twin.loss(qty, ticks))} beyond {shown(room)} of room: {error}."
        return Shown(False, told, before.numbers)
    after = await twin.entry(twin.least)
    numbers = {**before.numbers, **_lock(locked, flat)}
    passed = denied(after, Reason.ACCOUNT_LOCKED) and reason.value in (locked.lock_reason or "")
    lock = f"locked ({locked.lock_reason}) until {_time(locked.locked_until)}"
    told = f"{before.told} At the threshold: flattened, {lock}; the next order: {words(after)}."
    return Shown(passed, told, numbers)


async def _moved(twin: Twin, price: Decimal) -> TwinSeen:
    await twin.move(price)
    return await twin.marked()


def _lock(locked: TwinSeen, flat: TwinSeen) -> dict[str, Any]:
    return {
        "lock": locked.lock_reason,
        "locked_until": locked.locked_until,
        "equity_at_lock": locked.equity,
        "balance_after": flat.balance,
    }


def _time(moment: datetime | None) -> str:
    return "?" if moment is None else moment.isoformat(timespec="seconds")


async def _balance(twin: Twin) -> Decimal:
    balance = (await twin.seen()).balance
    if balance is None or balance <= 0:
        raise DrillFailed("the account has no balance")
    return balance


def _at_balance(limit: DrilledLimit, balance: Decimal) -> DrilledLimit:
    """A trailing floor starts where the twin does; its amount, kind and buffer are the trader's own."""
    if limit.rule != "trailing_drawdown":
        return limit
    settings = {**limit.settings, "start": balance, "cap": None}
    seed = balance - _amount(limit, balance)
    settings["floor_seed"] = {"amount": seed, "on": date(2026, 1, 1), "by": "drill"}
    return replace(limit, settings=settings)


def _amount(limit: DrilledLimit, balance: Decimal) -> Decimal:
    amount, unit = Decimal(limit.settings["amount"]), limit.settings["unit"]
    return balance * amount / 100 if unit == "pct_of_initial" else amount


def _standing(limit: DrilledLimit, balance: Decimal) -> Standing:
    """How far a fresh account with this balance is from the limit."""
    if isinstance(limit.settings, dict):
        rules = RuleSettings.model_validate({limit.rule: limit.settings}, strict=False)
        limits = Limits(rule_sets=(ScopedRules(limit.scope, rules),))
    else:
        limits = Limits(**{limit.rule: Decimal(limit.settings)})  # type: ignore[arg-type]
    began = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
    day = TradingDay(began.date(), began, began + timedelta(days=1), balance, balance)
    state = RiskState(initial_balance=balance, day=day, week=TradingWeek(balance))
    found = [each for _, _, each in standings(limits, state, Money(balance, Decimal(1)))]
    if len(found) != 1 or not isinstance(found[0], Standing):
        raise DrillFailed(f"the limit cannot be measured: {found}")
    return found[0]
