"""What symbols and groups are worth, asked directly: every number of the answers, and what happens without a fact."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from shared.models.command import Leg
from shared.models.context import Elsewhere, InFlight
from shared.models.reasons import Reason
from shared.risk.rules.exposure import exposure
from tests.unit.risk.asking import ENTRY, PROTECT, Answer, ask, set_for_account, two_scopes
from tests.unit.risk.builders import (
    BUY,
    EURUSD,
    NETTING,
    SELL,
    USDJPY,
    XAUUSD,
    D,
    account,
    position,
    quote,
    risk_state,
    scoped,
)

OF_ACCOUNT = {"scope": "account"}
GROUP = {"per_group_usd": 60000, "groups": {"europe": ["EURUSD", "GBPUSD"]}}


def test_what_a_symbol_is_worth() -> None:
    """Half a lot of 110,000 dollars, in cents: the limit itself is allowed."""
    for most, reason in ((55000, None), (D("54999.99"), Reason.EXPOSURE)):
        told = {"value": "55000", "limit": str(most), "distance": str(most - 55000), "what": "EURUSD"}
        assert set_for_account(exposure, {"per_symbol_usd": most}) == (reason, told | OF_ACCOUNT)
    cents = set_for_account(exposure, {"per_symbol_usd": 60000}, replace(ENTRY, qty=D("0.500000019")))
    assert cents[1]["value"] == "55000"
    assert ask(exposure) == (None, {})
    short: dict[str, Any] = {"mode": NETTING, "positions": (position(SELL, "1"),)}
    turned = set_for_account(exposure, {"per_symbol_usd": 110000}, replace(ENTRY, qty=D("1.5")), **short)
    assert turned[1]["value"] == "110000", "net, a short of one is the most that it can be"
    assert set_for_account(exposure, {"per_symbol_usd": 1}, PROTECT) == (None, {})


def test_every_symbol_and_group_of_a_plan_is_asked() -> None:
    """The one that leaves least is told; a group that the order is not in is not asked."""
    held = {"EURUSD": EURUSD, "XAUUSD": XAUUSD}
    gold = replace(ENTRY, symbol="XAUUSD", root="XAUUSD", qty=D("0.2"))
    facts: dict[str, Any] = {
        "held": held,
        "positions": (position(SELL, "0.1", symbol="XAUUSD", entry="2400"),),
    }
    found = set_for_account(exposure, {"per_symbol_usd": 100000}, gold, ENTRY, **facts)
    assert found == (
        None,
        {"value": "55000", "limit": "100000", "distance": "45000", "what": "EURUSD"} | OF_ACCOUNT,
    )
    found = set_for_account(
        exposure, {"per_symbol_usd": 100000}, replace(gold, qty=D("0.41")), ENTRY, **facts
    )
    told = {"value": "98400", "limit": "100000", "distance": "1600", "what": "XAUUSD"}
    assert found == (None, told | OF_ACCOUNT)
    only = {"per_group_usd": 1, "groups": {"metals": ["XAUUSD"]}}
    assert set_for_account(exposure, only, **facts) == (None, {})
    assert set_for_account(exposure, {"per_group_usd": 1}) == (None, {})


def test_a_group_adds_what_moves_together() -> None:
    """What is held of its members counts, what is held of others does not; names are compared in capitals."""
    pounds = position(SELL, "0.1", symbol="GBPUSD", root="gbpusd", entry="1.30")
    gold = position(BUY, "1", symbol="XAUUSD", entry="2400")
    sterling = replace(EURUSD, symbol="GBPUSD", root="gbpusd", base_currency="GBP")
    facts: dict[str, Any] = {"positions": (pounds, gold), "held": {"gbpusd": sterling, "XAUUSD": XAUUSD}}
    found = set_for_account(exposure, GROUP, replace(ENTRY, root="EURUSD"), **facts)
    told = {"value": "68000", "limit": "60000", "distance": "-8000", "what": "europe"}
    assert found == (Reason.EXPOSURE, told | OF_ACCOUNT)
    lower = replace(EURUSD, root="eurusd")
    found = set_for_account(exposure, GROUP, replace(ENTRY, root="eurusd"), instrument=lower)
    assert found == (
        None,
        {"value": "55000", "limit": "60000", "distance": "5000", "what": "europe"} | OF_ACCOUNT,
    )


def user_wide(setting: dict[str, Any], *legs: Leg, **facts: Any) -> Answer:
    return ask(exposure, *legs, sets=(scoped("user", exposure=setting),), **facts)


def test_the_users_exposure_is_that_of_all_accounts() -> None:
    """Others' count as recorded, whatever their side, else at our price; other symbols of theirs do not."""
    others = (
        Elsewhere("b", "XAUUSD", BUY, D(9), D(9)), Elsewhere("b", "EURUSD", SELL, D(1), D(-110000)),
        Elsewhere("c", "EURUSD", BUY, D(2)), Elsewhere("c", "GBPUSD", BUY, D(1), D(130000)),
    )  # fmt: skip
    everywhere = {"risk": risk_state(others=others)}
    found = user_wide({"per_symbol_usd": 400000}, **everywhere)
    told = {"value": "385000", "limit": "400000", "distance": "15000", "what": "EURUSD", "scope": "user"}
    assert found == (None, told)
    found = user_wide({**GROUP, "per_group_usd": 515000}, **everywhere)
    assert found == (None, {**told, "value": "515000", "limit": "515000", "distance": "0", "what": "europe"})
    twice = risk_state(others=(*others, Elsewhere("d", "EURUSD", BUY, D(1), D(100000))))
    assert user_wide({"per_symbol_usd": 500000}, risk=twice)[1]["value"] == "485000"
    own = set_for_account(exposure, GROUP, **everywhere)
    assert own == (
        None,
        {"value": "55000", "limit": "60000", "distance": "5000", "what": "europe"} | OF_ACCOUNT,
    )
    blind = user_wide({"per_symbol_usd": 1}, risk=None)
    assert blind == (Reason.POSITION_UNKNOWN, {"what": "the other accounts are not known", "scope": "user"})


def test_user_and_account_are_each_asked_of_their_own() -> None:
    """The user's limit sees all accounts, the account's only its own, whichever is asked first."""
    everywhere = {"risk": risk_state(others=(Elsewhere("b", "EURUSD", SELL, D(1), D(110000)),))}
    told = two_scopes(exposure, {"per_symbol_usd": 200000}, {"per_symbol_usd": 60000}, **everywhere)
    assert (told[1]["value"], told[1]["scope"]) == ("55000", "account")
    told = two_scopes(exposure, {"per_symbol_usd": 166000}, {"per_symbol_usd": 60000}, **everywhere)
    assert (told[1]["value"], told[1]["scope"]) == ("165000", "user")


def test_what_is_worth_cannot_be_told_denies() -> None:
    """No price, no rate, no instrument: each with its name; a recorded value stands in for an instrument."""
    rule = {"per_symbol_usd": 200000}
    assert set_for_account(exposure, rule, quote=None) == (Reason.NO_QUOTE, OF_ACCOUNT)
    euros = account(currency="EUR")
    for rates in ({}, {"USD": D("0.9")}):
        found = set_for_account(exposure, rule, account=euros, rates=rates)
        assert found == (Reason.CONVERSION_UNKNOWN, {"from": "USD", "to": "EUR"} | OF_ACCOUNT)
    rated = set_for_account(
        exposure, rule, replace(ENTRY, root="USDJPY"), account=euros, instrument=USDJPY, quote=quote(USDJPY),
        rates={"JPY": D("0.006")},
    )  # fmt: skip
    assert rated == (Reason.CONVERSION_UNKNOWN, {"from": "USD", "to": "EUR"} | OF_ACCOUNT)
    yen = set_for_account(exposure, rule, replace(ENTRY, root="USDJPY"), instrument=USDJPY)
    assert yen == (Reason.CONVERSION_UNKNOWN, {"from": "JPY", "to": "USD"} | OF_ACCOUNT)
    known = set_for_account(exposure, rule, account=euros, usd_rate=D("0.8"), rates={"USD": D("0.9")})
    assert known[1]["value"] == "61875"
    nothing = set_for_account(exposure, rule, instrument=None)
    assert nothing == (Reason.INSTRUMENT_UNKNOWN, {"symbol": "EURUSD"} | OF_ACCOUNT)
    flying = (
        InFlight("EURUSD", BUY, D("0.5"), D(-60000)), InFlight("EURUSD", BUY, D(1), D(100000)), InFlight("EURUSD", BUY, D(1)),
        InFlight("XAUUSD", BUY, D(1), D(900000)), InFlight("EURUSD", BUY, D(0), D(7)),
    )  # fmt: skip
    recorded = set_for_account(
        exposure, {"per_symbol_usd": 900000}, instrument=None, risk=risk_state(in_flight=flying)
    )
    assert recorded[1]["value"] == "360000"
    elsewhere_only = risk_state(others=(Elsewhere("b", "EURUSD", BUY, D(1)),))
    blind = user_wide(rule, replace(ENTRY, qty=D(0)), instrument=None, risk=elsewhere_only)
    assert blind == (Reason.INSTRUMENT_UNKNOWN, {"symbol": "EURUSD", "scope": "user"})
