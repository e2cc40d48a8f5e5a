"""Security suite no. 8: sealed rows swapped, older, to an unknown key, for another address; a decoy gets 0 bytes."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest

from local.keys.files import KeyFiles
from shared import clock
from shared.brokers.session import Session
from shared.store.postgres import PostgresStore
from tests.security.people import (
    GUARDED,
    OWNER,
    OWNER_AT_AAL1,
    OWNER_WITHOUT_FACTOR,
    STRANGER,
    account,
    acting,
    device,
    refused,
)
from tests.security.vault import SECRET, WORKER, Vault, decoy
from tests.support.clusters import Database
from tests.support.connections import publish
from tests.support.trading import until
from workers.sessions import SealedSessions


@pytest.fixture
async def vault(own_people: Database, files: KeyFiles) -> AsyncIterator[Vault]:
    """A database with people, a worker, and a decoy at the broker's address."""
    await publish(own_people, files)
    async with decoy() as host:
        made = Vault(own_people, files, host, PostgresStore(own_people.url("empire_worker")))
        yield made
        await made.close()


async def test_what_is_whole_is_sent_to_the_operators_address(vault: Vault) -> None:
    """Nothing altered: the login goes where the settings say. (So the decoy of this file would see one.)"""
    mine = await vault.connect(OWNER_WITHOUT_FACTOR)
    status, error = await vault.check(mine)
    assert (status, error) == (
        "failed",
        "Login refused: Invalid credentials. Tried as trader@example.com at SIM.",
    )
    assert SECRET.encode() in vault.decoy.received


_CONNECTION = "update public.broker_connections set"
TAMPERINGS = {
    "another user's seal": (
        "update public.credential_seals s set sealed = o.sealed from public.credential_seals o"
        " where s.connection_id = '{mine}' and o.connection_id = '{theirs}'",
        "does not belong to this connection",
    ),
    "two rows of one user swapped": (
        "update public.credential_seals s set sealed = o.sealed from public.credential_seals o"
        " where s.connection_id = '{mine}' and o.connection_id = '{other}'",
        "does not belong to this connection",
    ),
    "a bit of it": (
        "update public.credential_seals set sealed = set_bit(sealed, 300, 1 - get_bit(sealed, 300))"
        " where connection_id = '{mine}'",
        "does not belong to this connection",
    ),
    "the key it is sealed to": (
        "update public.credential_seals set key_id = 'f0123456789abcdef' where connection_id = '{mine}'",
        "f0123456789abcdef, which this installation does not hold",
    ),
    "an older seal as the newest version": (
        "update public.credential_seals set version = 2 where connection_id = '{mine}';"
        + _CONNECTION
        + " seal_version = 2 where id = '{mine}'",
        "does not belong to this connection",
    ),
    "the newest row taken away": (
        _CONNECTION + " seal_version = 2 where id = '{mine}'",
        "credential is missing",
    ),
    "another address": (
        _CONNECTION + " base_url = 'http://127.0.0.1:1' where id = '{mine}'",
        "names another address",
    ),
    "the operator's address written into the row": (
        _CONNECTION + " base_url = '{decoy}' where id = '{mine}'",
        "does not belong to this connection",
    ),
    "another server": (_CONNECTION + " server = 'OSP-LIVE' where id = '{mine}'", "does not belong"),
    "another login": (_CONNECTION + " login_label = 'x@example.com' where id = '{mine}'", "does not belong"),
    "demo instead of simulated": (
        _CONNECTION + " environment = 'demo' where id = '{mine}'",
        "does not belong to this connection",
    ),
    "live, of which no address is known": (
        _CONNECTION + " environment = 'live' where id = '{mine}'",
        "knows no live address",
    ),
    "given to another user": (
        _CONNECTION + f" user_id = '{GUARDED}' where id = '{{mine}}'",
        "does not belong to this connection",
    ),
}


@pytest.mark.parametrize("name", sorted(TAMPERINGS))
async def test_a_row_that_was_altered_is_not_used(vault: Vault, name: str) -> None:
    """Somebody owns the database and alters one thing: the trader reads why, and not one byte goes out."""
    mine = await vault.connect(OWNER_WITHOUT_FACTOR)
    other = await vault.connect(OWNER_WITHOUT_FACTOR, login="other@example.com")
    theirs = await vault.connect(STRANGER)
    statements, why = TAMPERINGS[name]
    vault.tamper(statements.format(mine=mine, other=other, theirs=theirs, decoy=vault.decoy.url))
    vault.database.sql(f"delete from engine.connection_checks where connection_id <> '{mine}'")
    status, error = await vault.check(mine)
    assert status == "failed"
    assert why in error
    assert SECRET not in error
    assert vault.decoy.received == b""


async def test_an_older_version_put_back_whole_is_noticed(vault: Vault) -> None:
    """Row and version as they once were fit each other; a worker that has seen the newer one does not use it."""
    mine = await vault.connect(OWNER_WITHOUT_FACTOR)
    saved = vault.database.sql(f"select sealed from public.credential_seals where connection_id = '{mine}'")
    await vault.reseal(OWNER_WITHOUT_FACTOR, mine, 2)
    await vault.check(mine)
    before = len(vault.decoy.received)
    vault.tamper(
        f"delete from public.credential_seals where connection_id = '{mine}' and version = 2;"
        f" update public.credential_seals set sealed = '{saved}' where connection_id = '{mine}';"
        f" update public.broker_connections set seal_version = 1, status = 'new' where id = '{mine}';"
        f" insert into engine.connection_checks (connection_id) values ('{mine}')"
    )
    await vault.brokers.close()
    vault.open_connections_anew()
    status, error = await vault.check(mine)
    assert (status, "An older credential (version 1, not 2) was put back" in error) == ("failed", True), error
    assert len(vault.decoy.received) == before


def test_the_table_takes_no_older_row(own_people: Database) -> None:
    """Short of switching triggers off nobody changes a seal or adds one of a version that was there before."""
    live = account(OWNER, "live")
    for statement in (
        "update public.credential_seals set version = 9",
        "truncate public.credential_seals",
        "insert into public.credential_seals (connection_id, recipient, key_id, version, sealed)"
        f" values ('{live}', 'fleet', 'k2', 1, decode(repeat('00', 64), 'hex'))",
        "insert into public.credential_seals (connection_id, recipient, key_id, version, sealed)"
        f" values ('{live}', '{device(OWNER)}', 'k1', 0, decode(repeat('00', 64), 'hex'))",
    ):
        with pytest.raises(Exception, match=r"insert only|was there before"):
            own_people.sql(statement, role="postgres")


async def test_production_reaches_no_simulator(vault: Vault) -> None:
    """A simulated connection on a production worker is refused before anything is sent."""
    mine = await vault.connect(OWNER_WITHOUT_FACTOR)
    vault.start_worker(production=True)
    status, error = await vault.check(mine)
    assert (status, vault.decoy.received) == ("failed", b"")
    assert error.startswith("Simulated brokers are not available")


async def test_no_lease_no_credential(vault: Vault) -> None:
    """Without a live lease on something of this very connection nothing is handed out, and nothing is counted."""
    mine = await vault.connect(OWNER_WITHOUT_FACTOR)
    theirs = await vault.connect(STRANGER)
    (check, other) = sorted(
        await vault.store.claim_connections(worker=WORKER, limit=8, lease_ms=60_000),
        key=lambda each: each.id != mine,
    )
    assert (check.id, other.id) == (mine, theirs)
    opens = vault.store.open_credential
    assert (await opens(connection=mine, worker=WORKER, tokens=[])).refusal == "no_lease"
    assert (await opens(connection=mine, worker=WORKER, tokens=[check.token + 1])).refusal == "no_lease"
    assert (await opens(connection=mine, worker="another", tokens=[check.token])).refusal == "no_lease"
    unknown = str(uuid.uuid4())
    assert (await opens(connection=unknown, worker=WORKER, tokens=[check.token])).refusal == "no_lease"
    assert (await opens(connection=mine, worker=WORKER, tokens=[check.token])).refusal is None
    vault.database.sql("update engine.connection_checks set lease_until = now() - interval '1 second'")
    assert (await opens(connection=mine, worker=WORKER, tokens=[check.token])).refusal == "no_lease"
    assert vault.database.sql("select sum(n) from engine.credential_opens") == "1"


async def test_ten_times_the_usual_number_stops(vault: Vault) -> None:
    """One login opened again and again is stopped and counted as an alarm, the others go on; an unusual number
    altogether stops all of them."""
    mine, theirs = await vault.connect(OWNER_WITHOUT_FACTOR), await vault.connect(STRANGER)
    claimed = await vault.store.claim_connections(worker=WORKER, limit=8, lease_ms=60_000)
    tokens = [each.token for each in claimed]

    async def opened(connection: str) -> str | None:
        found = await vault.store.open_credential(connection=connection, worker=WORKER, tokens=tokens)
        return found.refusal

    given = 0
    while given < 60 and await opened(mine) is None:
        given += 1
    assert await opened(mine) == "stopped"
    # An hour that begins meanwhile counts anew.
    hours = f"select count(*) from engine.credential_opens where connection_id = '{mine}'"
    assert given == 30 or (30 < given < 60 and vault.database.sql(hours) == "2"), given
    assert await opened(theirs) is None
    alarm = "select n from engine.counters where name = 'credential_alarm'"
    assert vault.database.sql(alarm) == "2"
    vault.database.sql(
        "insert into engine.credential_opens select date_trunc('hour', now()), gen_random_uuid(), 1"
        " from generate_series(1, 200)"
    )
    assert await opened(theirs) == "stopped"
    assert vault.database.sql(alarm) == "3"


async def test_sessions_of_other_rows_and_older_ones_are_not_used(vault: Vault) -> None:
    """Sealed tokens put into another row, or back under a newer version, count as ended: a login follows."""
    mine, theirs = await vault.connect(OWNER_WITHOUT_FACTOR), await vault.connect(STRANGER)
    sessions = SealedSessions(vault.store, WORKER, vault.keys)
    good = Session("access", "refresh", clock.now() + timedelta(hours=1), 1)
    for connection in (mine, theirs):
        assert await sessions.load(connection) is None
        assert await sessions.save(connection, good)
    vault.database.sql(
        "update engine.sessions s set sealed = o.sealed from engine.sessions o"
        f" where s.connection_id = '{mine}' and o.connection_id = '{theirs}';"
        f" update engine.sessions set version = 2 where connection_id = '{theirs}'"
    )
    for connection, version in ((mine, 1), (theirs, 2)):
        found = await SealedSessions(vault.store, WORKER, vault.keys).load(connection)
        assert found is not None
        assert (found.access, found.version, found.expires_at < clock.now()) == ("", version, True)
    assert "refresh" not in vault.database.sql("select sealed from engine.sessions")


async def test_one_worker_refreshes_at_a_time(vault: Vault) -> None:
    """The second worker waits for the first one's session instead of asking the broker for another."""
    mine = await vault.connect(OWNER_WITHOUT_FACTOR)
    first, second = (SealedSessions(vault.store, name, vault.keys) for name in ("first", "second"))
    assert await first.load(mine) is None
    waiting = asyncio.create_task(second.load(mine))
    done, _ = await asyncio.wait([waiting], timeout=0.3)
    assert not done
    session = Session("access", "refresh", clock.now() + timedelta(hours=1), 1)
    assert await first.save(mine, session)
    assert await waiting == session
    assert not await second.save(mine, session)
    # A worker that died in its turn is waited for until its time is over, not for ever.
    assert await vault.store.take_session_turn(connection=mine, worker="dead", ms=1)
    await until(lambda: vault.store.take_session_turn(connection=mine, worker="alive", ms=1000))


@pytest.mark.parametrize("server", ["http://x", "a/b", "127.0.0.1:80", "a@b", "", "x" * 65, "a\nb"])
async def test_a_server_is_a_name_and_never_an_address(vault: Vault, server: str) -> None:
    """What could lead somewhere else is refused when it is handed in."""
    async with acting(vault.database, OWNER_WITHOUT_FACTOR) as connection, refused(connection, "PT422"):
        await connection.execute(
            "select public.connect_broker(gen_random_uuid(), 'metatrader', 'demo', 'x', 'f0000000000000000', $1, $2)",
            *("A" * 100, server),
        )


async def test_what_is_refused_when_connecting(vault: Vault) -> None:
    """No key of ours, not base64url, too short, a taken id, no login, paper: each with its code."""
    mine = await vault.connect(OWNER_WITHOUT_FACTOR)
    key = vault.binding(OWNER_WITHOUT_FACTOR, mine).key_id
    good, sealed = str(uuid.uuid4()), "A" * 100
    cases = [
        ((good, "tradelocker", "x", "f00000000000000ff", sealed), "PT422", "unknown_key"),
        ((good, "tradelocker", "x", key, "A" * 20), "PT422", "invalid"),
        ((good, "tradelocker", "x", key, "A" * 100 + "="), "PT422", "invalid"),
        ((good, "tradelocker", "x", key, "A" * 101), "PT422", "invalid"),
        ((good, "tradelocker", "x", key, "A" * 30_000), "PT422", "invalid"),
        ((mine, "tradelocker", "x", key, sealed), "PT409", "id_taken"),
        ((good, "tradelocker", " x", key, sealed), "PT422", "invalid"),
        ((good, "tradelocker", "", key, sealed), "PT422", "invalid"),
        ((good, "paper", "x", key, sealed), "PT422", "invalid"),
    ]
    statement = "select public.connect_broker($1, $2, 'simulated', $3, $4, $5, 'SIM')"
    async with acting(vault.database, STRANGER) as connection:
        for values, code, hint in cases:
            async with refused(connection, code, hint):
                await connection.execute(statement, *values)
        await connection.execute(statement, good, "tradelocker", "x", key, sealed)


async def test_the_plan_says_how_many_brokers(vault: Vault) -> None:
    """Starter has one broker: a second one is refused with the numbers, another login of the first is not."""
    vault.database.sql(
        f"update public.subscriptions set status = 'canceled' where user_id = '{OWNER}';"
        f"update public.broker_connections set broker = 'metatrader' where user_id = '{OWNER}' and broker <> 'paper'"
    )
    statement = "select public.connect_broker(gen_random_uuid(), $1::public.broker, 'demo', 'x', $2, repeat('A', 100))"
    key = vault.binding(OWNER_WITHOUT_FACTOR, "").key_id
    async with acting(vault.database, OWNER_WITHOUT_FACTOR) as connection:
        with pytest.raises(asyncpg.PostgresError, match="includes 1 broker and you use metatrader"):
            async with connection.transaction():
                await connection.execute(statement, "tradelocker", key)
        await connection.execute(statement, "metatrader", key)


async def test_versions_follow_one_another(vault: Vault) -> None:
    """A seal for any version but the next is refused; disconnecting spends one, so nothing of before fits."""
    mine = await vault.connect(OWNER_AT_AAL1)
    for version in (1, 3):
        with pytest.raises(asyncpg.PostgresError, match="next version of this credential is 2"):
            await vault.reseal(OWNER_AT_AAL1, mine, version)
    await vault.reseal(OWNER_AT_AAL1, mine, 2)
    async with acting(vault.database, OWNER_AT_AAL1, keep=True) as connection:
        await connection.execute("select public.disconnect_broker($1)", mine)
    with pytest.raises(asyncpg.PostgresError, match="is 4, not 3"):
        await vault.reseal(OWNER_AT_AAL1, mine, 3)
    await vault.reseal(OWNER_AT_AAL1, mine, 4)
    assert (
        vault.database.sql(f"select count(*) from public.credential_seals where connection_id = '{mine}'")
        == "1"
    )
