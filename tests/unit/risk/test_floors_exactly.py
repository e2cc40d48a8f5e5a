"""Where the money rules stand, to the cent, and what exactly is said where a fact is missing."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from shared.models.context import Limits, RiskState, TradingDay, TradingWeek
from shared.models.limits import (
    Consistency,
    DailyLoss,
    DailyProfit,
    FloorSeed,
    StaticFloor,
    TrailingDrawdown,
    WeeklyLoss,
)
from shared.models.reasons import Reason
from shared.risk import floors
from shared.risk.floors import Money, Standing, Unarmed
from tests.unit.risk.builders import NOW, D, scoped

DAY = TradingDay(NOW.date(), NOW - timedelta(hours=6), NOW + timedelta(hours=18), D(50000), D(50200), D(100))
WEEK = TradingWeek(D(50500), D(-200), ends_at=NOW + timedelta(days=3))
STATE = RiskState(
    initial_balance=D(50000), day=DAY, week=WEEK, high_close=D(51000), peak_equity=D(51500), best_day=D(90),
    net_profit=D(1000),
)  # fmt: skip
AT = Money(D(49900), D("0.5"))

DAILY = DailyLoss(limit=D(1000), unit="account")
WEEKLY = WeeklyLoss(limit=D(2000), unit="account")
PROFIT = DailyProfit(limit=D(1500), unit="account")
SEED = FloorSeed(amount=D(40000), on=date(2026, 11, 1), by="the trader")
TRAILING = TrailingDrawdown(
    kind="end_of_day", amount=D(2000), unit="account", floor_seed=SEED, buffer_pct=D(10)
)
STATIC = StaticFloor(amount=D(10), unit="pct_of_initial", buffer_pct=D(10))
SHARE = Consistency(max_pct=D(30), action="cap")

ASK: dict[type, Any] = {
    DailyLoss: floors.daily_loss,
    WeeklyLoss: floors.weekly_loss,
    DailyProfit: floors.daily_profit,
    TrailingDrawdown: floors.trailing_drawdown,
    StaticFloor: floors.static_drawdown,
    Consistency: floors.consistency,
}


def stands(setting: Any, state: RiskState = STATE, at: Money = AT) -> Standing | Unarmed:
    """The answer of the rule whose setting it is."""
    found = ASK[type(setting)](state, setting, at)
    assert isinstance(found, Standing | Unarmed)
    return found


def changed(setting: Any, **changes: Any) -> Any:
    """A setting with other values."""
    return setting.model_copy(update=changes)


@pytest.mark.parametrize(
    ("setting", "value", "limit", "distance"),
    [
        (DAILY, "400", "900", "500"),  # 50,200 + 100 paid in - 49,900
        (changed(DAILY, reference="balance"), "200", "900", "700"),
        (changed(DAILY, unit="usd"), "400", "450", "50"),
        (changed(DAILY, unit="pct_of_day_start", limit=D(1), reference="balance"), "200", "450", "250"),
        (WEEKLY, "400", "1800", "1400"),  # 50,500 - 200 paid out - 49,900
        (changed(WEEKLY, unit="usd"), "400", "900", "500"),
        (PROFIT, "-200", "1500", "1700"),  # 49,900 - 100 - 50,000
        (changed(PROFIT, unit="pct_of_day_start", limit=D(1)), "-200", "502", "702"),
        (changed(PROFIT, unit="pct_of_initial", limit=D(1)), "-200", "500", "700"),
        (TRAILING, "49900", "49200", "700"),  # 51,000 - 2,000, and a tenth of that 2,000
        (changed(TRAILING, kind="intraday"), "49900", "49700", "200"),
        (changed(TRAILING, start=D(60000)), "49900", "58200", "-8300"),
        (changed(TRAILING, unit="usd"), "49900", "50100", "-200"),
        (STATIC, "49900", "45500", "4400"),
        (changed(STATIC, unit="usd", amount=D(1000)), "49900", "49550", "350"),
    ],
)
def test_where_a_rule_stands(setting: Any, value: str, limit: str, distance: str) -> None:
    """What is watched, the threshold less its buffer, and what is left; touching it counts."""
    assert stands(setting) == Standing(D(value), D(limit), D(distance))


@pytest.mark.parametrize(
    ("changes", "allowed"),
    [
        ({}, "428.57"),  # 1,000 * 0.3 / 0.7 = 428.571..: down to the cent
        ({"net_profit": D(500)}, "214.28"),  # 214.2857..
        ({"best_day": D("428.58")}, "428.58"),
        ({"net_profit": D(-1000)}, "90"),
        ({"net_profit": None, "best_day": None}, "0"),
    ],
)
def test_what_a_day_may_earn_to_the_cent(changes: dict[str, Any], allowed: str) -> None:
    """Rounded down; nothing is allowed where nothing was earned and there is no target. The line is allowed."""
    found = stands(SHARE, replace(STATE, **changes))
    assert found == Standing(D(-200), D(allowed), D(allowed) + 200, touching=False)


DAY_UNREAD = Unarmed(Reason.DAY_START_UNKNOWN, "the account was not read at the day's reset")
WEEK_UNREAD = Unarmed(Reason.DAY_START_UNKNOWN, "the account was not read at the week's first reset")
INITIAL = Unarmed(Reason.INITIAL_UNKNOWN, "the account's initial balance is not known")
NO_RATE = Unarmed(Reason.CONVERSION_UNKNOWN, "there is no rate from USD to the account's currency")
NO_SEED = Unarmed(
    Reason.DRAWDOWN_NOT_ARMED, "the highest balance before the account was watched is not known"
)
NO_EQUITY = Unarmed(Reason.BALANCE_UNKNOWN, "the account's equity is not known")
ALL = (DAILY, WEEKLY, PROFIT, TRAILING, STATIC, SHARE)


def unread(what: str) -> Unarmed:
    """Part of what the day counts from was not read."""
    return Unarmed(Reason.DAY_START_UNKNOWN, f"the {what} at the day's reset is not known")


@pytest.mark.parametrize(
    ("setting", "changes", "said"),
    [
        *((each, {"day": None}, DAY_UNREAD) for each in (DAILY, PROFIT, SHARE)),
        *((each, {"day": replace(DAY, start_equity=None)}, DAY_UNREAD) for each in (PROFIT, SHARE)),
        *((each, {"day": replace(DAY, start_balance=None)}, DAY_UNREAD) for each in (PROFIT, SHARE)),
        (DAILY, {"day": replace(DAY, start_equity=None)}, unread("equity")),
        (DAILY, {"day": replace(DAY, start_balance=None)}, unread("balance")),
        (DAILY, {"day": replace(DAY, start_balance=None, start_equity=None)}, unread("balance and equity")),
        (changed(DAILY, reference="equity"), {"day": replace(DAY, start_equity=None)}, unread("equity")),
        (changed(DAILY, reference="balance"), {"day": replace(DAY, start_balance=None)}, unread("balance")),
        (changed(DAILY, unit="pct_of_initial"), {"initial_balance": None}, INITIAL),
        (WEEKLY, {"week": None}, WEEK_UNREAD),
        (WEEKLY, {"week": replace(WEEK, start_equity=None)}, WEEK_UNREAD),
        (changed(WEEKLY, unit="pct_of_initial"), {"initial_balance": None}, INITIAL),
        (TRAILING, {"initial_balance": None}, INITIAL),
        (changed(TRAILING, unit="pct_of_initial", start=D(50000)), {"initial_balance": None}, INITIAL),
        (changed(TRAILING, floor_seed=None), {}, NO_SEED),
        (STATIC, {"initial_balance": None}, INITIAL),
        (changed(STATIC, unit="account"), {"initial_balance": None}, INITIAL),
    ],
)
def test_what_is_missing_is_said(setting: Any, changes: dict[str, Any], said: Unarmed) -> None:
    """Reason and words name the fact; the rule is neither kept nor broken."""
    assert stands(setting, replace(STATE, **changes)) == said


@pytest.mark.parametrize("setting", ALL, ids=lambda each: type(each).__name__)
def test_without_an_equity_no_rule_stands_anywhere(setting: Any) -> None:
    """Unknown is not flat, and not a loss of everything either."""
    assert stands(setting, at=Money(None, D(1))) == NO_EQUITY


@pytest.mark.parametrize("setting", ALL[:-1], ids=lambda each: type(each).__name__)
def test_without_a_rate_no_dollars_are_counted(setting: Any) -> None:
    """A limit in dollars on an account in another currency."""
    assert stands(changed(setting, unit="usd"), at=Money(D(50000))) == NO_RATE


def test_a_percentage_of_a_day_that_nobody_read_is_not_known() -> None:
    """The unit's own base is missing, the reference of the loss is there."""
    state = replace(STATE, day=replace(DAY, start_equity=None))
    money = Money(D(50000), D(1))
    assert floors.in_money(D(1), "pct_of_day_start", state, money) == INITIAL
    reference = floors.day_reference(state, "max")
    assert floors.in_money(D(1), "pct_of_day_start", state, money, reference) == unread("equity")


@pytest.mark.parametrize(
    ("kind", "high_close", "peak", "floor"),
    [
        ("end_of_day", None, "60000", "48000"),
        ("end_of_day", "49000", "60000", "48000"),
        ("end_of_day", "53000", "60000", "51000"),
        ("intraday", "60000", None, "48000"),
        ("intraday", "60000", "53000", "51000"),
    ],
)
def test_a_floor_follows_its_own_high(
    kind: str, high_close: str | None, peak: str | None, floor: str
) -> None:
    """The highest close or the highest equity, never less than the start; the other high says nothing."""
    highs = {"high_close": high_close, "peak_equity": peak}
    known: dict[str, Any] = {name: None if each is None else D(each) for name, each in highs.items()}
    state = replace(STATE, **known)
    assert floors.trailing_floor(state, changed(TRAILING, kind=kind), AT) == D(floor)


@pytest.mark.parametrize(("seed", "cap", "floor"), [("49500", None, "49500"), ("49500", "49100", "49100")])
def test_a_floor_is_no_lower_than_its_seed_and_no_higher_than_its_cap(
    seed: str, cap: str | None, floor: str
) -> None:
    """The cap is the last word."""
    setting = changed(TRAILING, floor_seed=changed(SEED, amount=D(seed)), cap=None if cap is None else D(cap))
    assert floors.trailing_floor(STATE, setting, AT) == D(floor)


@pytest.mark.parametrize(
    ("distance", "touching", "reached"),
    [
        ("0", True, True),
        ("0", False, False),
        ("-0.01", False, True),
        ("0.01", True, False),
        ("0.01", False, False),
    ],
)
def test_when_a_threshold_is_reached(distance: str, touching: bool, reached: bool) -> None:
    """Touched, or where touching is allowed passed by a cent."""
    assert Standing(D(1), D(1), D(distance), touching).reached is reached


def test_what_has_ended_is_forgotten_by_itself() -> None:
    """Day and week each at their own end, exactly then; a week without a known end stays."""
    moment = timedelta(microseconds=1)
    assert floors.current(STATE, DAY.ends_at - moment) is STATE  # nothing is copied while nothing has ended
    assert floors.current(STATE, DAY.ends_at) == replace(STATE, day=None)
    assert WEEK.ends_at is not None
    assert floors.current(STATE, WEEK.ends_at - moment) == replace(STATE, day=None)
    assert floors.current(STATE, WEEK.ends_at) == replace(STATE, day=None, week=None)
    first = replace(STATE, week=replace(WEEK, ends_at=NOW))
    assert floors.current(first, NOW) == replace(first, week=None), "the week alone has ended"
    endless = replace(STATE, day=None, week=replace(WEEK, ends_at=None))
    assert floors.current(endless, WEEK.ends_at) == endless
    nothing = replace(STATE, day=None, week=None)
    assert floors.current(nothing, NOW) == nothing


def test_every_rule_of_every_scope_is_asked_by_its_name() -> None:
    """The columns count as the account's; what a scope does not set is not asked."""
    own = {"limit": D(1), "unit": "account"}
    limits = Limits(
        max_daily_loss_usd=D(1000),
        max_daily_loss_pct=D(5),
        rule_sets=(scoped("user", weekly_loss=own), scoped("broker", daily_profit=own, daily_loss=own)),
    )
    found = {
        (scope, rule): each for scope, rule, each in floors.standings(limits, STATE, AT) if scope != "account"
    }
    assert list(found) == [("user", "weekly_loss"), ("broker", "daily_loss"), ("broker", "daily_profit")]
    columns = [each for each in floors.standings(limits, STATE, AT) if each[0] == "account"]
    assert columns == [
        ("account", "daily_loss", Standing(D(400), D(450), D(50))),
        ("account", "daily_loss", Standing(D(400), D(2259), D(1859))),
    ]
    assert found[("user", "weekly_loss")] == Standing(D(400), Decimal("0.9"), D("-399.1"))


def test_columns_that_nobody_set_are_no_rule() -> None:
    """0 is a limit, absent is none."""
    assert floors.column_limits(Limits()) == ()
    [dollars] = floors.column_limits(Limits(max_daily_loss_usd=D(0)))
    assert (dollars.limit, dollars.unit, dollars.reference, dollars.buffer_pct) == (D(0), "usd", "max", D(10))
    [percent] = floors.column_limits(Limits(max_daily_loss_pct=D(3)))
    assert (percent.limit, percent.unit) == (D(3), "pct_of_day_start")
