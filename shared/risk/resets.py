"""When an account's trading day and week end, in its own time zone. Pure: `now` is handed in, aware, UTC."""

from bisect import bisect_right
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
SUNDAY = 6


@lru_cache(maxsize=4096)
def at(day: date, clock: time, zone: str) -> datetime:
    """The moment (UTC) at which `zone` shows this date and time.

    A time that a change of the clocks skips or shows twice is its later moment, as Postgres reads it.
    """
    local = datetime.combine(day, clock, ZoneInfo(zone))
    return max(local.replace(fold=fold).astimezone(UTC) for fold in (0, 1))


@lru_cache(maxsize=4096)
def _moments(today: date, clock: time, zone: str) -> tuple[datetime, ...]:
    """The moments around a day at which `zone` shows this time, in order."""
    return tuple(sorted(at(today + days * DAY, clock, zone) for days in (-2, -1, 0, 1, 2)))


def times_around(now: datetime, clock: time, zone: str) -> tuple[datetime, datetime]:
    """The last moment, now included, and the first one after now at which `zone` shows this time of day."""
    moments = _moments(now.astimezone(ZoneInfo(zone)).date(), clock, zone)
    after = bisect_right(moments, now)
    return moments[after - 1], moments[after]


def last_time(now: datetime, clock: time, zone: str) -> datetime:
    """The last moment, now included, at which `zone` showed this time of day."""
    return times_around(now, clock, zone)[0]


def next_time(now: datetime, clock: time, zone: str) -> datetime:
    """The first moment after now at which `zone` shows this time of day."""
    return times_around(now, clock, zone)[1]


def week_ends(now: datetime, reset: time, zone: str) -> datetime:
    """The first Sunday's reset after now: with it the next week begins."""
    today = now.astimezone(ZoneInfo(zone)).date()
    sunday = today + (SUNDAY - today.weekday()) * DAY
    return min(moment for weeks in (0, 1) if (moment := at(sunday + weeks * 7 * DAY, reset, zone)) > now)
