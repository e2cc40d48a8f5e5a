"""How the legs of a plan are made: closing, canceling, shrinking protection. Numbers are given at the end."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from msgspec.structs import replace

from shared.models.changes import changed
from shared.models.command import Leg
from shared.models.context import RiskContext
from shared.models.enums import CommandKind, MarginMode, OrderType
from shared.models.market import Instrument
from shared.models.trading import Position, WorkingOrder
from shared.risk.decision import Note
from shared.risk.scope import Holding, InScope, protects


def numbered(legs: Iterable[Leg]) -> tuple[Leg, ...]:
    """The legs in order, leg 0 first."""
    return tuple(changed(each, leg=index) for index, each in enumerate(legs))


def close_leg(position: Position, ctx: RiskContext, qty: Decimal | None, tag: str | None) -> Leg:
    """Closes `qty` of a position by the venue's own close; None = all of it, which can never flip it."""
    hedging = ctx.account.margin_mode is MarginMode.HEDGING
    return Leg(
        leg=0,
        kind=CommandKind.CLOSE,
        symbol=position.symbol,
        venue_symbol=venue_symbol(position, ctx),
        root=position.root,
        side=position.side.opposite,
        qty=qty,
        held_qty=position.qty,
        reduce_only=True,
        venue_position_id=position.venue_position_id if hedging else None,
        tag=tag,
    )


def native_close_leg(instrument: Instrument, tag: str | None) -> Leg:
    """The venue's own close of whatever net position there is: for when the position could not be read."""
    return Leg(
        leg=0,
        kind=CommandKind.CLOSE,
        symbol=instrument.symbol,
        venue_symbol=instrument.venue_symbol,
        root=instrument.root,
        reduce_only=True,
        tag=tag,
    )


def cancel_legs(orders: Iterable[WorkingOrder], ctx: RiskContext, *, after_fill: bool = False) -> list[Leg]:
    """Cancels each order that has a broker's id. One without may not exist yet: `uncancelable` says so."""
    return [
        Leg(
            leg=0,
            kind=CommandKind.CANCEL,
            symbol=order.symbol,
            venue_symbol=venue_symbol(order, ctx),
            root=order.root,
            side=order.side,
            venue_order_id=order.venue_order_id,
            order_id=order.id,
            reduce_only=order.reduce_only,
            after_fill=after_fill,
            tag=order.tag,
        )
        for order in orders
        if order.venue_order_id is not None
    ]


def uncancelable(orders: Iterable[WorkingOrder]) -> tuple[Note, ...]:
    """A note for orders whose broker id we do not know: they are settled first and canceled then."""
    unknown = [each for each in orders if each.venue_order_id is None]
    text = "orders without a broker's id cannot be canceled yet"
    return (Note(text, {"orders": str(len(unknown))}),) if unknown else ()


def exit_legs(
    takes: Sequence[tuple[Holding, Decimal | None]], scope: InScope, ctx: RiskContext, tag: str | None
) -> list[Leg]:
    """Closes what is taken (None = the whole position), then cancels or shrinks the protection of each.

    Protection waits for the fill: if the close is refused, the position keeps its stop.
    """
    closes = [close_leg(holding.position, ctx, qty, tag) for holding, qty in takes]
    after = [leg for holding, qty in takes for leg in _protection_after(holding, qty, scope, ctx, tag)]
    return closes + after


def _protection_after(
    holding: Holding, qty: Decimal | None, scope: InScope, ctx: RiskContext, tag: str | None
) -> list[Leg]:
    orders = [each for each in scope.protection if protects(each, holding.position, ctx)]
    if qty is None:
        return cancel_legs(orders, ctx, after_fill=True)
    tag_is_flat = tag is not None and qty == holding.qty
    gone = [each for each in orders if tag_is_flat and each.tag == tag]
    kept = [each for each in orders if each not in gone]
    return cancel_legs(gone, ctx, after_fill=True) + shrunk(kept, holding.position.qty - qty, ctx)


def shrunk(orders: Sequence[WorkingOrder], rest: Decimal, ctx: RiskContext) -> list[Leg]:
    """Protection fitted to the rest: all stops together at most that, and all targets: more would turn it around."""
    legs: list[Leg] = []
    left = {True: rest, False: rest}
    for order in orders:
        working, target = order.qty - order.filled_qty, order.type is OrderType.LIMIT
        room = left[target]
        left[target] -= min(room, working)
        if working <= room:
            continue
        resized = cancel_legs([order], ctx, after_fill=True)
        if room > 0:
            resized = [replace(each, kind=CommandKind.MODIFY, type=order.type, qty=room) for each in resized]
        legs += resized
    return legs


def venue_symbol(traded: Position | WorkingOrder, ctx: RiskContext) -> str:
    """The broker's own name for what a position or order is of; its month may not be the one resolved now."""
    instrument = ctx.instrument
    if instrument is not None and instrument.symbol == traded.symbol:
        return instrument.venue_symbol
    return traded.venue_symbol or traded.symbol
