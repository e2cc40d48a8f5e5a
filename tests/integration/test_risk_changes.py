"""A random life of one trader's limits against the promise: at no moment is admitted what the limits then refused."""

from __future__ import annotations

import asyncio
import json
import math
import uuid
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.security.people import Actor
from tests.support.clusters import Database

DELAY_H = 24
SYMBOLS = ("EURUSD", "GBPUSD", "XAUUSD")
BLANK: dict[str, Any] = {
    "max_order_qty": None,
    "max_trades_per_day": None,
    "max_risk_per_trade_pct": None,
    "stop_required": False,
    "naked_policy": None,
    "allowed_symbols": None,
    "alert_age": None,
    "duplicates": None,
}

_numbers = st.none() | st.integers(0, 9)
_values = st.fixed_dictionaries(
    {},
    optional={
        "max_order_qty": _numbers,
        "max_trades_per_day": _numbers,
        "max_risk_per_trade_pct": _numbers,
        "stop_required": st.booleans(),
        "naked_policy": st.sampled_from([None, "close", "alarm"]),
        "allowed_symbols": st.none() | st.lists(st.sampled_from(SYMBOLS), unique=True),
        "alert_age": st.none() | st.integers(1, 9),
        "duplicates": st.none() | st.integers(1, 9),
    },
)
_steps = st.lists(
    st.tuples(st.just("set"), _values)
    | st.tuples(st.just("pass"), st.sampled_from([1, 5, 11, 12, 13, 23, 24, 25]))
    | st.tuples(st.just("cancel"), st.none()),
    min_size=2,
    max_size=12,
)


def looseness(limits: dict[str, Any]) -> tuple[float | frozenset[str], ...]:
    """Each limit as what it admits: a larger number or set admits more. An unset ceiling per trade is 5 %."""
    symbols, ceiling = limits["allowed_symbols"], limits["max_risk_per_trade_pct"]
    return (
        *(_up(limits[name]) for name in ("max_order_qty", "max_trades_per_day", "alert_age")),
        5 if ceiling is None else ceiling,
        0 if limits["stop_required"] else 1,
        0 if (limits["naked_policy"] or ("close" if limits["stop_required"] else "")) == "close" else 1,
        frozenset(SYMBOLS if symbols is None else symbols),
        -(limits["duplicates"] or 0),
    )


def _up(number: int | None) -> float:
    return math.inf if number is None else number


def tightest(several: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    """Limit by limit what all of them admit."""
    return tuple(
        frozenset.intersection(*each) if isinstance(each[0], frozenset) else min(each)
        for each in zip(*several, strict=True)
    )


def within(inner: tuple[Any, ...], outer: tuple[Any, ...]) -> bool:
    """Whether everything that `inner` admits is admitted by `outer`."""
    return all(one <= other for one, other in zip(inner, outer, strict=True))


@dataclass
class Life:
    """One trader with a live account: what he wanted since when (hours), and the database."""

    connection: asyncpg.Connection
    asking: asyncpg.Connection
    user: str = field(default_factory=lambda: str(uuid.uuid4()))
    now_h: float = 0
    wanted: list[tuple[float, dict[str, Any]]] = field(default_factory=lambda: [(-math.inf, BLANK)])

    async def begin(self) -> None:
        """His rows."""
        await self.connection.execute(
            f"""
            insert into public.profiles (id) values ('{self.user}');
            insert into public.broker_connections (id, user_id, broker, environment)
            values ('{self.user}', '{self.user}', 'tradelocker', 'live');
            insert into public.broker_accounts (id, connection_id, user_id, broker, account_id, margin_mode)
            values ('{self.user}', '{self.user}', '{self.user}', 'tradelocker', '1', 'netting')"""
        )

    async def verb(self, call: str, *arguments: str) -> None:
        """A verb with a fresh second factor."""
        actor = Actor("owner", self.user, "aal2", 60)
        async with self.asking.transaction():
            await self.asking.execute(
                "select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)",
                json.dumps(actor.claims),
            )
            await self.asking.execute(f"select public.{call}", *arguments)

    async def in_force(self) -> dict[str, Any]:
        """The limits that count."""
        text = await self.connection.fetchval(
            "select to_jsonb(r) from engine.limits_in_force r where r.account_id = $1::text::uuid", self.user
        )
        if text is None:
            return BLANK
        row = json.loads(text)
        row["alert_age"] = row["rules"].get("alert_age", {}).get("max_s")
        row["duplicates"] = row["rules"].get("duplicates", {}).get("window_s")
        return {name: row[name] for name in BLANK}

    async def step(self, what: str, value: Any) -> None:
        """One thing happens."""
        scope = json.dumps({"account_id": self.user})
        if what == "pass":
            self.now_h += value
            await self._shift(value)
        elif what == "cancel":
            await self.verb("cancel_pending_risk($1)", scope)
            self.wanted.append((self.now_h, await self.in_force()))
        else:
            self.wanted.append((self.now_h, {**self.wanted[-1][1], **value}))
            await self.verb("set_risk($1, $2)", scope, json.dumps(_as_asked(value)))

    async def _shift(self, hours: int) -> None:
        by = f"interval '{hours} hours'"
        await self.connection.execute(
            f"""update public.risk_settings set effective_from = effective_from - {by},
              created_at = created_at - {by}, ends_at = ends_at - {by}, superseded_at = superseded_at - {by}
            where user_id = '{self.user}'"""
        )

    def allowed(self) -> tuple[Any, ...]:
        """What all limits admit that he has wanted at any moment of the last day."""
        ends = [since for since, _ in self.wanted[1:]] + [math.inf]
        recent = [
            values for (_, values), end in zip(self.wanted, ends, strict=True) if end > self.now_h - DELAY_H
        ]
        return tightest([looseness(each) for each in recent])


def _as_asked(values: dict[str, Any]) -> dict[str, Any]:
    """As set_risk takes it: two of the limits are rules."""
    asked = {name: value for name, value in values.items() if name not in ("alert_age", "duplicates")}
    rules = {
        name: None if values[name] is None else {key: values[name]}
        for name, key in (("alert_age", "max_s"), ("duplicates", "window_s"))
        if name in values
    }
    return asked | ({"rules": rules} if rules else {})


def test_no_order_is_admitted_that_the_limits_then_refused(database: Database) -> None:
    """Any sequence of changes, cancels and waiting: what counts admits only what every limit wanted within the last
    day admits, so what tightens counts at once and what loosens a day later; and after a quiet day all of it counts."""

    async def connect() -> tuple[asyncpg.Connection, asyncpg.Connection]:
        return await database.connect("supabase_admin"), await database.connect("authenticator")

    async def play(steps: list[tuple[str, Any]]) -> None:
        life = Life(*connections)
        await life.begin()
        for what, value in steps:
            await life.step(what, value)
            assert within(looseness(await life.in_force()), life.allowed()), life.wanted
        await life.step("pass", DELAY_H)
        assert looseness(await life.in_force()) == looseness(life.wanted[-1][1]), life.wanted

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(_steps)
    def holds(steps: list[tuple[str, Any]]) -> None:
        runner.run(play(steps))

    with asyncio.Runner() as runner:
        connections = runner.run(connect())
        holds()
        for each in connections:
            runner.run(each.close())
