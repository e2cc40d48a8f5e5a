"""`empire up` and `down`: order, restarts, leftovers of a kill -9, ports, versions."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path

import httpx
import pytest

from local import orphans
from local.ports import SIMULATED, reserve
from local.secrets import load_or_create
from tests.support.clusters import wait_until
from tests.support.installations import InstalledStack, installed_stack
from tests.support.processes import Running

_Run = Callable[..., AbstractContextManager[Running]]
CHILDREN = ["postgres", "gateway", "functions"]


@pytest.fixture
def installed() -> Iterator[InstalledStack]:
    """A folder in which nothing runs yet."""
    with installed_stack() as fresh:
        yield fresh


@pytest.fixture(scope="module")
def running(pg: int) -> Iterator[InstalledStack]:
    """A running stack that the tests of this module share; each leaves it well."""
    with installed_stack() as fresh:
        fresh.up("--pg", str(pg))
        yield fresh


def test_every_process_is_well_after_up(running: InstalledStack, pg: int) -> None:
    """status says ok for each process, names the version, and ends with 0."""
    status = running.status()
    assert status["ready"]
    assert status["health"] == dict.fromkeys(CHILDREN, "ok")
    assert status["postgres_version"] == pg
    assert running.empire("status").returncode == 0


def test_doctor_finds_nothing(running: InstalledStack) -> None:
    """A fresh stack passes every check of the doctor."""
    examined = running.empire("doctor")
    assert examined.returncode == 0, examined.stdout
    assert all(line.endswith(": OK") for line in examined.stdout.splitlines())


def test_a_second_up_starts_nothing(running: InstalledStack) -> None:
    """up on a running stack shows the same addresses and leaves the processes alone."""
    before = running.processes()
    again = running.empire("up", "--detach", "--no-workers")
    assert again.returncode == 0
    assert "already running" in again.stderr
    assert running.processes() == before


@pytest.mark.parametrize("name", CHILDREN)
def test_a_killed_child_comes_back(running: InstalledStack, name: str) -> None:
    """After kill -9 the supervisor starts that child again and everything is well."""
    before = running.pid(name)
    running.kill(name)
    wait_until(lambda: running.pid(name) not in (None, before))
    running.wait_well()


def test_a_stopped_child_is_ill_and_restarted(running: InstalledStack) -> None:
    """A process that lives but answers nothing fails its health twice and is replaced."""
    frozen = running.pid("functions")
    assert frozen is not None
    os.kill(frozen, signal.SIGSTOP)
    wait_until(lambda: not orphans.is_running(frozen), 60)
    running.wait_well()


def test_the_functions_port_refuses_strangers(running: InstalledStack) -> None:
    """Only who knows the secret of this installation reaches a function; the gateway does."""
    status = running.status()
    port = running.state().base_port + 3
    for headers in ({}, {"x-empire-gateway": "guess"}, {"x-empire-gateway": ""}):
        answer = httpx.get(f"http://127.0.0.1:{port}/functions/v1/webhook", headers=headers)
        assert answer.status_code == 403
    assert httpx.post(f"{status['urls']['functions']}/webhook", content=b"{}").status_code != 403


def test_functions_know_neither_service_key_nor_database_owner(running: InstalledStack) -> None:
    """The functions process was started without any secret beyond its own."""
    pid = running.pid("functions")
    assert pid is not None
    environment = orphans.environment_of(pid)
    keys = running.status()["keys"]
    assert "SUPABASE_DB_URL" not in environment
    assert not {keys["secret"], keys["service_role"]} & set(environment.values())
    assert not any(
        "postgres:" in value for value in environment.values() if value.startswith("postgresql://")
    )


def test_no_password_is_on_a_command_line(running: InstalledStack) -> None:
    """Everybody on a machine can read command lines: none holds a secret."""
    secrets = json.loads(running.paths.secrets.read_text())
    values = [*secrets.pop("passwords").values(), *secrets.values()]
    for pid in running.processes():
        line = Path(f"/proc/{pid}/cmdline").read_text()
        assert not any(value in line for value in values)


def test_down_stops_everything(installed: InstalledStack) -> None:
    """Postgres is asked to end, not killed; nothing is left running; a second down says so."""
    installed.up()
    processes = installed.processes()
    assert installed.empire("down").stdout.strip() == "stopped"
    assert not any(orphans.is_running(pid) for pid in processes)
    assert "received fast shutdown request" in installed.paths.log("postgres").read_text()
    assert "not running" in installed.empire("down").stdout


def test_data_keys_and_addresses_survive_a_restart(installed: InstalledStack) -> None:
    """After down and up the same rows, keys and ports are there."""
    installed.up("--port", str(_far_block()))
    before = installed.status()
    made = _make_user(before)
    installed.empire("down")
    installed.up()
    after = installed.status()
    assert (after["keys"], after["urls"]) == (before["keys"], before["urls"])
    assert made in _user_ids(after)


def test_up_simulates_the_brokers_too(installed: InstalledStack) -> None:
    """With --venues each simulated broker is a process of the stack; status says its address, down ends it."""
    installed.up("--venues")
    status, processes = installed.status(), installed.processes()
    assert status["health"] == dict.fromkeys([*CHILDREN, *(f"venue-{name}" for name in SIMULATED)], "ok")
    for name in SIMULATED:
        answer = httpx.get(f"{status['urls'][f'simulated_{name}']}/_sim/state", trust_env=False)
        assert answer.status_code == 200, name
    assert installed.empire("doctor").returncode == 0
    installed.empire("down")
    assert not any(orphans.is_running(pid) for pid in processes)


def test_up_ends_what_a_killed_supervisor_left(installed: InstalledStack) -> None:
    """kill -9 of the supervisor leaves children; the next up ends exactly those and starts new ones."""
    installed.up()
    left = [pid for pid in installed.processes() if pid != installed.state().pid]
    bystander = subprocess.Popen(
        ["sleep", "600"], env={**os.environ, "EMPIRE_HOME": str(installed.paths.home)}
    )
    try:
        installed.kill("supervisor")
        assert all(orphans.is_running(pid) for pid in left)
        installed.up()
        assert not any(orphans.is_running(pid) for pid in left)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
    assert installed.status()["ready"]


def test_down_ends_what_a_killed_supervisor_left(installed: InstalledStack) -> None:
    """down after a kill -9 leaves nothing behind."""
    installed.up()
    left = installed.processes()
    installed.kill("supervisor")
    assert installed.empire("down").returncode == 0
    assert not any(orphans.is_running(pid) for pid in left)


def test_sigterm_in_the_foreground_stops_everything(installed: InstalledStack, run: _Run) -> None:
    """`empire up` without --detach stops the whole stack when it gets SIGTERM, and ends with 0."""
    home = {"EMPIRE_HOME": str(installed.paths.home)}
    with run("empire", "up", "--no-workers", env=home, ready="functions: ok", timeout_s=90) as up:
        processes = installed.processes()
        assert len(processes) == 4
        assert up.stop(60) == 0
    assert not any(orphans.is_running(pid) for pid in processes)


def test_a_taken_port_is_named(installed: InstalledStack) -> None:
    """With --port the block must be free; the error is one sentence that names the port."""
    port = _far_block()
    with socket.create_server(("127.0.0.1", port)):
        refused = installed.empire("up", "--detach", "--port", str(port))
    assert refused.returncode == 1
    assert f"Port {port} is taken" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_two_stacks_take_different_ports(running: InstalledStack, installed: InstalledStack) -> None:
    """Without --port a second installation on the same machine finds a block of its own."""
    installed.up()
    assert installed.state().base_port != running.state().base_port
    assert installed.status()["ready"]
    assert running.status()["ready"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.10", "example.com"])
def test_an_open_bind_stops_the_start(installed: InstalledStack, host: str) -> None:
    """security.md 8 no. 18: without TLS in front nothing but loopback is served."""
    refused = installed.empire("up", "--detach", "--host", host)
    assert refused.returncode == 1
    assert "not a loopback address" in refused.stderr
    assert installed.status() == {"running": False, "ready": False}


def test_a_default_secret_stops_the_start(installed: InstalledStack) -> None:
    """security.md 8 no. 18: a secret out of somebody's documentation is refused, its value not shown."""
    held = asdict(load_or_create(installed.paths.secrets))
    held["jwt_secret"] = "super-secret-jwt-token-with-at-least-32-characters-long"
    installed.paths.secrets.write_text(json.dumps(held))
    refused = installed.empire("up", "--detach")
    assert refused.returncode == 1
    assert "jwt_secret is a known default" in refused.stderr
    assert held["jwt_secret"] not in refused.stderr


def test_lost_secrets_are_told_and_not_made_anew(installed: InstalledStack) -> None:
    """New passwords would not fit the database that is there: one sentence, and nothing is changed."""
    (installed.paths.home / "postgres-18").mkdir()
    (installed.paths.home / "postgres-18" / "PG_VERSION").write_text("18")
    refused = installed.empire("up", "--detach")
    assert refused.returncode == 1
    assert f"{installed.paths.secrets} is missing" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not installed.paths.secrets.exists()


def test_the_other_version_of_postgres_serves(installed: InstalledStack, pg: int) -> None:
    """The stack runs on Postgres 16 and 18: on the one that the rest of this suite does not use, too."""
    installed.up("--pg", str({16: 18, 18: 16}[pg]))
    status = installed.status()
    assert status["ready"]
    assert _make_user(status) in _user_ids(status)


def _far_block() -> int:
    """A block that no other start looks at: nobody takes it while the stack is down, nor another of these tests."""
    block = reserve(None, first=23000 + 10 * random.randrange(100))
    block.release()
    return block.ports.base


def _make_user(status: dict[str, dict[str, str]]) -> str:
    body = {"email": "kept@example.com", "password": "a-long-enough-password", "email_confirm": True}
    answer = httpx.post(
        f"{status['urls']['auth']}/admin/users", headers=_service(status), json=body, timeout=30
    )
    identity: str = answer.raise_for_status().json()["id"]
    return identity


def _user_ids(status: dict[str, dict[str, str]]) -> list[str]:
    answer = httpx.get(f"{status['urls']['auth']}/admin/users", headers=_service(status), timeout=30)
    return [user["id"] for user in answer.raise_for_status().json()["users"]]


def _service(status: dict[str, dict[str, str]]) -> dict[str, str]:
    key = status["keys"]["secret"]
    return {"apikey": key, "authorization": f"Bearer {key}"}
