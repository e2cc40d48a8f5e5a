"""Security suite no. 14: a late worker, an old or foreign fencing token, and a reduce that is larger than what is open.

Through the functions as empire_worker may call them. With real processes, SIGSTOP past the lease and SIGCONT after
the next worker has ended everything: tests/integration/chaos/test_worker_accidents.py, for every action
(test_worker_stopped_past_its_lease_neither_sends_nor_records).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import product
from typing import Any

import asyncpg
import pytest

from tests.integration.engine.road import ENTRY, EXIT, Json, Road, Trader, fill, filled
from tests.integration.engine.watching import Watch
from tests.support.clusters import Database

LARGEST = 2**63 - 1


@pytest.fixture
async def road(database: Database) -> AsyncIterator[Road]:
    """Connected as superuser, worker and edge."""
    connected = await Road.on(database)
    yield connected
    await connected.close()


@pytest.fixture
async def trader(road: Road) -> Trader:
    """Long 1 EURUSD on a netting account."""
    holder = await road.trader()
    await road.trade(holder)
    return holder


Attempt = Callable[[Road, Json, int], Awaitable[Any]]


async def _open(road: Road, claimed: Json, token: int) -> Any:
    return (await road.open_one({**claimed, "token": token}))["verdict"] == "opened"


async def _begin(road: Road, claimed: Json, token: int) -> Any:
    command = await road.value(
        "select max(id) from engine.commands where delivery_id = $1", claimed["delivery"]["id"]
    )
    return (await road.begin(command, token))["go"]


async def _record(road: Road, claimed: Json, token: int) -> Any:
    command = await road.value(
        "select max(id) from engine.commands where delivery_id = $1", claimed["delivery"]["id"]
    )
    return await road.record({**claimed, "token": token}, [filled(command, 1, [fill("forged")])])


async def _defer(road: Road, claimed: Json, token: int) -> Any:
    one = {"delivery_id": claimed["delivery"]["id"], "token": token, "ms": 60_000, "trace": []}
    return await road.worker.fetchval(
        "select engine.defer($1)", [{**one, "reason": "no_quote", "numbers": {}}]
    )


async def _release(road: Road, claimed: Json, token: int) -> Any:
    one = {"delivery_id": claimed["delivery"]["id"], "token": token}
    return await road.worker.fetchval("select engine.release($1)", [one])


async def _bury(road: Road, claimed: Json, token: int) -> Any:
    delivery = claimed["delivery"]["id"]
    return await road.worker.fetchval("select engine.dead_letter($1, $2, 'e', $3)", delivery, token, [])


async def _beat(road: Road, _claimed: Json, token: int) -> Any:
    answer: Json = await road.worker.fetchval("select engine.heartbeat('w1', $1, 3600000)", [token])
    return answer["alive"]


async def _credential(road: Road, claimed: Json, token: int) -> Any:
    connection = claimed["account"]["connection_id"]
    answer = await road.worker.fetchval("select engine.open_credential($1, 'w3', $2)", connection, [token])
    return answer != {"refusal": "no_lease"}


async def _connect(road: Road, claimed: Json, token: int) -> Any:
    connection = claimed["account"]["connection_id"]
    result = {"outcome": "failed", "error": "forged"}
    return await road.worker.fetchval(
        "select engine.record_connection($1, $2, $3)", connection, token, result
    )


ATTEMPTS: dict[str, Attempt] = {
    "open_credential": _credential,
    "record_connection": _connect,
    "open_orders": _open,
    "begin_send": _begin,
    "record_executions": _record,
    "defer": _defer,
    "release": _release,
    "dead_letter": _bury,
    "heartbeat": _beat,
}


DRILLS: dict[str, str] = {
    "open_twin": "select engine.open_twin($1, $2, '{}')",
    "twin_accounts": "select engine.twin_accounts($1, $2, $3)",
    "arm_twin": "select engine.arm_twin($1, $2, $3, '{}')",
    "twin_price": "select engine.twin_price($1, $2, $3, 'EURUSD', 1)",
    "twin_intent": "select engine.twin_intent($1, $2, $3, '{}', null)",
    "twin_seen": "select engine.twin_seen($1, $2, $3, null)",
    "record_drill": "select engine.record_drill($1, $2, '{}')",
    "finish_drill": "select engine.finish_drill($1, $2, null)",
}
"""A drill's lease: (run, token, account)."""
READS = {"record_marks", "reconcile", "books", "hold_streams", "keep_guards", "keep_naked"}
"""The lease of an account's reader and of a login's listener: tests/integration/engine/test_risk_watch.py,
test_books.py and test_streams.py; guards and naked positions see below."""


async def everything(road: Road) -> list[Any]:
    """Every row that a worker can change, as text; only the times at which workers were seen are left out."""
    tables = await road.column(
        "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname in ('public', 'engine')"
        " and tablename <> 'workers' order by 1"
    )
    return [await road.column(f"select t::text from {table} t order by 1") for table in tables]


async def test_every_function_that_wants_a_token_is_tried(road: Road) -> None:
    """Whatever empire_worker may call and shows a token to; the claims are what gives them out."""
    wanting = await road.column(
        "select p.proname from pg_proc p join pg_namespace n on n.oid = p.pronamespace"
        " where n.nspname = 'engine' and has_function_privilege('empire_worker', p.oid, 'execute')"
        " and p.proname !~ '^(claim|watched_accounts$)' and p.prosrc ~ '(\\mp_tokens?\\M|''token''|engine\\.held\\()'"
    )
    assert set(wanting) == ATTEMPTS.keys() | DRILLS.keys() | READS


async def test_a_wrong_token_runs_no_drill(road: Road, trader: Trader) -> None:
    """Of a drill that another worker runs: refused or answered with nothing, and not one row is different."""
    run = await road.value(
        "insert into public.drill_runs (user_id, account_id, status, token, lease_until)"
        " select a.user_id, a.id, 'running', 77, now() + interval '1 hour' from public.broker_accounts a"
        " where a.id = $1 returning id",
        trader.account,
    )
    before = await everything(road)
    for (name, statement), token in product(DRILLS.items(), (76, 0, -1, LARGEST)):
        arguments = [run, token, trader.account][: 3 if "$3" in statement else 2]
        try:
            answer = await road.worker.fetchval(statement, *arguments)
        except asyncpg.InsufficientPrivilegeError:
            answer = None
        assert not answer, (name, token)
        assert await everything(road) == before, (name, token)


async def test_a_wrong_token_moves_no_stop(road: Road, trader: Trader) -> None:
    """What a guard remembers and asks for is taken from the account's reader only."""
    claimed = await (await Watch.of(road, trader.account)).due()
    guard = await road.value(
        "insert into engine.guards (command_id, user_id, account_id, side, symbol, root, time_exit_s)"
        " select max(k.id), a.user_id, a.id, 'buy', 'EURUSD', 'x', 60 from public.broker_accounts a"
        " join engine.commands k on k.account_id = a.id where a.id = $1 group by a.id returning id",
        trader.account,
    )
    intent = {"broker": "tradelocker", "action": "close", "symbol": "EURUSD"}
    said = {"id": guard, "version": 1, "failures": 0, "blind": False, "is_secured": False}
    said |= {"act": {"kind": "close", "intent": intent, "told": "time is up."}}

    async def keep(token: int) -> Any:
        result = {"account": trader.account, "token": token, "guards": [said]}
        return await road.worker.fetchval("select engine.keep_guards($1)", [result])

    before = await everything(road)
    for token in (claimed["token"] - 1, 0, -1, LARGEST):
        assert await keep(token) == 0, token
        assert await everything(road) == before, token
    assert await keep(claimed["token"]) == 1
    assert await keep(claimed["token"]) == 0, "asked again it asks for nothing a second time"


async def test_a_wrong_token_closes_nothing(road: Road, trader: Trader) -> None:
    """Nothing is noted, asked for or told of a naked position but by the account's reader."""
    claimed = await (await Watch.of(road, trader.account)).due()
    naked = await road.value(
        "insert into engine.naked (user_id, account_id, position_id, opened_at, side, symbol, root, since)"
        " select user_id, account_id, 'other', opened_at, side, symbol, root, now() from public.positions returning id"
    )
    await road.limit(trader, stop_required="true")
    intent = {"broker": "tradelocker", "action": "close", "symbol": "EURUSD"}
    said = {"id": naked, "version": 1, "failures": 0, "alarm": "bare", "ended": None}
    said |= {"act": {"kind": "close", "intent": intent, "told": "it is closed."}}
    bare = {"position_id": "p1", "side": "buy"}

    async def keep(token: int) -> Any:
        result = {
            "account": trader.account,
            "token": token,
            "at": claimed["now"],
            "bare": [bare],
            "spells": [said],
        }
        return await road.worker.fetchval("select engine.keep_naked($1)", [result])

    before = await everything(road)
    for token in (claimed["token"] - 1, 0, -1, LARGEST):
        assert await keep(token) == [], token
        assert await everything(road) == before, token
    await keep(claimed["token"])
    assert await everything(road) != before


async def test_a_wrong_token_changes_nothing(road: Road) -> None:
    """A lease that was lost, the live one of somebody else's delivery, guesses: not one row is different."""
    await road.accept(await road.trader())
    (late,) = await road.claim()
    await road.open_one(late, begin=False)
    await road.lose_leases()
    assert (await road.rescue())["rearmed"] == 1
    (again,) = await road.claim(worker="w2")
    await road.accept(await road.trader())
    (other,) = await road.claim(worker="w3")
    assert late["token"] < again["token"] < other["token"]
    tokens = {
        "old": late["token"],
        "of another delivery": other["token"],
        "zero": 0,
        "negative": -1,
        "largest": LARGEST,
    }
    before = await everything(road)
    for (name, attempt), (held, token) in product(ATTEMPTS.items(), tokens.items()):
        assert not await attempt(road, again, token), (name, held)
        assert await everything(road) == before, (name, held)
    # And the holder of the lease still does all of it.
    (command,) = again["commands"]
    assert (await road.begin(command["id"], again["token"]))["go"] is True
    assert await road.record(again, [filled(command["id"], 1, [fill("f1")])])
    assert await road.column("select venue_fill_id from public.fills") == ["f1"]
    assert await road.broken() == {}


async def test_a_late_worker_finds_its_order_settled(road: Road) -> None:
    """It had its go, slept past its lease, and reports afterwards: the settler's word stands, nothing is booked twice."""
    await road.accept(await road.trader())
    (late,) = await road.claim()
    command = (await road.open_one(late))["commands"][0]["id"]
    await road.lose_leases()
    assert (await road.rescue())["unsettled"] == 1
    (asked,) = await road.unsettled()
    assert await road.settle(asked, "found", filled(command, 1, [fill("f1")]))
    before = await everything(road)
    assert not await road.record(late, [filled(command, 1, [fill("f1"), fill("f2")])])
    assert not (await road.begin(command, late["token"]))["go"]
    assert not await road.settle(asked, "absent")
    assert await everything(road) == before
    assert await road.column("select qty from public.positions") == [1]


async def test_a_late_settler_has_no_say(road: Road) -> None:
    """Two ask about one command; the one that asked last decides, the earlier one's answer is ignored."""
    await road.accept(await road.trader())
    (late,) = await road.claim()
    command = (await road.open_one(late))["commands"][0]["id"]
    await road.lose_leases()
    await road.rescue()
    (first,) = await road.unsettled()
    (second,) = await road.unsettled()
    assert first["checker"] != second["checker"]
    assert not await road.settle(first, "found", filled(command, 1, [fill("wrong")]))
    assert await road.settle(second, "found", filled(command, 1, [fill("right")]))
    assert await road.column("select venue_fill_id from public.fills") == ["right"]


OVERSIZED = [
    {**EXIT, "qty": 1.01},
    {**EXIT, "qty": 1_000_000},
    {**EXIT, "qty": 0.01, "side": "buy"},
    {**EXIT, "kind": "close", "qty": 1.01},
    {**EXIT, "kind": "close", "qty": 1.01, "venue_position_id": "p1"},
    {**EXIT, "qty": 0.5, "root": "XAUUSD", "symbol": "XAUUSD"},
]


async def test_what_is_larger_than_the_position_is_no_exit(road: Road, trader: Trader) -> None:
    """However a leg is named, it may close what is open and not one step more; nothing is written for it."""
    written = await road.value("select count(*) from public.orders")
    for action in ("reduce", "close"):
        await road.accept(trader, action=action)
        (claimed,) = await road.claim()
        for leg in OVERSIZED:
            answer = await road.open_one(claimed, leg)
            assert (answer["verdict"], answer["reason"]) == ("denied", "reduce_too_large"), leg
        await road.deny(claimed)
    assert await road.value("select count(*) from public.orders") == written
    assert await road.value("select count(*) from engine.commands") == written


async def test_an_exit_in_name_only_meets_the_limits_of_an_entry(road: Road, trader: Trader) -> None:
    """A reduce whose leg is an order that can open is an entry: the kill switch refuses it and lets a true exit pass."""
    await road.accept(trader, action="reduce")
    (claimed,) = await road.claim()
    await road.admin.execute("update public.profiles set trading_halted = true")
    answer = await road.open_one(claimed, {**ENTRY, "side": "sell", "qty": 1})
    assert (answer["verdict"], answer["reason"]) == ("denied", "kill_switch")
    assert (await road.open_one(claimed, EXIT))["verdict"] == "opened"
