"""What an account can still lose while everything works as stated: positions down to their stops, entries pending
or being sent, at their worst. In account currency; None = it cannot be told, and nothing may be opened on that."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from shared.models.command import Leg
from shared.models.context import RiskContext
from shared.models.enums import CommandKind, MarginMode, OrderType, Side
from shared.models.market import Instrument
from shared.models.trading import Position, WorkingOrder
from shared.risk.book import ZERO, waiting
from shared.risk.decision import Denied
from shared.risk.margin import instrument_of
from shared.risk.money import known_base, loss_tick_value, usable_quote
from shared.risk.scope import LIVE, protects


class AtRisk(Struct, frozen=True):
    """`open_risk`: what is open and on its way. `order`: this plan's own worst case."""

    open_risk: Decimal
    order: Decimal

    @property
    def total(self) -> Decimal:
        return self.open_risk + self.order


def at_risk(legs: Sequence[Leg], ctx: RiskContext) -> AtRisk | None:
    """What is at risk once the plan is done. A position that the plan closes is none any more; one whose stop it
    moves counts with the new stop, as this order.
    """
    moved = {leg.venue_position_id: leg for leg in legs if leg.kind is CommandKind.PROTECT and leg.adds_risk}
    stops = [
        (each, each.stop_price)
        for each in ctx.orders
        if each.reduce_only
        and each.type is OrderType.STOP
        and each.stop_price is not None
        and each.status in LIVE
    ]
    open_risk: list[Decimal | None] = [ctx.risk.in_flight_loss if ctx.risk is not None else ZERO]
    order: list[Decimal | None] = _new(legs, ctx)
    for position in _left(legs, ctx):
        leg = moved.get(position.venue_position_id)
        stop = _furthest(_stop_in_force(position, leg, stops, ctx), position, legs, ctx)
        loss = _loss_to_stop(position, stop, ctx)
        (open_risk if leg is None else order).append(loss)
    open_risk += _foreign_entries(legs, ctx)
    left, new = _sum(open_risk), _sum(order)
    return None if left is None or new is None else AtRisk(left, new)


def _sum(losses: Iterable[Decimal | None]) -> Decimal | None:
    """None as soon as one of them cannot be told."""
    total = ZERO
    for each in losses:
        if each is None:
            return None
        total += each
    return total


def _left(legs: Sequence[Leg], ctx: RiskContext) -> Iterable[Position]:
    """Positions as the plan leaves them."""
    closing = [leg for leg in legs if leg.kind is CommandKind.CLOSE]
    if not closing:
        yield from ctx.positions
        return
    for position in ctx.positions:
        left = position.qty
        for leg in closing:
            if _means(leg, position):
                left -= position.qty if leg.qty is None else leg.qty
        if left == position.qty:
            yield position
        elif left > 0:
            share = left / position.qty
            profit = None if position.unrealized_pnl is None else position.unrealized_pnl * share
            yield replace(position, qty=left, unrealized_pnl=profit)


def _means(leg: Leg, position: Position) -> bool:
    named = leg.venue_position_id
    return named == position.venue_position_id if named else leg.symbol == position.symbol


def _stop_in_force(
    position: Position, moved: Leg | None, stops: Sequence[tuple[WorkingOrder, Decimal]], ctx: RiskContext
) -> Decimal | None:
    """The position's stop after the plan. Where stops are orders of their own: the furthest, if they cover it all."""
    if moved is not None and moved.protection.clear_stop_loss:
        return None
    if moved is not None and moved.protection.stop_loss is not None:
        return moved.protection.stop_loss
    if position.stop_loss is not None:
        return position.stop_loss
    prices, covered = [], ZERO
    for each, price in stops:
        if protects(each, position, ctx):
            prices.append(price)
            covered += each.qty - each.filled_qty
    if not prices or covered < position.qty:
        return None
    return min(prices) if position.side is Side.BUY else max(prices)


def _furthest(
    stop: Decimal | None, position: Position, legs: Sequence[Leg], ctx: RiskContext
) -> Decimal | None:
    """On a netting account an order that adds to a position brings its stop for all of it: the further one counts."""
    if stop is None or ctx.account.margin_mode is not MarginMode.NETTING:
        return stop
    further = min if position.side is Side.BUY else max
    for leg in legs:
        brought = leg.protection.stop_loss
        if (
            brought is None
            or leg.side is not position.side
            or leg.symbol != position.symbol
            or not leg.is_entry
        ):
            continue
        stop = further(stop, brought)
    return stop


def _loss_to_stop(position: Position, stop: Decimal | None, ctx: RiskContext) -> Decimal | None:
    """From the equity of now to the fill at the stop, costs included; without a stop what such a position counts."""
    instrument = instrument_of(position.root, ctx)
    tick_value = None if instrument is None else loss_tick_value(instrument, ctx)
    if stop is None or instrument is None or tick_value is None or instrument.tick_size <= 0:
        return _assumed(position.root, position.qty, ctx)
    sign = 1 if position.side is Side.BUY else -1
    of_one = tick_value / instrument.tick_size * position.qty
    at_stop = (stop - position.entry_price) * sign * of_one
    now = _profit_now(position, of_one * sign, ctx)
    if now is None:
        return _assumed(position.root, position.qty, ctx)
    costs = position.qty * (ctx.defaults.slippage_ticks * tick_value + instrument.commission_per_unit)
    return max(now - at_stop, ZERO) + costs


def _profit_now(position: Position, signed_value: Decimal, ctx: RiskContext) -> Decimal | None:
    """What is in the equity already: as the broker says, else at the price the position would be closed at."""
    if position.unrealized_pnl is not None:
        return position.unrealized_pnl
    quote = usable_quote(ctx)
    if isinstance(quote, Denied) or quote.symbol != position.symbol:
        return None
    return (quote.entry_price(position.side.opposite) - position.entry_price) * signed_value


def _foreign_entries(legs: Sequence[Leg], ctx: RiskContext) -> list[Decimal | None]:
    """Pending entries that were placed elsewhere: nobody told us their stop."""
    gone = {leg.venue_order_id for leg in legs if leg.kind is CommandKind.CANCEL}
    return [
        _assumed(each.root, each.qty - each.filled_qty, ctx)
        for each in waiting(ctx)
        if each.id is None and each.venue_order_id not in gone
    ]


def _new(legs: Sequence[Leg], ctx: RiskContext) -> list[Decimal | None]:
    """This plan's entries and changed entries."""
    return [
        _assumed(leg.root, leg.qty or leg.held_qty or ZERO, ctx) if leg.worst_loss is None else leg.worst_loss
        for leg in legs
        if leg.is_limited and leg.kind is not CommandKind.PROTECT
    ]


def _assumed(root: str, qty: Decimal, ctx: RiskContext) -> Decimal | None:
    """Without a stop: the margin, or else the account's ceiling for one trade."""
    instrument: Instrument | None = instrument_of(root, ctx)
    if instrument is not None and instrument.margin_per_unit is not None:
        return instrument.margin_per_unit * qty
    base, share = known_base(ctx), ctx.limits.max_risk_per_trade_pct
    return None if base is None or share is None else base * share / 100
