"""What a drill hears from the database, and tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from msgspec import Struct

from shared.models.enums import Broker, DeliveryOutcome, Freshness, MarginMode
from shared.models.limits import RuleScope
from shared.models.reasons import Reason
from shared.store.rows import AccountRow


class DrilledLimit(Struct, frozen=True):
    """A limit that is in force: a column of the settings or a rule, as JSON, by its scope."""

    scope: RuleScope
    rule: str
    settings: Any


@dataclass(frozen=True, slots=True)
class DrillRun:
    """A drill that is ours until the lease of `token` ends. What it says of the account is for likeness only.

    `left`: synthetic accounts of an attempt before this one that still have something open.
    """

    id: int
    token: int
    broker: Broker
    environment: str
    margin_mode: MarginMode
    limits: tuple[DrilledLimit, ...]
    server: str | None = None
    initial_balance: Decimal | None = None
    left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TwinLogin:
    """A synthetic login: how its check stands, and its accounts."""

    status: str
    accounts: tuple[AccountRow, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class DrillAnswer:
    """What became of an alert of a drill."""

    outcome: DeliveryOutcome
    reason: Reason | None = None
    numbers: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class TwinSeen:
    """A synthetic account as it is known. `waiting` deliveries are not finished; `answer` None = nor is this one."""

    now: datetime
    positions: int
    working: int
    waiting: int
    freshness: Freshness
    locked_until: datetime | None = None
    lock_reason: str | None = None
    balance: Decimal | None = None
    equity: Decimal | None = None
    as_of: datetime | None = None
    answer: DrillAnswer | None = None

    @property
    def is_locked(self) -> bool:
        """True while no entry is taken."""
        return self.locked_until is not None and self.locked_until > self.now

    @property
    def is_flat(self) -> bool:
        """Nothing open, nothing waiting at the broker, nothing under way."""
        return self.positions == 0 and self.working == 0 and self.waiting == 0


@dataclass(frozen=True, slots=True)
class DrillResult:
    """What one limit did. `told` is a sentence with its numbers."""

    scope: RuleScope
    rule: str
    settings: Any
    passed: bool
    told: str
    numbers: Mapping[str, Any] = field(default_factory=dict)
