"""One account: orders, brackets, the net position of each contract, half-turns. It knows no HTTP.

Brackets are children of their entry: suspended until it is filled, then working; one that is filled cancels the
other. A position that is closed leaves every other order where it is. One event loop owns a book.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from local.venues.market import Market
from local.venues.topstepx.contracts import Listing
from local.venues.topstepx.refusals import Refusal
from local.venues.topstepx.words import OrderType, PositionType, Side, Status

ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Bracket:
    """A stop (type 4 or 5) or a target (1): signed ticks from the fill."""

    ticks: int
    type: OrderType


@dataclass(frozen=True, slots=True)
class Request:
    """An order as it comes in, checked. `trail_ticks` of a trailing stop."""

    listing: Listing
    type: OrderType
    side: Side
    size: int
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_ticks: int | None = None
    tag: str | None = None
    stop_loss: Bracket | None = None
    take_profit: Bracket | None = None


@dataclass(slots=True)
class Order:
    """`ticks` of a child is its distance from the fill of `parent_id`; `first_share` limits the first fill."""

    id: int
    listing: Listing
    type: OrderType
    side: Side
    size: int
    created: datetime
    updated: datetime
    status: Status = Status.OPEN
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_ticks: int | None = None
    tag: str | None = None
    filled: int = 0
    average: Decimal | None = None
    parent_id: int | None = None
    linked_id: int | None = None
    ticks: int = 0
    first_share: Decimal = ONE

    @property
    def rest(self) -> int:
        return self.size - self.filled


@dataclass(slots=True)
class Position:
    """The net position of a contract."""

    id: int
    listing: Listing
    type: PositionType
    size: int
    average: Decimal
    created: datetime

    @property
    def sign(self) -> int:
        return 1 if self.type is PositionType.LONG else -1


@dataclass(frozen=True, slots=True)
class HalfTurn:
    """One fill. `profit` None = it opened."""

    id: int
    order_id: int
    listing: Listing
    side: Side
    size: int
    price: Decimal
    profit: Decimal | None
    fees: Decimal
    at: datetime


def _nothing() -> None:
    """Nobody listens."""


@dataclass(slots=True)
class Book:
    """`changed` is called after anything in it has changed."""

    market: Market
    ids: Iterator[int]
    clock: Callable[[], datetime]
    balance: Decimal = Decimal(50_000)
    orders: dict[int, Order] = field(default_factory=dict)
    positions: dict[str, Position] = field(default_factory=dict)
    trades: list[HalfTurn] = field(default_factory=list)
    tags: set[str] = field(default_factory=set)
    working: dict[int, Order] = field(default_factory=dict)
    changed: Callable[[], None] = _nothing

    # What the account asks for.

    def place(self, request: Request, *, share: Decimal = ONE, delayed: bool = False) -> Order:
        """Take an order: filled before this returns where the market reaches it, unless `delayed`.

        `share` < 1 fills that part of a market order, and the rest is cancelled; of an order that waits it is what the
        first price that reaches it fills, the next one fills the rest.
        """
        order = self._new(request)
        order.first_share = share
        stop = self._child(order, request.stop_loss, "SL")
        target = self._child(order, request.take_profit, "TP")
        if target is not None and stop is not None:
            target.linked_id = stop.id
        if not delayed:
            self._meet(order, share)
        self.changed()
        return order

    def reject(self, request: Request) -> Order:
        """An order that was made and is rejected at once."""
        order = self._new(request)
        self._end(order, Status.REJECTED)
        self.changed()
        return order

    def meet(self, order_id: int) -> None:
        """Fill a delayed order now, if it still works."""
        order = self.working.get(order_id)
        if order is not None:
            self._meet(order, ONE)
            self.changed()

    def cancel(self, order_id: int, *, with_sibling: bool = False) -> Order:
        """Take back an order that works or is suspended; the children of an entry go with it."""
        order = self._to_change(order_id)
        self._end(order, Status.CANCELLED)
        for each in self._siblings(order) if with_sibling else []:
            self._end(each, Status.CANCELLED)
        self.changed()
        return order

    def modify(self, order_id: int, **changes: Decimal | int) -> Order:
        """Change size, limit_price, stop_price or trail_ticks; the sibling stays as it is."""
        order = self._to_change(order_id)
        for name, value in changes.items():
            setattr(order, name, value)
        if "trail_ticks" in changes:
            order.stop_price = None
            self._trail(order)
        order.updated = self.clock()
        if order.status is Status.OPEN:
            self._meet(order, ONE)
        self.changed()
        return order

    def close(self, contract_id: str, size: int | None, *, share: Decimal = ONE) -> Order:
        """A market order against the position, of all of it or of `size`. Resting orders stay."""
        position = self.positions.get(contract_id)
        if position is None:
            raise Refusal("position")
        wanted = position.size if size is None else size
        if not 0 < wanted <= position.size:
            raise Refusal("size")
        side = Side.ASK if position.type is PositionType.LONG else Side.BID
        order = self._new(Request(position.listing, OrderType.MARKET, side, wanted))
        self._meet(order, share)
        self.changed()
        return order

    # What the market does.

    def on_price(self, name: str) -> None:
        """The price of a contract has changed: fill what it reaches."""
        before = len(self.trades)
        for order in [each for each in self.working.values() if each.listing.id == name]:
            if order.status is Status.OPEN:  # its sibling may have been filled just now
                self._trail(order)
                self._meet(order, ONE)
        if len(self.trades) != before:
            self.changed()

    def last(self, listing: Listing) -> Decimal:
        """The last traded price."""
        return self.market.price(listing.id).bid

    # Fills.

    def _meet(self, order: Order, share: Decimal) -> None:
        if order.type is OrderType.TRAILING_STOP and order.stop_price is None:
            self._trail(order)
        if not self._reached(order):
            return
        share = min(share, ONE if order.filled else order.first_share)
        self._fill(order, max(1, int(order.rest * share)))
        if not order.rest:
            self._end(order, Status.FILLED)
        elif order.type is OrderType.MARKET:
            self._end(order, Status.CANCELLED)

    def _reached(self, order: Order) -> bool:
        price = self.market.price(order.listing.id)
        buys = order.side is Side.BID
        if order.type is OrderType.MARKET:
            return True
        if order.type in (OrderType.STOP, OrderType.TRAILING_STOP):
            if order.stop_price is None:
                return False
            return price.ask >= order.stop_price if buys else price.bid <= order.stop_price
        if order.limit_price is None:
            return False
        return price.ask <= order.limit_price if buys else price.bid >= order.limit_price

    def _fill(self, order: Order, size: int) -> None:
        price = self.market.price(order.listing.id)
        at = price.ask if order.side is Side.BID else price.bid
        value = (order.average or Decimal(0)) * order.filled + at * size
        order.filled += size
        order.average = value / order.filled
        order.updated = self.clock()
        self._net(order, size, at)

    def _net(self, order: Order, size: int, at: Decimal) -> None:
        position = self.positions.get(order.listing.id)
        if position is not None and position.sign != order.side.sign:
            closing = min(size, position.size)
            points = (at - position.average) * position.sign
            product = order.listing.product
            self._note(order, closing, at, round(points / product.tick * product.tick_value * closing, 2))
            position.size -= closing
            size -= closing
            if not position.size:
                del self.positions[order.listing.id]
                position = None
        if not size:
            return
        self._note(order, size, at, None)
        if position is None:
            kind = PositionType.LONG if order.side is Side.BID else PositionType.SHORT
            created = self.clock()
            position = Position(next(self.ids) % 10**9, order.listing, kind, 0, at, created)
            self.positions[order.listing.id] = position
        position.average = (position.average * position.size + at * size) / (position.size + size)
        position.size += size

    def _note(self, order: Order, size: int, at: Decimal, profit: Decimal | None) -> None:
        fees = order.listing.product.fee * size
        self.balance += (profit or Decimal(0)) - fees
        self.trades.append(
            HalfTurn(
                next(self.ids), order.id, order.listing, order.side, size, at, profit, fees, self.clock()
            )
        )

    def _trail(self, order: Order) -> None:
        """The stop follows the last price, never away from it."""
        if order.type is not OrderType.TRAILING_STOP or order.trail_ticks is None:
            return
        level = self.last(order.listing) + order.trail_ticks * order.listing.product.tick
        best = min if order.side is Side.BID else max
        order.stop_price = level if order.stop_price is None else best(order.stop_price, level)

    # Orders and their children.

    def _new(self, request: Request) -> Order:
        now = self.clock()
        order = Order(
            next(self.ids), request.listing, request.type, request.side, request.size, now, now,
            limit_price=request.limit_price, stop_price=request.stop_price, trail_ticks=request.trail_ticks,
            tag=request.tag,
        )  # fmt: skip
        return self._keep(order)

    def _child(self, entry: Order, bracket: Bracket | None, suffix: str) -> Order | None:
        if bracket is None:
            return None
        tag = None if entry.tag is None else f"{entry.tag}-{suffix}"
        return self._keep(
            Order(
                next(self.ids), entry.listing, bracket.type, entry.side.opposite, entry.size, entry.created,
                entry.created, Status.SUSPENDED, tag=tag, parent_id=entry.id, ticks=bracket.ticks,
            )
        )  # fmt: skip

    def _keep(self, order: Order) -> Order:
        self.orders[order.id] = self.working[order.id] = order
        if order.tag is not None:
            self.tags.add(order.tag)
        return order

    def _end(self, order: Order, status: Status) -> None:
        order.status, order.updated = status, self.clock()
        self.working.pop(order.id, None)
        for child in [each for each in self.working.values() if each.parent_id == order.id]:
            if child.status is not Status.SUSPENDED:
                continue
            if order.filled:
                self._activate(child, order)
            else:
                self._end(child, Status.CANCELLED)
        if status is Status.FILLED:
            for sibling in self._siblings(order):
                self._end(sibling, Status.CANCELLED)

    def _activate(self, child: Order, entry: Order) -> None:
        assert entry.average is not None
        tick = child.listing.product.tick
        level = round(entry.average / tick) * tick + child.ticks * tick
        child.size, child.status, child.updated = entry.filled, Status.OPEN, self.clock()
        if child.type is OrderType.TRAILING_STOP:
            child.trail_ticks = child.ticks
        elif child.type is OrderType.LIMIT:
            child.limit_price = level
        else:
            child.stop_price = level
        self._meet(child, ONE)

    def _siblings(self, order: Order) -> list[Order]:
        if order.parent_id is None:
            return []
        return [e for e in self.working.values() if e.parent_id == order.parent_id and e is not order]

    def _to_change(self, order_id: int) -> Order:
        order = self.orders.get(order_id)
        if order is None:
            raise Refusal("order")
        if order.status.is_final:
            raise Refusal("ended")
        return order
