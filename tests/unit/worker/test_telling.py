"""Events as sentences: what a trader reads of each outcome, and which class it is."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from shared import clock
from shared.models.enums import LogLevel, NotificationClass
from shared.models.reasons import Reason
from shared.store.relay import OutboxRow
from workers.relay.digest import TITLES
from workers.relay.telling import reason_sentence, told_of

ORDER = {
    "kind": "place",
    "reduce_only": False,
    "side": "buy",
    "symbol": "EURUSD",
    "type": "market",
    "status": "filled",
    "qty": "0.10",
    "filled_qty": "0.10",
    "price": None,
    "avg_price": "1.08500",
    "stop_loss": "1.083",
    "take_profit": None,
    "reason_text": None,
}


def row(
    outcome: str, action: str = "open", orders: Any = (), dry_run: bool = False, **body: Any
) -> OutboxRow:
    """A delivery's row, with what the relay reads of it."""
    said = {
        "schema": 1,
        "delivery_id": 7,
        "event_id": 12,
        "action": action,
        "symbol": "OANDA:EURUSD",
        "outcome": outcome,
        "reason": None,
        "numbers": None,
        **body,
    }
    context = {
        "account": "Demo",
        "broker": "TradeLocker",
        "currency": "USD",
        "dry_run": dry_run,
        "side": "buy" if action == "open" else None,
        "orders": list(orders),
    }
    return OutboxRow(
        id=1,
        token=1,
        user_id="u",
        subject=f"empire.delivery.{outcome}.u",
        body=said,
        created_at=clock.EPOCH,
        told=False,
        account_id="a",
        context=context,
    )


@pytest.mark.parametrize(
    ("given", "message", "kind", "level"),
    [
        (
            row("executed", orders=[ORDER]),
            "Bought 0.1 EURUSD at 1.08500, stop 1.083 on Demo.",
            NotificationClass.EXECUTED,
            LogLevel.INFO,
        ),
        (
            row("executed", orders=[{**ORDER, "filled_qty": "0.04", "stop_loss": None}]),
            "Bought 0.04 of 0.1 EURUSD at 1.08500 on Demo.",
            NotificationClass.EXECUTED,
            LogLevel.INFO,
        ),
        (
            row(
                "executed",
                orders=[{**ORDER, "type": "limit", "status": "working", "filled_qty": "0", "price": "1.08"}],
            ),
            "Order placed: buy 0.1 EURUSD limit 1.08, stop 1.083 on Demo.",
            NotificationClass.EXECUTED,
            LogLevel.INFO,
        ),
        (
            row("executed", "flatten", symbol=None),
            "Demo is flat: no position and no order is left.",
            NotificationClass.EXECUTED,
            LogLevel.INFO,
        ),
        (
            row("denied", reason="max_trades_per_day", numbers={"value": 10, "limit": 10}),
            "Open buy OANDA:EURUSD on Demo was not sent. ",
            NotificationClass.DENIED,
            LogLevel.WARNING,
        ),
        (
            row(
                "rejected",
                reason="insufficient_margin",
                orders=[{**ORDER, "reason_text": "Not  enough\nmargin"}],
            ),
            'TradeLocker said: "Not enough margin".',
            NotificationClass.REJECTED,
            LogLevel.ERROR,
        ),
        (
            row("rejected", "close", reason="market_closed"),
            "Close OANDA:EURUSD on Demo was NOT carried out. ",
            NotificationClass.EXIT_FAILED,
            LogLevel.ERROR,
        ),
        (row("unknown"), "TradeLocker has not said what became of it", None, LogLevel.WARNING),
        (
            row("skipped", "close", reason="nothing_to_close"),
            "Close OANDA:EURUSD on Demo was skipped. ",
            NotificationClass.SKIPPED,
            LogLevel.INFO,
        ),
        (row("denied", reason="no_quote", dry_run=True), "Dry run: Open buy", None, LogLevel.WARNING),
    ],
    ids=lambda value: value.subject if isinstance(value, OutboxRow) else "",
)
def test_deliveries(given: OutboxRow, message: str, kind: NotificationClass | None, level: LogLevel) -> None:
    """What was done, at which price, or why not; an exit that failed is a class of its own."""
    told = told_of(given)
    assert told is not None
    assert message in told.message
    assert (told.notification_class, told.key, told.event_id) == (kind, "d7", 12)
    assert told.line is not None
    assert told.line.level is level


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_a_sentence_without_numbers(reason: Reason) -> None:
    """Numbers may be missing: there is always something to say."""
    assert reason_sentence(reason.value, None).endswith((".", "?"))


def test_numbers_are_written_as_people_do() -> None:
    """No exponents; a reason that is not known yet does not break the message."""
    assert "0.00001" in reason_sentence("below_minimum", {"odd": Decimal("1E-5")})
    assert reason_sentence("from_the_future", {}) == "The reason is from_the_future."


def test_other_rows() -> None:
    """Lines of the log bring their own words; a breach its own or the rule's; what nobody knows is nobody's news."""

    def said(subject: str, **body: Any) -> OutboxRow:
        return OutboxRow(5, 1, "u", subject, body, clock.EPOCH, False)

    line = told_of(said("empire.log.unknown.u", log_id=3, message="Not known.", **{"class": "unknown"}))
    assert line is not None
    assert (line.key, line.message, line.notification_class, line.line) == (
        *("l3", "Not known.", NotificationClass.UNKNOWN),
        None,
    )
    breach = told_of(said("empire.risk.breached.u", rule="daily_loss", numbers={"loss": "510"}, until=None))
    assert breach is not None
    assert (breach.notification_class, breach.key) == (NotificationClass.BREACH, "o5")
    assert "510" in breach.message
    assert told_of(said("empire.position.updated.u", qty="1")) is None
    assert told_of(said("empire.log.x.u", message="x", **{"class": "not_one"})) is None


def test_every_class_has_a_title() -> None:
    """Nothing is sent without one."""
    assert set(TITLES) == set(NotificationClass)
