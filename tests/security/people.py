"""Users of every kind, each with a row in every table, and connections that act for them."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest

from tests.support.clusters import Database

OWNER = "00000000-0000-4000-8000-000000000001"
GUARDED = "00000000-0000-4000-8000-000000000002"
OTHER = "00000000-0000-4000-8000-000000000003"
ADMIN = "00000000-0000-4000-8000-000000000009"
FLEET_KEY = "f0000000000000000"
PEOPLE = (OWNER, GUARDED, OTHER, ADMIN)


@dataclass(frozen=True)
class Actor:
    """Who makes a request: a user or nobody, with what the access token says."""

    name: str
    user: str | None = None
    aal: str = "aal1"
    totp_age_s: int | None = None
    admin_claim: bool = False

    def __str__(self) -> str:
        return self.name

    @property
    def role(self) -> str:
        """The database role the gateway takes."""
        return "authenticated" if self.user else "anon"

    @property
    def claims(self) -> dict[str, Any]:
        """The token's claims."""
        now = int(time.time())
        used = [{"method": "password", "timestamp": now - 60}]
        if self.totp_age_s is not None:
            used.append({"method": "totp", "timestamp": now - self.totp_age_s})
        app = {"provider": "email", **({"role": "admin"} if self.admin_claim else {})}
        claims = {"role": self.role, "aal": self.aal, "amr": used, "app_metadata": app, "exp": now + 900}
        return {**claims, "sub": self.user} if self.user else claims


ANON = Actor("anon")
OWNER_WITHOUT_FACTOR = Actor("owner", OWNER)
OWNER_AT_AAL1 = Actor("owner with factor at aal1", GUARDED)
OWNER_AT_AAL2 = Actor("owner with factor at aal2, an hour ago", GUARDED, "aal2", 3600)
OWNER_STEPPED_UP = Actor("owner with factor used a minute ago", GUARDED, "aal2", 60)
STRANGER = Actor("other", OTHER)
ADMIN_AT_AAL1 = Actor("admin at aal1", ADMIN, admin_claim=True)
ADMIN_AT_AAL2 = Actor("admin at aal2", ADMIN, "aal2", 60, admin_claim=True)
CLAIM_WITHOUT_ROW = Actor("admin claim without a row", OTHER, "aal2", 60, admin_claim=True)
ROW_WITHOUT_CLAIM = Actor("admin row without the claim", ADMIN, "aal2", 60)
EVERYBODY = (
    ANON,
    OWNER_WITHOUT_FACTOR,
    OWNER_AT_AAL1,
    OWNER_AT_AAL2,
    OWNER_STEPPED_UP,
    STRANGER,
    ADMIN_AT_AAL1,
    ADMIN_AT_AAL2,
    CLAIM_WITHOUT_ROW,
    ROW_WITHOUT_CLAIM,
)


def account(user: str, environment: str = "paper") -> str:
    """The id of a seeded account of the user: paper or live."""
    return user.replace("00000000-", "0000000a-" if environment == "paper" else "0000000b-", 1)


def endpoint(user: str, environment: str = "paper") -> str:
    """The id of a seeded endpoint of the user, on his paper or his live account."""
    return user.replace("00000000-", "0000000c-" if environment == "paper" else "0000000d-", 1)


def device(user: str) -> str:
    """The id of the user's seeded device."""
    return user.replace("00000000-", "0000000e-", 1)


def target(user: str) -> str:
    """The id of a seeded, confirmed target of the user's messages."""
    return user.replace("00000000-", "0000000f-", 1)


def seed(database: Database) -> None:
    """Four users with a row in every table. GUARDED and ADMIN have a verified factor."""
    database.sql("".join(_rows_of(user) for user in PEOPLE))
    database.sql(
        f"""
        insert into auth.mfa_factors (user_id, factor_type, status, secret)
        values ('{GUARDED}', 'totp', 'verified', 'x'), ('{ADMIN}', 'totp', 'verified', 'x');
        insert into private.admins (user_id) values ('{ADMIN}');
        insert into public.brands (id, name) values ('{OWNER}', 'White'), ('{OTHER}', 'Label');
        update public.profiles set brand_id = '{OWNER}' where id in ('{OWNER}', '{GUARDED}');
        insert into public.fleet_keys (key_id, public_key, expires_on, signature)
        values ('{FLEET_KEY}', repeat('A', 43), '2099-01-01', repeat('A', 86));
        insert into public.fx_rates (currency, usd, as_of) values ('EUR', 1.1, now());
        """
    )


def _rows_of(user: str) -> str:
    paper, live = account(user), account(user, "live")
    return f"""
    insert into auth.users (id, email) values ('{user}', 'u{user[-1]}@example.com');
    insert into broker_connections (id, user_id, broker, environment) values
      ('{paper}', '{user}', 'paper', 'simulated'), ('{live}', '{user}', 'tradelocker', 'live');
    insert into broker_accounts
      (id, connection_id, user_id, broker, account_id, margin_mode, trading_enabled)
    values
      ('{paper}', '{paper}', '{user}', 'paper', 'P1', 'netting', true),
      ('{live}', '{live}', '{user}', 'tradelocker', 'L1', 'hedging', true);
    insert into credential_seals (connection_id, recipient, key_id, version, sealed)
      values ('{live}', 'fleet', 'k1', 1, decode(repeat('00', 64), 'hex'));
    update broker_connections set seal_version = 1 where id = '{live}';
    insert into devices (id, user_id, name, public_key)
      values ('{device(user)}', '{user}', 'pc', decode(repeat('00', 32), 'hex'));
    insert into webhook_endpoints (id, user_id, broker, name) values
      ('{endpoint(user)}', '{user}', 'paper', 'Paper'),
      ('{endpoint(user, "live")}', '{user}', 'tradelocker', 'Live');
    insert into webhook_endpoint_accounts (endpoint_id, account_id, user_id) values
      ('{endpoint(user)}', '{paper}', '{user}'), ('{endpoint(user, "live")}', '{live}', '{user}');
    insert into api_keys (id, user_id, name, key_hash, scopes)
      values ('key0000{user[-1]}', '{user}', 'k', decode(repeat('00', 32), 'hex'), '{{read}}');
    insert into symbol_map (user_id, tv_symbol, venue_symbol) values ('{user}', 'GOLD', 'XAUUSD');
    insert into risk_settings (user_id, max_trades_per_day) values ('{user}', 10);
    insert into risk_settings (user_id, broker, effective_from)
      values ('{user}', 'metatrader', now() + interval '1 day');
    insert into risk_standings (account_id, scope, rule, user_id, at) values ('{paper}', 'user', 'daily_loss', '{user}', now());
    insert into corrections (user_id, account_id, key, kind, told)
      values ('{user}', '{paper}', 'fill:1', 'fill', 'EURUSD: bought 1 at 1.1, not by us.');
    insert into gaps (user_id, account_id, symbol, event_id, expected, actual, is_exact, told, policy)
      values ('{user}', '{paper}', 'EURUSD', 1, 2, 1, true, 'long 2, not long 1', 'notify');
    insert into streams (connection_id, user_id, until, worker, token) values ('{paper}', '{user}', now(), 'w', 1);
    with r as (insert into drill_runs (user_id, account_id, status) values ('{user}', '{paper}', 'done') returning id)
      insert into drills (run_id, user_id, account_id, scope, rule, settings, settings_hash, passed, told)
      select id, '{user}', '{paper}', 'user', 'max_trades_per_day', '10', md5('10'), true, 'denied' from r;
    insert into trading_config (user_id, lot_size_mode, fixed_lot_size) values ('{user}', 'lots', 0.1);
    with e as (
      insert into webhook_events (user_id, source, body, status)
      values ('{user}', 'dashboard', '{{}}', 'accepted') returning id
    ), d as (
      insert into deliveries (event_id, user_id, account_id, action, symbol, halt_epoch, status, outcome)
      select id, '{user}', '{paper}', 'open', 'EURUSD', 0, 'done', 'executed' from e returning id
    ), o as (
      insert into orders (
        user_id, broker, account_id, delivery_id, client_order_id, origin, symbol, root, side, type, qty,
        status
      )
      select '{user}', 'paper', '{paper}', id, 'c1', 'alert', 'EURUSD', 'EURUSD', 'buy', 'limit', 1.5,
        'working'
      from d
      returning id
    )
    insert into fills
      (user_id, account_id, order_id, venue_fill_id, effect, symbol, side, qty, price, filled_at)
    select '{user}', '{paper}', id, 'f1', 'open', 'EURUSD', 'buy', 1, 1.1, now() from o;
    insert into fills
      (user_id, account_id, venue_fill_id, position_id, effect, symbol, side, qty, price, realised, filled_at)
      values ('{user}', '{paper}', 'f2', 'p0', 'open', 'EURUSD', 'buy', 1, 1.1, 0, now() - interval '1 hour'),
        ('{user}', '{paper}', 'f3', 'p0', 'close', 'EURUSD', 'sell', 1, 1.2, 10, now());
    insert into excursions (account_id, position_id, opened_at, user_id, worst_pnl, best_pnl)
      values ('{paper}', 'p0', now() - interval '1 hour', '{user}', -1, 11);
    insert into positions
      (user_id, broker, account_id, venue_position_id, symbol, root, side, qty, entry_price)
      values ('{user}', 'paper', '{paper}', 'p1', 'EURUSD', 'EURUSD', 'buy', 1, 1.1);
    insert into equity_history (user_id, broker, account_id, equity, balance)
      values ('{user}', 'paper', '{paper}', 1, 1);
    insert into logs (user_id, level, type, message) values ('{user}', 'info', 'test', 'hello');
    insert into notification_targets (id, user_id, kind, name, classes, verified_at)
      values ('{target(user)}', '{user}', 'email', 'mail', '{{breach}}', now());
    insert into engine.notification_doors (target_id, key_id, sealed)
      values ('{target(user)}', '{FLEET_KEY}', decode(repeat('00', 64), 'hex'));
    insert into notifications (user_id, target_id, kind, target_name, event_class, event_key, message, status)
      values ('{user}', '{target(user)}', 'email', 'mail', 'breach', 'l1', 'hello', 'sent');
    """


@asynccontextmanager
async def acting(database: Database, actor: Actor, keep: bool = False) -> AsyncIterator[asyncpg.Connection]:
    """A transaction of a request by `actor`, as the gateway opens it; undone at the end unless `keep`."""
    connection = await database.connect("authenticator")
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(
            "select set_config('role', $1, true), set_config('request.jwt.claims', $2, true)",
            actor.role,
            json.dumps(actor.claims),
        )
        yield connection
        if keep:
            await transaction.commit()
    finally:
        await connection.close()


@asynccontextmanager
async def refused(connection: asyncpg.Connection, code: str, hint: str | None = None) -> AsyncIterator[None]:
    """The block fails with this SQLSTATE (and hint); the connection's transaction lives on."""
    with pytest.raises(asyncpg.PostgresError) as caught:
        async with connection.transaction():
            yield
    assert caught.value.sqlstate == code, caught.value
    assert hint is None or getattr(caught.value, "hint", None) == hint, caught.value
