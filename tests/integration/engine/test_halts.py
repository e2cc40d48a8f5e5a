"""The kill switch of an account, a broker, a user and the whole system: what it stops, what it lets pass, who may throw it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.engine.road import EXIT, Json, Road, Trader, outcome
from tests.security.people import ADMIN_AT_AAL2, GUARDED, OWNER_STEPPED_UP, Actor, acting, refused, seed


async def throw(road: Road, actor: Actor, on: bool = True, flatten: bool = False, **scope: str) -> Json:
    """public.kill_switch as the actor; what it answered."""
    async with acting(road.database, actor, keep=True) as connection:
        text = await connection.fetchval(
            "select public.kill_switch($1, 'news', $2, $3)", on, json.dumps(scope), flatten
        )
    answer: Json = json.loads(text)
    return answer


def owner(trader: Trader) -> Actor:
    """The trader, signed in with a password."""
    return Actor("owner", trader.user)


async def verdicts(road: Road, trader: Trader) -> dict[str, str]:
    """What becomes of an entry, by account."""
    await road.accept(trader)
    claimed = await road.claim()
    answers = await road.open(claimed)
    by_id = {each["delivery"]["id"]: each["delivery"]["account_id"] for each in claimed}
    await end(road, claimed, answers)
    return {by_id[each["delivery_id"]]: each.get("reason", each["verdict"]) for each in answers}


async def end(road: Road, claimed: list[Json], answers: list[Json]) -> None:
    """What was denied is ended, what was opened the broker refuses: nothing is left."""
    for each, answer in zip(claimed, answers, strict=True):
        if answer["verdict"] == "denied":
            await road.record(each, outcome="denied", reason=answer["reason"])
        else:
            said = [outcome(command["id"], "rejected", "market_closed") for command in answer["commands"]]
            await road.record(each, said, outcome="rejected", reason="market_closed")


async def test_an_account_is_stopped_alone(road: Road) -> None:
    """What was claimed before is not sent, what comes after is denied; the trader's other account trades on."""
    trader = await road.trader(accounts=2)
    first, second = trader.accounts
    await road.accept(trader)
    claimed = await road.claim()
    answer = await throw(road, owner(trader), account_id=first)
    assert (answer["scope"], answer["accounts"], answer["events"]) == ("account", 1, [])
    answers = await road.open(claimed)
    assert sorted(each.get("reason", each["verdict"]) for each in answers) == ["halted", "opened"]
    await end(road, claimed, answers)
    assert await verdicts(road, trader) == {first: "kill_switch", second: "opened"}


async def test_the_worker_is_told(road: Road) -> None:
    """The context of a claimed delivery says that trading is halted, so that the trace does, too."""
    trader = await road.trader()
    await throw(road, owner(trader), broker="paper")
    await road.accept(trader)
    (claimed,) = await road.claim()
    assert claimed["trading_halted"] is True


async def test_a_broker_is_stopped_with_accounts_to_come(road: Road) -> None:
    """Every account at the broker, also one that is added while the switch is on; released, all trade again."""
    trader = await road.trader()
    elsewhere = await road.account(trader, broker="tradelocker")
    await throw(road, owner(trader), broker="paper")
    added = await road.account(trader)
    assert await verdicts(road, trader) == {
        trader.account: "kill_switch",
        added: "kill_switch",
        elsewhere: "opened",
    }
    answer = await throw(road, owner(trader), on=False, broker="paper")
    assert (answer["on"], answer["accounts"]) == (False, 2)
    halted = "select count(*) from public.broker_accounts where halted_by <> '{}'"
    assert await road.value(halted) == 0


async def test_switches_do_not_release_one_another(road: Road) -> None:
    """An account that is stopped twice trades again when both switches are released."""
    trader = await road.trader()
    await throw(road, owner(trader), account_id=trader.account)
    await throw(road, owner(trader), broker="paper")
    await throw(road, owner(trader), on=False, broker="paper")
    assert await verdicts(road, trader) == {trader.account: "kill_switch"}
    await throw(road, owner(trader), on=False, account_id=trader.account)
    assert await verdicts(road, trader) == {trader.account: "opened"}


async def test_exits_pass(road: Road) -> None:
    """An exit that waited, and one that comes later, are sent with every switch on."""
    trader = await road.trader()
    await road.trade(trader)
    waiting = await road.accept(trader, action="reduce", qty=0.5, side="sell", qty_mode="lots")
    await throw(road, owner(trader), account_id=trader.account)
    await throw(road, owner(trader), broker="paper")
    (claimed,) = await road.claim()
    assert claimed["event"]["id"] == waiting
    answer = await road.open_one(claimed, {**EXIT, "qty": 0.5})
    assert answer["verdict"] == "opened", answer


async def test_the_cancel_of_pending_entries_is_urgent(road: Road) -> None:
    """It goes before what hangs at the broker, and takes no exit with it that waits."""
    trader = await road.trader()
    await road.accept(trader)
    (claimed,) = await road.claim()
    opened = await road.open_one(claimed, {"kind": "place", **_limit()})
    await road.record(claimed, [_working(opened["commands"][0]["id"])])
    await road.accept(trader, action="reduce", qty=0.5, side="sell", qty_mode="lots")
    await throw(road, owner(trader), account_id=trader.account)
    rows = await road.admin.fetch(
        "select d.action::text, q.lane::text from engine.queue q join public.deliveries d using (id) order by 1"
    )
    assert [tuple(row) for row in rows] == [("cancel", "urgent"), ("reduce", "normal")]


def _limit() -> Json:
    return {
        "leg": 0,
        "symbol": "EURUSD",
        "root": "EURUSD",
        "side": "buy",
        "qty": 1,
        "type": "limit",
        "price": 1.0,
    }


def _working(command: int) -> Json:
    return {
        "id": command,
        "outcome": "accepted",
        "venue_order_id": f"v{command}",
        "status": "working",
        "filled_qty": 0,
        "fills": [],
        "positions": [],
        "effects": [],
    }


async def test_thrown_and_flattened_in_one(road: Road) -> None:
    """With flatten an urgent delivery a account closes everything, under the new epoch."""
    trader = await road.trader(accounts=2)
    answer = await throw(road, owner(trader), flatten=True)
    (event,) = answer["events"]
    rows = await road.admin.fetch(
        "select d.lane::text, d.action::text, d.halt_epoch = a.halt_epoch as newest from public.deliveries d"
        " join public.broker_accounts a on a.id = d.account_id where d.event_id = $1",
        event,
    )
    assert [tuple(row) for row in rows] == [("urgent", "flatten", True)] * 2


async def test_releasing_asks_for_a_step_up_where_money_is(road: Road) -> None:
    """An account or broker with real money, and all of a user's accounts; closing nothing while releasing."""
    seed(road.database)
    guarded = Actor("owner", GUARDED)
    live = await road.value(
        "select id::text from public.broker_accounts where user_id = $1 and broker <> 'paper'", GUARDED
    )
    for scope in ({}, {"broker": "tradelocker"}, {"account_id": live}):
        await throw(road, guarded, **scope)
        async with acting(road.database, guarded) as connection, refused(connection, "PT403"):
            await connection.execute("select public.kill_switch(false, null, $1)", json.dumps(scope))
        assert (await throw(road, OWNER_STEPPED_UP, on=False, **scope))["on"] is False
    async with acting(road.database, OWNER_STEPPED_UP) as connection, refused(connection, "PT422"):
        await connection.execute("select public.kill_switch(false, null, '{}', true)")


async def test_an_admin_stops_everybody(road: Road) -> None:
    """No entry of anybody, also on accounts to come; recorded with the reason; a trader cannot release it."""
    seed(road.database)
    trader = await road.trader()
    async with acting(road.database, ADMIN_AT_AAL2, keep=True) as connection:
        await connection.fetchval("select public.admin_kill_switch(true, 'bad prices')")
    await road.account(trader)
    assert set((await verdicts(road, trader)).values()) == {"kill_switch"}
    await throw(road, owner(trader), on=False, broker="paper")
    assert set((await verdicts(road, trader)).values()) == {"kill_switch"}
    told = await road.value(
        "select details ->> 'reason' from public.admin_actions where action = 'admin_kill_switch'"
    )
    assert told == "bad prices"
    async with acting(road.database, ADMIN_AT_AAL2, keep=True) as connection:
        await connection.fetchval("select public.admin_kill_switch(false, 'prices are back')")
    assert set((await verdicts(road, trader)).values()) == {"opened"}


@pytest.mark.parametrize("scope", [{"broker": "nobody"}, {"account_id": "x"}, {"system": True}], ids=str)
async def test_a_scope_that_is_none(road: Road, scope: dict[str, Any]) -> None:
    """Refused with a sentence; somebody else's account does not exist."""
    trader, other = await road.trader(), await road.trader()
    async with acting(road.database, owner(trader)) as connection:
        async with refused(connection, "PT422", "invalid"):
            await connection.execute("select public.kill_switch(true, null, $1)", json.dumps(scope))
        text = json.dumps({"account_id": other.account})
        async with refused(connection, "PT404", "not_found"):
            await connection.execute("select public.kill_switch(true, null, $1)", text)
