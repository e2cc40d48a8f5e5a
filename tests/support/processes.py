"""Starting a real program and waiting for the line that says it is ready."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from local.paths import PROJECT, VENV
from tests.support import nursery

Process = subprocess.Popen[str] | nursery.Child
_nursery = nursery.Nursery()


class Running:
    """A started program and what it has printed so far."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._ended = False
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    @property
    def output(self) -> str:
        """Everything printed so far, both streams."""
        return "\n".join(self.lines)

    def wait_for_line(self, text: str, timeout_s: float = 60) -> str:
        """The first line that holds the text; TimeoutError or RuntimeError (it ended) shows the output."""
        with self._news:
            found = self._news.wait_for(lambda: self._line(text) or self._ended, timeout_s)
        line = self._line(text)
        if line is None:
            reason = RuntimeError if found else TimeoutError
            raise reason(f"no line with {text!r} (exit code {self.process.poll()}):\n{self.output}")
        return line

    def send(self, number: signal.Signals) -> None:
        """Send a signal (SIGTERM, SIGSTOP, SIGCONT ...)."""
        self.process.send_signal(number)

    def kill(self) -> int:
        """kill -9, then reap."""
        self.process.kill()
        return self.process.wait()

    def stop(self, timeout_s: float = 60) -> int:
        """SIGTERM and its exit code; subprocess.TimeoutExpired when it does not end."""
        self.process.terminate()
        return self.process.wait(timeout_s)

    def _line(self, text: str) -> str | None:
        return next((line for line in self.lines if text in line), None)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()


@contextmanager
def run(
    *command: str, env: Mapping[str, str] | None = None, ready: str | None = "ready", timeout_s: float = 60
) -> Iterator[Running]:
    """Start a program, wait for its ready line, and end it (SIGTERM, then kill) when the block ends.

    `empire` as first word is the project's console script; `env` is added to the caller's environment.
    """
    process = _start(command, {**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})})
    running = Running(process)
    try:
        if ready is not None:
            running.wait_for_line(ready, timeout_s)
        yield running
    finally:
        _end(process)


def _start(command: tuple[str, ...], environment: dict[str, str]) -> Process:
    if nursery.can_start(command):
        return _nursery.start(command, environment)
    words = [str(VENV / "bin" / "empire"), *command[1:]] if command[0] == "empire" else list(command)
    return subprocess.Popen(
        words,
        env=environment,
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _end(process: Process) -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGCONT)
    process.terminate()
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def own_memory(pid: int) -> int:
    """Bytes that a process holds and no file stands for."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) * 1024
