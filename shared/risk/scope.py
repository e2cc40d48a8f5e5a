"""Which positions and orders an alert means (semantics 2, "Scope").

Netting: the net position of the symbol's root, in any month; a tag limits the quantity to what its fills
still hold. Hedging: the positions opened through this endpoint, with the alert's tag if it has one;
`scope: symbol` means every position of the symbol. A request that came through no endpoint means the
symbol, narrowed by its tag."""

from collections.abc import Iterable
from decimal import Decimal

from msgspec import Struct

from shared.models.context import RiskContext
from shared.models.enums import Freshness, MarginMode, OrderStatus, OrderType, Scope, Side
from shared.models.signal import Signal
from shared.models.symbol_key import symbol_key
from shared.models.trading import Position, WorkingOrder

LIVE = frozenset(
    {
        OrderStatus.PENDING,
        OrderStatus.SUBMITTING,
        OrderStatus.WORKING,
        OrderStatus.PARTIALLY_FILLED,
        OrderStatus.UNKNOWN,
    }
)


class Holding(Struct, frozen=True):
    """A position, and how much of it is in scope. `in_flight` is what exits already sent will take of it."""

    position: Position
    qty: Decimal
    in_flight: Decimal = Decimal(0)

    @property
    def whole(self) -> bool:
        return self.qty == self.position.qty

    @property
    def free(self) -> Decimal:
        """What a further exit may take: never so much that it could flip the position."""
        return max(Decimal(0), min(self.qty, self.position.qty - self.in_flight))


class InScope(Struct, frozen=True):
    """What the alert means. `others`: what a netting position holds beyond the alert's tag, signed."""

    holdings: tuple[Holding, ...]
    entries: tuple[WorkingOrder, ...]
    protection: tuple[WorkingOrder, ...]
    known: bool
    others: Decimal = Decimal(0)

    def on(self, side: Side) -> tuple[Holding, ...]:
        return tuple(each for each in self.holdings if each.position.side is side)

    @property
    def sides(self) -> frozenset[Side]:
        return frozenset(each.position.side for each in self.holdings)


def in_scope(signal: Signal, ctx: RiskContext) -> InScope:
    """The positions, pending entries and protective orders the alert means."""
    positions = tuple(each for each in ctx.positions if _same_symbol(each.symbol, each.root, signal, ctx))
    if signal.position_id is not None:
        named = signal.position_id
        chosen = tuple(each for each in positions if each.venue_position_id == named)
        chosen = chosen or tuple(each for each in positions if str(each.id) == named)
        holdings = tuple(Holding(each, each.qty, _in_flight(each, ctx)) for each in chosen)
    elif ctx.account.margin_mode is MarginMode.NETTING:
        holdings = _netting(positions, signal, ctx)
    else:
        chosen = tuple(each for each in positions if _ours(each.endpoint_id, each.tag, signal, ctx))
        holdings = tuple(Holding(each, each.qty, _in_flight(each, ctx)) for each in chosen)
    net = sum((_signed(each) for each in positions), Decimal(0))
    held = sum((_signed(each.position, each.qty) for each in holdings), Decimal(0))
    return InScope(
        holdings=holdings,
        entries=pending_entries(signal, ctx),
        protection=_protection(holdings, ctx),
        known=ctx.positions_known and all(each.freshness is Freshness.FRESH for each in positions),
        others=net - held if ctx.account.margin_mode is MarginMode.NETTING else Decimal(0),
    )


def pending_entries(signal: Signal, ctx: RiskContext) -> tuple[WorkingOrder, ...]:
    """Pending entries of scope, never protection."""
    return tuple(
        each
        for each in ctx.orders
        if each.is_entry
        and each.status in LIVE
        and _same_symbol(each.symbol, each.root, signal, ctx)
        and _ours_on_account(each, signal, ctx)
    )


def _ours_on_account(order: WorkingOrder, signal: Signal, ctx: RiskContext) -> bool:
    if ctx.account.margin_mode is MarginMode.NETTING and signal.symbol is not None:
        return signal.tag is None or order.tag == signal.tag
    return _ours(order.endpoint_id, order.tag, signal, ctx)


def _ours(endpoint_id: str | None, tag: str | None, signal: Signal, ctx: RiskContext) -> bool:
    """True when something opened by `endpoint_id` with `tag` belongs to the scope on a hedging account."""
    tag_fits = signal.tag is None or tag == signal.tag
    if ctx.endpoint.id is None:
        return tag_fits
    if (signal.scope or ctx.endpoint.scope) is Scope.SYMBOL:
        return True
    return endpoint_id == ctx.endpoint.id and tag_fits


def named_symbol(signal: Signal, ctx: RiskContext) -> bool:
    """True when the alert says what it means: a symbol, or one position by its id."""
    return ctx.instrument is not None or signal.symbol is not None or signal.position_id is not None


def _same_symbol(symbol: str, root: str, signal: Signal, ctx: RiskContext) -> bool:
    """True for the alert's instrument or, for futures, any month of its root."""
    if ctx.instrument is not None:
        return ctx.instrument.root == root
    if signal.symbol is None:
        return True
    # The instrument could not be resolved. An exit still finds its position by the name.
    said = ctx.word.venue_symbol if ctx.word is not None else signal.symbol
    return symbol_key(said) in (symbol_key(symbol), root.upper())


def _netting(positions: tuple[Position, ...], signal: Signal, ctx: RiskContext) -> tuple[Holding, ...]:
    if signal.tag is None:
        return tuple(Holding(each, each.qty, _in_flight(each, ctx)) for each in positions)
    if ctx.tag_qty is None:
        tagged = tuple(each for each in positions if each.tag == signal.tag)
        return tuple(Holding(each, each.qty, _in_flight(each, ctx)) for each in tagged)
    side = Side.BUY if ctx.tag_qty > 0 else Side.SELL
    left = abs(ctx.tag_qty)
    holdings = []
    for position in (each for each in positions if each.side is side):
        qty = min(left, position.qty)
        left -= qty
        if qty > 0:
            holdings.append(Holding(position, qty, _in_flight(position, ctx)))
    return tuple(holdings)


def _in_flight(position: Position, ctx: RiskContext) -> Decimal:
    """What exits at market, sent and not yet settled, will still take of this position."""
    exits = (
        each.qty - each.filled_qty
        for each in ctx.orders
        if each.reduce_only
        and each.type is OrderType.MARKET
        and each.status in LIVE
        and each.side is position.side.opposite
        and protects(each, position, ctx)
    )
    return sum(exits, Decimal(0))


def _protection(holdings: Iterable[Holding], ctx: RiskContext) -> tuple[WorkingOrder, ...]:
    """Stops and targets of the positions in scope."""
    positions = tuple(each.position for each in holdings)
    return tuple(
        each
        for each in ctx.orders
        if each.reduce_only
        and each.type is not OrderType.MARKET
        and each.status in LIVE
        and any(protects(each, position, ctx) for position in positions)
    )


def exits_of(position: Position, ctx: RiskContext) -> tuple[WorkingOrder, ...]:
    """Stops and targets of one position."""
    return _protection((Holding(position, position.qty),), ctx)


def protects(order: WorkingOrder, position: Position, ctx: RiskContext) -> bool:
    """True when an order that only reduces belongs to this position."""
    if ctx.account.margin_mode is MarginMode.NETTING:
        return order.symbol == position.symbol and order.side is position.side.opposite
    return order.position_id in (position.venue_position_id, str(position.id))


def _signed(position: Position, qty: Decimal | None = None) -> Decimal:
    amount = position.qty if qty is None else qty
    return amount if position.side is Side.BUY else -amount
