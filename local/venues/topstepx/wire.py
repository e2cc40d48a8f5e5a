"""How the gateway writes things: camelCase, enums as integers, prices as numbers, times in UTC with microseconds."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from local.venues.topstepx.book import HalfTurn, Order, Position
from local.venues.topstepx.contracts import Listing
from local.venues.topstepx.desk import VenueAccount
from local.venues.topstepx.words import OrderType

Row = dict[str, Any]


def account_row(account: VenueAccount) -> Row:
    """AccountModel: nothing about limits, stage or brackets."""
    return {
        "id": account.id,
        "name": account.name,
        "balance": account.book.balance,
        "canTrade": account.can_trade,
        "isVisible": True,
        "simulated": not account.live,
    }


def contract_row(listing: Listing, *, active: bool) -> Row:
    """ContractModel."""
    return {
        "id": listing.id,
        "name": listing.name,
        "description": listing.description,
        "tickSize": listing.product.tick,
        "tickValue": listing.product.tick_value,
        "activeContract": active,
        "symbolId": listing.symbol_id,
    }


def order_row(order: Order, account_id: int) -> Row:
    """OrderModel. A trailing stop shows its distance, never the level."""
    row: Row = {
        "id": order.id,
        "accountId": account_id,
        "contractId": order.listing.id,
        "symbolId": order.listing.symbol_id,
        "creationTimestamp": moment(order.created),
        "updateTimestamp": moment(order.updated),
        "status": int(order.status),
        "type": int(order.type),
        "side": int(order.side),
        "size": order.size,
        "limitPrice": price(order.limit_price),
        "stopPrice": price(order.stop_price) if order.type is not OrderType.TRAILING_STOP else None,
        "fillVolume": order.filled,
        "filledPrice": price(order.average),
        "customTag": order.tag,
        "parentOrderId": order.parent_id,
        "linkedOrderId": order.linked_id,
    }
    if order.trail_ticks is not None:
        row["trailDistance"] = order.trail_ticks
        row["trailPrice"] = price(order.trail_ticks * order.listing.product.tick)
    return row


def position_row(position: Position, account_id: int) -> Row:
    """PositionModel: the size has no sign, and there is no open profit."""
    return {
        "id": position.id,
        "accountId": account_id,
        "contractId": position.listing.id,
        "contractDisplayName": position.listing.display,
        "creationTimestamp": moment(position.created),
        "type": int(position.type),
        "size": position.size,
        "averagePrice": price(position.average),
    }


def trade_row(trade: HalfTurn, account_id: int) -> Row:
    """HalfTradeModel."""
    return {
        "id": trade.id,
        "accountId": account_id,
        "contractId": trade.listing.id,
        "creationTimestamp": moment(trade.at),
        "price": price(trade.price),
        "profitAndLoss": trade.profit,
        "fees": trade.fees,
        "commissions": Decimal(0),
        "side": int(trade.side),
        "size": trade.size,
        "voided": False,
        "orderId": trade.order_id,
    }


def without_nulls(row: Row) -> Row:
    """The same in another order, and what is null is not there: as the gateway's events are."""
    return {name: row[name] for name in reversed(row) if row[name] is not None}


def moment(at: datetime) -> str:
    """2025-07-18T21:00:01.268009+00:00"""
    return at.isoformat(timespec="microseconds")


def price(value: Decimal | None) -> Decimal | None:
    """With nine digits behind the point."""
    return None if value is None else round(value, 9)
