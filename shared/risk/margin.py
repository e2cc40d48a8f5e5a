"""The margin in use once a plan is done, in account currency."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from shared.models.command import Leg
from shared.models.context import RiskContext
from shared.models.enums import CommandKind
from shared.models.market import Instrument
from shared.models.reasons import Reason
from shared.risk.book import ZERO, Held
from shared.risk.decision import Denied
from shared.risk.money import conversion_unknown, price_of_one_unit, usable_quote


def instrument_of(root: str, ctx: RiskContext) -> Instrument | None:
    """What the broker states about a root: of the signal's own, or of one the account holds."""
    if ctx.instrument is not None and ctx.instrument.root == root:
        return ctx.instrument
    return ctx.held.get(root)


def margin_of(legs: Sequence[Leg], ctx: RiskContext, leverage: Decimal | None = None) -> Decimal | Denied:
    """What the entries among these legs need themselves. Denied where it is not known."""
    total = ZERO
    for leg in legs:
        cost = _cost(leg.root, leg.qty or ZERO, ctx, leverage) if leg.is_entry else ZERO
        if isinstance(cost, Denied):
            return cost
        total += cost
    return total


def margin_after(
    book: Mapping[str, Held], legs: Sequence[Leg], ctx: RiskContext, leverage: Decimal | None = None
) -> Decimal | Denied:
    """What the broker says is used (else what the positions need), less what the plan closes, plus every entry
    of `book` (what is held once everything is filled). Denied where the margin of one of them is not known.
    """
    total = ZERO if ctx.margin_used is None else ctx.margin_used
    for root, held in book.items():
        qty = max(held.buys, held.sells)
        if ctx.margin_used is None:
            qty += held.long + held.short
        cost = _cost(root, qty, ctx, leverage)
        if isinstance(cost, Denied):
            return cost
        total += cost
    if ctx.margin_used is not None:
        total -= _released(legs, ctx, leverage)
    return max(total, ZERO)


def _released(legs: Sequence[Leg], ctx: RiskContext, leverage: Decimal | None) -> Decimal:
    """What closing frees; nothing where it cannot be told."""
    freed = ZERO
    for leg in legs:
        if leg.kind is CommandKind.CLOSE:
            cost = _cost(leg.root, leg.qty or leg.held_qty or ZERO, ctx, leverage)
            freed += ZERO if isinstance(cost, Denied) else cost
    return freed


def _cost(root: str, qty: Decimal, ctx: RiskContext, leverage: Decimal | None) -> Decimal | Denied:
    if qty <= 0:
        return ZERO
    instrument = instrument_of(root, ctx)
    if instrument is not None and instrument.margin_per_unit is not None:
        return qty * instrument.margin_per_unit
    if instrument is None or leverage is None:
        return Denied(Reason.INSTRUMENT_UNKNOWN, {"symbol": root, "what": "margin"})
    price = last_price(root, ctx)
    if isinstance(price, Denied):
        return price
    notional = price_of_one_unit(price, instrument, ctx)
    return (
        conversion_unknown(instrument.quote_currency, ctx) if notional is None else qty * notional / leverage
    )


def last_price(root: str, ctx: RiskContext) -> Decimal | Denied:
    """The ask of the signal's own symbol; of another one the highest price it was opened or ordered at."""
    if ctx.instrument is not None and ctx.instrument.root == root:
        quote = usable_quote(ctx)
        return quote if isinstance(quote, Denied) else quote.ask
    prices = [each.entry_price for each in ctx.positions if each.root == root]
    for each in ctx.orders:
        price = each.price or each.stop_price
        if price is not None and each.root == root and each.is_entry:
            prices.append(price)
    return max(prices) if prices else Denied(Reason.NO_QUOTE, {"symbol": root})
