"""Drills of simulated accounts: the twin is at the trader's own broker, behind the adapter that trades his account."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from local.paths import PROJECT, VENV
from tests.support.installations import InstalledStack, installed_stack

SERVERS = {"tradelocker": ["--server", "SIM"], "metatrader": ["--server", "SIM"], "topstepx": []}
PACKS = {
    "topstepx": ["--pack", "topstep", "--size", "50K", "--stage", "combine", "--floor", "48000"],
    "metatrader": ["--pack", "two_step_cet", "--size", "100K", "--stage", "challenge"],
}
"""The whole of a firm's rules; elsewhere money, a size and a time."""
OF_PACKS = {
    "topstepx": {"trailing_drawdown", "max_qty", "consistency", "flat_by", "hours", "no_opposite"},
    "metatrader": {"daily_loss", "static_floor"},
}
LIMITS = {"max_trades_per_day": 3, "max_concurrent_positions": 1}
RULES = {
    "daily_loss": {"limit": 1000, "unit": "usd"},
    "hours": {"calendar": "forex"},
    "max_qty": {"per_account": 2},
}
SPREAD = {"spread": {"max_ticks": 12}}


@pytest.fixture(scope="module")
def installation() -> Iterator[InstalledStack]:
    """A stack with workers and the three simulated brokers."""
    with installed_stack() as made:
        done = made.empire("up", "--detach", "--venues")
        assert done.returncode == 0, done.stderr + done.stdout
        yield made


def connected(stack: InstalledStack, broker: str) -> str:
    """The number of the first account of a new login at the broker's simulator."""
    login = ["--login", "me@example.com", "--environment", "simulated", "--secret-stdin", "--enable"]
    done = subprocess.run(
        [VENV / "bin" / "empire", "connect", broker, *SERVERS[broker], *login],
        env={**os.environ, "EMPIRE_HOME": str(stack.paths.home)},
        cwd=PROJECT, input="correct horse battery\n", capture_output=True, text=True, check=False, timeout=180,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout.splitlines()[1].split("(")[1].split(")")[0]


async def set_limits(url: str, number: str, rules: dict[str, Any]) -> None:
    """Counts and these rules, for the broker: beside a pack, which is the account's."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            "insert into public.risk_settings (user_id, broker, rules, max_trades_per_day, max_concurrent_positions)"
            " select user_id, broker, $2, $3, $4 from public.broker_accounts where account_id = $1",
            number, json.dumps(rules), *LIMITS.values(),
        )  # fmt: skip
    finally:
        await connection.close()


@pytest.mark.parametrize("broker", sorted(SERVERS))
def test_limits_fire_at_the_broker(installation: InstalledStack, broker: str) -> None:
    """`empire drill` at the broker's simulator, with a firm's whole pack: each limit is denied, and what is lost is
    flattened and locked.
    """
    number = connected(installation, broker)
    rules = SPREAD if broker in PACKS else RULES | SPREAD
    if broker in PACKS:
        told = installation.empire("risk", number, *PACKS[broker])
        assert told.returncode == 0, told.stderr + told.stdout
    asyncio.run(set_limits(installation.status()["urls"]["database"], number, rules))
    drilled = installation.empire("drill", number, "--json", timeout_s=400)
    results = {each["rule"]: each for each in json.loads(drilled.stdout)["results"]}
    failed = {rule: each["told"] for rule, each in results.items() if not each["passed"]}
    assert (failed, drilled.returncode) == ({}, 0)
    assert set(results) == {*LIMITS, *SPREAD, *OF_PACKS.get(broker, RULES)}
    # A netting account makes one position of all, and this broker states no bid and ask: what counts positions and what
    # looks at the spread are shown in a book of our own.
    elsewhere = {"max_concurrent_positions", "spread"} if broker == "topstepx" else set()
    own = {rule for rule, each in results.items() if each["numbers"]["place"] != "the broker's simulator"}
    assert own == elsewhere
