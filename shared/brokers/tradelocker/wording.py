"""Legs as the bodies of TradeLocker's requests. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from shared.brokers.tradelocker.parse import Listing
from shared.models.command import Leg, Protection
from shared.models.enums import OrderType

TAG_LENGTH = 31
"""The documents say 31, the server takes 32."""


def placing(leg: Leg, listing: Listing, tag: str) -> dict[str, Any]:
    """POST orders: a market order is IOC, the others GTC; levels are absolute; our id is the strategyId."""
    assert leg.side is not None
    assert leg.qty is not None
    body: dict[str, Any] = {
        "tradableInstrumentId": int(listing.id),
        "routeId": listing.trade_route,
        "qty": f"{leg.qty:f}",
        "side": leg.side.value,
        "type": leg.type.value,
        "validity": "IOC" if leg.type is OrderType.MARKET else "GTC",
        "price": leg.price if leg.type is OrderType.LIMIT else None,
        "stopPrice": leg.stop_price if leg.type is OrderType.STOP else None,
        "strategyId": tag,
    }
    for name, level in _levels(leg.protection):
        body[name] = level
        body[name + "Type"] = None if level is None else "absolute"
    return body


def modifying(leg: Leg) -> dict[str, Any]:
    """PATCH orders/{id}: only what changes."""
    body: dict[str, Any] = {}
    for name, value in (("price", leg.price), ("stopPrice", leg.stop_price), ("qty", leg.qty)):
        if value is not None:
            body[name] = value
    for name, value in protecting(leg.protection).items():
        body[name] = value
        body[name + "Type"] = None if value is None else "absolute"
    return body


def protecting(protection: Protection) -> dict[str, Decimal | None]:
    """PATCH positions/{id}: null removes, a key that is not there leaves."""
    body: dict[str, Decimal | None] = {}
    cleared = {"stopLoss": protection.clear_stop_loss, "takeProfit": protection.clear_take_profit}
    for name, level in _levels(protection):
        if level is not None or cleared[name]:
            body[name] = level
    return body


def _levels(protection: Protection) -> tuple[tuple[str, Decimal | None], ...]:
    return ("stopLoss", protection.stop_loss), ("takeProfit", protection.take_profit)
