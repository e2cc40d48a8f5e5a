"""What is sent to a broker: commands, in legs. A delivery becomes one or several legs, executed in order.

Quantities and prices here are exact; `shared.risk.fit` moves them onto the broker's grid and may only shrink."""

from dataclasses import dataclass
from decimal import Decimal

from shared.models.enums import CommandKind, OrderType, Side, Tif


@dataclass(frozen=True, slots=True)
class Protection:
    """Stop-loss and take-profit to be set. None = leave as it is, unless its `clear_*` says remove it."""

    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    clear_stop_loss: bool = False
    clear_take_profit: bool = False

    @property
    def empty(self) -> bool:
        return self == Protection()


@dataclass(frozen=True, slots=True)
class Leg:
    """One command to one broker account.

    place:   side, type, qty, price (limit), stop_price (stop), tif, protection, reduce_only
    close:   venue_position_id (hedging; None on netting = the net position), side of the closing order, qty
             (None = all of it)
    cancel:  venue_order_id
    modify:  venue_order_id with price / stop_price / qty; (pending entries)
    protect: venue_position_id with protection
    `after_fill` = this leg is sent only when the leg before it is completely filled (reverse).
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

    @property
    def is_entry(self) -> bool:
        """True when this leg can increase exposure."""
        return self.kind is CommandKind.PLACE and not self.reduce_only
