"""What only reduces is proved to reduce: an exit can never open a position."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.integration.engine.road import CLOSE, ENTRY, EXIT, Json, Road, Trader, fill, filled, outcome


@pytest.fixture
async def trader(road: Road) -> Trader:
    """Long 1 EURUSD on a netting account."""
    trader = await road.trader()
    await road.trade(trader)
    return trader


async def ask(road: Road, trader: Trader, *legs: Json) -> tuple[str, Any]:
    """The verdict on an exit, or the reason against it with its limit; the delivery stays claimed or ends."""
    await road.accept(trader, action="reduce")
    (claimed,) = await road.claim(1)
    answer = await road.open_one(claimed, *legs)
    if answer["verdict"] == "denied":
        await road.deny(claimed)
        return answer["reason"], answer["numbers"].get("limit")
    ids = [command["id"] for command in answer["commands"]]
    await road.record(claimed, [outcome(command, "unknown") for command in ids], "unknown")
    return "opened", None


@pytest.mark.parametrize(
    ("leg", "expected"),
    [
        ({"qty": 1}, ("opened", None)),
        ({"qty": 1.01}, ("reduce_too_large", 1)),
        ({"qty": 0.01, "side": "buy"}, ("reduce_too_large", 0)),
        ({"qty": 0.01, "root": "XAUUSD"}, ("reduce_too_large", 0)),
        ({"qty": 1.01, "type": "limit", "price": 1.2}, ("reduce_too_large", 1)),
        ({"qty": 1.01, "kind": "close"}, ("reduce_too_large", 1)),
        ({"qty": 1.01, "kind": "close", "venue_position_id": "p1"}, ("reduce_too_large", 1)),
        ({"qty": 5, "kind": "close", "venue_position_id": "elsewhere"}, ("opened", None)),
        ({"qty": None, "kind": "close"}, ("opened", None)),
        ({"qty": 5, "kind": "close", "request": {"qty": None}}, ("opened", None)),
        ({"qty": None, "side": None, "kind": "close"}, ("opened", None)),
    ],
)
async def test_exits_are_measured(road: Road, trader: Trader, leg: Json, expected: tuple[str, Any]) -> None:
    """At most the open quantity of the other side passes; the venue's own close of all there is always does."""
    assert await ask(road, trader, {**EXIT, **leg}) == expected


async def test_exits_in_flight_are_counted(road: Road, trader: Trader) -> None:
    """What an unanswered or accepted but unfilled exit may still close is not there for another."""
    assert await ask(road, trader, {**EXIT, "qty": 0.6}) == ("opened", None)
    assert await ask(road, trader, {**EXIT, "qty": 0.5}) == ("reduce_too_large", Decimal("0.4"))
    await road.admin.execute("update public.orders set status = 'working' where reduce_only")
    assert await ask(road, trader, {**EXIT, "qty": 0.5}) == ("reduce_too_large", Decimal("0.4"))
    assert await ask(road, trader, {**EXIT, "qty": 0.4}) == ("opened", None)


async def test_limit_exits_share_what_is_open(road: Road, trader: Trader) -> None:
    """Filled together they must not turn the position around. An exit at the market is not kept away by one that waits."""
    limit = {**EXIT, "type": "limit", "price": 1.2}
    assert await ask(road, trader, {**limit, "qty": 0.6}) == ("opened", None)
    assert await ask(road, trader, {**limit, "qty": 0.5}) == ("reduce_too_large", Decimal("0.4"))
    await road.admin.execute("update public.orders set status = 'working' where reduce_only")
    assert await ask(road, trader, {**limit, "qty": 0.5}) == ("reduce_too_large", Decimal("0.4"))
    assert await ask(road, trader, {**limit, "qty": 0.4}) == ("opened", None)
    assert await ask(road, trader, {**EXIT, "qty": 1}) == ("opened", None)


async def test_legs_of_one_plan_are_added_up(road: Road, trader: Trader) -> None:
    """Two legs that each fit and together do not are refused together."""
    legs = [{**EXIT, "qty": 0.6}, {**EXIT, "leg": 1, "qty": 0.6}]
    assert await ask(road, trader, *legs) == ("reduce_too_large", Decimal("0.4"))


async def test_stale_is_not_known(road: Road, trader: Trader) -> None:
    """No quantity is closed from a position that could not be read."""
    await road.admin.execute("update public.positions set freshness = 'stale'")
    assert await ask(road, trader, EXIT) == ("reduce_too_large", 0)


async def test_hedged_positions_are_apart(road: Road) -> None:
    """On a hedging account a close by id is measured against that position."""
    trader = await road.trader(mode="hedging")
    await road.trade(trader, position="a")
    await road.trade(trader, position="b", qty=3)
    close = {**CLOSE, "venue_position_id": "a"}
    assert await ask(road, trader, {**close, "qty": 2}) == ("reduce_too_large", 1)
    assert await ask(road, trader, {**close, "qty": 1}) == ("opened", None)


async def test_exit_written_earlier_is_measured_again(road: Road, trader: Trader) -> None:
    """An exit resumed after another closed the position is not sent: it would open one."""
    await road.accept(trader, action="reduce")
    (claimed,) = await road.claim()
    written = await road.open_one(claimed, EXIT, begin=False)
    await road.admin.execute("update public.positions set qty = 0.4")
    begun = await road.begin(written["commands"][0]["id"], claimed["token"])
    assert (begun["go"], begun["reason"], begun["numbers"]) == (
        False,
        "reduce_too_large",
        {"value": 1, "limit": Decimal("0.4")},
    )


async def test_close_of_the_unseen_has_a_command(road: Road) -> None:
    """The venue's own close of a position we never read is written ahead too; its fills tell what it was."""
    trader = await road.trader()
    await road.accept(trader, action="close")
    (claimed,) = await road.claim()
    opened = await road.open_one(claimed, {**CLOSE, "side": None, "qty": None})
    (command,) = opened["commands"]
    assert (command["go"], command["order_id"]) == (True, None)
    closed = fill("f1", "unseen", effect="close", side="sell", qty=2)
    assert await road.record(claimed, [filled(command["id"], 2, [closed])])
    assert await road.column("select qty from public.fills") == [2]
    assert await road.column("select qty from public.positions") == [0]
    assert await road.broken() == {}


async def test_protection_waits_for_the_fill(road: Road) -> None:
    """A reduce-only target behind its entry is written while there is nothing to reduce yet."""
    trader = await road.trader()
    await road.accept(trader)
    (claimed,) = await road.claim()
    target = {**EXIT, "leg": 1, "type": "limit", "price": 1.2, "after_fill": True}
    opened = await road.open_one(claimed, ENTRY, target)
    assert [each["go"] for each in opened["commands"]] == [True, False]
    entry, later = (each["id"] for each in opened["commands"])
    assert await road.record(claimed, [filled(entry, 1, [fill("f1")])], outcome=None)
    assert (await road.begin(later, claimed["token"]))["go"] is True
    assert await road.record(claimed, [{**outcome(later, "accepted"), "venue_order_id": "t"}])
    assert await road.column("select status::text from public.orders order by leg") == ["filled", "working"]
    assert await road.broken() == {}
