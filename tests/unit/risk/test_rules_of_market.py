"""The rules of switches, market and clock, asked directly: every word and number of their answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from shared.models.command import Protection
from shared.models.enums import OrderType
from shared.models.market import Quote
from shared.models.reasons import Reason
from shared.risk.rules.clock import alert_age, flat_by, hours, news
from shared.risk.rules.market import price_near_alert, quote_age, spread, stop_distance, stop_required
from shared.risk.rules.state import (
    account_enabled,
    account_unlocked,
    kill_switch,
    no_unresolved_order,
    positions_known,
)
from tests.unit.risk.asking import CLOSE, ENTRY, NAKED, PROTECT, Answer, ask, set_for_account, two_scopes
from tests.unit.risk.builders import EURUSD, NOW, SELL, D, account, limits

OF_ACCOUNT = {"scope": "account"}
LIMIT_PRICE = replace(ENTRY, type=OrderType.LIMIT, price=D("1.09900"))
TICKS, PERCENT = {"unit": "ticks"}, {"unit": "%"}


# --- switches -----------------------------------------------------------------------------------------------------


def test_switches_and_locks() -> None:
    """What is switched off opens nothing; a lock says its end and its reason, where it has one, and ends then."""
    assert (
        ask(kill_switch)
        == ask(account_enabled)
        == ask(account_unlocked)
        == ask(positions_known)
        == (None, {})
    )
    assert ask(kill_switch, trading_halted=True) == (Reason.KILL_SWITCH, {})
    assert ask(account_enabled, account=account(trading_enabled=False)) == (Reason.ACCOUNT_DISABLED, {})
    assert ask(positions_known, positions_known=False) == (Reason.POSITION_UNKNOWN, {})
    second = NOW + timedelta(seconds=1)
    told = {"until": "2026-11-23T14:30:01+00:00"}
    for why, more in ((None, {}), ("", {}), ("daily loss", {"lock": "daily loss"})):
        locked = account(locked_until=second, lock_reason=why)
        assert ask(account_unlocked, account=locked) == (Reason.ACCOUNT_LOCKED, told | more)
    assert ask(account_unlocked, account=account(locked_until=NOW)) == (None, {})


def test_an_order_in_doubt_stops_its_symbol() -> None:
    """By the month's own name or by the root, for any leg of the plan; not for what only closes."""
    month = replace(ENTRY, symbol="MNQZ6", root="MNQ")
    for name in ("MNQ", "MNQZ6"):
        refused = ask(no_unresolved_order, ENTRY, month, unresolved=frozenset({name}))
        assert refused == (Reason.UNRESOLVED_ORDER, {"symbol": "MNQZ6"})
    assert ask(no_unresolved_order, CLOSE, unresolved=frozenset({"EURUSD"})) == (None, {})
    assert ask(no_unresolved_order, month, unresolved=frozenset({"EURUSD"})) == (None, {})


# --- stops --------------------------------------------------------------------------------------------------------


def test_where_a_stop_is_required() -> None:
    """Any leg that opens without one, or takes one away, denies; moving one does not."""
    required = limits(stop_required=True)
    removed = replace(PROTECT, protection=Protection(clear_stop_loss=True))
    target = replace(PROTECT, protection=Protection(take_profit=D("1.2")))
    for legs in ((NAKED,), (ENTRY, NAKED), (removed,)):
        assert ask(stop_required, *legs, limits=required) == (Reason.STOP_REQUIRED, {"what": "account"})
        assert ask(stop_required, *legs) == (None, {})
    for legs in ((ENTRY,), (PROTECT,), (target,), (CLOSE,)):
        assert ask(stop_required, *legs, limits=required) == (None, {"required": "yes"})


def test_how_far_a_stop_is_away() -> None:
    """In ticks and in percent of the entry: from the order's own price, else where it fills now."""
    ticks = set_for_account(stop_distance, {"min_ticks": 200})
    assert ticks == (None, {"value": "200", "limit": "200", "distance": "0"} | TICKS | OF_ACCOUNT)
    near = replace(ENTRY, protection=Protection(stop_loss=D("1.098004")))
    refused = set_for_account(stop_distance, {"min_ticks": 200}, near)
    assert refused == (
        Reason.STOP_DISTANCE,
        {"value": "199.6", "limit": "200", "distance": "-0.4"} | TICKS | OF_ACCOUNT,
    )
    part = replace(ENTRY, protection=Protection(stop_loss=D("1.09800004")))
    assert set_for_account(stop_distance, {"min_ticks": 100}, part)[1]["value"] == "200.00".rstrip(
        "0"
    ).rstrip(".")
    told = {"value": "0.1818", "limit": "0.1", "distance": "0.0818"}
    assert set_for_account(stop_distance, {"min_pct": D("0.1")}) == (None, told | PERCENT | OF_ACCOUNT)
    for leg, ticks_away in (
        (LIMIT_PRICE, "100"), (replace(ENTRY, type=OrderType.STOP, stop_price=D("1.101")), "300"),
        (replace(PROTECT, side=SELL, protection=Protection(stop_loss=D("1.1005"))), "50"),
        (PROTECT, "190"), (replace(ENTRY, side=SELL, protection=Protection(stop_loss=D("1.1"))), "10"),
    ):  # fmt: skip
        assert set_for_account(stop_distance, {"min_ticks": 1}, leg)[1]["value"] == ticks_away, leg


def test_every_stop_of_a_plan_is_measured() -> None:
    """The nearest is told; a leg without a stop is not measured, and none at all is told as such."""
    near = replace(ENTRY, leg=1, protection=Protection(stop_loss=D("1.0995")))
    found = set_for_account(stop_distance, {"min_ticks": 50}, ENTRY, NAKED, near)
    assert found == (None, {"value": "50", "limit": "50", "distance": "0"} | TICKS | OF_ACCOUNT)
    both = set_for_account(stop_distance, {"min_ticks": 10, "min_pct": D("0.2")})
    assert both[0] is Reason.STOP_DISTANCE
    assert set_for_account(stop_distance, {"min_ticks": 10}, NAKED) == (
        None,
        {"value": "no stop"} | OF_ACCOUNT,
    )
    assert ask(stop_distance) == (None, {})


def test_a_stop_that_cannot_be_measured_denies() -> None:
    """No instrument, no quote, no side: each says what is missing, whatever the other legs are."""
    rule = {"min_ticks": 1}
    broken = replace(EURUSD, tick_size=D(0))
    told = {"symbol": "EURUSD", "tick_size": "0"} | OF_ACCOUNT
    assert set_for_account(stop_distance, rule, instrument=broken) == (Reason.INSTRUMENT_UNKNOWN, told)
    assert set_for_account(stop_distance, rule, quote=None) == (Reason.NO_QUOTE, OF_ACCOUNT)
    assert set_for_account(stop_distance, rule, replace(ENTRY, side=None)) == (
        Reason.SIDE_MISSING,
        OF_ACCOUNT,
    )
    assert set_for_account(stop_distance, rule, LIMIT_PRICE, quote=None)[0] is None
    free = replace(LIMIT_PRICE, price=D(0))
    assert set_for_account(stop_distance, {"min_pct": D("0.1")}, free) == (None, {})
    unknown = set_for_account(stop_distance, rule, LIMIT_PRICE, replace(ENTRY, side=None), LIMIT_PRICE)
    assert unknown == (Reason.SIDE_MISSING, OF_ACCOUNT)
    both = set_for_account(stop_distance, {"min_ticks": 101}, ENTRY, LIMIT_PRICE)
    assert both == (
        Reason.STOP_DISTANCE,
        {"value": "100", "limit": "101", "distance": "-1"} | TICKS | OF_ACCOUNT,
    )


# --- quotes -------------------------------------------------------------------------------------------------------


def test_spread() -> None:
    """In ticks and in percent of the bid; the limit itself is allowed, without a quote or instrument nothing is."""
    passed = set_for_account(spread, {"max_ticks": 10})
    assert passed == (None, {"value": "10", "limit": "10", "distance": "0"} | TICKS | OF_ACCOUNT)
    odd = Quote("EURUSD", D("1.0999"), D("1.10000004"), NOW)
    told = {"value": "10", "limit": "9.5", "distance": "-0.5"} | TICKS | OF_ACCOUNT
    assert set_for_account(spread, {"max_ticks": D("9.5")}, quote=odd) == (Reason.SPREAD_TOO_WIDE, told)
    told = {"value": "0.0091", "limit": "0.009", "distance": "-0.0001"} | PERCENT | OF_ACCOUNT
    assert set_for_account(spread, {"max_pct": D("0.009")}) == (Reason.SPREAD_TOO_WIDE, told)
    both = set_for_account(spread, {"max_ticks": 20, "max_pct": D("0.01")})
    assert both == (None, {"value": "0.0091", "limit": "0.01", "distance": "0.0009"} | PERCENT | OF_ACCOUNT)
    assert set_for_account(spread, {"max_ticks": 10}, quote=None) == (Reason.NO_QUOTE, OF_ACCOUNT)
    assert set_for_account(spread, {"max_ticks": 10}, instrument=None, quote=odd) == (
        Reason.INSTRUMENT_UNKNOWN, OF_ACCOUNT)  # fmt: skip
    assert ask(spread) == (None, {})


def test_quote_age() -> None:
    """To the millisecond, of which a part is none."""
    odd = Quote("EURUSD", D("1.0999"), D("1.1"), NOW - timedelta(seconds=7, milliseconds=1, microseconds=999))
    for most, distance, reason in (("7.001", "0", None), ("7", "-0.001", Reason.QUOTE_STALE)):
        told = {"value": "7.001", "limit": most, "distance": distance} | OF_ACCOUNT
        assert set_for_account(quote_age, {"max_s": D(most)}, quote=odd) == (reason, told)
    assert set_for_account(quote_age, {"max_s": 7}, quote=None) == (Reason.NO_QUOTE, OF_ACCOUNT)
    assert ask(quote_age) == (None, {})


def test_how_far_the_price_is_from_the_alerts() -> None:
    """In percent of the alert's price, above or below; the limit itself is allowed."""
    told = {"value": "0.1", "limit": "0.1", "distance": "0", "price": "1.1"}
    exactly = replace(ENTRY, ref_price=D("1.1") / D("1.001"))
    found = ask(price_near_alert, exactly, limits=limits(max_price_deviation_pct="0.2"))
    assert found[1] | {"alert_price": ""} == told | {"limit": "0.2", "distance": "0.1", "alert_price": ""}
    for ref, most, reason, value in (
        ("1", "10", None, "10"), ("1", "9.9996", Reason.PRICE_DEVIATION, "10"),
        ("1.2", "9", None, "8.333"), ("-1", "300", None, "210"),
    ):  # fmt: skip
        found = ask(
            price_near_alert, replace(ENTRY, ref_price=D(ref)), limits=limits(max_price_deviation_pct=most)
        )
        assert (found[0], found[1]["value"], found[1]["alert_price"]) == (reason, value, ref)
    assert set(found[1]) == {"value", "limit", "distance", "price", "alert_price"}
    assert found[1]["distance"] == "90"
    third = ask(
        price_near_alert, replace(ENTRY, ref_price=D("1.2")), limits=limits(max_price_deviation_pct="9")
    )
    assert third[1]["distance"] == "0.667"
    ask_price = ask(price_near_alert, replace(ENTRY, side=SELL, ref_price=D(1)), limits=limits(
        max_price_deviation_pct="10"))  # fmt: skip
    assert (ask_price[1]["price"], ask_price[1]["value"]) == ("1.0999", "9.99")


def test_only_market_entries_are_compared_with_the_alert() -> None:
    """Not an exit, a limit, an alert without a price or a side; the first that can be is."""
    one = limits(max_price_deviation_pct="1")
    far = replace(ENTRY, ref_price=D(1))
    others = (
        CLOSE, replace(far, type=OrderType.LIMIT), replace(far, ref_price=D(0)), replace(far, ref_price=None),
        replace(far, side=None), replace(far, reduce_only=True),
    )  # fmt: skip
    for leg in others:
        assert ask(price_near_alert, leg, limits=one, quote=None) == (None, {"limit": "1"})
    assert ask(price_near_alert, *others, far, limits=one)[0] is Reason.PRICE_DEVIATION
    assert ask(price_near_alert, far, limits=one, quote=None) == (Reason.NO_QUOTE, {})
    assert ask(price_near_alert, far) == (None, {})


# --- the clock ----------------------------------------------------------------------------------------------------


def at(text: str, rule: Any, setting: dict[str, Any]) -> Answer:
    """The answer at another moment (UTC)."""
    return set_for_account(rule, setting, now=datetime.fromisoformat(text).replace(tzinfo=UTC))


def test_alert_age() -> None:
    """To the millisecond, of which a part is none; an alert whose time nobody knows is too old."""
    fired = NOW - timedelta(seconds=10, milliseconds=1, microseconds=999)
    for most, distance, reason in (("10.001", "0", None), ("10", "-0.001", Reason.ALERT_TOO_OLD)):
        told = {"value": "10.001", "limit": most, "distance": distance} | OF_ACCOUNT
        assert set_for_account(alert_age, {"max_s": D(most)}, fired_at=fired) == (reason, told)
    unknown = set_for_account(alert_age, {"max_s": 10}, fired_at=None)
    assert unknown == (Reason.ALERT_TOO_OLD, {"what": "when the alert fired is not known"} | OF_ACCOUNT)
    assert ask(alert_age) == (None, {})


WINDOW = {"windows": [{"days": ["mon"], "from": "09:00", "to": "15:00"}], "tz": "America/Chicago"}


def test_hours() -> None:
    """Whole minutes until they end, or when they begin; the zone or the calendar they are read in."""
    told = {"tz": "America/Chicago", "now": "2026-11-23T20:59:00+00:00", "until": "2026-11-23T21:00:00+00:00"}
    found = at("2026-11-23T20:59:00", hours, WINDOW)
    assert found == (None, told | {"distance": "1", "unit": "min"} | OF_ACCOUNT)
    assert at("2026-11-23T20:58:01", hours, WINDOW)[1]["distance"] == "1"
    found = at("2026-11-23T21:00:00", hours, WINDOW)
    told |= {"now": "2026-11-23T21:00:00+00:00", "until": "2026-11-30T15:00:00+00:00"}
    assert found == (Reason.OUTSIDE_HOURS, told | OF_ACCOUNT)
    both = at("2026-11-26T19:00", hours, {**WINDOW, "calendar": "cme_equity"})
    assert both[0] in (Reason.OUTSIDE_HOURS, Reason.MARKET_HOLIDAY)
    found = at("2026-11-26T19:00", hours, {"calendar": "cme_equity"})
    told = {
        "calendar": "cme_equity",
        "now": "2026-11-26T19:00:00+00:00",
        "until": "2026-11-26T23:00:00+00:00",
    }
    assert found == (Reason.MARKET_HOLIDAY, told | {"holiday": "Thanksgiving"} | OF_ACCOUNT)
    found = at("2026-11-28T12:00", hours, {"calendar": "forex"})
    told = {"calendar": "forex", "now": "2026-11-28T12:00:00+00:00", "until": "2026-11-29T22:00:00+00:00"}
    assert found == (Reason.OUTSIDE_HOURS, told | OF_ACCOUNT)
    assert ask(hours) == (None, {})


def test_hours_that_the_clocks_skip() -> None:
    """The only half hour of the week is skipped by the change of the clocks: nobody says when the next one begins."""
    skipped = {"windows": [{"days": ["sun"], "from": "02:30", "to": "03:00"}], "tz": "America/New_York"}
    told = {"tz": "America/New_York", "now": "2026-03-02T12:00:00+00:00"} | OF_ACCOUNT
    assert at("2026-03-02T12:00:00", hours, skipped) == (Reason.OUTSIDE_HOURS, told)


def test_the_hours_that_end_first_are_shown() -> None:
    """Of two windows the one with fewer minutes left."""
    early = {"windows": [{"days": ["mon"], "from": "09:00", "to": "15:00"}]}
    late = {"windows": [{"days": ["mon"], "from": "09:00", "to": "16:00"}]}
    for of_user, of_account, scope in ((late, early, "account"), (early, late, "user")):
        _, told = two_scopes(hours, of_user, of_account)
        assert (told["distance"], told["scope"]) == ("30", scope)


def test_without_a_calendar_nothing_is_opened() -> None:
    """The calendar, and how far its data reach where it is known at all."""
    for rule, setting in (
        (hours, {"calendar": "lunar"}), (news, {"calendar": "lunar", "before_min": 1, "after_min": 1}),
        (flat_by, {"time": "21:05", "tz": "UTC", "calendar": "lunar"}),
    ):  # fmt: skip
        reason, told = set_for_account(rule, setting)
        assert (reason, told["calendar"]) == (Reason.NO_CALENDAR_DATA, "lunar")
        assert "valid_until" not in told
    found = at("2028-02-01T15:00", hours, {"calendar": "cme_equity"})
    told = {"calendar": "cme_equity", "valid_until": "2027-12-31"} | OF_ACCOUNT
    assert found == (Reason.NO_CALENDAR_DATA, told)
    flat = at("2028-02-01T15:00", flat_by, {"time": "21:05", "tz": "UTC", "calendar": "cme_equity"})
    assert flat == (Reason.NO_CALENDAR_DATA, told | {"time": "21:05", "tz": "UTC"})
    found = at("2027-03-01T15:00", news, {"calendar": "us_high_impact", "before_min": 1, "after_min": 1})
    assert found == (
        Reason.NO_CALENDAR_DATA,
        {"calendar": "us_high_impact", "valid_until": "2026-12-31"} | OF_ACCOUNT,
    )


@pytest.mark.parametrize("entries_end", [None, "14:50"])
def test_flat_by(entries_end: str | None) -> None:
    """Whole minutes until entries end; from then until the account's next reset there are none."""
    rule = {"time": "15:05", "tz": "UTC"} | ({"no_entry_from": entries_end} if entries_end else {})
    begins, left = ("2026-11-23T14:50:00+00:00", "19") if entries_end else ("2026-11-23T15:05:00+00:00", "34")
    told = {"time": "15:05", "tz": "UTC"} | OF_ACCOUNT
    found = at("2026-11-23T14:30:01", flat_by, rule)
    assert found == (None, told | {"from": begins, "distance": left, "unit": "min"})
    for moment in (begins.removesuffix("+00:00"), "2026-11-23T15:05:00", "2026-11-23T23:59:59"):
        found = at(moment, flat_by, rule)
        assert found == (Reason.FLAT_BY, told | {"until": "2026-11-24T00:00:00+00:00"})
    assert at("2026-11-24T00:00:00", flat_by, rule)[0] is None
    assert ask(flat_by) == (None, {})


def test_flat_at_the_reset_itself() -> None:
    """A time that is the account's reset ends the day that was: with the new one entries are denied all the same."""
    assert at("2026-11-23T00:00:00", flat_by, {"time": "00:00", "tz": "UTC"})[0] is Reason.FLAT_BY


def test_the_earlier_flat_time_is_shown() -> None:
    """Of two settings the one with fewer minutes left."""
    early, late = {"time": "15:05", "tz": "UTC"}, {"time": "16:05", "tz": "UTC"}
    for of_user, of_account, scope in ((late, early, "account"), (early, late, "user")):
        _, told = two_scopes(flat_by, of_user, of_account)
        assert (told["distance"], told["scope"]) == ("35", scope)


def test_news() -> None:
    """The event, its time and the end of its blackout; outside of it only the calendar is told."""
    rule = {"calendar": "us_high_impact", "before_min": D("10"), "after_min": 5}
    named = {"calendar": "us_high_impact"} | OF_ACCOUNT
    event = {
        "event": "US employment report",
        "at": "2026-12-04T13:30:00+00:00",
        "until": "2026-12-04T13:35:00+00:00",
    }
    for moment in ("2026-12-04T13:20:00", "2026-12-04T13:34:59"):
        assert at(moment, news, rule) == (Reason.NEWS_BLACKOUT, named | event)
    for moment in ("2026-12-04T13:19:59", "2026-12-04T13:35:00"):
        assert at(moment, news, rule) == (None, named)
    assert ask(news) == (None, {})
