"""What a ladder does after a read: exits that its entry's fills, or the market, have made due (semantics 5). Pure.

Of an entry the nearest targets are served first: what is filled belongs to the first rung until it is complete, then to
the second. An exit that the broker has taken is never asked for again, whatever becomes of it: who cancels it wants it
gone. Never more is asked for than is open and not promised to other exits.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal, localcontext

from msgspec.structs import replace

from shared.models.enums import DeliveryOutcome, OrderStatus, OrderType, Side
from shared.models.guard import Guard
from shared.models.ladder import Exit, Ladder, Rung
from shared.models.market import Instrument
from shared.models.trading import Position, WorkingOrder
from shared.risk.decision import Denied
from shared.risk.grid import EXACT, floor_to, shown
from shared.risk.guarding import Due, Look, pause_s
from shared.risk.levels import Market
from shared.risk.prices import Anchor, target_price

NOTHING = Decimal(0)
_FAILED = frozenset({DeliveryOutcome.DENIED, DeliveryOutcome.REJECTED, DeliveryOutcome.INVALID})
_LIVE = frozenset({OrderStatus.PENDING, OrderStatus.SUBMITTING, OrderStatus.WORKING, OrderStatus.UNKNOWN})
_MAY_FILL = _LIVE | {OrderStatus.PARTIALLY_FILLED}


def promised(
    position: Position, orders: Iterable[WorkingOrder], guards: Iterable[Guard], at_broker: bool
) -> Decimal:
    """What exits will take of a position: those that wait at the broker, as read, and ours that the read does not show.

    Where the broker holds a position's one target itself, that waits for all of it and is not counted.
    """
    against = [each for each in orders if _exits(each, position)] if at_broker else []
    shown_ = {each.venue_order_id for each in against}
    waiting = sum((each.qty - each.filled_qty for each in against), NOTHING)
    asked = (
        each for guard in guards if guard.position_id == position.venue_position_id for each in guard.exits
    )
    return waiting + sum((_unseen(each) for each in asked if each.venue_order_id not in shown_), NOTHING)


def due(
    guard: Guard,
    position: Position,
    instrument: Instrument,
    market: Market | None,
    room: Decimal,
    now: datetime,
) -> tuple[Due, ...]:
    """The exits to be asked for now. `room`: what of the position no exit is promised to; `market` None = no quote."""
    ladder = guard.ladder
    if ladder is None or position.side is not guard.side:
        return ()
    with localcontext(EXACT):
        return tuple(_due(guard, ladder, position, instrument, market, room, now))


def spent(guard: Guard) -> bool:
    """Whether nothing is left to be asked for: its entry fills no more, and every rung has had what it gets."""
    if guard.ladder is None or guard.order_status in _MAY_FILL:
        return False
    if any(each.outcome is None for each in guard.exits):
        return False
    return all(
        _asked_for(guard, nth) >= wanted for nth, (_, wanted) in enumerate(_wanted(guard, guard.ladder))
    )


def climbed(told: Look, exits: tuple[Due, ...]) -> Look:
    """A guard's look with what its ladder asks for; a ladder that is done goes, and a guard of nothing else with it."""
    guard = told.guard
    if exits or told.ended is not None or not spent(guard):
        return replace(told, exits=exits)
    guard = replace(guard, ladder=None)
    keeps = guard.trail is not None or guard.be is not None or guard.time_exit_s is not None
    return replace(told, guard=guard, ended=None if keeps else "its targets are done")


def _due(
    guard: Guard,
    ladder: Ladder,
    position: Position,
    instrument: Instrument,
    market: Market | None,
    room: Decimal,
    now: datetime,
) -> Iterable[Due]:
    for nth, (rung, wanted) in enumerate(_wanted(guard, ladder)):
        qty = floor_to(min(wanted - _asked_for(guard, nth), room), instrument.qty_step)
        price = price_of(rung, ladder, guard, position, instrument)
        if qty < instrument.qty_min or qty <= 0 or price is None or not _may_ask(guard, nth, now):
            continue
        if not ladder.at_broker and not _reached(price, guard.side, market, now):
            continue
        room -= qty
        yield Due(nth, qty, price if ladder.at_broker else None, _told(guard, ladder, nth, qty, price, market),
            len(_failed(guard, nth)))  # fmt: skip


def price_of(
    rung: Rung, ladder: Ladder, guard: Guard, position: Position, instrument: Instrument
) -> Decimal | None:
    """Where a rung lies, on the tick, counted from the entry's average fill; None = it cannot be told."""
    entry = position.entry_price if guard.entry_price is None else guard.entry_price
    found = target_price(rung.spec, Anchor(guard.side, entry, instrument), ladder.stop)
    return None if isinstance(found, Denied) or found <= 0 else found


def _wanted(guard: Guard, ladder: Ladder) -> Iterable[tuple[Rung, Decimal]]:
    """Each rung with what of the fills is its own, the nearest first."""
    left = sum((each.qty for each in ladder.rungs), NOTHING)
    if guard.order_id is not None:
        left = max(NOTHING, (guard.qty or NOTHING) - ladder.after)
    last = len(ladder.rungs) - 1
    for nth, rung in enumerate(ladder.rungs):
        mine = left if ladder.whole and nth == last else min(rung.qty, left)
        left -= mine
        yield rung, mine


def _asked_for(guard: Guard, nth: int) -> Decimal:
    """What a rung has had: all that is under way or was taken; of what was refused only what came of it."""
    return sum((_had(each) for each in guard.exits if each.nth == nth), NOTHING)


def _had(asked: Exit) -> Decimal:
    return min(asked.qty, asked.filled + asked.working) if asked.outcome in _FAILED else asked.qty


def _failed(guard: Guard, nth: int) -> Sequence[Exit]:
    return [each for each in guard.exits if each.nth == nth and each.outcome in _FAILED]


def _may_ask(guard: Guard, nth: int, now: datetime) -> bool:
    """What was refused is asked for again, less and less often."""
    failed = _failed(guard, nth)
    last = max((each.ended_at or each.at for each in failed), default=None)
    return last is None or now >= last + timedelta(seconds=pause_s(len(failed)))


def _unseen(asked: Exit) -> Decimal:
    """What an exit of ours will still take, by our books."""
    if asked.outcome is None:
        return max(asked.qty - asked.filled, NOTHING)
    return asked.working


def _exits(order: WorkingOrder, position: Position) -> bool:
    against = order.symbol == position.symbol and order.side is position.side.opposite
    return against and order.reduce_only and order.type is OrderType.LIMIT


def _reached(price: Decimal, side: Side, market: Market | None, now: datetime) -> bool:
    if market is None or not market.usable(now):
        return False
    out = market.quote.entry_price(side.opposite)
    return out >= price if side is Side.BUY else out <= price


def _told(guard: Guard, ladder: Ladder, nth: int, qty: Decimal, price: Decimal, market: Market | None) -> str:
    which = f"target {nth + 1} of {len(ladder.rungs)} of {guard.symbol}"
    if ladder.at_broker:
        filled = shown(guard.qty or NOTHING)
        return (
            f"{filled} of the entry is filled: {which}, {shown(qty)} at {shown(price)}, goes to the broker."
        )
    out = price if market is None else market.quote.entry_price(guard.side.opposite)
    return f"The market at {shown(out)} has reached {which} at {shown(price)}: {shown(qty)} is being closed."
