"""Money of one account: what a tick is worth in its currency, and what it may be sized from.

None means the conversion is not known (no rate, or none <= 60 s old): the caller denies
`conversion_unknown`."""

from datetime import timedelta
from decimal import Decimal

from shared.models.context import RiskContext
from shared.models.enums import Freshness
from shared.models.market import Instrument, Quote
from shared.models.reasons import Reason
from shared.risk.decision import Denied
from shared.risk.grid import shown

BALANCE_MAX_AGE = timedelta(seconds=5)
QUOTE_MAX_AGE = timedelta(seconds=60)


def account_per_usd(ctx: RiskContext) -> Decimal | None:
    """Account currency for one US dollar."""
    return Decimal(1) if ctx.account.currency == "USD" else ctx.usd_rate


def account_per(currency: str, ctx: RiskContext) -> Decimal | None:
    """Account currency for one unit of `currency`."""
    if currency == ctx.account.currency:
        return Decimal(1)
    rate = ctx.rates.get(currency)
    return account_per_usd(ctx) if rate is None and currency == "USD" else rate


def loss_tick_value(instrument: Instrument, ctx: RiskContext) -> Decimal | None:
    """What one losing tick costs on a quantity of 1, in account currency."""
    rate = account_per(instrument.quote_currency, ctx)
    return None if rate is None else (instrument.loss_tick_value or instrument.tick_value) * rate


def price_of_one_unit(price: Decimal, instrument: Instrument, ctx: RiskContext) -> Decimal | None:
    """The notional value of a quantity of 1 at `price`, in account currency."""
    rate = account_per(instrument.quote_currency, ctx)
    return None if rate is None else price / instrument.tick_size * instrument.tick_value * rate


def conversion_unknown(currency: str, ctx: RiskContext) -> Denied:
    return Denied(Reason.CONVERSION_UNKNOWN, {"from": currency, "to": ctx.account.currency})


def known_base(ctx: RiskContext) -> Decimal | None:
    """min(balance, equity) as last read, however old: good enough for a ceiling, never for a size."""
    if ctx.account.balance is None or ctx.account.equity is None:
        return None
    return min(ctx.account.balance, ctx.account.equity)


def fresh_base(ctx: RiskContext) -> Decimal | Denied:
    """min(balance, equity), read at most 5 seconds ago: what a size in percent counts from."""
    base = known_base(ctx)
    return _unread(ctx) or (Denied(Reason.BALANCE_UNKNOWN) if base is None else base)


def fresh_equity(ctx: RiskContext) -> Decimal | Denied:
    """Equity, read at most 5 seconds ago."""
    equity = ctx.account.equity
    return _unread(ctx) or (Denied(Reason.BALANCE_UNKNOWN) if equity is None else equity)


def _unread(ctx: RiskContext) -> Denied | None:
    account = ctx.account
    if account.as_of is None or account.freshness is Freshness.UNKNOWN:
        return Denied(Reason.BALANCE_UNKNOWN)
    age = ctx.now - account.as_of
    if account.freshness is Freshness.FRESH and age <= BALANCE_MAX_AGE:
        return None
    numbers = {"age_s": _seconds(age), "limit_s": _seconds(BALANCE_MAX_AGE)}
    return Denied(Reason.BALANCE_UNKNOWN, numbers)


def usable_quote(ctx: RiskContext) -> Quote | Denied:
    """The quote, if there is one with two sane sides that is at most 60 seconds old."""
    quote = ctx.quote
    if quote is None or not Decimal(0) < quote.bid <= quote.ask:
        return Denied(Reason.NO_QUOTE)
    age = ctx.now - quote.at
    if age > QUOTE_MAX_AGE:
        return Denied(Reason.NO_QUOTE, {"age_s": _seconds(age), "limit_s": _seconds(QUOTE_MAX_AGE)})
    return quote


def usable_instrument(ctx: RiskContext) -> Instrument | Denied:
    """The instrument, if what the broker states about it can be calculated with."""
    instrument = ctx.instrument
    if instrument is None:
        return Denied(Reason.INSTRUMENT_UNKNOWN)
    factors = {
        "tick_size": instrument.tick_size,
        "tick_value": instrument.tick_value,
        "qty_step": instrument.qty_step,
        "contract_size": instrument.contract_size,
    }
    unusable = {name: shown(value) for name, value in factors.items() if value <= 0}
    return (
        Denied(Reason.INSTRUMENT_UNKNOWN, {"symbol": instrument.symbol} | unusable)
        if unusable
        else instrument
    )


def _seconds(age: timedelta) -> str:
    return shown(Decimal(str(age.total_seconds())), 1)
