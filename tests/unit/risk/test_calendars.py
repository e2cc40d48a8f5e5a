"""Trading hours and news: over clock changes, holidays, early closes and the end of the data."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.models.limits import Window
from shared.risk.calendars import HOURS, NEWS, Closed, NoData, Open, event_near, market_at, windows_at
from shared.risk.calendars.ends import ending

CHICAGO, NEW_YORK = "America/Chicago", "America/New_York"


def when(text: str, zone: str = CHICAGO) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


@pytest.mark.parametrize(
    ("name", "day", "said"),
    [
        ("us_high_impact", "2026-12-01T23:59", None),
        (
            "us_high_impact",
            "2026-12-02T00:01",
            "News blackouts cannot be judged after 2026-12-31, in 29 days: ",
        ),
        (
            "us_high_impact",
            "2026-12-31T23:59",
            "News blackouts cannot be judged after 2026-12-31, in 0 days: ",
        ),
        (
            "us_high_impact",
            "2027-01-01T00:01",
            "News blackouts cannot be judged: the data of the calendar us_high",
        ),
        (
            "cme_equity",
            "2027-12-10T09:00",
            "Trading hours and holidays cannot be judged after 2027-12-31, in 21",
        ),
        ("forex", "2099-01-01T00:00", None),
        (
            "lunar",
            "2026-11-25T00:00",
            "There is no calendar lunar: nothing is opened where a limit names it.",
        ),
    ],
)
def test_the_end_of_the_data_is_told_thirty_days_before(name: str, day: str, said: str | None) -> None:
    """By the calendar's own day; what goes on for ever says nothing."""
    found = ending(name, when(day, NEW_YORK))
    assert found is None if said is None else (found or "").startswith(said)


OPEN = [
    ("cme_equity", "2026-03-09T09:00", CHICAGO, "the Monday after clocks go forward"),
    ("cme_equity", "2026-03-08T17:00", CHICAGO, "the Sunday on which clocks went forward, at the open"),
    ("cme_equity", "2026-11-01T17:00", CHICAGO, "the Sunday on which clocks went back, at the open"),
    ("cme_equity", "2026-11-25T15:59", CHICAGO, "a Wednesday a minute before the close"),
    ("cme_equity", "2026-11-26T11:59", CHICAGO, "Thanksgiving before its halt"),
    ("cme_equity", "2026-11-26T17:00", CHICAGO, "Thanksgiving evening: the next trade date"),
    ("cme_metals", "2026-11-26T13:29", CHICAGO, "Thanksgiving: metals trade longer"),
    ("cme_equity", "2026-12-31T15:00", CHICAGO, "New Year's Eve is a full day"),
    ("cme_equity", "2027-12-30T15:00", CHICAGO, "the last days of the data"),
    ("forex", "2026-11-22T17:00", NEW_YORK, "Sunday's open"),
    ("forex", "2026-11-25T17:00", NEW_YORK, "no pause between the days"),
    ("forex", "2026-11-27T16:59", NEW_YORK, "Friday before the close"),
    ("always", "2030-12-25T00:00", "UTC", "never closed"),
]
CLOSED = [
    ("cme_equity", "2026-11-25T16:00", CHICAGO, "2026-11-25T17:00", None),
    ("cme_equity", "2026-11-28T12:00", CHICAGO, "2026-11-29T17:00", None),
    ("cme_equity", "2026-11-26T12:00", CHICAGO, "2026-11-26T17:00", "Thanksgiving"),
    ("cme_equity", "2026-11-27T12:15", CHICAGO, "2026-11-29T17:00", "day after Thanksgiving"),
    ("cme_equity", "2026-12-24T12:15", CHICAGO, "2026-12-27T17:00", "Christmas Eve"),
    ("cme_equity", "2026-12-25T10:00", CHICAGO, "2026-12-27T17:00", "Christmas"),
    ("cme_metals", "2026-12-24T12:45", CHICAGO, "2026-12-27T17:00", "Christmas Eve"),
    ("cme_equity", "2025-12-25T10:00", CHICAGO, "2025-12-25T17:00", "Christmas"),
    ("cme_equity", "2026-03-06T16:00", CHICAGO, "2026-03-08T17:00", None),
    ("forex", "2026-11-27T17:00", NEW_YORK, "2026-11-29T17:00", None),
    ("forex", "2026-03-08T16:59", NEW_YORK, "2026-03-08T17:00", None),
]


@pytest.mark.parametrize(("name", "at", "zone", "why"), OPEN, ids=[each[3] for each in OPEN])
def test_open(name: str, at: str, zone: str, why: str) -> None:
    """The market trades, and says until when."""
    found = market_at(HOURS[name], when(at, zone))
    assert isinstance(found, Open), why
    assert found.until > when(at, zone)


@pytest.mark.parametrize(
    ("name", "at", "zone", "opens", "holiday"), CLOSED, ids=[f"{each[0]} {each[1]}" for each in CLOSED]
)
def test_closed(name: str, at: str, zone: str, opens: str, holiday: str | None) -> None:
    """The market does not trade; it says when it opens, in its own time over clock changes, and why."""
    assert market_at(HOURS[name], when(at, zone)) == Closed(when(opens, zone), holiday)


def test_the_end_of_the_data_is_no_data() -> None:
    """After its last day, and before its first, a calendar says nothing."""
    last = HOURS["cme_equity"].valid_until
    for at in ("2028-01-03T10:00", "2024-12-31T10:00"):
        assert market_at(HOURS["cme_equity"], when(at)) == NoData(last)


@given(st.integers(0, 1079 * 24 * 60), st.sampled_from(sorted(HOURS)))
def test_what_opens_is_open_then(minutes: int, name: str) -> None:
    """At the moment a closed market says it opens it is open, and not a minute before."""
    now = datetime(2025, 1, 3, tzinfo=UTC) + timedelta(minutes=minutes)
    found = market_at(HOURS[name], now)
    if isinstance(found, Closed):
        assert found.until is not None
        assert found.until > now
        assert isinstance(market_at(HOURS[name], found.until), Open)
        assert isinstance(market_at(HOURS[name], found.until - timedelta(minutes=1)), Closed)
    else:
        assert isinstance(found, Open)
        assert isinstance(market_at(HOURS[name], found.until - timedelta(seconds=1)), Open)


def test_every_file_says_where_it_is_from() -> None:
    """Source, date and a name equal to the file's."""
    for name, each in {**HOURS, **NEWS}.items():
        assert each.name == name
        assert each.source
        assert each.title


def test_special_days_are_within_the_data_and_on_trade_dates() -> None:
    """No holiday outside what the file claims to know, none on a Saturday or Sunday, none twice."""
    for each in HOURS.values():
        days = [special.on for special in each.specials]
        assert len(days) == len(set(days))
        for day in days:
            assert each.valid_from is not None
            assert each.valid_until is not None
            assert each.valid_from <= day <= each.valid_until
            assert day.weekday() < 5


NEWS_CASES = [
    ("2026-12-04T08:20", "US employment report"),
    ("2026-12-04T08:39", "US employment report"),
    ("2026-12-04T08:40", None),
    ("2026-12-04T08:19", None),
    ("2026-12-09T13:55", "FOMC rate decision"),
    ("2026-03-11T08:30", "US consumer prices"),
]


@pytest.mark.parametrize(("at", "name"), NEWS_CASES, ids=[each[0] for each in NEWS_CASES])
def test_news(at: str, name: str | None) -> None:
    """Ten minutes before an event until ten minutes after, in New York's time, the last moment free."""
    ten = timedelta(minutes=10)
    near = event_near(NEWS["us_high_impact"], when(at, NEW_YORK), ten, ten)
    assert not isinstance(near, NoData)
    assert (near.name if near else None) == name
    if near is not None:
        assert near.until == near.at + ten


def test_news_end_with_their_data() -> None:
    """After the last day there is no data, and already where a blackout would begin before it ends."""
    calendar = NEWS["us_high_impact"]
    hour = timedelta(hours=1)
    for at in ("2027-01-04T09:00", "2026-12-31T23:30"):
        assert event_near(calendar, when(at, NEW_YORK), hour, hour) == NoData(calendar.valid_until)
    assert event_near(calendar, when("2026-12-31T22:30", NEW_YORK), hour, hour) is None


NIGHT = Window(days=("sun", "mon"), begin="22:00", end="02:00")


@pytest.mark.parametrize(
    ("at", "opens"),
    [
        ("2026-11-22T21:59", "2026-11-22T22:00"), ("2026-11-22T22:00", None), ("2026-11-23T01:59", None),
        ("2026-11-23T02:00", "2026-11-23T22:00"), ("2026-11-24T01:00", None), ("2026-11-24T22:00", "2026-11-29T22:00"),
        ("2026-03-08T03:30", "2026-03-08T22:00"), ("2026-11-02T01:30", None),
    ],
)  # fmt: skip
def test_own_windows(at: str, opens: str | None) -> None:
    """A window over midnight belongs to the day it begins on; clock changes do not move it."""
    found = windows_at((NIGHT,), CHICAGO, when(at))
    assert found == Closed(when(opens)) if opens else isinstance(found, Open)
