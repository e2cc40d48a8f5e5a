"""By when an account is to be flat: at its own time every day, and some minutes before its market closes.

The rule for entries and the watch of open accounts ask the same functions."""

from bisect import bisect_right
from datetime import datetime, time, timedelta

from shared.models.limits import FlatBy
from shared.risk.calendars import HOURS, NoData, closings
from shared.risk.resets import times_around


def flat_times(rule: FlatBy, now: datetime) -> tuple[datetime, datetime]:
    """The last moment, now included, and the next one by which nothing may be open.

    A calendar without data for the day adds none: `flat_data` says so, and entries are denied.
    """
    last, upcoming = times_around(now, time.fromisoformat(rule.time), rule.tz)
    calendar = None if rule.calendar is None else HOURS.get(rule.calendar)
    if calendar is None:
        return last, upcoming
    ahead = timedelta(minutes=float(rule.before_close_min))
    closes = closings(calendar, now)
    passed = bisect_right(closes, now + ahead)
    return (
        max(last, closes[passed - 1] - ahead) if passed else last,
        min(upcoming, closes[passed] - ahead) if passed < len(closes) else upcoming,
    )


def flat_data(rule: FlatBy, now: datetime) -> NoData | None:
    """None where the rule has all the data it needs."""
    if rule.calendar is None:
        return None
    calendar = HOURS.get(rule.calendar)
    if calendar is None:
        return NoData()
    return None if calendar.covers(now) else NoData(calendar.valid_until)
