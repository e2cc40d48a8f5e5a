"""Ending what a killed supervisor left behind: only processes that prove to be ours."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from local.child import CHILD_MARK, HOME_MARK

_GRACE_S = 10.0


def end_orphans(home: Path, data_directories: list[Path]) -> list[int]:
    """Stop children of this state folder whose supervisor is gone; returns their pids. Hold the lock.

    A child carries the folder and its name in its environment. A postmaster is known by its data directory.
    """
    found = dict.fromkeys(_children_of(home), signal.SIGTERM)
    for pid in (_postmaster(directory) for directory in data_directories):
        if pid is not None:
            found[pid] = signal.SIGINT
    for pid, number in found.items():
        _send(pid, number)
    left = wait_gone(list(found), _GRACE_S)
    for pid in left:
        _send(pid, signal.SIGKILL)
    wait_gone(left, _GRACE_S)
    return sorted(found)


def is_running(pid: int) -> bool:
    """Whether the process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def environment_of(pid: int) -> dict[str, str]:
    """The environment a process was started with; empty when it is not ours to read."""
    try:
        pairs = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return {}
    return {name: value for name, separator, value in (pair.partition("=") for pair in pairs) if separator}


def wait_gone(pids: list[int], timeout_s: float) -> list[int]:
    """Wait until these processes have ended; returns those that have not in time."""
    deadline = time.monotonic() + timeout_s
    while (left := [pid for pid in pids if is_running(pid)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def _children_of(home: Path) -> list[int]:
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if pid != os.getpid() and _is_child(environment_of(pid), home)]


def _is_child(environment: dict[str, str], home: Path) -> bool:
    # postgres overwrites its environment in memory and is found by its data directory instead.
    name = environment.get(CHILD_MARK)
    return environment.get(HOME_MARK) == str(home) and name is not None and name != "postgres"


def _postmaster(directory: Path) -> int | None:
    try:
        pid = int((directory / "postmaster.pid").read_text().splitlines()[0])
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except (OSError, ValueError, IndexError):
        return None
    return pid if str(directory) in arguments else None


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
