"""What the market must look like: stops, spread, quote, and how far the price is from the alert's."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

from shared.models.command import Leg
from shared.models.enums import CommandKind, OrderType
from shared.models.limits import QuoteAge, Spread, StopDistance
from shared.models.reasons import Reason
from shared.risk.decision import Denied
from shared.risk.grid import shown
from shared.risk.rules.base import OFF, Judged, Verdict, ask_scopes, at_least, at_most, unknown
from shared.risk.rules.case import Case

_TICKS = {"unit": "ticks"}
_PERCENT = {"unit": "%"}
_MILLISECOND = timedelta(milliseconds=1)


def stop_required(case: Case) -> Verdict:
    """Where the account demands a stop, nothing is opened without one and no stop is removed."""
    if not case.ctx.limits.stop_required:
        return OFF
    naked = any(_is_naked(leg) for leg in case.limited)
    return Denied(Reason.STOP_REQUIRED, {"what": "account"}) if naked else {"required": "yes"}


def stop_distance(case: Case) -> Verdict:
    """No stop is nearer to the entry than the ticks or the percent of the price set."""
    return ask_scopes("stop_distance", _stop_distance, case)


def spread(case: Case) -> Verdict:
    """Nothing is opened while bid and ask are further apart than the ticks or the percent of the price set."""
    return ask_scopes("spread", _spread, case)


def quote_age(case: Case) -> Verdict:
    """Nothing is opened on a quote that is older than the seconds set."""
    return ask_scopes("quote_age", _quote_age, case)


def price_near_alert(case: Case) -> Verdict:
    """A market order is not sent when the price has moved further from the alert's price than allowed."""
    limit_pct = case.ctx.limits.max_price_deviation_pct
    if limit_pct is None:
        return OFF
    for leg in case.legs:
        ref, side = leg.ref_price, leg.side
        if not leg.is_entry or leg.type is not OrderType.MARKET or not ref or side is None:
            continue
        quote = case.quote
        if isinstance(quote, Denied):
            return quote
        price = quote.entry_price(side)
        deviation_pct = abs(price - ref) / abs(ref) * 100
        numbers = {"value": shown(deviation_pct, 3), "limit": shown(limit_pct)}
        numbers |= {"distance": shown(limit_pct - deviation_pct, 3)}
        numbers |= {"price": shown(price), "alert_price": shown(ref)}
        return Denied(Reason.PRICE_DEVIATION, numbers) if deviation_pct > limit_pct else numbers
    return {"limit": shown(limit_pct)}


def _is_naked(leg: Leg) -> bool:
    if leg.is_entry:
        return leg.protection.stop_loss is None
    return leg.protection.clear_stop_loss


def _stop_distance(setting: StopDistance, case: Case) -> Iterator[Judged]:
    instrument = case.instrument
    stopped = [(leg, stop) for leg in case.limited if (stop := leg.protection.stop_loss) is not None]
    if not stopped:
        yield Judged({"value": "no stop"})
        return
    if isinstance(instrument, Denied):
        yield unknown(instrument)
        return
    for leg, stop in stopped:
        entry = _entry_price(leg, case)
        if isinstance(entry, Denied):
            yield unknown(entry)
            return
        away = abs(entry - stop)
        if setting.min_ticks is not None:
            ticks = away / instrument.tick_size
            yield at_least(ticks, setting.min_ticks, Reason.STOP_DISTANCE, 2, _TICKS)
        if setting.min_pct is not None and entry:
            pct = away / abs(entry) * 100
            yield at_least(pct, setting.min_pct, Reason.STOP_DISTANCE, 4, _PERCENT)


def _entry_price(leg: Leg, case: Case) -> Decimal | Denied:
    """Where the order fills; for a stop that is moved, where the position would be closed now."""
    own = leg.price if leg.price is not None else leg.stop_price
    if own is not None:
        return own
    quote = case.quote
    if isinstance(quote, Denied) or leg.side is None:
        return quote if isinstance(quote, Denied) else Denied(Reason.SIDE_MISSING)
    return quote.entry_price(leg.side.opposite if leg.kind is CommandKind.PROTECT else leg.side)


def _spread(setting: Spread, case: Case) -> Iterator[Judged]:
    quote, instrument = case.quote, case.instrument
    if isinstance(quote, Denied):
        yield unknown(quote)
    elif isinstance(instrument, Denied):
        yield unknown(instrument)
    else:
        if setting.max_ticks is not None:
            ticks = quote.spread / instrument.tick_size
            yield at_most(ticks, setting.max_ticks, Reason.SPREAD_TOO_WIDE, 2, _TICKS)
        if setting.max_pct is not None:
            pct = quote.spread / quote.bid * 100
            yield at_most(pct, setting.max_pct, Reason.SPREAD_TOO_WIDE, 4, _PERCENT)


def _quote_age(setting: QuoteAge, case: Case) -> Judged:
    quote = case.quote
    if isinstance(quote, Denied):
        return unknown(quote)
    age_s = Decimal((case.ctx.now - quote.at) // _MILLISECOND) / 1000
    return at_most(age_s, setting.max_s, Reason.QUOTE_STALE)
