"""Published dates of important news, and whether one is near."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property

from shared.models.limits import Clock
from shared.risk.calendars.base import CalendarFile, NoData, Strict
from shared.risk.resets import at


class Event(Strict):
    """News on a day at a time of the calendar's zone."""

    on: date
    at: Clock
    name: str


@dataclass(frozen=True, slots=True)
class Near:
    """News whose blackout a moment lies in; the blackout ends at `until`."""

    name: str
    at: datetime
    until: datetime


class NewsCalendar(CalendarFile):
    """News with their times."""

    events: tuple[Event, ...]

    @cached_property
    def moments(self) -> Sequence[tuple[datetime, str]]:
        """Every event with its moment (UTC), in order of time."""
        times = ((each, time.fromisoformat(each.at)) for each in self.events)
        return sorted((at(each.on, clock, self.timezone), each.name) for each, clock in times)


def event_near(
    calendar: NewsCalendar, now: datetime, before: timedelta, after: timedelta
) -> Near | NoData | None:
    """The event whose blackout [its time - before, its time + after) holds `now`; of several the longest.

    NoData also where the blackout of news that is not listed yet could reach back to `now`.
    """
    if not calendar.covers(now) or not calendar.covers(now + before):
        return NoData(calendar.valid_until)
    moments = calendar.moments
    first = bisect_left(moments, (now - after, ""))
    near = None
    for moment, name in moments[first:]:
        if moment - before > now:
            break
        if now < moment + after:
            near = Near(name, moment, moment + after)
    return near
