"""How the gateway says no: a code of the endpoint that was asked, and sometimes a sentence.

The same integer means another thing at every endpoint.
"""

from __future__ import annotations

Table = dict[str, tuple[int, str | None]]

_TICKS = "ticks ({ticks}). Ticks should be"

PLACE: Table = {
    "account": (1, None),
    "position_brackets": (2, "Brackets cannot be used with Position Brackets. You must enable Auto OCO Brackets."),
    "stop_loss_ticks_long": (2, f"Invalid stop loss {_TICKS} less than zero when longing."),
    "stop_loss_ticks_short": (2, f"Invalid stop loss {_TICKS} greater than zero when going short"),
    "take_profit_ticks_long": (2, f"Invalid take profit {_TICKS} greater than zero when longing."),
    "take_profit_ticks_short": (2, f"Invalid take profit {_TICKS} less than zero when going short"),
    "stop_loss_type": (2, "Invalid stop loss type ({type})"),
    "take_profit_type": (2, "Invalid take profit type ({type})"),
    "trail_not_set": (2, "Trail Distance not set."),
    "trail_price": (2, "Invalid trail price. Price is not aligned to tick size."),
    "trail_no_last": (2, "Cannot trail without a last price"),
    "trail_maximum": (2, "Trail Distance exceeds maximum (1000)"),
    "symbol": (2, "Invalid symbol"),
    "price_range": (2, "Invalid price. Price is outside allowed range."),
    "price_tick": (2, "Invalid price. Price is not aligned to tick size."),
    "tag": (2, "Order rejected: custom tag already in use."),
    "size": (2, "Invalid order size specified."),
    "size_limit": (2, "Order size exceeds the maximum position size of {limit}."),
    "type": (2, "Invalid order type."),
    "funds": (3, None),
    "violation": (4, None),
    "closed": (5, None),
    "pending": (6, None),
    "unknown": (7, None),
    "contract": (8, None),
    "inactive": (9, None),
    "account_rejected": (10, "Live accounts not supported"),
}  # fmt: skip
"""Order/place, by our word for it (the `value` of a `refuse` fault). Code 2 makes an order that is rejected."""
MODIFY: Table = {
    "account": (1, None),
    "order": (2, None),
    "rejected": (3, None),
    "ended": (3, "Order is not open."),
    "trail_not_set": (3, "Trail Distance not set."),
    "trail_price": (3, "Invalid trail price. Price is not aligned to tick size."),
    "trail_no_last": (3, "Cannot trail without a last price"),
    "symbol": (3, "Invalid symbol"),
    "price_range": (3, "Invalid price. Price is outside allowed range."),
    "price_tick": (3, "Invalid price. Price is not aligned to tick size."),
    "size": (3, "Invalid order size specified."),
    "pending": (4, None),
    "unknown": (5, None),
    "account_rejected": (6, "Live accounts not supported"),
    "contract": (7, None),
}
CANCEL: Table = {
    "account": (1, None),
    "order": (2, None),
    "rejected": (3, None),
    "ended": (3, "Order is not open."),
    "pending": (4, None),
    "unknown": (5, None),
    "account_rejected": (6, "Live accounts not supported"),
    "follower": (6, "Follower accounts cannot cancel orders"),
}
CLOSE: Table = {
    "account": (1, None),
    "position": (2, None),
    "contract": (3, None),
    "inactive": (4, None),
    "rejected": (5, None),
    "closed": (5, None),
    "pending": (6, None),
    "unknown": (7, None),
    "account_rejected": (8, "Live accounts not supported"),
}
PARTIAL: Table = {
    "account": (1, None),
    "position": (2, None),
    "contract": (3, None),
    "inactive": (4, None),
    "size": (5, None),
    "rejected": (6, None),
    "closed": (6, None),
    "pending": (7, None),
    "unknown": (8, None),
    "account_rejected": (9, "Live accounts not supported"),
}
LOGIN: Table = {
    "user": (1, None),
    "password": (2, None),
    "credentials": (3, None),
    "app": (4, None),
    "app_verification": (5, None),
    "device": (6, None),
    "agreements": (7, "Please log into the ProjectX platform and complete the required agreements"),
    "unknown": (8, None),
    "subscription": (9, None),
    "key_disabled": (10, None),
}
VALIDATE: Table = {"session": (1, None), "not_found": (2, None), "expired": (3, None), "unknown": (4, None)}
READ: Table = {"account": (1, None), "order": (1, None), "contract": (1, None)}
TABLES: dict[str, Table] = {
    "login": LOGIN,
    "validate": VALIDATE,
    "place": PLACE,
    "modify": MODIFY,
    "cancel": CANCEL,
    "close": CLOSE,
    "partial_close": PARTIAL,
}
"""By what a fault calls the endpoint."""


class Refusal(Exception):
    """A no, answered with 200. `order_id`: what was rejected, where an order was made of it."""

    def __init__(self, word: str, **numbers: object) -> None:
        super().__init__(word)
        self.word, self.numbers = word, numbers
        self.order_id: int | None = None


def said(operation: str, found: Refusal) -> tuple[int, str | None]:
    """Code and sentence at an endpoint. A word that it does not know is a sentence of its own, as a rejection."""
    table = TABLES.get(operation, READ)
    code, text = table.get(found.word, (_rejected(operation), found.word))
    sample = {"ticks": 40, "type": "Limit", "limit": 5}
    return code, None if text is None else text.format(**{**sample, **found.numbers})


def _rejected(operation: str) -> int:
    return {"place": 2, "modify": 3, "cancel": 3, "close": 5, "partial_close": 6}.get(operation, 1)
