"""What status says of a process, by what the supervisor wrote and by asking it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from local.paths import Paths
from local.ports import Ports
from local.postgres import Cluster
from local.programs import Boot
from local.secrets import load_or_create
from local.state import ChildState, StackState
from local.status import Installation


@pytest.mark.parametrize(("ready", "health"), [(True, "ok"), (False, "down")])
def test_a_process_is_well_once_its_supervisor_found_it_ready(
    tmp_path: Path, ready: bool, health: str
) -> None:
    """Who is told `ok` may stop it and see it replaced: a process in its time to start would only be waited for."""
    ours = ChildState("worker-execution", os.getpid(), 0, ready)
    state = StackState(os.getpid(), "nonce", 54320, 18, ready=True, children=[ours])
    held = load_or_create(tmp_path / "secrets.json")
    cluster = Cluster(tmp_path, 54329, held.passwords)
    boot = Boot(Paths(tmp_path), held, Ports(state.base_port), cluster, state.nonce)
    assert Installation(state, boot).health() == {"worker-execution": health}
