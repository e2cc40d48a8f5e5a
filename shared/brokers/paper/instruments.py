"""TradingView symbol -> Instrument, pure. Any symbol gets a sane one; `2!` (a later month) none."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from functools import lru_cache

from msgspec.structs import replace

from shared.brokers.paper.catalog import (
    COARSE_CURRENCIES,
    CRYPTO,
    CRYPTO_QUOTES,
    FUTURES,
    INDICES,
    ISO_CURRENCIES,
    METAL_NAMES,
    METALS,
    MONTH_CODES,
    Future,
)
from shared.models.market import Instrument, InstrumentKind

D = Decimal
ONE_THOUSAND = D(1000)

_CONTINUOUS = re.compile(r"^([A-Z0-9]{1,4}?)([1-9])!$")
_CONTRACT = re.compile(r"^([A-Z0-9]{1,4}?)([FGHJKMNQUVXZ])(20\d\d|\d\d?)$")
_STOCK = re.compile(r"^[A-Z0-9][A-Z0-9.\-_/&]{0,31}$")


def instrument_for(tv_symbol: str, today: date) -> Instrument | None:
    """The instrument for `EXCHANGE:TICKER` or `TICKER`. `today` (UTC) decides a future's active month."""
    said = tv_symbol.strip().upper().rpartition(":")[2]
    ticker = METAL_NAMES.get(said, said)
    for reader in (_continuous, _month, _pair, _metal, _index, _crypto, _stock):
        found = reader(ticker, today)
        if found is not None:
            return found if found.symbol == said else replace(found, why=_why(said, found))
    return None


def _why(said: str, found: Instrument) -> str:
    what = "the active contract" if _CONTINUOUS.match(said) else "another word for it"
    return f"{said} is {found.symbol}: {what}"


cached_instrument = lru_cache(maxsize=4096)(instrument_for)
"""The same, remembered: a day's symbols are few and asked for with every order."""


def _continuous(ticker: str, today: date) -> Instrument | None:
    match = _CONTINUOUS.match(ticker)
    if not match:
        return None
    root, place = match.groups()
    spec = FUTURES.get(root)
    # The second month is a chart, not a contract we would trade unasked; an unknown root has no known tick.
    return _future(root, spec, active_month(spec, today)) if spec and place == "1" else None


def _month(ticker: str, today: date) -> Instrument | None:
    match = _CONTRACT.match(ticker)
    if not match or match[1] not in FUTURES:
        return None
    root, code, year_text = match.groups()
    spec = FUTURES[root]
    return _future(root, spec, (_year(year_text, today), code)) if code in spec.months else None


def _year(text: str, today: date) -> int:
    """6 -> 2026, 26 -> 2026, 2026 -> 2026: the first such year that is not long past."""
    if len(text) == 4:
        return int(text)
    cycle = 10 if len(text) == 1 else 100
    return today.year - 1 + (int(text) - (today.year - 1)) % cycle


def active_month(spec: Future, today: date) -> tuple[int, str]:
    """Year and month code of the contract that `1!` means today."""
    year = today.year
    for ahead in range(30):
        index = today.month - 1 + ahead
        code = MONTH_CODES[index % 12]
        if code in spec.months and today < _rolls_on(spec, year + index // 12, index % 12 + 1):
            return year + index // 12, code
    raise ValueError("a future without months")


def _rolls_on(spec: Future, year: int, month: int) -> date:
    index = year * 12 + month - 1 - spec.roll_months
    return date(index // 12, index % 12 + 1, spec.roll_day)


def _future(root: str, spec: Future, month: tuple[int, str]) -> Instrument:
    year, code = month
    contract = f"{root}{code}{year}"
    return Instrument(
        symbol=contract,
        venue_symbol=contract,
        root=root,
        kind=InstrumentKind.FUTURE,
        tick_size=spec.tick,
        tick_value=spec.tick_value,
        qty_step=D(1),
        qty_min=D(1),
        qty_max=D(1000),
        contract_size=spec.tick_value / spec.tick,
        quote_currency=spec.currency,
        qty_unit="contracts",
    )


def _cfd(
    symbol: str,
    kind: InstrumentKind,
    *,
    tick: Decimal,
    lot: Decimal,
    step: Decimal,
    quote: str,
    base: str | None = None,
    pip: Decimal | None = None,
    largest: Decimal = ONE_THOUSAND,
    unit: str = "lots",
) -> Instrument:
    return Instrument(
        symbol=symbol,
        venue_symbol=symbol,
        root=symbol,
        kind=kind,
        tick_size=tick,
        tick_value=tick * lot,
        qty_step=step,
        qty_min=step,
        qty_max=largest,
        contract_size=lot,
        quote_currency=quote,
        qty_unit=unit,
        base_currency=base,
        pip_size=pip,
    )


def _pair(ticker: str, today: date) -> Instrument | None:
    base, quote = ticker[:3], ticker[3:6]
    if len(ticker) != 6 or base not in ISO_CURRENCIES or quote not in ISO_CURRENCIES or base == quote:
        return None
    tick = D("0.001") if quote in COARSE_CURRENCIES else D("0.00001")
    pip = D("0.01") if quote == "JPY" else D("0.0001")
    return _cfd(
        ticker,
        InstrumentKind.FOREX,
        tick=tick,
        lot=D(100_000),
        step=D("0.01"),
        quote=quote,
        base=base,
        pip=pip,
    )


def _metal(ticker: str, today: date) -> Instrument | None:
    spec, quote = METALS.get(ticker[:3]), ticker[3:]
    if spec is None or quote not in ISO_CURRENCIES:
        return None
    tick, lot = spec
    return _cfd(
        ticker, InstrumentKind.METAL, tick=tick, lot=lot, step=D("0.01"), quote=quote, base=ticker[:3]
    )


def _index(ticker: str, today: date) -> Instrument | None:
    quote = INDICES.get(ticker)
    if quote is None:
        return None
    return _cfd(ticker, InstrumentKind.INDEX, tick=D("0.01"), lot=D(1), step=D("0.01"), quote=quote)


def _crypto(ticker: str, today: date) -> Instrument | None:
    """Spot and perpetual (`BTCUSDT.P`): a known coin against anything, or any coin against a dollar token."""
    plain = ticker.removesuffix(".P").removesuffix("PERP")
    for quote in CRYPTO_QUOTES:
        base = plain.removesuffix(quote)
        if not base or base == plain:
            continue
        if base in CRYPTO or quote in ("USDT", "USDC", "FDUSD", "BUSD"):
            tick = D("0.01") if base in ("BTC", "XBT", "ETH", "BNB") and len(quote) > 2 else D("0.00001")
            return _cfd(
                ticker,
                InstrumentKind.CRYPTO,
                tick=tick,
                lot=D(1),
                step=D("0.001"),
                quote=quote,
                base=base,
                largest=D(10_000_000),
            )
    return None


def _stock(ticker: str, today: date) -> Instrument | None:
    if not _STOCK.match(ticker):
        return None
    return _cfd(
        ticker,
        InstrumentKind.STOCK,
        tick=D("0.01"),
        lot=D(1),
        step=D(1),
        quote="USD",
        largest=D(100_000),
        unit="units",
    )
