"""The arithmetic of the money rules: losses, floors, caps, and what is said when a fact is missing."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from shared.models.context import Limits, RiskState, TradingDay, TradingWeek
from shared.models.limits import (
    Consistency,
    DailyLoss,
    DailyProfit,
    FloorSeed,
    RuleSettings,
    ScopedRules,
    StaticFloor,
    TrailingDrawdown,
    WeeklyLoss,
)
from shared.models.reasons import Reason
from shared.risk import floors
from shared.risk.floors import Money, Standing, Unarmed
from tests.unit.risk.builders import NOW, D

CENT = D("0.01")
SEED = FloorSeed(amount=D(48000), on=date(2026, 11, 1), by="the trader")
CENTS = st.integers(-(10**9), 10**9).map(lambda cents: Decimal(cents) / 100)
POSITIVE = st.integers(1, 10**8).map(lambda cents: Decimal(cents) / 100)


def day(balance: str | None = "50000", equity: str | None = "50200", flows: str = "0") -> TradingDay:
    figures = (None if each is None else D(each) for each in (balance, equity))
    return TradingDay(
        date(2026, 11, 23), NOW - timedelta(hours=6), NOW + timedelta(hours=18), *figures, flows=D(flows)
    )


STATE = RiskState(
    initial_balance=D(50000), day=day(), week=TradingWeek(D(50500)), high_close=D(51000),
    peak_equity=D(51500), best_day=D(900), net_profit=D(1000),
)  # fmt: skip
DAILY = DailyLoss(limit=D(1000), unit="account", buffer_pct=D(0))
TRAILING = TrailingDrawdown(
    kind="end_of_day", amount=D(2000), unit="account", cap=D(50000), floor_seed=SEED
)  # fmt: skip


def money(equity: str | Decimal) -> Money:
    return Money(D(equity), D(1))


def stands(found: Standing | Unarmed) -> Standing:
    assert isinstance(found, Standing), found
    return found


@pytest.mark.parametrize(
    ("reference", "loss"),
    [("balance", "700"), ("equity", "900"), ("max", "900")],
)
def test_the_days_loss_counts_from_what_the_setting_says(reference: str, loss: str) -> None:
    """From the balance at the reset, the equity, or the higher of both."""
    setting = DAILY.model_copy(update={"reference": reference})
    assert floors.loss_of_day(STATE, setting, D(49300)) == D(loss)


@pytest.mark.parametrize(
    ("unit", "limit", "per_usd", "threshold"),
    [
        ("account", "1000", "1", "900"),
        ("usd", "1000", "0.92", "828"),
        ("pct_of_initial", "5", "1", "2250"),
        ("pct_of_day_start", "5", "1", "2259"),
    ],
)
def test_a_limit_in_every_unit_less_its_buffer(unit: str, limit: str, per_usd: str, threshold: str) -> None:
    """5 % of the initial 50,000 is 2,500; of the day's reference 50,200 it is 2,510; 10 % of each is kept."""
    setting = DailyLoss.model_validate({"limit": D(limit), "unit": unit, "buffer_pct": D(10)})
    found = stands(floors.daily_loss(STATE, setting, Money(D(50000), D(per_usd))))
    assert (found.value, found.limit) == (D(200), D(threshold))
    assert found.distance == D(threshold) - 200


@given(equity=CENTS, flows=CENTS)
def test_money_paid_in_or_out_is_neither_loss_nor_profit(equity: Decimal, flows: Decimal) -> None:
    """A deposit raises the equity and the flows by the same: day, week and profit stay as they were."""
    paid = replace(
        STATE,
        day=replace(day(), flows=flows),
        week=TradingWeek(D(50500), flows),
    )
    assert floors.loss_of_day(paid, DAILY, equity + flows) == floors.loss_of_day(STATE, DAILY, equity)
    assert floors.loss_of_week(paid, equity + flows) == floors.loss_of_week(STATE, equity)
    assert floors.profit_of_day(paid, equity + flows) == floors.profit_of_day(STATE, equity)


RULES = {
    "daily_loss": DAILY,
    "weekly_loss": WeeklyLoss(limit=D(2000), unit="account"),
    "trailing_drawdown": TRAILING,
    "static_floor": StaticFloor(amount=D(10), unit="pct_of_initial"),
    "daily_profit": DailyProfit(limit=D(1500), unit="account"),
    "consistency": Consistency(max_pct=D(50), action="cap"),
}


def standing_of(rule: str, state: RiskState, at: Money) -> Standing | Unarmed:
    limits = Limits(rule_sets=(ScopedRules("user", RuleSettings.model_validate({rule: RULES[rule]})),))
    [(scope, name, found)] = floors.standings(limits, state, at)
    assert (scope, name) == ("user", rule)
    return found


@pytest.mark.parametrize("rule", ["daily_loss", "weekly_loss", "trailing_drawdown", "static_floor"])
@given(equity=CENTS)
def test_exactly_the_equity_at_the_threshold_is_reached(rule: str, equity: Decimal) -> None:
    """A distance is the money to the threshold: there the rule is touched, one cent above it is not."""
    distance = stands(standing_of(rule, STATE, money(equity))).distance
    if rule == "trailing_drawdown":  # kept end of day: the floor does not move with the equity
        assert stands(standing_of(rule, STATE, money(equity))).limit == D(49000)
    assert stands(standing_of(rule, STATE, money(equity - distance))).reached
    assert not stands(standing_of(rule, STATE, money(equity - distance + CENT))).reached


@pytest.mark.parametrize("rule", ["daily_profit", "consistency"])
@given(equity=CENTS)
def test_what_can_still_be_won_ends_at_the_cap(rule: str, equity: Decimal) -> None:
    """The cap of a day is touched exactly at its limit; a consistency line itself is allowed."""
    distance = stands(standing_of(rule, STATE, money(equity))).distance
    at_the_cap = stands(standing_of(rule, STATE, money(equity + distance)))
    assert at_the_cap.distance == 0
    assert at_the_cap.reached is (rule == "daily_profit")
    assert stands(standing_of(rule, STATE, money(equity + distance + CENT))).reached


@pytest.mark.parametrize("rule", ["daily_loss", "weekly_loss", "trailing_drawdown", "static_floor"])
@given(equity=CENTS, lost=POSITIVE, worst=POSITIVE)
def test_a_loss_brings_every_threshold_nearer_by_itself(
    rule: str, equity: Decimal, lost: Decimal, worst: Decimal
) -> None:
    """Distance after an order's worst case = distance once that much is lost."""
    before = stands(standing_of(rule, STATE, money(equity)))
    after = stands(standing_of(rule, STATE, money(equity - lost)))
    assert after.distance == before.after(lost)
    assert after.after(worst) == before.after(lost + worst)


@pytest.mark.parametrize("kind", ["end_of_day", "intraday"])
@given(peaks=st.lists(CENTS, min_size=2, max_size=6), cap=st.none() | POSITIVE, start=POSITIVE)
def test_a_trailing_floor_never_falls_and_never_passes_its_cap(
    kind: str, peaks: list[Decimal], cap: Decimal | None, start: Decimal
) -> None:
    """Whatever the highest so far was, a higher one lifts the floor or leaves it, up to the cap."""
    setting = TRAILING.model_copy(update={"kind": kind, "cap": cap, "start": start})
    found = []
    for high in sorted(peaks):
        state = replace(STATE, high_close=high, peak_equity=high)
        found.append(floors.trailing_floor(state, setting, Money(None)))
    assert found == sorted(found)  # type: ignore[type-var]
    assert all(isinstance(each, Decimal) and (cap is None or each <= cap) for each in found)
    assert cap is not None or all(isinstance(each, Decimal) and each >= SEED.amount for each in found)


def test_an_intraday_floor_follows_the_equity_of_this_moment() -> None:
    """A new high counts at once, before anybody wrote it down; end of day it does not."""
    intraday = TRAILING.model_copy(update={"kind": "intraday", "cap": None})
    assert floors.trailing_floor(STATE, intraday, money("53000")) == D(51000)
    assert floors.trailing_floor(STATE, TRAILING.model_copy(update={"cap": None}), money("53000")) == D(49000)


def test_a_floor_seed_is_the_floor_that_the_firm_shows() -> None:
    """What was reached before the account was watched is kept by it: the floor starts no lower."""
    seeded = TRAILING.model_copy(update={"floor_seed": SEED.model_copy(update={"amount": D(49500)})})
    assert floors.trailing_floor(replace(STATE, high_close=None), seeded, money("50000")) == D(49500)


def test_a_floor_is_kept_with_its_buffer() -> None:
    """5 % of the amount is kept above the floor: what a firm closes at is never touched."""
    trailing = TRAILING.model_copy(update={"buffer_pct": D(5)})
    assert stands(floors.trailing_drawdown(STATE, trailing, money("50000"))).limit == D(49100)
    assert floors.trailing_floor(STATE, trailing, money("50000")) == D(49000)
    static = StaticFloor(amount=D(10), unit="pct_of_initial", buffer_pct=D(5))
    assert stands(floors.static_drawdown(STATE, static, money("50000"))).limit == D(45250)


@pytest.mark.parametrize(
    ("rule", "state", "at", "reason"),
    [
        ("daily_loss", replace(STATE, day=None), money("50000"), Reason.DAY_START_UNKNOWN),
        ("daily_loss", replace(STATE, day=day(equity=None)), money("50000"), Reason.DAY_START_UNKNOWN),
        ("weekly_loss", replace(STATE, week=None), money("50000"), Reason.DAY_START_UNKNOWN),
        ("weekly_loss", replace(STATE, week=TradingWeek(None)), money("50000"), Reason.DAY_START_UNKNOWN),
        ("static_floor", replace(STATE, initial_balance=None), money("50000"), Reason.INITIAL_UNKNOWN),
        ("trailing_drawdown", replace(STATE, initial_balance=None), money("50000"), Reason.INITIAL_UNKNOWN),
        ("daily_profit", replace(STATE, day=None), money("50000"), Reason.DAY_START_UNKNOWN),
        ("consistency", replace(STATE, day=None), money("50000"), Reason.DAY_START_UNKNOWN),
        *((rule, STATE, Money(None, D(1)), Reason.BALANCE_UNKNOWN) for rule in RULES),
    ],
)
def test_a_missing_fact_is_said_and_not_guessed(
    rule: str, state: RiskState, at: Money, reason: Reason
) -> None:
    """The rule is not armed, with the reason an entry is denied with."""
    found = standing_of(rule, state, at)
    assert isinstance(found, Unarmed)
    assert (found.reason, bool(found.why)) == (reason, True)


def test_without_a_seed_a_trailing_drawdown_is_not_armed() -> None:
    """The highest before the account was watched is not known, however high it has been since."""
    found = floors.trailing_drawdown(STATE, TRAILING.model_copy(update={"floor_seed": None}), money("50000"))
    assert isinstance(found, Unarmed)
    assert found.reason is Reason.DRAWDOWN_NOT_ARMED


def test_dollars_without_a_rate_arm_nothing() -> None:
    """A limit in dollars on an account in euro waits for the rate."""
    found = floors.daily_loss(STATE, DAILY.model_copy(update={"unit": "usd"}), Money(D(50000), None))
    assert isinstance(found, Unarmed)
    assert found.reason is Reason.CONVERSION_UNKNOWN


def test_one_part_of_a_reference_is_enough_where_only_it_counts() -> None:
    """With the equity at the reset unknown, a limit from the balance is still kept."""
    state = replace(STATE, day=day(equity=None))
    assert floors.loss_of_day(state, DAILY.model_copy(update={"reference": "balance"}), D(49900)) == D(100)


def test_the_columns_are_the_daily_loss_in_other_words() -> None:
    """max_daily_loss_usd and _pct: 10 % buffer, of the higher reference; 0 allows nothing."""
    limits = Limits(max_daily_loss_usd=D(1000), max_daily_loss_pct=D(0))
    found = [stands(each) for _, rule, each in floors.standings(limits, STATE, money("50000"))]
    assert [(each.value, each.limit, each.reached) for each in found] == [
        (D(200), D(900), False),
        (D(200), D(0), True),
    ]


@pytest.mark.parametrize(
    ("earned", "best", "max_pct", "allowed"),
    [
        ("1000", "600", "50", "1000"),  # 1000 of 2000 is half
        ("1000", "1000", "40", "1000"),  # an earlier day has earned as much
        ("900", "600", "40", "600"),  # 600 of 1500
        ("-500", "300", "50", "300"),
        ("0", "0", "50", "0"),
    ],
)
def test_what_a_day_may_earn(earned: str, best: str, max_pct: str, allowed: str) -> None:
    """Best day / all days: p <= S * m / (1 - m), or as much as the best day before."""
    state = replace(STATE, net_profit=D(earned), best_day=D(best))
    found = stands(floors.consistency(state, Consistency(max_pct=D(max_pct), action="cap"), money("50000")))
    assert found.limit == D(allowed)


def test_with_a_target_a_day_may_earn_its_share_of_that() -> None:
    """55 % of a target of 3,000 are 1,650, also on the first day."""
    state = replace(STATE, net_profit=None, best_day=None)
    setting = Consistency(max_pct=D(55), target=D(3000), action="cap")
    assert stands(floors.consistency(state, setting, money("50000"))).limit == D(1650)


def test_a_day_that_has_ended_says_nothing_about_the_next() -> None:
    """Its loss is not today's: the start of today is unknown until it is read."""
    over = replace(
        STATE,
        day=replace(day(), ends_at=NOW),
        week=TradingWeek(D(50500), ends_at=NOW),
    )
    assert floors.current(over, NOW).day is None
    assert floors.current(over, NOW).week is None
    assert floors.current(over, NOW - timedelta(seconds=1)) == over
