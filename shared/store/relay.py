"""What the relay asks of the database, as `empire_relay`: a method per function of its name, no other SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared import codec
from shared.models.enums import LogLevel, NotificationClass, NotificationKind
from shared.store.line import Line


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """Something that happened, held by `token`. `context`: of a delivery, its account's name and its orders.

    `told`: the trader has been told of it already; only other sinks still want it.
    """

    id: int
    token: int
    user_id: str
    subject: str
    body: dict[str, Any]
    created_at: datetime
    told: bool
    account_id: str | None = None
    context: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class LogLine:
    """The type and level of a line that is to stand in the trader's log."""

    type: str
    level: LogLevel


@dataclass(frozen=True, slots=True)
class Told:
    """What a trader is told of an outbox row. `key` is what it is about; `line` None = his log has it already;
    `notification_class` None = it stands in his log only."""

    id: int
    key: str
    message: str
    notification_class: NotificationClass | None
    event_id: int | None = None
    line: LogLine | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """A message that waits for a target."""

    id: int
    notification_class: NotificationClass
    urgent: bool
    message: str
    event_id: int | None
    attempts: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ClaimedTarget:
    """A target, for one relay. `code`: what confirms it, where it is not. `lately`: messages of the last minute."""

    target_id: str
    user_id: str
    kind: NotificationKind
    name: str
    key_id: str
    sealed: str
    token: int
    failures: int
    lately: int
    messages: tuple[Message, ...]
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Sending:
    """What became of one message (several ids: a digest): sent | later | dead."""

    ids: tuple[int, ...]
    outcome: str
    error: str | None = None
    retry_ms: int = 0


class RelayStore:
    """Two connections: what goes out to targets never waits for the outbox. Every method raises StoreUnavailable."""

    def __init__(self, dsn: str, statement_cache_size: int = 200) -> None:
        self._outbox = Line("outbox", dsn, statement_cache_size)
        self._notify = Line("notify", dsn, statement_cache_size)

    async def claim_outbox(self, *, worker: str, limit: int, lease_ms: int) -> list[OutboxRow]:
        rows = await self._outbox.call(
            "select engine.claim_outbox(p_worker => $1, p_limit => $2, p_lease_ms => $3)",
            *(worker, limit, lease_ms),
            repeat=False,  # what a lost answer claimed comes back when its lease ends
        )
        return [codec.decode_as(OutboxRow, row) for row in rows]

    async def tell_outbox(self, *, token: int, told: Sequence[Told], last: bool) -> int:
        """Write log lines and messages; rows that were told before are left alone. How many were told now.

        `last`: no other sink wants what this token holds: all of it leaves the outbox in the same commit.
        """
        said = [
            {
                "id": each.id,
                "key": each.key,
                "message": each.message,
                "class": each.notification_class,
                "event_id": each.event_id,
                "line": each.line,
            }
            for each in told
        ]
        (answer,) = await self._outbox.call(
            "select engine.tell_outbox(p_token => $1, p_told => $2, p_last => $3)",
            *(token, codec.encode(said), last),
            repeat=True,
        )
        return int(answer)

    async def outbox_delivered(self, *, token: int, ids: Sequence[int]) -> int:
        (answer,) = await self._outbox.call(
            "select engine.outbox_delivered(p_token => $1, p_ids => $2)", token, list(ids), repeat=True
        )
        return int(answer)

    async def claim_notifications(
        self, *, worker: str, limit: int, batch: int, lease_ms: int, per_minute: int
    ) -> list[ClaimedTarget]:
        rows = await self._notify.call(
            "select engine.claim_notifications("
            "p_worker => $1, p_limit => $2, p_batch => $3, p_lease_ms => $4, p_per_minute => $5)",
            *(worker, limit, batch, lease_ms, per_minute),
            repeat=False,
        )
        return [_target(codec.decode(row)) for row in rows]

    async def record_notifications(
        self, *, target: str, token: int, results: Sequence[Sending], release: bool, most: int
    ) -> bool:
        """`release`: the target is free for the next relay. `most`: tries before a message is given up."""
        (answer,) = await self._notify.call(
            "select engine.record_notifications("
            "p_target => $1, p_token => $2, p_results => $3, p_release => $4, p_most => $5)",
            *(target, token, codec.encode(results), release, most),
            repeat=True,
        )
        return bool(answer)

    async def relay_stats(self) -> dict[str, Any]:
        (answer,) = await self._outbox.call("select engine.relay_stats()", repeat=True)
        return codec.decode(answer) or {}

    async def worker_seen(self, *, worker: str, kind: str, details: dict[str, Any]) -> None:
        await self._outbox.call(
            "select engine.worker_seen(p_worker => $1, p_kind => $2, p_details => $3)",
            *(worker, kind, codec.encode(details)),
            repeat=True,
        )

    async def close(self) -> None:
        """Close both connections."""
        await self._outbox.close()
        await self._notify.close()


def _target(row: dict[str, Any]) -> ClaimedTarget:
    messages = [{**each, "notification_class": each.pop("class")} for each in row["messages"] or []]
    return codec.convert(ClaimedTarget, {**row, "messages": messages})
