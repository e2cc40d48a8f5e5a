"""What every calendar file says of itself."""

from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cached_property

from pydantic import BaseModel, ConfigDict

from shared.models.limits import Clock, Name, Zone
from shared.risk.resets import DAY, at


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

    @cached_property
    def _ends(self) -> tuple[datetime, datetime]:
        since, until = self.valid_from or date.min + DAY * 2, self.valid_until or date.max - DAY * 3
        return at(since, time(0), self.timezone), at(until + DAY, time(0), self.timezone)

    def covers(self, moment: datetime) -> bool:
        """Whether the file says anything about the day of `moment`."""
        since, until = self._ends
        return since <= moment < until


__all__ = ["CalendarFile", "Clock", "NoData", "Strict"]
