"""The arithmetic of a paper account during one command: positions, money, margin, what was touched."""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

from msgspec import Struct
from msgspec.structs import replace

from shared.brokers.paper.book import PaperOrder, PaperPosition, PaperState
from shared.brokers.paper.instruments import cached_instrument
from shared.brokers.paper.valuation import CENT, conversion, open_profit, position_seen
from shared.models.enums import Effect, OrderStatus, Side
from shared.models.market import Instrument
from shared.models.outcome import Rejected
from shared.models.reasons import Reason
from shared.models.trading import Fill, OrderState, Position


class Refused(Exception):
    """The command is not done: unwinds it half-way, and never leaves matching.py."""

    def __init__(self, reason: Reason, text: str, **numbers: Decimal) -> None:
        super().__init__(text)
        self.rejected = Rejected(reason, text, {name: f"{value:f}" for name, value in numbers.items()})


class _Mark(Struct, frozen=True):
    balance: Decimal
    next_id: int
    positions: tuple[PaperPosition, ...]
    orders: tuple[PaperOrder, ...]
    touched: tuple[PaperPosition, ...]
    effects: tuple[OrderState, ...]


class Ledger:
    """A book opened for one command. Money is in the account's currency, booked in cents."""

    def __init__(self, state: PaperState, now: datetime) -> None:
        self._before = state
        self.now = now
        self.balance = state.balance
        self.positions = list(state.positions)
        self.orders = list(state.orders)
        self.prices = dict(state.prices)
        self._next_id = state.next_id
        self._touched: dict[str, PaperPosition] = {}
        self._effects: list[OrderState] = []

    def state(self) -> PaperState:
        """The book as it is now."""
        return replace(
            self._before,
            balance=self.balance,
            next_id=self._next_id,
            positions=tuple(self.positions),
            orders=tuple(self.orders),
            prices=self.prices,
        )

    def mark(self) -> _Mark:
        """Where to return to when the command is refused half-way."""
        return _Mark(
            self.balance,
            self._next_id,
            tuple(self.positions),
            tuple(self.orders),
            tuple(self._touched.values()),
            tuple(self._effects),
        )

    def rewind(self, mark: _Mark) -> None:
        """Forget everything since `mark`."""
        self.balance, self._next_id = mark.balance, mark.next_id
        self.positions, self.orders = list(mark.positions), list(mark.orders)
        self._touched = {position.id: position for position in mark.touched}
        self._effects = list(mark.effects)

    # What was touched

    def touched(self) -> tuple[Position, ...]:
        """Every position this command changed, as it is now; qty 0 = closed."""
        return tuple(position_seen(position, self.now) for position in self._touched.values())

    def effects(self) -> tuple[OrderState, ...]:
        """Every other order that changed."""
        return tuple(self._effects)

    def filled_later(self, order: PaperOrder, fills: list[Fill]) -> None:
        """A waiting order was filled by a price."""
        qty = sum((fill.qty for fill in fills), Decimal(0))
        average = sum((fill.qty * fill.price for fill in fills), Decimal(0)) / qty
        named = tuple(replace(fill, client_order_id=order.client_order_id) for fill in fills)
        state = OrderState(order.id, order.client_order_id, OrderStatus.FILLED, qty, average, named)
        self._effects.append(state)

    def ended(self, order: PaperOrder, status: OrderStatus, reason: Reason | None) -> None:
        """A waiting order ended without a fill."""
        self._effects.append(
            OrderState(order.id, order.client_order_id, status, reason=reason.value if reason else None)
        )

    def protected(self, position: PaperPosition, which: str, fills: list[Fill]) -> None:
        """A position's own stop ('SL') or target ('TP') closed it."""
        name = f"{position.id}-{which}"
        named = tuple(replace(fill, venue_order_id=name) for fill in fills)
        self._effects.append(OrderState(name, None, OrderStatus.FILLED, position.qty, fills[0].price, named))

    # Prices and money

    def instrument(self, symbol: str) -> Instrument:
        """The instrument of a venue symbol, or refused."""
        found = cached_instrument(symbol, self.now.date())
        if found is None:
            raise Refused(Reason.INSTRUMENT_UNKNOWN, f"{symbol} is not traded here")
        return found

    def slipped(self, instrument: Instrument, side: Side, price: Decimal) -> Decimal:
        """What a market or stop order really gets: worse by the account's slippage."""
        away = self._before.terms.slippage_ticks * instrument.tick_size
        return price + away if side is Side.BUY else max(price - away, instrument.tick_size)

    def rate(self, currency: str) -> Decimal:
        """Account currency per unit of `currency`, or refused."""
        rate = conversion(currency, self._before.currency, self.prices)
        if rate is None:
            raise Refused(
                Reason.CONVERSION_UNKNOWN, f"no rate from {currency} to {self._before.currency} is known"
            )
        return rate

    def equity(self) -> Decimal:
        """Balance and open profit at the last prices."""
        return self.balance + sum((self._open_profit(each) for each in self.positions), Decimal(0))

    def _open_profit(self, position: PaperPosition) -> Decimal:
        return open_profit(position, self.prices, self._before.currency, self.now)

    def profit(
        self, instrument: Instrument, position: PaperPosition, qty: Decimal, price: Decimal
    ) -> Decimal:
        """Realised profit of closing `qty` at `price`, in cents of the account currency."""
        move = price - position.entry_price if position.side is Side.BUY else position.entry_price - price
        gross = move / instrument.tick_size * instrument.tick_value * qty
        return (gross * self.rate(instrument.quote_currency)).quantize(CENT, ROUND_HALF_EVEN)

    # What must hold before a fill

    def assert_qty(self, instrument: Instrument, qty: Decimal | None) -> Decimal:
        """On the instrument's grid, or refused."""
        if qty is None or qty < instrument.qty_min or qty > instrument.qty_max or qty % instrument.qty_step:
            raise Refused(
                Reason.INVALID_QUANTITY,
                f"{qty} is not a quantity of {instrument.symbol}",
                qty_min=instrument.qty_min,
                qty_max=instrument.qty_max,
                qty_step=instrument.qty_step,
            )
        return qty

    def assert_protection(
        self, side: Side, entry: Decimal, stop: Decimal | None, target: Decimal | None
    ) -> None:
        """A stop lies on the losing side of the price, a target on the winning one, or refused."""
        sign = 1 if side is Side.BUY else -1
        if stop is not None and (entry - stop) * sign <= 0:
            raise Refused(Reason.INVALID_STOPS, "the stop-loss is on the wrong side", stop=stop, price=entry)
        if target is not None and (target - entry) * sign <= 0:
            raise Refused(Reason.INVALID_STOPS, "the target is on the wrong side", target=target, price=entry)

    def assert_margin(self, instrument: Instrument, side: Side, qty: Decimal, price: Decimal) -> None:
        """Equity covers the margin of everything that would be open afterwards, or refused."""
        equity = self.equity()
        if equity <= 0:
            raise Refused(Reason.INSUFFICIENT_FUNDS, "the account has no money left", equity=equity)
        growing = qty
        if not self._before.hedging:
            against = [
                p for p in self.positions if p.symbol == instrument.venue_symbol and p.side is not side
            ]
            growing -= 2 * sum((p.qty for p in against), Decimal(0))
        if growing <= 0:
            return
        needed = self._margin(instrument, growing, price)
        used = sum(
            (self._margin(self.instrument(p.symbol), p.qty, p.entry_price) for p in self.positions),
            Decimal(0),
        )
        if used + needed > equity:
            raise Refused(
                Reason.INSUFFICIENT_MARGIN, "not enough free margin", needed=needed, free=equity - used
            )

    def _margin(self, instrument: Instrument, qty: Decimal, price: Decimal) -> Decimal:
        notional = price * instrument.contract_size * qty * self.rate(instrument.quote_currency)
        return (notional / self._before.terms.leverage).quantize(CENT, ROUND_HALF_EVEN)

    def assert_reducible(
        self, instrument: Instrument, side: Side, qty: Decimal, position_id: str | None
    ) -> None:
        """There is enough open on the other side to be reduced by `qty`, or refused."""
        open_qty = sum((p.qty for p in self._against(instrument, side, position_id)), Decimal(0))
        if open_qty == 0:
            raise Refused(Reason.POSITION_NOT_FOUND, f"nothing to reduce in {instrument.symbol}")
        if qty > open_qty:
            raise Refused(Reason.INVALID_QUANTITY, "more than is open", qty=qty, open=open_qty)

    # Fills

    def trade(
        self,
        instrument: Instrument,
        side: Side,
        qty: Decimal,
        price: Decimal,
        order_id: str,
        stop: Decimal | None,
        target: Decimal | None,
    ) -> list[Fill]:
        """An entry. Netting: closes the opposite position first; the rest opens, or adds."""
        fills: list[Fill] = []
        if not self._before.hedging:
            fills = self._reduce(instrument, side, qty, price, order_id, None)
            qty -= sum((fill.qty for fill in fills), Decimal(0))
        if qty > 0:
            fills.append(self._open(instrument, side, qty, price, order_id, stop, target))
        return fills

    def reduce(
        self,
        instrument: Instrument,
        side: Side,
        qty: Decimal,
        price: Decimal,
        order_id: str,
        position_id: str | None,
    ) -> list[Fill]:
        """Close up to `qty` of what is open on the other side; never opens."""
        return self._reduce(instrument, side, qty, price, order_id, position_id)

    def _reduce(
        self,
        instrument: Instrument,
        side: Side,
        qty: Decimal,
        price: Decimal,
        order_id: str,
        position_id: str | None,
    ) -> list[Fill]:
        fills: list[Fill] = []
        for position in self._against(instrument, side, position_id):
            part = min(position.qty, qty)
            if part > 0:
                fills += self.close(instrument, position, part, price, order_id)
                qty -= part
        return fills

    def _against(self, instrument: Instrument, side: Side, position_id: str | None) -> list[PaperPosition]:
        return [
            each
            for each in self.positions
            if each.symbol == instrument.venue_symbol
            and each.side is not side
            and (position_id is None or each.id == position_id)
        ]

    def _open(
        self,
        instrument: Instrument,
        side: Side,
        qty: Decimal,
        price: Decimal,
        order_id: str,
        stop: Decimal | None,
        target: Decimal | None,
    ) -> Fill:
        self.rate(instrument.quote_currency)  # a position whose profit cannot be counted is never opened
        held = None if self._before.hedging else self._net(instrument.venue_symbol)
        if held is None:
            held = PaperPosition(
                self.new_id("P"), instrument.venue_symbol, side, qty, price, self.now, stop, target
            )
        else:
            total = held.qty + qty
            average = (held.entry_price * held.qty + price * qty) / total
            held = replace(
                held,
                qty=total,
                entry_price=average,
                stop_loss=stop or held.stop_loss,
                take_profit=target or held.take_profit,
            )
        self.put(held)
        return self._fill(held, side, qty, price, order_id, Effect.OPEN, Decimal(0))

    def close(
        self,
        instrument: Instrument,
        position: PaperPosition,
        qty: Decimal,
        price: Decimal,
        order_id: str | None,
    ) -> list[Fill]:
        """Close `qty` of a position, book the profit, and sweep what protected it when nothing is left."""
        realised = self.profit(instrument, position, qty, price)
        self.balance += realised
        left = replace(position, qty=position.qty - qty)
        self.put(left)
        if left.qty == 0:
            self._sweep(left)
        return [self._fill(position, position.side.opposite, qty, price, order_id, Effect.CLOSE, realised)]

    def _fill(
        self,
        position: PaperPosition,
        side: Side,
        qty: Decimal,
        price: Decimal,
        order_id: str | None,
        effect: Effect,
        realised: Decimal,
    ) -> Fill:
        commission = (self._before.terms.commission_per_unit * qty).quantize(CENT, ROUND_HALF_EVEN)
        self.balance -= commission
        return Fill(
            venue_fill_id=self.new_id("F"),
            side=side,
            qty=qty,
            price=price,
            at=self.now,
            symbol=position.symbol,
            effect=effect,
            venue_order_id=order_id,
            venue_position_id=position.id,
            commission=commission,
            realised=realised,
        )

    def _sweep(self, closed: PaperPosition) -> None:
        """Exits that wait for a position that is gone would open a new one: they end with it."""
        for order in [o for o in self.orders if o.reduce_only and o.symbol == closed.symbol]:
            if order.position_id in (None, closed.id):
                self.remove_order(order)
                self.ended(order, OrderStatus.CANCELED, None)

    # Looking things up

    def new_id(self, letter: str) -> str:
        """A new id: the letter says what it names."""
        self._next_id += 1
        return f"{letter}{self._next_id - 1}"

    def put(self, position: PaperPosition) -> None:
        """Replace, add or (qty 0) remove a position, and remember that it was touched."""
        self._touched[position.id] = position
        for index, each in enumerate(self.positions):
            if each.id == position.id:
                self.positions[index : index + 1] = [position] if position.qty else []
                return
        self.positions.append(position)

    def position(self, symbol: str, position_id: str | None) -> PaperPosition:
        """The position with this id, or the net position of the symbol, or refused."""
        found = next((each for each in self.positions if each.id == position_id), None)
        if position_id is None and not self._before.hedging:
            found = self._net(symbol)
        if found is None:
            raise Refused(Reason.POSITION_NOT_FOUND, f"no open position {position_id or symbol}")
        return found

    def _net(self, symbol: str) -> PaperPosition | None:
        return next((each for each in self.positions if each.symbol == symbol), None)

    def order(self, order_id: str | None) -> PaperOrder:
        """The waiting order with this id, or refused."""
        found = next((each for each in self.orders if each.id == order_id), None)
        if found is None:
            raise Refused(Reason.ORDER_NOT_FOUND, f"no waiting order {order_id}")
        return found

    def remove_order(self, order: PaperOrder) -> None:
        """Take a waiting order out of the book."""
        self.orders.remove(order)
