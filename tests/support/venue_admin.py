"""What a test asks of a paper venue beside trading: faults, its log, and what an account really holds."""

from __future__ import annotations

import uuid
from typing import Any

import httpx

from tests.support.clusters import PATIENCE_S


def fault(url: str, kind: str, times: int = 1, **more: Any) -> None:
    """Order a fault for the next commands (local/venues/faults.py)."""
    asked = {"kind": kind, "operation": "execute", "times": times, **more}
    httpx.post(f"{url}/faults", json=asked, timeout=PATIENCE_S).raise_for_status()


def no_faults(url: str) -> None:
    """Everything works again; what waits already goes on waiting."""
    httpx.delete(f"{url}/faults", timeout=PATIENCE_S).raise_for_status()


def release(url: str) -> None:
    """Whoever hangs now goes on at once."""
    httpx.post(f"{url}/faults/release", timeout=PATIENCE_S).raise_for_status()


def written(url: str) -> list[dict[str, Any]]:
    """Every write the venue has received, in order."""
    log: list[dict[str, Any]] = httpx.get(f"{url}/log", timeout=PATIENCE_S).json()
    return log


def book(url: str, account: str) -> dict[str, Any]:
    """An account as the venue has it, whatever we believe: positions, orders, prices as text."""
    state: dict[str, Any] = httpx.get(f"{url}/accounts/{account}", timeout=PATIENCE_S).json()
    return state


def by_hand(url: str, account: str, symbol: str, side: str, qty: float, **more: Any) -> str:
    """The trader trades at the broker himself; we are not asked. The venue's id of the order."""
    asked = {"client_order_id": uuid.uuid4().hex, "kind": "place", "symbol": symbol, "side": side, "qty": qty}
    answer = (
        httpx.post(f"{url}/accounts/{account}/commands", json={**asked, **more}, timeout=PATIENCE_S)
        .raise_for_status()
        .json()
    )
    return str(answer["accepted"]["venue_order_id"])


def stop_by_hand(url: str, account: str, stop: str) -> None:
    """The trader moves the stop of his one position at the broker himself."""
    (held,) = book(url, account)["positions"]
    where = {"kind": "protect", "symbol": held["symbol"], "position_id": held["id"]}
    asked = {"client_order_id": uuid.uuid4().hex, **where, "protection": {"stop_loss": stop}}
    answer = (
        httpx.post(f"{url}/accounts/{account}/commands", json=asked, timeout=PATIENCE_S)
        .raise_for_status()
        .json()
    )
    assert answer["accepted"], answer


def late_read(url: str, seconds: str) -> None:
    """The next read shows what is true now, and is answered so much later."""
    asked = {"kind": "late", "operation": "read", "value": seconds, "times": 1}
    httpx.post(f"{url}/faults", json=asked, timeout=PATIENCE_S).raise_for_status()


def taken_back(url: str, account: str, symbol: str, order: str) -> None:
    """The trader cancels a waiting order at the broker himself."""
    asked = {"client_order_id": uuid.uuid4().hex, "kind": "cancel", "symbol": symbol, "order_id": order}
    answer = (
        httpx.post(f"{url}/accounts/{account}/commands", json=asked, timeout=PATIENCE_S)
        .raise_for_status()
        .json()
    )
    assert answer["accepted"], answer


def price(url: str, symbol: str, at: float) -> None:
    """The market moves: every book of the venue meets this price."""
    httpx.post(f"{url}/prices", json={"symbol": symbol, "price": at}, timeout=PATIENCE_S).raise_for_status()
