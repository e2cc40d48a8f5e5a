"""Instruments, prices and accounts of MetaApi as our models. Pure."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from shared.brokers import symbols
from shared.brokers.metatrader.rows import PriceRow, Specification
from shared.models.market import Instrument, InstrumentKind, Quote

_BY_CONTRACT = frozenset({"FOREX", "FOREX_NO_LEVERAGE", "CFD", "CFDINDEX", "CFDLEVERAGE", "EXCH_STOCKS"})
"""Ways of counting in which a tick of one lot is worth contract size x tick, in the profit currency."""
_FUTURES = frozenset({"FUTURES", "EXCH_FUTURES", "EXCH_FUTURES_FORTS"})


def instrument(symbol: str, spec: Specification, price: PriceRow | None, currency: str) -> Instrument | None:
    """A symbol's contract. `currency` is the account's, in which the broker states what a tick is worth.

    In the profit currency the value of a tick follows from the contract. Where that is the account's own, or the
    contract is counted in another way, what the broker states with the price is taken, gain and loss apart. None
    where neither is known.
    """
    core = symbols.core(spec.symbol) or spec.symbol.upper()
    pair = symbols.pair_of(core)
    worth = _tick_value(spec, price, currency)
    if worth is None:
        return None
    gain, loss, quoted = worth
    return Instrument(
        symbol=symbol,
        venue_symbol=spec.symbol,
        root=symbol,
        kind=_kind(core, _mode(spec)),
        tick_size=spec.tick_size,
        tick_value=gain,
        loss_tick_value=None if loss == gain else loss,
        qty_step=spec.volume_step,
        qty_min=spec.min_volume,
        qty_max=spec.max_volume,
        contract_size=spec.contract_size,
        quote_currency=quoted,
        qty_unit="lots",
        base_currency=pair[0] if pair else None,
        pip_size=spec.pip_size or _pip(core),
        min_stop_distance=spec.stops_level * (spec.point or spec.tick_size),
    )


def quote(symbol: str, row: PriceRow, read_at: datetime) -> Quote | None:
    """Bid and ask, of when the broker's last tick was; a clock ahead of ours counts as now."""
    if row.bid <= 0 or row.ask <= 0:
        return None
    return Quote(symbol, row.bid, row.ask, min(row.time or read_at, read_at))


def _tick_value(
    spec: Specification, price: PriceRow | None, currency: str
) -> tuple[Decimal, Decimal, str] | None:
    """What a tick of one lot gains, what it loses, and in which currency."""
    gain = price.profit_tick_value if price else None
    loss = (price.loss_tick_value if price else None) or gain
    by_contract = spec.profit_currency is not None and _mode(spec) in _BY_CONTRACT
    if gain and loss and (not by_contract or spec.profit_currency == currency):
        return gain, loss, currency
    if not by_contract or spec.profit_currency is None:
        return None
    worth = spec.tick_size * spec.contract_size
    return worth, worth, spec.profit_currency


def _mode(spec: Specification) -> str:
    return spec.price_calculation_mode.removeprefix("SYMBOL_CALC_MODE_")


def _pip(core: str) -> Decimal | None:
    """Of two currencies; for anything else a pip is only what the broker says it is."""
    pair = symbols.pair_of(core)
    if pair is None or pair[0] in symbols.METALS:
        return None
    return Decimal("0.01") if pair[1] == "JPY" else Decimal("0.0001")


def _kind(core: str, mode: str) -> InstrumentKind:
    pair = symbols.pair_of(core)
    if pair is not None:
        return InstrumentKind.METAL if pair[0] in symbols.METALS else InstrumentKind.FOREX
    if core in ("GOLD", "SILVER"):
        return InstrumentKind.METAL
    if mode in _FUTURES:
        return InstrumentKind.FUTURE
    if mode == "EXCH_STOCKS" or not symbols.is_known(core):
        return InstrumentKind.STOCK
    return InstrumentKind.CRYPTO if symbols.is_coin(core) else InstrumentKind.INDEX
