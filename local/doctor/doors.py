"""The doors: what listens where, whose address counts, and that nobody comes in through the wrong one."""

from __future__ import annotations

import asyncio
import http.client
import ipaddress
import json
import secrets as random
import time
from typing import Any

import psutil
import websockets

from local import orphans
from local.doctor.checks import check
from local.paths import PROJECT
from local.status import Installation

_LOGGED_WITHIN_S = 3.0
_FORGED, _SEEN_BY_PROXY = "203.0.113.66", "198.51.100.{nth}"  # addresses that nobody has (RFC 5737)


@check("loopback only")
def _listening(found: Installation) -> str | None:
    for child in found.state.children:
        for address in [] if child.pid is None else _listens_on(child.pid):
            if not ipaddress.ip_address(address).is_loopback:
                return (
                    f"{child.name} listens on {address}, where other machines reach it without TLS:"
                    " keep it on 127.0.0.1 and put a TLS proxy in front."
                )
    return None


def _listens_on(pid: int) -> set[str]:
    try:
        sockets = psutil.Process(pid).net_connections("inet")
    except psutil.Error as error:
        raise OSError(str(error)) from error
    return {each.laddr.ip for each in sockets if each.status == psutil.CONN_LISTEN}


@check("gateway")
def _gateway(found: Installation) -> str | None:
    status, answer = _ask(found.boot.ports.gateway, "GET", "/health")
    if status == 200:
        return None
    return f"/health answers {status} {answer}: see {found.boot.paths.log('gateway')}."


@check("functions")
def _functions(found: Installation) -> str | None:
    log = found.boot.paths.log("functions")
    _, answer = _ask(found.boot.ports.functions, "GET", "/health")
    wanted = {file.parent.name for file in (PROJECT / "supabase" / "functions").glob("[!_]*/index.ts")}
    if missing := sorted(wanted - set(answer.get("functions", []))):
        return f"{', '.join(missing)} failed to start: see {log}."
    # Through the public door, to the end of the function: a forged address is refused by it and by nobody else.
    status, answer = _ask(found.boot.ports.gateway, "POST", "/functions/v1/webhook/paper/doctor")
    if (status, answer.get("error")) not in ((401, "unauthorized"), (429, "rate_limited")):
        return f"the webhook answers a forged address with {status} instead of 401: see {log}."
    return None


@check("functions port closed")
def _functions_port(found: Installation) -> str | None:
    status, _ = _ask(found.boot.ports.functions, "GET", "/functions/v1/webhook")
    return None if status == 403 else f"the functions port answered {status} to a stranger: it must be 403."


@check("forwarded headers")
def _forwarded(found: Installation) -> str | None:
    hops, proxies = _trusted_hops(found), found.boot.proxies
    if hops != str(proxies + 1):
        return (
            f"TRUSTED_PROXY_HOPS is {hops} in the functions' process, but alerts pass {proxies + 1} (the gateway"
            f" and {proxies} in front of it): empire down, then empire up --proxies {proxies}."
        )
    # What the proxies in front would have written, and left of it what a sender can write himself.
    passed = [_SEEN_BY_PROXY.format(nth=nth) for nth in range(1, proxies + 1)]
    counted = _address_that_counts(found, ", ".join([_FORGED, *passed]))
    expected = passed[0] if passed else "127.0.0.1"
    if counted is not None and counted != expected:
        return f"a sender's address is read as {counted} instead of {expected}: address lists cannot be relied on."
    return _address_lists_without_addresses(found)


def _trusted_hops(found: Installation) -> str:
    pid = next((child.pid for child in found.state.children if child.name == "functions"), None)
    return orphans.environment_of(pid).get("TRUSTED_PROXY_HOPS", "0") if pid else "unknown"


def _address_that_counts(found: Installation, forwarded: str) -> str | None:
    """The address that the webhook takes for the sender's; None = it tells nobody (flooded with forgeries)."""
    log, mark = found.boot.paths.log("functions"), f"doctor-{random.token_hex(8)}"
    begin = log.stat().st_size
    headers = {"x-forwarded-for": forwarded, "user-agent": mark}
    status, _ = _ask(found.boot.ports.gateway, "POST", "/functions/v1/webhook/paper/doctor", headers)
    possible = {"127.0.0.1", *forwarded.split(", ")}
    deadline = time.monotonic() + _LOGGED_WITHIN_S
    while status == 401 and time.monotonic() < deadline:
        with log.open("rb") as file:
            file.seek(begin)
            told = [_client_of(line) for line in file.read().decode(errors="replace").splitlines()]
        if found_now := [address for address in told if address in possible]:
            return found_now[0]
        time.sleep(0.02)
    return None


def _client_of(line: str) -> str | None:
    try:
        told = json.loads(line)
    except ValueError:
        return None
    return (
        told.get("client_ip") if isinstance(told, dict) and told.get("path") == "/webhook/paper/?" else None
    )


def _address_lists_without_addresses(found: Installation) -> str | None:
    """Endpoints with an address list that nobody's alert can pass, because the addresses are the proxies' own."""
    refused = found.boot.cluster.sql(
        "select count(*) from public.webhook_events where status = 'refused' and received_at > now() - interval '1 day'"
        " and details ->> 'message' like '%yours cannot be told%'",
        found.boot.database,
    )
    if refused == "0":
        return None
    return (
        f"{refused} alerts of the last day had no address that can be told, for endpoints with an address list:"
        " say with empire up --proxies how many proxies are in front."
    )


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
    async with asyncio.timeout(10), websockets.connect(address, open_timeout=10) as socket:
        await socket.send(json.dumps(join))
        async for frame in socket:
            message = json.loads(frame)
            if message.get("event") == "phx_reply" and message.get("ref") == "1":
                return bool(message["payload"]["status"] == "ok")
    return False


def _ask(
    port: int, method: str, path: str, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        told = json.loads(answer.read() or b"{}")
        return answer.status, told if isinstance(told, dict) else {}
    finally:
        connection.close()
