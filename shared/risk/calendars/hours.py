"""When a market is open. Sessions are wall-clock times of the calendar's own zone, so clock changes move nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import Field, PrivateAttr

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


class MarketCalendar(CalendarFile):
    """Trading hours with holidays."""

    sessions: Annotated[tuple[Session, ...], Field(min_length=1)]
    specials: tuple[Special, ...] = ()
    _spans: dict[date, tuple[_Span, ...]] = PrivateAttr(default_factory=dict)

    def spans(self, day: date) -> tuple[_Span, ...]:
        """The sessions around a day, in order of time."""
        found = self._spans.get(day)
        if found is None:
            if len(self._spans) >= _KEPT:
                self._spans.clear()
            found = self._spans[day] = _around(self, day)
        return found


def closings(calendar: MarketCalendar, now: datetime) -> tuple[datetime, ...]:
    """When the market closes on the days around a moment, in order; a session that another one goes on from does not
    close. Empty where the calendar says nothing about the day.
    """
    if not calendar.covers(now):
        return ()
    spans = [each for each in calendar.spans(now.date()) if each.closes > each.opens]
    goes_on = {each.opens for each in spans}
    return tuple(each.closes for each in spans[:-1] if each.closes not in goes_on)


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
    spans = calendar.spans(now.date())
    until = now
    for span in spans:
        if span.opens <= until < span.closes:
            until = span.closes
    if until != now:
        return Open(until)
    opens = next((each.opens for each in spans if each.opens > now and each.closes > each.opens), None)
    holidays = (each.special.name for each in spans if each.special and each.closes <= now < each.regular)
    return Closed(opens, next(holidays, None))


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
