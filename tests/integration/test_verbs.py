"""What the verbs do, beyond who may call them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.security.people import (
    GUARDED,
    OWNER,
    OWNER_AT_AAL1,
    OWNER_STEPPED_UP,
    OWNER_WITHOUT_FACTOR,
    Actor,
    account,
    acting,
    endpoint,
    refused,
    seed,
)
from tests.support.clusters import Database


@pytest.fixture
def people(database: Database) -> Database:
    """Users with rows and idle accounts."""
    seed(database)
    return database


async def do(database: Database, actor: Actor, verb: str, *arguments: Any) -> Any:
    """Call a verb as `actor` and keep what it did."""
    marks = ", ".join(f"${n + 1}" for n in range(len(arguments)))
    async with acting(database, actor, keep=True) as connection:
        return await connection.fetchval(f"select public.{verb}({marks})", *arguments)


async def submit(database: Database, key: str | None = None, **intent: Any) -> dict[str, Any]:
    """An intent of OWNER on his paper account."""
    text = json.dumps({"accounts": [account(OWNER)], "symbol": "EURUSD", **intent})
    answer: dict[str, Any] = json.loads(await do(database, OWNER_WITHOUT_FACTOR, "submit_intent", text, key))
    return answer


async def test_the_kill_switch_ends_entries_and_leaves_exits(people: Database) -> None:
    """What waits to open is superseded; a waiting exit stays in the queue and may still be sent."""
    await submit(people, action="open", side="buy", qty=1, qty_mode="lots")
    await submit(people, action="reduce", qty=1, qty_mode="lots")
    answer = json.loads(await do(people, OWNER_WITHOUT_FACTOR, "kill_switch", True, "news"))
    assert answer == {"on": True, "scope": "user", "accounts": 2, "ended": 1, "events": []}
    left = people.sql(
        "select d.action, d.halt_epoch = a.halt_epoch from engine.queue q join public.deliveries d using (id)"
        " join public.broker_accounts a on a.id = d.account_id where d.action <> 'cancel'"
    )
    assert left == "reduce|t"
    ended = "select reason from public.deliveries where outcome = 'skipped'"
    assert people.sql(ended) == "superseded"
    halted = f"select trading_halted, halt_reason from public.profiles where id = '{OWNER}'"
    assert people.sql(halted) == "t|news"


async def test_the_kill_switch_cancels_entries_that_wait_at_the_broker(people: Database) -> None:
    """An entry that is working at the broker gets a cancel of its symbol, on its account only."""
    await do(people, OWNER_WITHOUT_FACTOR, "kill_switch", True)
    asked = "select account_id, symbol from public.deliveries where action = 'cancel'"
    assert people.sql(asked) == f"{account(OWNER)}|EURUSD"


async def test_releasing_the_switch(people: Database) -> None:
    """Released with a step-up; what was accepted before stays ended."""
    await do(people, OWNER_AT_AAL1, "kill_switch", True)
    await do(people, OWNER_STEPPED_UP, "kill_switch", False)
    state = f"select trading_halted, halted_at is null from public.profiles where id = '{GUARDED}'"
    assert people.sql(state) == "f|t"


async def test_limits_keep_their_history(people: Database) -> None:
    """A change supersedes the row in force; the same values again change nothing."""
    tighter = json.dumps({"max_trades_per_day": 5, "allowed_symbols": ["EURUSD"]})
    first = await do(people, OWNER_WITHOUT_FACTOR, "set_risk", "{}", tighter)
    again = await do(people, OWNER_WITHOUT_FACTOR, "set_risk", "{}", tighter)
    assert first == again
    rows = people.sql(
        "select max_trades_per_day, superseded_at is null from public.risk_settings"
        f" where user_id = '{OWNER}' and broker is null order by id"
    )
    assert rows.splitlines() == ["10|f", "5|t"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"max_order_qty": "1.5"}, {"max_order_qty": "1.50001"}),
        ({"max_daily_loss_usd": 0}, {"max_daily_loss_usd": None}),
        ({"stop_required": True}, {"stop_required": False}),
        ({"stop_required": True}, {"naked_policy": "alarm"}),
        ({"naked_policy": "close"}, {"naked_policy": None}),
        ({"naked_policy": "close"}, {"naked_policy": "alarm"}),
        ({}, {"naked_policy": "alarm"}),
        ({"allowed_symbols": ["EURUSD"]}, {"allowed_symbols": ["EURUSD", "GBPUSD"]}),
        ({"allowed_symbols": ["EURUSD"]}, {"allowed_symbols": None}),
        ({"max_risk_per_trade_pct": 5}, {"max_risk_per_trade_pct": 5.1}),
        ({}, {"max_risk_per_trade_pct": 5.1}),
        ({"rules": {"alert_age": {"max_s": 5}}}, {"rules": {"alert_age": None}}),
        ({"rules": {"alert_age": {"max_s": 5}}}, {"rules": {"alert_age": {"max_s": 6}}}),
    ],
    ids=str,
)
async def test_what_counts_as_loosening(
    people: Database, before: dict[str, Any], after: dict[str, Any]
) -> None:
    """Whatever admits an order refused before asks for a step-up; the way there does not."""
    async with acting(people, OWNER_AT_AAL1) as connection:
        await connection.execute("select public.set_risk('{}', $1)", json.dumps(before))
        async with refused(connection, "PT403", "step_up_required"):
            await connection.execute("select public.set_risk('{}', $1)", json.dumps(after))


@pytest.mark.parametrize(
    ("scope", "values"),
    [
        ({}, {"max_trades": 1}),
        ({}, {"max_trades_per_day": "many"}),
        ({}, {"max_trades_per_day": -1}),
        ({}, {"max_trades_per_day": 1.5}),
        ({}, {"max_order_qty": "NaN"}),
        ({}, {"max_daily_loss_usd": "Infinity"}),
        ({}, {"max_daily_loss_pct": 101}),
        ({}, {"max_risk_per_trade_pct": 1e300}),
        ({}, {"stop_required": "yes"}),
        ({}, {"stop_required": None}),
        ({}, {"naked_policy": "perhaps"}),
        ({}, {"naked_policy": True}),
        ({}, {"allowed_symbols": "EURUSD"}),
        ({}, {"allowed_symbols": [5]}),
        ({"account_id": "x"}, {"max_order_qty": 1}),
        ({}, {"rules": 5}),
        ({}, {"rules": None}),
        ({}, []),
        ({"broker": "nobody"}, {}),
        ({"user_id": "x"}, {}),
        ({"broker": "paper", "account_id": account(OWNER)}, {}),
    ],
    ids=str,
)
async def test_limits_that_cannot_be_read(people: Database, scope: Any, values: Any) -> None:
    """Unknown names, values and scopes are refused with 422 and a sentence."""
    async with (
        acting(people, OWNER_WITHOUT_FACTOR) as connection,
        refused(connection, "PT422", "invalid"),
    ):
        await connection.execute("select public.set_risk($1, $2)", json.dumps(scope), json.dumps(values))


@pytest.mark.parametrize(
    "settings",
    [
        {"token_version": 9},
        {"enabled": True},
        {"max_age_s": 1},
        {"max_age_s": "x"},
        {"qty": 1},
        {"name": None},
        [],
    ],
    ids=str,
)
async def test_settings_that_cannot_be_saved(people: Database, settings: Any) -> None:
    """An endpoint takes its listed settings with sensible values; anything else is 422."""
    async with (
        acting(people, OWNER_WITHOUT_FACTOR) as connection,
        refused(connection, "PT422", "invalid"),
    ):
        await connection.execute(
            "select public.update_endpoint($1, $2)", endpoint(OWNER), json.dumps(settings)
        )


async def test_an_endpoints_addresses(people: Database) -> None:
    """Rotating keeps the old address for a day; revoking ends both at once."""
    row = (
        "select token_version, enabled, previous_valid_until > now() + interval '23 hours'"
        f" from public.webhook_endpoints where id = '{endpoint(OWNER)}'"
    )
    assert await do(people, OWNER_WITHOUT_FACTOR, "rotate_endpoint", endpoint(OWNER)) == 2
    assert people.sql(row) == "2|t|t"
    await do(people, OWNER_WITHOUT_FACTOR, "revoke_endpoint", endpoint(OWNER))
    assert people.sql(row) == "3|f|"


async def test_a_paper_account_is_ready_to_trade(people: Database) -> None:
    """Opening one makes login, account and book; an entry is accepted at once, by its label."""
    made = await do(people, OWNER_WITHOUT_FACTOR, "connect_paper", "Practice", "EUR", 2500)
    row = people.sql(
        "select a.trading_enabled, a.freshness, a.balance, p.balance, p.currency, c.environment"
        " from public.broker_accounts a join engine.paper_accounts p on p.account_id = a.id"
        f" join public.broker_connections c on c.id = a.connection_id where a.id = '{made}'"
    )
    assert row == "t|fresh|2500|2500|EUR|simulated"
    answer = await submit(people, action="open", side="buy", qty=1, qty_mode="lots", accounts=["Practice"])
    assert (answer["status"], answer["deliveries"]) == ("accepted", 1)


async def test_a_paper_accounts_server_is_a_name(people: Database) -> None:
    """A configured name is kept; anything that could be an address is refused."""
    named = "select public.connect_paper('x', p_server => $1)"
    async with acting(people, OWNER_WITHOUT_FACTOR) as connection:
        made = await connection.fetchval(named, "SIM")
        kept = (
            "select server from public.broker_connections c"
            " join public.broker_accounts a on a.connection_id = c.id where a.id = $1"
        )
        assert await connection.fetchval(kept, made) == "SIM"
        for address in ("evil.example", "http://x", "a b", "", "127.0.0.1:80"):
            async with refused(connection, "PT422", "invalid"):
                await connection.execute(named, address)


async def test_an_idempotency_key_counts_once(people: Database) -> None:
    """The same key and intent is answered with the first event; the same key with another intent is 422."""
    first = await submit(people, "k1", action="close")
    again = await submit(people, "k1", action="close")
    assert (again["status"], again["event_id"]) == ("duplicate", first["event_id"])
    async with acting(people, OWNER_WITHOUT_FACTOR) as connection, refused(connection, "PT422", "id_reused"):
        text = json.dumps({"action": "flatten", "accounts": [account(OWNER)]})
        await connection.execute("select public.submit_intent($1, 'k1')", text)


async def test_several_accounts_must_be_named(people: Database) -> None:
    """Without accounts an intent of somebody with two accounts goes nowhere."""
    async with acting(people, OWNER_WITHOUT_FACTOR) as connection, refused(connection, "PT422", "invalid"):
        await connection.execute("""select public.submit_intent('{"action": "flatten"}')""")


async def test_flatten_raises_the_halt_epoch(people: Database) -> None:
    """A flatten of all accounts is one urgent delivery each, under a new epoch."""
    answer = json.loads(await do(people, OWNER_WITHOUT_FACTOR, "flatten"))
    assert answer["deliveries"] == 2
    lanes = (
        "select distinct lane, d.halt_epoch, a.halt_epoch from public.deliveries d"
        " join public.broker_accounts a on a.id = d.account_id where action = 'flatten'"
    )
    assert people.sql(lanes) == "urgent|1|1"


def test_a_login_makes_a_profile_and_leaves_a_tombstone(people: Database) -> None:
    """Sign-up starts a trial with Pro's limits, a new address is mirrored, a deleted login trades no more."""
    profile = f"select email, plan_tier, totp_enabled, status from public.profiles where id = '{GUARDED}'"
    assert people.sql(profile) == "u2@example.com|pro|t|active"
    people.sql(f"update auth.users set email = 'new@example.com' where id = '{GUARDED}'")
    people.sql(f"delete from auth.mfa_factors where user_id = '{GUARDED}'")
    assert people.sql(profile) == "new@example.com|pro|f|active"
    people.sql(f"delete from auth.users where id = '{GUARDED}'")
    assert people.sql(profile) == "|pro|f|deleted"
    on = f"""select count(*) from public.webhook_endpoints where user_id = '{GUARDED}' and enabled
        union all select count(*) from public.broker_accounts where user_id = '{GUARDED}' and trading_enabled
        union all select count(*) from public.api_keys where user_id = '{GUARDED}' and revoked_at is null"""
    assert people.sql(on) == "0\n0\n0"


@pytest.mark.parametrize(
    ("subscription", "plan"),
    [
        ("status = 'trialing', trial_end = now() + interval '1 day'", "pro"),
        ("status = 'trialing', trial_end = now() - interval '1 day'", "starter"),
        ("status = 'active', plan = 'elite'", "elite"),
        ("status = 'past_due', plan = 'pro'", "pro"),
        ("status = 'canceled', plan = 'elite'", "starter"),
        ("status = 'trialing', plan = 'elite', trial_end = now() + interval '1 day'", "elite"),
    ],
)
def test_the_plan_follows_the_subscription(people: Database, subscription: str, plan: str) -> None:
    """The effective plan, and its mirror on the profile."""
    people.sql(f"update public.subscriptions set {subscription} where user_id = '{OWNER}'")
    assert people.sql(f"select private.effective_plan('{OWNER}')") == plan
    assert people.sql(f"select plan_tier from public.profiles where id = '{OWNER}'") == plan
