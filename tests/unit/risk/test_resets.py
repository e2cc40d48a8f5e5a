"""When days and weeks of an account end: whole, without gap or overlap, also where clocks change."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.risk.resets import at, last_time, next_time, week_ends

ZONES = ["UTC", "America/New_York", "America/Chicago", "Europe/Prague", "Asia/Tokyo", "Australia/Lord_Howe"]
MOMENTS = st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
CLOCKS = st.times().map(lambda clock: clock.replace(second=0, microsecond=0))


@given(now=MOMENTS, clock=CLOCKS, zone=st.sampled_from(ZONES))
def test_now_lies_between_a_reset_and_the_next(now: datetime, clock: time, zone: str) -> None:
    """Each moment belongs to exactly one day, of 23 to 25 hours, and the days follow one another."""
    began, ends = last_time(now, clock, zone), next_time(now, clock, zone)
    assert began <= now < ends
    assert timedelta(hours=23) <= ends - began <= timedelta(hours=25)
    assert last_time(ends, clock, zone) == ends
    assert next_time(ends - timedelta(microseconds=1), clock, zone) == ends


@given(now=MOMENTS, clock=CLOCKS, zone=st.sampled_from(ZONES))
def test_a_week_ends_with_a_sundays_reset(now: datetime, clock: time, zone: str) -> None:
    """The first Sunday's reset that lies ahead, at most 8 days (and an hour of the clocks) away."""
    ends = week_ends(now, clock, zone)
    assert timedelta(0) < ends - now <= timedelta(days=7, hours=1)
    assert last_time(ends, clock, zone) == ends
    assert (ends - timedelta(hours=1)).astimezone(ZoneInfo(zone)).weekday() in (5, 6)


@pytest.mark.parametrize(
    ("day", "clock", "zone", "moment"),
    [
        (date(2026, 3, 8), time(2, 30), "America/New_York", "2026-03-08T07:30Z"),  # skipped: EST
        (date(2026, 11, 1), time(1, 30), "America/New_York", "2026-11-01T06:30Z"),  # twice: EST
        (date(2026, 3, 6), time(17), "America/Chicago", "2026-03-06T23:00Z"),
        (date(2026, 3, 9), time(17), "America/Chicago", "2026-03-09T22:00Z"),
        (date(2026, 3, 29), time(0), "Europe/Prague", "2026-03-28T23:00Z"),
        (date(2026, 3, 30), time(0), "Europe/Prague", "2026-03-29T22:00Z"),
    ],
)
def test_the_moment_of_a_local_time(day: date, clock: time, zone: str, moment: str) -> None:
    """A time that is skipped or shown twice is standard time, as in Postgres."""
    assert at(day, clock, zone) == datetime.fromisoformat(moment)
