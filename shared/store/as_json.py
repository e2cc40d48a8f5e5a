"""What a broker told, in the words of the engine's functions: a fill, a position, an order as JSON."""

from __future__ import annotations

from typing import Any

from shared.models.trading import Fill, Position, WorkingOrder


def fill(of: Fill) -> dict[str, Any]:
    """An execution, as engine.add_fills reads it."""
    return {
        "venue_fill_id": of.venue_fill_id,
        "venue_order_id": of.venue_order_id,
        "position_id": of.venue_position_id,
        "effect": of.effect,
        "symbol": of.symbol,
        "side": of.side,
        "qty": of.qty,
        "price": of.price,
        "commission": of.commission,
        "swap": of.swap,
        "fee": of.fee,
        "realised": of.realised,
        "filled_at": of.at,
    }


def position(of: Position) -> dict[str, Any]:
    """A position with its value and protection."""
    return {
        "venue_position_id": of.venue_position_id,
        "symbol": of.symbol,
        "root": of.root,
        "side": of.side,
        "qty": of.qty,
        "entry_price": of.entry_price,
        "stop_loss": of.stop_loss,
        "take_profit": of.take_profit,
        "unrealized_pnl": of.unrealized_pnl,
    }


def open_position(of: Position) -> dict[str, Any]:
    """A position of a whole read of the account: since when it is open, too."""
    return position(of) | {"opened_at": of.opened_at}


def order(of: WorkingOrder) -> dict[str, Any]:
    """An order that may still fill."""
    return {
        "venue_order_id": of.venue_order_id,
        "client_order_id": of.client_order_id,
        "symbol": of.symbol,
        "root": of.root,
        "side": of.side,
        "type": of.type,
        "qty": of.qty,
        "filled_qty": of.filled_qty,
        "price": of.price,
        "stop_price": of.stop_price,
        "reduce_only": of.reduce_only,
        "position_id": of.position_id,
    }
