"""What is sent to a broker: commands, in legs. A delivery becomes one or several legs, executed in order.

Quantities and prices here are exact; `shared.risk.fit` moves them onto the broker's grid and may only shrink."""

from datetime import datetime
from decimal import Decimal
from typing import Protocol

from msgspec import Struct

from shared.models.enums import CommandKind, OrderType, Side, Tif
from shared.models.ladder import Ladder
from shared.models.signal import BreakEvenSpec, StopSpec, TrailSpec


class Protection(Struct, frozen=True):
    """Stop-loss and take-profit to be set. None = leave as it is, unless its `clear_*` says remove it."""

    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    clear_stop_loss: bool = False
    clear_take_profit: bool = False

    @property
    def empty(self) -> bool:
        return self == Protection()


class Rival(Struct, frozen=True):
    """Another close of ours of the same position, of which the broker's order is not known (yet).

    qty: None = all there is, which was `held_qty`. certain: the broker has said yes. under_way: it may still be done.
    """

    client_order_id: str
    qty: Decimal | None
    held_qty: Decimal | None
    submitted_at: datetime
    certain: bool
    under_way: bool = False


class Leg(Struct, frozen=True):
    """One command to one broker account.

    place:   side, type, qty, price (limit), stop_price (stop), tif, protection, reduce_only
    close:   venue_position_id (hedging; None on netting = the net position), side of the closing order (None =
             not known: the venue's own close), qty (None = all of it; `held_qty` is what was read as all)
    cancel:  venue_order_id
    modify:  venue_order_id with price / stop_price / qty (pending entries; protection that shrinks with its position)
    protect: venue_position_id with protection, side and qty of the position
    `after_fill`: an entry is sent only when every close before it is completely filled; a cancel, modify or
    reduce-only order only when every close and entry before it is; a reduce-only order also when every cancel and
    protect before it was accepted. Otherwise it ends `leg_not_filled`. Legs that only wait for one another's
    acknowledgement have it False.
    `adds_risk`: not a new order, and yet limits treat it as one (a stop widened or removed, a pending entry changed).
    `worst_loss` is the loss in account currency when the stop is hit, slippage allowance and commission included;
    None = no stop, not measurable. `sl` and `tp` are what the prices in `protection` came from: relative modes are
    anchored again to the average fill (shared.risk.anchoring). `expires_at`: when a pending entry ends. `adjusts`:
    such a later change of protection; if it fails, what was set with the entry stays, and the entry is executed.
    `ladder`: targets beside the one in `protection`, which we see to. `tightens`: a stop that we move ourselves, never
    back from where somebody has put it meanwhile; `replaces`: one that we move only from there.
    """

    leg: int
    kind: CommandKind
    symbol: str
    venue_symbol: str
    root: str
    side: Side | None = None
    type: OrderType = OrderType.MARKET
    qty: Decimal | None = None
    price: Decimal | None = None
    stop_price: Decimal | None = None
    tif: Tif = Tif.GTC
    protection: Protection = Protection()
    reduce_only: bool = False
    after_fill: bool = False
    venue_position_id: str | None = None
    venue_order_id: str | None = None
    order_id: int | None = None
    ref_price: Decimal | None = None
    worst_loss: Decimal | None = None
    tag: str | None = None
    held_qty: Decimal | None = None
    adds_risk: bool = False
    sl: StopSpec | None = None
    tp: StopSpec | None = None
    trail: TrailSpec | None = None
    be: BreakEvenSpec | None = None
    time_exit_s: int | None = None
    expires_at: datetime | None = None
    adjusts: bool = False
    ladder: Ladder | None = None
    tightens: bool = False
    replaces: Decimal | None = None

    @property
    def is_entry(self) -> bool:
        """True when this leg can increase exposure."""
        return self.kind is CommandKind.PLACE and not self.reduce_only

    @property
    def asks_nothing(self) -> bool:
        """True when nothing of a change is the broker's: only what we see to ourselves changes."""
        if self.kind not in (CommandKind.PROTECT, CommandKind.MODIFY) or not self.protection.empty:
            return False
        qty = None if self.kind is CommandKind.PROTECT else self.qty
        ours = (self.trail, self.be, self.ladder) != (None, None, None)
        return ours and self.price is self.stop_price is qty is None

    @property
    def is_limited(self) -> bool:
        """True when locks and limits apply to this leg: an entry, or a change that counts as one."""
        return self.is_entry or self.adds_risk

    @property
    def yields(self) -> bool:
        """True for a stop that we move ourselves, and not where somebody has moved it meanwhile (is_overtaken)."""
        return self.tightens or self.replaces is not None


class Moving(Protocol):
    """A change of protection, as a leg or as a book has it."""

    @property
    def protection(self) -> Protection: ...
    @property
    def tightens(self) -> bool: ...
    @property
    def replaces(self) -> Decimal | None: ...


def is_overtaken(change: Moving, side: Side, stop: Decimal | None) -> bool:
    """Whether somebody has moved the stop since a change of ours was decided, which would now undo that.

    `side` is the position's, `stop` the one that stands at the broker (None = none: nothing is undone).
    """
    wanted = change.protection.stop_loss
    if wanted is None or stop is None or stop == wanted:
        return False
    if change.replaces is not None and stop != change.replaces:
        return True
    return change.tightens and (stop > wanted if side is Side.BUY else stop < wanted)
