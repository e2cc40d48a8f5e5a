"""The public Python client of the ProjectX Gateway, unmodified from PyPI, drives our simulator.

It needs Python 3.12, ours may be older: it lives in an environment of its own, made once beside the project's by
whichever newer interpreter is at hand. Where there is none, this file holds one test instead, which says so.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.simulators import Operator, running_simulator

CLIENT = "project-x-py==4.4.1"
VERSIONS = ("3.12", "3.13", "3.14")
"""Interpreters that the client runs on."""

PROGRAM = textwrap.dedent(
    """
    import asyncio, json, logging, os, sys
    from project_x_py import ProjectX
    from project_x_py.config import load_default_config
    from project_x_py.event_bus import EventBus
    from project_x_py.order_manager import OrderManager

    logging.disable(logging.CRITICAL)

    async def refused(doing):
        try:
            answer = await doing
        except Exception as error:
            return str(error)
        return None if answer.success else answer.errorMessage

    async def main():
        said = {}
        async with ProjectX.from_env(config=load_default_config()) as client:
            await client.authenticate()
            account = client.account_info
            said["account"] = [account.name[:7], float(account.balance), account.canTrade, account.simulated]
            mnq = await client.get_instrument("MNQ")
            said["mnq"] = [mnq.symbolId, mnq.tickSize, mnq.tickValue, mnq.activeContract]
            said["found"] = sorted({each.symbolId for each in await client.search_instruments("ES")})
            said["bars"] = len(await client.get_bars("MNQ", days=1, interval=60))
            said["ping"] = await client.ping()
            said["renewed"] = await client.validate_session()
            orders = OrderManager(client, EventBus())
            bought = await orders.place_order(
                mnq.id, order_type=2, side=0, size=3, custom_tag="vendor-1",
                stop_loss_bracket={"ticks": -80, "type": 4}, take_profit_bracket={"ticks": 120, "type": 1},
            )
            [held] = await client.search_open_positions()
            said["held"] = [held.type, held.size, held.averagePrice]
            children = await orders.search_open_orders()
            said["children"] = sorted([each.customTag, each.type, each.stopPrice or each.limitPrice] for each in children)
            said["unsigned"] = await refused(orders.place_order(
                mnq.id, order_type=2, side=0, size=1, stop_loss_bracket={"ticks": 80, "type": 4}))
            said["again"] = await refused(orders.place_order(
                mnq.id, order_type=2, side=0, size=1, custom_tag="vendor-1"))
            said["closed"] = (await orders.close_position(mnq.id)).success
            said["flat"] = await client.search_open_positions()
            said["left"] = len(await orders.search_open_orders())
            said["swept"] = [await orders.cancel_order(each.id) for each in children]
            limit = await orders.place_limit_order(mnq.id, 0, 1, 24000.0)
            said["resting"] = [each.id for each in await orders.search_open_orders()] == [limit.orderId]
            said["moved"] = await orders.modify_order(limit.orderId, limit_price=24010.0)
            said["at"] = [each.limitPrice for each in await orders.search_open_orders()]
            waiting = await orders.place_order(
                mnq.id, order_type=1, side=0, size=1, limit_price=23990.0,
                stop_loss_bracket={"ticks": -40, "type": 4})
            found = await orders.query_orders(statuses=[1, 8])
            said["suspended"] = sorted(each.status for each in found)
            said["canceled"] = [await orders.cancel_order(each) for each in (limit.orderId, waiting.orderId)]
            said["open"] = len(await orders.query_orders(statuses=[1, 8]))
            trades = await client.search_trades()
            said["trades"] = sorted([each.side, each.size, each.profitAndLoss is None] for each in trades)
        print(json.dumps(said))

    asyncio.run(main())
    """
)


def _interpreter() -> str | None:
    """A Python that the client runs on: this one, one on the path, or one of pyenv's."""
    if f"{sys.version_info.major}.{sys.version_info.minor}" in VERSIONS:
        return sys.executable
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    beside = [str(each) for name in VERSIONS for each in sorted(kept.glob(f"{name}*/bin/python{name}"))]
    onpath = [found for name in VERSIONS if (found := shutil.which(f"python{name}"))]
    for each in (*beside, *onpath):
        # What pyenv puts on the path is there for every version and runs for the chosen ones only.
        if subprocess.run([each, "-c", ""], capture_output=True, check=False).returncode == 0:
            return each
    return None


INTERPRETER = _interpreter()

if INTERPRETER is None:

    def test_no_python_for_the_vendor_client() -> None:
        """On this machine is no Python of 3.12 and later: the vendor's client was not run against the simulator."""
        assert _interpreter() is None

else:

    @pytest.fixture(scope="module")
    def vendor_python() -> Path:
        """The interpreter of an environment that has the client, made when it is not there."""
        beside = Path(sys.prefix)
        home = beside if os.access(beside, os.W_OK) else Path(tempfile.gettempdir()) / f"empire-{os.getuid()}"
        kept = home / "vendor" / CLIENT
        if not (kept / "complete").exists():
            shutil.rmtree(kept, ignore_errors=True)
            kept.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run([str(INTERPRETER), "-m", "venv", str(kept)], check=True)
            pip = [
                str(kept / "bin" / "python"),
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ]
            subprocess.run([*pip, CLIENT], check=True, timeout=600)
            (kept / "complete").touch()
        return kept / "bin" / "python"

    @pytest.fixture(scope="module")
    def simulator() -> Iterator[Operator]:
        """A simulator with the gateway's rate limits in force."""
        with running_simulator("topstepx") as operator:
            yield operator

    @pytest.fixture(scope="module")
    def said(vendor_python: Path, simulator: Operator) -> dict[str, Any]:
        """What the client got to see on its way through the API."""
        environment = {
            **os.environ,
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
            "PROJECT_X_USERNAME": "vendor",
            "PROJECT_X_API_KEY": "correct horse battery",
            "PROJECTX_API_URL": f"{simulator.url}/api",
            "PROJECTX_REALTIME_URL": simulator.url,
            "PROJECTX_USER_HUB_URL": f"{simulator.url}/hubs/user",
            "PROJECTX_MARKET_HUB_URL": f"{simulator.url}/hubs/market",
        }
        done = subprocess.run(
            [str(vendor_python), "-W", "ignore", "-c", PROGRAM],
            capture_output=True, text=True, timeout=180, env=environment, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    def test_it_logs_in_and_reads_what_there_is(said: dict[str, Any]) -> None:
        """Login, account, contracts by a fuzzy search, bars, ping, and a renewed token."""
        assert said["account"] == ["PRAC-V2", 50_000, True, True]
        assert said["mnq"] == ["F.US.MNQ", 0.25, 0.5, True]
        assert said["found"] == ["F.US.EP", "F.US.MES"]
        assert said["bars"] > 20
        assert (said["ping"], said["renewed"]) == ("pong", True)

    def test_it_trades_with_brackets(said: dict[str, Any], simulator: Operator) -> None:
        """Signed ticks become a stop and a target of the entry's tag; a close leaves them, unsigned ones are refused."""
        assert said["held"] == [1, 3, 25_000.25]
        assert said["children"] == [["vendor-1-SL", 4, 24_980.25], ["vendor-1-TP", 1, 25_030.25]]
        assert "Invalid stop loss ticks (80)" in said["unsigned"]
        assert "custom tag already in use" in said["again"]
        assert (said["closed"], said["flat"], said["left"], said["swept"]) == (True, [], 2, [True, True])
        assert said["trades"] == [[0, 3, True], [1, 3, False]]
        assert [each["applied"] for each in simulator.log()][:3] == [True, False, False]

    def test_it_works_with_waiting_orders(said: dict[str, Any]) -> None:
        """A limit order rests, moves and goes; the child of a waiting entry is suspended, and goes with it."""
        assert (said["resting"], said["moved"], said["at"]) == (True, True, [24_010.0])
        assert said["suspended"] == [1, 1, 8]
        assert (said["canceled"], said["open"]) == ([True, True], 0)
