"""Legs as the bodies of MetaApi's trades. Pure."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from shared.brokers.metatrader.rows import OrderRow, PositionRow, moment
from shared.models.command import Leg, Protection
from shared.models.enums import OrderType

TAG_LENGTH = 26
"""Of clientId and comment together; we send no comment."""
_TAG = re.compile(r"[A-Za-z0-9]+_[A-Za-z0-9]+_[A-Za-z0-9]+")
_KINDS = {OrderType.MARKET: "", OrderType.LIMIT: "_LIMIT", OrderType.STOP: "_STOP"}
NO_LEVEL = Decimal(0)
"""MetaTrader's own word for no stop and no target. Whether leaving them out removes or keeps them is not known, so
both are always said."""


def is_tag(client_order_id: str) -> bool:
    """Whether an id may travel as clientId: three parts of letters and digits."""
    return len(client_order_id) <= TAG_LENGTH and _TAG.fullmatch(client_order_id) is not None


def placing(leg: Leg, tag: str) -> dict[str, Any]:
    """A market, limit or stop order; stop and target are prices on the order."""
    assert leg.side is not None
    body: dict[str, Any] = {
        "actionType": f"ORDER_TYPE_{leg.side.value.upper()}{_KINDS[leg.type]}",
        "symbol": leg.venue_symbol,
        "volume": leg.qty,
    }
    price = leg.price if leg.type is OrderType.LIMIT else leg.stop_price
    if leg.type is not OrderType.MARKET:
        body["openPrice"] = price
    levels = (("stopLoss", leg.protection.stop_loss), ("takeProfit", leg.protection.take_profit))
    body.update({name: level for name, level in levels if level is not None})
    return {**body, "clientId": tag}


def closing(position_id: str, qty: Decimal | None, tag: str) -> dict[str, Any]:
    """The close of a position (None), or of `qty` lots of it. An exit is never refused for the form of its id."""
    label = {"clientId": tag} if is_tag(tag) else {}
    if qty is None:
        return {"actionType": "POSITION_CLOSE_ID", "positionId": position_id, **label}
    return {"actionType": "POSITION_PARTIAL", "positionId": position_id, "volume": qty, **label}


def closing_all(name: str, tag: str) -> dict[str, Any]:
    """The close of every position of a symbol."""
    label = {"clientId": tag} if is_tag(tag) else {}
    return {"actionType": "POSITIONS_CLOSE_SYMBOL", "symbol": name, **label}


def canceling(order_id: str) -> dict[str, Any]:
    """Takes back a pending order."""
    return {"actionType": "ORDER_CANCEL", "orderId": order_id}


def modifying(row: OrderRow, leg: Leg) -> dict[str, Any]:
    """The whole of a pending order as it shall be, not only what changes."""
    price = leg.price if row.kind is OrderType.LIMIT else leg.stop_price
    stop, target = levels(row, leg.protection)
    body: dict[str, Any] = {
        "actionType": "ORDER_MODIFY",
        "orderId": row.id,
        "openPrice": row.open_price if price is None else price,
        "stopLoss": stop or NO_LEVEL,
        "takeProfit": target or NO_LEVEL,
    }
    if row.stop_limit_price is not None:
        body["stopLimitPrice"] = row.stop_limit_price
    if row.expiration_time is not None:
        body["expiration"] = {"type": row.expiration_type, "time": moment(row.expiration_time)}
    return body


def protecting(position_id: str, stop: Decimal | None, target: Decimal | None) -> dict[str, Any]:
    """Stop and target of a position as they shall be, both of them."""
    return {
        "actionType": "POSITION_MODIFY",
        "positionId": position_id,
        "stopLoss": stop or NO_LEVEL,
        "takeProfit": target or NO_LEVEL,
    }


def levels(row: PositionRow | OrderRow, wanted: Protection) -> tuple[Decimal | None, Decimal | None]:
    """Stop and target after a change: what is not named stays."""
    stop = None if wanted.clear_stop_loss else wanted.stop_loss or row.stop_loss
    target = None if wanted.clear_take_profit else wanted.take_profit or row.take_profit
    return stop, target
