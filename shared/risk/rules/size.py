"""How much, of what, on which side: symbols, sides, quantities, margin, opposite positions."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from shared.models.command import Leg
from shared.models.enums import CommandKind
from shared.models.limits import MarginUse, MaxQty, NoOpposite, ScalingStep, Sides
from shared.models.reasons import Reason
from shared.models.symbol_key import symbol_key
from shared.risk.book import ZERO
from shared.risk.decision import Denied
from shared.risk.grid import shown
from shared.risk.margin import margin_after
from shared.risk.micros import MINI_OF, mini
from shared.risk.rules.base import OFF, Judged, Verdict, ask_scopes, at_most, compared, unknown
from shared.risk.rules.case import Case

_ALL = "the whole account"


def symbol_allowed(case: Case) -> Verdict:
    """Only symbols on the account's list and on the endpoint's list are opened. No list = every symbol."""
    limits, endpoint = case.ctx.limits.allowed_symbols, case.ctx.endpoint.allowed_symbols
    lists = [
        (where, each) for where, each in (("account", limits), ("endpoint", endpoint)) if each is not None
    ]
    if not lists:
        return OFF
    for where, allowed in lists:
        names = {symbol_key(each) for each in allowed}
        for leg in case.limited:
            if not names & _names(leg, case):
                numbers = {"symbol": leg.symbol, "allowed": ", ".join(allowed), "where": where}
                return Denied(Reason.SYMBOL_NOT_ALLOWED, numbers)
    return {"symbol": ", ".join(sorted({leg.symbol for leg in case.limited}))}


def sides(case: Case) -> Verdict:
    """Only the sides set are opened; none set means nothing."""
    return ask_scopes("sides", _sides, case)


def order_size(case: Case) -> Verdict:
    """No order is larger than the account's maximum or the endpoint's ceiling."""
    ceilings = (case.ctx.limits.max_order_qty, case.ctx.endpoint.max_qty)
    limit = min((each for each in ceilings if each is not None), default=None)
    if limit is None:
        return OFF
    qty = sum((leg.qty for leg in case.limited if _has_size(leg) and leg.qty is not None), ZERO)
    numbers = compared(qty, limit, limit - qty)
    return Denied(Reason.MAX_ORDER_SIZE, numbers) if qty > limit else numbers


def max_qty(case: Case) -> Verdict:
    """Positions and pending entries together never pass the contracts set, a micro counted as part of its mini."""
    return ask_scopes("max_qty", _max_qty, case)


def margin_use(case: Case) -> Verdict:
    """Margin in use, this order's included, never passes the percent of equity set."""
    return ask_scopes("margin_use", _margin_use, case)


def no_opposite(case: Case) -> Verdict:
    """Nothing is opened against what another account of the same trader holds or waits for in the same root."""
    return ask_scopes("no_opposite", _no_opposite, case)


def _names(leg: Leg, case: Case) -> set[str]:
    """What a leg's instrument may be called in a list: by itself, by its root, by the trader's own word."""
    word = case.ctx.word.tv_symbol if case.ctx.word is not None else None
    return {symbol_key(leg.symbol), leg.root.upper()} | ({symbol_key(word)} if word else set())


def _has_size(leg: Leg) -> bool:
    """A protect leg carries its position's quantity, which is not being ordered."""
    return leg.is_entry or leg.kind is CommandKind.MODIFY


def _sides(setting: Sides, case: Case) -> Iterator[Judged]:
    allowed = {"allowed": ", ".join(setting.allowed) or "none"}
    for leg in case.limited:
        side = "unknown" if leg.side is None else leg.side.value
        fits = side in setting.allowed
        yield Judged({"side": side, **allowed}, refused=None if fits else Reason.SIDE_NOT_ALLOWED)


# --- quantities -------------------------------------------------------------------------------------------------


def _max_qty(setting: MaxQty, case: Case) -> Iterator[Judged]:
    if not case.sizes:
        return
    minis = MINI_OF if setting.mini_of is None else setting.mini_of
    weighed = {
        root: qty / setting.micros_per_mini if root in minis else qty for root, qty in case.worst.items()
    }
    total = sum(weighed.values(), ZERO)
    if setting.per_account is not None:
        yield at_most(total, setting.per_account, Reason.MAX_QTY, more={"what": _ALL})
    if setting.scaling:
        yield _scaled(total, setting.scaling, case)
    if setting.per_symbol:
        roots = {leg.root.upper() for leg in case.limited}
        for name in sorted(roots | {mini(root, minis) for root in roots}):
            limit = setting.per_symbol.get(name)
            if limit is not None:
                micros = sum((qty for root, qty in weighed.items() if minis.get(root) == name), ZERO)
                value = case.worst.get(name, ZERO) + micros
                yield at_most(value, limit, Reason.MAX_QTY, more={"what": name})


def _scaled(total: Decimal, steps: Sequence[ScalingStep], case: Case) -> Judged:
    """The step by the profit at the start of the day; below the first step the first one counts."""
    initial, day = case.state.initial_balance, case.state.day
    if initial is None:
        return Judged({"asked_by": "max_qty"}, None, Reason.INITIAL_UNKNOWN)
    if day is None or day.start_balance is None:
        return Judged({"asked_by": "max_qty"}, None, Reason.DAY_START_UNKNOWN)
    profit = day.start_balance - initial
    reached = [each for each in steps if each.profit_from <= profit] or steps[:1]
    told = {"what": _ALL, "profit": shown(profit, 2)}
    return at_most(total, reached[-1].per_account, Reason.MAX_QTY, more=told)


# --- margin, opposite positions ---------------------------------------------------------------------------------


def _margin_use(setting: MarginUse, case: Case) -> Judged | tuple[()]:
    if not case.sizes:
        return ()
    equity, margin = case.equity, margin_after(case.book, case.legs, case.ctx, setting.leverage)
    if isinstance(equity, Denied):
        return unknown(equity)
    if isinstance(margin, Denied):
        return unknown(margin)
    told = {"margin": shown(margin, 2), "equity": shown(equity, 2), "currency": case.ctx.account.currency}
    if equity <= 0:
        return Judged(told, None, Reason.MARGIN_USE)
    return at_most(margin / equity * 100, setting.max_pct, Reason.MARGIN_USE, 2, told)


def _no_opposite(setting: NoOpposite, case: Case) -> Judged:
    if case.ctx.risk is None:
        return Judged({"what": "the other accounts are not known"}, None, Reason.POSITION_UNKNOWN)
    others = case.ctx.risk.others
    for leg in case.limited:
        root = mini(leg.root.upper())
        for each in others:
            if mini(each.root.upper()) == root and each.side is not leg.side:
                numbers = {"account": each.account_id, "held": each.side.value, "qty": shown(each.qty)}
                numbers |= {"root": each.root, "side": leg.side.value if leg.side else "unknown"}
                return Judged(numbers, None, Reason.OPPOSITE_ELSEWHERE)
    return Judged({"others": str(len(others))})
