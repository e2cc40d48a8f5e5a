"""What holds for every rule: thousands of random settings and accounts are tried."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from shared.models.context import Limits, RiskContext, RiskState
from shared.models.enums import Action, StopMode
from shared.models.limits import RuleField, RuleScope, ScopedRules, rule_fields
from shared.risk.actions import plan
from shared.risk.decision import Check, Denied, Plan
from shared.risk.policy import evaluate
from shared.risk.rules import RULES
from tests.unit.risk.builders import (
    BUY,
    NOW,
    SELL,
    D,
    account,
    context,
    guard,
    order,
    position,
    risk_state,
    scoped,
    signal,
    stop,
)
from tests.unit.risk.rule_models import MODELS, situations
from tests.unit.risk.worlds import MANY, SEED, SETTINGS, contexts, some

SCOPES: tuple[RuleScope, ...] = ("user", "broker", "account")
ENTRY = signal(Action.OPEN, BUY, "0.5", sl=stop(StopMode.PIPS, "20"))


def check_of(rule: str, ctx: RiskContext, *sets: ScopedRules) -> Check | None:
    """What a rule says of the entry; None where it is not planned."""
    answer = plan(ENTRY, ctx)
    if not isinstance(answer, Plan):
        return None
    told = evaluate(answer, replace(ctx, limits=Limits(None, max_risk_per_trade_pct=D(100), rule_sets=sets)))
    return next((each for each in told.checks if each.rule == rule), None)


def fields(rule: str) -> list[RuleField]:
    return [each for each in rule_fields() if each.rule == rule and each.looser in ("higher", "lower")]


def tighter(setting: Mapping[str, Any], field: RuleField, share: Decimal) -> dict[str, Any]:
    """The same setting with one field moved toward tight."""
    value = D(str(setting[field.field]))
    assert field.minimum is not None
    assert field.maximum is not None
    end = field.minimum if field.looser == "higher" else field.maximum
    moved = value + (end - value) * share
    return {**setting, field.field: int(moved) if field.type == "integer" else moved}


@pytest.mark.parametrize("rule", SETTINGS)
@MANY
@given(data=st.data())
def test_tighter_never_admits_what_looser_denied(rule: str, data: st.DataObject) -> None:
    """A field moved the way its model calls tighter: what was denied stays denied."""
    ctx, setting = data.draw(contexts()), data.draw(SETTINGS[rule])
    movable = [each for each in fields(rule) if each.field in setting]
    field = data.draw(st.sampled_from(movable))
    share = data.draw(some("0", "1"))
    loose = check_of(rule, ctx, scoped("user", **{rule: setting}))
    assume(loose is not None and not loose.ok)
    tight = check_of(rule, ctx, scoped("user", **{rule: tighter(setting, field, share)}))
    assert tight is not None
    assert not tight.ok, (loose, tight)


@pytest.mark.parametrize("rule", SETTINGS)
@MANY
@given(data=st.data())
def test_scopes_in_any_order_and_the_tightest_decides(rule: str, data: st.DataObject) -> None:
    """Three scopes deny when one of them alone denies, with the same verdict in every order."""
    ctx = data.draw(contexts())
    sets = [scoped(scope, **{rule: data.draw(SETTINGS[rule])}) for scope in SCOPES]
    alone = [check_of(rule, ctx, each) for each in sets]
    assume(alone[0] is not None)
    together = check_of(rule, ctx, *sets)
    assert together is not None
    assert together.ok == all(each is not None and each.ok for each in alone)
    assert together == check_of(rule, ctx, *data.draw(st.permutations(sets)))
    named = next(
        each for each in alone if each is not None and each.numbers["scope"] == together.numbers["scope"]
    )
    assert together == named


CEILINGS = ("daily_loss", "weekly_loss", "daily_profit", "consistency", "max_qty", "exposure", "spread", "quote_age",
            "alert_age", "margin_use")  # fmt: skip
FLOORS = ("trailing_drawdown", "static_floor", "stop_distance")
TOUCHING = ("daily_loss", "weekly_loss", "daily_profit", "trailing_drawdown", "static_floor")


@pytest.mark.parametrize("rule", [*CEILINGS, *FLOORS])
@MANY
@given(data=st.data())
def test_the_numbers_add_up(rule: str, data: st.DataObject) -> None:
    """value + distance = limit (for a floor value - distance), and the sign of the distance is the verdict."""
    check = check_of(rule, data.draw(contexts()), scoped("account", **{rule: data.draw(SETTINGS[rule])}))
    assume(check is not None and "distance" in check.numbers)
    assert check is not None
    value, limit, left = (D(check.numbers[name]) for name in ("value", "limit", "distance"))
    assert abs((limit - value if rule in CEILINGS else value - limit) - left) <= D("0.02")
    if abs(left) > D("0.02"):
        assert check.ok == (left > 0)


def parts(rule: str, check: Check) -> Decimal:
    numbers = {name: D(check.numbers[name]) for name in ("open_risk", "order")}
    at_risk = numbers["open_risk"] + numbers["order"]
    return (
        D(check.numbers["loss"]) + at_risk
        if "loss" in check.numbers
        else D(check.numbers["equity"]) - at_risk
    )


@pytest.mark.parametrize("rule", ["daily_loss", "weekly_loss", "trailing_drawdown", "static_floor"])
@MANY
@given(data=st.data())
def test_the_worst_case_is_the_sum_of_its_parts(rule: str, data: st.DataObject) -> None:
    """What is lost already, what is open and on its way, and this order make the value; the order is never free."""
    check = check_of(rule, data.draw(contexts()), scoped("account", **{rule: data.draw(SETTINGS[rule])}))
    assume(check is not None and "order" in check.numbers)
    assert check is not None
    assert abs(parts(rule, check) - D(check.numbers["value"])) <= D("0.03")
    assert D(check.numbers["order"]) == 100
    assert D(check.numbers["open_risk"]) >= 0


@pytest.mark.parametrize("rule", TOUCHING)
@MANY
@given(data=st.data())
def test_touching_denies(rule: str, data: st.DataObject) -> None:
    """With the limit moved onto the value there is nothing left, and nothing is opened; a cent more and it is."""
    ctx = data.draw(contexts())
    name = "limit" if rule in ("daily_loss", "weekly_loss", "daily_profit") else "amount"
    setting = {**data.draw(SETTINGS[rule]), "buffer_pct": D(0)}
    if rule == "daily_profit":
        setting.pop("buffer_pct")
    if rule == "trailing_drawdown":
        setting["floor_seed"] = {**SEED, "amount": 1}
    check = check_of(rule, ctx, scoped("account", **{rule: setting}))
    assume(check is not None and "distance" in check.numbers)
    assert check is not None
    onto = setting[name] - D(check.numbers["distance"])
    assume(0 <= onto <= 5000)
    assume(onto == onto.quantize(D("0.01")))
    touched = check_of(rule, ctx, scoped("account", **{rule: {**setting, name: onto}}))
    freed = check_of(rule, ctx, scoped("account", **{rule: {**setting, name: onto + D("0.02")}}))
    assert touched is not None
    assert freed is not None
    assert not touched.ok, touched
    assert freed.ok, freed


MISSING: Mapping[str, Callable[[RiskContext], RiskContext]] = {
    "no state": lambda ctx: replace(ctx, risk=None),
    "no equity": lambda ctx: replace(ctx, account=replace(ctx.account, equity=None)),
    "an old equity": lambda ctx: replace(ctx, account=replace(ctx.account, as_of=NOW - timedelta(seconds=6))),
    "no day": lambda ctx: replace(ctx, risk=replace(ctx.risk or RiskState(), day=None)),
    "no quote": lambda ctx: replace(ctx, quote=None),
    "no time": lambda ctx: replace(ctx, fired_at=None),
}
NEEDED = {
    "daily_loss": ("no state", "no equity", "an old equity", "no day"),
    "weekly_loss": ("no state", "no equity", "an old equity"),
    "daily_profit": ("no state", "no equity", "an old equity", "no day"),
    "trailing_drawdown": ("no state", "no equity", "an old equity"),
    "static_floor": ("no state", "no equity", "an old equity"),
    "consistency": ("no state", "no equity", "an old equity", "no day"),
    "margin_use": ("no equity", "an old equity"),
    "cool_down": ("no state",),
    "duplicates": ("no state",),
    "exposure": ("no state",),
    "alert_age": ("no time",),
}


@pytest.mark.parametrize(("rule", "fact"), [(rule, fact) for rule, facts in NEEDED.items() for fact in facts])
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_is_not_known_never_admits(rule: str, fact: str, data: st.DataObject) -> None:
    """Without a fact a rule needs nothing is opened, however loose it is set."""
    ctx = MISSING[fact](data.draw(contexts()))
    check = check_of(rule, ctx, scoped("user", **{rule: data.draw(SETTINGS[rule])}))
    assume(check is not None)
    assert check is not None
    assert not check.ok
    assert check.reason is not None


def test_a_quote_that_is_missing_denies_where_it_is_needed() -> None:
    """Spread and age of a quote that is not there are not within any limit."""
    pending = signal(Action.OPEN, SELL, "0.5", sl=stop(StopMode.PRICE, "1.2"))
    ctx = replace(context(), risk=risk_state())
    answer = plan(pending, ctx)
    assert isinstance(answer, Plan)
    for rule, setting in (("spread", {"max_ticks": 1000000}), ("quote_age", {"max_s": 86400})):
        limits_ = Limits(rule_sets=(scoped("user", **{rule: setting}),))
        assert isinstance(evaluate(answer, replace(ctx, quote=None, limits=limits_)), Denied)


@pytest.mark.parametrize("rule", MODELS)
@settings(MANY, max_examples=30)
@given(data=st.data())
def test_a_rule_denies_exactly_when_its_model_does(rule: str, data: st.DataObject) -> None:
    """The same situation, judged by the rule and by its words told a second time."""
    case = data.draw(situations(rule))
    answer = evaluate(Plan(case.legs), case.ctx)
    check = next(each for each in answer.checks if each.rule == rule)
    assert check.ok is not case.denied, check
    assert (check.reason is not None) is case.denied


def test_every_rule_has_a_property() -> None:
    """Those that compare an amount, those with a model, and the clock of flat-by."""
    names = [each.__name__ for each in RULES]
    assert sorted(names) == sorted([*SETTINGS, *MODELS, "flat_by"])


EXITS = [
    signal(Action.CLOSE),
    signal(Action.REDUCE, None, "0.1"),
    signal(Action.FLATTEN),
    signal(Action.CANCEL),
]


@MANY
@given(data=st.data())
def test_no_exit_is_asked_whatever_is_set(data: st.DataObject) -> None:
    """With every rule of every scope set at random, an exit passes without a single verdict."""
    everything = {rule: data.draw(strategy) for rule, strategy in SETTINGS.items()}
    everything |= {"sides": {"allowed": []}, "hours": {"calendar": "lunar"}, "no_opposite": {}}
    held = position(BUY, "1", number=7, stop_loss=D("1.09"))
    ctx = replace(
        data.draw(contexts()),
        positions=(held,),
        orders=(order(), guard(held, order().type)),
        limits=Limits(0, 0, 0, 0, D(0), rule_sets=tuple(scoped(scope, **everything) for scope in SCOPES)),  # type: ignore[arg-type]
    )
    for ask in EXITS:
        answer = plan(ask, ctx)
        if isinstance(answer, Plan):
            approved = evaluate(answer, ctx)
            assert not isinstance(approved, Denied)
            assert approved.refused is None
            assert approved.checks == ()


@MANY
@given(
    st.integers(0, 700 * 24 * 60),
    st.sampled_from(["America/Chicago", "Europe/Prague", "UTC", "Australia/Sydney"]),
    st.integers(0, 23),
    st.integers(1, 20),
)
def test_flat_by_denies_from_its_time_to_the_reset(
    minutes: int, zone: str, reset: int, hours_before: int
) -> None:
    """At every minute of two years: denied exactly between the flat-by time and the account's reset, by its own clock."""
    now = datetime(2025, 1, 2, tzinfo=UTC) + timedelta(minutes=minutes)
    local = now.astimezone(ZoneInfo(zone))
    clock = (reset - hours_before) % 24
    since_flat = (local.hour * 60 + local.minute - clock * 60) % 1440
    changes = {
        local.utcoffset(),
        (local + timedelta(days=1)).utcoffset(),
        (local - timedelta(days=1)).utcoffset(),
    }
    assume(len(changes) == 1)
    ctx = replace(
        context(),
        now=now,
        account=account(as_of=now, timezone=zone, reset_time=datetime(2025, 1, 1, reset, tzinfo=UTC).time()),
        risk=risk_state(),
    )
    ctx = replace(ctx, quote=replace(ctx.quote, at=now) if ctx.quote else None)
    check = check_of("flat_by", ctx, scoped("user", flat_by={"time": f"{clock:02}:00", "tz": zone}))
    assert check is not None
    assert check.ok == (since_flat >= hours_before * 60)
