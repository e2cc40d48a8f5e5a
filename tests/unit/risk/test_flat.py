"""By when an account is to be flat, by its own clock and by its market's."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.models.context import Limits, RiskState
from shared.models.limits import FlatBy
from shared.risk.calendars import HOURS, Closed, closings, market_at
from shared.risk.flat import flat_data, flat_times
from shared.risk.watch import breaches
from tests.unit.risk.builders import D, account, position, scoped

CHICAGO, NEW_YORK = "America/Chicago", "America/New_York"
FUTURES = FlatBy(time="15:05", tz=CHICAGO, calendar="cme_equity", before_close_min=D(15))
SPOT = FlatBy(time="23:59", tz=NEW_YORK, calendar="forex", before_close_min=D(30))


def when(text: str, zone: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


@pytest.mark.parametrize(
    ("rule", "zone", "now", "last", "upcoming"),
    [
        (FUTURES, CHICAGO, "2026-11-25T12:00", "2026-11-24T15:45", "2026-11-25T15:05"),
        (FUTURES, CHICAGO, "2026-11-26T11:44", "2026-11-25T15:45", "2026-11-26T11:45"),
        (FUTURES, CHICAGO, "2026-11-26T11:45", "2026-11-26T11:45", "2026-11-26T15:05"),
        (FUTURES, CHICAGO, "2026-12-24T12:00", "2026-12-24T12:00", "2026-12-24T15:05"),
        (SPOT, NEW_YORK, "2026-11-25T17:00", "2026-11-24T23:59", "2026-11-25T23:59"),
        (SPOT, NEW_YORK, "2026-11-27T16:30", "2026-11-27T16:30", "2026-11-27T23:59"),
    ],
)
def test_flat_times(rule: FlatBy, zone: str, now: str, last: str, upcoming: str) -> None:
    """Its own time every day; an early close, and the close before a weekend, come before it."""
    assert flat_times(rule, when(now, zone)) == (when(last, zone), when(upcoming, zone))


def test_without_data_the_clock_still_counts() -> None:
    """After the end of a calendar the account is flat by its own time, and the rule says what is missing."""
    now = when("2028-03-01T12:00", CHICAGO)
    assert flat_times(FUTURES, now)[1] == when("2028-03-01T15:05", CHICAGO)
    missing = flat_data(FUTURES, now)
    assert missing is not None
    assert missing.until == HOURS["cme_equity"].valid_until
    assert flat_data(FUTURES, when("2026-03-01T12:00", CHICAGO)) is None


@given(st.integers(0, 1050 * 24 * 60), st.sampled_from(["cme_equity", "cme_metals", "forex"]))
def test_markets_are_closed_at_their_closings(minutes: int, name: str) -> None:
    """Every closing is a moment from which on the market is closed, and until which it was open."""
    now = datetime(2025, 1, 10, tzinfo=UTC) + timedelta(minutes=minutes)
    moments = closings(HOURS[name], now)
    assert moments
    for each in moments:
        assert isinstance(market_at(HOURS[name], each), Closed)
        assert not isinstance(market_at(HOURS[name], each - timedelta(minutes=1)), Closed)


def test_an_early_close_flattens() -> None:
    """The watch closes what is open a quarter of an hour before the early close, until the account's reset."""
    limits = Limits(rule_sets=(scoped("user", flat_by=FUTURES.model_dump()),))
    reset = datetime(2026, 1, 1, 17, tzinfo=UTC).time()
    for text, found in (("2026-11-26T11:44", 0), ("2026-11-26T11:45", 1), ("2026-11-26T17:01", 0)):
        now = when(text, CHICAGO)
        own = account(timezone=CHICAGO, reset_time=reset, as_of=now)
        breached = breaches(own, (position(),), RiskState(), limits, now)
        assert len(breached) == found, text
        if breached:
            assert (breached[0].rule, breached[0].flatten) == ("flat_by", True)
            assert breached[0].until == when("2026-11-26T17:00", CHICAGO)
