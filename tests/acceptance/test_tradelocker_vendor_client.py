"""TradeLocker's own Python client, unmodified from PyPI, drives our simulator: so our wire format is theirs.

The client pins exact versions of common packages (PyJWT, requests, python-dotenv) that ours do not agree with, so it
lives in an environment of its own, made once beside the project's, and is driven as a program.
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

CLIENT = "tradelocker==0.56.2"
PACKAGES = (CLIENT, "pandas>=2.1.2,<4")
"""pandas 4 will refuse what the client does with columns of text."""

PROGRAM = textwrap.dedent(
    """
    import json, sys
    from tradelocker import TLAPI
    from tradelocker.exceptions import TLAPIOrderException

    def refused(do):
        try:
            do()
        except TLAPIOrderException as error:
            return str(error)
        return None

    said = {}
    api = TLAPI(environment=sys.argv[1], username="vendor@example.com", password="correct horse", server="SIM",
                log_level="critical")
    said["config"] = list(api.get_config())
    eurusd = api.get_instrument_id_from_symbol_name("EURUSD")
    said["eurusd"] = [eurusd, api.get_instrument_id_from_symbol_id(315)]
    said["details"] = api.get_instrument_details(eurusd)["lotSize"]
    said["ask"] = float(api.get_latest_asking_price(eurusd))
    order = api.create_order(eurusd, 0.05, "buy", type_="market", stop_loss=1.09, stop_loss_type="absolute",
                             take_profit=1.12, take_profit_type="absolute", strategy_id="vendor-1")
    position = api.get_position_id_from_order_id(order)
    held = api.get_all_positions().set_index("id").loc[position]
    said["held"] = [float(held["qty"]), held["strategyId"], int(held["stopLossId"]) > 0]
    said["brackets"] = sorted(api.get_all_orders()["type"])
    said["moved"] = api.modify_position(position, {"stopLoss": 1.08})
    said["part"] = api.close_position(position_id=position, close_quantity=0.02)
    said["left"] = float(api.get_all_positions().set_index("id").loc[position]["qty"])
    said["closed"] = api.close_position(position_id=position)
    said["positions"] = len(api.get_all_positions())
    history = api.get_all_orders(history=True)
    said["history"] = sorted(history[history["positionId"] == position]["status"])
    said["executions"] = len(api.get_all_executions())
    limit = api.create_order(eurusd, 0.01, "buy", type_="limit", price=1.0, validity="GTC")
    said["resting"] = int(limit) in set(api.get_all_orders()["id"])
    said["changed"] = api.modify_order(limit, {"price": "1.01", "qty": "0.02"})
    said["canceled"] = [api.delete_order(limit), api.delete_order(limit)]
    said["step"] = refused(lambda: api.create_order(eurusd, 0.123, "buy", type_="market"))
    said["state"] = api.get_account_state()["balance"] > 0
    bars = api.get_price_history(eurusd, resolution="1D", start_timestamp=1700000000000, end_timestamp=1702000000000)
    said["bars"] = len(bars)
    tokens = api.get_access_token(), api.get_refresh_token()
    api.refresh_access_tokens()
    said["rotated"] = [api.get_access_token() != tokens[0], api.get_refresh_token() != tokens[1]]
    print(json.dumps(said))
    """
)


@pytest.fixture(scope="session")
def vendor_python() -> Path:
    """The interpreter of an environment that has the client, made when it is not there."""
    beside = Path(sys.prefix)
    home = beside if os.access(beside, os.W_OK) else Path(tempfile.gettempdir()) / f"empire-{os.getuid()}"
    kept = home / "vendor" / CLIENT
    if not (kept / "complete").exists():
        shutil.rmtree(kept, ignore_errors=True)
        kept.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", str(kept)], check=True)
        pip = [str(kept / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *PACKAGES], check=True, timeout=600)
        (kept / "complete").touch()
    return kept / "bin" / "python"


@pytest.fixture(scope="module")
def simulator() -> Iterator[Operator]:
    """A simulator with the broker's rate limits in force."""
    with running_simulator("tradelocker") as operator:
        yield operator


@pytest.fixture(scope="module")
def said(vendor_python: Path, simulator: Operator) -> dict[str, Any]:
    """What the client got to see on its way through the API."""
    environment = {**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    done = subprocess.run(
        [str(vendor_python), "-W", "ignore", "-c", PROGRAM, simulator.url],
        capture_output=True, text=True, timeout=180, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_it_logs_in_and_reads_what_there_is(said: dict[str, Any]) -> None:
    """Login, configuration in the order of the real server, instruments, details and prices."""
    assert said["config"] == [
        "customerAccess", "positionsConfig", "ordersConfig", "ordersHistoryConfig", "filledOrdersConfig",
        "accountDetailsConfig", "rateLimits", "limits",
    ]  # fmt: skip
    assert said["eurusd"] == [278, 278]
    assert (said["details"], said["ask"], said["state"]) == (100_000, 1.09506, True)


def test_it_trades(said: dict[str, Any], simulator: Operator) -> None:
    """A market order with bracket, a moved stop, a partial and a full close: as the book has it."""
    assert said["held"] == [0.05, "vendor-1", True]
    assert said["brackets"] == ["limit", "stop"]
    assert (said["moved"], said["part"], said["left"]) == (True, True, 0.03)
    assert (said["closed"], said["positions"]) == (True, 0)
    assert said["history"] == ["Cancelled", "Cancelled", "Filled", "Filled", "Filled"]
    assert said["executions"] == 3
    assert [each["tag"] for each in simulator.log() if each["tag"]] == ["vendor-1"]


def test_it_works_with_waiting_orders(said: dict[str, Any]) -> None:
    """A limit order rests, is changed and canceled; a second cancel and a wrong quantity are refused at 200."""
    assert (said["resting"], said["changed"], said["canceled"]) == (True, True, [True, False])
    assert "lot step" in said["step"]


def test_it_reads_history_and_refreshes(said: dict[str, Any]) -> None:
    """Bars of days, and both tokens new after a refresh."""
    assert said["bars"] == 24
    assert said["rotated"] == [True, True]
