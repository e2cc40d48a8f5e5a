"""Which instrument a TradingView symbol means."""

from __future__ import annotations

from datetime import date
from decimal import Decimal as D

import pytest
from msgspec.structs import replace

from shared.brokers.paper.catalog import FUTURES
from shared.brokers.paper.instruments import active_month, instrument_for
from shared.models.market import InstrumentKind as Kind

TODAY = date(2026, 11, 23)


@pytest.mark.parametrize(
    ("symbol", "kind", "venue_symbol", "tick", "tick_value", "step", "currency"),
    [
        ("EURUSD", Kind.FOREX, "EURUSD", "0.00001", "1", "0.01", "USD"),
        ("OANDA:eurusd", Kind.FOREX, "EURUSD", "0.00001", "1", "0.01", "USD"),
        ("FX:USDJPY", Kind.FOREX, "USDJPY", "0.001", "100", "0.01", "JPY"),
        ("XAUUSD", Kind.METAL, "XAUUSD", "0.01", "1", "0.01", "USD"),
        ("TVC:GOLD", Kind.METAL, "XAUUSD", "0.01", "1", "0.01", "USD"),
        ("US30", Kind.INDEX, "US30", "0.01", "0.01", "0.01", "USD"),
        ("DE40", Kind.INDEX, "DE40", "0.01", "0.01", "0.01", "EUR"),
        ("BINANCE:BTCUSDT", Kind.CRYPTO, "BTCUSDT", "0.01", "0.01", "0.001", "USDT"),
        ("BYBIT:ETHUSDT.P", Kind.CRYPTO, "ETHUSDT.P", "0.01", "0.01", "0.001", "USDT"),
        ("SOLUSD", Kind.CRYPTO, "SOLUSD", "0.00001", "0.00001", "0.001", "USD"),
        ("CME_MINI:ES1!", Kind.FUTURE, "ESZ2026", "0.25", "12.5", "1", "USD"),
        ("MNQ1!", Kind.FUTURE, "MNQZ2026", "0.25", "0.5", "1", "USD"),
        ("CME_MINI:MESH2027", Kind.FUTURE, "MESH2027", "0.25", "1.25", "1", "USD"),
        ("ESH7", Kind.FUTURE, "ESH2027", "0.25", "12.5", "1", "USD"),
        ("COMEX:GC1!", Kind.FUTURE, "GCZ2026", "0.1", "10", "1", "USD"),
        ("NYMEX:MCL1!", Kind.FUTURE, "MCLF2027", "0.01", "1", "1", "USD"),
        ("NASDAQ:AAPL", Kind.STOCK, "AAPL", "0.01", "0.01", "1", "USD"),
        ("NYSE:BRK.B", Kind.STOCK, "BRK.B", "0.01", "0.01", "1", "USD"),
    ],
)
def test_any_symbol_gets_a_sane_instrument(
    symbol: str, kind: Kind, venue_symbol: str, tick: str, tick_value: str, step: str, currency: str
) -> None:
    """Tick, value of a tick, step and currency are those a trader expects."""
    found = instrument_for(symbol, TODAY)
    assert found is not None
    assert (found.kind, found.venue_symbol, found.quote_currency) == (kind, venue_symbol, currency)
    assert (found.tick_size, found.tick_value, found.qty_step) == (D(tick), D(tick_value), D(step))
    assert instrument_for(found.venue_symbol, TODAY) == replace(found, why="")
    assert (found.why == "") == symbol.upper().endswith(found.symbol)


@pytest.mark.parametrize("symbol", ["ES2!", "XYZ1!", "", "EUR USD", "ES!"])
def test_what_is_no_contract_has_no_instrument(symbol: str) -> None:
    """A later month, an unknown root or no symbol at all is refused, never guessed."""
    assert instrument_for(symbol, TODAY) is None


def test_pip_is_defined_for_currency_pairs_only() -> None:
    """0.0001, 0.01 against the yen; gold, indices, crypto and futures have none."""
    pips = {
        each: instrument_for(each, TODAY) for each in ("EURUSD", "USDJPY", "XAUUSD", "US30", "BTCUSD", "ES1!")
    }
    assert [each.pip_size if each else None for each in pips.values()] == [
        D("0.0001"),
        D("0.01"),
        None,
        None,
        None,
        None,
    ]


@pytest.mark.parametrize("root", FUTURES)
def test_the_active_month_only_moves_forward(root: str) -> None:
    """On every day of three years there is an active month, it trades, and it never goes back."""
    spec = FUTURES[root]
    months = [active_month(spec, date.fromordinal(TODAY.toordinal() + day)) for day in range(3 * 365)]
    order = [(year, "FGHJKMNQUVXZ".index(code)) for year, code in months]
    assert all(code in spec.months for _, code in months)
    assert order == sorted(order)
