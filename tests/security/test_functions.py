"""Security suite no. 2: every function: who may execute it, how it is made, what it does with foreign ids."""

from __future__ import annotations

import json
from typing import Any

import asyncpg
import pytest

from tests.security.people import (
    ADMIN_AT_AAL1,
    ADMIN_AT_AAL2,
    ANON,
    CLAIM_WITHOUT_ROW,
    EVERYBODY,
    FLEET_KEY,
    GUARDED,
    OTHER,
    OWNER,
    OWNER_AT_AAL1,
    OWNER_AT_AAL2,
    OWNER_STEPPED_UP,
    OWNER_WITHOUT_FACTOR,
    ROW_WITHOUT_CLAIM,
    STRANGER,
    Actor,
    account,
    acting,
    device,
    endpoint,
    refused,
    target,
)
from tests.support.clusters import Database

SEALED = "A" * 100
DEVICE_KEY = "d66687aadf862bd77"
"""The id of the key that every user's device has here: 32 zero bytes."""
VERBS = {
    "add_notification_target(uuid,text,text,text,text,text,text[],jsonb)",
    "admin_disable_account(uuid,text)",
    "admin_flatten(uuid,text)",
    "admin_kill_switch(boolean,text,boolean)",
    "cancel_order(bigint)",
    "cancel_pending_risk(jsonb)",
    "check_connection(uuid)",
    "close_position(bigint)",
    "confirm_day_start(uuid,numeric,numeric)",
    "connect_broker(uuid,broker,environment,text,text,text,text,text)",
    "connect_paper(text,text,numeric,margin_mode,text)",
    "create_endpoint(broker,text,uuid[],jsonb)",
    "device_seen(uuid)",
    "disable_account(uuid)",
    "disconnect_broker(uuid)",
    "disable_endpoint(uuid)",
    "enable_account(uuid)",
    "enable_endpoint(uuid)",
    "flatten(uuid[],text)",
    "kill_switch(boolean,text,jsonb,boolean)",
    "lift_lock(uuid,text)",
    "lock_account(uuid,timestamp with time zone,text)",
    "register_device(text,text)",
    "remove_notification_target(uuid)",
    "replay_event(bigint)",
    "request_drill(uuid,text)",
    "reseal_connection(uuid,integer,text,text,text)",
    "reveal_endpoint(uuid)",
    "revoke_device(uuid)",
    "revoke_endpoint(uuid)",
    "rotate_endpoint(uuid)",
    "seal_to_device(uuid,integer,text,text)",
    "set_account(uuid,jsonb)",
    "set_endpoint_accounts(uuid,uuid[],numeric[])",
    "set_loosen_delay(integer)",
    "set_risk(jsonb,jsonb)",
    "submit_intent(jsonb,text,text)",
    "system_health()",
    "test_notification_target(uuid)",
    "unlock_account(uuid)",
    "update_endpoint(uuid,jsonb)",
    "update_notification_target(uuid,jsonb)",
    "verify_notification_target(uuid,text)",
}
_CHECKED = {f"private.{verb}" for verb in VERBS - {"disable_endpoint(uuid)", "enable_endpoint(uuid)"}}
RIGHTS = {
    "anon": set(),
    "service_role": set(),
    "authenticated": {
        *VERBS,
        *_CHECKED,
        "private.enable_endpoint(uuid,boolean)",
        "private.is_admin()",
        "private.session_is_strong_enough()",
    },
    "supabase_auth_admin": {"private.custom_access_token_hook(jsonb)"},
    "empire_edge": {"engine.ingest(jsonb,boolean)"},
    "empire_worker": {
        "engine.arm_twin(bigint,bigint,uuid,jsonb)",
        "engine.begin_send(jsonb,integer)",
        "engine.books(uuid,bigint)",
        "engine.breach(uuid,text,text,jsonb,timestamp with time zone,boolean)",
        "engine.claim(text,text,text,integer,integer)",
        "engine.claim_connections(text,integer,integer)",
        "engine.claim_drill(text,integer)",
        "engine.claim_unsettled(text,text,integer,integer)",
        "engine.end_entries(integer)",
        "engine.dead_letter(bigint,bigint,text,jsonb)",
        "engine.defer(jsonb)",
        "engine.end_unreachable(integer)",
        "engine.find_gaps(integer)",
        "engine.finish_drill(bigint,bigint,text)",
        "engine.flatten_again(uuid,text,timestamp with time zone)",
        "engine.heartbeat(text,bigint[],integer)",
        "engine.housekeeping(integer)",
        "engine.invariant_rows()",
        "engine.keep_guards(jsonb)",
        "engine.keep_naked(jsonb)",
        "engine.keep_tickets(uuid,jsonb)",
        "engine.load_session(uuid)",
        "engine.mark_books(jsonb)",
        "engine.open_credential(uuid,text,bigint[])",
        "engine.open_orders(jsonb,boolean,integer)",
        "engine.open_twin(bigint,bigint,jsonb)",
        "engine.paper_answer(uuid,text)",
        "engine.paper_fills_since(uuid,timestamp with time zone)",
        "engine.paper_load(uuid)",
        "engine.prices_told(bigint)",
        "engine.paper_save(uuid,bigint,numeric,jsonb,jsonb,jsonb)",
        "engine.recheck_connection(uuid)",
        "engine.reconcile(jsonb)",
        "engine.record_connection(uuid,bigint,jsonb)",
        "engine.record_drill(bigint,bigint,jsonb)",
        "engine.record_executions(jsonb)",
        "engine.record_health(jsonb)",
        "engine.record_standings(jsonb)",
        "engine.record_marks(jsonb)",
        "engine.raise_alarms(integer)",
        "engine.release(jsonb)",
        "engine.rescue(integer)",
        "engine.save_session(uuid,text,bigint,text,bytea,timestamp with time zone)",
        "engine.reserve_calls(text,jsonb)",
        "engine.settle(jsonb)",
        "engine.stats()",
        "engine.take_session_turn(uuid,text,integer)",
        "engine.tickets_of(uuid)",
        "engine.watched_accounts(text,integer,integer,jsonb,boolean)",
        "engine.hold_streams(text,text[],jsonb,integer,integer)",
        "engine.wake_accounts(uuid[])",
        "engine.twin_accounts(bigint,bigint,uuid)",
        "engine.twin_intent(bigint,bigint,uuid,jsonb,timestamp with time zone)",
        "engine.twin_price(bigint,bigint,uuid,text,numeric)",
        "engine.twin_seen(bigint,bigint,uuid,bigint)",
        "engine.thin_equity(integer)",
        "engine.worker_seen(text,text,jsonb)",
    },
    "empire_maintenance": {
        "engine.end_entries(integer)",
        "engine.end_unreachable(integer)",
        "engine.find_gaps(integer)",
        "engine.housekeeping(integer)",
        "engine.invariant_rows()",
        "engine.raise_alarms(integer)",
        "engine.rescue(integer)",
        "engine.stats()",
        "engine.thin_equity(integer)",
        "engine.worker_seen(text,text,jsonb)",
    },
    "empire_relay": {
        "engine.claim_notifications(text,integer,integer,integer,integer)",
        "engine.claim_outbox(text,integer,integer)",
        "engine.outbox_delivered(bigint,bigint[])",
        "engine.record_notifications(uuid,bigint,jsonb,boolean,integer)",
        "engine.relay_stats()",
        "engine.tell_outbox(bigint,jsonb,boolean)",
        "engine.worker_seen(text,text,jsonb)",
    },
}
"""Role x function, complete: what is not here may not be executed."""


@pytest.mark.parametrize("role", sorted(RIGHTS))
def test_rights_are_exactly_these(peopled: Database, role: str) -> None:
    """The functions of public, private and engine that a role may execute are the listed ones, no other."""
    held = peopled.sql(
        f"""
        select replace(p.oid::regprocedure::text, 'public.', '') from pg_proc p
        where pronamespace in ('public'::regnamespace, 'private'::regnamespace, 'engine'::regnamespace)
          and has_function_privilege('{role}', p.oid, 'execute')
        """
    )
    assert set(held.splitlines()) == RIGHTS[role]


def test_nothing_is_executable_by_public(peopled: Database) -> None:
    """EXECUTE was taken from PUBLIC on every function of ours."""
    open_to_all = """
        select p.oid::regprocedure
        from pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
        where pronamespace in ('public'::regnamespace, 'private'::regnamespace, 'engine'::regnamespace)
          and a.grantee = 0"""
    assert peopled.sql(open_to_all) == ""


def test_every_function_pins_its_search_path_and_says_what_it_does(peopled: Database) -> None:
    """search_path is empty, there is a comment, and definer functions stay out of schema public."""
    bad = """
        select p.oid::regprocedure from pg_proc p
        where pronamespace in ('public'::regnamespace, 'private'::regnamespace, 'engine'::regnamespace)
          and (not coalesce(proconfig, '{}') && array['search_path=', 'search_path=""']
            or obj_description(p.oid, 'pg_proc') is null
            or (prosecdef and pronamespace = 'public'::regnamespace)
            or (prosecdef and pronamespace = 'engine'::regnamespace
              and proowner <> 'empire_engine'::regrole))"""
    assert peopled.sql(bad) == ""


def test_login_roles_of_ours_are_members_of_nothing(peopled: Database) -> None:
    """None of our login roles has a role to climb to, and none may bypass RLS."""
    names = ("empire_worker", "empire_edge", "empire_relay", "empire_maintenance")
    ours = "in (" + ", ".join(f"'{name}'::regrole" for name in names) + ")"
    assert peopled.sql(f"select * from pg_auth_members where member {ours}") == ""
    strong = f"select 1 from pg_roles where oid {ours} and (rolsuper or rolbypassrls or rolcreaterole)"
    assert peopled.sql(strong) == ""


def calls(victim: str) -> dict[str, str]:
    """Every verb that takes an id, called with an id of `victim`."""
    paper, door = account(victim), endpoint(victim)
    row = "(select id from {} where user_id = '" + victim + "')"
    return {
        "enable_account": f"enable_account('{paper}')",
        "disable_account": f"disable_account('{paper}')",
        "lock_account": f"lock_account('{paper}', now() + interval '1 hour')",
        "unlock_account": f"unlock_account('{paper}')",
        "lift_lock": f"lift_lock('{paper}', 'asked for')",
        "confirm_day_start": f"confirm_day_start('{paper}', 10000)",
        "create_endpoint": f"create_endpoint('paper', 'x', array['{paper}']::uuid[])",
        "update_endpoint": f"update_endpoint('{door}', '{{}}')",
        "set_endpoint_accounts": f"set_endpoint_accounts('{door}', array[]::uuid[])",
        "rotate_endpoint": f"rotate_endpoint('{door}')",
        "revoke_endpoint": f"revoke_endpoint('{door}')",
        "disable_endpoint": f"disable_endpoint('{door}')",
        "enable_endpoint": f"enable_endpoint('{door}')",
        "reveal_endpoint": f"reveal_endpoint('{door}')",
        "set_account": f"""set_account('{paper}', '{{"timezone": "Asia/Tokyo"}}')""",
        "set_risk": f"""set_risk('{{"account_id": "{paper}"}}', '{{"max_trades_per_day": 1}}')""",
        "cancel_pending_risk": f"""cancel_pending_risk('{{"account_id": "{paper}"}}')""",
        "submit_intent": f"""submit_intent('{{"action": "flatten", "accounts": ["{paper}"]}}')""",
        "flatten": f"flatten(array['{paper}']::uuid[])",
        "close_position": f"close_position({row.format('positions')})",
        "cancel_order": f"cancel_order({row.format('orders')})",
        "replay_event": f"replay_event({row.format('webhook_events')})",
        "request_drill": f"request_drill('{paper}')",
        "test_notification_target": f"test_notification_target('{target(victim)}')",
        "update_notification_target": f"update_notification_target('{target(victim)}', '{{}}')",
        "verify_notification_target": f"verify_notification_target('{target(victim)}', '123456')",
        "remove_notification_target": f"remove_notification_target('{target(victim)}')",
        "check_connection": f"check_connection('{account(victim, 'live')}')",
        "disconnect_broker": f"disconnect_broker('{account(victim, 'live')}')",
        "reseal_connection": f"reseal_connection('{account(victim, 'live')}', 2, '{FLEET_KEY}', '{SEALED}')",
        "seal_to_device": f"seal_to_device('{account(victim, 'live')}', 1, '{DEVICE_KEY}', '{SEALED}')",
        "device_seen": f"device_seen('{device(victim)}')",
        "revoke_device": f"revoke_device('{device(victim)}')",
    }


async def call(connection: asyncpg.Connection, verb: str) -> Any:
    """The answer of public.<verb>."""
    return await connection.fetchval(f"select public.{verb}")


async def ids_in(database: Database, text: str) -> str:
    """The call with its sub-select replaced by the id: the caller could not read it."""
    if "(select " not in text:
        return text
    start = text.index("(select ")
    return text[:start] + database.sql(text[start + 1 : -2]) + ")"


@pytest.mark.parametrize("verb", sorted(calls(OWNER)))
async def test_a_foreign_id_does_not_exist(peopled: Database, verb: str) -> None:
    """Every verb answers 404 to another user's id, even to an admin; without a login none may be called."""
    statement = await ids_in(peopled, calls(OWNER)[verb])
    for actor in (STRANGER, OWNER_STEPPED_UP, ADMIN_AT_AAL2):
        async with acting(peopled, actor) as connection, refused(connection, "PT404"):
            await call(connection, statement)
    async with acting(peopled, ANON) as connection, refused(connection, "42501"):
        await call(connection, statement)


ELSEWHERE = {
    "replay_event",
    "reseal_connection",
    "seal_to_device",
    "update_notification_target",
    "remove_notification_target",
}
"""Verbs that ask for more, or for something to stand there, whatever the account is."""


@pytest.mark.parametrize("verb", sorted(set(calls(OWNER)) - ELSEWHERE))
async def test_ones_own_paper_things_ask_for_nothing(peopled: Database, verb: str) -> None:
    """On paper accounts every verb works at aal1; only tokens are not shown below an enrolled factor."""
    for actor in (OWNER_WITHOUT_FACTOR, OWNER_AT_AAL1):
        assert actor.user is not None
        statement = await ids_in(peopled, calls(actor.user)[verb])
        async with acting(peopled, actor) as connection:
            if verb == "reveal_endpoint" and actor is OWNER_AT_AAL1:
                async with refused(connection, "PT403", "step_up_required"):
                    await call(connection, statement)
            else:
                await call(connection, statement)


def live(victim: str) -> dict[str, str]:
    """Verbs that ask for a step-up, on a live account, its endpoint or the user's own limits."""
    real, door = account(victim, "live"), endpoint(victim, "live")
    return {
        "enable_account": f"enable_account('{real}')",
        "unlock_account": f"unlock_account('{real}')",
        "lift_lock": f"lift_lock('{real}', 'asked for')",
        "confirm_day_start": f"confirm_day_start('{real}', 10000)",
        "create_endpoint": f"create_endpoint('tradelocker', 'x', array['{real}']::uuid[])",
        "update_endpoint": f"""update_endpoint('{door}', '{{"max_age_s": 600}}')""",
        "set_endpoint_accounts": f"set_endpoint_accounts('{door}', array['{real}']::uuid[], array[2])",
        "rotate_endpoint": f"rotate_endpoint('{door}')",
        "reveal_endpoint": f"reveal_endpoint('{door}')",
        "set_account": f"""set_account('{real}', '{{"timezone": "Asia/Tokyo"}}')""",
        "set_risk more": """set_risk('{}', '{"max_trades_per_day": 11}')""",
        "set_risk no limit": """set_risk('{}', '{"max_trades_per_day": null}')""",
        "set_loosen_delay shorter": "set_loosen_delay(60)",
        "kill_switch off": "kill_switch(false)",
        "add_notification_target": "add_notification_target(gen_random_uuid(), 'email', 'x', null, "
        f"'{FLEET_KEY}', '{SEALED}', array['breach'])",
        "update_notification_target": f"""update_notification_target('{target(victim)}', '{{"enabled": false}}')""",
        "remove_notification_target": f"remove_notification_target('{target(victim)}')",
        "reseal_connection": f"reseal_connection('{real}', 2, '{FLEET_KEY}', '{SEALED}')",
        "register_device": f"register_device('laptop', '{'B' * 43}')",
        "connect_broker": f"connect_broker(gen_random_uuid(), 'tradelocker', 'live', 'x', '{FLEET_KEY}', '{SEALED}')",
    }


@pytest.mark.parametrize("verb", sorted(live(OWNER)))
async def test_step_up_list(peopled: Database, verb: str) -> None:
    """What loosens or reveals wants a second factor of the last 15 minutes; aal2 alone is not enough."""
    wanted = {
        OWNER_WITHOUT_FACTOR: "second_factor_required",
        OWNER_AT_AAL1: "step_up_required",
        OWNER_AT_AAL2: "step_up_required",
        OWNER_STEPPED_UP: None,
    }
    for actor, hint in wanted.items():
        assert actor.user is not None
        async with acting(peopled, actor) as connection:
            if hint is None:
                await call(connection, live(actor.user)[verb])
                continue
            async with refused(connection, "PT403", hint):
                await call(connection, live(actor.user)[verb])


@pytest.mark.parametrize("age_s", [890, 901])
async def test_a_code_counts_for_15_minutes(peopled: Database, age_s: int) -> None:
    """A factor used 899 s ago is a step-up, one used 901 s ago is not."""
    actor = Actor("owner", GUARDED, "aal2", age_s)
    async with acting(peopled, actor) as connection:
        if age_s < 900:
            await call(connection, "kill_switch(false)")
        else:
            async with refused(connection, "PT403", "step_up_required"):
                await call(connection, "kill_switch(false)")


def always(user: str) -> dict[str, str]:
    """What never asks for more than a password, even on live accounts."""
    real, door = account(user, "live"), endpoint(user, "live")
    return {
        "kill_switch on": "kill_switch(true, 'news')",
        "disable_account": f"disable_account('{real}')",
        "lock_account": f"lock_account('{real}', now() + interval '1 hour')",
        "disable_endpoint": f"disable_endpoint('{door}')",
        "revoke_endpoint": f"revoke_endpoint('{door}')",
        "revoke_device": f"revoke_device('{device(user)}')",
        "fewer accounts": f"set_endpoint_accounts('{door}', array[]::uuid[])",
        "tighter endpoint": f"""update_endpoint('{door}', '{{"max_qty": 1, "require_signature": true}}')""",
        "a longer delay": "set_loosen_delay(2880)",
        "limits kept": "cancel_pending_risk()",
        "tighter limits": """set_risk('{}', '{"max_trades_per_day": 9, "stop_required": true}')""",
    }


@pytest.mark.parametrize("verb", sorted(always(OWNER)))
async def test_stopping_is_always_possible(peopled: Database, verb: str) -> None:
    """Kill switch on, disable, lock, tighten, revoke: at aal1, with and without a factor."""
    for actor in (OWNER_WITHOUT_FACTOR, OWNER_AT_AAL1):
        assert actor.user is not None
        async with acting(peopled, actor) as connection:
            await call(connection, always(actor.user)[verb])


async def test_orders_on_live_accounts(peopled: Database) -> None:
    """Entries on a live account want a second factor; exits want it where one is enrolled."""
    entry = {"action": "open", "side": "buy", "symbol": "EURUSD", "qty": 1, "qty_mode": "lots"}
    exits = {"action": "close", "symbol": "EURUSD"}
    for actor, entry_hint, exit_hint in (
        (OWNER_WITHOUT_FACTOR, "second_factor_required", None),
        (OWNER_AT_AAL1, "aal2_required", "aal2_required"),
        (OWNER_AT_AAL2, None, None),
    ):
        assert actor.user is not None
        async with acting(peopled, actor) as connection:
            for intent, hint in ((entry, entry_hint), (exits, exit_hint)):
                text = json.dumps({**intent, "accounts": [account(actor.user, "live")]})
                if hint:
                    async with refused(connection, "PT403", hint):
                        await connection.fetchval("select public.submit_intent($1)", text)
                else:
                    answer = json.loads(await connection.fetchval("select public.submit_intent($1)", text))
                    assert (answer["status"], answer["deliveries"]) == ("accepted", 1)


@pytest.mark.parametrize("actor", EVERYBODY, ids=str)
async def test_admin_verbs(peopled: Database, actor: Actor) -> None:
    """Only row + claim + fresh second factor make an admin; a reason is asked for."""
    verbs = [f"admin_disable_account('{account(OTHER)}', ", f"admin_flatten('{account(OTHER)}', "]
    async with acting(peopled, actor) as connection:
        for verb in verbs:
            if actor is ADMIN_AT_AAL2:
                await call(connection, verb + "'asked by phone')")
                async with refused(connection, "PT422"):
                    await call(connection, verb + "'')")
                continue
            code, hint = ("42501", None) if actor is ANON else ("PT403", "admin_required")
            async with refused(connection, code, hint):
                await call(connection, verb + "'asked by phone')")
    assert ADMIN_AT_AAL1 in EVERYBODY
    assert {CLAIM_WITHOUT_ROW, ROW_WITHOUT_CLAIM} < set(EVERYBODY)


@pytest.mark.parametrize(
    ("user", "given", "expected"),
    [
        ("00000000-0000-4000-8000-000000000009", {"provider": "email"}, "admin"),
        ("00000000-0000-4000-8000-000000000009", None, "admin"),
        (OWNER, {"provider": "email"}, None),
        (OWNER, {"role": "admin"}, None),
        (OWNER, {"role": "support"}, "support"),
    ],
)
async def test_the_token_hook_names_admins(
    peopled: Database, user: str, given: dict[str, str] | None, expected: str | None
) -> None:
    """The claim is there for rows of private.admins only, and all other claims stay as they were."""
    claims = {"sub": user, "aal": "aal1", "app_metadata": given}
    connection = await peopled.connect("supabase_auth_admin")
    answer = json.loads(
        await connection.fetchval(
            "select private.custom_access_token_hook($1)", json.dumps({"user_id": user, "claims": claims})
        )
    )
    await connection.close()
    role = (answer["claims"].pop("app_metadata") or {}).get("role")
    assert role == expected
    assert answer["claims"] == {"sub": user, "aal": "aal1"}
