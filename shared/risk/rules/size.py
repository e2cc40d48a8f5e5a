"""How much, of what, on which side: symbols, sides, quantities, exposure, margin, opposite positions."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from shared.models.command import Leg
from shared.models.context import RiskContext
from shared.models.enums import CommandKind
from shared.models.limits import MarginUse, MaxQty, NoOpposite, ScalingStep, Sides
from shared.models.reasons import Reason
from shared.models.symbol_key import symbol_key
from shared.risk.book import ZERO, book_after, sizes
from shared.risk.decision import Denied
from shared.risk.floors import current
from shared.risk.grid import shown
from shared.risk.margin import margin_after
from shared.risk.micros import mini
from shared.risk.money import fresh_equity
from shared.risk.rules.base import (
    OFF,
    Judged,
    Verdict,
    ask_scopes,
    at_most,
    limited,
    unknown,
)

_ALL = "the whole account"


def symbol_allowed(legs: Sequence[Leg], ctx: RiskContext) -> Verdict:
    """Only symbols on the account's list and on the endpoint's list are opened. No list = every symbol."""
    lists = (("account", ctx.limits.allowed_symbols), ("endpoint", ctx.endpoint.allowed_symbols))
    asked = False
    for where, allowed in lists:
        if allowed is None:
            continue
        asked, names = True, {symbol_key(each) for each in allowed}
        for leg in limited(legs):
            if not names & _names(leg, ctx):
                numbers = {"symbol": leg.symbol, "allowed": ", ".join(allowed), "where": where}
                return Denied(Reason.SYMBOL_NOT_ALLOWED, numbers)
    return {"symbol": ", ".join(sorted({leg.symbol for leg in limited(legs)}))} if asked else OFF


def sides(legs: Sequence[Leg], ctx: RiskContext) -> Verdict:
    """Only the sides set are opened; none set means nothing."""
    return ask_scopes("sides", _sides, legs, ctx)


def order_size(legs: Sequence[Leg], ctx: RiskContext) -> Verdict:
    """No order is larger than the account's maximum or the endpoint's ceiling."""
    ceilings = (ctx.limits.max_order_qty, ctx.endpoint.max_qty)
    limit = min((each for each in ceilings if each is not None), default=None)
    if limit is None:
        return OFF
    qty = sum((leg.qty for leg in limited(legs) if _has_size(leg) and leg.qty is not None), ZERO)
    numbers = {"value": shown(qty), "limit": shown(limit), "distance": shown(limit - qty)}
    return Denied(Reason.MAX_ORDER_SIZE, numbers) if qty > limit else numbers


def max_qty(legs: Sequence[Leg], ctx: RiskContext) -> Verdict:
    """Positions and pending entries together never pass the contracts set, a micro counted as part of its mini."""
    return ask_scopes("max_qty", _max_qty, legs, ctx)


def margin_use(legs: Sequence[Leg], ctx: RiskContext) -> Verdict:
    """Margin in use, this order's included, never passes the percent of equity set."""
    return ask_scopes("margin_use", _margin_use, legs, ctx)


def no_opposite(legs: Sequence[Leg], ctx: RiskContext) -> Verdict:
    """Nothing is opened against what another account of the same trader holds or waits for in the same root."""
    return ask_scopes("no_opposite", _no_opposite, legs, ctx)


def _names(leg: Leg, ctx: RiskContext) -> set[str]:
    """What a leg's instrument may be called in a list: by itself, by its root, by the trader's own word."""
    word = ctx.word.tv_symbol if ctx.word is not None else None
    return {symbol_key(leg.symbol), leg.root.upper()} | ({symbol_key(word)} if word else set())


def _has_size(leg: Leg) -> bool:
    """A protect leg carries its position's quantity, which is not being ordered."""
    return leg.is_entry or leg.kind is CommandKind.MODIFY


def _sides(setting: Sides, legs: Sequence[Leg], ctx: RiskContext) -> Iterator[Judged]:
    allowed = {"allowed": ", ".join(setting.allowed) or "none"}
    for leg in limited(legs):
        side = "unknown" if leg.side is None else leg.side.value
        fits = side in setting.allowed
        yield Judged({"side": side, **allowed}, ZERO, None if fits else Reason.SIDE_NOT_ALLOWED)


# --- quantities -------------------------------------------------------------------------------------------------


def _max_qty(setting: MaxQty, legs: Sequence[Leg], ctx: RiskContext) -> Iterator[Judged]:
    if not sizes(legs):
        return
    mode, book = ctx.account.margin_mode, book_after(legs, ctx)
    worst = {root.upper(): held.worst(mode) for root, held in book.items()}
    weighed = {root: qty / _micros(root, setting) for root, qty in worst.items()}
    total = sum(weighed.values(), ZERO)
    if setting.per_account is not None:
        yield at_most(total, setting.per_account, Reason.MAX_QTY, 8, {"what": _ALL})
    if setting.scaling:
        yield _scaled(total, setting.scaling, ctx)
    for name, limit in (setting.per_symbol or {}).items():
        value = sum(
            (
                worst[root] if root == name else weighed[root]
                for root in worst
                if _counts(root, name, setting)
            ),
            ZERO,
        )
        if any(_counts(leg.root.upper(), name, setting) for leg in limited(legs)):
            yield at_most(value, limit, Reason.MAX_QTY, 8, {"what": name})


def _micros(root: str, setting: MaxQty) -> Decimal:
    """How many contracts of this root make one."""
    return Decimal(1) if mini(root, setting.mini_of) == root else setting.micros_per_mini


def _counts(root: str, name: str, setting: MaxQty) -> bool:
    return root == name or mini(root, setting.mini_of) == name


def _scaled(total: Decimal, steps: Sequence[ScalingStep], ctx: RiskContext) -> Judged:
    """The step by the profit at the start of the day; below the first step the first one counts."""
    state = None if ctx.risk is None else current(ctx.risk, ctx.now)
    initial = None if state is None else state.initial_balance
    day = None if state is None else state.day
    if initial is None:
        return Judged({"asked_by": "max_qty"}, None, Reason.INITIAL_UNKNOWN)
    if day is None or day.start_balance is None:
        return Judged({}, None, Reason.DAY_START_UNKNOWN)
    profit = day.start_balance - initial
    reached = [each for each in steps if each.profit_from <= profit] or steps[:1]
    limit = reached[-1].per_account
    return at_most(total, limit, Reason.MAX_QTY, 8, {"what": _ALL, "profit": shown(profit, 2)})


# --- margin, opposite positions ---------------------------------------------------------------------------------


def _margin_use(setting: MarginUse, legs: Sequence[Leg], ctx: RiskContext) -> Judged | tuple[()]:
    if not sizes(legs):
        return ()
    equity, margin = fresh_equity(ctx), margin_after(legs, ctx, setting.leverage)
    if isinstance(equity, Denied):
        return unknown(equity)
    if isinstance(margin, Denied):
        return unknown(margin)
    numbers = {"margin": shown(margin, 2), "equity": shown(equity, 2), "currency": ctx.account.currency}
    if equity <= 0:
        return Judged(numbers, None, Reason.MARGIN_USE)
    return at_most(margin / equity * 100, setting.max_pct, Reason.MARGIN_USE, 2, numbers)


def _no_opposite(setting: NoOpposite, legs: Sequence[Leg], ctx: RiskContext) -> Iterator[Judged]:
    if ctx.risk is None:
        yield Judged({"what": "the other accounts are not known"}, None, Reason.POSITION_UNKNOWN)
        return
    for leg in limited(legs):
        root = mini(leg.root.upper())
        for each in ctx.risk.others:
            if mini(each.root.upper()) == root and each.side is not leg.side:
                numbers = {"account": each.account_id, "held": each.side.value, "qty": shown(each.qty)}
                numbers |= {"root": each.root, "side": leg.side.value if leg.side else "unknown"}
                yield Judged(numbers, None, Reason.OPPOSITE_ELSEWHERE)
                return
    yield Judged({"others": str(len(ctx.risk.others))}, ZERO)
