"""What the account holds once a plan is done and everything pending is filled: quantities by root.

An entry that is admitted and not yet part of a position counts as if it filled: the worst of both sides is what
limits look at, so that two orders that only fit alone can never both pass."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from shared.models.command import Leg
from shared.models.context import RiskContext
from shared.models.enums import CommandKind, MarginMode, Side
from shared.models.trading import Position, WorkingOrder
from shared.risk.scope import LIVE

ZERO = Decimal(0)


@dataclass(slots=True)
class Held:
    """Of one root, in the broker's unit: what is held long and short, and what pending entries may add."""

    long: Decimal = ZERO
    short: Decimal = ZERO
    buys: Decimal = ZERO
    sells: Decimal = ZERO

    def hold(self, side: Side, qty: Decimal) -> None:
        """Adds a position."""
        if side is Side.BUY:
            self.long += qty
        else:
            self.short += qty

    def wait(self, side: Side, qty: Decimal) -> None:
        """Adds (or takes back, where negative) a pending entry."""
        if side is Side.BUY:
            self.buys += qty
        else:
            self.sells += qty

    def worst(self, mode: MarginMode) -> Decimal:
        """The largest this can become: net on a netting account; on a hedging one the larger side."""
        if mode is MarginMode.NETTING:
            net = self.long - self.short
            return max(abs(net + self.buys), abs(net - self.sells))
        return max(self.long + self.buys, self.short + self.sells)


def book_after(legs: Sequence[Leg], ctx: RiskContext) -> Mapping[str, Held]:
    """Every root of the account: positions the plan leaves, entries it leaves waiting, and its own entries."""
    book: dict[str, Held] = defaultdict(Held)
    for position in ctx.positions:
        left = _left(position, legs)
        if left > 0:
            book[position.root].hold(position.side, left)
    for (root, side), qty in _pending(legs, ctx).items():
        book[root].wait(side, max(qty, ZERO))
    for leg in legs:
        if leg.side is not None and (leg.is_entry or (leg.adds_risk and leg.kind is CommandKind.MODIFY)):
            book[leg.root].wait(leg.side, leg.qty or ZERO)
    return book


def _left(position: Position, legs: Sequence[Leg]) -> Decimal:
    left = position.qty
    for leg in legs:
        if leg.kind is not CommandKind.CLOSE:
            continue
        named = leg.venue_position_id
        if named == position.venue_position_id if named else leg.symbol == position.symbol:
            left -= position.qty if leg.qty is None else leg.qty
    return max(left, ZERO)


def _pending(legs: Sequence[Leg], ctx: RiskContext) -> Mapping[tuple[str, Side], Decimal]:
    """Entries waiting by root and side: ours as the database counts them or as the broker lists them, whichever
    is more, and those placed elsewhere; less what the plan cancels or changes.
    """
    entries = waiting(ctx)
    if not entries and (ctx.risk is None or not ctx.risk.in_flight):
        return {}
    counted: dict[tuple[str, Side], Decimal] = defaultdict(Decimal)
    listed: dict[tuple[str, Side], Decimal] = defaultdict(Decimal)
    foreign: dict[tuple[str, Side], Decimal] = defaultdict(Decimal)
    for each in ctx.risk.in_flight if ctx.risk is not None else ():
        counted[each.root, each.side] += each.qty
    gone = {leg.venue_order_id for leg in legs if leg.venue_order_id is not None and _replaces(leg)}
    for order in entries:
        key, qty = (order.root, order.side), order.qty - order.filled_qty
        if order.venue_order_id is not None and order.venue_order_id in gone:
            if order.id is not None:
                counted[key] -= qty
        else:
            (listed if order.id is not None else foreign)[key] += qty
    keys = {*counted, *listed, *foreign}
    return {key: max(counted[key], listed[key]) + foreign[key] for key in keys}


def waiting(ctx: RiskContext) -> tuple[WorkingOrder, ...]:
    """Entries that the account's orders hold and that may still fill."""
    return tuple(each for each in ctx.orders if each.is_entry and each.status in LIVE)


def _replaces(leg: Leg) -> bool:
    return leg.kind is CommandKind.CANCEL or (leg.kind is CommandKind.MODIFY and leg.adds_risk)


def sizes(legs: Sequence[Leg]) -> bool:
    """Whether a plan can make anything larger: an entry, or a pending one that is changed."""
    return any(leg.is_entry or (leg.adds_risk and leg.kind is CommandKind.MODIFY) for leg in legs)
