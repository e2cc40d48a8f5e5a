"""A Signal is what one alert means for one account, before any default, size or price of the account is known."""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from shared.models.enums import Action, OrderType, QtyMode, Scope, Side, StopMode, Tif


class StopSpec(Struct, frozen=True):
    """A stop-loss or take-profit as given: a mode (the unit) and a value. mode NONE = explicitly none."""

    mode: StopMode
    value: Decimal | None = None
    portion: Decimal | None = None


class TrailSpec(Struct, frozen=True):
    """A stop that follows at a distance. mode NONE = explicitly none; `step` None = as the plan says."""

    mode: StopMode
    value: Decimal
    activate: Decimal | None = None
    step: Decimal | None = None


class BreakEvenSpec(Struct, frozen=True):
    """The profit at which the stop goes to the entry, and how far beyond it. trigger NONE = explicitly none."""

    trigger: StopSpec
    plus: StopSpec | None = None


class Signal(Struct, frozen=True):
    """None = the alert said nothing: the default order is alert, endpoint, trading_config (semantics 3).

    `position_id` (the venue's, or ours as text) names one position: a close or change clicked or asked by id.
    `tightens`: we ask for it ourselves, for a position's guard: a change moves a stop toward profit, or nothing, and a
    reduction of `type` limit waits at the broker.
    """

    action: Action
    symbol: str | None
    side: Side | None = None
    type: OrderType = OrderType.MARKET
    qty_mode: QtyMode | None = None
    qty: Decimal | None = None
    price: Decimal | None = None
    stop_price: Decimal | None = None
    sl: StopSpec | None = None
    tp: tuple[StopSpec, ...] | None = None
    trail: TrailSpec | None = None
    be: BreakEvenSpec | None = None
    time_exit_s: int | None = None
    tif: Tif | None = None
    expires_at: datetime | None = None
    tag: str | None = None
    order_id: str | None = None
    scope: Scope | None = None
    ref_price: Decimal | None = None
    position_size: Decimal | None = None
    dry_run: bool = False
    position_id: str | None = None
    tightens: bool = False

    @property
    def anchors(self) -> bool:
        """Whether a change of ours measures exits again from the fill of an entry, which it names beside the position.

        Nothing is risked by it, so that it may loosen a stop: the one at `stop_price`, where that stands still.
        """
        return self.tightens and self.order_id is not None and self.position_id is not None

    @property
    def is_exit(self) -> bool:
        """Actions that can only reduce exposure: never refused by limits, locks or staleness."""
        return self.action in EXIT_ACTIONS


EXIT_ACTIONS = frozenset({Action.CLOSE, Action.REDUCE, Action.CANCEL, Action.FLATTEN})
