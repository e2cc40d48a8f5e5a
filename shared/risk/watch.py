"""What an open account has broken: asked at every mark, by the arithmetic that the entry rules use (floors.py).

Pure. A rule that lacks a fact breaks nothing here: nothing is closed on a guess, and entries are denied meanwhile."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec import Struct, field

from shared.models.context import Limits, RiskState
from shared.models.limits import RuleScope
from shared.models.trading import Account, Position, WorkingOrder
from shared.risk.calendars import NEWS, event_near
from shared.risk.calendars.news import Near
from shared.risk.flat import flat_times
from shared.risk.floors import Money, Standing, current, standings
from shared.risk.grid import shown
from shared.risk.resets import last_time, next_time, week_ends

UNTIL_LIFTED = frozenset({"trailing_drawdown", "static_floor"})
"""A floor that was touched stays touched: only the trader lifts its lock."""


class Breach(Struct, frozen=True):
    """A limit that is reached on an open account. `until` None = until lifted. `numbers` are what a trader reads.

    `flatten`: close everything now; the account is locked in any case.
    """

    rule: str
    scope: RuleScope
    numbers: Mapping[str, str] = field(default_factory=dict)
    until: datetime | None = None
    flatten: bool = True


def breaches(
    account: Account,
    positions: Sequence[Position],
    state: RiskState,
    limits: Limits,
    now: datetime,
    *,
    per_usd: Decimal | None = None,
    orders: Sequence[WorkingOrder] = (),
) -> tuple[Breach, ...]:
    """Every rule that is broken now, what locks for longest first; of one rule the scope that is furthest beyond.

    `account` is as just read (its equity now), `per_usd` account currency per US dollar (None = unknown, and not
    needed by an account in dollars), `orders` are the working orders.
    """
    money = Money(account.equity, Decimal(1) if account.currency == "USD" else per_usd)
    furthest: dict[str, tuple[RuleScope, Standing]] = {}
    for scope, rule, standing in standings(limits, current(state, now), money):
        if not isinstance(standing, Standing) or not standing.reached or not _flattens(rule, scope, limits):
            continue
        if rule not in furthest or standing.distance < furthest[rule][1].distance:
            furthest[rule] = scope, standing
    of_money = [
        Breach(rule, scope, _numbers(standing, account), _until(rule, account, state, now))
        for rule, (scope, standing) in furthest.items()
    ]
    exposed = bool(positions) or any(each.is_entry for each in orders)
    clocks = (_flat_by(account, limits, now), _news(limits, now)) if exposed else ()
    timed = [first for each in clocks if (first := next(each, None)) is not None]
    return tuple(sorted(of_money + timed, key=lambda each: each.until is not None))


class Stands(Struct, frozen=True):
    """Where a limit of money stands, in account currency; `distance` None = not armed, and `why`."""

    scope: RuleScope
    rule: str
    value: Decimal | None = None
    threshold: Decimal | None = None
    distance: Decimal | None = None
    why: str | None = None


def stands(
    account: Account, state: RiskState, limits: Limits, now: datetime, *, per_usd: Decimal | None = None
) -> tuple[Stands, ...]:
    """Every limit of money of an account as just read; of one rule of one scope the one that leaves least."""
    money = Money(account.equity, Decimal(1) if account.currency == "USD" else per_usd)
    found: dict[tuple[RuleScope, str], Stands] = {}
    for scope, rule, standing in standings(limits, current(state, now), money):
        if isinstance(standing, Standing):
            told = Stands(scope, rule, standing.value, standing.limit, standing.distance)
        else:
            told = Stands(scope, rule, why=standing.why)
        before = found.get((scope, rule))
        if before is None or _leaves(told) < _leaves(before):
            found[scope, rule] = told
    return tuple(found.values())


def _leaves(stand: Stands) -> tuple[bool, Decimal]:
    """What is not armed counts as leaving nothing: it denies."""
    return stand.distance is not None, stand.distance or Decimal(0)


def _flattens(rule: str, scope: RuleScope, limits: Limits) -> bool:
    """Losses and floors always; a profit cap where it says so; consistency never."""
    if rule == "daily_profit":
        settings = (each.rules.daily_profit for each in limits.rule_sets if each.scope == scope)
        return any(each is not None and each.action == "flatten" for each in settings)
    return rule != "consistency"


def _until(rule: str, account: Account, state: RiskState, now: datetime) -> datetime | None:
    """The end of the lock: the account's next reset for rules of a day, next week's first for the week's."""
    if rule in UNTIL_LIFTED:
        return None
    if rule == "weekly_loss":
        told = state.week.ends_at if state.week is not None else None
        return told or week_ends(now, account.reset_time, account.timezone)
    return _day_ends(account, state, now)


def _day_ends(account: Account, state: RiskState, now: datetime) -> datetime:
    if state.day is not None and state.day.ends_at > now:
        return state.day.ends_at
    return next_time(now, account.reset_time, account.timezone)


def _numbers(standing: Standing, account: Account) -> Mapping[str, str]:
    return {
        "value": shown(standing.value, 2),
        "limit": shown(standing.limit, 2),
        "distance": shown(standing.distance, 2),
        "currency": account.currency,
    }


def _flat_by(account: Account, limits: Limits, now: datetime) -> Iterator[Breach]:
    """From its time, or from before its market closes, until the account's day ends nothing may be open."""
    for each in limits.rule_sets:
        rule = each.rules.flat_by
        if rule is None:
            continue
        due, _ = flat_times(rule, now)
        if due >= last_time(now, account.reset_time, account.timezone):
            numbers = {"flat_by": due.isoformat(timespec="seconds"), "time": f"{rule.time} {rule.tz}"}
            until = next_time(now, account.reset_time, account.timezone)
            yield Breach("flat_by", each.scope, numbers, until)


def _news(limits: Limits, now: datetime) -> Iterator[Breach]:
    """Where it says so nothing stays open through important news. Without data entries are denied, nothing closed."""
    for each in limits.rule_sets:
        rule = each.rules.news
        calendar = NEWS.get(rule.calendar) if rule is not None and rule.action == "flatten" else None
        if rule is None or calendar is None:
            continue
        before, after = (timedelta(minutes=float(minutes)) for minutes in (rule.before_min, rule.after_min))
        near = event_near(calendar, now, before, after)
        if isinstance(near, Near):
            moments = {"at": near.at, "until": near.until}
            numbers = {name: moment.isoformat(timespec="seconds") for name, moment in moments.items()}
            yield Breach("news", each.scope, {"event": near.name} | numbers, near.until)
