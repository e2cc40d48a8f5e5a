"""A whole installation in a folder of its own, driven through the console script like a user does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local import orphans
from local.control import remove_state, stop
from local.paths import PROJECT, VENV, Paths
from local.scratch import abandoned, quick_folder
from local.state import StackState, read_state
from local.status import installation
from tests.support.clusters import wait_until

_PREFIX = "empire-installed-"


@dataclass(frozen=True)
class InstalledStack:
    """A state folder; nothing runs in it until `empire up`."""

    paths: Paths

    def empire(self, *words: str, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
        """Run the console script to its end."""
        return subprocess.run(
            [VENV / "bin" / "empire", *words],
            env={**os.environ, "EMPIRE_HOME": str(self.paths.home)},
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )

    def up(self, *words: str) -> None:
        """`empire up --detach` without workers; fails the test when it fails."""
        done = self.empire("up", "--detach", "--no-workers", *words)
        assert done.returncode == 0, done.stderr + done.stdout

    def status(self) -> dict[str, Any]:
        """`empire status --json`."""
        answer: dict[str, Any] = json.loads(self.empire("status", "--json").stdout)
        return answer

    def wait_well(self, timeout_s: float = 60) -> None:
        """Wait until every process answers as it should; the supervisor's log is in the error otherwise."""
        try:
            wait_until(lambda: set(self.health().values()) == {"ok"}, timeout_s)
        except TimeoutError:
            log = self.paths.log("supervisor").read_text()
            raise TimeoutError(f"not well: {self.health()}\n{log}") from None

    def health(self) -> dict[str, str]:
        """What status says of each process, asked without starting the console script."""
        found = installation(self.paths)
        return found.health() if found else {}

    def state(self) -> StackState:
        """What the supervisor wrote last."""
        state = read_state(self.paths)
        assert state is not None
        return state

    def pid(self, name: str) -> int | None:
        """The process of one child."""
        return next(child.pid for child in self.state().children if child.name == name)

    def kill(self, name: str) -> None:
        """kill -9 one child, or `supervisor`, and wait until it is gone."""
        pid = self.state().pid if name == "supervisor" else self.pid(name)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not orphans.is_running(pid))

    def processes(self) -> list[int]:
        """The supervisor and every child of the last state that still run."""
        state = self.state()
        known = [state.pid, *(child.pid for child in state.children)]
        return [pid for pid in known if pid is not None and orphans.is_running(pid)]


@contextmanager
def installed_stack() -> Iterator[InstalledStack]:
    """A fresh folder; what still runs in it is stopped at the end, and what a killed run of tests left before."""
    for left in abandoned(_PREFIX):
        with suppress(FileNotFoundError):  # another test process removes it
            stop(Paths(left))
            remove_state(Paths(left))
    home = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=quick_folder()))
    paths = Paths(home)
    paths.create()
    try:
        yield InstalledStack(paths)
    finally:
        stop(paths)
        remove_state(paths)
