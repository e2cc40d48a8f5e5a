"""The engine's functions as its callers use them: each role on a connection of its own, real rows, real locks."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import asyncpg

from shared import codec
from tests.support.clusters import Database

Json = dict[str, Any]
ENTRY: Json = {
    "leg": 0,
    "kind": "place",
    "symbol": "EURUSD",
    "venue_symbol": "EURUSD",
    "root": "EURUSD",
    "side": "buy",
    "type": "market",
    "qty": 1,
    "tif": "gtc",
    "reduce_only": False,
    "after_fill": False,
}
EXIT: Json = {**ENTRY, "side": "sell", "reduce_only": True}
"""An order that should only reduce; a broker without reduce-only orders would open a position with it."""
CLOSE: Json = {**EXIT, "kind": "close"}
LEASE_MS = 10_000
TIMEOUT_MS = 5_000


async def connect(database: Database, role: str) -> asyncpg.Connection:
    """A connection whose json is plain Python, numbers exact."""
    connection = await database.connect(role)
    for kind in ("json", "jsonb"):
        await connection.set_type_codec(
            kind,
            schema="pg_catalog",
            encoder=lambda value: codec.encode(value).decode(),
            decoder=codec.decode,
        )
    return connection


@dataclass
class Trader:
    """A user with accounts and one endpoint whose alerts go to all of them."""

    user: str
    endpoint: str
    accounts: list[str] = field(default_factory=list)

    @property
    def account(self) -> str:
        """The first account."""
        return self.accounts[0]


@dataclass
class Road:
    """`admin` is a superuser (moves time, breaks rows); `worker` and `edge` may only execute functions."""

    database: Database
    admin: asyncpg.Connection
    worker: asyncpg.Connection
    edge: asyncpg.Connection
    _extra: list[asyncpg.Connection] = field(default_factory=list)

    @classmethod
    async def on(cls, database: Database) -> Road:
        """Connected as each role."""
        return cls(
            database,
            *[await connect(database, r) for r in ("supabase_admin", "empire_worker", "empire_edge")],
        )

    async def another(self, role: str) -> asyncpg.Connection:
        """One more connection: somebody else working at the same time."""
        connection = await connect(self.database, role)
        self._extra.append(connection)
        return connection

    async def close(self) -> None:
        """Close every connection."""
        for connection in (self.admin, self.worker, self.edge, *self._extra):
            await connection.close(timeout=5)

    async def trader(
        self, accounts: int = 1, broker: str = "paper", mode: str = "netting", executor: str = "fleet"
    ) -> Trader:
        """A new user. Every account trades, holds 10,000 and takes part in the endpoint."""
        trader = Trader(str(uuid.uuid4()), str(uuid.uuid4()))
        await self.admin.execute(
            "insert into public.profiles (id, email) values ($1::text::uuid, 'a@example.com')", trader.user
        )
        await self.admin.execute(
            "insert into public.webhook_endpoints (id, user_id, broker, name, alerts_per_minute)"
            " values ($1::text::uuid, $2::text::uuid, $3::text::public.broker, 'test', 100000)",
            *(trader.endpoint, trader.user, broker),
        )
        for _ in range(accounts):
            trader.accounts.append(await self.account(trader, broker, mode, executor))
        return trader

    async def account(
        self, trader: Trader, broker: str = "paper", mode: str = "netting", executor: str = "fleet"
    ) -> str:
        """One more account of the trader's, in the endpoint too. Its day ends in half a day, whenever the test runs."""
        account = str(uuid.uuid4())
        await self.admin.execute(
            f"""
            insert into public.broker_connections (id, user_id, broker, environment, status, executor)
            values ('{account}', '{trader.user}', '{broker}', 'simulated', 'connected', '{executor}');
            insert into public.broker_accounts (id, connection_id, user_id, broker, account_id, label, margin_mode,
              trading_enabled, balance, equity, freshness, as_of, reset_time)
            values ('{account}', '{account}', '{trader.user}', '{broker}', 'N{account[:8]}', 'L{account[:8]}',
              '{mode}', true, 10000, 10000, 'fresh', now(), date_trunc('minute', now() at time zone 'UTC' + interval '12 hours'));
            insert into public.webhook_endpoint_accounts (endpoint_id, account_id, user_id)
            values ('{trader.endpoint}', '{account}', '{trader.user}');
            """
        )
        return account

    async def set(self, table: str, row: str, **values: Any) -> None:
        """Change columns of a row as the superuser; values are SQL literals' text, None is null."""
        for name, value in values.items():
            literal = "null" if value is None else value if str(value).endswith(")") else f"'{value}'"
            await self.admin.execute(f"update {table} set {name} = {literal} where id = '{row}'")

    async def limit(self, trader: Trader, **values: Any) -> None:
        """Limits of the user, or with broker= or account_id= of a narrower scope."""
        names, literals = ", ".join(values), ", ".join(f"'{value}'" for value in values.values())
        await self.admin.execute(
            f"insert into public.risk_settings (user_id, {names}) values ('{trader.user}', {literals})"
        )

    async def ingest(
        self,
        trader: Trader,
        connection: asyncpg.Connection | None = None,
        over: Json | None = None,
        top: Json | None = None,
        **intent: Any,
    ) -> Json:
        """An alert through engine.ingest; `top`: more fields of the alert, `over`: of the argument itself."""
        (answer,) = await self.ingest_all(alert_of(trader, over, top, **intent), connection=connection)
        return answer

    async def ingest_all(
        self, *alerts: Json, connection: asyncpg.Connection | None = None, patient: bool = True
    ) -> list[Json]:
        """Alerts that came together, in one call."""
        answers: list[Json] = await (connection or self.edge).fetchval(
            "select engine.ingest($1, $2)", list(alerts), patient
        )
        return answers

    async def accept(self, trader: Trader, **intent: Any) -> int:
        """An alert that must be accepted; its event's id."""
        return await self.accept_on(trader, self.edge, **intent)

    async def accept_on(self, trader: Trader, connection: asyncpg.Connection, **intent: Any) -> int:
        """The same on a connection of its own."""
        answer = await self.ingest(trader, connection, **intent)
        assert (answer["http"], answer["status"]) == (202, "accepted"), answer
        return int(answer["event_id"])

    async def intend(self, trader: Trader, source: str = "dashboard", **intent: Any) -> Json:
        """An intent of the user for all of his accounts (the caller of accept_intent is postgres)."""
        answer: Json = await self.admin.fetchval(
            "select engine.accept_intent($1)",
            {"user_id": trader.user, "source": source, "accounts": trader.accounts, "intent": intent},
        )
        return answer

    async def claim(
        self,
        limit: int = 64,
        lane: str = "normal",
        worker: str = "w1",
        connection: asyncpg.Connection | None = None,
        lease_ms: int = LEASE_MS,
        executor: str = "fleet",
    ) -> list[Json]:
        """What a worker gets."""
        rows = await (connection or self.worker).fetch(
            "select engine.claim($1, $2, $3, $4, $5)", worker, executor, lane, limit, lease_ms
        )
        return [row[0] for row in rows]

    async def open(
        self,
        claimed: Json | Sequence[Json],
        *legs: Json,
        begin: bool = True,
        connection: asyncpg.Connection | None = None,
    ) -> list[Json]:
        """Write ahead the same legs (default: one entry) for each claimed delivery."""
        many = [claimed] if isinstance(claimed, dict) else claimed
        plans = [
            {"delivery_id": c["delivery"]["id"], "token": c["token"], "legs": list(legs or (ENTRY,))}
            for c in many
        ]
        answer: list[Json] = await (connection or self.worker).fetchval(
            "select engine.open_orders($1, $2, $3)", plans, begin, TIMEOUT_MS
        )
        return answer

    async def open_one(self, claimed: Json, *legs: Json, begin: bool = True) -> Json:
        """The answer for one delivery."""
        (answer,) = await self.open(claimed, *legs, begin=begin)
        return answer

    async def begin(self, command: int, token: int, connection: asyncpg.Connection | None = None) -> Json:
        """engine.begin_send of one command."""
        (answer,) = await (connection or self.worker).fetchval(
            "select engine.begin_send($1, $2)", [{"id": command, "token": token}], TIMEOUT_MS
        )
        told: Json = answer
        return told

    async def record(
        self,
        claimed: Json,
        commands: Sequence[Json] = (),
        outcome: str | None = "executed",
        reason: str | None = None,
        connection: asyncpg.Connection | None = None,
        **more: Any,
    ) -> bool:
        """engine.record_executions for one delivery; outcome None = more legs follow."""
        finish = None if outcome is None else {"outcome": outcome, "reason": reason, "numbers": None}
        result = {
            "delivery_id": claimed["delivery"]["id"],
            "token": claimed["token"],
            "account": None,
            "commands": list(commands),
            "finish": finish,
            "trace": [{"stage": "record", "outcome": "ok", "ms": 1, "detail": {}}],
            "timings": {"recorded_ms": 1},
            **more,
        }
        (answer,) = await (connection or self.worker).fetchval(
            "select engine.record_executions($1)", [result]
        )
        return bool(answer["recorded"])

    async def deny(self, claimed: Json) -> bool:
        """End a delivery without anything sent."""
        return await self.record(claimed, outcome="denied", reason="no_quote")

    async def trade(self, trader: Trader, qty: Any = 1, position: str = "p1", **intent: Any) -> Json:
        """An alert all the way to a fill; the claimed delivery."""
        await self.accept(trader, **intent)
        (claimed,) = await self.claim(1)
        side = intent.get("side", "buy")
        opened = await self.open_one(claimed, {**ENTRY, "qty": qty, "side": side})
        (command,) = opened["commands"]
        fills = [fill(f"f{command['id']}", position, qty=qty, side=side)]
        assert await self.record(claimed, [filled(command["id"], qty, fills)])
        return claimed

    async def lose_leases(self) -> None:
        """Every lease has run out, as if its holder had died a while ago."""
        await self.admin.execute(
            "update engine.queue set lease_until = now() - interval '1 second' where state = 'claimed'"
        )

    async def rescue(self) -> Json:
        """engine.rescue."""
        answer: Json = await self.worker.fetchval("select engine.rescue(100)")
        return answer

    async def unsettled(self, connection: asyncpg.Connection | None = None) -> list[Json]:
        """Everything the settler is to ask about now."""
        await self.admin.execute("update engine.commands set check_at = now() where state = 'unknown'")
        rows = await (connection or self.worker).fetch(
            "select engine.claim_unsettled('s1', 'fleet', 32, 15000)"
        )
        return [row[0] for row in rows]

    async def settle(self, asked: Json, verdict: str, command: Json | None = None) -> bool:
        """What the broker said when asked about one command."""
        (answer,) = await self.worker.fetchval(
            "select engine.settle($1)",
            [
                {
                    "command_id": asked["command"]["id"],
                    "checker": asked["checker"],
                    "verdict": verdict,
                    "command": command,
                    "next_ms": 250,
                    "trace": [],
                }
            ],
        )
        return bool(answer["settled"])

    async def minute_turns(self) -> None:
        """The minute may turn at any moment: what was counted in this one is counted in the next one, too."""
        await self.admin.execute(
            "insert into engine.endpoint_counters as c (endpoint_id, kind, n, window_start)"
            " select endpoint_id, kind, n, window_start + interval '1 minute' from engine.endpoint_counters"
            " on conflict (endpoint_id, kind, window_start) do update set n = greatest(c.n, excluded.n)"
        )

    async def deadlines_passed(self) -> None:
        """No old holder can be sending any more."""
        await self.admin.execute("update engine.commands set send_deadline = now() - interval '1 minute'")

    async def delivery(self, claimed: Json) -> Json:
        """The delivery's row now."""
        row = await self.admin.fetchval(
            "select to_jsonb(d) from public.deliveries d where id = $1", claimed["delivery"]["id"]
        )
        found: Json = row
        return found

    async def outcomes(self, event: int) -> list[tuple[str, str | None, str | None]]:
        """(status, outcome, reason) of the event's deliveries."""
        rows = await self.admin.fetch(
            "select status::text, outcome::text, reason::text from public.deliveries where event_id = $1 order by id",
            event,
        )
        return [(row[0], row[1], row[2]) for row in rows]

    async def value(self, statement: str, *arguments: Any) -> Any:
        """One value, asked as superuser."""
        return await self.admin.fetchval(statement, *arguments)

    async def column(self, statement: str, *arguments: Any) -> list[Any]:
        """One column, asked as superuser."""
        return [row[0] for row in await self.admin.fetch(statement, *arguments)]

    async def broken(self) -> dict[str, int]:
        """The invariant views that are not empty."""
        told: dict[str, int] = await self.worker.fetchval("select engine.invariant_rows()")
        return {name: rows for name, rows in told.items() if rows}


def alert_of(trader: Trader, over: Json | None = None, top: Json | None = None, **intent: Any) -> Json:
    """What the edge function hands to engine.ingest for an alert."""
    payload = {
        "version": "unify.v1",
        "source": "tradingview",
        "id": uuid.uuid4().hex,
        **(top or {}),
        "intent": {"action": "open", "side": "buy", "symbol": "EURUSD", **intent},
    }
    payload = {name: value for name, value in payload.items() if value is not None}
    body = json.dumps(payload)
    return {
        "endpoint_id": trader.endpoint,
        "token_version": 1,
        "broker": None,
        "body": body,
        "body_sha256": hashlib.sha256(body.encode()).hexdigest(),
        "payload": payload,
        "refusal": None,
        "signature": None,
        "signature_valid": None,
        "client_ip": None,
        **(over or {}),
    }


def fill(
    number: str, position: str = "p1", effect: str = "open", qty: Any = 1, side: str = "buy", **more: Any
) -> Json:
    """One execution as an adapter reports it."""
    return {
        "venue_fill_id": number,
        "position_id": position,
        "effect": effect,
        "symbol": "EURUSD",
        "side": side,
        "qty": qty,
        "price": Decimal("1.1"),
        "filled_at": "2026-11-23T09:00:00Z",
        **more,
    }


def filled(command: int, qty: Any, fills: Sequence[Json], **more: Any) -> Json:
    """A command that the broker took and filled."""
    return {
        "id": command,
        "outcome": "accepted",
        "venue_order_id": f"v{command}",
        "status": "filled",
        "filled_qty": qty,
        "avg_price": Decimal("1.1"),
        "fills": list(fills),
        "positions": [],
        "effects": [],
        **more,
    }


def outcome(command: int, name: str, reason: str | None = None) -> Json:
    """A command that ended otherwise: rejected, unknown, canceled."""
    return {"id": command, "outcome": name, "reason": reason}


async def until(condition: Callable[[], Any], timeout_s: float = 60) -> None:
    """Ask again and again (each question is a round trip to the database) until it is true."""
    deadline = time.monotonic() + timeout_s
    while not await condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the condition did not come true in time")
