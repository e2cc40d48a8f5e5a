"""Order entry: the body of a request checked as the real server does, and what it does to the book."""

from __future__ import annotations

import asyncio
from decimal import Decimal, InvalidOperation
from typing import Any

from local.venues.faults import Fault, Faults, Kind
from local.venues.tradelocker.desk import VenueAccount
from local.venues.tradelocker.refusals import Refusal, of_book
from local.venues.trading import Order, Refused, Request

MAX_STRATEGY_ID = 32
Body = dict[str, Any]


class Malformed(Exception):
    """JSON of the wrong types: answered with 400."""


def place(account: VenueAccount, body: Body, faults: Faults) -> Order:
    """POST orders. The order it made; raises Refusal or Malformed, and then there is none."""
    request = _request(account, body, faults)
    try:
        if faults.take("place", Kind.REFUSE_LATER):
            return account.book.refuse(request)
        late = faults.take("place", Kind.LATE_FILL) if request.type == "market" else None
        order = account.book.place(request, delayed=late is not None)
        if late is not None:
            asyncio.get_running_loop().call_later(late.seconds, account.book.meet, order.id)
        if faults.take("place", Kind.DUPLICATE_TAG):
            account.book.place(request)
    except Refused as refused:
        raise of_book(refused) from refused
    return order


def modify_order(account: VenueAccount, order_id: str, body: Body) -> Order:
    """PATCH orders/{id}: any of price, qty, stopPrice, stopLoss, takeProfit."""
    names = {"price": "price", "stopPrice": "stop_price", "qty": "qty"}
    names |= {"stopLoss": "stop_loss", "takeProfit": "take_profit"}
    changes = {ours: number(body, theirs) for theirs, ours in names.items() if theirs in body}
    required = {name: value for name, value in changes.items() if name in ("price", "stop_price", "qty")}
    if any(value is None for value in required.values()):
        raise Refusal("price")
    try:
        return account.book.modify(order_id, **changes)
    except Refused as refused:
        raise of_book(refused) from refused


def modify_position(account: VenueAccount, position_id: str, body: Body) -> None:
    """PATCH positions/{id}: stopLoss, takeProfit; null removes, a key that is not there leaves."""
    names = {"stopLoss": "stop_loss", "takeProfit": "take_profit"}
    levels = {ours: number(body, theirs) for theirs, ours in names.items() if theirs in body}
    try:
        account.book.protect(position_id, **levels)
    except Refused as refused:
        raise of_book(refused) from refused


def close_position(account: VenueAccount, position_id: str, body: Body, partial: Fault | None) -> Order:
    """DELETE positions/{id}: qty lots, 0 = all."""
    qty = number(body, "qty") or None
    share = partial.number if partial is not None else Decimal(1)
    try:
        return account.book.close(position_id, qty, share=share)
    except Refused as refused:
        raise of_book(refused) from refused


def _request(account: VenueAccount, body: Body, faults: Faults) -> Request:
    listing = account.listings.get(int(number(body, "tradableInstrumentId") or 0))
    if listing is None:
        raise Refusal("instrument")
    if number(body, "routeId") != listing.trade_route:
        raise Refusal("route")
    kind, side = body.get("type"), body.get("side")
    if kind not in ("market", "limit", "stop"):
        raise Refusal("type")
    if side not in ("buy", "sell"):
        raise Refusal("side")
    if body.get("validity") != ("IOC" if kind == "market" else "GTC"):
        raise Refusal("validity")
    tag = body.get("strategyId") or ""
    if not isinstance(tag, str) or len(tag) > MAX_STRATEGY_ID:
        raise Refusal("strategy_id")
    qty = number(body, "qty")
    if qty is None or qty <= 0:
        raise Refusal("quantity")
    stop_loss, take_profit = _level(body, "stopLoss"), _level(body, "takeProfit")
    if faults.take("place", Kind.DROP_BRACKET):
        stop_loss = take_profit = None
    price, trigger = _prices(body, kind)
    partial = faults.take("place", Kind.PARTIAL_FILL)
    return Request(
        name=listing.contract.name,
        side=side,
        type=kind,
        qty=qty,
        price=price,
        stop_price=trigger,
        stop_loss=stop_loss,
        take_profit=take_profit,
        tag="" if faults.take("place", Kind.STRIP_COMMENT) else tag,
        fill_share=partial.number if partial is not None else Decimal(1),
    )


def _prices(body: Body, kind: str) -> tuple[Decimal | None, Decimal | None]:
    price, trigger = number(body, "price"), number(body, "stopPrice")
    if kind == "limit" and not price:
        raise Refusal("price")
    if kind == "stop" and not trigger:
        raise Refusal("stop_price")
    return price, trigger


def _level(body: Body, name: str) -> Decimal | None:
    value = number(body, name)
    if value is not None and body.get(name + "Type") != "absolute":
        # Offsets are in pips that nobody has defined; the simulator does not invent a meaning.
        raise Refusal("take_profit" if name == "takeProfit" else "stop_loss")
    return value


def number(body: Body, name: str) -> Decimal | None:
    """A number of the body, which may be written as a string; None when absent or null."""
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise Malformed(name)
    try:
        found = Decimal(value)
    except InvalidOperation as error:
        raise Malformed(name) from error
    if not found.is_finite():
        raise Malformed(name)
    return found
