"""Trading hours with holidays, and news: data files with their source and date, read once.

A calendar whose data has ended arms nothing: the answer is NoData, and a rule that is set denies."""

from importlib.resources import files

from shared.risk.calendars.base import NoData
from shared.risk.calendars.hours import Closed, MarketCalendar, Open, closings, market_at, windows_at
from shared.risk.calendars.news import NewsCalendar, event_near

__all__ = [
    "HOURS", "NEWS", "Closed", "MarketCalendar", "NewsCalendar", "NoData", "Open", "closings", "event_near",
    "market_at", "windows_at",
]  # fmt: skip


def _texts() -> list[str]:
    found = [each for each in files(__package__).iterdir() if each.name.endswith(".json")]
    return [each.read_text("utf-8") for each in sorted(found, key=lambda each: each.name)]


_ALL = [
    NewsCalendar.model_validate_json(text) if '"events"' in text else MarketCalendar.model_validate_json(text)
    for text in _texts()
]
HOURS = {each.name: each for each in _ALL if isinstance(each, MarketCalendar)}
"""Trading hours by name: what `hours.calendar` may say."""
NEWS = {each.name: each for each in _ALL if isinstance(each, NewsCalendar)}
"""News by name: what `news.calendar` may say."""
