"""The rules, one function each: its docstring is what the rule promises, its numbers are what a trace shows.

A rule gets the legs of a plan and the context. It answers the numbers it looked at, or Denied with them.
No rule is asked about a plan that only reduces: exits are never refused (policy.evaluate)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal

from shared.models.command import Leg
from shared.models.context import RiskContext
from shared.models.enums import CommandKind, MarginMode, OrderStatus, OrderType
from shared.models.reasons import Reason
from shared.models.symbol_key import symbol_key
from shared.risk.decision import Denied
from shared.risk.grid import shown
from shared.risk.money import account_per_usd, conversion_unknown, known_base, usable_quote

Rule = Callable[[Sequence[Leg], RiskContext], Mapping[str, str] | Denied]

# A loss limit is respected before it is reached: this share of it is kept for slippage and closing costs.
DAILY_LOSS_BUFFER = Decimal("0.1")
_OPENED = frozenset({OrderStatus.WORKING, OrderStatus.UNKNOWN})


def kill_switch(legs: Sequence[Leg], ctx: RiskContext) -> Mapping[str, str] | Denied:
    """While trading is halted for everyone, nothing is opened."""
    return Denied(Reason.KILL_SWITCH) if ctx.trading_halted else {}


def account_enabled(legs: Sequence[Leg], ctx: RiskContext) -> Mapping[str, str] | Denied:
    """On an account that is switched off, nothing is opened."""
    return {} if ctx.account.trading_enabled else Denied(Reason.ACCOUNT_DISABLED)


def account_unlocked(legs: Sequence[Leg], ctx: RiskContext) -> Mapping[str, str] | Denied:
    """On an account that is locked, nothing is opened until the lock ends."""
    until = ctx.account.locked_until
    if until is None or until <= ctx.now:
        return {}
    numbers = {"until": until.isoformat(timespec="seconds")}
    why = {"lock": ctx.account.lock_reason} if ctx.account.lock_reason else {}
    return Denied(Reason.ACCOUNT_LOCKED, numbers | why)


def no_unresolved_order(legs: Sequence[Leg], ctx: RiskContext) -> Mapping[str, str] | Denied:
    """While we do not know what became of an order, nothing more is opened on its symbol."""
    for leg in _limited(legs):
        if leg.root in ctx.unresolved or leg.symbol in ctx.unresolved:
            return Denied(Reason.UNRESOLVED_ORDER, {"symbol": leg.symbol})
    return {}


def positions_known(legs: Sequence[Leg], ctx: RiskContext) -> Mapping[str, str] | Denied:
    """While the account's positions could not be read, nothing is opened."""
    return {} if ctx.positions_known else Denied(Reason.POSITION_UNKNOWN)


def symbol_allowed(legs: Sequence[Leg], ctx: RiskContext) -> Mapping[str, str] | Denied:
    """Only symbols on the account's list and on the endpoint's list are opened. No list = every symbol."""
    for where, allowed in (
        ("account", ctx.limits.allowed_symbols),
        ("endpoint", ctx.endpoint.allowed_symbols),
    ):
        names = None if allowed is None else {symbol_key(each) for each in allowed}
        for leg in _limited(legs):
            if names is not None and not names & _names(leg, ctx):
                numbers = {"symbol": leg.symbol, "allowed": ", ".join(allowed or ()), "where": where}
                return Denied(Reason.SYMBOL_NOT_ALLOWED, numbers)
    return {}


def order_size(legs: Sequence[Leg], ctx: RiskContext) -> Mapping[str, str] | Denied:
    """No order is larger than the account's maximum or the endpoint's ceiling."""
    ceilings = (ctx.limits.max_order_qty, ctx.endpoint.max_qty)
    limit = min((each for each in ceilings if each is not None), default=None)
    qty = sum((leg.qty for leg in _limited(legs) if _has_size(leg) and leg.qty is not None), Decimal(0))
    if limit is None:
        return {"value": shown(qty)}
    numbers = {"value": shown(qty), "limit": shown(limit)}
    return Denied(Reason.MAX_ORDER_SIZE, numbers) if qty > limit else numbers


def trades_per_day(legs: Sequence[Leg], ctx: RiskContext) -> Mapping[str, str] | Denied:
    """No more opening orders in a trading day than the limit says, those on their way included."""
    value = ctx.counters.trades_today + _new_trades(legs)
    return _compared(Decimal(value), ctx.limits.max_trades_per_day, legs, Reason.MAX_TRADES_PER_DAY)


def open_trades(legs: Sequence[Leg], ctx: RiskContext) -> Mapping[str, str] | Denied:
    """No more open positions and pending entries at once than the limit says, this one included."""
    canceled = {leg.venue_order_id for leg in legs if leg.kind is CommandKind.CANCEL}
    pending = (each for each in ctx.orders if each.is_entry and each.status in _OPENED)
    left = sum(1 for each in pending if each.venue_order_id not in canceled)
    value = _positions_left(legs, ctx) + left + ctx.counters.entries_in_flight + _new_trades(legs)
    return _compared(Decimal(value), ctx.limits.max_open_trades, legs, Reason.MAX_OPEN_TRADES)


def concurrent_positions(legs: Sequence[Leg], ctx: RiskContext) -> Mapping[str, str] | Denied:
    """No more positions open at once than the limit says, this one included."""
    value = _positions_left(legs, ctx) + ctx.counters.entries_in_flight + _new_positions(legs, ctx)
    limit = ctx.limits.max_concurrent_positions
    return _compared(Decimal(value), limit, legs, Reason.MAX_CONCURRENT_POSITIONS)


def stop_required(legs: Sequence[Leg], ctx: RiskContext) -> Mapping[str, str] | Denied:
    """Where the account demands a stop, nothing is opened without one and no stop is removed."""
    naked = [leg for leg in _limited(legs) if _is_naked(leg)]
    if ctx.limits.stop_required and naked:
        return Denied(Reason.STOP_REQUIRED, {"what": "account"})
    return {"required": "yes" if ctx.limits.stop_required else "no"}


def price_near_alert(legs: Sequence[Leg], ctx: RiskContext) -> Mapping[str, str] | Denied:
    """A market order is not sent when the price has moved further from the alert's price than allowed."""
    limit_pct = ctx.limits.max_price_deviation_pct
    for leg in legs:
        ref, side = leg.ref_price, leg.side
        if (
            limit_pct is None
            or not leg.is_entry
            or leg.type is not OrderType.MARKET
            or not ref
            or side is None
        ):
            continue
        quote = usable_quote(ctx)
        if isinstance(quote, Denied):
            return quote
        price = quote.entry_price(side)
        deviation_pct = abs(price - ref) / abs(ref) * 100
        numbers = {"value": shown(deviation_pct, 3), "limit": shown(limit_pct)}
        numbers |= {"price": shown(price), "alert_price": shown(ref)}
        return Denied(Reason.PRICE_DEVIATION, numbers) if deviation_pct > limit_pct else numbers
    return {}


def risk_per_trade(legs: Sequence[Leg], ctx: RiskContext) -> Mapping[str, str] | Denied:
    """No trade may lose more at its stop than this share of the smaller of balance and equity."""
    limit_pct = ctx.limits.max_risk_per_trade_pct
    stopped = [leg for leg in _limited(legs) if leg.protection.stop_loss is not None]
    if limit_pct is None or not stopped:
        return {"value": "no limit" if limit_pct is None else "no stop"}
    base = known_base(ctx)
    if base is None:
        return Denied(Reason.BALANCE_UNKNOWN)
    losses = [leg.worst_loss for leg in stopped]
    if None in losses:
        currency = ctx.instrument.quote_currency if ctx.instrument else "?"
        return conversion_unknown(currency, ctx)
    loss = sum((each for each in losses if each is not None), Decimal(0))
    share = shown(loss / base * 100, 3) if base > 0 else "all"
    numbers = {"value": share, "limit": shown(limit_pct), "loss": shown(loss, 2), "base": shown(base, 2)}
    numbers |= {"currency": ctx.account.currency}
    return Denied(Reason.MAX_RISK_PER_TRADE, numbers) if loss * 100 > limit_pct * base else numbers


def daily_loss(legs: Sequence[Leg], ctx: RiskContext) -> Mapping[str, str] | Denied:
    """Nothing is opened whose worst case, with the day's loss and open risk, reaches the daily limit."""
    limit = _daily_limit(ctx)
    if limit is None or isinstance(limit, Denied):
        return limit or {"limit": "none"}
    worst = _worst_loss(legs, ctx)
    if worst is None:
        return Denied(Reason.BALANCE_UNKNOWN)
    day = ctx.day
    if day is None:
        return Denied(Reason.DAY_START_UNKNOWN)
    threshold = limit - limit * DAILY_LOSS_BUFFER
    value = day.loss + day.open_risk + worst
    numbers = {"value": shown(value, 2), "limit": shown(threshold, 2), "loss": shown(day.loss, 2)}
    numbers |= {"open_risk": shown(day.open_risk, 2), "order": shown(worst, 2)}
    numbers |= {"currency": ctx.account.currency}
    return Denied(Reason.DAILY_LOSS, numbers) if value >= threshold else numbers


def protection_is_kept(legs: Sequence[Leg], ctx: RiskContext) -> Mapping[str, str] | Denied:
    """No order is sent with a trailing stop, break-even or time exit: nothing would move or close it later."""
    for leg in legs:
        for name, wanted in (("trail", leg.trail), ("be", leg.be), ("time_exit_s", leg.time_exit_s)):
            if wanted is not None:
                return Denied(Reason.NOT_SUPPORTED, {"what": f"{name} is not kept by us yet"})
    return {}


RULES: tuple[Rule, ...] = (
    kill_switch,
    account_enabled,
    account_unlocked,
    no_unresolved_order,
    positions_known,
    symbol_allowed,
    order_size,
    trades_per_day,
    open_trades,
    concurrent_positions,
    stop_required,
    protection_is_kept,
    price_near_alert,
    risk_per_trade,
    daily_loss,
)


def _names(leg: Leg, ctx: RiskContext) -> set[str]:
    """What a leg's instrument may be called in a list: by itself, by its root, by the trader's own word."""
    word = ctx.word.tv_symbol if ctx.word is not None else None
    return {symbol_key(leg.symbol), leg.root.upper()} | ({symbol_key(word)} if word else set())


def _limited(legs: Iterable[Leg]) -> tuple[Leg, ...]:
    return tuple(leg for leg in legs if leg.is_limited)


def _has_size(leg: Leg) -> bool:
    """A protect leg carries its position's quantity, which is not being ordered."""
    return leg.is_entry or leg.kind is CommandKind.MODIFY


def _is_naked(leg: Leg) -> bool:
    if leg.is_entry:
        return leg.protection.stop_loss is None
    return leg.protection.clear_stop_loss


def _new_trades(legs: Iterable[Leg]) -> int:
    """Several portions are one trade; a change of what exists is none."""
    return 1 if any(leg.is_entry for leg in legs) else 0


def _positions_left(legs: Sequence[Leg], ctx: RiskContext) -> int:
    return sum(
        1
        for each in ctx.positions
        if not any(_closes(leg, each.venue_position_id, each.symbol) for leg in legs)
    )


def _closes(leg: Leg, venue_position_id: str, symbol: str) -> bool:
    if leg.kind is not CommandKind.CLOSE or leg.qty is not None:
        return False
    return leg.venue_position_id == venue_position_id if leg.venue_position_id else leg.symbol == symbol


def _new_positions(legs: Sequence[Leg], ctx: RiskContext) -> int:
    """Each entry opens one on a hedging account; on netting only where none is left to add to."""
    entries = [leg for leg in legs if leg.is_entry]
    if ctx.account.margin_mode is MarginMode.HEDGING:
        return len(entries)
    held = [each for each in ctx.positions if not any(_closes(leg, "", each.symbol) for leg in legs)]
    return 1 if any(all(each.symbol != leg.symbol for each in held) for leg in entries) else 0


def _compared(
    value: Decimal, limit: int | None, legs: Sequence[Leg], reason: Reason
) -> Mapping[str, str] | Denied:
    """A count against a limit. A change of protection opens nothing: no count can refuse it."""
    if limit is None:
        return {"limit": "none"}
    numbers = {"value": shown(value), "limit": str(limit)}
    return Denied(reason, numbers) if _new_trades(legs) and value > limit else numbers


def _daily_limit(ctx: RiskContext) -> Decimal | Denied | None:
    """The tighter of the limits set, in account currency; None = none is set."""
    limits, found = ctx.limits, []
    if limits.max_daily_loss_usd is not None:
        rate = account_per_usd(ctx)
        if rate is None:
            return conversion_unknown("USD", ctx)
        found.append(limits.max_daily_loss_usd * rate)
    if limits.max_daily_loss_pct is not None:
        if ctx.day is None:
            return Denied(Reason.DAY_START_UNKNOWN)
        found.append(ctx.day.reference * limits.max_daily_loss_pct / 100)
    return min(found, default=None)


def _worst_loss(legs: Sequence[Leg], ctx: RiskContext) -> Decimal | None:
    """What the limited legs can lose; without a stop the margin counts, or else the ceiling of a trade."""
    total = Decimal(0)
    for leg in _limited(legs):
        loss = leg.worst_loss if leg.worst_loss is not None else _assumed_loss(leg, ctx)
        if loss is None:
            return None
        total += loss
    return total


def _assumed_loss(leg: Leg, ctx: RiskContext) -> Decimal | None:
    margin = ctx.instrument.margin_per_unit if ctx.instrument else None
    if margin is not None:
        return margin * (leg.qty or leg.held_qty or Decimal(0))
    base, share = known_base(ctx), ctx.limits.max_risk_per_trade_pct
    return None if base is None or share is None else base * share / 100
