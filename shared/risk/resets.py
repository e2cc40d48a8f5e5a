"""When an account's trading day and week end, in its own time zone. Pure: `now` is handed in, aware, UTC."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
SUNDAY = 6


def at(day: date, clock: time, zone: str) -> datetime:
    """The moment (UTC) at which `zone` shows this date and time.

    A time that a change of the clocks skips or shows twice is its later moment, as Postgres reads it.
    """
    local = datetime.combine(day, clock, ZoneInfo(zone))
    return max(local.replace(fold=fold).astimezone(UTC) for fold in (0, 1))


def last_time(now: datetime, clock: time, zone: str) -> datetime:
    """The last moment, now included, at which `zone` showed this time of day."""
    today = now.astimezone(ZoneInfo(zone)).date()
    return max(moment for days in (1, 0, -1) if (moment := at(today + days * DAY, clock, zone)) <= now)


def next_time(now: datetime, clock: time, zone: str) -> datetime:
    """The first moment after now at which `zone` shows this time of day."""
    today = now.astimezone(ZoneInfo(zone)).date()
    return min(moment for days in (-1, 0, 1, 2) if (moment := at(today + days * DAY, clock, zone)) > now)


def week_ends(now: datetime, reset: time, zone: str) -> datetime:
    """The first Sunday's reset after now: with it the next week begins."""
    today = now.astimezone(ZoneInfo(zone)).date()
    sunday = today + (SUNDAY - today.weekday()) % 7 * DAY
    return min(moment for weeks in (0, 1) if (moment := at(sunday + weeks * 7 * DAY, reset, zone)) > now)
