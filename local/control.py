"""Starting and stopping the stack from outside: what `empire up`, `empire down` and the demo call."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from local import orphans
from local.account import server_account
from local.binaries import VERSIONS, place
from local.paths import PROJECT, Paths
from local.state import StackState, is_locked, read_state, running_state

_START_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 60.0
_POLL_S = 0.05


class StackError(Exception):
    """The stack did not start or stop; the message is for the user."""


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What `empire up` may choose. No port means: the last one, or the first free block."""

    port: int | None = None
    pg: int = 18
    host: str = "127.0.0.1"
    workers: bool = True
    proxies: int = 0
    venues: bool = False


def start(
    paths: Paths, options: UpOptions, progress: Callable[[str], None] = lambda _: None
) -> subprocess.Popen[bytes]:
    """Start the supervisor in a session of its own and wait until the stack is ready. Raises StackError."""
    paths.create()
    if is_locked(paths.lock):
        raise StackError(f"The stack of {paths.home} is already running.")
    log = paths.log("supervisor")
    begin = log.stat().st_size if log.exists() else 0
    with log.open("ab") as output:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "local.stack", *_arguments(paths, options)],
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait_ready(paths, supervisor, progress, lambda: log.read_text(errors="replace")[begin:].strip())
    except KeyboardInterrupt:
        supervisor.terminate()
        supervisor.wait()
        raise
    return supervisor


def stop(paths: Paths) -> bool:
    """Stop the running stack in order; False when none ran. What a killed supervisor left is ended too."""
    state = running_state(paths)
    if state is None:
        return bool(_end_orphans(paths))
    os.kill(state.pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_TIMEOUT_S
    while is_locked(paths.lock):
        if time.monotonic() > deadline:
            os.kill(state.pid, signal.SIGKILL)
            _end_orphans(paths)
            return True
        time.sleep(_POLL_S)
    # It lets go of the lock a moment before it ends: who removes its folder next must not meet it there.
    orphans.wait_gone([state.pid], _STOP_TIMEOUT_S)
    return True


def remove_state(paths: Paths) -> None:
    """Remove the state folder with its databases. The stack must be stopped."""
    for folder in {place(paths.home, server_account()), paths.home}:
        if folder.exists():
            shutil.rmtree(folder)


def _end_orphans(paths: Paths) -> list[int]:
    folder = place(paths.home, server_account())
    return orphans.end_orphans(paths.home, [folder / f"postgres-{version}" for version in VERSIONS])


def _arguments(paths: Paths, options: UpOptions) -> Sequence[str]:
    port = ["--port", str(options.port)] if options.port else []
    workers = [] if options.workers else ["--no-workers"]
    proxies = ["--proxies", str(options.proxies)]
    common = ["--home", str(paths.home), "--pg", str(options.pg), "--host", options.host]
    venues = ["--venues"] if options.venues else []
    return [*common, *port, *workers, *proxies, *venues]


def _wait_ready(
    paths: Paths,
    supervisor: subprocess.Popen[bytes],
    progress: Callable[[str], None],
    said: Callable[[], str],
) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while supervisor.poll() is None and time.monotonic() < deadline:
        state = read_state(paths)
        if state is not None and state.pid == supervisor.pid:
            if state.ready:
                return
            progress(_doing(state))
        time.sleep(_POLL_S)
    if supervisor.poll() is None:
        supervisor.terminate()
    raise StackError(said() or f"The stack did not start; see {paths.log('supervisor')}.")


def _doing(state: StackState) -> str:
    waiting = [child.name for child in state.children if not child.ready]
    return f"starting {waiting[0]}" if waiting else "starting"
