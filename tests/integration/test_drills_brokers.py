"""Drills of simulated accounts: the twin is at the trader's own broker, behind the adapter that trades his account."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator

import asyncpg
import pytest

from local.paths import PROJECT, VENV
from tests.support.installations import InstalledStack, installed_stack

SERVERS = {"tradelocker": ["--server", "SIM"], "metatrader": ["--server", "SIM"], "topstepx": []}
LIMITS = {"max_trades_per_day": 3, "max_concurrent_positions": 1}
RULES = {
    "daily_loss": {"limit": 1000, "unit": "usd"},
    "hours": {"calendar": "forex"},
    "max_qty": {"per_account": 2},
}


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
        cwd=PROJECT, input="correct horse battery\n", capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout.splitlines()[1].split("(")[1].split(")")[0]


async def set_limits(url: str, number: str) -> None:
    """Money, a count, a size and a time."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            "insert into public.risk_settings (user_id, account_id, rules, max_trades_per_day,"
            " max_concurrent_positions) select user_id, id, $2, $3, $4 from public.broker_accounts where account_id = $1",
            number, json.dumps(RULES), *LIMITS.values(),
        )  # fmt: skip
    finally:
        await connection.close()


@pytest.mark.parametrize("broker", sorted(SERVERS))
def test_limits_fire_at_the_broker(installation: InstalledStack, broker: str) -> None:
    """`empire drill` at the broker's simulator: each limit is denied, and what is lost is flattened and locked."""
    number = connected(installation, broker)
    asyncio.run(set_limits(installation.status()["urls"]["database"], number))
    drilled = installation.empire("drill", number, "--json", timeout_s=200)
    results = {each["rule"]: each for each in json.loads(drilled.stdout)["results"]}
    failed = {rule: each["told"] for rule, each in results.items() if not each["passed"]}
    assert (failed, drilled.returncode) == ({}, 0)
    assert set(results) == {*LIMITS, *RULES}
    # A netting account makes one position of all: what counts them is shown in a book of our own.
    elsewhere = {"max_concurrent_positions"} if broker == "topstepx" else set()
    own = {rule for rule, each in results.items() if each["numbers"]["place"] != "the broker's simulator"}
    assert own == elsewhere
