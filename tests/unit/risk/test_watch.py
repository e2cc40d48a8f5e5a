"""What is broken on an open account: the same thresholds as before an order, and until when it locks."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from shared.models.context import Limits, RiskState
from shared.models.limits import DailyProfit, FlatBy, RuleSettings, ScopedRules
from shared.risk.calendars import NEWS
from shared.risk.floors import Money, Standing, standings
from shared.risk.watch import Breach, Stands, breaches, stands
from tests.unit.risk.builders import NOW, D, account, order, position
from tests.unit.risk.test_floors import CENTS, DAILY, RULES, STATE, TRAILING


def watched(rules: RuleSettings, equity: str | Decimal, **changes: object) -> tuple[Breach, ...]:
    """The breaches of an account with these rules at this equity."""
    state = changes.pop("state", STATE)
    now = changes.pop("now", NOW)
    assert isinstance(state, RiskState)
    assert isinstance(now, datetime)
    limits = Limits(rule_sets=(ScopedRules("account", rules),))
    read = account(equity=D(equity), **changes)
    return breaches(read, (position(),), state, limits, now)


@given(equity=CENTS)
def test_what_closes_is_what_denies(equity: Decimal) -> None:
    """Every loss and floor that is touched, and nothing else: by the very numbers of the entry rules."""
    limits = Limits(rule_sets=(ScopedRules("user", RuleSettings.model_validate(RULES)),))
    found = breaches(account(equity=equity), (position(),), STATE, limits, NOW)
    touched = {
        rule
        for _, rule, each in standings(limits, STATE, Money(equity, D(1)))
        if isinstance(each, Standing) and each.reached and rule not in ("daily_profit", "consistency")
    }
    assert {each.rule for each in found} == touched
    assert all(each.flatten and each.scope == "user" for each in found)


def test_a_floor_locks_until_it_is_lifted_a_loss_until_its_reset() -> None:
    """What locks for ever comes first; the day's end is the account's, the week's a Sunday."""
    rules = RuleSettings.model_validate(
        {name: RULES[name] for name in ("daily_loss", "weekly_loss", "trailing_drawdown")}
    )
    found = watched(rules, "40000", timezone="America/New_York", reset_time=time(17))
    assert STATE.day is not None
    assert [(each.rule, each.until) for each in found] == [
        ("trailing_drawdown", None),
        ("daily_loss", STATE.day.ends_at),
        ("weekly_loss", datetime(2026, 11, 29, 22, tzinfo=UTC)),
    ]
    assert found[0].numbers == {
        "value": "40000", "limit": "49000", "distance": "-9000", "currency": "USD",
    }  # fmt: skip


def test_of_several_scopes_the_furthest_beyond_speaks() -> None:
    """One breach a rule; its numbers are those of the tightest scope."""
    wide = ScopedRules("user", RuleSettings(daily_loss=DAILY))
    tight = ScopedRules("account", RuleSettings(daily_loss=DAILY.model_copy(update={"limit": D(500)})))
    limits = Limits(max_daily_loss_usd=D(10000), rule_sets=(wide, tight))
    [found] = breaches(account(equity=D(40000)), (), STATE, limits, NOW)
    assert (found.scope, found.numbers["limit"]) == ("account", "500")


@pytest.mark.parametrize("state", [RiskState(), replace(STATE, day=None, week=None, initial_balance=None)])
def test_nothing_is_closed_on_a_guess(state: RiskState) -> None:
    """Without the facts of a rule it closes nothing, at whatever equity."""
    unseeded = TRAILING.model_copy(update={"floor_seed": None})
    rules = RuleSettings.model_validate(RULES | {"trailing_drawdown": unseeded})
    assert watched(rules, "1", state=state) == ()
    limits = Limits(max_daily_loss_usd=D(1), rule_sets=(ScopedRules("user", rules),))
    assert breaches(account(equity=None), (position(),), STATE, limits, NOW) == ()


def test_yesterdays_loss_closes_nothing_today() -> None:
    """Until the new day was read, its start is unknown."""
    assert STATE.day is not None
    late = STATE.day.ends_at + timedelta(seconds=1)
    assert watched(RuleSettings(daily_loss=DAILY), "1", now=late) == ()


@pytest.mark.parametrize(("action", "closes"), [("deny", False), ("flatten", True)])
def test_a_profit_cap_closes_only_where_it_says_so(action: str, closes: bool) -> None:
    """With `deny` the cap ends the day's entries and leaves what is open alone."""
    cap = DailyProfit.model_validate({"limit": D(1500), "unit": "account", "action": action})
    assert bool(watched(RuleSettings(daily_profit=cap), "51500")) is closes
    assert watched(RuleSettings(daily_profit=cap), "51499.99") == ()


FLAT = RuleSettings(flat_by=FlatBy(time="15:05", tz="America/Chicago"))


@pytest.mark.parametrize(
    ("now", "closes"),
    [
        ("2026-11-23T21:04:59Z", False),  # 15:04:59 in Chicago
        ("2026-11-23T21:05:00Z", True),
        ("2026-11-23T22:59:59Z", True),
        ("2026-11-23T23:00:00Z", False),  # 17:00: the next session
        ("2026-07-01T20:05:00Z", True),  # in summer an hour earlier
        ("2026-07-01T20:04:59Z", False),
    ],
)
def test_flat_by_its_time_until_the_next_session(now: str, closes: bool) -> None:
    """From 15:05 of the exchange's zone until the account's reset everything is closed, whatever the season."""
    moment = datetime.fromisoformat(now)
    chicago = {"timezone": "America/Chicago", "reset_time": time(17)}
    found = watched(FLAT, "50000", state=RiskState(), now=moment, **chicago)
    assert [each.rule for each in found] == (["flat_by"] if closes else [])
    for each in found:
        assert each.until is not None
        assert each.until.strftime("%H:%M") in ("23:00", "22:00")


def test_an_account_that_is_flat_is_left_alone_by_flat_by() -> None:
    """Nothing open and nothing waiting: nothing to flatten; an entry that waits is reason enough."""
    limits = Limits(rule_sets=(ScopedRules("account", FLAT),))
    late = datetime(2026, 11, 23, 21, 30, tzinfo=UTC)
    read = account(timezone="America/Chicago", reset_time=time(17))
    assert breaches(read, (), RiskState(), limits, late) == ()
    assert breaches(read, (), RiskState(), limits, late, orders=(order(reduce_only=True),)) == ()
    assert len(breaches(read, (), RiskState(), limits, late, orders=(order(),))) == 1


@given(rate=st.integers(1, 300).map(lambda each: Decimal(each) / 100))
def test_dollars_are_converted_where_the_account_is_in_another_currency(rate: Decimal) -> None:
    """1,000 dollars at the rate of the moment; without one nothing is closed."""
    limits = Limits(max_daily_loss_usd=D(1000))
    threshold = D(900) * rate
    at_it, above = (
        breaches(account(equity=equity, currency="EUR"), (), STATE, limits, NOW, per_usd=rate)
        for equity in (D(50200) - threshold, D(50200) - threshold + D("0.01"))
    )
    assert (len(at_it), len(above)) == (1, 0)
    assert breaches(account(equity=D(1), currency="EUR"), (), STATE, limits, NOW) == ()


@pytest.mark.parametrize(("action", "closes"), [("flatten", True), ("deny", False)])
def test_important_news_close_what_is_open_where_they_are_to(action: str, closes: bool) -> None:
    """From some minutes before to some minutes after, and no longer; what is flat is left alone."""
    moment, name = NEWS["us_high_impact"].moments[0]
    rules = RuleSettings.model_validate(
        {"news": {"calendar": "us_high_impact", "before_min": D(5), "after_min": D(10), "action": action}}
    )
    minutes = {-6: False, -5: closes, 0: closes, 9: closes, 10: False}
    for offset, fires in minutes.items():
        found = watched(rules, "50000", now=moment + timedelta(minutes=offset))
        assert [each.rule for each in found] == (["news"] if fires else []), offset
        for each in found:
            assert (each.until, each.flatten) == (moment + timedelta(minutes=10), True)
            assert each.numbers["event"] == name
    limits = Limits(rule_sets=(ScopedRules("account", rules),))
    assert breaches(account(), (), STATE, limits, moment) == ()


def test_where_every_limit_stands_is_told_with_its_distance() -> None:
    """A line a scope and rule, the tightest of several; what lacks a fact says which."""
    rules = RuleSettings.model_validate({"daily_loss": DAILY, "weekly_loss": RULES["weekly_loss"]})
    limits = Limits(max_daily_loss_usd=D(500), rule_sets=(ScopedRules("account", rules),))
    told = stands(account(equity=D(50000)), replace(STATE, week=None), limits, NOW)
    assert told == (
        Stands("account", "daily_loss", D(200), D(450), D(250)),
        Stands("account", "weekly_loss", why="the account was not read at the week's first reset"),
    )
