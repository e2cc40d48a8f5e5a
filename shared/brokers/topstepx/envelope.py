"""The envelope of every answer: 200 is no success, and an order id is none either. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.brokers.errors import Silent
from shared.brokers.topstepx.errors import CODES, Denied, is_no


def opened(endpoint: str, answer: Any) -> Mapping[str, Any]:
    """What is in it. Raises Denied where the endpoint's code says that nothing was done, Silent where it may have."""
    if not isinstance(answer, dict) or not isinstance(answer.get("success"), bool):
        raise Silent("an answer without `success`")
    code = answer.get("errorCode")
    if answer["success"]:
        return answer
    if isinstance(code, bool) or not isinstance(code, int):
        raise Silent("a refusal without a code")
    message = answer.get("errorMessage")
    text = message if isinstance(message, str) and message.strip() else None
    if not is_no(endpoint, code):
        known = CODES[endpoint].get(code)
        raise Silent(text or (known.text if known else f"refused with the unknown code {code}"))
    order_id = answer.get("orderId")
    named = isinstance(order_id, int) and not isinstance(order_id, bool) and order_id > 0
    raise Denied(endpoint, code, text, str(order_id) if named else None)
