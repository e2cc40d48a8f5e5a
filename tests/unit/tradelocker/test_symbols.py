"""From a chart's symbol to the broker's name: exact, decorated, by another word; never a guess."""

from __future__ import annotations

import pytest

from shared.brokers import symbols
from shared.brokers.symbols import Chosen
from shared.models.market import Ambiguous

PLAIN = ["EURUSD", "USDJPY", "XAUUSD", "US30", "BTCUSD", "BTCUSDT", "BRK.B", "AAPL"]
RAW = ["EURUSD.r", "USDJPY.r", "XAUUSD.r", "US30.r", "BTCUSD.r"]


@pytest.mark.parametrize(
    ("symbol", "names", "name"),
    [
        ("OANDA:EURUSD", PLAIN, "EURUSD"),
        ("eurusd", PLAIN, "EURUSD"),
        ("FX:EURUSD", RAW, "EURUSD.r"),
        ("EURUSD", ["EURUSDm", "GBPUSDm"], "EURUSDm"),
        ("EURUSD", ["EURUSD#", "GBPUSD#"], "EURUSD#"),
        ("EURUSD", ["#EURUSD"], "#EURUSD"),
        ("EURUSD", ["x.EURUSD"], "x.EURUSD"),
        ("EURUSD", ["EURUSD.r", "EURUSD"], "EURUSD"),
        ("EURUSD.r", ["EURUSD.r", "EURUSD"], "EURUSD.r"),
        ("XAUUSD", ["GOLD", "SILVER"], "GOLD"),
        ("TVC:GOLD", ["XAUUSD.PRO", "EURUSD.PRO"], "XAUUSD.PRO"),
        ("CBOT_MINI:US30", ["DJ30"], "DJ30"),
        ("DJ30", ["US30.r", "US300.r"], "US30.r"),
        ("NASDAQ:AAPL", PLAIN, "AAPL"),
        ("BTCUSD", PLAIN, "BTCUSD"),
        ("BTCUSD", ["BTCUSDT", "BTCUSD.r"], "BTCUSD.r"),
        ("BRK.B", PLAIN, "BRK.B"),
    ],
)
def test_one_instrument_is_chosen(symbol: str, names: list[str], name: str) -> None:
    """The name, and the reason that goes into the trace."""
    found = symbols.choose(symbol, names)
    assert isinstance(found, Chosen)
    assert found.name == name
    assert name in found.why


@pytest.mark.parametrize(
    ("symbol", "names", "candidates"),
    [
        ("EURUSD", ["EURUSD.r", "EURUSD.pro", "GBPUSD.r"], ("EURUSD.pro", "EURUSD.r")),
        ("GOLD", ["XAUUSD.r", "GOLD.r", "XAUUSD.p"], ("GOLD.r",)),
        ("US30", ["DJ30", "WS30"], ("DJ30", "WS30")),
        ("eurUSD", ["EURusd", "EURUSD"], ("EURUSD", "EURusd")),
    ],
)
def test_several_are_never_guessed(symbol: str, names: list[str], candidates: tuple[str, ...]) -> None:
    """Every candidate is named; an exact word wins over another one."""
    found = symbols.choose(symbol, names)
    if len(candidates) == 1:
        assert found == Chosen(candidates[0], f"{symbol} is {candidates[0]}: its name on this account type")
        return
    assert found == Ambiguous(symbol, candidates)
    assert str(found) == f"{symbol} could be {', '.join(candidates)}: choose one in the symbol map"


@pytest.mark.parametrize(
    ("symbol", "names"),
    [
        ("BRK", ["BRK.B"]),
        ("EUR", ["EURUSD"]),
        ("BTCUSD", ["BTCUSDT"]),
        ("US30", ["US300", "US30USDX9"]),
        ("AAPL", ["AAPL.US"]),
        ("A", ["AB", "AC"]),
        ("XYZ", []),
    ],
)
def test_what_only_looks_alike_is_not_it(symbol: str, names: list[str]) -> None:
    """Another coin, another share class, another index: none of them is the symbol."""
    assert symbols.choose(symbol, names) is None


def test_names_are_shown_as_traders_call_them() -> None:
    """A decoration is left away where that leaves no doubt."""
    assert symbols.canonical(["EURUSD.r", "XAUUSD.r", "BRK.B"]) == {
        "EURUSD.r": "EURUSD",
        "XAUUSD.r": "XAUUSD",
        "BRK.B": "BRK.B",
    }
    assert symbols.canonical(["EURUSD.r", "EURUSD.pro"]) == {
        "EURUSD.r": "EURUSD.r",
        "EURUSD.pro": "EURUSD.pro",
    }
