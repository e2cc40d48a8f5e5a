"""Security suite no. 9, the brokers' side: passwords, API keys, sessions and private keys are kept nowhere.

Three brokers are connected and one is refused, an order is lost and settled by asking, sessions end and are renewed.
Afterwards every log, every row and a dump are searched, as in test_planted_secrets.py.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from local.console import events
from local.console.connecting import Place
from local.demo.people import endpoint_url
from local.keys.files import KeyFiles
from shared import codec
from shared.crypto.fleet_keys import Keyring
from shared.crypto.sealing import SessionBinding, unseal
from tests.conformance.simulators import Operator, running_simulator
from tests.security.planting import columns_with, dump_with, files_with
from tests.support.clusters import PATIENCE_S
from tests.support.connections import SIM, Customer, customer, fleet_worker, key_folder, publish
from tests.support.stacks import RunningStack

SECRETS = {
    "tradelocker": "planted-password-of-a-login",
    "topstepx": "planted-api-key-of-projectx",
    "metatrader": "planted-token-of-metaapi",
}
PLACES = {
    "tradelocker": SIM,
    "topstepx": Place("topstepx", "simulated"),
    "metatrader": Place("metatrader", "simulated", "SIM"),
}
REFUSED = "zq9x7k2"
"""Seven characters: the simulator wants eight, so this login is refused."""
INTENT = {"action": "open", "side": "buy", "symbol": "OANDA:EURUSD", "qty_mode": "lots", "qty": 0.1}


@dataclass(frozen=True)
class Scene:
    """What is left when the workers have ended: the stack, every log, and what must not be found."""

    stack: RunningStack
    logs: list[Path]
    words: dict[str, str]


@pytest.fixture
def files() -> Iterator[KeyFiles]:
    """The keys of a fleet."""
    with key_folder() as made:
        yield made


async def trade(trader: Customer, connection: str, venue: Operator) -> None:
    """An order whose answer is lost, and a close after every session of the broker has ended."""
    account = (await trader.accounts(connection))[0]
    await trader.call("enable_account", p_account_id=account["id"])
    endpoint = await trader.call(
        "create_endpoint", p_broker="tradelocker", p_name="TL", p_account_ids=[account["id"]]
    )
    url = await endpoint_url(trader.login, trader.client, endpoint)
    for intent in (INTENT, {"action": "close", "symbol": "OANDA:EURUSD"}):
        if intent is INTENT:
            venue.fault("drop_after_accept", operation="execute")
        else:
            venue.revoke()
        body = {"version": "unify.v1", "id": uuid.uuid4().hex, "intent": intent}
        async with httpx.AsyncClient(timeout=PATIENCE_S) as http:
            answer = await http.post(url, json=body)
        road = await events.wait_finished(trader.client, answer.json()["event_id"], PATIENCE_S)
        assert [each["outcome"] for each in road.deliveries] == ["executed"], road.deliveries


def kept_secrets(stack: RunningStack, files: KeyFiles) -> dict[str, str]:
    """The sessions' tokens, opened as a worker opens them, and the private halves of the keys."""
    ring = Keyring.load(files.fleet)
    words = {"root key": files.root.read_text().strip()}
    words |= {f"fleet key {name}": value for name, value in _strings(json.loads(files.fleet.read_text()))}
    rows = stack.database.sql(
        "select connection_id, version, key_id, encode(sealed, 'hex') from engine.sessions"
    )
    for line in rows.splitlines():
        connection, version, key_id, sealed = line.split("|")
        info = SessionBinding(connection, int(version), key_id).info()
        tokens = codec.decode(unseal(bytes.fromhex(sealed), info, ring.key(key_id)))
        words |= {f"{name} token {connection}": token for name, token in tokens.items() if token}
    return words


def _strings(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _strings(inner, f"{name}.{key}")
    elif isinstance(value, str) and len(value) >= 40:
        yield name, value


@pytest.fixture
async def scene(stack: RunningStack, files: KeyFiles, tmp_path: Path) -> Scene:
    """Everything has happened."""
    await publish(stack.database, files)
    output = tmp_path / "worker.log"
    with ExitStack() as running:
        venues = {broker: running.enter_context(running_simulator(broker)) for broker in SECRETS}
        addresses = {broker: venue.url for broker, venue in venues.items()}
        async with customer(stack, files) as trader, customer(stack, files) as careless:
            with fleet_worker(stack.database, files, addresses) as worker:
                connections = {
                    broker: await trader.connect(PLACES[broker], secret, f"{broker}-trader")
                    for broker, secret in SECRETS.items()
                }
                refused = await careless.connect(secret=REFUSED)
                assert (await careless.checked(refused))["status"] == "failed"
                for connection in connections.values():
                    row = await trader.checked(connection)
                    assert row["status"] == "connected", row
                await trade(trader, connections["tradelocker"], venues["tradelocker"])
            output.write_text(worker.output)
    words = {f"{broker} secret": word for broker, word in SECRETS.items()} | {"refused password": REFUSED}
    return Scene(stack, [output, *stack.boot.paths.logs.iterdir()], words | kept_secrets(stack, files))


async def test_a_brokers_secrets_are_in_no_log_row_or_backup(scene: Scene) -> None:
    """Only sealed bytes are there: of credentials, of sessions, and nothing of the keys that open them."""
    tokens = [name for name in scene.words if " token " in name]
    assert len(tokens) >= 3, scene.words.keys()
    assert [name for name in scene.words if name.startswith("fleet key")]
    assert scene.stack.database.sql("select count(*) from public.credential_seals") == "4"
    assert files_with(scene.logs, scene.words) == set()
    assert columns_with(scene.stack.database, scene.words) == set()
    assert dump_with(scene.stack.database, scene.words) == set()
