"""A road as lines of text. What came from outside is data: control characters are shown, never obeyed."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from local.console.checks import OF_CHECKS, check_lines

if TYPE_CHECKING:
    from local.console.events import Road, Row


def plain(value: object) -> str:
    """Text that cannot move the cursor, colour the screen or ring the bell."""
    if isinstance(value, float):
        value = format(Decimal(str(value)), "f")  # 0.00001, not 1e-05
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return "".join(character if character.isprintable() else f"\\x{ord(character):02x}" for character in text)


def road_lines(road: Road, brief: bool = False) -> list[str]:
    """The alert, each delivery with its trace (`brief`: stages and times only), each order with its fill."""
    event = road.event
    head = f"alert {event['id']} {event['status']} from {event['source']} at {event['received_at']}"
    lines = [head + (f": {plain(event['reason'])}" if event["reason"] else "")]
    for delivery in road.deliveries:
        lines += _delivery_lines(road, delivery, brief)
    return lines


def _delivery_lines(road: Road, delivery: Row, brief: bool) -> list[str]:
    account = plain(road.accounts.get(delivery["account_id"], delivery["account_id"]))
    lines = [f"  {account}: {delivery['action']} {plain(delivery['symbol'] or '')} -> {outcome(delivery)}"]
    lines += [_brief(delivery["trace"])] if brief else _steps(delivery["trace"])
    return lines + [f"    {order_line(order)}" for order in road.orders_of(delivery)]


def outcome(delivery: Row) -> str:
    """`executed`, or the outcome with its reason and numbers."""
    word = delivery["outcome"] or delivery["status"]
    reason = f" ({plain(delivery['reason'])})" if delivery["reason"] else ""
    numbers = f" {numbers_text(delivery['numbers'])}" if delivery["numbers"] else ""
    return f"{word}{reason}{numbers}"


def numbers_text(numbers: dict[str, Any]) -> str:
    """`value=15 limit=10`."""
    return " ".join(f"{plain(name)}={plain(value)}" for name, value in numbers.items())


def order_line(order: Row) -> str:
    """One order in a line: what, how much, at which price, under which ids."""
    filled = f" {order['filled_qty']} @ {order['avg_price']}" if order["avg_price"] else ""
    reason = f" ({plain(order['reason'])})" if order["reason"] else ""
    what = f"{order['kind']} {order['side']} {order['qty']} {plain(order['symbol'])} {order['type']}"
    return f"order {order['client_order_id']}: {what} {order['status']}{filled}{reason}"


def _brief(steps: list[dict[str, Any]]) -> str:
    words = [f"{step['stage']} {plain(step['outcome'])} {float(step.get('ms') or 0):.1f}" for step in steps]
    return f"    {', '.join(words)} ms"


def _steps(steps: list[dict[str, Any]]) -> list[str]:
    """A line each, and under the one that asked the rules a line for each rule."""
    lines = []
    for step in steps:
        lines.append(f"    {_step(step)}")
        detail = step.get("detail") or {}
        lines += [f"      {plain(line)}" for line in check_lines(detail)]
    return lines


def _step(step: dict[str, Any]) -> str:
    detail = step.get("detail") or {}
    told = {name: value for name, value in detail.items() if name not in OF_CHECKS}
    shown = "  " + " ".join(_shown(name, value) for name, value in told.items()) if told else ""
    return f"{step['stage']:<8} {plain(step['outcome']):<12} {float(step.get('ms') or 0):8.2f} ms{shown}"


def _shown(name: str, value: Any) -> str:
    """One detail of a step, as short as it can be without losing a number."""
    if isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
        return f"{plain(name)}: " + "; ".join(numbers_text(each) for each in value)
    if isinstance(value, dict):
        return f"{plain(name)}: {numbers_text(value)}"
    return f"{plain(name)}={plain(value)}"
