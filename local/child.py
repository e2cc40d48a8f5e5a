"""One child process: what to run, and the running of it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from local.account import Account

CHILD_MARK = "EMPIRE_CHILD"
"""In the environment of every child: its name. With HOME_MARK it proves later that the process is ours."""
HOME_MARK = "EMPIRE_HOME"


@dataclass(frozen=True, slots=True)
class Program:
    """A command line with its environment, its log, its way to stop and its test of health."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    log: Path
    healthy: Callable[[], bool] = field(repr=False)
    account: Account | None = None
    folder: Path = Path("/")
    stop_signal: signal.Signals = signal.SIGTERM
    start_timeout_s: float = 60.0
    stop_timeout_s: float = 10.0
    ready_line: bool = False
    """Whether it is healthy only once it has printed `ready` as first word of a line."""
    prepare: Callable[[], None] | None = field(default=None, repr=False)
    """Done once, before the first start (later children need what earlier ones serve)."""


class Child:
    """The process of a Program. Not restarted by itself: that is the supervisor's decision."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0
        self._said_ready = False

    @property
    def pid(self) -> int | None:
        """The process id while it runs, else None."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def exit_code(self) -> int | None:
        """How the last process ended: negative = killed by that signal; None = running or never started."""
        return self._process.poll() if self._process else None

    def start(self) -> None:
        """Start it as leader of a session of its own, so that Ctrl-C reaches only the supervisor."""
        program = self.program
        account = program.account
        self._said_ready = not program.ready_line
        with program.log.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                program.command,
                env={**program.environment, CHILD_MARK: program.name},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=program.folder,
                start_new_session=True,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process, if it still runs."""
        if self.pid is not None and self._process is not None:
            self._process.send_signal(number)

    def stop(self) -> None:
        """Ask it to end, wait, then kill what is left of its process group."""
        if self._process is None:
            return
        self.signal(self.program.stop_signal)
        try:
            self._process.wait(self.program.stop_timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """kill -9 for the process and its group, and reap it (an unreaped postmaster keeps its lock file)."""
        if self._process is None or self.pid is None:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def healthy(self) -> bool:
        """Whether it runs and its own test of health passes."""
        self._said_ready = self._said_ready or self._finds_ready()
        return self.pid is not None and self._said_ready and self.program.healthy()

    def _finds_ready(self) -> bool:
        with self.program.log.open("rb") as log:
            log.seek(self._log_start)
            return any(line.split()[:1] == [b"ready"] for line in log)
