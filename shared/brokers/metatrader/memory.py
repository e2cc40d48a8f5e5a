"""What this process has told about one account: which order was the answer to which command."""

from __future__ import annotations

from collections import OrderedDict

KEPT = 10_000


class Memory:
    """Bounded; losing it costs certainty, never an order."""

    def __init__(self) -> None:
        self._told: OrderedDict[str, str] = OrderedDict()

    def told(self, order_id: str, client_order_id: str) -> None:
        """This order was the answer to a command: it cannot be the answer to another."""
        self._told[order_id] = client_order_id
        if len(self._told) > KEPT:
            self._told.popitem(last=False)

    def is_anothers(self, order_id: str | None, client_order_id: str) -> bool:
        """Whether an order was the answer to another command."""
        return self._told.get(order_id or "", client_order_id) != client_order_id
