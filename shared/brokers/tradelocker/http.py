"""TradeLocker's envelope: where its API begins, and what `s` says about an answer."""

from __future__ import annotations

from typing import Any

from shared.brokers.errors import Refused, Silent

PREFIX = "/backend-api"


def unwrapped(answer: Any) -> Any:
    """`d` of an envelope; None for an empty answer, which means done. Raises Refused or Silent."""
    if answer is None:
        return None
    state = answer.get("s") if isinstance(answer, dict) else None
    if state in ("ok", "no_data"):
        return answer.get("d")
    if state == "error":
        raise Refused(200, str(answer.get("errmsg") or "refused without a reason"))
    raise Silent("an answer without `s`")
