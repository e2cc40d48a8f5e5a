"""Recovery: pending is provably unsent, submitting is unknown; unknown is settled by asking, never by guessing."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.integration.engine.road import CLOSE, ENTRY, EXIT, Json, Road, Trader, fill, filled, outcome

REVERSE = [{**CLOSE, "leg": 0}, {**ENTRY, "leg": 1, "side": "sell", "after_fill": True}]


async def died(road: Road, trader: Trader, *legs: Json, begin: bool = True, **intent: str) -> Json:
    """A worker wrote ahead (and began) and was never heard of again; its lease has run out."""
    await road.accept(trader, **intent)
    (claimed,) = await road.claim(1)
    opened = await road.open_one(claimed, *legs, begin=begin)
    assert opened["verdict"] == "opened", opened
    await road.lose_leases()
    return claimed


async def asked(road: Road) -> Json:
    """The one unknown command, claimed by the settler."""
    (one,) = await road.unsettled()
    return one


async def states(road: Road) -> list[str]:
    """States of all commands, in order."""
    return await road.column("select state::text from engine.commands order by id")


async def test_pending_is_ready_again_and_resumed(road: Road) -> None:
    """What was written and not begun is claimed again with its commands, and sent once."""
    trader = await road.trader()
    claimed = await died(road, trader, begin=False)
    assert await road.rescue() == {"rearmed": 1, "unsettled": 0, "promoted": 0}
    (again,) = await road.claim(worker="w2")
    (command,) = again["commands"]
    assert (command["state"], command["order_status"]) == ("pending", "pending")
    assert (again["delivery"]["attempts"], again["delivery"]["id"]) == (1, claimed["delivery"]["id"])
    assert (await road.begin(command["id"], again["token"]))["go"] is True
    await road.record(again, [filled(command["id"], 1, [fill("f1")])])
    assert await road.column("select trades from engine.scope_counters limit 1") == [1]
    assert await road.broken() == {}


async def test_submitting_is_unknown(road: Road) -> None:
    """What was being sent goes to the settler; its lane goes on; the exposure stays counted."""
    trader = await road.trader()
    claimed = await died(road, trader)
    assert await road.rescue() == {"rearmed": 0, "unsettled": 1, "promoted": 0}
    assert await states(road) == ["unknown"]
    assert (await road.delivery(claimed))["outcome"] == "unknown"
    assert await road.column("select distinct trades from engine.scope_counters") == [1]
    following = await road.accept(trader)
    assert [each["event"]["id"] for each in await road.claim()] == [following]
    assert await road.broken() == {}


async def test_recorded_unknown_without_an_end_goes_to_the_settler_too(road: Road) -> None:
    """A worker that died after recording an unknown leg leaves it to the settler, not to the next worker."""
    trader = await road.trader()
    await road.trade(trader)
    await road.accept(trader)
    (claimed,) = await road.claim()
    opened = await road.open_one(claimed, *REVERSE)
    await road.record(claimed, [outcome(opened["commands"][0]["id"], "unknown")], outcome=None)
    await road.lose_leases()
    assert (await road.rescue())["unsettled"] == 1
    assert await road.claim() == []


async def test_rescue_leaves_the_living(road: Road) -> None:
    """Leases that have not run out are nobody's business, and two rescuers rescue once."""
    trader = await road.trader(accounts=4)
    await road.accept(trader)
    claimed = await road.claim(4)
    assert (await road.rescue())["rearmed"] == 0
    await road.lose_leases()
    other = await road.another("empire_worker")
    answers = await asyncio.gather(road.rescue(), other.fetchval("select engine.rescue(100)"))
    assert sum(answer["rearmed"] for answer in answers) == len(claimed)
    assert await road.column("select distinct attempts from public.deliveries") == [1]


async def test_found_is_recorded(road: Road) -> None:
    """The broker has it: fills and position are recorded and the delivery ends executed."""
    claimed = await died(road, await road.trader())
    await road.rescue()
    one = await asked(road)
    assert one["command"]["lookups"] == 1
    assert await road.settle(one, "found", filled(one["command"]["id"], 1, [fill("f1")]))
    row = await road.delivery(claimed)
    assert (row["status"], row["outcome"]) == ("done", "executed")
    assert await road.column("select status::text from public.orders") == ["filled"]
    assert await road.value("select count(*) from engine.queue") == 0
    assert await road.broken() == {}


async def test_an_order_belongs_to_one_command(road: Road) -> None:
    """A lookup that recognised the order of another command by its looks: it stays unknown, nothing is recorded.
    Whoever asks is told which orders are taken."""
    trader = await road.trader()
    await road.trade(trader)
    (taken,) = await road.column("select venue_order_id from public.orders")
    claimed = await died(road, trader)
    await road.rescue()
    one = await asked(road)
    assert one["command"]["taken"] == [taken]
    number = one["command"]["id"]
    assert not await road.settle(one, "found", filled(number, 1, [fill("f9")], venue_order_id=taken))
    assert await states(road) == ["accepted", "unknown"]
    assert await road.value("select count(*) from public.fills") == 1
    assert await road.settle(await asked(road), "found", filled(number, 1, [fill("f9", "p2")]))
    assert (await road.delivery(claimed))["outcome"] == "executed"
    assert await road.broken() == {}


async def test_what_was_known_before_it_was_sent_is_taken(road: Road) -> None:
    """Somebody's own order that our books had before the command was sent is not the command's, however alike the two are.
    One that came into them later may be it, without its label."""
    trader = await road.trader()
    placed = (
        "insert into public.orders (user_id, broker, account_id, client_order_id, venue_order_id, origin, kind, symbol, root,"
        " side, type, qty, status) select user_id, broker, id, $2, $2, 'broker', 'place', 'EURUSD', 'EURUSD', 'buy', 'market', 1,"
        " 'filled' from public.broker_accounts where id = $1::text::uuid"
    )
    await road.admin.execute(placed, trader.account, "before")
    await died(road, trader)
    await road.admin.execute(placed, trader.account, "after")
    await road.rescue()
    assert (await asked(road))["command"]["taken"] == ["before"]


async def test_what_a_close_has_made_is_taken_too(road: Road) -> None:
    """The order of a close, which has no label at some brokers, looks like an entry that lost its own, and like the
    next close: whoever asks about one of these is told whose it is."""
    trader = await road.trader()
    await road.trade(trader, qty=3)
    await road.accept(trader, action="close")
    (claimed,) = await road.claim(1)
    (close,) = (await road.open_one(claimed, CLOSE))["commands"]
    made = filled(close["id"], 1, [fill("c1", effect="close", side="sell")], venue_order_id="untagged")
    assert await road.record(claimed, [made])
    await died(road, trader, {**CLOSE, "leg": 0}, {**ENTRY, "leg": 1, "side": "sell"})
    await road.rescue()
    told = [each["command"] for each in await road.unsettled()]
    assert {each["kind"] for each in told} == {"close", "place"}
    assert all("untagged" in each["taken"] for each in told)


async def test_the_order_of_a_close_is_recorded_once(road: Road) -> None:
    """Two workers have seen the same order and each takes it for its own close's: the second close was taken, and has
    neither order nor fill until its own is told. It was filled, and by our books with nothing, for ever."""
    trader = await road.trader()
    await road.trade(trader, qty=3)
    same = {
        "fills": [fill("c1", effect="close", side="sell")],
        "venue_order_id": "c1",
        "avg_price": Decimal("1.2"),
    }
    for _ in range(2):
        await road.accept(trader, action="close")
        (claimed,) = await road.claim(1)
        (close,) = (await road.open_one(claimed, CLOSE))["commands"]
        assert await road.record(claimed, [{**filled(close["id"], 1, []), **same}])
    rows = await road.admin.fetch(
        "select status::text, venue_order_id, filled_qty, avg_price, (select count(*) from public.fills f where f.order_id = o.id)"
        " from public.orders o where kind = 'close' order by id"
    )
    assert [tuple(row) for row in rows] == [
        ("filled", "c1", 1, Decimal("1.2"), 1),
        ("working", None, 0, None, 0),
    ]
    assert await road.broken() == {}


async def test_a_close_in_doubt_is_asked_about_with_its_rivals(road: Road) -> None:
    """Whoever asks is told of the other closes of its position whose order nobody knows: one that the broker has taken,
    one in doubt; not of one whose order is known, of another position, or that was refused."""
    trader = await road.trader()
    await road.trade(trader, qty=9)
    part = {
        **CLOSE,
        "venue_position_id": "p1",
        "request": {"venue_position_id": "p1", "qty": 1, "held_qty": 9},
    }
    other = {**part, "request": {"venue_position_id": "p2", "qty": 1, "held_qty": 9}}
    legs = [
        {**part, "leg": 0},
        {**part, "leg": 1},
        {**part, "leg": 2},
        {**part, "leg": 3},
        {**other, "leg": 4},
        {**part, "leg": 5},
    ]
    await road.accept(trader, action="close")
    (claimed,) = await road.claim(1)
    ids = [each["id"] for each in (await road.open_one(claimed, *legs))["commands"]]
    taken = filled(ids[0], 0, [], venue_order_id=None, status="working")
    known = filled(ids[2], 1, [fill("c1", effect="close", side="sell")])
    told = [taken, known, outcome(ids[5], "rejected", "position_not_found")]
    await road.record(claimed, told, outcome=None)
    await road.lose_leases()
    await road.rescue()
    asked_about = {each["command"]["id"]: each["command"] for each in await road.unsettled()}
    assert set(asked_about) == {ids[1], ids[3], ids[4]}
    rivals = {each["client_order_id"]: each for each in asked_about[ids[1]]["rivals"]}
    names = await road.column(
        "select client_order_id from engine.commands where id = any ($1) order by id", ids
    )
    assert {name: (e["certain"], e["under_way"]) for name, e in rivals.items()} == {
        names[0]: (True, False),
        names[3]: (False, False),
    }
    assert {(each["qty"], each["held_qty"]) for each in rivals.values()} == {(1, 9)}
    assert asked_about[ids[4]]["rivals"] == []


async def test_found_rejected(road: Road) -> None:
    """The broker had refused it: rejected with its reason, and the trade given back."""
    claimed = await died(road, await road.trader())
    await road.rescue()
    one = await asked(road)
    await road.settle(one, "found", outcome(one["command"]["id"], "rejected", "market_closed"))
    row = await road.delivery(claimed)
    assert (row["outcome"], row["reason"]) == ("rejected", "market_closed")
    assert await road.column("select distinct trades from engine.scope_counters") == [0]


async def test_absent_too_early_is_asked_again(road: Road) -> None:
    """Before the old holder's deadline and request timeout have passed, absent proves nothing."""
    await died(road, await road.trader())
    await road.rescue()
    one = await asked(road)
    assert one["command"]["may_resend"] is False
    assert not await road.settle(one, "absent")
    assert await states(road) == ["unknown"]
    wait = await road.value("select check_at - send_deadline from engine.commands")
    assert wait >= timedelta(seconds=5)


async def test_absent_is_sent_again_once_nobody_can_be_sending(road: Road) -> None:
    """Proved absent in time: written ahead again, in front of its lane, begun by one."""
    trader = await road.trader()
    claimed = await died(road, trader)
    await road.accept(trader)
    await road.rescue()
    await road.deadlines_passed()
    one = await asked(road)
    assert one["command"]["may_resend"] is True
    assert await road.settle(one, "absent")
    (again,) = await road.claim()
    assert again["delivery"]["id"] == claimed["delivery"]["id"]
    opened = await road.open_one(again)
    assert opened["commands"][0]["go"] is True
    assert await road.value("select max(sends) from engine.commands") == 2
    await road.record(again, [filled(opened["commands"][0]["id"], 1, [fill("f1")])])
    assert await road.column("select max(trades) from engine.scope_counters") == [1]
    assert await road.broken() == {}


async def _stale(road: Road, _: Trader) -> None:
    await road.admin.execute("update public.deliveries set expires_at = now() - interval '1 s'")


async def _closed_since(road: Road, trader: Trader) -> None:
    await road.accept(trader, action="close")


async def _halted(road: Road, trader: Trader) -> None:
    await road.intend(trader, action="flatten")


async def _often(road: Road, _: Trader) -> None:
    await road.admin.execute("update engine.commands set sends = 3")


@pytest.mark.parametrize(
    ("meanwhile", "why"),
    [(_stale, "stale"), (_closed_since, "superseded"), (_halted, "superseded"), (_often, "too_often")],
)
async def test_absent_and_too_late_never_arrived(road: Road, meanwhile: object, why: str) -> None:
    """Stale, covered by a later exit, halted: the order ends expired, never_arrived, and frees its trade."""
    trader = await road.trader()
    claimed = await died(road, trader)
    await road.rescue()
    await road.deadlines_passed()
    assert callable(meanwhile)
    await meanwhile(road, trader)
    one = await asked(road)
    assert one["command"]["may_resend"] is False
    assert await road.settle(one, "absent")
    row = await road.delivery(claimed)
    assert (row["outcome"], row["reason"]) == ("denied", "never_arrived")
    assert row["trace"][-1]["outcome"] == why
    assert await road.column("select status::text || reason::text from public.orders") == [
        "expirednever_arrived"
    ]
    assert await road.column("select distinct trades from engine.scope_counters") == [0]
    assert await road.broken() == {}


async def test_exit_is_sent_again_after_a_later_close(road: Road) -> None:
    """A close that never arrived may be tried again; whether it still reduces is measured before it goes."""
    trader = await road.trader()
    await road.trade(trader)
    await died(road, trader, EXIT, action="reduce")
    await road.rescue()
    await road.deadlines_passed()
    await road.admin.execute("update public.positions set qty = 0, closed_at = now()")
    assert await road.settle(await asked(road), "absent")
    (again,) = await road.claim()
    opened = await road.open_one(again)
    (command,) = opened["commands"]
    assert (command["go"], command["reason"]) == (False, "reduce_too_large")


async def test_reverse_whose_close_is_found_filled_goes_on(road: Road) -> None:
    """Leg 0 unknown, found filled: the delivery is claimed again with leg 1 still to send."""
    trader = await road.trader()
    await road.trade(trader)
    claimed = await died(road, trader, *REVERSE, action="reverse", side="sell")
    await road.rescue()
    one = await asked(road)
    closing = fill("f2", effect="close", side="sell")
    await road.settle(one, "found", filled(one["command"]["id"], 1, [closing]))
    (again,) = await road.claim()
    assert again["delivery"]["id"] == claimed["delivery"]["id"]
    known = [(each["state"], each["order_status"]) for each in again["commands"]]
    assert known == [("accepted", "filled"), ("pending", "pending")]
    assert (await road.begin(again["commands"][1]["id"], again["token"]))["go"] is True


async def test_reverse_whose_close_is_found_rejected_ends(road: Road) -> None:
    """Leg 0 was refused: leg 1 is never sent, its trade is given back."""
    trader = await road.trader()
    await road.trade(trader)
    claimed = await died(road, trader, *REVERSE, action="reverse", side="sell")
    await road.rescue()
    one = await asked(road)
    await road.settle(one, "found", outcome(one["command"]["id"], "rejected", "market_closed"))
    row = await road.delivery(claimed)
    assert (row["outcome"], row["reason"]) == ("rejected", "market_closed")
    assert (await states(road))[1:] == ["rejected", "canceled"]
    assert await road.column("select distinct trades from engine.scope_counters") == [1]
    assert await road.broken() == {}


async def test_found_without_an_outcome_stays_unknown(road: Road) -> None:
    """An answer that does not say what became of it settles nothing and cancels nothing."""
    trader = await road.trader()
    await road.trade(trader)
    await died(road, trader, *REVERSE, action="reverse", side="sell")
    await road.rescue()
    one = await asked(road)
    assert not await road.settle(one, "found", outcome(one["command"]["id"], "unknown"))
    assert (await states(road))[1:] == ["unknown", "pending"]


async def test_one_settler_asks_at_a_time(road: Road) -> None:
    """A command is asked about by one; a verdict of an older question does not count."""
    await died(road, await road.trader())
    await road.rescue()
    first = await asked(road)
    assert await road.worker.fetch("select engine.claim_unsettled('s2', 'fleet', 32, 15000)") == []
    assert await road.worker.fetch("select engine.claim_unsettled('s2', 'edge', 32, 15000)") == []
    second = await asked(road)
    assert second["checker"] > first["checker"]
    assert not await road.settle(first, "found", filled(first["command"]["id"], 1, [fill("f1")]))
    assert await road.settle(second, "found", filled(second["command"]["id"], 1, [fill("f1")]))
    assert not await road.settle(second, "found", filled(second["command"]["id"], 1, [fill("f2")]))
    assert await road.value("select count(*) from public.fills") == 1


async def test_dead_letter(road: Road) -> None:
    """A bug ends its delivery with the error kept; the account goes on, nothing of it is sent any more."""
    trader = await road.trader()
    await road.accept(trader)
    following = await road.accept(trader)
    (claimed,) = await road.claim()
    await road.open_one(claimed, begin=False)
    assert await road.worker.fetchval(
        "select engine.dead_letter($1, $2, 'Traceback', $3)", claimed["delivery"]["id"], claimed["token"], []
    )
    row = await road.delivery(claimed)
    assert (row["status"], row["outcome"], row["reason"]) == ("dead", "invalid", "internal_error")
    assert await road.column("select error from engine.dead_letters") == ["Traceback"]
    assert [each["event"]["id"] for each in await road.claim()] == [following]
    assert await road.broken() == {}


async def test_bug_while_sending_is_settled(road: Road) -> None:
    """What was being sent when the bug struck is unknown, not lost."""
    await road.accept(await road.trader())
    (claimed,) = await road.claim()
    await road.open_one(claimed)
    await road.worker.fetchval(
        "select engine.dead_letter($1, $2, 'e', $3)", claimed["delivery"]["id"], claimed["token"], []
    )
    one = await asked(road)
    await road.settle(one, "found", filled(one["command"]["id"], 1, [fill("f1")]))
    assert (await road.delivery(claimed))["outcome"] == "executed"
    assert await road.broken() == {}


async def test_twenty_lost_leases_are_a_bug(road: Road) -> None:
    """A delivery that kills its worker again and again ends dead; being deferred does not count."""
    await road.accept(await road.trader(), action="reduce")
    for _ in range(25):
        (claimed,) = await road.claim()
        one = {"delivery_id": claimed["delivery"]["id"], "token": claimed["token"], "ms": 0,
               "reason": "position_unknown", "numbers": {}, "trace": []}  # fmt: skip
        await road.worker.fetchval("select engine.defer($1)", [one])
    for _ in range(21):
        (claimed,) = await road.claim()
        await road.lose_leases()
        await road.rescue()
    assert (await road.delivery(claimed))["status"] == "dead"
    assert await road.claim() == []
    assert await road.value("select n from engine.counters where name = 'lease_expired'") == 21
    assert await road.broken() == {}


async def test_entry_found_filled_is_measured_again(road: Road) -> None:
    """A found entry whose stop is a distance is claimed once more, with its fill; an adjustment's failure ends nothing."""
    trader = await road.trader()
    stop = {"request": {**ENTRY, "sl": {"mode": "pips", "value": 50}}}
    claimed = await died(road, trader, {**ENTRY, **stop})
    await road.rescue()
    one = await asked(road)
    await road.settle(one, "found", filled(one["command"]["id"], 1, [fill("f1")]))
    (again,) = await road.claim()
    (known,) = again["commands"]
    assert (known["order_avg_price"], known["order_position_id"]) == (Decimal("1.1"), "p1")
    assert (known["order_filled_qty"], known["order_venue_id"]) == (1, f"v{known['id']}")
    adjusting = {
        "leg": 1,
        "kind": "protect",
        "symbol": "EURUSD",
        "root": "EURUSD",
        "request": {"adjusts": True},
    }
    opened = await road.open_one(again, adjusting)
    (command,) = opened["commands"]
    await road.record(again, [outcome(command["id"], "unknown")], "unknown")
    two = await asked(road)
    await road.settle(two, "found", outcome(command["id"], "rejected", "invalid_stops"))
    assert (await road.delivery(claimed))["outcome"] == "executed"
    assert await road.broken() == {}


async def test_entry_with_a_fixed_stop_ends_when_found(road: Road) -> None:
    """A stop that was given as a price needs no second look."""
    claimed = await died(
        road, await road.trader(), {**ENTRY, "request": {**ENTRY, "sl": {"mode": "price", "value": 1}}}
    )
    await road.rescue()
    one = await asked(road)
    await road.settle(one, "found", filled(one["command"]["id"], 1, [fill("f1")]))
    assert (await road.delivery(claimed))["outcome"] == "executed"
