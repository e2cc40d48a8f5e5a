"""What MetaApi's answers mean: the JSON of a read, the result of a trade, or an error that says whether it was done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared import clock, codec
from shared.brokers import rest
from shared.brokers.errors import LoggedOut, Refused, Silent, Throttled
from shared.brokers.metatrader.errors import PARTIAL, Said, TradeRefused, verdict
from shared.brokers.transport import Answer
from shared.models.reasons import Reason

SHORTEST_PAUSE_S = 1.0
"""After a 429 that does not say how long to be quiet."""


@dataclass(frozen=True, slots=True)
class Done:
    """A trade that was done. `partial`: not all of it. Ids are None where the answer does not name them."""

    order_id: str | None
    position_id: str | None
    partial: bool = False


def payload(answer: Answer) -> Any:
    """The JSON of a 2xx answer. Raises Refused and its kinds, or Silent."""
    try:
        return rest.payload(answer)
    except Throttled as error:
        raise Throttled(429, _words(answer), _pause_s(answer)) from error
    except LoggedOut:
        raise
    except Refused as error:
        raise Refused(error.status, _words(answer)) from error


def trade_result(answer: Answer) -> Done:
    """A trade's answer, whatever its HTTP status is: what counts is the code in it.

    Raises TradeRefused, Silent (a doubtful or undocumented code), or what `payload` raises where there is no code.
    """
    found = _body(answer)
    name, number = _code(found)
    if not name and number is None:
        payload(answer)
        raise Silent("an answer to a trade that has no result code")
    said = verdict(name, number)
    text = f"{found.get('message') or found.get('description') or name} ({name or number})"
    if said is Said.DOUBT:
        raise Silent(text)
    if isinstance(said, Reason):
        raise TradeRefused(answer.status, text, said)
    return Done(_id(found.get("orderId")), _id(found.get("positionId")), name == PARTIAL or number == 10010)


def _code(found: dict[str, Any]) -> tuple[str, int | None]:
    """Its name and number; older servers write `error` and `description`, where `error` is the number."""
    name, number = str(found.get("stringCode") or ""), found.get("numericCode")
    if not name and number is None and isinstance(found.get("error"), int):
        number = found["error"]
    return name, number if isinstance(number, int) and not isinstance(number, bool) else None


def _id(value: Any) -> str | None:
    """An id as text; absent, empty and 0 are None."""
    return str(value) if isinstance(value, str | int) and value not in ("", 0, "0") else None


def _body(answer: Answer) -> dict[str, Any]:
    try:
        found = codec.decode(answer.content)
    except codec.NotReadable:
        return {}
    return found if isinstance(found, dict) else {}


def _words(answer: Answer) -> str:
    """The error's message, with what is wrong with which field."""
    found = _body(answer)
    details = found.get("details")
    if not isinstance(details, list):
        return rest.words(answer)
    fields = [f"{each.get('parameter')}: {each.get('message')}" for each in details if isinstance(each, dict)]
    return f"{found.get('message')}: {'; '.join(fields)}"[:500]


def _pause_s(answer: Answer) -> float:
    """Until when to be quiet: `recommendedRetryTime`, else Retry-After, else a second."""
    metadata = _body(answer).get("metadata")
    said = metadata.get("recommendedRetryTime") if isinstance(metadata, dict) else None
    try:
        return max(0.0, (datetime.fromisoformat(str(said)) - clock.now()).total_seconds())
    except (ValueError, TypeError):
        return rest.retry_after_s(answer) or SHORTEST_PAUSE_S
