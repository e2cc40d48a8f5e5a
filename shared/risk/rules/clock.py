"""When: the alert's age, trading hours and holidays, flat-by time, news."""

from collections.abc import Iterator, Sequence
from datetime import time, timedelta
from decimal import Decimal
from typing import Final

from shared.models.command import Leg
from shared.models.context import RiskContext
from shared.models.limits import AlertAge, FlatBy, Hours, News
from shared.models.reasons import Reason
from shared.risk.calendars import HOURS, NEWS, Closed, NoData, Open, event_near, market_at, windows_at
from shared.risk.resets import last_time, next_time
from shared.risk.rules.base import Judged, Verdict, ask_scopes, at_most, moment

_MINUTE: Final = timedelta(minutes=1)


def alert_age(legs: Sequence[Leg], ctx: RiskContext) -> Verdict:
    """Nothing is opened on an alert that fired longer ago than the seconds set."""
    return ask_scopes("alert_age", _alert_age, legs, ctx)


def hours(legs: Sequence[Leg], ctx: RiskContext) -> Verdict:
    """Nothing is opened outside the trading hours set, nor while the calendar's market is closed."""
    return ask_scopes("hours", _hours, legs, ctx)


def flat_by(legs: Sequence[Leg], ctx: RiskContext) -> Verdict:
    """From the flat-by time (or the earlier one for entries) nothing is opened until the account's next reset."""
    return ask_scopes("flat_by", _flat_by, legs, ctx)


def news(legs: Sequence[Leg], ctx: RiskContext) -> Verdict:
    """Nothing is opened from some minutes before important news until some minutes after."""
    return ask_scopes("news", _news, legs, ctx)


def _alert_age(setting: AlertAge, legs: Sequence[Leg], ctx: RiskContext) -> Judged:
    if ctx.fired_at is None:
        return Judged({"what": "when the alert fired is not known"}, None, Reason.ALERT_TOO_OLD)
    age_s = Decimal(str((ctx.now - ctx.fired_at).total_seconds()))
    return at_most(age_s, setting.max_s, Reason.ALERT_TOO_OLD, 3)


def _hours(setting: Hours, legs: Sequence[Leg], ctx: RiskContext) -> Iterator[Judged]:
    now = {"now": moment(ctx.now)}
    if setting.windows is not None:
        found = windows_at(setting.windows, setting.tz, ctx.now)
        yield _minutes_left(found, {**now, "tz": setting.tz}, ctx)
    if setting.calendar is not None:
        calendar = HOURS.get(setting.calendar)
        state = NoData() if calendar is None else market_at(calendar, ctx.now)
        named = {**now, "calendar": setting.calendar}
        yield _no_data(state, named) if isinstance(state, NoData) else _minutes_left(state, named, ctx)


def _minutes_left(found: Open | Closed, numbers: dict[str, str], ctx: RiskContext) -> Judged:
    until = {} if found.until is None else {"until": moment(found.until)}
    if isinstance(found, Open):
        left = Decimal((found.until - ctx.now) // _MINUTE)
        return Judged(numbers | until | {"distance": str(left), "unit": "min"}, left)
    if found.holiday is not None:
        return Judged(numbers | until | {"holiday": found.holiday}, None, Reason.MARKET_HOLIDAY)
    return Judged(numbers | until, None, Reason.OUTSIDE_HOURS)


def _no_data(state: NoData, numbers: dict[str, str]) -> Judged:
    valid = {} if state.until is None else {"valid_until": state.until.isoformat()}
    return Judged(numbers | valid, None, Reason.NO_CALENDAR_DATA)


def _flat_by(setting: FlatBy, legs: Sequence[Leg], ctx: RiskContext) -> Judged:
    account, now = ctx.account, ctx.now
    clocks = [time.fromisoformat(each) for each in (setting.time, setting.no_entry_from) if each is not None]
    reset = last_time(now, account.reset_time, account.timezone)
    opens = next_time(now, account.reset_time, account.timezone)
    numbers = {"time": setting.time, "tz": setting.tz}
    if any(last_time(now, clock, setting.tz) >= reset for clock in clocks):
        return Judged(numbers | {"until": moment(opens)}, None, Reason.FLAT_BY)
    begins = min(next_time(now, clock, setting.tz) for clock in clocks)
    left = Decimal((begins - now) // _MINUTE)
    return Judged(numbers | {"distance": str(left), "unit": "min"}, left)


def _news(setting: News, legs: Sequence[Leg], ctx: RiskContext) -> Judged:
    calendar, named = NEWS.get(setting.calendar), {"calendar": setting.calendar}
    if calendar is None:
        return _no_data(NoData(), named)
    before, after = timedelta(minutes=float(setting.before_min)), timedelta(minutes=float(setting.after_min))
    near = event_near(calendar, ctx.now, before, after)
    if isinstance(near, NoData):
        return _no_data(near, named)
    if near is None:
        return Judged(named, Decimal(0))
    numbers = named | {"event": near.name, "at": moment(near.at), "until": moment(near.until)}
    return Judged(numbers, None, Reason.NEWS_BLACKOUT)
