"""What money is counted in and from: rates, how old a balance or a quote may be, what an instrument must say."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from shared.models.reasons import Reason
from shared.risk.decision import Denied
from shared.risk.grid import shown
from shared.risk.money import account_per, fresh_equity, usable_instrument, usable_quote
from shared.risk.resets import week_ends
from tests.unit.risk.builders import EURUSD, NOW, D, account, context, quote


def test_dollars_have_a_rate_of_their_own() -> None:
    """Where no instrument needs it, the one of limits in dollars is taken; other currencies have none."""
    ctx = context(account=account(currency="EUR"), usd_rate=D("0.9"))
    assert [account_per(each, ctx) for each in ("EUR", "USD", "JPY")] == [1, D("0.9"), None]
    both = replace(ctx, rates={"USD": D("0.91"), "JPY": D("0.006")})
    assert (account_per("USD", both), account_per("JPY", both)) == (D("0.91"), D("0.006"))


@pytest.mark.parametrize(("age_s", "told"), [("5", None), ("5.06", "5.1"), ("61", "61")])
def test_an_equity_is_fresh_for_five_seconds(age_s: str, told: str | None) -> None:
    """Those included; older ones are told with their age, to a tenth."""
    found = fresh_equity(context(account=account(as_of=NOW - timedelta(seconds=float(age_s)))))
    expected = D(10000) if told is None else Denied(Reason.BALANCE_UNKNOWN, {"age_s": told, "limit_s": "5"})
    assert found == expected


@pytest.mark.parametrize(
    ("bid", "ask", "age_s", "numbers"),
    [
        ("0.5", "0.6", "60", None),
        ("1.1", "1.1", "0", None),
        ("0", "0.6", "0", {}),
        ("-1", "0.6", "0", {}),
        ("0.6", "0.5", "0", {}),
        ("0.5", "0.6", "60.04", {"age_s": "60", "limit_s": "60"}),
        ("0.5", "0.6", "75.25", {"age_s": "75.2", "limit_s": "60"}),
    ],
)
def test_a_quote_has_two_sane_sides_and_a_minute(
    bid: str, ask: str, age_s: str, numbers: dict[str, str] | None
) -> None:
    """Prices below one and without a spread are prices; nothing and crossed ones are not."""
    given = replace(quote(), bid=D(bid), ask=D(ask), at=NOW - timedelta(seconds=float(age_s)))
    found = usable_quote(context(quote=given))
    assert found == (given if numbers is None else Denied(Reason.NO_QUOTE, numbers))


@pytest.mark.parametrize("field", ["tick_size", "tick_value", "qty_step", "contract_size"])
def test_an_instrument_says_what_is_missing(field: str) -> None:
    """By the name of the number, which is never divided by."""
    nothing: dict[str, Any] = {field: D(0)}
    told = {"symbol": "EURUSD", field: "0"}
    found = usable_instrument(context(instrument=replace(EURUSD, **nothing)))
    assert found == Denied(Reason.INSTRUMENT_UNKNOWN, told)


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        ("120.4", 0, "120"),
        ("120", 0, "120"),
        ("1.0049", 2, "1"),
        ("1E+3", 8, "1000"),
        ("0.10", 2, "0.1"),
        ("-0.0", 8, "0"),
        ("1E-9", 8, "0"),
    ],
)
def test_numbers_as_a_trader_writes_them(value: str, decimals: int, text: str) -> None:
    """Zeros that count stay, those behind the point go."""
    assert shown(D(value), decimals) == text


@pytest.mark.parametrize(
    ("now", "ends"),
    [
        ("2026-11-18T12:00", "2026-11-23T06:00"),  # a Wednesday
        ("2026-11-23T03:00", "2026-11-23T06:00"),  # Monday in UTC, Sunday evening there
        ("2026-11-23T05:59", "2026-11-23T06:00"),
        ("2026-11-23T06:00", "2026-11-30T06:00"),  # the reset itself begins the next week
        ("2026-11-23T07:00", "2026-11-30T06:00"),
        ("2026-11-24T07:00", "2026-11-30T06:00"),
    ],
)
def test_a_week_ends_with_the_next_sundays_reset_of_its_own_zone(now: str, ends: str) -> None:
    """22:00 in Los Angeles is 6:00 of Monday, UTC."""
    moment, expected = (datetime.fromisoformat(each).replace(tzinfo=UTC) for each in (now, ends))
    assert week_ends(moment, time(22), "America/Los_Angeles") == expected
