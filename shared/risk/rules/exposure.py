"""Notional value in one symbol and in symbols that move together, in US dollars."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from shared.models.command import Leg
from shared.models.context import RiskContext
from shared.models.limits import Exposure, RuleScope
from shared.models.reasons import Reason
from shared.risk.book import ZERO, Held, book_after, sizes
from shared.risk.decision import Denied
from shared.risk.margin import instrument_of, last_price
from shared.risk.money import account_per_usd, conversion_unknown, price_of_one_unit
from shared.risk.rules.base import OFF, Judged, Verdict, at_most, limited, tightest, unknown


def exposure(legs: Sequence[Leg], ctx: RiskContext) -> Verdict:
    """The notional value in one symbol, or in a group that moves together, never passes the dollars set.

    Positions and pending entries count at the last price (others' at their entry), long and short never cancel
    between symbols; set for the user, what the trader's other accounts hold is added.
    """
    if all(each.rules.exposure is None for each in ctx.limits.rule_sets) or not sizes(legs):
        return OFF
    book = book_after(legs, ctx)
    roots = sorted({leg.root for leg in limited(legs)})
    return tightest(
        (each.scope, judged)
        for each in ctx.limits.rule_sets
        if each.rules.exposure is not None
        for judged in _judged(each.scope, each.rules.exposure, roots, book, ctx)
    )


def _judged(
    scope: RuleScope, setting: Exposure, roots: Sequence[str], book: Mapping[str, Held], ctx: RiskContext
) -> Iterator[Judged]:
    if setting.per_symbol_usd is not None:
        for root in roots:
            yield _against((root,), root, setting.per_symbol_usd, scope, book, ctx)
    if setting.per_group_usd is None:
        return
    others = ctx.risk.others if ctx.risk is not None and scope == "user" else ()
    known = {*book, *(each.root for each in others)}
    for name, members in (setting.groups or {}).items():
        if any(root.upper() in members for root in roots):
            found = sorted(each for each in known if each.upper() in members)
            yield _against(found, name, setting.per_group_usd, scope, book, ctx)


def _against(
    roots: Sequence[str],
    what: str,
    limit: Decimal,
    scope: RuleScope,
    book: Mapping[str, Held],
    ctx: RiskContext,
) -> Judged:
    if scope == "user" and ctx.risk is None:
        return unknown(Denied(Reason.POSITION_UNKNOWN, {"what": "the other accounts are not known"}))
    total = ZERO
    for root in roots:
        for value in (_own(root, book, ctx), _elsewhere(root, ctx) if scope == "user" else ZERO):
            if isinstance(value, Denied):
                return unknown(value)
            total += value
    return at_most(total, limit, Reason.EXPOSURE, 2, {"what": what})


def _own(root: str, book: Mapping[str, Held], ctx: RiskContext) -> Decimal | Denied:
    qty = book[root].worst(ctx.account.margin_mode) if root in book else ZERO
    if qty <= 0:
        return ZERO
    unit = _usd_of_one(root, ctx)
    return unit if isinstance(unit, Denied) else qty * unit


def _elsewhere(root: str, ctx: RiskContext) -> Decimal | Denied:
    """What the other accounts hold: at the value they were recorded with, else as if it were ours."""
    total = ZERO
    for each in ctx.risk.others if ctx.risk is not None else ():
        if each.root != root:
            continue
        if each.notional_usd is not None:
            total += abs(each.notional_usd)
            continue
        unit = _usd_of_one(root, ctx)
        if isinstance(unit, Denied):
            return unit
        total += each.qty * unit
    return total


def _usd_of_one(root: str, ctx: RiskContext) -> Decimal | Denied:
    """US dollars that a quantity of 1 is worth."""
    instrument, price, rate = instrument_of(root, ctx), last_price(root, ctx), account_per_usd(ctx)
    if instrument is None:
        return _recorded(root, ctx)
    if isinstance(price, Denied):
        return price
    worth = price_of_one_unit(price, instrument, ctx)
    if worth is None or not rate:
        return conversion_unknown(instrument.quote_currency if worth is None else "USD", ctx)
    return worth / rate


def _recorded(root: str, ctx: RiskContext) -> Decimal | Denied:
    """From the values that entries on their way were recorded with, where the broker states nothing."""
    flying = [each for each in (ctx.risk.in_flight if ctx.risk else ()) if each.root == root and each.qty > 0]
    known = [abs(each.notional_usd) / each.qty for each in flying if each.notional_usd is not None]
    return max(known) if known else Denied(Reason.INSTRUMENT_UNKNOWN, {"symbol": root})
