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
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared import codec
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
    from project_x_py.realtime import ProjectXRealtimeClient

    logging.disable(logging.CRITICAL)

    async def refused(doing):
        try:
            answer = await doing
        except Exception as error:
            return str(error)
        return None if answer.success else answer.errorMessage

    async def live(client, orders, contract):
        # What both hubs tell while an order with a stop is placed and closed.
        heard = {"orders": [], "positions": [], "trades": [], "accounts": 0, "quotes": 0}
        flat, quoted = asyncio.Event(), asyncio.Event()

        def data(event):
            inner = event.get("data", event)
            return inner.get("data", inner) if isinstance(inner, dict) else inner

        async def order(event):
            row = data(event)
            heard["orders"].append([row["type"], row["status"]])

        async def position(event):
            row = data(event)
            heard["positions"].append([row["type"], row["size"]])
            if not row["size"]:
                flat.set()

        async def trade(event):
            heard["trades"].append(data(event)["size"])

        async def account(event):
            heard["accounts"] += 1

        async def quote(event):
            heard["quotes"] += 1
            quoted.set()

        hubs = ProjectXRealtimeClient(client.session_token, str(client.account_info.id), config=load_default_config())
        listeners = {"order_update": order, "position_update": position, "trade_execution": trade,
                     "account_update": account, "quote_update": quote}
        for name, listener in listeners.items():
            await hubs.add_callback(name, listener)
        heard["connected"] = await hubs.connect()
        heard["subscribed"] = [await hubs.subscribe_user_updates(), await hubs.subscribe_market_data([contract])]
        await asyncio.wait_for(quoted.wait(), 60)
        await orders.place_order(contract, order_type=2, side=1, size=2, custom_tag="vendor-live",
                                 stop_loss_bracket={"ticks": 80, "type": 4})
        await orders.close_position(contract)
        await asyncio.wait_for(flat.wait(), 60)
        heard["quotes"] = heard["quotes"] > 0
        heard["accounts"] = heard["accounts"] > 0
        await hubs.disconnect()
        return heard

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
            said["live"] = await live(client, orders, mnq.id)
        print(json.dumps(said))

    asyncio.run(main())
    """
)


@contextmanager
def told(operator: Operator) -> Iterator[None]:
    """The market says the same price again and again: quotes for who listens, and nothing moves."""
    over = threading.Event()
    contract = codec.decode(httpx.get(f"{operator.url}/_sim/contracts", trust_env=False).content)["MNQ"]

    def tell() -> None:
        while not over.wait(0.2):
            operator.price(contract, Decimal("25000.00"), Decimal("25000.25"))

    teller = threading.Thread(target=tell)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()


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
        with running_simulator("topstepx") as operator, told(operator):
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

    def test_it_hears_what_happens(said: dict[str, Any]) -> None:
        """Both hubs, negotiated: an order as it comes and goes, its sleeping stop, fills, the position and its end."""
        live = said["live"]
        assert (live["connected"], live["subscribed"]) == (True, [True, True])
        assert live["positions"] == [[2, 2], [0, 0]]
        assert live["trades"] == [2, 2]
        market, stop = 2, 4
        assert live["orders"][:4] == [[market, 6], [stop, 8], [market, 2], [stop, 1]]
        assert (live["quotes"], live["accounts"]) == (True, True)

    def test_it_works_with_waiting_orders(said: dict[str, Any]) -> None:
        """A limit order rests, moves and goes; the child of a waiting entry is suspended, and goes with it."""
        assert (said["resting"], said["moved"], said["at"]) == (True, True, [24_010.0])
        assert said["suspended"] == [1, 1, 8]
        assert (said["canceled"], said["open"]) == ([True, True], 0)
