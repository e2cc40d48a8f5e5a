"""What the functions of the watch give, as frozen dataclasses. Field names are those of the JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from shared.models.context import Limits, RiskState
from shared.models.guard import Guard
from shared.models.naked import Naked
from shared.models.trading import Position, WorkingOrder
from shared.store.rows import AccountRow


class Watched(Struct, frozen=True):
    """An account to be read now, ours until the lease of `token` ends. `positions` and `orders`: as last seen.

    `limits` and `risk` are None where the user has set no limit at all. `guards`: what is seen to while positions are
    open, as it was left; `naked`: positions that have stood without their stop; `every_s`: seconds between two
    reads. `woken`: its broker has told that something happened since the last read, or what was doubted then can be
    believed now. `moving`: something of ours is still to be done on it, or being done.
    """

    token: int
    account: AccountRow
    now: datetime
    positions: tuple[Position, ...] = ()
    orders: tuple[WorkingOrder, ...] = ()
    limits: Limits | None = None
    risk: RiskState | None = None
    guards: tuple[Guard, ...] = ()
    naked: tuple[Naked, ...] = ()
    every_s: Decimal = Decimal(1)
    woken: bool = False
    moving: bool = False


class Stream(Struct, frozen=True):
    """A login that is ours to listen to, until the lease of `token` ends. `account`: one of its accounts, for what is
    the login's; `accounts`: the broker's number of each -> our id."""

    connection: str
    token: int
    account: AccountRow
    accounts: Mapping[str, str]


class ToldPrice(Struct, frozen=True):
    """A price that an alert came with, as text; `symbol` as the alert has it."""

    user_id: str
    symbol: str
    price: str


class ToldPrices(Struct, frozen=True):
    """Prices of alerts, oldest first; `last` is the id to ask after the next time."""

    last: int
    prices: tuple[ToldPrice, ...] = ()
