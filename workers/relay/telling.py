"""An event as a sentence that a trader understands, with the numbers. Pure: a row in, what is told out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from shared.models.enums import Action, DeliveryOutcome, LogLevel, NotificationClass
from shared.models.reasons import Reason
from shared.risk.reasons import sentence
from shared.store.relay import LogLine, OutboxRow, Told

MOST = 900
_EXITS = {Action.CLOSE, Action.REDUCE, Action.CANCEL, Action.FLATTEN}
_CLASSES = {
    DeliveryOutcome.EXECUTED: (NotificationClass.EXECUTED, LogLevel.INFO),
    DeliveryOutcome.DENIED: (NotificationClass.DENIED, LogLevel.WARNING),
    DeliveryOutcome.REJECTED: (NotificationClass.REJECTED, LogLevel.ERROR),
    DeliveryOutcome.INVALID: (NotificationClass.REJECTED, LogLevel.ERROR),
    DeliveryOutcome.SKIPPED: (NotificationClass.SKIPPED, LogLevel.INFO),
    # Told when it has lasted for 30 seconds: most are settled before.
    DeliveryOutcome.UNKNOWN: (None, LogLevel.WARNING),
}
_FAILED = {DeliveryOutcome.DENIED, DeliveryOutcome.REJECTED, DeliveryOutcome.INVALID}
_DONE = {"place": ("Bought", "Sold"), "close": ("Closed by buying", "Closed by selling")}


def told_of(row: OutboxRow) -> Told | None:
    """None: nobody is told of it."""
    entity = row.subject.split(".")[1]
    if entity == "delivery":
        return _delivery(row)
    if entity == "risk":
        return _breach(row)
    return _said(row)


def reason_sentence(reason: object, numbers: Mapping[str, Any] | None) -> str:
    """A reason and its numbers in the words of the rules; the bare word where it has none yet."""
    spoken = {name: _number(value) for name, value in (numbers or {}).items() if value is not None}
    try:
        return sentence(Reason(str(reason)), spoken)
    except (ValueError, KeyError):
        return f"The reason is {reason}."


def _delivery(row: OutboxRow) -> Told | None:
    body, context = row.body, row.context
    if context is None or body.get("outcome") is None:
        return None
    outcome, action = DeliveryOutcome(body["outcome"]), Action(body["action"])
    kind, level = _CLASSES[outcome]
    if outcome in _FAILED and action in _EXITS:
        kind, level = NotificationClass.EXIT_FAILED, LogLevel.ERROR
    message = _outcome(body, context, outcome, action)
    if context["dry_run"]:
        kind, message = None, f"Dry run: {message}"
    return Told(
        id=row.id,
        key=f"d{body['delivery_id']}",
        message=message[:MOST],
        notification_class=kind,
        event_id=body["event_id"],
        line=LogLine(f"delivery_{outcome}", level),
    )


def _outcome(
    body: Mapping[str, Any], context: Mapping[str, Any], outcome: DeliveryOutcome, action: Action
) -> str:
    wanted = " ".join(word for word in (action.title(), context.get("side"), body.get("symbol")) if word)
    where = f"{wanted} on {context['account']}"
    why = reason_sentence(body["reason"], body.get("numbers")) if body.get("reason") else ""
    match outcome:
        case DeliveryOutcome.EXECUTED:
            return _executed(context, action, where)
        case DeliveryOutcome.UNKNOWN:
            return f"{where}: {context['broker']} has not said what became of it. It is asked, nothing is sent again."
        case DeliveryOutcome.SKIPPED:
            return f"{where} was skipped. {why}"
        case _ if action in _EXITS:
            return (
                f"{where} was NOT carried out. {why}{_venue_words(context)} Look in {context['broker']} now."
            )
        case DeliveryOutcome.DENIED:
            return f"{where} was not sent. {why}"
        case _:
            return f"{where} was refused. {why}{_venue_words(context)}"


def _executed(context: Mapping[str, Any], action: Action, where: str) -> str:
    deals = [deal for order in context["orders"] if (deal := _order(order, context)) is not None]
    if not deals:
        if action is Action.FLATTEN:
            return f"{context['account']} is flat: no position and no order is left."
        return f"{where} was carried out."
    told = ". ".join(deals[:4])
    rest = f". {len(deals) - 4} more orders" if len(deals) > 4 else ""
    return f"{told}{rest} on {context['account']}."


def _order(order: Mapping[str, Any], context: Mapping[str, Any]) -> str | None:
    """`Bought 0.10 EURUSD at 1.08500, stop 1.083`; None where nothing of it stands."""
    filled, wanted, kind = Decimal(order["filled_qty"]), Decimal(order["qty"]), str(order["kind"])
    words = _DONE.get(kind)
    if words is None:
        return None
    guard = "".join(
        f", {name} {_number(order[field])}"
        for name, field in (("stop", "stop_loss"), ("target", "take_profit"))
        if order[field] is not None
    )
    if filled > 0:
        price = "" if order["avg_price"] is None else f" at {_number(order['avg_price'])}"
        part = "" if filled == wanted else f" of {_number(wanted)}"
        return f"{words[order['side'] == 'sell']} {_number(filled)}{part} {order['symbol']}{price}{guard}"
    if order["status"] in ("working", "pending", "submitting"):
        price = "" if order["price"] is None else f" {_number(order['price'])}"
        waits = f"{order['side']} {_number(wanted)} {order['symbol']} {order['type']}{price}"
        return f"Order placed: {waits}{guard}"
    return None


def _venue_words(context: Mapping[str, Any]) -> str:
    """What the broker said, in its own words."""
    said = [order["reason_text"] for order in context["orders"] if order.get("reason_text")]
    return f' {context["broker"]} said: "{" ".join(said[-1].split())[:200]}".' if said else ""


def _breach(row: OutboxRow) -> Told:
    body = row.body
    until = f" Locked until {_moment(body['until'])}." if body.get("until") else ""
    message = body.get("message") or f"{reason_sentence(body.get('rule'), body.get('numbers'))}{until}"
    return Told(
        id=row.id,
        key=f"o{row.id}",
        message=str(message)[:MOST],
        notification_class=NotificationClass.BREACH,
        event_id=body.get("event_id"),
    )


def _said(row: OutboxRow) -> Told | None:
    """A row that brings its own sentence and class (lines of the log, alarms)."""
    body = row.body
    try:
        kind = NotificationClass(str(body.get("class")))
    except ValueError:
        return None
    if not body.get("message"):
        return None
    key = f"o{row.id}" if body.get("log_id") is None else f"l{body['log_id']}"
    return Told(
        id=row.id,
        key=key,
        message=str(body["message"])[:MOST],
        notification_class=kind,
        event_id=body.get("event_id"),
    )


def _moment(text: object) -> str:
    try:
        return f"{datetime.fromisoformat(str(text)):%Y-%m-%d %H:%M %Z}".strip()
    except ValueError:
        return str(text)


def _number(value: object) -> str:
    """Digits as people write them: no exponent, no zeros that say nothing; anything else as text."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return str(value)
    if not number.is_finite():
        return str(value)
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text and not isinstance(value, str) else text
