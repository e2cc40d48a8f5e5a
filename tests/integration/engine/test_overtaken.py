"""An entry that waited for a settled leg is not sent once a later exit of its scope has had its turn."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.engine.road import CLOSE, ENTRY, Json, Road, Trader, fill, filled, outcome

REVERSE = [{**CLOSE, "leg": 0}, {**ENTRY, "leg": 1, "side": "sell", "after_fill": True}]


async def unsettled(road: Road, mode: str = "netting") -> tuple[Trader, Json]:
    """A reverse whose close has no answer: its lane goes on, its entry is written and not sent."""
    trader = await road.trader(mode=mode)
    await road.trade(trader)
    await road.accept(trader, action="reverse", side="sell", tag="a")
    (claimed,) = await road.claim()
    opened = await road.open_one(claimed, *REVERSE)
    assert await road.record(claimed, [outcome(opened["commands"][0]["id"], "unknown")], "unknown")
    return trader, claimed


async def goes_on(road: Road, reverse: Json) -> Json:
    """The close is found filled: the reverse is claimed again, and its entry is to be sent."""
    (asked,) = await road.unsettled()
    closing = fill("f2", effect="close", side="sell")
    assert await road.settle(asked, "found", filled(asked["command"]["id"], 1, [closing]))
    again = [each for each in await road.claim() if each["delivery"]["id"] == reverse["delivery"]["id"]]
    return await road.begin(again[0]["commands"][1]["id"], again[0]["token"])


@pytest.mark.parametrize(
    ("later", "ending", "covers"),
    [
        ({"action": "close", "side": None}, ("skipped", "nothing_to_close"), True),
        ({"action": "close", "side": None}, ("executed", None), True),
        ({"action": "close", "side": "buy"}, ("executed", None), True),
        ({"action": "close", "side": "sell"}, ("executed", None), False),
        ({"action": "close", "side": None, "tag": "a"}, ("executed", None), True),
        ({"action": "close", "side": None, "tag": "b"}, ("executed", None), False),
        ({"action": "close", "side": None, "symbol": "XAUUSD"}, ("executed", None), False),
        ({"action": "flatten", "side": None, "symbol": None}, ("executed", None), True),
        ({"action": "cancel", "side": None}, ("skipped", "nothing_to_cancel"), True),
        ({"action": "cancel", "side": None, "order_id": "7"}, ("executed", None), False),
        ({"action": "target", "side": "buy"}, ("executed", None), True),
        ({"action": "reverse", "side": "buy"}, ("denied", "position_unknown"), False),
        ({"action": "reduce", "side": None}, ("executed", None), False),
        ({"action": "close", "side": None, "dry_run": True}, ("skipped", "dry_run"), False),
    ],
)
async def test_later_exit_that_had_its_turn(
    road: Road, later: dict[str, Any], ending: tuple[str, str | None], covers: bool
) -> None:
    """Sent after it, the entry would be open although its trader has closed."""
    trader, reverse = await unsettled(road)
    await road.accept(trader, **later)
    (exit_,) = await road.claim()
    assert await road.record(exit_, (), *ending)
    begun = await goes_on(road, reverse)
    assert (begun["go"], begun.get("reason")) == ((False, "superseded") if covers else (True, None))
    assert await road.broken() == {}


async def test_exit_that_is_being_worked_on(road: Road) -> None:
    """An exit that a worker has just claimed has looked already."""
    trader, reverse = await unsettled(road)
    await road.accept(trader, action="close", side=None)
    await road.claim()
    await road.admin.execute("drop index engine.one_head_per_account_and_lane")
    (asked,) = await road.unsettled()
    await road.settle(
        asked, "found", filled(asked["command"]["id"], 1, [fill("f2", effect="close", side="sell")])
    )
    await road.admin.execute(
        "update engine.queue set state = 'ready' where id = $1", reverse["delivery"]["id"]
    )
    (again,) = await road.claim()
    begun = await road.begin(again["commands"][1]["id"], again["token"])
    assert (begun["go"], begun["reason"]) == (False, "superseded")


async def test_exit_that_still_waits_comes_after(road: Road) -> None:
    """An exit that waits behind it closes what it opens: the order of arrival is kept."""
    trader, reverse = await unsettled(road)
    await road.accept(trader, action="close", side=None)
    (asked,) = await road.unsettled()
    await road.settle(
        asked, "found", filled(asked["command"]["id"], 1, [fill("f2", effect="close", side="sell")])
    )
    (again,) = await road.claim()
    assert again["delivery"]["id"] == reverse["delivery"]["id"]
    assert (await road.begin(again["commands"][1]["id"], again["token"]))["go"] is True


async def test_endpoints_are_apart_on_hedging_accounts(road: Road) -> None:
    """Another endpoint's close is not about this one's entry."""
    trader, reverse = await unsettled(road, mode="hedging")
    await road.accept(trader, action="close", side=None)
    (exit_,) = await road.claim()
    assert await road.record(exit_, ())
    await road.admin.execute(
        "insert into public.webhook_endpoints (id, user_id, broker, name)"
        " values ('11111111-1111-1111-1111-111111111111', $1::text::uuid, 'paper', 'second')",
        trader.user,
    )
    await road.admin.execute(
        "update public.webhook_events set endpoint_id = '11111111-1111-1111-1111-111111111111' where id = $1",
        exit_["event"]["id"],
    )
    assert (await goes_on(road, reverse))["go"] is True
