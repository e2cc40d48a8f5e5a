"""A newcomer's first minute: a plain checkout in a folder with a blank, an ordinary user, two commands."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.account import Account, can_enter
from local.orphans import is_running
from local.paths import PROJECT


class Newcomer:
    """Somebody without root, with a copy of the checkout, an empty home and a Python he can reach."""

    def __init__(self, checkout: Path) -> None:
        self.checkout = checkout
        self.account = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        if os.geteuid() == 0:
            for path in (checkout, *checkout.rglob("*")):
                os.chown(path, self.account.pw_uid, self.account.pw_gid, follow_symlinks=False)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command as that user from the root folder; fails the test when it fails."""
        as_user: dict[str, Any] = {}
        if os.geteuid() == 0:
            as_user = {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}
        # A make that runs this suite must not speak to the newcomer's.
        ours = {"EMPIRE_HOME", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
        environment = {name: value for name, value in os.environ.items() if name not in ours}
        done = subprocess.run(
            command,
            env={**environment, "HOME": "/nonexistent", "PYTHON": self._python()},
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            timeout=1200,
            **as_user,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done

    def make(self, target: str) -> str:
        """`make -f <checkout>/Makefile <target>`."""
        return self.run("make", "-f", str(self.checkout / "Makefile"), target).stdout

    def _python(self) -> str:
        account = Account(self.account.pw_uid, self.account.pw_gid)
        places = [
            Path(os.path.realpath("/proc/self/exe")),
            Path("/usr/bin/python3"),
            Path("/usr/local/bin/python3"),
        ]
        return str(next(place for place in places if place.exists() and can_enter(account, place.parent)))


@pytest.fixture
def newcomer() -> Iterator[Newcomer]:
    """The committed and new files of this checkout, copied to a folder anybody may enter."""
    folder = Path(tempfile.mkdtemp(prefix="empire-newcomer-"))
    folder.chmod(0o755)
    kept = shutil.ignore_patterns(
        ".git", ".venv", ".empire", "__pycache__", ".*_cache", ".hypothesis", ".temp"
    )
    shutil.copytree(PROJECT, folder / "my hub", ignore=kept)
    someone = Newcomer(folder / "my hub")
    yield someone
    someone.make("clean")
    shutil.rmtree(folder)


def test_an_ordinary_user_sets_up_starts_and_stops(newcomer: Newcomer) -> None:
    """`make up` in a plain checkout installs, migrates and serves; a second one and `make down` work."""
    addresses = newcomer.make("up")
    assert "api: http://127.0.0.1:" in addresses
    assert "api: http://127.0.0.1:" in newcomer.make("up")
    status = json.loads(newcomer.run(str(newcomer.checkout / ".venv/bin/empire"), "status", "--json").stdout)
    assert status["ready"]
    pids = [process["pid"] for process in status["processes"]]
    assert {Path(f"/proc/{pid}").stat().st_uid for pid in pids} == {newcomer.account.pw_uid}
    assert newcomer.make("down").strip() == "stopped"
    assert not any(is_running(pid) for pid in pids)
