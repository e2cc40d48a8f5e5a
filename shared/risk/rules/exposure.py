"""Notional value in one symbol and in symbols that move together, in US dollars."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from shared.models.context import Elsewhere, RiskState
from shared.models.limits import Exposure, RuleScope
from shared.models.reasons import Reason
from shared.risk.book import ZERO
from shared.risk.decision import Denied
from shared.risk.margin import instrument_of, last_price
from shared.risk.money import account_per_usd, conversion_unknown, price_of_one_unit
from shared.risk.rules.base import OFF, Judged, Verdict, at_most, tightest, unknown
from shared.risk.rules.case import Case


def exposure(case: Case) -> Verdict:
    """The notional value in one symbol, or in a group that moves together, never passes the dollars set.

    Positions and pending entries count at the last price (others' at their entry), long and short never cancel
    between symbols; set for the user, what the trader's other accounts hold is added.
    """
    sets = case.ctx.limits.rule_sets
    if not case.sizes or all(each.rules.exposure is None for each in sets):
        return OFF
    worth = _Worth(case)
    return tightest(
        [
            (each.scope, judged)
            for each in sets
            if each.rules.exposure is not None
            for judged in worth.judge(each.scope, each.rules.exposure)
        ]
    )


class _Worth:
    """What each root is worth in dollars, asked once for all scopes."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._roots = sorted({leg.root for leg in case.limited})
        self._known: dict[tuple[str, bool], Decimal | Denied] = {}

    def judge(self, scope: RuleScope, setting: Exposure) -> Iterator[Judged]:
        """What the setting of one scope says."""
        everywhere = scope == "user"
        if everywhere and self._case.ctx.risk is None:
            yield unknown(Denied(Reason.POSITION_UNKNOWN, {"what": "the other accounts are not known"}))
            return
        if setting.per_symbol_usd is not None:
            for root in self._roots:
                yield self._against((root,), root, setting.per_symbol_usd, everywhere)
        if setting.per_group_usd is not None:
            for name, members in (setting.groups or {}).items():
                if any(root.upper() in members for root in self._roots):
                    yield self._against(self._in(members), name, setting.per_group_usd, everywhere)

    def _in(self, members: Sequence[str]) -> list[str]:
        others = (each.root for each in _others(self._case))
        return sorted(each for each in {*self._case.book, *others} if each.upper() in members)

    def _against(self, roots: Sequence[str], what: str, limit: Decimal, everywhere: bool) -> Judged:
        total = ZERO
        for root in roots:
            value = self._of(root, everywhere)
            if isinstance(value, Denied):
                return unknown(value)
            total += value
        return at_most(total, limit, Reason.EXPOSURE, 2, {"what": what})

    def _of(self, root: str, everywhere: bool) -> Decimal | Denied:
        found = self._known.get((root, everywhere))
        if found is None:
            found = _own(root, self._case)
            elsewhere = _elsewhere(root, self._case) if everywhere else ZERO
            if not isinstance(found, Denied):
                found = elsewhere if isinstance(elsewhere, Denied) else found + elsewhere
            self._known[root, everywhere] = found
        return found


def _others(case: Case) -> Sequence[Elsewhere]:
    return (case.ctx.risk or RiskState()).others


def _own(root: str, case: Case) -> Decimal | Denied:
    held = case.book.get(root)
    qty = ZERO if held is None else held.worst(case.ctx.account.margin_mode)
    if qty <= 0:
        return ZERO
    unit = _usd_of_one(root, case)
    return unit if isinstance(unit, Denied) else qty * unit


def _elsewhere(root: str, case: Case) -> Decimal | Denied:
    """What the other accounts hold: at the value they were recorded with, else as if it were ours."""
    total = ZERO
    for each in _others(case):
        if each.root != root:
            continue
        if each.notional_usd is not None:
            total += abs(each.notional_usd)
            continue
        unit = _usd_of_one(root, case)
        if isinstance(unit, Denied):
            return unit
        total += each.qty * unit
    return total


def _usd_of_one(root: str, case: Case) -> Decimal | Denied:
    """US dollars that a quantity of 1 is worth."""
    ctx = case.ctx
    instrument, price, rate = instrument_of(root, ctx), last_price(root, ctx), account_per_usd(ctx)
    if instrument is None:
        return _recorded(root, case)
    if isinstance(price, Denied):
        return price
    worth = price_of_one_unit(price, instrument, ctx)
    if worth is None or not rate:
        return conversion_unknown(instrument.quote_currency if worth is None else "USD", ctx)
    return worth / rate


def _recorded(root: str, case: Case) -> Decimal | Denied:
    """From the values that entries on their way were recorded with, where the broker states nothing."""
    flying = (case.ctx.risk or RiskState()).in_flight
    known = [
        abs(each.notional_usd) / each.qty
        for each in flying
        if each.root == root and each.notional_usd is not None and each.qty > 0
    ]
    return max(known) if known else Denied(Reason.INSTRUMENT_UNKNOWN, {"symbol": root})
