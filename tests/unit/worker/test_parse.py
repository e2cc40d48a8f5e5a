"""body -> Signal."""

from __future__ import annotations

import json
from decimal import Decimal as D
from typing import Any

import pytest

from shared.models.enums import Action, OrderType, QtyMode, Side, StopMode
from shared.models.signal import Signal, StopSpec
from workers.execution.parse import signal_of


def parsed(**intent: Any) -> Signal:
    """The signal of a valid alert with this intent."""
    signal = signal_of(json.dumps({"version": "unify.v1", "intent": intent}))
    assert isinstance(signal, Signal), signal
    return signal


def test_numbers_stay_exact() -> None:
    """A price keeps every digit it was written with, as a number and as text."""
    body = '{"version":"unify.v1","intent":{"side":"buy","symbol":"X","qty_mode":"lots","qty":%s}}'
    for written in ("0.10000000000000000000001", '"0.10000000000000000000001"'):
        signal = signal_of(body % written)
        assert isinstance(signal, Signal)
        assert signal.qty == D("0.10000000000000000000001")


def test_silence_stays_silence() -> None:
    """What the alert does not say is None, so that the defaults can speak; only action and type have their own."""
    signal = parsed(side="buy", symbol="EURUSD", sl=None)
    assert (signal.action, signal.type) == (Action.OPEN, OrderType.MARKET)
    assert (signal.qty, signal.qty_mode, signal.sl, signal.tp, signal.tif) == (None,) * 5


def test_stop_entry_has_one_price() -> None:
    """A stop order's price may be written in either field; it is the stop price."""
    common = {"side": "buy", "symbol": "EURUSD", "type": "stop"}
    assert parsed(**common, price=1.2) == parsed(**common, stop_price=1.2)
    assert parsed(**common, price=1.2).price is None


def test_protection_keeps_mode_and_order() -> None:
    """Stop and targets come with their units, targets in the order in which they were written."""
    targets = [
        {"mode": "rr", "value": 1, "portion": 0.5},
        {"mode": "pips", "value": 40, "portion": "0.5"},
    ]
    signal = parsed(side="sell", symbol="EURUSD", sl={"mode": "pips", "value": 20}, tp=targets)
    assert signal.sl == StopSpec(StopMode.PIPS, D(20))
    assert signal.tp == (StopSpec(StopMode.RR, D(1), D("0.5")), StopSpec(StopMode.PIPS, D(40), D("0.5")))


def test_text_numbers_and_side() -> None:
    """TradingView's placeholders arrive as text."""
    signal = parsed(action="reduce", side="sell", symbol="EURUSD", qty_mode="position_pct", qty="50")
    assert (signal.side, signal.qty_mode, signal.qty) == (Side.SELL, QtyMode.POSITION_PCT, D(50))
    assert signal.is_exit


@pytest.mark.parametrize(
    "body", ["", "{", "null", "[]", '{"version":"unify.v1"}', '{"version":"unify.v2","intent":{}}']
)
def test_anything_else_says_what_is_wrong(body: str) -> None:
    """A body that is no alert gives its problems, each with a path; it never raises."""
    problems = signal_of(body)
    assert isinstance(problems, tuple)
    assert problems
    assert all(each.path and each.message for each in problems)
