"""`empire connect` and `empire keys` on an installation of their own, and the passwords of our database roles."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from local.keys import roles
from local.keys.files import KeyFiles
from local.paths import PROJECT, VENV
from local.ports import Ports
from tests.conformance.simulators import running_simulator
from tests.support.clusters import Database
from tests.support.installations import InstalledStack, installed_stack


@pytest.fixture(scope="module")
def installation() -> Iterator[InstalledStack]:
    """A stack with a worker, and a simulated broker at the port that the stack knows for it."""
    with installed_stack() as made:
        done = made.empire("up", "--detach")
        assert done.returncode == 0, done.stderr + done.stdout
        port = Ports(made.state().base_port).venues["tradelocker"]
        with running_simulator("tradelocker", "--port", str(port)):
            yield made


def connect(made: InstalledStack, secret: str, *words: str) -> subprocess.CompletedProcess[str]:
    """`empire connect tradelocker ... --secret-stdin`."""
    where = ("--server", "SIM", "--environment", "simulated", "--secret-stdin")
    return subprocess.run(
        [VENV / "bin" / "empire", "connect", "tradelocker", *where, *words],
        env={**os.environ, "EMPIRE_HOME": str(made.paths.home)},
        cwd=PROJECT,
        input=secret,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )


def test_connect_says_what_was_found(installation: InstalledStack) -> None:
    """A right password: 0 and a line per account; a wrong one: 2 and the broker's words; none: 1."""
    good = connect(installation, "correct horse\n", "--login", "me@example.com", "--enable")
    assert good.returncode == 0, good.stderr + good.stdout
    first, *accounts = good.stdout.splitlines()
    assert first == "connected: 2 accounts"
    assert all("100000.00 USD, entries allowed" in line for line in accounts), accounts
    bad = connect(installation, "short\n", "--login", "you@example.com")
    assert (bad.returncode, bad.stdout) == (
        2,
        "not connected: Login refused: Invalid credentials. Tried as you@example.com at SIM.\n",
    )
    none = connect(installation, "", "--login", "you@example.com")
    assert (none.returncode, none.stderr.startswith("Nothing came on standard input")) == (1, True)


def test_a_live_login_wants_the_authenticator(installation: InstalledStack) -> None:
    """Without a second factor a live login is refused with what to do."""
    live = ("--login", "me@example.com", "--environment", "live")
    done = connect(installation, "correct horse\n", *live)
    assert (done.returncode, done.stdout) == (1, "")
    assert "needs a second factor" in done.stderr


def test_keys_are_the_installations_own(installation: InstalledStack) -> None:
    """Root and fleet keys were made with the installation, readable by its owner only, and the key is served."""
    files = KeyFiles.of(installation.paths)
    for file in (files.root, files.fleet):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    shown = installation.empire("keys", "list")
    assert shown.returncode == 0, shown.stderr
    # Another test of this module may have rotated before.
    (current,) = [line for line in shown.stdout.splitlines() if "current, sealed to until" in line]
    assert "private key held" in current


def test_rotating_and_forgetting(installation: InstalledStack) -> None:
    """A rotation shows both keys; the old one is not forgotten while a credential needs it, the current one never."""
    assert connect(installation, "correct horse\n", "--login", "third@example.com").returncode == 0
    (before,) = installation.empire("keys", "list").stdout.splitlines()
    rotated = installation.empire("keys", "rotate")
    assert rotated.returncode == 0, rotated.stderr
    _, current, old = rotated.stdout.splitlines()
    assert " current, " in current
    assert old.startswith(before.split()[0] + " retired")
    for key, why in ((old.split()[0], "credentials in force"), (current.split()[0], "rotate first")):
        refused = installation.empire("keys", "forget", key)
        assert (refused.returncode, why in refused.stderr) == (1, True), refused.stderr
    gone = installation.empire("keys", "forget", old.split()[0], "--even-if-needed")
    assert "must be entered again" in gone.stdout, gone.stderr
    assert connect(installation, "correct horse\n", "--login", "third@example.com").returncode == 0


async def test_database_passwords(database: Database) -> None:
    """A role that could not log in can with its new password and with no other; a role that is missing is named."""
    role = f"empire_test_{database.name}"
    database.sql(f"create role {role} nologin")
    admin = await database.connect("supabase_admin")
    try:
        passwords = await roles.set_passwords(admin, [role])
        (line,) = roles.environment(database.url("postgres"), {"empire_worker": passwords[role]}).splitlines()
        variable, _, url = line.partition("=")
        assert variable == "EMPIRE_WORKER_DATABASE_URL"
        connection = await asyncpg.connect(url.replace("empire_worker", role))
        assert await connection.fetchval("select current_user") == role
        await connection.close()
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(url.replace("empire_worker", role).replace(passwords[role], "wrong"))
        with pytest.raises(roles.RolesMissing, match="empire_nobody"):
            await roles.set_passwords(admin, ["empire_nobody"])
    finally:
        await admin.close()
        database.sql(f"drop role {role}")


@pytest.mark.parametrize(
    ("given", "user"),
    [
        ("postgresql://postgres:x@db.example:5432/postgres?sslmode=require", "empire_edge"),
        ("postgresql://postgres.abc:x@pooler.example:6543/postgres", "empire_edge.abc"),
    ],
)
def test_addresses_for_workers_and_functions(given: str, user: str) -> None:
    """The same database as another role; behind Supabase's pooler the user name carries the project."""
    line = roles.environment(given, {"empire_edge": "p/w"})
    rest = given.rpartition("@")[2]
    assert line == f"EMPIRE_EDGE_DATABASE_URL=postgresql://{user}:p%2Fw@{rest}\n"


def test_passwords_of_the_embedded_stack_are_its_own(installation: InstalledStack, tmp_path: Path) -> None:
    """`empire keys db` without a database says whose passwords these are and changes nothing."""
    done = installation.empire("keys", "db", "--out", str(tmp_path / "env"))
    assert (done.returncode, list(tmp_path.iterdir())) == (1, [])
    assert "sets its own passwords" in done.stderr
