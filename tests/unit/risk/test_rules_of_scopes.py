"""The rules that a scope sets: where each begins to deny, with which numbers, and what it does without its facts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from shared.models.context import Elsewhere, InFlight, Limits, RiskContext
from shared.models.enums import Action, OrderType, QtyMode, StopMode
from shared.models.market import Quote
from shared.models.reasons import Reason
from shared.models.signal import Signal
from shared.risk.actions import plan
from shared.risk.decision import Denied, Plan
from shared.risk.policy import Approved, evaluate
from shared.risk.reasons import sentence
from tests.unit.risk.builders import (
    BUY,
    MNQ,
    NETTING,
    NOW,
    SELL,
    USDJPY,
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

LONG = signal(Action.OPEN, BUY, "0.5", sl=stop(StopMode.PIPS, "20"))
"""Loses 100 at its stop."""
NAKED = signal(Action.OPEN, BUY, "0.5")
FUTURE = signal(Action.OPEN, BUY, "1", mode=QtyMode.CONTRACTS)
SEED = {"amount": 8000, "on": date(2026, 11, 1), "by": "the trader"}
TRAILING = {"kind": "end_of_day", "amount": 500, "unit": "account", "floor_seed": SEED}
STATE = risk_state()
QUOTE = Quote("EURUSD", D("1.09990"), D("1.10000"), NOW - timedelta(seconds=7))


def flying(root: str = "EURUSD", qty: str = "1", notional: str | None = None) -> InFlight:
    return InFlight(root, BUY, D(qty), None if notional is None else D(notional))


@dataclass(frozen=True)
class Case:
    """Rules, the facts they look at, and what comes of it; reason None = let through."""

    rules: Mapping[str, Any]
    reason: Reason | None
    numbers: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    ask: Signal = LONG
    mode: Any = None

    def context(self) -> RiskContext:
        facts = {"risk": STATE, "fired_at": NOW, **self.facts}
        plain = context(**({"mode": self.mode} if self.mode else {}), **facts)
        return replace(plain, limits=Limits(rule_sets=(scoped("account", **self.rules),)))


def at(text: str) -> dict[str, Any]:
    """Everything as fresh as ever, at another moment."""
    now = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return {
        "now": now, "account": account(as_of=now), "quote": replace(QUOTE, at=now), "fired_at": now,
    }  # fmt: skip


def wins(won: str, **changes: Any) -> dict[str, Any]:
    return {"account": account(equity=D(10000) + D(won)), "risk": risk_state(**changes)}


DAILY = {"limit": 500, "unit": "account", "buffer_pct": 0}
CASES = {
    # money
    "daily loss: 399 lost and 100 at risk is below 500": Case({"daily_loss": DAILY}, None, facts=wins("-399")),
    "daily loss: touching denies": Case(
        {"daily_loss": DAILY}, Reason.DAILY_LOSS,
        {"value": "500", "limit": "500", "distance": "0", "loss": "400", "open_risk": "0", "order": "100",
         "currency": "USD", "scope": "account", "until": "2026-11-24T00:00:00+00:00"}, wins("-400"),
    ),
    "daily loss: deposits are no profit": Case(
        {"daily_loss": DAILY}, Reason.DAILY_LOSS, {"loss": "400"},
        {"account": account(equity=D(10600)), "risk": risk_state(day=replace(STATE.day, flows=D(1000)))},  # type: ignore[type-var]
    ),
    "daily loss: entries on their way count": Case(
        {"daily_loss": DAILY}, Reason.DAILY_LOSS, {"open_risk": "400"}, {"risk": risk_state(in_flight_loss=D(400))}
    ),
    "daily loss: open positions count down to their stops": Case(
        {"daily_loss": DAILY}, Reason.DAILY_LOSS, {"open_risk": "400"},
        {"positions": (position(BUY, "2", entry="1.1", stop_loss=D("1.098"), unrealized_pnl=D(0)),)},
    ),
    "daily loss: what is won and not closed can be lost": Case(
        {"daily_loss": DAILY}, Reason.DAILY_LOSS, {"open_risk": "500"},
        {"positions": (position(BUY, "2", entry="1.1", stop_loss=D("1.098"), unrealized_pnl=D(100)),)},
    ),
    "daily loss: a position without a stop counts the ceiling of a trade": Case(
        {"daily_loss": DAILY}, Reason.DAILY_LOSS, {"open_risk": "500"}, {"positions": (position(BUY, "0.01"),)}
    ),
    "daily loss: a stop that covers a part only is none": Case(
        {"daily_loss": DAILY}, Reason.DAILY_LOSS, {"open_risk": "500"},
        {"positions": (position(BUY, "1"),), "orders": (guard(position(BUY, "1"), OrderType.STOP, qty=D("0.4")),)},
    ),
    "daily loss: an entry placed elsewhere counts the ceiling": Case(
        {"daily_loss": DAILY}, Reason.DAILY_LOSS, {"open_risk": "500"}, {"orders": (order(id=None),)}
    ),
    "daily loss: unknown start": Case(
        {"daily_loss": DAILY}, Reason.DAY_START_UNKNOWN, {"asked_by": "daily_loss"}, {"risk": risk_state(day=None)}
    ),
    "daily loss: no state at all": Case({"daily_loss": DAILY}, Reason.DAY_START_UNKNOWN, {}, {"risk": None}),
    "daily loss: an equity of 6 s ago": Case(
        {"daily_loss": DAILY}, Reason.BALANCE_UNKNOWN, {"age_s": "6", "limit_s": "5"},
        {"account": account(as_of=NOW - timedelta(seconds=6))},
    ),
    "daily loss: no rate": Case(
        {"daily_loss": {**DAILY, "unit": "usd"}}, Reason.CONVERSION_UNKNOWN, {}, {"account": account(currency="EUR")}, NAKED
    ),
    "weekly loss": Case(
        {"weekly_loss": {"limit": 1000, "unit": "account"}}, Reason.WEEKLY_LOSS,
        {"value": "900", "limit": "900", "distance": "0", "loss": "800", "until": "2026-11-29T00:00:00+00:00"},
        wins("-800"),
    ),
    "daily profit: the cap is reached": Case(
        {"daily_profit": {"limit": 300, "unit": "account"}}, Reason.DAILY_PROFIT,
        {"value": "300", "limit": "300", "distance": "0"}, wins("300"),
    ),
    "daily profit: below the cap": Case(
        {"daily_profit": {"limit": 300, "unit": "account"}}, None, {}, wins("299.99")
    ),
    "trailing, end of day": Case(
        {"trailing_drawdown": TRAILING}, Reason.TRAILING_DRAWDOWN,
        {"value": "9900", "limit": "9900", "distance": "0", "equity": "10000", "order": "100"},
        {"risk": risk_state(high_close=D(10400))},
    ),
    "trailing, intraday": Case(
        {"trailing_drawdown": {**TRAILING, "kind": "intraday"}}, None, {}, {"risk": risk_state(peak_equity=D("10399.99"))}
    ),
    "trailing, not armed": Case(
        {"trailing_drawdown": {**TRAILING, "floor_seed": None}}, Reason.DRAWDOWN_NOT_ARMED, {"asked_by": "trailing_drawdown"}
    ),
    "static floor": Case(
        {"static_floor": {"amount": 1, "unit": "pct_of_initial"}}, Reason.STATIC_FLOOR,
        {"value": "9900", "limit": "9900", "distance": "0"},
    ),
    "static floor without the initial balance": Case(
        {"static_floor": {"amount": 1, "unit": "account"}}, Reason.INITIAL_UNKNOWN, {}, {"risk": risk_state(initial_balance=None)}
    ),
    "consistency with cap": Case(
        {"consistency": {"max_pct": 50, "action": "cap"}}, Reason.CONSISTENCY,
        {"value": "100.01", "limit": "100", "distance": "-0.01"}, wins("100.01", net_profit=D(100), best_day=D(60)),
    ),
    "consistency warns only": Case(
        {"consistency": {"max_pct": 50}}, None, {}, wins("5000", net_profit=D(100), best_day=D(60))
    ),
    # counts
    "cool-down": Case(
        {"cool_down": {"after_losses": 2, "minutes": 30}}, Reason.COOL_DOWN,
        {"value": "2", "limit": "2", "until": "2026-11-23T14:50:00+00:00"},
        {"risk": risk_state(losses_in_a_row=2, last_loss_at=NOW - timedelta(minutes=10))},
    ),
    "cool-down is over at its end": Case(
        {"cool_down": {"minutes": 30}}, None, {},
        {"risk": risk_state(losses_in_a_row=1, last_loss_at=NOW - timedelta(minutes=30))},
    ),
    "cool-down without a record": Case({"cool_down": {"minutes": 30}}, Reason.BALANCE_UNKNOWN, {}, {"risk": None}),
    "duplicate": Case(
        {"duplicates": {"window_s": 10}}, Reason.DUPLICATE_INTENT, {"limit": "10", "twin": "7"}, {"risk": risk_state(twin=7)}
    ),
    # size
    "side not allowed": Case({"sides": {"allowed": ["sell"]}}, Reason.SIDE_NOT_ALLOWED, {"side": "buy", "allowed": "sell"}),
    "no side allowed": Case({"sides": {"allowed": []}}, Reason.SIDE_NOT_ALLOWED, {"allowed": "none"}),
    "max_qty: at the limit": Case({"max_qty": {"per_account": D("0.5")}}, None),
    "max_qty: positions, entries in flight and this one": Case(
        {"max_qty": {"per_account": 2}}, Reason.MAX_QTY,
        {"value": "2.5", "limit": "2", "distance": "-0.5", "what": "the whole account"},
        {"positions": (position(BUY, "1", stop_loss=D("1.09")),), "risk": risk_state(in_flight=(flying(),))},
    ),
    "max_qty: ours in flight and listed by the broker is counted once": Case(
        {"max_qty": {"per_account": D("1.5")}}, None, {}, {"orders": (order(),), "risk": risk_state(in_flight=(flying(),))}
    ),
    "max_qty: placed elsewhere is counted besides": Case(
        {"max_qty": {"per_account": D("1.5")}}, Reason.MAX_QTY, {"value": "2.5"},
        {"orders": (order(id=None),), "risk": risk_state(in_flight=(flying(),))},
    ),
    "max_qty: ten micros are a mini": Case(
        {"max_qty": {"per_account": 1}}, None, {},
        {"positions": (position(BUY, "9", symbol="MNQZ6", root="MNQ", entry="20000", stop_loss=D(19990)),), "instrument": MNQ},
        FUTURE, NETTING,
    ),
    "max_qty: eleven are more": Case(
        {"max_qty": {"per_account": 1}}, Reason.MAX_QTY, {"value": "1.1", "distance": "-0.1"},
        {"positions": (position(BUY, "10", symbol="MNQZ6", root="MNQ", entry="20000", stop_loss=D(19990)),), "instrument": MNQ},
        FUTURE, NETTING,
    ),
    "max_qty: minis and micros in one symbol": Case(
        {"max_qty": {"per_symbol": {"NQ": 1, "MNQ": 20}}}, Reason.MAX_QTY, {"value": "1.1", "what": "NQ"},
        {"positions": (position(BUY, "1", symbol="NQZ6", root="NQ", entry="20000", stop_loss=D(19990)),), "instrument": MNQ},
        FUTURE, NETTING,
    ),
    "max_qty: another symbol's limit": Case({"max_qty": {"per_symbol": {"XAUUSD": 0}}}, None),
    "max_qty: scaling by the profit at the start of the day": Case(
        {"max_qty": {"scaling": [{"profit_from": 0, "per_account": D("0.1")}, {"profit_from": 1500, "per_account": 3}]}},
        Reason.MAX_QTY, {"limit": "0.1", "profit": "1499"}, {"risk": risk_state("11499")},
    ),
    "max_qty: scaling, one step up": Case(
        {"max_qty": {"scaling": [{"profit_from": 0, "per_account": D("0.1")}, {"profit_from": 1500, "per_account": 3}]}},
        None, {}, {"risk": risk_state("11500")},
    ),
    "max_qty: scaling without the initial balance": Case(
        {"max_qty": {"scaling": [{"profit_from": 0, "per_account": 3}]}}, Reason.INITIAL_UNKNOWN, {},
        {"risk": risk_state(initial_balance=None)},
    ),
    "exposure of a symbol": Case(
        {"exposure": {"per_symbol_usd": 54999}}, Reason.EXPOSURE, {"value": "55000", "limit": "54999", "what": "EURUSD"}
    ),
    "exposure of a symbol at its limit": Case({"exposure": {"per_symbol_usd": 55000}}, None),
    "exposure of a group": Case(
        {"exposure": {"per_group_usd": 100000, "groups": {"dollar": ["EURUSD", "USDJPY"]}}}, Reason.EXPOSURE,
        {"value": "155000", "what": "dollar"},
        {"positions": (position(SELL, "1", symbol="USDJPY", entry="150", stop_loss=D(151)),), "held": {"USDJPY": USDJPY},
         "rates": {"JPY": D(1) / D(150)}},
    ),
    "exposure of a group whose symbol is not known": Case(
        {"exposure": {"per_group_usd": 1000000, "groups": {"dollar": ["EURUSD", "USDJPY"]}}}, Reason.INSTRUMENT_UNKNOWN,
        {"symbol": "USDJPY"}, {"positions": (position(SELL, "1", symbol="USDJPY", entry="150", stop_loss=D(151)),)},
    ),
    "margin use": Case(
        {"margin_use": {"max_pct": 50, "leverage": 10}}, Reason.MARGIN_USE, {"value": "55", "limit": "50", "distance": "-5"}
    ),
    "margin use: what the broker says is used": Case(
        {"margin_use": {"max_pct": 56, "leverage": 10}}, Reason.MARGIN_USE, {"value": "57"}, {"margin_used": D(200)}
    ),
    "margin use: nobody says what the order needs": Case(
        {"margin_use": {"max_pct": 50}}, Reason.INSTRUMENT_UNKNOWN, {"what": "margin"}
    ),
    "opposite elsewhere": Case(
        {"no_opposite": {}}, Reason.OPPOSITE_ELSEWHERE, {"account": "b", "held": "sell", "qty": "2", "side": "buy"},
        {"risk": risk_state(others=(Elsewhere("b", "EURUSD", SELL, D(2)),))},
    ),
    "the same side elsewhere": Case(
        {"no_opposite": {}}, None, {}, {"risk": risk_state(others=(Elsewhere("b", "EURUSD", BUY, D(2)),))}
    ),
    "opposite: a micro is its mini": Case(
        {"no_opposite": {}}, Reason.OPPOSITE_ELSEWHERE, {"root": "NQ"},
        {"risk": risk_state(others=(Elsewhere("b", "NQ", SELL, D(1)),)), "instrument": MNQ}, FUTURE, NETTING,
    ),
    # market
    "stop distance": Case(
        {"stop_distance": {"min_ticks": 201}}, Reason.STOP_DISTANCE, {"value": "200", "limit": "201", "distance": "-1", "unit": "ticks"}
    ),
    "stop distance at the limit": Case({"stop_distance": {"min_ticks": 200}}, None),
    "stop distance in percent": Case(
        {"stop_distance": {"min_pct": D("0.2")}}, Reason.STOP_DISTANCE, {"value": "0.1818", "unit": "%"}
    ),
    "spread": Case({"spread": {"max_ticks": 9}}, Reason.SPREAD_TOO_WIDE, {"value": "10", "limit": "9", "unit": "ticks"}),
    "spread at the limit": Case({"spread": {"max_ticks": 10}}, None),
    "spread in percent": Case({"spread": {"max_pct": D("0.009")}}, Reason.SPREAD_TOO_WIDE, {"value": "0.0091"}),
    "spread without a quote": Case({"spread": {"max_ticks": 9}}, Reason.NO_QUOTE, {}, {"quote": None}, signal(Action.OPEN, BUY, "0.5")),
    "quote age": Case({"quote_age": {"max_s": 6}}, Reason.QUOTE_STALE, {"value": "7", "limit": "6"}, {"quote": QUOTE}),
    "quote age at the limit": Case({"quote_age": {"max_s": 7}}, None, {}, {"quote": QUOTE}),
    # clock
    "alert age": Case(
        {"alert_age": {"max_s": 10}}, Reason.ALERT_TOO_OLD, {"value": "10.5", "distance": "-0.5"},
        {"fired_at": NOW - timedelta(seconds=10.5)},
    ),
    "alert age at the limit": Case({"alert_age": {"max_s": 10}}, None, {}, {"fired_at": NOW - timedelta(seconds=10)}),
    "alert age unknown": Case({"alert_age": {"max_s": 10}}, Reason.ALERT_TOO_OLD, {}, {"fired_at": None}),
    "hours: outside the windows": Case(
        {"hours": {"windows": [{"days": ["mon"], "from": "09:00", "to": "14:30"}]}}, Reason.OUTSIDE_HOURS,
        {"until": "2026-11-30T09:00:00+00:00"},
    ),
    "hours: inside": Case({"hours": {"windows": [{"days": ["mon"], "from": "14:30", "to": "14:31"}]}}, None),
    "hours: the market has a holiday": Case(
        {"hours": {"calendar": "cme_equity"}}, Reason.MARKET_HOLIDAY,
        {"holiday": "Thanksgiving", "until": "2026-11-26T23:00:00+00:00"}, at("2026-11-26T19:00"),
    ),
    "hours: the week has ended": Case(
        {"hours": {"calendar": "forex"}}, Reason.OUTSIDE_HOURS, {"until": "2026-11-29T22:00:00+00:00"}, at("2026-11-28T12:00")
    ),
    "hours: the data has ended": Case(
        {"hours": {"calendar": "cme_equity"}}, Reason.NO_CALENDAR_DATA, {"valid_until": "2027-12-31"}, at("2028-02-01T15:00")
    ),
    "hours: nobody knows the calendar": Case({"hours": {"calendar": "lunar"}}, Reason.NO_CALENDAR_DATA, {"calendar": "lunar"}),
    "flat by": Case(
        {"flat_by": {"time": "15:05", "tz": "UTC"}}, Reason.FLAT_BY, {"time": "15:05", "until": "2026-11-24T00:00:00+00:00"},
        at("2026-11-23T15:05"),
    ),
    "flat by: a minute before": Case({"flat_by": {"time": "15:05", "tz": "UTC"}}, None, {}, at("2026-11-23T15:04")),
    "flat by: entries end earlier": Case(
        {"flat_by": {"time": "15:05", "tz": "UTC", "no_entry_from": "14:30"}}, Reason.FLAT_BY, {}
    ),
    "flat by: fifteen minutes before an early close": Case(
        {"flat_by": {"time": "21:05", "tz": "UTC", "calendar": "cme_equity"}},
        Reason.FLAT_BY,
        {"until": "2026-11-27T00:00:00+00:00"},
        at("2026-11-26T17:45"),
    ),
    "flat by: a minute before that": Case(
        {"flat_by": {"time": "21:05", "tz": "UTC", "calendar": "cme_equity"}}, None, {}, at("2026-11-26T17:44")
    ),
    "flat by: a day without an early close": Case(
        {"flat_by": {"time": "21:05", "tz": "UTC", "calendar": "cme_equity"}}, None, {}, at("2026-11-25T17:45")
    ),
    "flat by: its calendar has no data": Case(
        {"flat_by": {"time": "21:05", "tz": "UTC", "calendar": "cme_equity"}},
        Reason.NO_CALENDAR_DATA,
        {"valid_until": "2027-12-31"},
        at("2028-02-01T15:00"),
    ),
    "flat by: the next session": Case({"flat_by": {"time": "15:05", "tz": "UTC"}}, None, {}, at("2026-11-24T00:00")),
    "news": Case(
        {"news": {"calendar": "us_high_impact", "before_min": 10, "after_min": 5}}, Reason.NEWS_BLACKOUT,
        {"event": "US employment report", "at": "2026-12-04T13:30:00+00:00", "until": "2026-12-04T13:35:00+00:00"},
        at("2026-12-04T13:20"),
    ),
    "news are over": Case(
        {"news": {"calendar": "us_high_impact", "before_min": 10, "after_min": 5}}, None, {}, at("2026-12-04T13:35")
    ),
    "news without data": Case(
        {"news": {"calendar": "us_high_impact", "before_min": 10, "after_min": 5}}, Reason.NO_CALENDAR_DATA,
        {"valid_until": "2026-12-31"}, at("2027-03-01T15:00"),
    ),
}  # fmt: skip


def verdict(ctx: RiskContext, ask: Signal) -> Approved | Denied:
    answer = plan(ask, ctx)
    assert isinstance(answer, Plan), answer
    return evaluate(answer, ctx)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_where_a_rule_begins_to_deny(case: Case) -> None:
    """The reason and the numbers of a denial, the scope that set it, and a sentence made of them."""
    ctx = case.context()
    answer = verdict(ctx, case.ask)
    if case.reason is None:
        assert isinstance(answer, Approved), answer
        return
    assert isinstance(answer, Denied), answer
    assert answer.reason is case.reason, answer
    assert {name: answer.numbers.get(name) for name in case.numbers} == dict(case.numbers)
    assert answer.numbers["scope"] == "account"
    assert "{" not in sentence(answer.reason, answer.numbers).replace("{{timenow}}", "")


EXITS = [
    signal(Action.CLOSE),
    signal(Action.REDUCE, None, "0.5"),
    signal(Action.FLATTEN),
    signal(Action.CANCEL),
]
DENYING = {name: case for name, case in CASES.items() if case.reason is not None and case.mode is None}


@pytest.mark.parametrize("case", DENYING.values(), ids=DENYING)
def test_exits_meet_no_rule(case: Case) -> None:
    """What denies an entry lets every exit pass, and says nothing of it."""
    held = position(BUY, "1", number=7, stop_loss=D("1.09"))
    ctx = replace(case.context(), positions=(held,), orders=(order(), guard(held, order().type, 9)))
    for ask in EXITS:
        answer = verdict(ctx, ask)
        assert isinstance(answer, Approved), answer
        assert answer.refused is None
        assert answer.checks == ()


def test_a_reverse_that_may_not_enter_still_closes() -> None:
    """A rule of a scope refuses the entry of a reversal and not its close."""
    ctx = replace(CASES["no side allowed"].context(), positions=(position(BUY, "1"),))
    answer = verdict(ctx, signal(Action.REVERSE))
    assert isinstance(answer, Approved)
    assert answer.refused is not None
    assert answer.refused.reason is Reason.SIDE_NOT_ALLOWED
    assert [leg.kind.value for leg in answer.legs] == ["close"]


def test_what_a_reverse_closes_is_at_risk_no_more() -> None:
    """The position that goes makes room: in quantity, in margin and in risk."""
    rules = scoped(
        "user", daily_loss=DAILY, max_qty={"per_account": 1}, margin_use={"max_pct": 60, "leverage": 20}
    )
    held = position(BUY, "1", stop_loss=D("1.0960"), unrealized_pnl=D(0))
    ctx = replace(
        context(positions=(held,), margin_used=D(5500)), risk=STATE, limits=Limits(rule_sets=(rules,))
    )
    answer = verdict(ctx, signal(Action.REVERSE, sl=stop(StopMode.PIPS, "20")))
    assert isinstance(answer, Approved)
    assert answer.refused is None, answer.refused


def test_a_widened_stop_counts_with_its_new_distance() -> None:
    """Moving a stop away is asked as an entry: what the position then loses is the order's worst case."""
    held = position(BUY, "1", stop_loss=D("1.0985"), unrealized_pnl=D(0))
    ctx = replace(
        context(positions=(held,)), risk=STATE, limits=Limits(rule_sets=(scoped("user", daily_loss=DAILY),))
    )
    wider = verdict(ctx, signal(Action.MODIFY, sl=stop(StopMode.PRICE, "1.0950")))
    assert isinstance(wider, Denied)
    assert (wider.reason, wider.numbers["order"], wider.numbers["open_risk"]) == (
        Reason.DAILY_LOSS,
        "500",
        "0",
    )
    assert isinstance(verdict(ctx, signal(Action.MODIFY, sl=stop(StopMode.PRICE, "1.0951"))), Approved)


def test_an_order_that_widens_the_stop_of_all_counts_for_all() -> None:
    """Netting: what is added brings its stop for the whole position, so that is what the whole may lose."""
    held = position(BUY, "1", stop_loss=D("1.0985"), unrealized_pnl=D(0))
    rules = Limits(rule_sets=(scoped("user", daily_loss=DAILY),))
    small = signal(Action.OPEN, BUY, "0.01", sl=stop(StopMode.PRICE, "1.0950"))
    ctx = replace(context(NETTING, positions=(held,)), risk=STATE, limits=rules)
    wider = verdict(ctx, small)
    assert isinstance(wider, Denied)
    assert (wider.reason, wider.numbers["open_risk"]) == (Reason.DAILY_LOSS, "500")
    nearer = replace(small, sl=stop(StopMode.PRICE, "1.0990"))
    assert isinstance(verdict(ctx, nearer), Approved)
    apart = replace(context(positions=(held,)), risk=STATE, limits=rules)
    assert isinstance(verdict(apart, small), Approved), "hedging: each position has a stop of its own"


def test_the_tightest_scope_decides_and_is_named() -> None:
    """Of three scopes the one that leaves least is in the verdict, in whatever order they stand."""
    sets = [
        scoped("user", spread={"max_ticks": 30}),
        scoped("broker", spread={"max_ticks": 20}),
        scoped("account", spread={"max_ticks": 25}),
    ]
    for order_ in (sets, sets[::-1], [sets[1], sets[2], sets[0]]):
        answer = verdict(replace(context(), risk=STATE, limits=Limits(rule_sets=tuple(order_))), LONG)
        assert isinstance(answer, Approved)
        check = next(each for each in answer.checks if each.rule == "spread")
        assert dict(check.numbers) == {
            "value": "10", "limit": "20", "distance": "10", "unit": "ticks", "scope": "broker",
        }  # fmt: skip


def test_exposure_of_a_user_adds_the_other_accounts() -> None:
    """Set for the user the limit is one for all accounts; set for the account it is the account's own."""
    others = (Elsewhere("b", "EURUSD", SELL, D(1), D(110000)), Elsewhere("c", "EURUSD", BUY, D(1)))
    rule = {"per_symbol_usd": 100000}
    for scope, denied in (("user", True), ("account", False)):
        ctx = replace(
            context(),
            risk=risk_state(others=others),
            limits=Limits(rule_sets=(scoped(scope, exposure=rule),)),
        )  # type: ignore[arg-type]
        answer = verdict(ctx, LONG)
        assert isinstance(answer, Denied) is denied
        if isinstance(answer, Denied):
            assert answer.numbers["value"] == "275000"
