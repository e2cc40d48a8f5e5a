"""What the engine keeps for a flatten that goes on: its next round, and that it is never concluded from answers."""

from __future__ import annotations

from tests.integration.engine.road import CLOSE, Json, Road, Trader, fill, filled, outcome

ALL = {**CLOSE, "side": None, "qty": None}


async def flattening(road: Road) -> tuple[Trader, Json]:
    """A claimed flatten of an account that is long 1."""
    trader = await road.trader()
    await road.trade(trader)
    await road.intend(trader, action="flatten")
    (claimed,) = await road.claim(lane="urgent")
    return trader, claimed


async def given_back(road: Road, claimed: Json, left: str = "close EURUSD") -> Json:
    """The same delivery after it was deferred, claimed again."""
    one = {"delivery_id": claimed["delivery"]["id"], "token": claimed["token"], "ms": 0, "reason": "not_flat",
           "numbers": {"left": left}, "trace": []}  # fmt: skip
    assert await road.worker.fetchval("select engine.defer($1)", [one]) == [claimed["delivery"]["id"]]
    (again,) = await road.claim(lane="urgent")
    return again


async def test_next_round_is_written_behind_the_first(road: Road) -> None:
    """Legs behind those that were answered are opened and begun; asked again, they are the answer."""
    trader, claimed = await flattening(road)
    first = await road.open_one(claimed, ALL)
    refused = outcome(first["commands"][0]["id"], "rejected", "market_closed")
    assert await road.record(claimed, [refused], outcome=None)
    again = await given_back(road, claimed)
    assert [(each["leg"], each["state"]) for each in again["commands"]] == [(0, "rejected")]
    second = await road.open_one(again, {**ALL, "leg": 1}, {**ALL, "leg": 2})
    assert [(each["leg"], each["go"]) for each in second["commands"]] == [(1, True), (2, True)]
    repeated = await road.open_one(again, {**ALL, "leg": 1}, {**ALL, "leg": 2})
    assert [(each["leg"], each["go"]) for each in repeated["commands"]] == [
        (0, False),
        (1, False),
        (2, False),
    ]
    closed = [
        filled(each["id"], 1, [fill(f"c{each['leg']}", effect="close", side="sell")])
        for each in second["commands"]
    ]
    assert await road.record(again, closed)
    assert await road.value("select count(*) from public.positions where closed_at is null") == 0
    assert await road.broken() == {}
    assert trader.account == again["delivery"]["account_id"]


async def test_only_the_last_leg_is_carried_along(road: Road) -> None:
    """However many rounds there were, a claim brings what is unanswered and how far the legs counted."""
    _, claimed = await flattening(road)
    for leg in range(3):
        opened = await road.open_one(claimed, {**ALL, "leg": leg})
        last = opened["commands"][-1]["id"]
        assert await road.record(claimed, [outcome(last, "rejected", "market_closed")], outcome=None)
        claimed = await given_back(road, claimed)
    assert [each["leg"] for each in claimed["commands"]] == [2]


async def test_settled_flatten_goes_on(road: Road) -> None:
    """An unknown close found done does not end the flatten: it is claimed again, to look."""
    _, claimed = await flattening(road)
    opened = await road.open_one(claimed, ALL)
    await road.record(claimed, [outcome(opened["commands"][0]["id"], "unknown")], "unknown")
    (asked,) = await road.unsettled()
    closed = filled(asked["command"]["id"], 1, [fill("c", effect="close", side="sell")])
    assert await road.settle(asked, "found", closed)
    (again,) = await road.claim(lane="urgent")
    assert again["delivery"]["id"] == claimed["delivery"]["id"]
    assert [each["state"] for each in again["commands"]] == ["accepted"]
    assert await road.record(again)
    assert (await road.delivery(claimed))["outcome"] == "executed"
    assert await road.broken() == {}


async def test_what_is_written_keeps_it_from_being_flat(road: Road) -> None:
    """A flatten sees every command of the account without an answer, a mere pending one too."""
    trader, claimed = await flattening(road)
    assert claimed["unresolved"] == []
    await road.accept(trader)
    (entry,) = await road.claim()
    await road.open_one(entry, begin=False)
    assert (await given_back(road, claimed))["unresolved"] == ["EURUSD"]


async def test_owner_hears_what_is_left(road: Road) -> None:
    """What could not be closed is told live, once for each thing it is."""
    _, claimed = await flattening(road)
    for left in ("close EURUSD", "close EURUSD", "cancel XAUUSD"):
        claimed = await given_back(road, claimed, left)
    told = await road.column(
        "select payload #>> '{numbers,left}' from realtime.messages"
        " where event = 'delivery.updated' and payload ->> 'reason' = 'not_flat' order by inserted_at, id"
    )
    assert sorted(told) == ["cancel XAUUSD", "close EURUSD"]
