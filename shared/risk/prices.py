"""Where stops and targets lie: their modes turned into prices, moved onto the tick, and judged.

A mode other than `price` is a distance from an anchor: the expected entry before the fill, the average
fill after it (`anchor_to_fill`), a position's entry price when it is modified."""

from decimal import Decimal

from msgspec import Struct

from shared.models.command import Leg, Protection
from shared.models.context import RiskContext
from shared.models.enums import OrderType, Side, StopMode
from shared.models.market import Instrument, InstrumentKind, Quote
from shared.models.reasons import Reason
from shared.models.signal import StopSpec
from shared.risk.decision import Denied
from shared.risk.grid import shown, stop_on_grid, target_on_grid
from shared.risk.money import account_per_usd, loss_tick_value

# Traded currencies of ISO 4217 that have a pip by convention. Metals (XAU, XAG) are in ISO and have none.
PIP_CURRENCIES = frozenset(
    {"AUD", "BRL", "CAD", "CHF", "CLP", "CNH", "CNY", "CZK", "DKK", "EUR", "GBP"}
    | {"HKD", "HUF", "IDR", "ILS", "INR", "JPY", "KRW", "MXN", "MYR", "NOK", "NZD"}
    | {"PHP", "PLN", "RON", "RUB", "SAR", "SEK", "SGD", "THB", "TRY", "TWD", "USD", "ZAR"}
)
PIP = Decimal("0.0001")
PIP_IN_JPY = Decimal("0.01")


class Anchor(Struct, frozen=True):
    """What a distance is measured from. `side` is the position's.

    `loss_per_price_unit` is what the whole order loses when the price moves by 1, in US dollars; None = not
    known: then mode `usd` cannot be used.
    """

    side: Side
    price: Decimal
    instrument: Instrument
    loss_per_price_unit: Decimal | None = None

    def away(self, distance: Decimal) -> Decimal:
        """The price `distance` on the losing side."""
        return self.price - distance if self.side is Side.BUY else self.price + distance


def anchor_at(
    price: Decimal, side: Side, instrument: Instrument, ctx: RiskContext, qty: Decimal | None = None
) -> Anchor:
    """An anchor at `price`; with the order's or position's quantity, `usd` means the loss of all of it."""
    tick_value, per_usd = loss_tick_value(instrument, ctx), account_per_usd(ctx)
    if qty is None or tick_value is None or not per_usd:
        return Anchor(side, price, instrument)
    return Anchor(side, price, instrument, qty * tick_value / instrument.tick_size / per_usd)


def pip_size(instrument: Instrument) -> Decimal | None:
    """The venue's or configured pip; 0.0001 (0.01 in JPY) for a pair of two currencies; else undefined."""
    if instrument.pip_size is not None:
        return instrument.pip_size
    pair = (instrument.base_currency, instrument.quote_currency)
    if instrument.kind is not InstrumentKind.FOREX or not all(each in PIP_CURRENCIES for each in pair):
        return None
    return PIP_IN_JPY if instrument.quote_currency == "JPY" else PIP


def distance(spec: StopSpec, anchor: Anchor, stop_distance: Decimal | None = None) -> Decimal | Denied:
    """The distance from the anchor a mode stands for, in price units. `stop_distance` is for `rr`."""
    value = spec.value
    if value is None or value < 0:
        return Denied(Reason.INVALID, {"mode": spec.mode, "value": "none" if value is None else shown(value)})
    match spec.mode:
        case StopMode.OFFSET:
            return value
        case StopMode.TICKS:
            return value * anchor.instrument.tick_size
        case StopMode.PCT:
            return value / 100 * anchor.price
        case StopMode.PIPS:
            return _pips(value, anchor.instrument)
        case StopMode.USD:
            return _usd(value, anchor)
        case StopMode.RR:
            what = {"what": "target", "mode": StopMode.RR.value}
            return Denied(Reason.STOP_REQUIRED, what) if stop_distance is None else value * stop_distance
        case _:
            return abs(value - anchor.price)


def _pips(value_pips: Decimal, instrument: Instrument) -> Decimal | Denied:
    pip = pip_size(instrument)
    if pip is None:
        return Denied(Reason.PIP_UNDEFINED, {"symbol": instrument.symbol, "use": "offset or ticks"})
    return value_pips * pip


def _usd(loss_usd: Decimal, anchor: Anchor) -> Decimal | Denied:
    if not anchor.loss_per_price_unit:
        return Denied(Reason.CONVERSION_UNKNOWN, {"from": "USD", "to": anchor.instrument.quote_currency})
    return loss_usd / anchor.loss_per_price_unit


def stop_price(spec: StopSpec, anchor: Anchor) -> Decimal | Denied:
    """The stop-loss as a price on the tick, moved toward the entry. May it be there: `stop_refused`."""
    apart = distance(spec, anchor)
    if isinstance(apart, Denied):
        return apart
    price = spec.value if spec.mode is StopMode.PRICE and spec.value is not None else anchor.away(apart)
    return stop_on_grid(price, anchor.side, anchor.instrument.tick_size)


def target_price(spec: StopSpec, anchor: Anchor, stop: Decimal | None) -> Decimal | Denied:
    """The take-profit as a price on the tick, moved toward the entry. `stop` is what `rr` multiplies."""
    apart = distance(spec, anchor, None if stop is None else abs(anchor.price - stop))
    if isinstance(apart, Denied):
        return apart
    price = spec.value if spec.mode is StopMode.PRICE and spec.value is not None else anchor.away(-apart)
    return target_on_grid(price, anchor.side, anchor.instrument.tick_size)


def stop_refused(
    stop: Decimal, anchor: Anchor, quote: Quote | None, entry: OrderType, ref_price: Decimal | None = None
) -> Denied | None:
    """Why an entry may not have this stop: wrong side, nearer than spread or minimum, or passed."""
    numbers = {"what": "stop", "stop": shown(stop), "entry": shown(anchor.price), "side": anchor.side.value}
    beyond = _signed(anchor.price - stop, anchor.side)
    if beyond <= 0 or stop <= 0:
        was_right = ref_price is not None and _signed(ref_price - stop, anchor.side) > 0
        if was_right and stop > 0 and entry is OrderType.MARKET:
            return Denied(Reason.STOP_PASSED, numbers | {"market": shown(anchor.price)})
        return Denied(Reason.STOP_WRONG_SIDE, numbers)
    nearest = max(anchor.instrument.min_stop_distance, quote.spread if quote else Decimal(0))
    if beyond < nearest:
        return Denied(Reason.STOP_TOO_CLOSE, numbers | {"distance": shown(beyond), "minimum": shown(nearest)})
    if quote is not None and entry is not OrderType.STOP:
        exit_price = quote.entry_price(anchor.side.opposite)
        if _signed(exit_price - stop, anchor.side) <= 0:
            return Denied(Reason.STOP_PASSED, numbers | {"market": shown(exit_price)})
    return None


def target_refused(target: Decimal, anchor: Anchor) -> Denied | None:
    """Why an entry at `anchor` may not have this target: wrong side, or nearer than the venue's minimum."""
    prices = {"target": shown(target), "entry": shown(anchor.price)}
    numbers = {"what": "target", **prices, "side": anchor.side.value}
    beyond = _signed(target - anchor.price, anchor.side)
    if beyond <= 0 or target <= 0:
        return Denied(Reason.STOP_WRONG_SIDE, numbers)
    nearest = anchor.instrument.min_stop_distance
    if beyond < nearest:
        return Denied(Reason.STOP_TOO_CLOSE, numbers | {"distance": shown(beyond), "minimum": shown(nearest)})
    return None


def passed_by_market(stop: Decimal, side: Side, quote: Quote) -> Denied | None:
    """Why an open position on `side` may not get this stop now: the market is already there."""
    market = quote.entry_price(side.opposite)
    if stop > 0 and _signed(market - stop, side) > 0:
        return None
    numbers = {"what": "stop", "stop": shown(stop), "market": shown(market), "side": side.value}
    return Denied(Reason.STOP_PASSED if stop > 0 else Reason.STOP_WRONG_SIDE, numbers)


def anchor_to_fill(leg: Leg, average_fill_price: Decimal, instrument: Instrument) -> Protection:
    """The protection of an entry, measured again from its average fill; what was given as a price stays.

    `leg.sl` and `leg.tp` hold no `usd` any more: the plan made the whole order's loss an offset.
    """
    side = leg.side or Side.BUY
    anchor = Anchor(side, average_fill_price, instrument)
    stop = _again(leg.sl, leg.protection.stop_loss, stop_price(leg.sl, anchor) if leg.sl else None)
    again = target_price(leg.tp, anchor, stop) if leg.tp else None
    target = _again(leg.tp, leg.protection.take_profit, again)
    return Protection(stop_loss=stop, take_profit=target)


def _again(spec: StopSpec | None, before: Decimal | None, now: Decimal | Denied | None) -> Decimal | None:
    if spec is None or spec.mode is StopMode.PRICE or now is None or isinstance(now, Denied):
        return before
    return now


def _signed(value: Decimal, side: Side) -> Decimal:
    return value if side is Side.BUY else -value
