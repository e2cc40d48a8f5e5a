"""Drills of what is counted and of what depends on the time of day, on other accounts or on what was before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from shared.models.enums import Side
from shared.models.limits import CoolDown, Duplicates, News
from shared.models.reasons import Reason
from shared.store.drill_rows import DrillAnswer, DrilledLimit
from workers.drills.shown import Shown, judged
from workers.drills.twin import DrillFailed, Twin, executed

MOST_OPENED = 40
"""More orders than this are not sent for one drill."""
HALF_HOUR = timedelta(minutes=30)
DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


async def trades_per_day(twin: Twin, limit: DrilledLimit) -> Shown:
    """The day's counter is set to one before the last; the last trade passes, the next does not."""
    most = int(limit.settings)
    await twin.arm(limit, **({"trades_today": most - 1} if most > 0 else {}))
    passed = await twin.entry(twin.least) if most > 0 else None
    refused = await twin.entry(twin.least)
    return judged(
        refused, passed, (f"trade {most + 1} of the day", f"trade {most}"), Reason.MAX_TRADES_PER_DAY
    )


async def open_trades(twin: Twin, limit: DrilledLimit) -> Shown:
    """Entries that wait far below the market count like positions."""
    return await _one_too_many(twin, limit, Reason.MAX_OPEN_TRADES, waiting=True)


async def concurrent_positions(twin: Twin, limit: DrilledLimit) -> Shown:
    return await _one_too_many(twin, limit, Reason.MAX_CONCURRENT_POSITIONS, waiting=False)


async def _one_too_many(twin: Twin, limit: DrilledLimit, reason: Reason, *, waiting: bool) -> Shown:
    most = int(limit.settings)
    if most > MOST_OPENED:
        raise DrillFailed(f"{most} would have to be opened, at most {MOST_OPENED} are")
    await twin.arm(limit)
    last: DrillAnswer | None = None
    for _ in range(most):
        last = await _small(twin, waiting)
        if not executed(last):
            break
    refused = await _small(twin, waiting=False)
    return judged(refused, last, (f"number {most + 1}", f"number {most}"), reason)


async def _small(twin: Twin, waiting: bool) -> DrillAnswer:
    if not waiting:
        return await twin.entry(twin.least)
    tick = twin.instrument.tick_size
    far = (await twin.bid() * Decimal("0.9") // tick) * tick
    return await twin.entry(twin.least, type="limit", price=far)


async def cool_down(twin: Twin, limit: DrilledLimit) -> Shown:
    """So many round trips that lose in a row; before the last of them an entry still passes."""
    setting = CoolDown.model_validate(limit.settings, strict=False)
    if setting.minutes == 0:
        raise DrillFailed("a pause of 0 minutes refuses nothing")
    await twin.arm(limit)
    passed: DrillAnswer | None = None
    for _ in range(setting.after_losses):
        passed = await twin.entry(twin.least)
        if not executed(passed):
            break
        await twin.move(await twin.bid() - 50 * twin.instrument.tick_size)
        if not executed(closed := await twin.close()):
            return judged(closed, passed, ("the close", "the entry"), Reason.COOL_DOWN)
        await twin.until(lambda seen: seen.is_flat, "the loss was not closed")
    refused = await twin.entry(twin.least)
    what = (f"after {setting.after_losses} losses in a row", "before the last of them")
    return judged(refused, passed, what, Reason.COOL_DOWN)


async def hours(twin: Twin, limit: DrilledLimit) -> Shown:
    """The windows are laid so that it is closed now, then so that it is open."""
    now = (await twin.seen()).now

    def window(begin: datetime, end: datetime) -> dict[str, Any]:
        days = [DAYS[begin.weekday()]]
        windows = [{"days": days, "from": f"{begin:%H:%M}", "to": f"{end:%H:%M}"}]
        return {"windows": windows, "tz": "UTC"}

    closed = window(now + timedelta(hours=2), now + timedelta(hours=3))
    opened = window(now - HALF_HOUR, now + HALF_HOUR)
    await twin.arm(DrilledLimit(limit.scope, limit.rule, closed))
    refused = await twin.entry(twin.least)
    await twin.arm(DrilledLimit(limit.scope, limit.rule, opened))
    passed = await twin.entry(twin.least)
    return judged(refused, passed, ("outside the hours", "within them"), Reason.OUTSIDE_HOURS)


async def flat_by(twin: Twin, limit: DrilledLimit) -> Shown:
    """The time is laid ahead: an order passes. Then behind: it is closed and locked, and nothing is opened."""
    now = (await twin.seen()).now.astimezone(UTC)
    reset = f"{now - timedelta(hours=2):%H:%M}"
    ahead = {"time": f"{now + timedelta(hours=2):%H:%M}", "tz": "UTC"}
    behind = {"time": f"{now - timedelta(minutes=1):%H:%M}", "tz": "UTC"}
    clocks = {"timezone": "UTC", "reset_time": reset}
    await twin.arm(DrilledLimit(limit.scope, limit.rule, ahead), **clocks)
    passed = await twin.entry(twin.least)
    if not executed(passed):
        return judged(passed, None, ("before the time", ""), Reason.FLAT_BY)
    await twin.arm(DrilledLimit(limit.scope, limit.rule, behind), **clocks)
    refused = await twin.entry(twin.least)
    found = judged(refused, passed, ("after the time", "before it"), Reason.FLAT_BY, Reason.ACCOUNT_LOCKED)
    locked = await twin.until(lambda seen: seen.is_locked and seen.is_flat, "what was open was not closed")
    told = f"{found.told} What was open is flat; locked ({locked.lock_reason}) until {locked.locked_until}."
    return Shown(
        found.passed, told, {**found.numbers, "lock": locked.lock_reason, "locked_until": locked.locked_until}
    )


async def news(twin: Twin, limit: DrilledLimit) -> Shown:
    """A blackout of a month around every event of the calendar covers now; one of no minutes does not."""
    setting = News.model_validate(limit.settings, strict=False)
    wide = {**limit.settings, "before_min": 43_200, "after_min": 43_200, "action": "deny"}
    await twin.arm(DrilledLimit(limit.scope, limit.rule, wide))
    refused = await twin.entry(twin.least)
    await twin.arm(DrilledLimit(limit.scope, limit.rule, {**wide, "before_min": 0, "after_min": 0}))
    passed = await twin.entry(twin.least)
    if refused.reason is Reason.NO_CALENDAR_DATA:
        return judged(
            refused, None, (f"{setting.calendar} has no data: any order", ""), Reason.NO_CALENDAR_DATA
        )
    return judged(
        refused, passed, ("within a month of news", "with no minutes around it"), Reason.NEWS_BLACKOUT
    )


async def duplicates(twin: Twin, limit: DrilledLimit) -> Shown:
    setting = Duplicates.model_validate(limit.settings, strict=False)
    if setting.window_s < 1:
        raise DrillFailed("a window of less than a second refuses nothing that can be shown")
    await twin.arm(limit)
    passed = await twin.entry(twin.least)
    refused = await twin.entry(twin.least)
    return judged(refused, passed, ("the same order again", "the first one"), Reason.DUPLICATE_INTENT)


async def no_opposite(twin: Twin, limit: DrilledLimit, other: Twin) -> Shown:
    """The trader's other account is long: a sell is refused here, a buy is not."""
    await twin.arm(limit)
    if not executed(held := await other.entry(other.least)):
        return judged(held, None, ("the other account's order", ""), Reason.OPPOSITE_ELSEWHERE)
    refused = await twin.entry(twin.least, side=Side.SELL)
    passed = await twin.entry(twin.least)
    what = ("a sell while the other account is long", "a buy")
    return judged(refused, passed, what, Reason.OPPOSITE_ELSEWHERE)
