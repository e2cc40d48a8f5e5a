"""What is sent to a target now: urgent messages one by one, of the rest a few, or one digest of all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from shared.models.enums import NotificationClass
from shared.store.relay import ClaimedTarget, Message
from workers.relay.doors.port import Letter

PER_MINUTE = 20
"""Messages to a target, digests counted once. Urgent ones count too, and are sent beyond it."""
SINGLES = 3
"""More that wait at once go as one digest."""
SHOWN, SHOWN_CHARACTERS = 8, 160

TITLES = {
    NotificationClass.EXECUTED: "Order executed",
    NotificationClass.DENIED: "Entry denied",
    NotificationClass.REJECTED: "Order rejected",
    NotificationClass.SKIPPED: "Nothing to do",
    NotificationClass.EXIT_FAILED: "EXIT NOT EXECUTED",
    NotificationClass.UNKNOWN: "ORDER UNKNOWN",
    NotificationClass.NAKED: "POSITION WITHOUT A STOP",
    NotificationClass.BREACH: "LIMIT OR LOCK",
    NotificationClass.OFFLINE: "OUT OF REACH WITH OPEN POSITIONS",
    NotificationClass.CREDENTIALS: "BROKER LOGIN REFUSED",
    NotificationClass.POSITION: "Position",
    NotificationClass.GAP: "Missed alert",
    NotificationClass.SECURITY: "Settings changed",
    NotificationClass.TEST: "Test",
}
_COUNTED = {
    NotificationClass.EXECUTED: ("order executed", "orders executed"),
    NotificationClass.DENIED: ("entry denied", "entries denied"),
    NotificationClass.REJECTED: ("order rejected", "orders rejected"),
    NotificationClass.SKIPPED: ("alert skipped", "alerts skipped"),
    NotificationClass.POSITION: ("position event", "position events"),
    NotificationClass.GAP: ("missed alert", "missed alerts"),
    NotificationClass.SECURITY: ("settings change", "settings changes"),
}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A letter and the messages that it carries."""

    ids: tuple[int, ...]
    letter: Letter


def outgoing(target: ClaimedTarget) -> list[Outgoing]:
    """In the order of sending. What is missing waits until the minute's limit allows it, or for the next claim."""
    alone = [message for message in target.messages if _goes_alone(message)]
    rest = [message for message in target.messages if not _goes_alone(message)]
    letters = [_single(target, message) for message in alone]
    room = PER_MINUTE - target.lately - len(alone)
    if room <= 0 or not rest:
        return letters
    if len(rest) > min(SINGLES, room):
        return [*letters, _digest(rest)]
    return [*letters, *(_single(target, message) for message in rest)]


def _goes_alone(message: Message) -> bool:
    """Urgent ones, and tests: somebody waits for the code that may stand in one."""
    return message.urgent or message.notification_class is NotificationClass.TEST


def _single(target: ClaimedTarget, message: Message) -> Outgoing:
    title = TITLES[message.notification_class]
    text = message.message
    if message.notification_class is NotificationClass.TEST and target.code is not None:
        text = f"{target.code} is the code for the target {target.name}. Enter it to receive messages here."
    about = "" if message.event_id is None else f" (alert {message.event_id})"
    return Outgoing(
        (message.id,),
        Letter(
            key=f"n{message.id}",
            title=f"Empire: {title}",
            text=f"{title}: {text}{about}",
            notification_class=message.notification_class.value,
            urgent=message.urgent,
            at=message.created_at,
            event_id=message.event_id,
        ),
    )


def _digest(messages: Sequence[Message]) -> Outgoing:
    counts = Counter(message.notification_class for message in messages)
    told = ", ".join(f"{n} more {_COUNTED[kind][n > 1]}" for kind, n in counts.most_common())
    lines = [f"- {_short(message.message)}" for message in messages[-SHOWN:]]
    if len(messages) > SHOWN:
        lines.append(f"... and {len(messages) - SHOWN} before these.")
    text = "\n".join([f"{told}.", *lines])
    return Outgoing(
        tuple(message.id for message in messages),
        Letter(
            key=f"n{messages[0].id}-{messages[-1].id}",
            title=f"Empire: {told}",
            text=text,
            notification_class="digest",
            urgent=False,
            at=messages[-1].created_at,
        ),
    )


def _short(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
