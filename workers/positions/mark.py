"""What a read of an account becomes: a mark with its time, or how old the last one is by now. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from shared.models.enums import Freshness
from shared.models.trading import AccountSnapshot, Position
from shared.store.watch_rows import Watched

LATE = timedelta(seconds=4)
"""After a read that failed, figures are stale that are this much older than they should be: five seconds where an
account is read every second, which is what a size in money wants at most (semantics 3)."""
UNKNOWN = timedelta(seconds=60)
"""What was read so long ago says nothing about now."""


def read(
    watched: Watched, snapshot: AccountSnapshot, every_s: Decimal = Decimal(1), shares_limits: bool = False
) -> dict[str, Any]:
    """The mark of an account that was read."""
    return {
        "token": watched.token,
        "account": watched.account.id,
        "freshness": Freshness.FRESH,
        "at": snapshot.at,
        "balance": snapshot.balance,
        "equity": snapshot.equity,
        "margin_used": snapshot.margin_used,
        "every_s": every_s,
        "shares_limits": shares_limits,
        "positions": [_held(each) for each in snapshot.positions],
    }


def _held(position: Position) -> dict[str, Any]:
    """What engine.record_marks takes of a position."""
    return {
        "venue_position_id": position.venue_position_id,
        "side": position.side,
        "qty": position.qty,
        "entry_price": position.entry_price,
        "stop_loss": position.stop_loss,
        "take_profit": position.take_profit,
        "unrealized_pnl": position.unrealized_pnl,
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
    every = timedelta(seconds=float(watched.every_s))
    return last.freshness if now - last.as_of <= every + LATE else Freshness.STALE
