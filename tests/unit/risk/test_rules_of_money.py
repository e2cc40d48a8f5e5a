"""The rules of money asked directly: every word and number of their answers, and which of two settings decides."""

from __future__ import annotations

from datetime import date, time, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from shared.models.context import Limits, TradingWeek
from shared.models.reasons import Reason
from shared.risk.rules import Rule
from shared.risk.rules.money import (
    consistency,
    daily_loss,
    daily_profit,
    risk_per_trade,
    static_floor,
    trailing_drawdown,
    weekly_loss,
)
from tests.unit.risk.asking import ENTRY, NAKED, ask, set_for_account, two_scopes
from tests.unit.risk.builders import NOW, USDJPY, D, account, limits, risk_state

SEED = {"amount": 8000, "on": date(2026, 11, 1), "by": "the trader"}
STATE = risk_state()
SEVENTEEN = time(17)
MIDNIGHT, SUNDAY = "2026-11-24T00:00:00+00:00", "2026-11-29T00:00:00+00:00"
OF_ACCOUNT = {"currency": "USD", "scope": "account"}
ODD = account(equity=D("9799.996"))
"""200.004 lost since the reset: a trace shows cents."""
AT_RISK = {"open_risk": "0", "order": "100"}


def wins(won: str, **changes: Any) -> dict[str, Any]:
    return {"account": account(equity=D(10000) + D(won)), "risk": risk_state(**changes)}


# --- one trade ----------------------------------------------------------------------------------------------------


def test_a_trade_shows_its_share_of_the_smaller_base() -> None:
    """103.456 of 9,000.126 (the balance is 10,000) is 1.14949 %: shown with three places, money with two."""
    leg = replace(ENTRY, worst_loss=D("103.456"))
    small = account(equity=D("9000.126"))
    answer = ask(risk_per_trade, leg, account=small, limits=limits(max_risk_per_trade_pct="2"))
    numbers = {"limit": "2", "loss": "103.46", "base": "9000.13", "value": "1.149", "distance": "0.851"}
    assert answer == (None, {**numbers, "currency": "USD"})


def test_a_trade_without_a_stop_says_so() -> None:
    """What has no stop has no loss to compare; without a limit nothing is asked."""
    assert ask(risk_per_trade, NAKED) == (None, {"value": "no stop", "limit": "5"})
    assert ask(risk_per_trade, NAKED, limits=Limits(max_risk_per_trade_pct=None)) == (None, {})


def test_all_portions_of_a_trade_count() -> None:
    """Two portions of 100 are 2 % of 10,000: 2 % lets them pass, less does not; one without a stop adds nothing."""
    both = (ENTRY, replace(ENTRY, leg=1), NAKED)
    numbers = {"limit": "2", "loss": "200", "base": "10000", "value": "2", "distance": "0", "currency": "USD"}
    assert ask(risk_per_trade, *both, limits=limits(max_risk_per_trade_pct="2")) == (None, numbers)
    reason, _ = ask(risk_per_trade, *both, limits=limits(max_risk_per_trade_pct="1.999999"))
    assert reason is Reason.MAX_RISK_PER_TRADE


def test_a_share_of_nothing_is_everything() -> None:
    """On an account with nothing left any loss is too much; with one dollar left it is a share like any other."""
    for left in ("0", "-1"):
        reason, numbers = ask(risk_per_trade, account=account(equity=D(left)))
        assert reason is Reason.MAX_RISK_PER_TRADE
        assert numbers == {"value": "all", "limit": "5", "loss": "100", "base": left, "currency": "USD"}
    reason, numbers = ask(risk_per_trade, account=account(equity=D(1)))
    assert (reason, numbers["value"], numbers["distance"]) == (Reason.MAX_RISK_PER_TRADE, "10000", "-9995")
    assert (
        ask(risk_per_trade, account=account(equity=D(1)), limits=limits(max_risk_per_trade_pct="10000"))[0]
        is None
    )


def test_a_loss_that_cannot_be_converted_denies() -> None:
    """The currencies are named; an instrument that is not known has one that is not."""
    unmeasured = replace(ENTRY, worst_loss=None)
    yen = ask(risk_per_trade, unmeasured, ENTRY, instrument=USDJPY)
    assert yen == (Reason.CONVERSION_UNKNOWN, {"from": "JPY", "to": "USD"})
    nothing = ask(risk_per_trade, unmeasured, instrument=None)
    assert nothing == (Reason.CONVERSION_UNKNOWN, {"from": "?", "to": "USD"})
    assert ask(risk_per_trade, account=account(equity=None)) == (Reason.BALANCE_UNKNOWN, {})


# --- losses and floors --------------------------------------------------------------------------------------------

LOSSES: dict[Rule, tuple[dict[str, Any], dict[str, str]]] = {
    daily_loss: (
        {"limit": 500, "unit": "account", "buffer_pct": 0},
        {"value": "300", "limit": "500", "distance": "200", "loss": "200", "until": MIDNIGHT},
    ),
    weekly_loss: (
        {"limit": 500, "unit": "account", "buffer_pct": 0},
        {"value": "300", "limit": "500", "distance": "200", "loss": "200", "until": SUNDAY},
    ),
    trailing_drawdown: (
        {"kind": "end_of_day", "amount": 500, "unit": "account", "floor_seed": SEED},
        {"value": "9700", "limit": "9500", "distance": "200", "equity": "9800"},
    ),
    static_floor: (
        {"amount": 500, "unit": "account"},
        {"value": "9700", "limit": "9500", "distance": "200", "equity": "9800"},
    ),
}


@pytest.mark.parametrize("rule", LOSSES, ids=lambda rule: rule.__name__)
def test_what_is_told_of_a_loss(rule: Rule) -> None:
    """The worst case, the threshold and what is left, in cents; a floor does not end by itself, a day and a week do."""
    setting, told = LOSSES[rule]
    assert set_for_account(rule, setting, account=ODD) == (None, {**told, **AT_RISK, **OF_ACCOUNT})


@pytest.mark.parametrize("rule", LOSSES, ids=lambda rule: rule.__name__)
def test_the_setting_that_leaves_least_is_shown(rule: Rule) -> None:
    """The account's own is tighter than the user's: it decides and is named."""
    setting, _ = LOSSES[rule]
    amount = "limit" if "limit" in setting else "amount"
    reason, numbers = two_scopes(rule, {**setting, amount: 700}, {**setting, amount: 400}, account=ODD)
    assert (reason, numbers["scope"], numbers["distance"]) == (None, "account", "100")
    reason, numbers = two_scopes(rule, {**setting, amount: 600}, {**setting, amount: 700}, account=ODD)
    assert (reason, numbers["scope"], numbers["distance"]) == (None, "user", "300")


@pytest.mark.parametrize("rule", LOSSES, ids=lambda rule: rule.__name__)
def test_a_worst_case_that_cannot_be_told_denies(rule: Rule) -> None:
    """No stop, no margin, no ceiling of a trade: nobody can say what is lost, so nothing is opened."""
    setting, _ = LOSSES[rule]
    answer = set_for_account(rule, setting, NAKED, limits=Limits(max_risk_per_trade_pct=None))
    assert answer == (Reason.BALANCE_UNKNOWN, {"what": "the worst case of what is open", "scope": "account"})


@pytest.mark.parametrize("rule", LOSSES, ids=lambda rule: rule.__name__)
def test_a_cent_above_the_threshold_is_open(rule: Rule) -> None:
    """Touching is reaching: the order that leaves nothing is denied, the one that leaves a cent is not."""
    setting, _ = LOSSES[rule]
    for loss, denied in (("400", True), ("399.99", False)):
        reason, _ = set_for_account(
            rule, setting, replace(ENTRY, worst_loss=D(loss)), account=account(equity=D(9900))
        )
        assert (reason is not None) is denied, loss


@pytest.mark.parametrize("rule", [*LOSSES, daily_profit, consistency], ids=lambda rule: rule.__name__)
def test_an_equity_that_is_not_fresh_denies(rule: Rule) -> None:
    """Six seconds old is too old for a limit of money, and the age is told."""
    old = account(as_of=NOW - timedelta(seconds=6))
    reason, numbers = set_for_account(rule, {**LOSSES, **CAPS}[rule][0], account=old)
    assert reason is Reason.BALANCE_UNKNOWN
    assert numbers == {"age_s": "6", "limit_s": "5", "scope": "account"}
    nobody_knows = {"asked_by": rule.__name__, "why": "the account's equity is not known", "scope": "account"}
    answer = set_for_account(rule, {**LOSSES, **CAPS}[rule][0], account=account(equity=None))
    assert answer == (Reason.BALANCE_UNKNOWN, nobody_knows)


def test_a_day_ends_when_the_database_says() -> None:
    """The end of the day that was begun counts, not what the account's zone says by now; so does the week's."""
    later = NOW + timedelta(hours=3)
    assert STATE.day is not None
    state = replace(STATE, day=replace(STATE.day, ends_at=later), week=TradingWeek(D(10000), ends_at=later))
    for rule in (daily_loss, weekly_loss):
        _, numbers = set_for_account(rule, LOSSES[rule][0], risk=state)
        assert numbers["until"] == "2026-11-23T17:30:00+00:00"
    _, numbers = set_for_account(daily_profit, CAPS[daily_profit][0], risk=state)
    assert numbers["until"] == "2026-11-23T17:30:00+00:00"


def test_a_week_ends_with_the_accounts_own_sunday() -> None:
    """Where the database has no end of the week, it is Sunday's reset in the account's zone."""
    chicago = account(reset_time=SEVENTEEN, timezone="America/Chicago")
    _, numbers = set_for_account(weekly_loss, LOSSES[weekly_loss][0], account=chicago)
    assert numbers["until"] == "2026-11-29T23:00:00+00:00"


def test_the_columns_are_one_more_daily_loss() -> None:
    """A limit in dollars and one in percent beside a rule of the account: each is asked, the tightest decides."""
    for usd, pct, rule, limit in (
        ("300", "4", 500, "270"),
        ("500", "2", 500, "180"),
        ("500", "5", 250, "250"),
    ):
        columns = limits(max_daily_loss_usd=usd, max_daily_loss_pct=pct)
        _, numbers = set_for_account(
            daily_loss, {"limit": rule, "unit": "account", "buffer_pct": 0}, limits=columns
        )
        assert numbers["limit"] == limit
    assert ask(daily_loss) == (None, {})


# --- caps ---------------------------------------------------------------------------------------------------------

CAPS: dict[Rule, tuple[dict[str, Any], dict[str, str]]] = {
    daily_profit: ({"limit": 300, "unit": "account"}, {"value": "200", "limit": "300", "distance": "100"}),
    consistency: (
        {"max_pct": 50, "action": "cap"},
        {"value": "200", "limit": "300", "distance": "100", "max_pct": "50", "action": "cap"},
    ),
}
EARNED: dict[str, Any] = {"account": account(equity=D("10200.004")), "risk": risk_state(net_profit=D(300))}


@pytest.mark.parametrize("rule", CAPS, ids=lambda rule: rule.__name__)
def test_what_is_told_of_a_cap(rule: Rule) -> None:
    """The profit, the cap and what can still be won, in cents, and when it begins anew."""
    setting, told = CAPS[rule]
    answer = set_for_account(rule, setting, **EARNED)
    assert answer == (None, {**told, **OF_ACCOUNT, "until": MIDNIGHT})
    assert ask(rule) == (None, {})


@pytest.mark.parametrize("rule", CAPS, ids=lambda rule: rule.__name__)
def test_the_lowest_cap_is_shown(rule: Rule) -> None:
    """The account's own is lower than the user's: it decides and is named."""
    setting, _ = CAPS[rule]
    amount = "limit" if rule is daily_profit else "max_pct"
    higher, lower = ({**setting, amount: 500}, {**setting, amount: 300}) if rule is daily_profit else (
        {**setting, amount: 60}, {**setting, amount: 50})  # fmt: skip
    _, numbers = two_scopes(rule, higher, lower, **EARNED)
    assert (numbers["scope"], numbers["distance"]) == ("account", "100")
    _, numbers = two_scopes(rule, lower, higher, **EARNED)
    assert (numbers["scope"], numbers["distance"]) == ("user", "100")


def test_a_warning_lets_everything_through() -> None:
    """Consistency that only warns never denies: not beyond its line, nor where a fact is missing; it says so."""
    warns = {"max_pct": 50}
    reason, numbers = set_for_account(consistency, warns, **wins("1000", net_profit=D(100)))
    told = {"value": "1000", "limit": "100", "distance": "-900", "max_pct": "50", "action": "warn"}
    assert (reason, numbers) == (None, {**told, **OF_ACCOUNT, "until": MIDNIGHT})
    why = "the account was not read at the day's reset"
    missing = {"asked_by": "consistency", "why": why, "scope": "account"}
    assert set_for_account(consistency, warns, risk=None) == (None, missing)
    capped = set_for_account(consistency, {**warns, "action": "cap"}, risk=None)
    assert capped == (Reason.DAY_START_UNKNOWN, missing)
    missing["asked_by"] = "daily_profit"
    assert set_for_account(daily_profit, CAPS[daily_profit][0], risk=None) == (
        Reason.DAY_START_UNKNOWN,
        missing,
    )


def test_where_a_cap_is_reached() -> None:
    """The profit that touches the day's cap denies; a share may be touched and not passed."""
    for won, of_day, of_share in (("299.99", None, None), ("300", Reason.DAILY_PROFIT, None),
                                  ("300.01", Reason.DAILY_PROFIT, Reason.CONSISTENCY)):  # fmt: skip
        facts = wins(won, net_profit=D(300))
        assert set_for_account(daily_profit, CAPS[daily_profit][0], **facts)[0] is of_day
        assert set_for_account(consistency, CAPS[consistency][0], **facts)[0] is of_share
