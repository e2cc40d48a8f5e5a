"""The rules that count, asked directly: what is counted, what is not, and every word of their answers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from shared.models.context import Counters
from shared.models.enums import CommandKind, MarginMode, OrderStatus, OrderType
from shared.models.reasons import Reason
from shared.risk.rules.counts import concurrent_positions, cool_down, duplicates, open_trades, trades_per_day
from tests.unit.risk.asking import CANCEL, CLOSE, ENTRY, PROTECT, ask, set_for_account, two_scopes
from tests.unit.risk.builders import (
    HEDGING,
    NETTING,
    NOW,
    D,
    account,
    guard,
    limits,
    order,
    position,
    risk_state,
)

NO_RECORD = {"what": "the account's record of trades is not known", "scope": "account"}
SECOND = replace(ENTRY, leg=1)


def numbers(value: int, limit: int) -> dict[str, str]:
    return {"value": str(value), "limit": str(limit), "distance": str(limit - value)}


# --- counts -------------------------------------------------------------------------------------------------------


def test_a_trade_more_is_one_trade() -> None:
    """Four and this one are five, however many portions it has; the sixth waits for the day's end."""
    five = limits(max_trades_per_day=5)
    for legs in ((ENTRY,), (ENTRY, SECOND)):
        assert ask(trades_per_day, *legs, limits=five, counters=Counters(trades_today=4)) == (
            None,
            numbers(5, 5),
        )
    until = {"until": "2026-11-24T00:00:00+00:00"}
    refused = ask(trades_per_day, limits=five, counters=Counters(trades_today=5))
    assert refused == (Reason.MAX_TRADES_PER_DAY, numbers(6, 5) | until)
    chicago = ask(trades_per_day, limits=five, counters=Counters(trades_today=5), account=account(
        timezone="America/Chicago"))  # fmt: skip
    assert chicago == (Reason.MAX_TRADES_PER_DAY, numbers(6, 5) | {"until": "2026-11-24T06:00:00+00:00"})
    assert ask(trades_per_day, counters=Counters(trades_today=5)) == (None, {})


def test_a_moved_stop_is_no_trade() -> None:
    """A change of protection is counted by nothing and refused by no count, not even beyond the limit."""
    held = (position(number=1), position(number=2))
    one = limits(max_trades_per_day=1, max_open_trades=1, max_concurrent_positions=1)
    facts: dict[str, Any] = {"limits": one, "positions": held, "counters": Counters(trades_today=2)}
    for rule in (trades_per_day, open_trades, concurrent_positions):
        assert ask(rule, PROTECT, **facts) == (None, numbers(2, 1))


def test_open_trades_are_positions_and_what_may_become_one() -> None:
    """Positions, entries at work or in doubt, entries being sent, and this one; no stop, nothing that has ended."""
    held = position(number=1)
    orders = (
        order(number=1), order(number=2, status=OrderStatus.UNKNOWN), order(number=3, status=OrderStatus.FILLED),
        guard(held, OrderType.STOP),
    )  # fmt: skip
    facts: dict[str, Any] = {
        "positions": (held, position(number=2)),
        "orders": orders,
        "counters": Counters(entries_in_flight=3),
    }
    for most, reason in ((8, None), (7, Reason.MAX_OPEN_TRADES)):
        assert ask(open_trades, limits=limits(max_open_trades=most), **facts) == (reason, numbers(8, most))
    assert ask(open_trades, **facts) == (None, {})


def test_what_goes_makes_room_among_open_trades() -> None:
    """An entry that is canceled and a position that is closed count no more; half a position is one still."""
    facts: dict[str, Any] = {
        "positions": (position(number=1), position(number=2)),
        "orders": (order(number=1), order(number=2)),
    }
    two = limits(max_open_trades=2)
    first = replace(CLOSE, venue_position_id="p1")
    for legs, value in (
        ((ENTRY,), 5), ((CANCEL, ENTRY), 4), ((first, ENTRY), 4), ((CANCEL, first, ENTRY), 3),
        ((CLOSE, ENTRY), 3), ((replace(first, qty=D("0.5")), ENTRY), 5),
        ((replace(CANCEL, kind=CommandKind.MODIFY), ENTRY), 5), ((replace(CLOSE, symbol="XAUUSD"), ENTRY), 5),
    ):  # fmt: skip
        assert ask(open_trades, *legs, limits=two, **facts) == (Reason.MAX_OPEN_TRADES, numbers(value, 2)), (
            legs
        )


@pytest.mark.parametrize(("mode", "value"), [(HEDGING, 3), (NETTING, 1)], ids=str)
def test_each_portion_is_a_position_on_a_hedging_account(mode: MarginMode, value: int) -> None:
    """Two portions that add to what is held are two positions more where each stands alone, none on netting."""
    facts: dict[str, Any] = {
        "mode": mode,
        "positions": (position(),),
        "limits": limits(max_concurrent_positions=9),
    }
    assert ask(concurrent_positions, ENTRY, SECOND, **facts) == (None, numbers(value, 9))


def test_a_netting_account_has_one_position_a_symbol() -> None:
    """What is held elsewhere, or closed by the same plan, is nothing to add to; entries being sent count besides."""
    most = limits(max_concurrent_positions=2)
    gold = position(symbol="XAUUSD", number=1)
    for legs, positions, value in (
        ((ENTRY, SECOND), (), 1), ((ENTRY,), (gold,), 2), ((ENTRY,), (gold, position(number=2)), 2),
        ((CLOSE, ENTRY), (position(),), 1), ((replace(CLOSE, qty=D("0.5")), ENTRY), (position(),), 1),
        ((ENTRY, replace(ENTRY, symbol="XAUUSD", root="XAUUSD")), (gold,), 2),
    ):  # fmt: skip
        facts: dict[str, Any] = {"mode": NETTING, "positions": positions, "limits": most}
        assert ask(concurrent_positions, *legs, **facts) == (None, numbers(value, 2)), (legs, positions)
    facts = {"mode": NETTING, "positions": (gold,), "limits": most, "counters": Counters(entries_in_flight=2)}
    assert ask(concurrent_positions, **facts) == (Reason.MAX_CONCURRENT_POSITIONS, numbers(4, 2))
    assert ask(concurrent_positions, mode=NETTING, positions=(gold,)) == (None, {})


# --- losses in a row ----------------------------------------------------------------------------------------------


def lost(times: int, minutes_ago: float | None) -> dict[str, Any]:
    at = None if minutes_ago is None else NOW - timedelta(minutes=minutes_ago)
    return {"risk": risk_state(losses_in_a_row=times, last_loss_at=at)}


def test_cool_down_counts_losses_and_minutes() -> None:
    """One loss of two leaves one; the second denies for thirty minutes from its moment, and not at their end."""
    rule = {"after_losses": 2, "minutes": 30}
    until = {"until": "2026-11-23T14:30:01+00:00"}
    assert set_for_account(cool_down, rule, **lost(1, 1)) == (None, numbers(1, 2) | {"scope": "account"})
    refused = set_for_account(cool_down, rule, **lost(2, 30 - 1 / 60))
    assert refused == (Reason.COOL_DOWN, numbers(2, 2) | until | {"scope": "account"})
    over = set_for_account(cool_down, rule, **lost(3, 30))
    assert over == (None, numbers(3, 2) | {"until": "2026-11-23T14:30:00+00:00", "scope": "account"})
    assert ask(cool_down) == (None, {})


def test_cool_down_without_a_record_denies() -> None:
    """Nobody knows what was lost, or when: nothing is opened, and the trace says what is missing."""
    rule = {"after_losses": 2, "minutes": 30}
    assert set_for_account(cool_down, rule, risk=None) == (Reason.BALANCE_UNKNOWN, NO_RECORD)
    assert set_for_account(cool_down, rule, **lost(2, None)) == (
        Reason.BALANCE_UNKNOWN,
        numbers(2, 2) | NO_RECORD,
    )


def test_the_cool_down_that_is_nearest_is_shown() -> None:
    """Of two settings the one with fewer losses left, and of two that are over the one passed by more."""
    tight, wide = {"after_losses": 3, "minutes": 30}, {"after_losses": 5, "minutes": 30}
    for times, ago in ((1, 1), (5, 40)):
        assert two_scopes(cool_down, wide, tight, **lost(times, ago))[1]["limit"] == "3"
        assert two_scopes(cool_down, tight, wide, **lost(times, ago))[1]["limit"] == "3"


# --- the same again -----------------------------------------------------------------------------------------------


def test_the_same_order_again_is_named() -> None:
    """A twin within the window denies; none, a window of nothing, or a plan that opens nothing does not."""
    rule = {"window_s": 10}
    twin: dict[str, Any] = {"risk": risk_state(twin=7)}
    refused = set_for_account(duplicates, rule, **twin)
    assert refused == (Reason.DUPLICATE_INTENT, {"limit": "10", "twin": "7", "scope": "account"})
    alone = (None, {"limit": "10", "scope": "account"})
    assert set_for_account(duplicates, rule) == alone
    assert set_for_account(duplicates, rule, PROTECT, **twin) == alone
    assert set_for_account(duplicates, {"window_s": 1}, **twin)[0] is Reason.DUPLICATE_INTENT
    assert set_for_account(duplicates, {"window_s": 0}, **twin) == (None, {"limit": "0", "scope": "account"})
    assert set_for_account(duplicates, rule, risk=None) == (Reason.BALANCE_UNKNOWN, NO_RECORD)
    assert ask(duplicates, **twin) == (None, {})
