"""Programs that tests start by a fork behave like those that are started by `python -m`."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from local.paths import PROJECT
from tests.support import nursery
from tests.support.processes import run


@pytest.fixture(scope="module")
def place() -> nursery.Nursery:
    """One process that forks."""
    return nursery.Nursery()


@pytest.mark.parametrize("words", [["--help"], ["worker", "nobody"], ["worker", "relay"]], ids=" ".join)
def test_it_says_and_ends_the_same(place: nursery.Nursery, words: list[str]) -> None:
    """What is printed and the exit code, for a page of help, an argument and a setting that are wrong."""
    command = [sys.executable, "-m", "workers.cli", *words]
    assert nursery.can_start(command)
    environment = {"PATH": "/usr/bin", "LANG": "C.UTF-8", "EMPIRE_ENV": "nowhere"}
    started = subprocess.run(
        command, env=environment, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    forked = place.start(command, environment)
    assert forked.stdout.read() == started.stdout
    assert forked.wait(20) == started.returncode


def test_it_is_killed_alone() -> None:
    """A signal meets one of two; its exit code tells it, and the other goes on."""
    command = (sys.executable, "-m", "local.venues.paper")
    with run(*command) as first, run(*command) as second:
        assert first.pid != second.pid
        assert first.kill() == -signal.SIGKILL
        assert second.process.poll() is None
        assert second.stop() == 0
