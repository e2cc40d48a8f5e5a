"""Outcome of a broker -> the JSON that engine.record_executions and engine.settle take. Pure."""

from __future__ import annotations

from typing import Any

from shared.models.command import Leg
from shared.models.enums import CommandKind, OrderStatus
from shared.models.outcome import Accepted, Outcome, Rejected
from shared.models.reasons import Reason
from shared.models.trading import OrderState
from shared.store import as_json
from shared.store.rows import Numbers


def of_outcome(command_id: int, leg: Leg, outcome: Outcome) -> dict[str, Any]:
    """One command's result."""
    if isinstance(outcome, Accepted):
        return _accepted(command_id, leg, outcome)
    if isinstance(outcome, Rejected):
        return {
            "id": command_id,
            "outcome": "rejected",
            "reason": outcome.reason,
            "text": outcome.text[:500],
            "numbers": outcome.numbers,
            "positions": [as_json.position(each) for each in outcome.positions],
            "effects": [_effect(each) for each in outcome.effects],
        }
    return {"id": command_id, "outcome": "unknown", "text": outcome.text[:500]}


def never_sent(command_id: int, reason: Reason, numbers: Numbers | None = None) -> dict[str, Any]:
    """A command that was written ahead and will not be sent."""
    return {"id": command_id, "outcome": "canceled", "reason": reason, "numbers": numbers or {}}


def _accepted(command_id: int, leg: Leg, outcome: Accepted) -> dict[str, Any]:
    return {
        "id": command_id,
        "outcome": "accepted",
        "venue_order_id": outcome.venue_order_id,
        "status": outcome.status,
        "filled_qty": outcome.filled_qty,
        "avg_price": outcome.avg_price,
        "stop_loss": leg.protection.stop_loss,
        "take_profit": leg.protection.take_profit,
        "fills": [as_json.fill(each) for each in outcome.fills],
        "positions": [as_json.position(each) for each in outcome.positions],
        "effects": [_effect(each) for each in (*_canceled(leg, outcome), *outcome.effects)],
    }


def _canceled(leg: Leg, outcome: Accepted) -> tuple[OrderState, ...]:
    """What a cancel did to the order it names: the command itself has none of its own to be told about."""
    if leg.kind is not CommandKind.CANCEL or outcome.status is not OrderStatus.CANCELED:
        return ()
    order_id = outcome.venue_order_id or leg.venue_order_id
    if order_id is None or any(each.venue_order_id == order_id for each in outcome.effects):
        return ()
    return (OrderState(order_id, None, OrderStatus.CANCELED, outcome.filled_qty, outcome.avg_price),)


def _effect(order: OrderState) -> dict[str, Any]:
    return {
        "venue_order_id": order.venue_order_id,
        "client_order_id": order.client_order_id,
        "status": order.status,
        "filled_qty": order.filled_qty,
        "avg_price": order.avg_price,
        "reason": order.reason,
        "fills": [as_json.fill(each) for each in order.fills],
    }


def money_of(outcome: Outcome, at: Any) -> dict[str, Any] | None:
    """Balance and equity, when the broker's answer told them."""
    if not isinstance(outcome, Accepted) or outcome.balance is None:
        return None
    return {"balance": outcome.balance, "equity": outcome.equity, "as_of": at}


def is_filled(outcome: Outcome | None) -> bool:
    """Completely filled."""
    return isinstance(outcome, Accepted) and outcome.status is OrderStatus.FILLED
