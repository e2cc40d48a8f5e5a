"""What MetaApi's answers mean: the JSON of a read, the result of a trade, or an error that says whether it was done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from shared import clock, codec
from shared.brokers import rest
from shared.brokers.errors import LoggedOut, Refused, Silent, Throttled
from shared.brokers.metatrader.errors import PARTIAL, Said, TradeRefused, verdict
from shared.models.reasons import Reason

SHORTEST_PAUSE_S = 1.0
"""After a 429 that does not say how long to be quiet."""


@dataclass(frozen=True, slots=True)
class Done:
    """A trade that was done. `partial`: not all of it. Ids are None where the answer does not name them."""

    order_id: str | None
    position_id: str | None
    partial: bool = False


def payload(response: httpx.Response) -> Any:
    """The JSON of a 2xx answer. Raises Refused and its kinds, or Silent."""
    try:
        return rest.payload(response)
    except Throttled as error:
        raise Throttled(429, _words(response), _pause_s(response)) from error
    except LoggedOut:
        raise
    except Refused as error:
        raise Refused(error.status, _words(response)) from error


def trade_result(response: httpx.Response) -> Done:
    """A trade's answer, whatever its HTTP status is: what counts is the code in it.

    Raises TradeRefused, Silent (a doubtful or undocumented code), or what `payload` raises where there is no code.
    """
    found = _body(response)
    name, number = _code(found)
    if not name and number is None:
        payload(response)
        raise Silent("an answer to a trade that has no result code")
    said = verdict(name, number)
    text = f"{found.get('message') or found.get('description') or name} ({name or number})"
    if said is Said.DOUBT:
        raise Silent(text)
    if isinstance(said, Reason):
        raise TradeRefused(response.status_code, text, said)
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


def _body(response: httpx.Response) -> dict[str, Any]:
    try:
        found = codec.decode(response.content)
    except codec.NotReadable:
        return {}
    return found if isinstance(found, dict) else {}


def _words(response: httpx.Response) -> str:
    """The error's message, with what is wrong with which field."""
    found = _body(response)
    details = found.get("details")
    if not isinstance(details, list):
        return rest.words(response)
    fields = [f"{each.get('parameter')}: {each.get('message')}" for each in details if isinstance(each, dict)]
    return f"{found.get('message')}: {'; '.join(fields)}"[:500]


def _pause_s(response: httpx.Response) -> float:
    """Until when to be quiet: `recommendedRetryTime`, else Retry-After, else a second."""
    metadata = _body(response).get("metadata")
    said = metadata.get("recommendedRetryTime") if isinstance(metadata, dict) else None
    try:
        return max(0.0, (datetime.fromisoformat(str(said)) - clock.now()).total_seconds())
    except (ValueError, TypeError):
        return rest.retry_after_s(response) or SHORTEST_PAUSE_S
