"""What a read of an account becomes: a mark with its time, or how old the last one is by now. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from shared.models.enums import Freshness
from shared.models.trading import AccountSnapshot
from shared.store import as_json
from shared.store.watch_rows import Watched

STALE = timedelta(seconds=5)
"""A size in money wants figures that are no older (semantics 3); after a read that failed, older ones are stale."""
UNKNOWN = timedelta(seconds=60)
"""What was read so long ago says nothing about now."""


def read(watched: Watched, snapshot: AccountSnapshot) -> dict[str, Any]:
    """The mark of an account that was read."""
    return {
        "token": watched.token,
        "account": watched.account.id,
        "freshness": Freshness.FRESH,
        "at": snapshot.at,
        "balance": snapshot.balance,
        "equity": snapshot.equity,
        "margin_used": snapshot.margin_used,
        "positions": [as_json.open_position(each) for each in snapshot.positions],
        "orders": [as_json.order(each) for each in snapshot.orders],
    }


def unread(watched: Watched, now: datetime, why: str) -> dict[str, Any]:
    """The mark of an account that could not be read: the figures stay as they are, and grow old."""
    return {
        "token": watched.token,
        "account": watched.account.id,
        "freshness": faded(watched, now),
        "error": why[:500],
    }


def faded(watched: Watched, now: datetime) -> Freshness:
    """What the last figures are worth by now. Nothing becomes fresh again without a read."""
    last = watched.account
    if last.as_of is None or last.freshness is Freshness.UNKNOWN or now - last.as_of > UNKNOWN:
        return Freshness.UNKNOWN
    return last.freshness if now - last.as_of <= STALE else Freshness.STALE
