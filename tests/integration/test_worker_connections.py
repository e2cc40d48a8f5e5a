"""From a login typed into a client to exactly one order at the broker: SDK, database, worker, simulated broker."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from decimal import Decimal as D
from typing import Any

import httpx
import pytest
from postgrest.exceptions import APIError

from local.console import events, session
from local.console.connecting import Place
from local.console.flatten import flatten_accounts
from local.demo.people import endpoint_url
from local.keys import fleet
from local.keys.files import KeyFiles
from local.ports import SCRATCH_BASE, reserve
from tests.conformance.simulators import Operator, running_simulator
from tests.support.clusters import PATIENCE_S
from tests.support.connections import (
    PASSWORD,
    SIM,
    USER,
    Customer,
    fleet_worker,
    key_folder,
)
from tests.support.stacks import RunningStack

INTENT = {"action": "open", "side": "buy", "symbol": "OANDA:EURUSD", "qty_mode": "lots", "qty": 0.1}


@pytest.fixture(scope="module")
def venue() -> Iterator[Operator]:
    """A simulated TradeLocker."""
    with running_simulator("tradelocker", "--no-limits") as running:
        yield running


async def send(trader: Customer, url: str, **intent: Any) -> events.Road:
    """The alert, posted twice as TradingView resends, and what became of it."""
    body = {"version": "unify.v1", "source": "tradingview", "id": uuid.uuid4().hex, "intent": intent}
    async with httpx.AsyncClient(timeout=PATIENCE_S) as http:
        answers = [await http.post(url, json=body) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202], answers[0].text
    assert [answer.json()["status"] for answer in answers] == ["accepted", "duplicate"]
    road = await events.wait_finished(trader.client, answers[0].json()["event_id"], PATIENCE_S)
    assert road.finished, road
    return road


async def test_a_login_becomes_accounts_and_an_alert_one_order(
    stack: RunningStack, trader: Customer, files: KeyFiles, venue: Operator
) -> None:
    """Sealed by the client, opened by the worker, verified by a login: accounts with currency, mode and balance;
    an alert is one order at the broker, a second worker goes on with the stored session, a close leaves it flat."""
    with fleet_worker(stack.database, files, {"tradelocker": venue.url}) as running:
        # A user of the simulator whom no other test of this module has.
        connection = await trader.connect(user="once@example.com")
        assert (await trader.checked(connection))["status"] == "connected"
        first, second = await trader.accounts(connection)
        assert (first["currency"], first["margin_mode"], first["trading_enabled"]) == (
            "USD",
            "hedging",
            False,
        )
        assert D(first["balance"]) > 0
        await trader.call("enable_account", p_account_id=first["id"])
        endpoint = await trader.call(
            "create_endpoint", p_broker="tradelocker", p_name="TL", p_account_ids=[first["id"]]
        )
        url = await endpoint_url(trader.login, trader.client, endpoint)
        opened = await send(trader, url, **INTENT)
        assert [each["outcome"] for each in opened.deliveries] == ["executed"], opened.deliveries
        shown = running.output
    with fleet_worker(stack.database, files, {"tradelocker": venue.url}) as running:
        closed = await send(trader, url, action="close", symbol="OANDA:EURUSD")
        assert [each["outcome"] for each in closed.deliveries] == ["executed"], closed.deliveries
        shown += running.output
    traded, untouched = (venue.state()[each["account_id"]] for each in (first, second))
    assert [each["role"] for each in traded["ended"]].count("entry") == 1
    assert (traded["working"], traded["positions"]) == ([], [])
    assert untouched["ended"] == []
    # The second worker needed no login of its own.
    assert stack.database.sql("select version from engine.sessions") == "1"
    assert PASSWORD not in shown
    assert PASSWORD not in stack.database.sql("select * from engine.sessions, public.credential_seals")


async def test_a_topstep_login_on_the_simulator(
    stack: RunningStack, trader: Customer, files: KeyFiles
) -> None:
    """A user name and an API key, no server: netting accounts in dollars; the front month of MNQ is bought once."""
    place = Place("topstepx", "simulated")
    with (
        running_simulator("topstepx") as projectx,
        fleet_worker(stack.database, files, {"topstepx": projectx.url}),
    ):
        connection = await trader.connect(place, "an-api-key-of-projectx", "trader")
        row = await trader.checked(connection)
        assert (row["status"], row["last_error"]) == ("connected", None)
        account = (await trader.accounts(connection))[0]
        assert (account["currency"], account["margin_mode"]) == ("USD", "netting")
        await trader.call("enable_account", p_account_id=account["id"])
        endpoint = await trader.call(
            "create_endpoint", p_broker="topstepx", p_name="TX", p_account_ids=[account["id"]]
        )
        url = await endpoint_url(trader.login, trader.client, endpoint)
        entry = {"action": "open", "side": "buy", "symbol": "MNQ1!", "qty_mode": "contracts", "qty": 1}
        opened = await send(trader, url, **entry, ref_price=20000)
        assert [each["outcome"] for each in opened.deliveries] == ["executed"], opened.deliveries
        closed = await send(trader, url, action="close", symbol="MNQ1!")
        assert [each["outcome"] for each in closed.deliveries] == ["executed"], closed.deliveries
        state = projectx.state()[account["account_id"]]
        # One more was sent to be refused: it shows whether the account takes stops with an entry.
        taken = [each["operation"] for each in projectx.log() if each["applied"]]
    assert state["positions"] == [], state
    assert taken == ["place", "close"]


@pytest.mark.parametrize(("number", "mode"), [(0, "hedging"), (1, "netting"), (2, "hedging")])
async def test_a_metatrader_login_on_the_simulator(
    stack: RunningStack, trader: Customer, files: KeyFiles, number: int, mode: str
) -> None:
    """A token and the broker's server: an entry with a stop, half of it closed, then the rest, each sent once; on
    MetaTrader 5 with hedging and netting, and on MetaTrader 4, where the rest has another ticket."""
    place = Place("metatrader", "simulated", "SIM")
    with (
        running_simulator("metatrader", "--accounts", "3") as bridge,
        fleet_worker(stack.database, files, {"metatrader": bridge.url}),
    ):
        connection = await trader.connect(place, "a-token-of-metaapi", "trader")
        row = await trader.checked(connection)
        assert (row["status"], row["last_error"]) == ("connected", None)
        account = (await trader.accounts(connection))[number]
        assert (account["currency"], account["margin_mode"]) == ("USD", mode)
        await trader.call("enable_account", p_account_id=account["id"])
        endpoint = await trader.call(
            "create_endpoint", p_broker="metatrader", p_name="MT", p_account_ids=[account["id"]]
        )
        url = await endpoint_url(trader.login, trader.client, endpoint)
        stop = {"mode": "pips", "value": 20}
        exits = ({"action": "reduce", "qty_mode": "lots", "qty": 0.1}, {"action": "close"})
        for intent in ({**INTENT, "qty": 0.2, "sl": stop}, *({**each, "symbol": "EURUSD"} for each in exits)):
            road = await send(trader, url, **intent)
            assert [each["outcome"] for each in road.deliveries] == ["executed"], road.deliveries
        state = bridge.state()[account["account_id"]]
        taken = [each["operation"] for each in bridge.log() if each["applied"]]
    assert (state["positions"], state["working"]) == ([], [])
    assert taken == ["place", "close", "close"]
    fills = stack.database.sql("select effect || ' ' || qty from public.fills order by id")
    assert fills.split() == ["open", "0.2", "close", "0.1", "close", "0.1"]
    assert stack.database.sql("select count(*) from engine.invariant_position_is_sum_of_fills") == "0"


async def test_a_refused_login_is_a_sentence_and_a_new_seal_another_try(
    stack: RunningStack, trader: Customer, files: KeyFiles, venue: Operator
) -> None:
    """The broker says no: failed, why, as whom and where, and no second try; the right password connects."""
    with fleet_worker(stack.database, files, {"tradelocker": venue.url}) as running:
        connection = await trader.connect(secret="short")
        row = await trader.checked(connection)
        assert (row["status"], row["last_error"]) == (
            "failed",
            f"Login refused: Invalid credentials. Tried as {USER} at SIM.",
        )
        assert stack.database.sql("select count(*) from engine.connection_checks") == "0"
        assert await trader.connect() == connection
        row = await trader.checked(connection)
        assert (row["status"], row["last_error"], row["seal_version"]) == ("connected", None, 2)
        assert "short" not in running.output


async def test_a_password_that_was_changed_elsewhere(
    stack: RunningStack, trader: Customer, files: KeyFiles, venue: Operator
) -> None:
    """The broker refuses a connected login when an alert comes: the alert is denied with its words, the
    connection turns to failed, and the next alert does not bring about another login; once a check has found it
    well again, whoever did it, alerts are executed."""
    with fleet_worker(stack.database, files, {"tradelocker": venue.url}):
        connection = await trader.connect()
        await trader.checked(connection)
    account = (await trader.accounts(connection))[0]
    await trader.call("enable_account", p_account_id=account["id"])
    endpoint = await trader.call(
        "create_endpoint", p_broker="tradelocker", p_name="TL", p_account_ids=[account["id"]]
    )
    url = await endpoint_url(trader.login, trader.client, endpoint)
    stack.database.sql("delete from engine.sessions")
    venue.fault("expired_token", operation="login", times=None)  # 401, as for a wrong password
    try:
        with fleet_worker(stack.database, files, {"tradelocker": venue.url}):
            for _ in range(2):
                denied = (await send(trader, url, **INTENT)).deliveries[0]
                assert (denied["outcome"], denied["reason"]) == ("denied", "account_disconnected")
                assert denied["numbers"]["why"].startswith("login refused")
            row = await trader.until(connection, status="failed", last_error="Login refused")
            assert row["seal_version"] == 1
            venue.clear()
            # Another worker checks it; the one that was refused notices by the next alert.
            with fleet_worker(stack.database, files, {"tradelocker": venue.url}):
                await trader.call("check_connection", p_connection_id=connection)
                await trader.until(connection, status="connected")
            assert (await send(trader, url, **INTENT)).deliveries[0]["outcome"] == "executed"
    finally:
        venue.clear()


async def test_a_broker_that_is_away_is_tried_again(
    stack: RunningStack, trader: Customer, files: KeyFiles
) -> None:
    """Nobody listens: the trader reads so and when it is tried again; once the broker is back it connects."""
    reservation = reserve(None, first=SCRATCH_BASE)
    port = reservation.ports.base
    with fleet_worker(stack.database, files, {"tradelocker": f"http://127.0.0.1:{port}"}):
        connection = await trader.connect()
        row = await trader.until(connection, status="new", last_error="The broker could not be asked (")
        again = re.search(r"Trying again in (\d+) s \(try (\d+)\)\.$", row["last_error"])
        assert again is not None, row
        assert int(again[1]) == 2 ** int(again[2])
        with running_simulator("tradelocker", "--port", str(port)):
            assert (await trader.checked(connection))["status"] == "connected"
    reservation.release()


async def test_a_disconnected_login_is_not_used_again(
    stack: RunningStack, trader: Customer, files: KeyFiles, venue: Operator
) -> None:
    """Disconnected: seal and session are gone, alerts are denied, nothing reaches the broker; the same login
    connected again is the same connection with the same accounts, which do not trade before they are enabled."""
    with fleet_worker(stack.database, files, {"tradelocker": venue.url}):
        connection = await trader.connect()
        await trader.checked(connection)
        account = (await trader.accounts(connection))[0]
        await trader.call("enable_account", p_account_id=account["id"])
        endpoint = await trader.call(
            "create_endpoint", p_broker="tradelocker", p_name="TL", p_account_ids=[account["id"]]
        )
        url = await endpoint_url(trader.login, trader.client, endpoint)
        assert (await send(trader, url, **INTENT)).deliveries[0]["outcome"] == "executed"
        before = len(venue.log())
        await trader.call("disconnect_broker", p_connection_id=connection)
        denied = (await send(trader, url, **INTENT)).deliveries[0]
        assert (denied["outcome"], denied["reason"]) == ("denied", "account_disconnected")
        assert len(venue.log()) == before
        left = (
            "select (select count(*) from public.credential_seals) + (select count(*) from engine.sessions)"
        )
        assert stack.database.sql(left) == "0"
        assert await trader.connect() == connection
        assert (await trader.checked(connection))["status"] == "connected"
        again = (await trader.accounts(connection))[0]
        assert (again["id"], again["trading_enabled"]) == (account["id"], False)


async def test_keys_are_rotated_without_a_restart(
    stack: RunningStack, trader: Customer, files: KeyFiles, venue: Operator
) -> None:
    """After a rotation clients seal to the new key, a running worker opens both, and the old key is kept while
    a credential in force needs it."""
    with fleet_worker(stack.database, files, {"tradelocker": venue.url}):
        first = await trader.connect()
        assert (await trader.checked(first))["status"] == "connected"
        database = await stack.database.connect("postgres")
        old = fleet.Keyring.load(files.fleet).current
        today = await database.fetchval("select current_date")
        new = await fleet.rotate(database, files, today)
        second = await trader.connect(user="second@example.com")
        assert (await trader.checked(second))["status"] == "connected"
        sealed_to = "select string_agg(key_id, ' ' order by id) from public.credential_seals"
        assert stack.database.sql(sealed_to) == f"{old} {new.key_id}"
        await trader.call("check_connection", p_connection_id=first)
        stack.database.sql("delete from engine.sessions")
        with pytest.raises(fleet.FleetKeyError, match="1 credentials in force"):
            await fleet.forget(database, files, old, even_if_needed=False)
        assert await trader.connect() == first
        assert (await trader.checked(first))["status"] == "connected"
        assert await fleet.forget(database, files, old, even_if_needed=False) == 0
        await database.close()


async def test_a_client_seals_to_no_key_that_the_root_has_not_signed(
    stack: RunningStack, trader: Customer
) -> None:
    """Whoever can write the table of keys puts his own there: the client refuses, and nothing is handed in."""
    with key_folder() as attacker:
        database = await stack.database.connect("postgres")
        await fleet.publish(database, fleet.signed(attacker, await database.fetchval("select current_date")))
        await database.close()
        with pytest.raises(fleet.FleetKeyError, match="not signed by this installation's root"):
            await trader.connect()
    assert stack.database.sql("select count(*) from public.credential_seals") == "0"


async def test_a_login_is_connected_once(trader: Customer) -> None:
    """Handed in a second time under another id it is refused with the way that is right."""
    await trader.connect()
    row = {"p_broker": "tradelocker", "p_environment": SIM.environment, "p_server": SIM.server}
    key = (await trader.client.table("fleet_keys").select("key_id").execute()).data[0]["key_id"]
    with pytest.raises(APIError) as caught:
        await trader.call(
            "connect_broker",
            **row,
            p_connection_id=str(uuid.uuid4()),
            p_login=USER,
            p_key_id=key,
            p_sealed="A" * 100,
        )
    assert caught.value.hint == "already_connected"


async def test_live_topstep_is_watch_only(stack: RunningStack, trader: Customer, files: KeyFiles) -> None:
    """A live login wants a second factor of now. No device of the trader is seen: an entry is denied, and a flatten
    says at once where to close, in the answer and in the log; nothing is kept for later."""
    live = Place("topstepx", "live")
    with pytest.raises(APIError) as caught:
        await trader.connect(live, "an-api-key-of-projectx", "trader")
    assert caught.value.hint == "second_factor_required"
    await trader.enroll()
    with pytest.raises(session.NotSignedIn, match="--code"):
        await session.sign_in(trader.login)
    connection = await trader.connect(live, "an-api-key-of-projectx", "trader")
    stack.database.sql(
        "insert into public.broker_accounts (connection_id, user_id, broker, account_id, label, venue_name, margin_mode)"
        f" values ('{connection}', '{trader.user_id}', 'topstepx', '77', 'Express', 'EXPRESS-V2-77', 'netting')"
    )
    (account,) = await trader.accounts(connection)
    await trader.call("enable_account", p_account_id=account["id"])
    endpoint = await trader.call(
        "create_endpoint", p_broker="topstepx", p_name="TX", p_account_ids=[account["id"]]
    )
    url = await endpoint_url(trader.login, trader.client, endpoint)
    with fleet_worker(stack.database, files, {"topstepx": "https://127.0.0.1:1"}, live=True):
        entry = {"action": "open", "side": "buy", "symbol": "MNQ1!", "qty_mode": "contracts", "qty": 1}
        denied = (await send(trader, url, **entry)).deliveries[0]
        assert (denied["outcome"], denied["reason"]) == ("denied", "executor_offline")
        lines, flat = await flatten_accounts(trader.client, "Express", PATIENCE_S)
    assert not flat
    assert lines == [
        "Express: not flattened. Cannot reach your device: close in TopstepX now. Start it; nothing is kept for later."
    ]
    logged = await session.rows(trader.client.table("logs").select("message").eq("type", "executor_offline"))
    assert [row["message"] for row in logged] == [
        "flatten of Express was not sent: cannot reach your device: close in TopstepX now."
    ]
