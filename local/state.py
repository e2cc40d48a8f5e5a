"""What runs: a small file the supervisor writes and every other command reads."""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from local.paths import Paths
from local.secrets import write_private

_ASKED_S = 0.5
"""Who only asks whether the folder is held holds it, too, for a moment: far less than this."""
_POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class ChildState:
    """One child: its process, how often it was restarted, whether it is ready."""

    name: str
    pid: int | None
    restarts: int
    ready: bool


@dataclass(frozen=True, slots=True)
class StackState:
    """One start of the stack. `ready` once everything was healthy."""

    pid: int
    nonce: str
    base_port: int
    postgres_version: int
    ready: bool
    children: list[ChildState] = field(default_factory=list)
    proxies: int = 0


def write_state(paths: Paths, state: StackState) -> None:
    """Replace the file."""
    write_private(paths.state, json.dumps(asdict(state), indent=2) + "\n")


def read_state(paths: Paths) -> StackState | None:
    """The last state written, whoever still lives; None when there is none."""
    try:
        values = json.loads(paths.state.read_text())
    except FileNotFoundError:
        return None
    return StackState(**{**values, "children": [ChildState(**child) for child in values["children"]]})


def running_state(paths: Paths) -> StackState | None:
    """The state of the stack that runs now, None when none does."""
    return read_state(paths) if is_locked(paths.lock) else None


def lock(path: Path) -> IO[str] | None:
    """Become the one supervisor of the folder; None when another is. Held until closed or we end."""
    file = path.open("a")
    deadline = time.monotonic() + _ASKED_S
    while not _flocked(file, fcntl.LOCK_EX):
        if time.monotonic() > deadline:
            file.close()
            return None
        time.sleep(_POLL_S)
    os.set_inheritable(file.fileno(), False)
    return file


def is_locked(path: Path) -> bool:
    """Whether a supervisor holds the folder. Any number may ask at once."""
    if not path.exists():
        return False
    with path.open("a") as file:
        return not _flocked(file, fcntl.LOCK_SH)


def _flocked(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
