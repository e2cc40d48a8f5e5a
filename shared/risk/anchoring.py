"""What an entry's fill moves: stops and targets given as distances are measured again from it (semantics 5).

Nothing is risked by it: the distance to the stop stays what it was when the order was sized.
"""

from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from shared.models.command import Leg, Protection
from shared.models.enums import CommandKind, OrderType, Side, StopMode
from shared.models.market import Instrument
from shared.models.signal import StopSpec
from shared.risk.decision import Denied
from shared.risk.prices import Anchor, anchor_to_fill, target_price

_FIXED = frozenset({StopMode.PRICE, StopMode.NONE})


class FilledAt(Struct, frozen=True):
    """An entry's fill so far: average price, quantity, and the broker's id of the position it made."""

    price: Decimal
    qty: Decimal
    venue_position_id: str


class Resting(Struct, frozen=True):
    """A target that rests at the broker as an order of its own (netting): its leg and both ids."""

    leg: Leg
    order_id: int | None
    venue_order_id: str


def is_relative(leg: Leg) -> bool:
    """True for an entry, or a target of one, whose prices came from a distance."""
    return any(_moves(spec) for spec in (leg.sl, leg.tp))


def moved_protection(entry: Leg, fill: FilledAt, instrument: Instrument) -> Leg | None:
    """The change of stop and target that the average fill asks for; None = they are where they belong."""
    before, again = entry.protection, anchor_to_fill(entry, fill.price, instrument)
    protection = Protection(
        stop_loss=again.stop_loss if again.stop_loss != before.stop_loss else None,
        take_profit=again.take_profit if again.take_profit != before.take_profit else None,
    )
    if protection.empty:
        return None
    return Leg(
        leg=0,
        kind=CommandKind.PROTECT,
        symbol=entry.symbol,
        venue_symbol=entry.venue_symbol,
        root=entry.root,
        side=entry.side,
        qty=fill.qty,
        held_qty=fill.qty,
        protection=protection,
        venue_position_id=fill.venue_position_id,
        tag=entry.tag,
        adjusts=True,
    )


def moved_target(target: Resting, entry: Leg, fill: FilledAt, instrument: Instrument) -> Leg | None:
    """The new price of a target that rests as an order; None = it is where it belongs."""
    spec = target.leg.tp
    if spec is None or not _moves(spec):
        return None
    stop = anchor_to_fill(entry, fill.price, instrument).stop_loss
    price = target_price(spec, Anchor(entry.side or Side.BUY, fill.price, instrument), stop)
    if isinstance(price, Denied) or price == target.leg.price:
        return None
    return replace(
        target.leg,
        leg=0,
        kind=CommandKind.MODIFY,
        type=OrderType.LIMIT,
        qty=None,
        held_qty=target.leg.qty,
        price=price,
        venue_order_id=target.venue_order_id,
        order_id=target.order_id,
        after_fill=False,
        adjusts=True,
    )


def _moves(spec: StopSpec | None) -> bool:
    return spec is not None and spec.mode not in _FIXED
