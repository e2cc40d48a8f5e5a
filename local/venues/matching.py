"""The order book of one simulated account: market, limit and stop orders, brackets, netting or hedging.

It knows no broker: each simulator translates its own words to these and back. A refusal is raised as
`Refused` with a word of `Why`; nothing has changed then. Not thread-safe: one event loop owns it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from local.venues.market import Market, Price
from local.venues.trading import (
    ZERO,
    Contract,
    Holding,
    Order,
    Refused,
    Request,
    Role,
    Session,
    State,
    Trade,
    Why,
)


def _opposite(side: str) -> str:
    return "sell" if side == "buy" else "buy"


def _nothing() -> None:
    """Nobody listens."""


@dataclass(slots=True)
class Book:
    """One account. `changed` is called after anything in it has changed (prices alone do not count).

    `ticketed`: a position is called by the order that opened it, and keeps its name when it is turned around.
    """

    market: Market
    contracts: dict[str, Contract]
    ids: Iterator[str]
    clock: Callable[[], datetime]
    balance: Decimal = Decimal(100_000)
    currency: str = "USD"
    leverage: Decimal = Decimal(100)
    hedging: bool = True
    ticketed: bool = False
    session: Session = Session.OPEN
    changed: Callable[[], None] = _nothing
    working: dict[str, Order] = field(default_factory=dict)
    ended: list[Order] = field(default_factory=list)
    holdings: dict[str, Holding] = field(default_factory=dict)
    trades: list[Trade] = field(default_factory=list)

    # What the account asks for.

    def place(self, request: Request, *, delayed: bool = False) -> Order:
        """Take an order; a market order, or one the market reaches, is filled before this returns.

        `delayed` leaves even a market order working, until `meet`.
        """
        order = self._checked(request)
        if delayed:
            self.working[order.id] = order
        elif order.type == "market" or self._reached(order):
            self._fill(order, self._share(order.qty, request.fill_share, order.contract), at_once=True)
            if order.rest and order.type == "market":
                self._end(order, State.CANCELED)
        if order.rest and order.state is State.WORKING:
            self.working[order.id] = order
        self.changed()
        return order

    def refuse(self, request: Request) -> Order:
        """An order that is taken and then turned down: it is in the history as refused, and did nothing."""
        order = self._checked(request)
        self._end(order, State.REFUSED)
        self.changed()
        return order

    def meet(self, order_id: str) -> None:
        """Fill a delayed order now, if it still works."""
        order = self.working.get(order_id)
        if order is not None:
            self._fill(order, order.rest, at_once=True)
            self.changed()

    def cancel(self, order_id: str) -> Order:
        """Take back an order that works still."""
        order = self._working(order_id)
        self._end(order, State.CANCELED)
        self.changed()
        return order

    def modify(self, order_id: str, **changes: Decimal | None) -> Order:
        """Change price, stop_price, qty, stop_loss, take_profit of a working order; its id stays."""
        order = self._working(order_id)
        qty = changes.get("qty", order.qty)
        assert qty is not None
        self._check_qty(order.contract, qty)
        for name in ("price", "stop_price"):
            if name in changes:
                self._check_price(order.contract, changes[name], Why.PRICE)
        for name in ("stop_loss", "take_profit"):
            if changes.get(name) is not None:
                self._check_price(order.contract, changes[name], Why.STOPS)
        for name, value in changes.items():
            setattr(order, name, value)
        order.modified = self.clock()
        self._meet(order)
        self.changed()
        return order

    def close(self, position_id: str, qty: Decimal | None = None, *, share: Decimal = Decimal(1)) -> Order:
        """Close a position, or `qty` of it, by a market order of the other side."""
        holding = self._holding(position_id)
        if self.session is Session.CLOSED:
            raise Refused(Why.CLOSED)
        wanted = holding.qty if qty is None else qty
        if wanted <= 0 or wanted > holding.qty or wanted % holding.contract.qty_step:
            raise Refused(Why.QUANTITY, qty=wanted)
        order = self._new(holding.contract, _opposite(holding.side), "market", wanted, Role.CLOSE)
        order.position_id = holding.id
        self._fill(order, self._share(wanted, share, holding.contract), at_once=True)
        if order.rest:
            self._end(order, State.CANCELED)
        self.changed()
        return order

    def protect(self, position_id: str, **levels: Decimal | None) -> Holding:
        """Set (a price) or remove (None) `stop_loss` and `take_profit`; a level that is not named stays."""
        holding = self._holding(position_id)
        for name, price in levels.items():
            if price is not None:
                self._check_level(holding, name, price)
        for name, price in levels.items():
            self._set_bracket(holding, Role(name), price)
        self.changed()
        return holding

    # What the market does.

    def on_price(self, name: str) -> None:
        """The price of a market instrument has changed: fill what it reaches."""
        before = (len(self.ended), len(self.trades))
        for order in [each for each in self.working.values() if each.contract.priced_as == name]:
            if order.id in self.working:  # a bracket may have gone with its sibling just now
                self._meet(order)
        if before != (len(self.ended), len(self.trades)):
            self.changed()

    # What it is worth.

    def profit(self, holding: Holding) -> Decimal:
        """Open profit in the account's currency."""
        price = self._price(holding.contract)
        now = price.bid if holding.side == "buy" else price.ask
        return self._money(holding.contract, holding.side, holding.qty, holding.average, now)

    def open_profit(self) -> Decimal:
        """Open profit of everything."""
        return sum((self.profit(each) for each in self.holdings.values()), ZERO)

    def margin(self) -> Decimal:
        """Margin that is in use."""
        return sum((self._margin(e.contract, e.qty, e.average) for e in self.holdings.values()), ZERO)

    def price_of(self, contract: Contract) -> Price:
        """The market's price of a contract."""
        return self._price(contract)

    # Checks.

    def _checked(self, request: Request) -> Order:
        contract = self.contracts.get(request.name)
        if contract is None:
            raise Refused(Why.SYMBOL, name=request.name)
        if self.session is Session.CLOSED:
            raise Refused(Why.CLOSED)
        if self.session is Session.CLOSE_ONLY:
            raise Refused(Why.CLOSE_ONLY)
        self._check_qty(contract, request.qty)
        order = self._new(contract, request.side, request.type, request.qty, Role.ENTRY)
        order.price = request.price if request.type == "limit" else None
        order.stop_price = request.stop_price if request.type == "stop" else None
        order.stop_loss, order.take_profit, order.tag = request.stop_loss, request.take_profit, request.tag
        at = self._entry_price(order)
        self._check_levels(order, at)
        needed = self._margin(contract, order.qty, at)
        if self.margin() + needed > self.balance + self.open_profit():
            raise Refused(Why.MARGIN, order_id=order.id, side=order.side, qty=order.qty, price=at)
        return order

    def _entry_price(self, order: Order) -> Decimal:
        if order.type == "market":
            price = self._price(order.contract)
            return price.ask if order.side == "buy" else price.bid
        asked = order.price if order.type == "limit" else order.stop_price
        self._check_price(order.contract, asked, Why.PRICE)
        assert asked is not None
        return asked

    def _check_levels(self, order: Order, at: Decimal) -> None:
        sign = 1 if order.side == "buy" else -1
        for name, price, away in (("SL", order.stop_loss, sign), ("TP", order.take_profit, -sign)):
            if price is not None and ((at - price) * away <= 0 or price % order.contract.tick):
                raise Refused(Why.STOPS, which=name, price=price)

    def _check_level(self, holding: Holding, name: str, level: Decimal) -> None:
        price = self._price(holding.contract)
        now = price.bid if holding.side == "buy" else price.ask
        sign = (1 if holding.side == "buy" else -1) * (1 if name == "stop_loss" else -1)
        if (now - level) * sign <= 0 or level % holding.contract.tick:
            raise Refused(Why.STOPS, which="SL" if name == "stop_loss" else "TP", price=level)

    @staticmethod
    def _check_qty(contract: Contract, qty: Decimal) -> None:
        if qty < contract.qty_min or qty > contract.qty_max or qty % contract.qty_step:
            raise Refused(Why.QUANTITY, qty=qty)

    @staticmethod
    def _check_price(contract: Contract, price: Decimal | None, why: Why) -> None:
        if price is None or price <= 0 or price % contract.tick:
            raise Refused(why, price=price)

    # Fills.

    def _meet(self, order: Order) -> None:
        if self._reached(order):
            self._fill(order, order.rest, at_once=False)

    def _reached(self, order: Order) -> bool:
        price = self._price(order.contract)
        buys = order.side == "buy"
        if order.type == "limit" and order.price is not None:
            return price.ask <= order.price if buys else price.bid >= order.price
        if order.type == "stop" and order.stop_price is not None:
            return price.ask >= order.stop_price if buys else price.bid <= order.stop_price
        return False

    def _fill(self, order: Order, qty: Decimal, *, at_once: bool) -> None:
        if qty <= 0:
            return
        price = self._price(order.contract)
        at = price.ask if order.side == "buy" else price.bid
        if order.type == "limit" and order.price is not None and not at_once:
            at = order.price
        value = (order.average or ZERO) * order.filled + at * qty
        order.filled += qty
        order.average = value / order.filled
        if order.role is Role.ENTRY:
            self._enter(order, qty, at)
        else:
            self._leave(order, self.holdings[order.position_id or ""], qty, at)
        if not order.rest:
            self._end(order, State.FILLED)

    def _enter(self, order: Order, qty: Decimal, at: Decimal) -> None:
        against = None if self.hedging else self._net(order.contract)
        turned = None
        if against is not None and against.side != order.side:
            closing, turned = min(qty, against.qty), against.id
            self._leave(order, against, closing, at)
            qty -= closing
            against = None
        if not qty:
            return
        holding = against or self.holdings.get(order.position_id or "")
        if holding is None:
            holding = self._open(order, at, turned or order.id)
        else:
            holding.average = (holding.average * holding.qty + at * qty) / (holding.qty + qty)
        holding.qty += qty
        order.position_id = holding.id
        self._note(order, holding.id, qty, at, opens=True, profit=ZERO)
        for role, level in ((Role.STOP_LOSS, order.stop_loss), (Role.TAKE_PROFIT, order.take_profit)):
            if level is not None:
                self._set_bracket(holding, role, level)
        self._resize_brackets(holding)

    def _open(self, order: Order, at: Decimal, ticket: str) -> Holding:
        own = ticket if self.ticketed else next(self.ids)
        holding = Holding(own, order.contract, order.side, ZERO, at, self.clock(), order.tag)
        self.holdings[holding.id] = holding
        return holding

    def _net(self, contract: Contract) -> Holding | None:
        return next((each for each in self.holdings.values() if each.contract == contract), None)

    def _leave(self, order: Order, holding: Holding, qty: Decimal, at: Decimal) -> None:
        # Booked in cents, as brokers do: the balance stays the sum of what was told.
        profit = round(self._money(holding.contract, holding.side, qty, holding.average, at), 2)
        self.balance += profit
        holding.qty -= qty
        order.position_id = holding.id
        self._note(order, holding.id, qty, at, opens=False, profit=profit)
        if holding.qty:
            self._resize_brackets(holding)
            return
        del self.holdings[holding.id]
        for bracket_id in (holding.stop_loss_id, holding.take_profit_id):
            sibling = self.working.get(bracket_id or "")
            if sibling is not None and sibling is not order:
                self._end(sibling, State.CANCELED)

    def _note(
        self, order: Order, position_id: str, qty: Decimal, at: Decimal, *, opens: bool, profit: Decimal
    ) -> None:
        trade_id = next(self.ids)
        self.trades.append(
            Trade(trade_id, order.id, position_id, order.side, qty, at, self.clock(), opens, profit)
        )

    # Brackets: a stop and a limit order on the other side, as large as the position; one ends the other.

    def _set_bracket(self, holding: Holding, role: Role, level: Decimal | None) -> None:
        stop = role is Role.STOP_LOSS
        order = self.working.get((holding.stop_loss_id if stop else holding.take_profit_id) or "")
        if level is None:
            if order is not None:
                self._end(order, State.CANCELED)
            order = None
        elif order is None:
            order = self._new(
                holding.contract, _opposite(holding.side), "stop" if stop else "limit", holding.qty, role
            )
            order.position_id, order.tag = holding.id, holding.tag
            self.working[order.id] = order
        if order is not None:
            order.stop_price, order.price = (level, None) if stop else (None, level)
            order.modified = self.clock()
            holding.stop_loss_id = order.id if stop else holding.stop_loss_id
            holding.take_profit_id = holding.take_profit_id if stop else order.id

    def _resize_brackets(self, holding: Holding) -> None:
        for bracket_id in (holding.stop_loss_id, holding.take_profit_id):
            order = self.working.get(bracket_id or "")
            if order is not None:
                order.qty = order.filled + holding.qty

    # Small parts.

    def _new(self, contract: Contract, side: str, kind: str, qty: Decimal, role: Role) -> Order:
        now = self.clock()
        return Order(next(self.ids), contract, side, kind, qty, now, now, role)

    def _end(self, order: Order, state: State) -> None:
        order.state, order.modified = state, self.clock()
        self.working.pop(order.id, None)
        self.ended.append(order)
        holding = self.holdings.get(order.position_id or "")
        if holding is not None and order.id == holding.stop_loss_id:
            holding.stop_loss_id = None
        if holding is not None and order.id == holding.take_profit_id:
            holding.take_profit_id = None

    @staticmethod
    def _share(qty: Decimal, share: Decimal, contract: Contract) -> Decimal:
        part = qty * share
        return qty if share >= 1 else part - part % contract.qty_step

    def _price(self, contract: Contract) -> Price:
        return self.market.price(contract.priced_as)

    def _money(self, contract: Contract, side: str, qty: Decimal, start: Decimal, end: Decimal) -> Decimal:
        moved = end - start if side == "buy" else start - end
        return self.market.convert(moved * qty * contract.lot, contract.quote, self.currency)

    def _margin(self, contract: Contract, qty: Decimal, price: Decimal) -> Decimal:
        return self.market.convert(price * qty * contract.lot, contract.quote, self.currency) / self.leverage

    def _working(self, order_id: str) -> Order:
        order = self.working.get(order_id)
        if order is None:
            raise Refused(Why.NO_ORDER, order_id=order_id)
        return order

    def _holding(self, position_id: str) -> Holding:
        holding = self.holdings.get(position_id)
        if holding is None:
            raise Refused(Why.NO_POSITION, position_id=position_id)
        return holding
