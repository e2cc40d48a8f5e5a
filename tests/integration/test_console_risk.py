"""`empire packs | risk | drill` as a person types them, on an installation of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.installations import InstalledStack, installed_stack


@pytest.fixture(scope="module")
def installation() -> Iterator[InstalledStack]:
    """A stack with a worker and the demo user, who has a paper account."""
    with installed_stack() as made:
        done = made.empire("up", "--detach")
        assert done.returncode == 0, done.stderr + done.stdout
        yield made


def test_packs_are_listed_with_their_sources(installation: InstalledStack) -> None:
    """Every pack, its sizes and stages, and when its figures were read."""
    listed = installation.empire("packs")
    assert listed.returncode == 0, listed.stderr
    assert "--stage combine --size 50K|100K|150K" in listed.stdout
    assert "read 2026-09-13" in listed.stdout


def test_a_pack_is_set_shown_and_drilled(installation: InstalledStack) -> None:
    """Its rules and clocks are the account's; what was never drilled says so; a drill of one limit ends 0."""
    words = ("--pack", "topstep", "--size", "50K", "--stage", "combine", "--floor", "48000")
    told = installation.empire("risk", "Paper", *words)
    assert told.returncode == 0, told.stderr
    assert "17:00 America/Chicago" in told.stdout
    assert "began with 50000" in told.stdout
    assert "trailing_drawdown (account): " in told.stdout
    assert "max_qty (account): per_account 5" in told.stdout
    assert "never drilled" in told.stdout
    drilled = installation.empire("drill", "Paper", "--rule", "max_qty")
    assert drilled.returncode == 0, drilled.stderr + drilled.stdout
    assert drilled.stdout.startswith("fired  max_qty (account): 5.01 EURUSD: denied max_qty"), drilled.stdout
    after = json.loads(installation.empire("risk", "Paper", "--json").stdout)
    states = {each["rule"]: each["state"] for each in after["limits"]}
    assert states["max_qty"] == "passed"
    assert states["flat_by"] == "never"


def test_what_cannot_be_done_is_said(installation: InstalledStack) -> None:
    """An unknown account or rule ends 1 with a sentence; a pack without its size is a wrong use."""
    unknown = installation.empire("risk", "Nowhere")
    assert (unknown.returncode, unknown.stderr) == (1, "You have no account called Nowhere.\n")
    unset = installation.empire("drill", "Paper", "--rule", "spread")
    assert unset.returncode == 1
    assert "The limit spread is not set for this account." in unset.stderr
    assert installation.empire("risk", "Paper", "--pack", "topstep").returncode == 2
