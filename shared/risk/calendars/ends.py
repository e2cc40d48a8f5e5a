"""When the data of a calendar ends: said while there is time to bring it up to date."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from shared.risk.calendars import HOURS, NEWS

SOON = timedelta(days=30)


def ending(name: str, now: datetime) -> str | None:
    """A sentence where the calendar's data ends within 30 days, has ended, or is not there. None = nothing to say."""
    calendar = HOURS.get(name) or NEWS.get(name)
    if calendar is None:
        return f"There is no calendar {name}: nothing is opened where a limit names it."
    if calendar.valid_until is None:
        return None
    left = (calendar.valid_until - now.astimezone(ZoneInfo(calendar.timezone)).date()).days
    if left >= SOON.days:
        return None
    what = "News blackouts" if name in NEWS else "Trading hours and holidays"
    if left < 0:
        return (
            f"{what} cannot be judged: the data of the calendar {name} ended on {calendar.valid_until}, and nothing "
            "is opened where a limit names it. Bring the calendar up to date, or take the rule away."
        )
    return (
        f"{what} cannot be judged after {calendar.valid_until}, in {left} days: the data of the calendar {name} ends, "
        "and nothing will be opened where a limit names it. Bring the calendar up to date."
    )
