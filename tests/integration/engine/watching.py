"""Reading accounts as the watch does: claimed with a token, handed in as a mark, at whatever time a test says."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg

from tests.integration.engine.road import Json, Road

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
"""A Monday noon, long ago: marks of a test carry their own times."""


def held(position: str = "p1", qty: Any = 1, side: str = "buy", **more: Any) -> Json:
    """An open position as a read tells it."""
    return {"venue_position_id": position, "side": side, "qty": qty, "unrealized_pnl": 0, **more}


class Watch:
    """The watch of one account."""

    def __init__(self, road: Road, account: str) -> None:
        self.road, self.account = road, account

    @classmethod
    async def of(cls, road: Road, account: str, broker: str = "tradelocker", **values: Any) -> Watch:
        """An account that was never read; `values` are columns of it (timezone, reset_time)."""
        await road.set("public.broker_accounts", account, as_of=None, broker=broker, **values)
        return cls(road, account)

    async def claim(
        self, worker: str = "watch", connection: asyncpg.Connection | None = None, pauses: Json | None = None
    ) -> Json | None:
        """The account from engine.watched_accounts when it is due, or None."""
        rows = await (connection or self.road.worker).fetch(
            "select engine.watched_accounts($1, 100, 12000, $2)", worker, pauses or {}
        )
        found = [row[0] for row in rows if row[0]["account"]["id"] == self.account]
        return found[0] if found else None

    async def due(self) -> Json:
        """The same, made due before."""
        await self.road.admin.execute(
            "update engine.account_marks set due_at = now(), lease_until = null, failures = 0"
            " where account_id = $1::text::uuid",
            self.account,
        )
        claimed = await self.claim()
        assert claimed is not None
        return claimed

    async def read(
        self, at: datetime, balance: Any, equity: Any = None, positions: Sequence[Json] = ()
    ) -> None:
        """The account was read: so much money, these positions."""
        claimed = await self.due()
        await self.hand_in(claimed, at, balance, equity, positions)

    async def hand_in(
        self,
        claimed: Json,
        at: datetime,
        balance: Any,
        equity: Any = None,
        positions: Sequence[Json] = (),
        **limits: Any,
    ) -> None:
        """engine.record_marks of one read; `limits`: how often the broker may be looked at."""
        mark = {
            "token": claimed["token"],
            "account": self.account,
            "freshness": "fresh",
            "at": at,
            "balance": balance,
            "equity": balance if equity is None else equity,
            "positions": list(positions),
            "orders": [],
            **limits,
        }
        await self.road.worker.execute("select engine.record_marks($1)", [mark])

    async def fill(
        self, at: datetime, result: Any, position: str = "p1", effect: str = "close", **more: Any
    ) -> None:
        """A fill that was recorded when it happened; `result` is its gross result."""
        values = {"qty": 1, "commission": 0, "created_at": at, **more}
        await self.road.admin.execute(
            "insert into public.fills (user_id, account_id, venue_fill_id, position_id, effect, symbol, side, qty, price,"
            " commission, realised, filled_at, created_at)"
            " select user_id, id, gen_random_uuid()::text, $2, $3::text::public.effect, 'EURUSD', 'buy', $4, 1, $5, $6, $7, $8"
            " from public.broker_accounts where id = $1::text::uuid",
            *(
                self.account,
                position,
                effect,
                Decimal(values["qty"]),
                Decimal(values["commission"]),
                Decimal(result),
            ),
            *(at, values["created_at"]),
        )

    async def day(self, name: str) -> Json | None:
        """The row of a trading day, by its date."""
        row: Json | None = await self.road.value(
            "select to_jsonb(d) from engine.account_days d where account_id = $1::text::uuid and trading_day::text = $2",
            *(self.account, name),
        )
        return row

    async def marks(self) -> Json:
        """The row of engine.account_marks."""
        row: Json = await self.road.value(
            "select to_jsonb(m) from engine.account_marks m where account_id = $1::text::uuid", self.account
        )
        return row

    async def is_due_in(self, seconds: float, before: datetime) -> bool:
        """Whether the next read comes so long after one that was handed in between `before` and now."""
        due = datetime.fromisoformat((await self.marks())["due_at"])
        slack = timedelta(seconds=0.5)
        return before - slack <= due - timedelta(seconds=seconds) <= datetime.now(UTC) + slack

    async def risk(self) -> Json | None:
        """engine.risk_json, as the watch gets it."""
        row: Json | None = await self.road.value(
            "select engine.risk_json(a, null) from public.broker_accounts a where id = $1::text::uuid",
            self.account,
        )
        return row


def later(moment: datetime, **parts: float) -> datetime:
    """A moment after."""
    return moment + timedelta(**parts)


async def rule(road: Road, user: str, rules: Json, **scope: str) -> None:
    """Rules of a scope, as set_risk would have written them."""
    names, values = (
        "".join(f", {name}" for name in scope),
        "".join(f", '{value}'" for value in scope.values()),
    )
    await road.admin.execute(
        f"insert into public.risk_settings (user_id, rules{names}) values ($1::text::uuid, $2::text::jsonb{values})",
        *(user, json.dumps(rules)),
    )


@asynccontextmanager
async def as_user(road: Road, user: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the signed-in user."""
    connection = await road.database.connect("authenticator")
    try:
        claims = {"role": "authenticated", "sub": user, "aal": "aal1", "amr": [], "app_metadata": {}}
        await connection.execute("select set_config('request.jwt.claims', $1, false)", json.dumps(claims))
        await connection.execute("set role authenticated")
        yield connection
    finally:
        await connection.close(timeout=5)
