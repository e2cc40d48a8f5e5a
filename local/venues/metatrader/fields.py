"""The fields of a trade request, checked as MetaApi does before a broker hears of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from local.venues.metatrader.answers import missing

Body = dict[str, Any]
MAX_COMMENT = 26
"""Of comment and clientId together."""
_CLIENT_ID = re.compile(r"^[A-Za-z0-9]+_[A-Za-z0-9]+_[A-Za-z0-9]+$")
_ENTRIES = tuple(
    f"ORDER_TYPE_{side}{kind}" for side in ("BUY", "SELL") for kind in ("", "_LIMIT", "_STOP", "_STOP_LIMIT")
)
_REQUIRED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_ENTRIES, ("symbol", "volume")),
    **{name: ("symbol", "volume", "openPrice") for name in _ENTRIES if name.count("_") > 2},
    "POSITION_MODIFY": ("positionId",),
    "POSITION_PARTIAL": ("positionId", "volume"),
    "POSITION_CLOSE_ID": ("positionId",),
    "POSITION_CLOSE_BY": ("positionId", "closeByPositionId"),
    "POSITIONS_CLOSE_SYMBOL": ("symbol",),
    "ORDER_MODIFY": ("orderId", "openPrice"),
    "ORDER_CANCEL": ("orderId",),
}
"""What each actionType cannot do without."""
OPERATIONS = {
    **dict.fromkeys(_ENTRIES, "place"),
    "POSITION_MODIFY": "protect",
    "POSITION_PARTIAL": "close",
    "POSITION_CLOSE_ID": "close",
    "POSITION_CLOSE_BY": "close",
    "POSITIONS_CLOSE_SYMBOL": "close",
    "ORDER_MODIFY": "modify",
    "ORDER_CANCEL": "cancel",
}
"""What faults call each actionType."""


@dataclass(frozen=True, slots=True)
class Fields:
    """A request whose required fields are there."""

    action: str
    body: Body

    def text(self, name: str) -> str:
        """A field as text; empty where it is absent."""
        return str(self.body.get(name) or "")

    def number(self, name: str) -> Decimal | None:
        """A number >= 0; None where it is absent."""
        value = self.body.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            raise missing((name, str(value), "Expected a number."))
        try:
            found = Decimal(value)
        except InvalidOperation as error:
            raise missing((name, value, "Expected a number.")) from error
        if not found.is_finite() or found < 0:
            raise missing((name, value, "Must be greater than or equal to 0."))
        return found

    def level(self, name: str) -> Decimal | None:
        """A stop-loss or take-profit, as a price; 0 and absent are none."""
        if self.body.get(f"{name}Units", "ABSOLUTE_PRICE") != "ABSOLUTE_PRICE":
            raise missing((f"{name}Units", self.body[f"{name}Units"], "Only ABSOLUTE_PRICE is simulated."))
        return self.number(name) or None


def checked(body: Body) -> Fields:
    """The request. Raises HttpError (400) with every problem."""
    action = body.get("actionType")
    if action not in _REQUIRED:
        raise missing(("actionType", action, "Unknown action type."))
    problems = [(name, None, "Required value.") for name in _REQUIRED[action] if body.get(name) in (None, "")]
    client_id, comment = str(body.get("clientId") or ""), str(body.get("comment") or "")
    if client_id and not _CLIENT_ID.match(client_id):
        problems.append(("clientId", client_id, "Must be ${strategyId}_${positionId}_${orderId}."))  # type: ignore[arg-type]
    if len(client_id) + len(comment) > MAX_COMMENT:
        problems.append(("clientId", client_id, f"At most {MAX_COMMENT} characters with the comment."))  # type: ignore[arg-type]
    if problems:
        raise missing(*problems)
    return Fields(action, body)
