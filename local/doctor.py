"""`empire doctor`: one question per check, answered by OK or by one sentence that says what to do."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Callable
from dataclasses import dataclass

import websockets

from local.database import missing_migrations
from local.paths import PROJECT
from local.postgres import PostgresError
from local.secrets import UnsafeStart, refuse_known_defaults
from local.status import Installation

Question = Callable[[Installation], str | None]
"""None when all is well, else one sentence."""


@dataclass(frozen=True, slots=True)
class Check:
    """A named question; the name is what the operator reads before OK."""

    name: str
    ask: Question


CHECKS: list[Check] = []
"""In the order they are asked. Other rooms add theirs with `check`."""


def check(name: str) -> Callable[[Question], Question]:
    """Register a question under a name."""

    def register(question: Question) -> Question:
        CHECKS.append(Check(name, question))
        return question

    return register


def examine(found: Installation, one: Check) -> str | None:
    """Ask one check. A check that itself fails is an answer, too."""
    try:
        return one.ask(found)
    except (OSError, PostgresError, ValueError, http.client.HTTPException, TimeoutError) as error:
        return f"could not be checked: {error}"


@check("connection")
def _connection(found: Installation) -> str | None:
    for role in ("postgres", "authenticator", "empire_worker", "empire_edge"):
        try:
            found.boot.cluster.sql("select 1", found.boot.database, role, timeout_s=5)
        except PostgresError as error:
            return f"{role} cannot log in: {error}"
    return None


@check("roles")
def _roles(found: Installation) -> str | None:
    wrong = found.boot.cluster.sql(
        """
        select rolname || ' is superuser' from pg_roles where rolsuper and rolname <> 'supabase_admin'
        union all
        select m.rolname || ' is a member of ' || g.rolname
        from pg_auth_members a join pg_roles m on m.oid = a.member join pg_roles g on g.oid = a.roleid
        where m.rolname in ('empire_worker', 'empire_edge')
        union all
        select distinct g.grantee || ' has rights on table ' || g.table_schema || '.' || g.table_name
        from information_schema.role_table_grants g where g.grantee in ('empire_worker', 'empire_edge')
        """,
        found.boot.database,
    )
    return (
        f"{'; '.join(wrong.splitlines())}: apply the migrations and revoke what they do not grant."
        if wrong
        else None
    )


@check("migrations")
def _migrations(found: Installation) -> str | None:
    missing = missing_migrations(found.boot.cluster, found.boot.database)
    return (
        f"{len(missing)} not applied ({', '.join(missing)}): run empire down, then empire up."
        if missing
        else None
    )


@check("gateway")
def _gateway(found: Installation) -> str | None:
    status, answer = _get(found.boot.ports.gateway, "/health")
    return (
        None
        if status == 200
        else f"/health answers {status} {answer}: see {found.boot.paths.log('gateway')}."
    )


@check("functions")
def _functions(found: Installation) -> str | None:
    _, answer = _get(found.boot.ports.functions, "/health")
    served = set(answer.get("functions", []))
    wanted = {file.parent.name for file in (PROJECT / "supabase" / "functions").glob("[!_]*/index.ts")}
    missing = sorted(wanted - served)
    return (
        f"{', '.join(missing)} failed to start: see {found.boot.paths.log('functions')}." if missing else None
    )


@check("functions port closed")
def _functions_port(found: Installation) -> str | None:
    status, _ = _get(found.boot.ports.functions, "/functions/v1/webhook")
    return None if status == 403 else f"the functions port answered {status} to a stranger: it must be 403."


@check("keys")
def _keys(found: Installation) -> str | None:
    try:
        refuse_known_defaults(found.boot.secrets)
    except UnsafeStart as error:
        return str(error)
    file = found.boot.paths.secrets
    return f"{file} can be read by others: make it 0600." if file.stat().st_mode & 0o077 else None


@check("realtime private only")
def _realtime(found: Installation) -> str | None:
    joined = asyncio.run(_join_public(found))
    return "a public channel could be joined: realtime must be private only." if joined else None


async def _join_public(found: Installation) -> bool:
    key = found.boot.secrets.publishable_key
    address = f"ws://127.0.0.1:{found.boot.ports.gateway}/realtime/v1/websocket?apikey={key}&vsn=1.0.0"
    join = {
        "topic": "realtime:doctor",
        "event": "phx_join",
        "payload": {"config": {"private": False}},
        "ref": "1",
        "join_ref": "1",
    }
    async with asyncio.timeout(5), websockets.connect(address, open_timeout=5) as socket:
        await socket.send(json.dumps(join))
        async for frame in socket:
            message = json.loads(frame)
            if message.get("event") == "phx_reply" and message.get("ref") == "1":
                return bool(message["payload"]["status"] == "ok")
    return False


def _get(port: int, path: str) -> tuple[int, dict[str, list[str]]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"{}")
    finally:
        connection.close()
