"""The paper broker's mind, pure: a book and a command -> the book after it and the answer.

A command may bring a price. First that price meets what already lies in the book (pending orders, then stops
and targets), then the command itself is done. Nothing fills between the prices the book has seen.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace

from shared.brokers.errors import OVERTAKEN
from shared.brokers.paper.book import PaperAnswer, PaperCommand, PaperOrder, PaperPosition, PaperState
from shared.brokers.paper.ledger import Ledger, Refused
from shared.models.command import is_overtaken
from shared.models.enums import CommandKind, OrderStatus, OrderType, Side, Tif
from shared.models.market import Instrument
from shared.models.outcome import Accepted
from shared.models.reasons import Reason
from shared.models.trading import Fill


def apply(state: PaperState, command: PaperCommand, now: datetime) -> tuple[PaperState, PaperAnswer]:
    """Do one command at `now` (UTC). A refusal changes nothing but the price and what the price set off."""
    ledger = Ledger(state, now)
    if command.market_price is not None:
        _meet_price(ledger, command.symbol, command.market_price)
    mark = ledger.mark()
    try:
        accepted = _do(ledger, command)
    except Refused as refused:
        ledger.rewind(mark)
        rejected = replace(refused.rejected, positions=ledger.touched(), effects=ledger.effects())
        return ledger.state(), PaperAnswer(rejected=rejected)
    return ledger.state(), PaperAnswer(
        accepted=replace(
            accepted,
            positions=ledger.touched(),
            effects=ledger.effects(),
            balance=ledger.balance,
            equity=ledger.equity(),
        )
    )


def meet_price(
    state: PaperState, symbol: str, price: Decimal, now: datetime
) -> tuple[PaperState, PaperAnswer]:
    """A new price without a command: fills what it reaches. The answer holds positions, effects and money."""
    ledger = Ledger(state, now)
    _meet_price(ledger, symbol, price)
    accepted = Accepted(None, OrderStatus.FILLED, balance=ledger.balance, equity=ledger.equity())
    return ledger.state(), PaperAnswer(
        accepted=replace(accepted, positions=ledger.touched(), effects=ledger.effects())
    )


def waits(state: PaperState, symbol: str) -> bool:
    """Whether a price of the symbol could fill anything: an order, a stop or a target."""
    return any(each.symbol == symbol for each in state.orders) or any(
        each.symbol == symbol and (each.stop_loss is not None or each.take_profit is not None)
        for each in state.positions
    )


def _meet_price(ledger: Ledger, symbol: str, price: Decimal) -> None:
    if price <= 0:
        raise ValueError("a price is above 0")
    ledger.prices[symbol] = price
    _trigger_orders(ledger, symbol, price)
    _trigger_protection(ledger, symbol, price)


def _trigger_orders(ledger: Ledger, symbol: str, price: Decimal) -> None:
    for order in [each for each in ledger.orders if each.symbol == symbol]:
        if order not in ledger.orders or not _reached(order, price):  # swept by a fill just before
            continue
        ledger.remove_order(order)
        try:
            fills = _fill_order(ledger, order, price)
        except Refused as refused:
            ledger.ended(order, OrderStatus.REJECTED, refused.rejected.reason)
            continue
        if fills:
            ledger.filled_later(order, fills)
        else:
            ledger.ended(order, OrderStatus.CANCELED, Reason.POSITION_NOT_FOUND)


def _fill_order(ledger: Ledger, order: PaperOrder, price: Decimal) -> list[Fill]:
    instrument = ledger.instrument(order.symbol)
    # A resting limit gets its own price, a stop whatever the market is now, the gap included.
    at = order.price if order.type is OrderType.LIMIT and order.price is not None else price
    if order.type is OrderType.STOP:
        at = ledger.slipped(instrument, order.side, price)
    if order.reduce_only:
        return ledger.reduce(instrument, order.side, order.qty, at, order.id, order.position_id)
    ledger.assert_margin(instrument, order.side, order.qty, at)
    return ledger.trade(instrument, order.side, order.qty, at, order.id, order.stop_loss, order.take_profit)


def _reached(order: PaperOrder, price: Decimal) -> bool:
    buy = order.side is Side.BUY
    if order.type is OrderType.LIMIT and order.price is not None:
        return price <= order.price if buy else price >= order.price
    if order.stop_price is not None:
        return price >= order.stop_price if buy else price <= order.stop_price
    return False


def _trigger_protection(ledger: Ledger, symbol: str, price: Decimal) -> None:
    for position in [each for each in ledger.positions if each.symbol == symbol]:
        hit = _protection_hit(position, price)
        if hit is None or position not in ledger.positions:
            continue
        instrument = ledger.instrument(symbol)
        side = position.side.opposite
        at = ledger.slipped(instrument, side, price) if hit == "SL" else position.take_profit or price
        ledger.protected(position, hit, ledger.close(instrument, position, position.qty, at, None))


def _protection_hit(position: PaperPosition, price: Decimal) -> str | None:
    long = position.side is Side.BUY
    stop, target = position.stop_loss, position.take_profit
    if stop is not None and (price <= stop if long else price >= stop):
        return "SL"
    if target is not None and (price >= target if long else price <= target):
        return "TP"
    return None


def _do(ledger: Ledger, command: PaperCommand) -> Accepted:
    match command.kind:
        case CommandKind.PLACE:
            return _place(ledger, command)
        case CommandKind.CLOSE:
            return _close(ledger, command)
        case CommandKind.CANCEL:
            return _cancel(ledger, command)
        case CommandKind.MODIFY:
            return _modify(ledger, command)
        case CommandKind.PROTECT:
            return _protect(ledger, command)


def _place(ledger: Ledger, command: PaperCommand) -> Accepted:
    instrument = ledger.instrument(command.symbol)
    side, qty = _side(command), ledger.assert_qty(instrument, command.qty)
    last = ledger.prices.get(command.symbol)
    entry = _entry_price(command, last)
    ledger.assert_protection(side, entry, command.protection.stop_loss, command.protection.take_profit)
    if command.reduce_only:
        ledger.assert_reducible(instrument, side, qty, command.position_id)
    order = _order(ledger, command, side, qty)
    if command.type is OrderType.STOP and last is not None and _reached(order, last):
        raise Refused(Reason.INVALID_PRICE, "the market is already beyond the stop price", price=last)
    if command.type is OrderType.MARKET:
        return _filled(order, _fill_now(ledger, instrument, order, ledger.slipped(instrument, side, entry)))
    if command.type is OrderType.LIMIT and last is not None and _reached(order, last):
        return _filled(order, _fill_now(ledger, instrument, order, last))
    if command.tif in (Tif.IOC, Tif.FOK):
        return Accepted(order.id, OrderStatus.CANCELED)
    ledger.orders.append(order)
    return Accepted(order.id, OrderStatus.WORKING)


def _fill_now(ledger: Ledger, instrument: Instrument, order: PaperOrder, at: Decimal) -> list[Fill]:
    if order.reduce_only:
        return ledger.reduce(instrument, order.side, order.qty, at, order.id, order.position_id)
    ledger.assert_margin(instrument, order.side, order.qty, at)
    return ledger.trade(instrument, order.side, order.qty, at, order.id, order.stop_loss, order.take_profit)


def _entry_price(command: PaperCommand, last: Decimal | None) -> Decimal:
    asked = {OrderType.MARKET: last, OrderType.LIMIT: command.price, OrderType.STOP: command.stop_price}
    price = asked[command.type]
    if price is None:
        missing = Reason.NO_QUOTE if command.type is OrderType.MARKET else Reason.INVALID_PRICE
        raise Refused(missing, f"no price for {command.symbol}")
    return price


def _order(ledger: Ledger, command: PaperCommand, side: Side, qty: Decimal) -> PaperOrder:
    return PaperOrder(
        id=ledger.new_id("O"),
        client_order_id=command.client_order_id,
        symbol=command.symbol,
        side=side,
        type=command.type,
        qty=qty,
        placed_at=ledger.now,
        price=command.price,
        stop_price=command.stop_price,
        tif=command.tif,
        stop_loss=command.protection.stop_loss,
        take_profit=command.protection.take_profit,
        reduce_only=command.reduce_only,
        position_id=command.position_id,
    )


def _filled(order: PaperOrder, fills: list[Fill]) -> Accepted:
    qty = sum((fill.qty for fill in fills), Decimal(0))
    value = sum((fill.qty * fill.price for fill in fills), Decimal(0))
    named = tuple(replace(fill, client_order_id=order.client_order_id) for fill in fills)
    return Accepted(order.id, OrderStatus.FILLED, qty, value / qty, named)


def _close(ledger: Ledger, command: PaperCommand) -> Accepted:
    position = ledger.position(command.symbol, command.position_id)
    if command.side is position.side:
        raise Refused(Reason.POSITION_NOT_FOUND, f"{position.id} is a {position.side} position already")
    qty = position.qty if command.qty is None else command.qty
    if qty <= 0 or qty > position.qty:
        raise Refused(
            Reason.INVALID_QUANTITY, f"{position.id} holds {position.qty}", qty=qty, open=position.qty
        )
    last = ledger.prices.get(position.symbol)
    if last is None:
        raise Refused(Reason.NO_QUOTE, f"no price for {position.symbol}")
    instrument = ledger.instrument(position.symbol)
    order = _order(ledger, command, position.side.opposite, qty)
    at = ledger.slipped(instrument, order.side, last)
    return _filled(order, ledger.close(instrument, position, qty, at, order.id))


def _cancel(ledger: Ledger, command: PaperCommand) -> Accepted:
    order = ledger.order(command.order_id)
    ledger.remove_order(order)
    ledger.ended(order, OrderStatus.CANCELED, None)
    return Accepted(order.id, OrderStatus.CANCELED)


def _modify(ledger: Ledger, command: PaperCommand) -> Accepted:
    order = ledger.order(command.order_id)
    protection = command.protection
    changed = replace(
        order,
        price=command.price or order.price,
        stop_price=command.stop_price or order.stop_price,
        qty=order.qty if command.qty is None else command.qty,
        stop_loss=None if protection.clear_stop_loss else protection.stop_loss or order.stop_loss,
        take_profit=None if protection.clear_take_profit else protection.take_profit or order.take_profit,
    )
    ledger.assert_qty(ledger.instrument(order.symbol), changed.qty)
    at = changed.price if changed.type is OrderType.LIMIT else changed.stop_price
    if at is not None:
        ledger.assert_protection(changed.side, at, changed.stop_loss, changed.take_profit)
    ledger.orders[ledger.orders.index(order)] = changed
    return Accepted(order.id, OrderStatus.WORKING)


def _protect(ledger: Ledger, command: PaperCommand) -> Accepted:
    position = ledger.position(command.symbol, command.position_id)
    wanted = command.protection
    if position.stop_loss is not None and is_overtaken(command, position.side, position.stop_loss):
        raise Refused(Reason.NOTHING_TO_MODIFY, OVERTAKEN, stop=position.stop_loss)
    stop = None if wanted.clear_stop_loss else wanted.stop_loss or position.stop_loss
    target = None if wanted.clear_take_profit else wanted.take_profit or position.take_profit
    last = ledger.prices.get(position.symbol, position.entry_price)
    new_stop = stop if stop != position.stop_loss else None
    new_target = target if target != position.take_profit else None
    ledger.assert_protection(position.side, last, new_stop, new_target)
    ledger.put(replace(position, stop_loss=stop, take_profit=target))
    return Accepted(None, OrderStatus.WORKING)


def _side(command: PaperCommand) -> Side:
    if command.side is None:
        raise Refused(Reason.INVALID, "an order needs a side")
    return command.side
