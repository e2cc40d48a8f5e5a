"""`empire doctor` on a running stack: all is OK, and what is broken is one sentence of the check that is about it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from local.doctor import CHECKS, examine
from local.keys.files import KeyFiles
from local.state import ChildState
from local.status import Installation, installation
from tests.security.people import OWNER, account
from tests.support.installations import InstalledStack, installed_stack
from tests.support.processes import run


@pytest.fixture(scope="module")
def stack() -> Iterator[InstalledStack]:
    """A running stack behind one proxy, with users in it; each test leaves it well."""
    with installed_stack() as fresh:
        fresh.up("--proxies", "1")
        yield fresh


@pytest.fixture
def found(stack: InstalledStack) -> Installation:
    """The same as the doctor sees it."""
    running = installation(stack.paths)
    assert running is not None
    return running


def told(found: Installation) -> dict[str, str]:
    """The sentence of every check that is not OK."""
    sentences = {check.name: examine(found, check) for check in CHECKS}
    return {name: sentence for name, sentence in sentences.items() if sentence is not None}


def only(found: Installation, name: str) -> str:
    """The sentence of the one check that is not OK."""
    sentences = told(found)
    assert sentences.keys() == {name}, sentences
    assert "\n" not in sentences[name]
    return sentences[name]


@contextmanager
def changed(found: Installation, do: str, undo: str) -> Iterator[None]:
    """The database with a change, for as long as the block lasts."""
    found.boot.cluster.sql(do, found.boot.database)
    try:
        yield
    finally:
        found.boot.cluster.sql(undo, found.boot.database)


def test_all_is_ok(stack: InstalledStack) -> None:
    """Behind a proxy, too: one line for each check, in the words of the docs."""
    examined = stack.empire("doctor")
    assert (examined.returncode, examined.stderr) == (0, "")
    assert examined.stdout.splitlines() == [f"{check.name}: OK" for check in CHECKS]
    assert {"connection", "roles", "migrations", "functions", "brokers", "keys"} <= {
        check.name for check in CHECKS
    }
    assert {"realtime private only", "forwarded headers"} <= {check.name for check in CHECKS}


@pytest.mark.parametrize(
    ("do", "undo", "name", "words"),
    [
        (
            "grant select on public.orders to empire_worker",
            "revoke select on public.orders from empire_worker",
            "roles",
            "empire_worker has rights on",
        ),
        (
            "grant update (label) on public.broker_accounts to empire_edge",
            "revoke update (label) on public.broker_accounts from empire_edge",
            "roles",
            "empire_edge has rights on",
        ),
        (
            "grant authenticated to empire_worker",
            "revoke authenticated from empire_worker",
            "roles",
            "empire_worker is a member of authenticated",
        ),
        (
            "alter role authenticated bypassrls",
            "alter role authenticated nobypassrls",
            "roles",
            "authenticated bypasses row security",
        ),
        (
            "grant execute on function engine.stats() to public",
            "revoke execute on function engine.stats() from public",
            "roles",
            "everybody may call engine.stats()",
        ),
        (
            "insert into supabase_migrations.schema_migrations (version) values ('29990101000000')",
            "delete from supabase_migrations.schema_migrations where version = '29990101000000'",
            "migrations",
            "29990101000000",
        ),
        (
            "update supabase_migrations.schema_migrations set version = '0' where version = '20261123000028'",
            "update supabase_migrations.schema_migrations set version = '20261123000028' where version = '0'",
            "migrations",
            "1 not applied (20261123000028)",
        ),
        (
            "alter role empire_edge nologin",
            "alter role empire_edge login",
            "connection",
            "empire_edge cannot log in",
        ),
        (
            "insert into engine.dead_letters (delivery_id, error) values (1, 'bug')",
            "truncate engine.dead_letters",
            "workers",
            "1 deliveries failed",
        ),
        (
            "insert into public.risk_settings (user_id, rules) select id, "
            """'{"news": {"calendar": "nobodys", "before_min": 5, "after_min": 5}}' from public.profiles limit 1""",
            "delete from public.risk_settings where rules ? 'news'",
            "calendars",
            "There is no calendar nobodys: nothing is opened",
        ),
        (
            "update public.fleet_keys set retired_at = now()",
            "update public.fleet_keys set retired_at = null",
            "fleet key",
            "not published",
        ),
        (
            "update public.fleet_keys set expires_on = current_date + 3",
            "update public.fleet_keys set expires_on = current_date + 300",
            "fleet key",
            "ends on",
        ),
    ],
)
def test_the_database_is_examined(found: Installation, do: str, undo: str, name: str, words: str) -> None:
    """Rights, logins, migrations, dead letters, the published key: one change, one sentence, and well again."""
    with changed(found, do, undo):
        assert words in only(found, name)
    assert told(found) == {}


def test_a_broken_invariant_is_named(found: Installation) -> None:
    """With the view and its number of rows."""
    user = "00000000-0000-4000-8000-0000000000aa"
    with changed(
        found,
        f"insert into auth.users (id, email) values ('{user}', 'x@example.com');"
        " insert into public.webhook_events (user_id, source, body, status, open_deliveries)"
        f" values ('{user}', 'api', '', 'accepted', 3)",
        f"delete from public.webhook_events where user_id = '{user}'; delete from auth.users where id = '{user}'",
    ):
        assert "invariant_events_count_their_deliveries has 1 rows" in only(found, "invariants")


def test_a_worker_that_is_not_seen_is_missed(found: Installation) -> None:
    """The supervisor keeps one, and no heartbeat comes."""
    child = ChildState("worker-execution", None, 0, True)
    with_worker = replace(found, state=replace(found.state, children=[*found.state.children, child]))
    assert "0 of 1 workers" in only(with_worker, "workers")


def test_an_open_port_is_found(found: Installation) -> None:
    """A child that listens on every address of the machine is no secret for long."""
    program = "import signal, socket; s = socket.create_server(('0.0.0.0', 0)); print('ready', flush=True); signal.pause()"
    with run(sys.executable, "-c", program) as running:
        child = ChildState("gateway", running.pid, 0, True)
        opened = replace(found, state=replace(found.state, children=[*found.state.children, child]))
        assert "gateway listens on 0.0.0.0" in only(opened, "loopback only")


def test_trusting_too_many_proxies_is_found(found: Installation) -> None:
    """The stack was told of one proxy; with none in front a sender could choose his own address."""
    without = replace(found, boot=replace(found.boot, proxies=0))
    assert "TRUSTED_PROXY_HOPS is 2" in only(without, "forwarded headers")


def test_a_simulated_broker_is_missed_where_something_waits(
    found: Installation, stack: InstalledStack
) -> None:
    """Nobody waits: OK. An alert waits for its account: said, until the broker answers."""
    seeded = f"'{account(OWNER, 'live')}'"
    with changed(
        found,
        "begin;"
        f" insert into auth.users (id, email) values ('{OWNER}', 'b@example.com');"
        " insert into public.broker_connections (id, user_id, broker, environment, server, status)"
        f" values ({seeded}, '{OWNER}', 'tradelocker', 'simulated', 'SIM', 'connected');"
        " insert into public.broker_accounts (id, connection_id, user_id, broker, account_id, margin_mode)"
        f" values ({seeded}, {seeded}, '{OWNER}', 'tradelocker', 'T1', 'hedging');"
        " commit",
        f"delete from public.broker_accounts where user_id = '{OWNER}';"
        f" delete from public.broker_connections where user_id = '{OWNER}'; delete from auth.users where id = '{OWNER}'",
    ):
        assert told(found) == {}
        with changed(
            found,
            "with e as (insert into public.webhook_events (user_id, source, body, status, open_deliveries)"
            f" values ('{OWNER}', 'api', '', 'accepted', 1) returning id),"
            " d as (insert into public.deliveries (event_id, user_id, account_id, action, halt_epoch)"
            f" select id, '{OWNER}', {seeded}, 'close', 0 from e returning id)"
            " insert into engine.queue (id, user_id, account_id, executor, lane, state, is_exit)"
            f" select id, '{OWNER}', {seeded}, 'fleet', 'normal', 'ready', true from d",
            "truncate engine.queue; delete from public.deliveries; delete from public.webhook_events",
        ):
            assert "tradelocker simulated cannot be reached" in only(found, "brokers")
            port = found.boot.ports.venues["tradelocker"]
            with run("empire", "venue", "tradelocker", "--port", str(port)):
                assert told(found) == {}


def test_unsafe_secrets_stop_the_doctor_too(stack: InstalledStack) -> None:
    """security.md 8 no. 18: a file that others can read, a secret out of documentation: one sentence, no value."""
    file = stack.paths.secrets
    kept = file.read_text()
    try:
        file.chmod(0o644)
        refused = stack.empire("doctor")
        assert (refused.returncode, refused.stderr.strip()) == (
            1,
            f"{file} can be read by others; make it 0600.",
        )
        file.chmod(0o600)
        default = "super-secret-jwt-token-with-at-least-32-characters-long"
        file.write_text(json.dumps({**json.loads(kept), "jwt_secret": default}))
        for command in ("doctor", "status"):
            refused = stack.empire(command)
            assert refused.returncode == 1
            assert "jwt_secret is a known default" in refused.stderr
            assert default not in refused.stdout + refused.stderr
            assert "Traceback" not in refused.stderr
    finally:
        file.write_text(kept)
        file.chmod(0o600)


def test_a_readable_key_is_found(found: Installation) -> None:
    """The fleet's private keys are as private as the rest."""
    file = KeyFiles.of(found.boot.paths).fleet
    file.chmod(0o640)
    try:
        assert str(file) in told(found)["keys"]
    finally:
        file.chmod(0o600)


def test_no_stack_no_questions() -> None:
    """Without a running stack there is nothing to examine, and that is said."""
    with installed_stack() as nothing:
        refused = nothing.empire("doctor")
        assert (refused.returncode, refused.stderr.strip()) == (1, "The stack is not running: empire up.")
