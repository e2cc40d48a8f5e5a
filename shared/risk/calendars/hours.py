"""When a market is open. Sessions are wall-clock times of the calendar's own zone, so clock changes move nothing."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import Field

from shared.models.limits import Clock, Weekday, Window
from shared.risk.calendars.base import CalendarFile, NoData, Strict
from shared.risk.resets import DAY, at

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_BEFORE, _AFTER = 3, 12
"""Days around a moment whose sessions are looked at: longer than any holiday."""
_KEPT = 8
"""Days whose sessions are remembered, a calendar."""


@dataclass(frozen=True, slots=True)
class Open:
    """The market trades until then."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Closed:
    """It does not; `until` is when it opens (None = not within the next days), `holiday` why, where it is one."""

    until: datetime | None
    holiday: str | None = None


class Session(Strict):
    """On these days from one time to another; `to` not after `from` = it ends on the next day."""

    days: Annotated[tuple[Weekday, ...], Field(min_length=1)]
    begin: Annotated[Clock, Field(alias="from")]
    end: Annotated[Clock, Field(alias="to")]


class Special(Strict):
    """A trade date (the day its session ends) that closes early; without `close` it has no session at all."""

    on: date
    name: str
    close: Clock | None = None


@dataclass(frozen=True, slots=True)
class _Span:
    """A session on one trade date. `closes` is early, or equal to `opens`, where `special` says so."""

    opens: datetime
    closes: datetime
    regular: datetime
    special: Special | None


@dataclass(frozen=True, slots=True)
class _Days:
    """The sessions around a day in order of time; the market trades without a break from `opens` to `closes`."""

    spans: tuple[_Span, ...]
    opens: tuple[datetime, ...]
    closes: tuple[datetime, ...]


class MarketCalendar(CalendarFile):
    """Trading hours with holidays."""

    sessions: Annotated[tuple[Session, ...], Field(min_length=1)]
    specials: tuple[Special, ...] = ()

    @cached_property
    def _days(self) -> dict[date, _Days]:
        return {}

    def around(self, day: date) -> _Days:
        """The sessions around a day."""
        found = self._days.get(day)
        if found is None:
            if len(self._days) >= _KEPT:
                self._days.clear()
            found = self._days[day] = _joined(_around(self, day))
        return found


def closings(calendar: MarketCalendar, now: datetime) -> tuple[datetime, ...]:
    """When the market closes on the days around a moment, in order; a session that another one goes on from does not
    close. Empty where the calendar says nothing about the day.
    """
    if not calendar.covers(now):
        return ()
    # What comes after the last of these days is not looked at: whether it closes then is not known.
    return calendar.around(now.date()).closes[:-1]


def _joined(spans: tuple[_Span, ...]) -> _Days:
    opens: list[datetime] = []
    closes: list[datetime] = []
    for span in spans:
        if span.closes <= span.opens:
            continue
        if closes and span.opens <= closes[-1]:
            closes[-1] = max(closes[-1], span.closes)
        else:
            opens.append(span.opens)
            closes.append(span.closes)
    return _Days(spans, tuple(opens), tuple(closes))


def _around(calendar: MarketCalendar, day: date) -> tuple[_Span, ...]:
    specials = {each.on: each for each in calendar.specials}
    days = [day + offset * DAY for offset in range(-_BEFORE, _AFTER)]
    spans = [
        _span(calendar, each, session, specials)
        for each in days
        for session in calendar.sessions
        if WEEKDAYS[each.weekday()] in session.days
    ]
    return tuple(sorted(spans, key=lambda span: span.opens))


def _span(calendar: MarketCalendar, day: date, session: Session, specials: dict[date, Special]) -> _Span:
    begin, end = time.fromisoformat(session.begin), time.fromisoformat(session.end)
    ends_on = day if end > begin else day + DAY
    opens, regular = at(day, begin, calendar.timezone), at(ends_on, end, calendar.timezone)
    special = specials.get(ends_on)
    if special is None:
        return _Span(opens, regular, regular, None)
    early = (
        opens if special.close is None else at(ends_on, time.fromisoformat(special.close), calendar.timezone)
    )
    return _Span(opens, max(opens, min(early, regular)), regular, special)


def market_at(calendar: MarketCalendar, now: datetime) -> Open | Closed | NoData:
    """What the market does at a moment. A session's first moment belongs to it, its last does not."""
    if not calendar.covers(now):
        return NoData(calendar.valid_until)
    days = calendar.around(now.date())
    begun = bisect_right(days.opens, now)
    if begun and now < days.closes[begun - 1]:
        return Open(days.closes[begun - 1])
    holidays = (
        each.special.name for each in days.spans if each.special and each.closes <= now < each.regular
    )
    return Closed(days.opens[begun] if begun < len(days.opens) else None, next(holidays, None))


def windows_at(windows: Sequence[Window], zone: str, now: datetime) -> Open | Closed:
    """Whether a trader's own hours are on. Their first moment belongs to them, their last does not."""
    today = now.astimezone(ZoneInfo(zone)).date()
    ends = [end for begin, end in _own(windows, zone, today, (-1, 0)) if begin <= now < end]
    if ends:
        return Open(max(ends))
    begins = [begin for begin, end in _own(windows, zone, today, range(9)) if begin > now and end > begin]
    return Closed(min(begins, default=None))


def _own(
    windows: Sequence[Window], zone: str, today: date, offsets: Sequence[int]
) -> list[tuple[datetime, datetime]]:
    found = []
    for day in (today + timedelta(days=offset) for offset in offsets):
        for window in windows:
            if WEEKDAYS[day.weekday()] in window.days:
                ends_on = day if window.end > window.begin else day + DAY
                begin = at(day, time.fromisoformat(window.begin), zone)
                found.append((begin, at(ends_on, time.fromisoformat(window.end), zone)))
    return found
