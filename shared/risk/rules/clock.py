"""When: the alert's age, trading hours and holidays, flat-by time, news."""

from collections.abc import Iterator
from datetime import time, timedelta
from decimal import Decimal
from typing import Final

from shared.models.limits import AlertAge, FlatBy, Hours, News
from shared.models.reasons import Reason
from shared.risk.calendars import HOURS, NEWS, Closed, NoData, Open, event_near, market_at, windows_at
from shared.risk.flat import flat_data, flat_times
from shared.risk.resets import times_around
from shared.risk.rules.base import Judged, Verdict, ask_scopes, at_most, moment
from shared.risk.rules.case import Case

_MINUTE: Final = timedelta(minutes=1)
_MILLISECOND: Final = timedelta(milliseconds=1)


def alert_age(case: Case) -> Verdict:
    """Nothing is opened on an alert that fired longer ago than the seconds set."""
    return ask_scopes("alert_age", _alert_age, case)


def hours(case: Case) -> Verdict:
    """Nothing is opened outside the trading hours set, nor while the calendar's market is closed."""
    return ask_scopes("hours", _hours, case)


def flat_by(case: Case) -> Verdict:
    """From the flat-by time (or the earlier one for entries) nothing is opened until the account's next reset."""
    return ask_scopes("flat_by", _flat_by, case)


def news(case: Case) -> Verdict:
    """Nothing is opened from some minutes before important news until some minutes after."""
    return ask_scopes("news", _news, case)


def _alert_age(setting: AlertAge, case: Case) -> Judged:
    if case.ctx.fired_at is None:
        return Judged({"what": "when the alert fired is not known"}, None, Reason.ALERT_TOO_OLD)
    age_s = Decimal((case.ctx.now - case.ctx.fired_at) // _MILLISECOND) / 1000
    return at_most(age_s, setting.max_s, Reason.ALERT_TOO_OLD)


def _hours(setting: Hours, case: Case) -> Iterator[Judged]:
    if setting.windows is not None:
        found = windows_at(setting.windows, setting.tz, case.ctx.now)
        yield _minutes_left(found, {"tz": setting.tz}, case)
    if setting.calendar is not None:
        calendar = HOURS.get(setting.calendar)
        state = NoData() if calendar is None else market_at(calendar, case.ctx.now)
        named = {"calendar": setting.calendar}
        yield _no_data(state, named) if isinstance(state, NoData) else _minutes_left(state, named, case)


def _minutes_left(found: Open | Closed, numbers: dict[str, str], case: Case) -> Judged:
    now, until = case.ctx.now, found.until
    left = None if isinstance(found, Closed) or until is None else Decimal((until - now) // _MINUTE)
    holiday = found.holiday if isinstance(found, Closed) else None

    def tell() -> dict[str, str]:
        told = numbers | {"now": moment(now)} | ({} if until is None else {"until": moment(until)})
        if holiday is not None:
            return told | {"holiday": holiday}
        return told if left is None else told | {"distance": str(left), "unit": "min"}

    if left is not None:
        return Judged(tell, left)
    return Judged(tell, None, Reason.OUTSIDE_HOURS if holiday is None else Reason.MARKET_HOLIDAY)


def _no_data(state: NoData, numbers: dict[str, str]) -> Judged:
    valid = {} if state.until is None else {"valid_until": state.until.isoformat()}
    return Judged(numbers | valid, None, Reason.NO_CALENDAR_DATA)


def _flat_by(setting: FlatBy, case: Case) -> Judged:
    began, ends = case.day
    told = {"time": setting.time, "tz": setting.tz}
    missing = flat_data(setting, case.ctx.now)
    if missing is not None:
        return _no_data(missing, told | {"calendar": str(setting.calendar)})
    times = [flat_times(setting, case.ctx.now)]
    if setting.no_entry_from is not None:
        times.append(times_around(case.ctx.now, time.fromisoformat(setting.no_entry_from), setting.tz))
    if any(last >= began for last, _ in times):
        return Judged(told | {"until": moment(ends)}, None, Reason.FLAT_BY)
    begins = min(upcoming for _, upcoming in times)
    left = Decimal((begins - case.ctx.now) // _MINUTE)
    return Judged(lambda: told | {"from": moment(begins), "distance": str(left), "unit": "min"}, left)


def _news(setting: News, case: Case) -> Judged:
    calendar, named = NEWS.get(setting.calendar), {"calendar": setting.calendar}
    if calendar is None:
        return _no_data(NoData(), named)
    before, after = timedelta(minutes=float(setting.before_min)), timedelta(minutes=float(setting.after_min))
    near = event_near(calendar, case.ctx.now, before, after)
    if isinstance(near, NoData):
        return _no_data(near, named)
    if near is None:
        return Judged(named)
    numbers = named | {"event": near.name, "at": moment(near.at), "until": moment(near.until)}
    return Judged(numbers, None, Reason.NEWS_BLACKOUT)
