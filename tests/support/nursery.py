"""Programs that start at once: a process has imported them and is forked for each start, as `python -m` would run it.

What is started is a process of its own, with its own environment, output, signals and exit code. Only its imports were
done before; they take three quarters of a start, and the suite starts hundreds.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import IO, Any

from local.paths import PROJECT

MODULES = ("workers.cli", "local.venues.__main__", "local.venues.paper")
"""What may be started by `python -m`; a package stands for its __main__."""
_MOST_BYTES = 1 << 18


def can_start(command: Sequence[str]) -> bool:
    """Whether it is `python -m` of a module that is imported here."""
    return [*command[:2]] == [sys.executable, "-m"] and _module(command[2]) in MODULES


class Nursery:
    """The process that forks, seen from the test process. Started when it is first needed."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._line: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> Child:
        """A started program whose output, both streams, is a pipe."""
        out, into = os.pipe()
        asked = {"module": _module(command[2]), "arguments": [*command[3:]], "environment": dict(environment)}
        try:
            pid = self._ask(asked, [into])
        finally:
            os.close(into)
        return Child(self, pid, os.fdopen(out, encoding="utf-8"))

    def exit_code(self, pid: int) -> int:
        """How a program that has ended ended; it is reaped."""
        return self._ask({"reap": pid}, [])

    def _ask(self, question: dict[str, Any], files: list[int]) -> int:
        with self._turn:
            if self._line is None:
                self._line, self._process = _open()
            socket.send_fds(self._line, [json.dumps(question).encode()], files)
            return int(self._line.recv(64))


class Child:
    """A forked program: the part of subprocess.Popen that tests use."""

    def __init__(self, nursery: Nursery, pid: int, stdout: IO[str]) -> None:
        self._nursery = nursery
        self.pid, self.stdout = pid, stdout
        self.returncode: int | None = None
        self._handle = os.pidfd_open(pid)
        self._turn = threading.Lock()

    def poll(self) -> int | None:
        """Its exit code (negative = the signal that killed it), None while it runs."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code once it has ended; subprocess.TimeoutExpired when it does not in time."""
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._handle, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._handle], [], [], timeout)[0]:
            with self._turn:
                if self.returncode is None:
                    self.returncode = self._nursery.exit_code(self.pid)
        return self.returncode

    def __del__(self) -> None:
        os.close(self._handle)


def _module(name: str) -> str:
    return "local.venues.__main__" if name == "local.venues" else name


def _open() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (ours, its):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _MOST_BYTES)
    with its:
        command = [sys.executable, "-m", "tests.support.nursery", str(its.fileno())]
        process = subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.DEVNULL, pass_fds=[its.fileno()])
    return ours, process


def _serve(line: socket.socket) -> dict[str, Any] | None:
    """Fork and reap as asked. Returns in each child, with what it is to run, and at last without a child."""
    while True:
        data, files, _, _ = socket.recv_fds(line, _MOST_BYTES, 1)
        if not data:
            return None
        question = json.loads(data)
        if "reap" in question:
            line.send(str(os.waitstatus_to_exitcode(os.waitpid(question["reap"], 0)[1])).encode())
            continue
        pid = os.fork()
        if pid == 0:
            line.close()
            for stream in (1, 2):
                os.dup2(files[0], stream)
            os.close(files[0])
            return dict(question)
        os.close(files[0])
        line.send(str(pid).encode())


def _become(program: dict[str, Any]) -> None:
    """Go on as `python -m module arguments` with that environment."""
    os.environ.clear()
    os.environ.update(program["environment"])
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, write_through=True)  # type: ignore[union-attr]
    sys.argv = ["", *program["arguments"]]
    runpy.run_module(program["module"], run_name="__main__", alter_sys=True)


def main() -> None:
    """Import once, then serve."""
    for module in MODULES:
        __import__(module)
        del sys.modules[module]  # it runs as __main__
    gc.collect()
    gc.freeze()
    program = _serve(socket.socket(fileno=int(sys.argv[1])))
    if program is not None:
        _become(program)


if __name__ == "__main__":
    main()
