"""The simulated MetaApi, asked as any HTTP client would ask it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from local.venues.metatrader.desk import KINDS
from shared import codec
from tests.conformance.harness import PATIENCE_S
from tests.conformance.simulators import Operator, running_simulator

D = Decimal
HEDGING, NETTING, MT4, RENAMED = range(4)


@pytest.fixture(scope="module")
def operator() -> Iterator[Operator]:
    """A simulator with its credits in force, an account of every kind for each token."""
    with running_simulator("metatrader", "--accounts", str(len(KINDS))) as running:
        yield running


class Client:
    """One account of a token of its own."""

    def __init__(self, operator: Operator, number: int) -> None:
        headers = {"auth-token": uuid.uuid4().hex}
        self.http = httpx.Client(
            base_url=operator.url + "/users/current", headers=headers, trust_env=False, timeout=PATIENCE_S
        )
        self.entry = self.http.get("/accounts").json()[number]
        self.own = f"/accounts/{self.entry['_id']}"

    def get(self, path: str) -> Any:
        """A read, numbers exact."""
        return codec.decode(self.http.get(self.own + path).content)

    def trade(self, action: str, **fields: object) -> Any:
        """A trade's result."""
        return codec.decode(
            self.http.post(self.own + "/trade", json={"actionType": action, **fields}).content
        )

    def lately(self, what: str) -> Any:
        """Rows of a history of the last minute."""
        now = datetime.now(UTC)
        spans = [(now + timedelta(minutes=each)).isoformat().replace("+00:00", "Z") for each in (-1, 1)]
        return self.get(f"/{what}/time/" + "/".join(each.replace(":", "%3A") for each in spans))


@pytest.fixture
def client(operator: Operator) -> Iterator[type[Client] | Any]:
    """Makes clients; afterwards everything works again."""
    yield lambda number: Client(operator, number)
    operator.clear()


def test_a_token_has_accounts(client: Any) -> None:
    """An account of every kind, deployed and connected; a token of less than 8 characters is none."""
    found = client(HEDGING).http.get("/accounts", headers={"api-version": "2"}).json()
    assert [each["version"] for each in found["items"]] == [kind.version for kind in KINDS]
    assert {(each["state"], each["connectionStatus"]) for each in found["items"]} == {
        ("DEPLOYED", "CONNECTED")
    }
    refused = client(HEDGING).http.get("/accounts", headers={"auth-token": "short"})
    assert (refused.status_code, refused.json()["error"]) == (401, "UnauthorizedError")


def test_an_account_that_is_not_deployed_answers_504(client: Any) -> None:
    """And answers again when it is."""
    mine = client(HEDGING)
    assert mine.http.post(mine.own + "/undeploy").status_code == 204
    assert mine.http.get(mine.own + "/positions").status_code == 504
    mine.http.post(mine.own + "/deploy")
    assert mine.get("/positions") == []


def test_a_position_is_called_by_its_order(client: Any) -> None:
    """Stop and target are the position's own; no orders show."""
    mine = client(HEDGING)
    done = mine.trade("ORDER_TYPE_BUY", symbol="EURUSD", volume=0.3, stopLoss=1.09, clientId="Ea_1_0")
    assert (done["numericCode"], done["orderId"]) == (10009, done["positionId"])
    [position] = mine.get("/positions")
    assert (position["id"], position["stopLoss"], position["clientId"]) == (
        done["orderId"],
        D("1.09"),
        "Ea_1_0",
    )
    assert mine.get("/orders") == []


def test_a_net_position_turns_around_in_one_deal(client: Any) -> None:
    """Its name stays, and the deal is in and out."""
    mine = client(NETTING)
    first = mine.trade("ORDER_TYPE_BUY", symbol="EURUSD.r", volume=0.3)
    mine.trade("ORDER_TYPE_SELL", symbol="EURUSD.r", volume=0.5)
    [position] = mine.get("/positions")
    assert (position["id"], position["type"]) == (first["positionId"], "POSITION_TYPE_SELL")
    assert position["volume"] == D("0.2")
    assert [(each["entryType"], each["volume"]) for each in mine.lately("history-deals")] == [
        ("DEAL_ENTRY_IN", D("0.3")),
        ("DEAL_ENTRY_INOUT", D("0.5")),
    ]


def test_what_is_left_on_mt4_has_a_new_ticket(client: Any) -> None:
    """And its comment names the old one; ours is gone."""
    mine = client(MT4)
    ticket = mine.trade("ORDER_TYPE_BUY", symbol="EURUSDm", volume=0.3, clientId="Ea_1_0")["positionId"]
    assert mine.trade("POSITION_PARTIAL", positionId=ticket, volume=0.1)["stringCode"] == "ERR_NO_ERROR"
    [rest] = mine.get("/positions")
    assert rest["id"] != ticket
    assert (rest["volume"], rest["comment"], rest.get("clientId")) == (D("0.2"), f"from #{ticket}", None)


def test_names_by_kind(client: Any) -> None:
    """Suffixes, and other words for one thing."""
    assert {"EURUSD.r", "XAUUSD.r", "BTCUSD.r", "US30.r", "USDJPY.r"} <= set(client(NETTING).get("/symbols"))
    assert {"GOLD", "#US30"} <= set(client(RENAMED).get("/symbols"))
    path = client(RENAMED).http.get(client(RENAMED).own + "/symbols/XAUUSD/specification")
    assert path.status_code == 404


def test_a_bad_request_names_its_fields(client: Any) -> None:
    """400 with every problem; a clientId has three parts and 26 characters at most."""
    bad = client(HEDGING).trade("ORDER_TYPE_BUY_LIMIT", symbol="EURUSD", clientId="no")
    assert [each["parameter"] for each in bad["details"]] == ["volume", "openPrice", "clientId"]
    long = client(HEDGING).trade("ORDER_TYPE_BUY", symbol="EURUSD", volume=1, clientId="a" * 23 + "_b_c")
    assert long["error"] == "ValidationError"


def test_credits_run_out(client: Any) -> None:
    """Too many reads: 429 that says when to come again; nothing is counted for it."""
    mine = client(HEDGING)
    answers = [mine.http.get(mine.own + "/symbols") for _ in range(6)]
    refused = next(each for each in answers if each.status_code == 429)
    again = datetime.fromisoformat(refused.json()["metadata"]["recommendedRetryTime"])
    assert timedelta() < again - datetime.now(UTC) < timedelta(seconds=61)


@pytest.mark.parametrize(("fault", "wrapped"), [("", {"synchronizing": True, "historyDeals": []})])
def test_a_history_that_is_not_complete_says_so(
    client: Any, operator: Operator, fault: str, wrapped: dict[str, Any]
) -> None:
    """In the envelope that some versions answer with."""
    operator.fault("incomplete_history", value=fault)
    assert client(HEDGING).lately("history-deals") == wrapped
    assert client(HEDGING).lately("history-deals") == []
