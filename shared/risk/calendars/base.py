"""What every calendar file says of itself."""

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict

from shared.models.limits import Clock, Name, Zone


@dataclass(frozen=True, slots=True)
class NoData:
    """The calendar says nothing about this moment; `until` = the last day it is complete for, None = unknown name."""

    until: date | None = None


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class CalendarFile(Strict):
    """`valid_from` and `valid_until` are days of `timezone`; null = it holds for ever."""

    name: Name
    title: str
    source: str
    dated: date
    valid_from: date | None
    valid_until: date | None
    timezone: Zone
    note: str = ""

    def covers(self, moment: datetime) -> bool:
        """Whether the file says anything about the day of `moment`."""
        day = moment.astimezone(ZoneInfo(self.timezone)).date()
        since, until = self.valid_from, self.valid_until
        return (since is None or since <= day) and (until is None or day <= until)


__all__ = ["CalendarFile", "Clock", "NoData", "Strict"]
