"""The rules of how much, of what and on which side, asked directly: every word and number of their answers."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from shared.models.context import Elsewhere, EndpointRules, Limits, SymbolWord
from shared.models.enums import CommandKind
from shared.models.reasons import Reason
from shared.risk.rules.size import margin_use, max_qty, no_opposite, order_size, sides, symbol_allowed
from tests.unit.risk.asking import CLOSE, ENTRY, PROTECT, ask, set_for_account
from tests.unit.risk.builders import (
    BUY,
    MNQ,
    NETTING,
    SELL,
    D,
    account,
    limits,
    position,
    risk_state,
)

MODIFY = replace(ENTRY, kind=CommandKind.MODIFY, adds_risk=True, venue_order_id="o1", qty=D("0.7"))
FUTURE = replace(ENTRY, symbol="MNQZ6", venue_symbol="CON.F.US.MNQ.Z26", root="MNQ", qty=D(1))
OF_ACCOUNT = {"scope": "account"}


# --- symbols and sides --------------------------------------------------------------------------------------------


def test_the_list_that_lacks_a_symbol_is_named() -> None:
    """The account's list is asked first, then the endpoint's; both in full, as they were written."""
    here = EndpointRules(id="e", allowed_symbols=("XAUUSD", "MNQ"))
    refused = ask(symbol_allowed, endpoint=here, limits=Limits(allowed_symbols=("fx:eurusd", "USDJPY")))
    told = {"symbol": "EURUSD", "allowed": "XAUUSD, MNQ", "where": "endpoint"}
    assert refused == (Reason.SYMBOL_NOT_ALLOWED, told)
    assert ask(symbol_allowed, endpoint=here) == (Reason.SYMBOL_NOT_ALLOWED, told)
    refused = ask(symbol_allowed, endpoint=here, limits=Limits(allowed_symbols=("USDJPY",)))
    told = {"symbol": "EURUSD", "allowed": "USDJPY", "where": "account"}
    assert refused == (Reason.SYMBOL_NOT_ALLOWED, told)


def test_every_symbol_of_a_plan_must_be_listed() -> None:
    """What passes is named in the order of the alphabet; without any list nothing is asked."""
    gold = replace(ENTRY, symbol="XAUUSD", root="XAUUSD")
    both = Limits(allowed_symbols=("XAUUSD", "EURUSD"))
    assert ask(symbol_allowed, gold, ENTRY, limits=both) == (None, {"symbol": "EURUSD, XAUUSD"})
    endpoint = EndpointRules(id="e", allowed_symbols=("EURUSD",))
    assert ask(symbol_allowed, endpoint=endpoint) == (None, {"symbol": "EURUSD"})
    assert ask(symbol_allowed, ENTRY, gold, endpoint=endpoint)[0] is Reason.SYMBOL_NOT_ALLOWED
    assert ask(symbol_allowed) == (None, {})


def test_a_symbol_has_several_names() -> None:
    """By itself, by its root in capitals, by the trader's own word: one of them on the list is enough."""
    leg = replace(FUTURE, root="mnq")
    word = SymbolWord("MNQZ6", tv_symbol="NAS100")
    for name, passes in (("MNQZ6", True), ("MNQ", True), ("NAS100", True), ("NQ", False)):
        found = ask(symbol_allowed, leg, word=word, limits=Limits(allowed_symbols=(name,)))
        assert (found[0] is None) is passes, name
    gold = replace(ENTRY, symbol="GOLD", root="xauusd")
    assert ask(symbol_allowed, gold, limits=Limits(allowed_symbols=("XAUUSD",)))[0] is None
    unsaid = SymbolWord("MNQZ6")
    assert ask(symbol_allowed, leg, word=unsaid, limits=Limits(allowed_symbols=("MNQ",)))[0] is None
    assert ask(symbol_allowed, leg, word=unsaid, limits=Limits(allowed_symbols=("NAS100",)))[0] is not None


def test_sides() -> None:
    """The side and those allowed; a side that nobody knows is not allowed."""
    both = {"allowed": ["buy", "sell"]}
    assert set_for_account(sides, both) == (None, {"side": "buy", "allowed": "buy, sell"} | OF_ACCOUNT)
    only = set_for_account(sides, {"allowed": ["buy"]}, ENTRY, replace(ENTRY, side=SELL))
    assert only == (Reason.SIDE_NOT_ALLOWED, {"side": "sell", "allowed": "buy"} | OF_ACCOUNT)
    none = set_for_account(sides, {"allowed": []})
    assert none == (Reason.SIDE_NOT_ALLOWED, {"side": "buy", "allowed": "none"} | OF_ACCOUNT)
    unknown = set_for_account(sides, both, replace(PROTECT, side=None))
    assert unknown == (Reason.SIDE_NOT_ALLOWED, {"side": "unknown", "allowed": "buy, sell"} | OF_ACCOUNT)
    assert ask(sides) == (None, {})


# --- quantities ---------------------------------------------------------------------------------------------------


def test_the_size_of_an_order_is_all_of_its_portions() -> None:
    """Portions and a changed entry are added, what a moved stop protects is not; the lower of both ceilings counts."""
    here = EndpointRules(id="e", max_qty=D("1.2"))
    legs = (ENTRY, replace(PROTECT, qty=D(9)), MODIFY, CLOSE, replace(ENTRY, qty=None))
    exactly = {"value": "1.2", "limit": "1.2", "distance": "0"}
    assert ask(order_size, *legs, limits=limits(max_order_qty="2"), endpoint=here) == (None, exactly)
    told = {"value": "1.2", "limit": "1.19", "distance": "-0.01"}
    refused = ask(order_size, *legs, limits=limits(max_order_qty="1.19"), endpoint=here)
    assert refused == (Reason.MAX_ORDER_SIZE, told)
    assert ask(order_size) == (None, {})


def test_the_whole_account_with_micros_at_the_traders_own_weight() -> None:
    """A third of a mini each, as the setting says: five micros and a mini of its own are 2.66666667."""
    rule = {"per_account": 3, "micros_per_mini": 3, "mini_of": {"MNQ": "NQ"}}
    held = (position(BUY, "4", symbol="MNQZ6", root="mnq"), position(BUY, "1", symbol="MESZ6", root="MES"))
    facts: dict[str, Any] = {"mode": NETTING, "instrument": MNQ, "positions": held}
    told = {"value": "2.66666667", "limit": "3", "distance": "0.33333333", "what": "the whole account"}
    leg = replace(FUTURE, root="mnq")
    assert set_for_account(max_qty, rule, leg, **facts) == (None, told | OF_ACCOUNT)
    refused = set_for_account(max_qty, {**rule, "per_account": D("2.666")}, leg, **facts)
    assert refused[0] is Reason.MAX_QTY
    assert set_for_account(max_qty, rule, PROTECT, **facts) == (None, {})
    assert ask(max_qty) == (None, {})


def test_one_symbol_with_its_micros() -> None:
    """Ten micros are one of the mini's contracts; the micro's own limit counts them as they are."""
    held = (position(BUY, "2", symbol="NQZ6", root="NQ"), position(BUY, "3", symbol="MESZ6", root="MES"))
    facts: dict[str, Any] = {"mode": NETTING, "instrument": MNQ, "positions": held}
    found = set_for_account(max_qty, {"per_symbol": {"NQ": 2}}, FUTURE, **facts)
    told = {"value": "2.1", "limit": "2", "distance": "-0.1", "what": "NQ"}
    assert found == (Reason.MAX_QTY, told | OF_ACCOUNT)
    found = set_for_account(max_qty, {"per_symbol": {"MNQ": 4, "NQ": 9}}, FUTURE, **facts)
    assert found == (None, {"value": "1", "limit": "4", "distance": "3", "what": "MNQ"} | OF_ACCOUNT)
    found = set_for_account(max_qty, {"per_symbol": {"NQ": 3, "MNQ": 4}}, FUTURE, **facts)
    assert found == (None, {"value": "2.1", "limit": "3", "distance": "0.9", "what": "NQ"} | OF_ACCOUNT)
    found = set_for_account(max_qty, {"per_symbol": {"NQ": 1}}, FUTURE, mode=NETTING, instrument=MNQ)
    assert found == (None, {"value": "0.1", "limit": "1", "distance": "0.9", "what": "NQ"} | OF_ACCOUNT)
    own = {"per_symbol": {"US100": 1}, "mini_of": {"MNQ": "US100"}}
    found = set_for_account(max_qty, own, FUTURE, mode=NETTING, instrument=MNQ)
    assert found == (None, {"value": "0.1", "limit": "1", "distance": "0.9", "what": "US100"} | OF_ACCOUNT)
    fine = {"per_symbol": {"NQ": 1}, "micros_per_mini": 3}
    found = set_for_account(max_qty, fine, FUTURE, mode=NETTING, instrument=MNQ)
    told = {"value": "0.33333333", "limit": "1", "distance": "0.66666667", "what": "NQ"}
    assert found == (None, told | OF_ACCOUNT)


STEPS = {"scaling": [{"profit_from": 0, "per_account": 3}, {"profit_from": 1500, "per_account": D("0.5")}]}


@pytest.mark.parametrize(
    ("start", "profit", "limit"),
    [("10000.004", "0", "3"), ("9000", "-1000", "3"), ("11499.99", "1499.99", "3"), ("11500", "1500", "0.5")],
)
def test_the_step_that_the_profit_has_reached(start: str, profit: str, limit: str) -> None:
    """From a step's profit on it counts; below the first one the first counts as well. The profit is told in cents."""
    reason, told = set_for_account(max_qty, STEPS, risk=risk_state(start))
    assert reason is None
    expected = {"what": "the whole account", "profit": profit, "distance": "0" if limit == "0.5" else "2.5"}
    assert told == expected | {"value": "0.5", "limit": limit} | OF_ACCOUNT


def test_a_step_needs_the_start_of_the_account_and_of_the_day() -> None:
    """Which of the two is missing, and who asked."""
    state = risk_state()
    assert state.day is not None
    for missing, reason in (
        (risk_state(initial_balance=None), Reason.INITIAL_UNKNOWN),
        (risk_state(day=None), Reason.DAY_START_UNKNOWN),
        (risk_state(day=replace(state.day, start_balance=None)), Reason.DAY_START_UNKNOWN),
    ):
        answer = set_for_account(max_qty, STEPS, risk=missing)
        assert answer == (reason, {"asked_by": "max_qty"} | OF_ACCOUNT)


# --- margin, opposite positions -----------------------------------------------------------------------------------


def test_margin_in_use() -> None:
    """Half a lot at 1.10 and a leverage of 30 takes 1833.33 of 9999.99: 18.33 %."""
    poorer = account(equity=D("9999.994"))
    told = {"margin": "1833.33", "equity": "9999.99", "currency": "USD"} | OF_ACCOUNT
    passed = set_for_account(margin_use, {"max_pct": 20, "leverage": 30}, account=poorer)
    assert passed == (None, {"value": "18.33", "limit": "20", "distance": "1.67"} | told)
    refused = set_for_account(margin_use, {"max_pct": 18, "leverage": 30}, account=poorer)
    assert refused == (Reason.MARGIN_USE, {"value": "18.33", "limit": "18", "distance": "-0.33"} | told)
    for left, reason, value in (("0", Reason.MARGIN_USE, None), ("1", Reason.MARGIN_USE, "183333.33")):
        found = set_for_account(margin_use, {"max_pct": 20, "leverage": 30}, account=account(equity=D(left)))
        assert (found[0], found[1].get("value")) == (reason, value)
        assert {name: found[1][name] for name in told} == {**told, "equity": left}


def test_margin_that_cannot_be_told_denies() -> None:
    """An equity that is not fresh, a symbol whose margin nobody knows; a moved stop needs none."""
    rule = {"max_pct": 20}
    missing = set_for_account(margin_use, rule, account=account(equity=None))
    assert missing == (Reason.BALANCE_UNKNOWN, OF_ACCOUNT)
    unknown = set_for_account(margin_use, rule)
    assert unknown == (Reason.INSTRUMENT_UNKNOWN, {"symbol": "EURUSD", "what": "margin"} | OF_ACCOUNT)
    assert set_for_account(margin_use, rule, PROTECT) == (None, {})
    assert ask(margin_use) == (None, {})


def elsewhere(root: str, side: Any, account_id: str = "b") -> Elsewhere:
    return Elsewhere(account_id, root, side, D(2))


def test_opposite_elsewhere() -> None:
    """What is held against it is named: the account, its root, side and quantity, and this order's side."""
    others = (elsewhere("XAUUSD", SELL), elsewhere("EURUSD", BUY), elsewhere("nq", SELL, "c"))
    told = {"account": "c", "held": "sell", "qty": "2", "root": "nq", "side": "buy"} | OF_ACCOUNT
    refused = set_for_account(
        no_opposite, {}, ENTRY, replace(FUTURE, root="mnq"), risk=risk_state(others=others)
    )
    assert refused == (Reason.OPPOSITE_ELSEWHERE, told)
    unknown = set_for_account(no_opposite, {}, replace(PROTECT, side=None), risk=risk_state(others=others))
    told = {"account": "b", "held": "buy", "qty": "2", "root": "EURUSD", "side": "unknown"} | OF_ACCOUNT
    assert unknown == (Reason.OPPOSITE_ELSEWHERE, told)
    assert set_for_account(no_opposite, {}, risk=risk_state(others=others)) == (
        None,
        {"others": "3"} | OF_ACCOUNT,
    )
    blind = set_for_account(no_opposite, {}, risk=None)
    assert blind == (Reason.POSITION_UNKNOWN, {"what": "the other accounts are not known"} | OF_ACCOUNT)
    assert ask(no_opposite) == (None, {})
