"""What came back: fills once, positions from fills, order states by the table, the next delivery, the outbox."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.integration.engine.road import CLOSE, ENTRY, EXIT, Json, Road, Trader, fill, filled, outcome

T1, T2 = "2026-11-23T09:00:00Z", "2026-11-23T09:00:01Z"


async def sent(road: Road, trader: Trader, *legs: Json, **intent: Any) -> tuple[Json, list[int]]:
    """A delivery whose commands are under way, and their ids."""
    await road.accept(trader, **intent)
    (claimed,) = await road.claim(1)
    opened = await road.open_one(claimed, *legs)
    assert opened["verdict"] == "opened", opened
    return claimed, [each["id"] for each in opened["commands"]]


async def positions(road: Road) -> list[tuple[Any, ...]]:
    """(id, side, quantity, open) of every position."""
    rows = await road.admin.fetch(
        "select venue_position_id, side::text, qty, closed_at is null from public.positions order by id"
    )
    return [tuple(row) for row in rows]


async def test_fill_is_recorded_once(road: Road) -> None:
    """The same execution told in two answers is one fill and moves the position once."""
    trader = await road.trader()
    claimed, (command,) = await sent(road, trader)
    await road.record(claimed, [filled(command, 1, [fill("f1"), fill("f1")])])
    claimed, (command,) = await sent(road, trader)
    await road.record(claimed, [filled(command, 1, [fill("f1"), fill("f2", qty=2)])])
    assert await road.column("select qty from public.fills order by id") == [1, 2]
    assert await positions(road) == [("p1", "buy", 3, True)]
    assert await road.broken() == {}


@pytest.mark.parametrize("order", [("open", "close"), ("close", "open")])
@pytest.mark.parametrize(("opened", "closed"), [(1, 1), (3, 1)])
async def test_positions_are_the_sum_of_fills_in_either_order(
    road: Road, order: tuple[str, str], opened: int, closed: int
) -> None:
    """Answers of two lanes may be recorded in either order: what is left is the same."""
    trader = await road.trader()
    told = {
        "open": fill("f1", qty=opened, filled_at=T1),
        "close": fill("f2", qty=closed, effect="close", side="sell", filled_at=T2, realised=7),
    }
    for which in order:
        claimed, (command,) = await sent(road, trader)
        await road.record(claimed, [filled(command, told[which]["qty"], [told[which]])])
    left = opened - closed
    assert await positions(road) == [("p1", "buy", left, left > 0)]
    assert await road.column("select realised from engine.account_days") == [7]
    assert await road.broken() == {}


async def test_reverse_under_one_position_id(road: Road) -> None:
    """On a netting account whose ids are reused the side turns with the second fill of one answer."""
    trader = await road.trader()
    await road.trade(trader)
    claimed, (close, entry) = await sent(
        road, trader, {**CLOSE}, {**ENTRY, "leg": 1, "side": "sell", "qty": 2}
    )
    turned = [
        filled(close, 1, [fill("f2", effect="close", side="sell", filled_at=T2)]),
        filled(entry, 2, [fill("f3", side="sell", qty=2, filled_at="2026-11-23T09:00:02Z", price=1.2)]),
    ]
    await road.record(claimed, turned)
    assert await positions(road) == [("p1", "sell", 2, True)]
    assert await road.value("select entry_price from public.positions") == Decimal("1.2")
    assert await road.broken() == {}


async def test_entry_price_is_the_average(road: Road) -> None:
    """Adding averages the entry price by quantity; reducing leaves it."""
    trader = await road.trader()
    claimed, (command,) = await sent(road, trader)
    await road.record(claimed, [filled(command, 4, [fill("a", price=1), fill("b", qty=3, price=2)])])
    claimed, (command,) = await sent(road, trader, EXIT)
    await road.record(claimed, [filled(command, 1, [fill("c", effect="close", side="sell", price=9)])])
    assert await road.value("select entry_price from public.positions") == Decimal("1.75")


async def test_late_cancel_does_not_undo_a_fill(road: Road) -> None:
    """News the state machine does not allow is older than what we know; a fill overtakes a cancel."""
    trader = await road.trader()
    claimed, (command,) = await sent(road, trader)
    await road.record(claimed, [filled(command, 1, [fill("f1")])])
    order = await road.value("select venue_order_id from public.orders")
    canceled = [{"venue_order_id": order, "status": "canceled", "fills": []}]
    claimed, (other,) = await sent(road, trader)
    await road.record(claimed, [{**outcome(other, "rejected", "market_closed"), "effects": canceled}])
    assert await road.column("select status::text from public.orders order by id") == ["filled", "rejected"]
    claimed, (third,) = await sent(road, trader)
    await road.record(claimed, [{**filled(third, 0, []), "status": "canceled"}])
    late = [{"venue_order_id": f"v{third}", "status": "filled", "filled_qty": 1, "fills": [fill("f3")]}]
    claimed, (fourth,) = await sent(road, trader)
    await road.record(claimed, [{**outcome(fourth, "rejected", "market_closed"), "effects": late}])
    assert (
        await road.value("select status::text from public.orders where venue_order_id = $1", f"v{third}")
        == "filled"
    )


async def test_status_follows_the_table(road: Road) -> None:
    """No role can take an order where order_transitions does not let it go."""
    trader = await road.trader()
    await road.trade(trader)
    with pytest.raises(Exception, match="cannot go from filled to pending"):
        await road.admin.execute("update public.orders set status = 'pending'")


async def test_effects_tell_of_other_orders(road: Road) -> None:
    """A triggered stop and its canceled sibling come with another command's answer, by either id."""
    trader = await road.trader()
    claimed, commands = await sent(
        road,
        trader,
        ENTRY,
        *({**EXIT, "leg": n, "type": "limit", "price": 2, "after_fill": True} for n in (1, 2)),
    )
    await road.record(claimed, [filled(commands[0], 1, [fill("f1")])], outcome=None)
    for command in commands[1:]:
        await road.begin(command, claimed["token"])
    accepted = [
        {**outcome(each, "accepted"), "venue_order_id": f"v{each}", "fills": []} for each in commands[1:]
    ]
    await road.record(claimed, accepted)
    names = await road.column("select client_order_id from public.orders order by leg")
    effects = [
        {"client_order_id": names[1], "status": "filled", "filled_qty": 1,
         "fills": [fill("f2", effect="close", side="sell")]},
        {"venue_order_id": f"v{commands[2]}", "status": "canceled", "fills": []},
    ]  # fmt: skip
    claimed, (other,) = await sent(road, trader)
    await road.record(
        claimed, [{**outcome(other, "rejected", "market_closed"), "effects": effects}], "rejected"
    )
    assert await road.column("select status::text from public.orders order by id") == [
        "filled", "filled", "canceled", "rejected",
    ]  # fmt: skip
    assert await positions(road) == [("p1", "buy", 0, False)]
    assert await road.broken() == {}


async def test_a_reverse_told_backwards_turns_the_position(road: Road) -> None:
    """A broker with one position a contract: the new side is told first, then the close of the old one."""
    trader = await road.trader()
    for told in (
        fill("f1", qty=5, side="sell", filled_at="2026-11-23T08:59:00Z"),
        fill("f3", qty=2, side="buy", filled_at=T2, price=Decimal("1.2")),
        fill("f2", qty=5, effect="close", side="buy", filled_at=T1),
    ):
        claimed, (command,) = await sent(road, trader)
        await road.record(claimed, [filled(command, told["qty"], [told])])
    assert await positions(road) == [("p1", "buy", 2, True)]
    assert await road.value("select entry_price from public.positions") == Decimal("1.2")
    assert await road.broken() == {}


async def test_positions_take_protection_as_told(road: Road) -> None:
    """Stop, target and value come from the answer; the quantity from fills alone."""
    trader = await road.trader()
    claimed, (command,) = await sent(road, trader)
    told = {"venue_position_id": "p1", "symbol": "EURUSD", "root": "EURUSD", "side": "buy", "qty": 99,
            "stop_loss": 1.05, "take_profit": None, "unrealized_pnl": -2}  # fmt: skip
    await road.record(claimed, [filled(command, 1, [fill("f1")], positions=[told])])
    row = await road.admin.fetchrow("select * from public.positions")
    assert row is not None
    assert (row["qty"], row["stop_loss"], row["take_profit"], row["unrealized_pnl"]) == (
        1,
        Decimal("1.05"),
        None,
        -2,
    )


async def test_a_position_is_written_and_told_once_for_each_answer(road: Road) -> None:
    """Fill and what the answer shows of the position go together; a position that only shows up is written, too."""
    trader = await road.trader()
    p1 = {"venue_position_id": "p1", "root": "EURUSD", "stop_loss": 1, "take_profit": 2, "unrealized_pnl": 0}
    claimed, (command,) = await sent(road, trader)
    await road.record(claimed, [filled(command, 1, [fill("f1")], positions=[p1])])
    claimed, (command,) = await sent(road, trader)
    p1 |= {"stop_loss": 1.01, "unrealized_pnl": 3}
    await road.record(claimed, [filled(command, 1, [fill("f2"), fill("f3")], positions=[p1])])
    claimed, (command,) = await sent(road, trader)
    shown = [p1 | {"take_profit": None}, p1 | {"venue_position_id": "p2"}]
    await road.record(claimed, [filled(command, 1, [fill("f4", "p2")], positions=shown)])
    rows = await road.admin.fetch(
        "select venue_position_id, qty, stop_loss, take_profit, unrealized_pnl, version from public.positions order by id"
    )
    assert [tuple(row) for row in rows] == [
        ("p1", 3, Decimal("1.01"), None, 3, 4),
        ("p2", 1, Decimal("1.01"), 2, 3, 1),
    ]
    told = await road.column(
        "select (payload ->> 'venue_position_id') || (payload ->> 'v') from realtime.messages where topic like 'positions:%' order by 1"
    )
    # Two fills of one position in one answer are two steps.
    assert told == ["p11", "p12", "p13", "p14", "p21"]


async def test_accepted_modify_changes_the_order(road: Road) -> None:
    """The order has the price and quantity it was changed to; a rejected change leaves it."""
    trader = await road.trader()
    claimed, (command,) = await sent(road, trader, {**ENTRY, "type": "limit", "price": 1})
    await road.record(claimed, [{**filled(command, 0, []), "status": "working"}])
    order = await road.value("select id from public.orders")
    change = {**ENTRY, "kind": "modify", "order_id": order, "price": 1.02, "qty": 3}
    for answer, expected in (("rejected", Decimal(1)), ("accepted", Decimal("1.02"))):
        claimed, (command,) = await sent(road, trader, change, action="modify")
        await road.record(claimed, [outcome(command, answer)])
        assert await road.value("select price from public.orders") == expected
    assert await road.value("select status::text || qty from public.orders") == "working3"


async def test_finish_promotes_and_tells(road: Road) -> None:
    """The next of the lane is ready, the event processed when its last delivery ends, the outbox rises per account."""
    trader = await road.trader(accounts=2)
    events = [await road.accept(trader) for _ in range(2)]
    processed = "select processed from public.webhook_events where id = $1"
    for event in events:
        first, second = await road.claim()
        await road.deny(second)
        assert not await road.value(processed, event)
        await road.deny(first)
        assert await road.value(processed, event)
    rows = await road.admin.fetch(
        "select account_id, (body ->> 'delivery_id')::bigint d from engine.outbox order by id"
    )
    for account in trader.accounts:
        told = [row["d"] for row in rows if str(row["account_id"]) == account]
        assert told == sorted(told)
        assert len(told) == 2
    assert await road.column("select distinct subject from engine.outbox") == [
        f"empire.delivery.denied.{trader.user}"
    ]
    assert await road.broken() == {}


async def test_unknown_goes_to_the_settler_and_the_lane_goes_on(road: Road) -> None:
    """A delivery that ended unknown is not done; the next of its lane is claimable."""
    trader = await road.trader()
    await road.accept(trader)
    await road.accept(trader)
    (claimed,) = await road.claim()
    opened = await road.open_one(claimed)
    await road.record(claimed, [outcome(opened["commands"][0]["id"], "unknown")], "executed")
    row = await road.delivery(claimed)
    assert (row["outcome"], row["finished_at"]) == ("unknown", None)
    assert await road.column("select state from engine.queue order by id") == ["unsettled", "ready"]
    assert await road.column("select status::text from public.orders") == ["unknown"]
    (following,) = await road.claim()
    assert following["unresolved"] == ["EURUSD"]
    assert await road.broken() == {}


async def test_command_without_an_answer_is_unknown(road: Road) -> None:
    """A delivery that is finished while a command of it is under way goes to the settler, whatever was said."""
    trader = await road.trader()
    claimed, (command,) = await sent(road, trader)
    assert await road.record(claimed, [], "executed")
    assert (await road.delivery(claimed))["outcome"] == "unknown"
    assert [each["command"]["id"] for each in await road.unsettled()] == [command]


async def test_finished_leaves_nothing_to_send(road: Road) -> None:
    """Legs that were never begun end with their delivery."""
    trader = await road.trader()
    claimed, (first, _) = await sent(road, trader, ENTRY, {**ENTRY, "leg": 1, "after_fill": True})
    await road.record(claimed, [outcome(first, "rejected", "market_closed")], "rejected", "market_closed")
    assert await road.column("select state::text from engine.commands order by leg") == [
        "rejected",
        "canceled",
    ]
    assert await road.column("select status::text from public.orders order by leg") == [
        "rejected",
        "canceled",
    ]
    assert await road.broken() == {}


async def test_answer_to_what_was_never_begun_is_still_the_truth(road: Road) -> None:
    """A fill reported for a pending command is recorded: the broker has the last word."""
    trader = await road.trader()
    await road.accept(trader)
    (claimed,) = await road.claim()
    opened = await road.open_one(claimed, begin=False)
    await road.record(claimed, [filled(opened["commands"][0]["id"], 1, [fill("f1")])])
    assert await road.column("select status::text from public.orders") == ["filled"]
    assert await road.broken() == {}


async def test_money_and_numbers_are_exact(road: Road) -> None:
    """Decimals come out as they went in."""
    trader = await road.trader()
    claimed, (command,) = await sent(road, trader, {**ENTRY, "qty": "0.100000000000000001"})
    text = (
        f'[{{"delivery_id": {claimed["delivery"]["id"]}, "token": {claimed["token"]}, "account": {{"balance": '
        '12345678901234567.89, "equity": 0.1, "as_of": null}, "commands": [], "finish": null, '
        '"trace": [], "timings": {}}]'
    )
    await road.worker.execute("select engine.record_executions($1::text::jsonb)", text)
    assert await road.value("select balance::text from public.broker_accounts") == "12345678901234567.89"
    assert await road.value("select qty::text from public.orders") == "0.100000000000000001"
    await road.record(claimed, [outcome(command, "rejected")], "rejected")
