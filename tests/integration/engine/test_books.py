"""engine.books and engine.reconcile: what is corrected at once, what waits, and what is never touched."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from typing import Any

import pytest

from tests.integration.engine.road import ENTRY, Json, Road, filled
from tests.integration.engine.watching import Watch


@pytest.fixture
async def watch(road: Road) -> Watch:
    """A trader's only account."""
    trader = await road.trader(broker="tradelocker")
    return await Watch.of(road, trader.account)


def fill(name: str, side: str, qty: Any, effect: str = "open", position: str = "p1", **more: Any) -> Json:
    """A fill that nobody told us."""
    said = {
        "venue_fill_id": name,
        "venue_order_id": f"o{name}",
        "position_id": position,
        "effect": effect,
        "symbol": "EURUSD",
    }
    said |= {"side": side, "qty": qty, "price": 1.1, "realised": 0, "filled_at": datetime.now(UTC), **more}
    order = {
        "venue_order_id": f"o{name}",
        "origin": "broker",
        "symbol": "EURUSD",
        "root": "EURUSD",
        "side": side,
    }
    order |= {
        "type": "market",
        "qty": qty,
        "reduce_only": effect == "close",
        "position_id": position,
        "status": "filled",
    }
    return {
        "key": f"fill:{name}",
        "kind": "fill",
        "symbol": "EURUSD",
        "root": "EURUSD",
        "told": "told",
        "fill": said,
        "order": order,
    }


def position(
    qty: Any, side: str = "buy", position: str = "p1", kind: str = "position_differs", **more: Any
) -> Json:
    """A position as one read shows it, whatever fills say."""
    said = {
        "venue_position_id": position,
        "symbol": "EURUSD",
        "root": "EURUSD",
        "side": side,
        "qty": qty,
        "entry_price": 1.2,
    }
    key = f"{kind}:{position}:{side}:{qty}"
    return {
        "key": key,
        "kind": kind,
        "symbol": "EURUSD",
        "root": "EURUSD",
        "told": "told",
        "doubtful": True,
        "position": said,
        **more,
    }


async def handed_in(
    watch: Watch, *found: Json, token: int | None = None, lag_s: int = 0, claimed: Json | None = None
) -> Json | None:
    """engine.reconcile of a read that begins now, or of this one; None = the token was an old one."""
    claimed = claimed or await watch.due()
    given = {
        "account": watch.account,
        "token": claimed["token"] if token is None else token,
        "read_from": claimed["now"],
        "lag_s": lag_s,
        "complete": True,
        "corrections": list(found),
    }
    answer = await watch.road.value("select engine.reconcile($1)", [given])
    return dict(answer[0]) if answer else None


async def held(watch: Watch) -> dict[str, D]:
    """Open positions by our books, long +, short -."""
    rows = await watch.road.admin.fetch(
        "select venue_position_id as id, case when side = 'buy' then qty else -qty end as qty from public.positions"
        " where account_id = $1::text::uuid and closed_at is null",
        watch.account,
    )
    return {row["id"]: row["qty"] for row in rows}


async def sums_hold(watch: Watch) -> bool:
    """Whether every position is the sum of its fills and adjustments, side included."""
    found = await watch.road.value("select count(*) from engine.invariant_position_is_sum_of_fills")
    return bool(found == 0)


async def test_a_fill_is_believed_at_once_and_once(watch: Watch) -> None:
    """Told again, in another call or the same, it changes nothing."""
    first = await handed_in(watch, fill("f1", "buy", 2), fill("f1", "buy", 2))
    again = await handed_in(watch, fill("f1", "buy", 2))
    assert first is not None
    assert again is not None
    assert (first["made"], again["made"]) == (1, 0)
    assert await held(watch) == {"p1": 2}
    assert await watch.road.value("select count(*) from public.corrections") == 1
    assert await sums_hold(watch)


async def test_what_no_fill_explains_needs_two_reads(watch: Watch) -> None:
    """The first read only makes suspicious, and a second one too soon for a broker whose lists lag does, too."""
    await handed_in(watch, fill("f1", "buy", 2))
    await watch.road.admin.execute("update public.fills set created_at = now() - interval '5 minutes'")
    assert (await handed_in(watch, position(0, kind="position_gone"), lag_s=60) or {})["waiting"] == 1
    assert (await handed_in(watch, position(0, kind="position_gone"), lag_s=60) or {})["waiting"] == 1
    assert await held(watch) == {"p1": 2}
    assert (await handed_in(watch, position(0, kind="position_gone")) or {})["made"] == 1
    assert await held(watch) == {}
    assert await sums_hold(watch)


async def test_reads_that_do_not_agree_prove_nothing(watch: Watch) -> None:
    """Two reads that show two things, or one in between that shows nothing odd, begin anew."""
    await handed_in(watch, position(1, kind="position_unknown"))
    await handed_in(watch, position(2, kind="position_unknown"))
    await handed_in(watch)
    await handed_in(watch, position(1, kind="position_unknown"))
    assert await held(watch) == {}


async def test_a_position_from_before_is_taken_over_and_late_fills_do_not_double_it(watch: Watch) -> None:
    """Short 3, opened before we came: ours, too. Then the fill is told after all: the next two reads put it right, and
    quantity, side and sum hold all the time."""
    for _ in range(2):
        await handed_in(watch, position(3, "sell", kind="position_unknown"))
    assert await held(watch) == {"p1": -3}
    assert await sums_hold(watch)
    await handed_in(watch, fill("f1", "sell", 3))
    assert await held(watch) == {"p1": -6}
    assert await sums_hold(watch)
    for _ in range(2):
        await handed_in(watch, position(3, "sell"))
    assert await held(watch) == {"p1": -3}
    assert await sums_hold(watch)
    await handed_in(watch, fill("f2", "buy", 3, "close"))
    assert await held(watch) == {}
    assert await sums_hold(watch)


async def test_one_fill_that_turned_a_position(watch: Watch) -> None:
    """Long 1, and one fill sells 3: flat by its word, short 2 at the broker. Its fills already say so."""
    await handed_in(watch, fill("f1", "buy", 1), fill("f2", "sell", 3, "close"))
    for _ in range(2):
        await handed_in(watch, position(2, "sell"))
    assert await held(watch) == {"p1": -2}
    assert await sums_hold(watch)
    assert await watch.road.value("select count(*) from engine.adjustments") == 0


async def test_the_wrong_side_is_seen(watch: Watch) -> None:
    """A position of the right quantity on the wrong side is not the sum of its fills."""
    await handed_in(watch, fill("f1", "buy", 2))
    assert await sums_hold(watch)
    await watch.road.admin.execute("update public.positions set side = 'sell'")
    assert not await sums_hold(watch)


async def test_a_command_under_way_is_waited_for(watch: Watch) -> None:
    """What it may explain is not touched; of another symbol it says nothing."""
    await watch.road.admin.execute(
        "insert into engine.commands (delivery_id, account_id, user_id, leg, kind, client_order_id, root, is_entry, request, state)"
        " select 1, id, user_id, 0, 'place', 'c', 'EURUSD', true, '{}', 'unknown' from public.broker_accounts where id = $1::text::uuid",
        watch.account,
    )
    answer = await handed_in(
        watch,
        fill("f1", "buy", 2),
        {**fill("f2", "buy", 1, position="p2", symbol="XAUUSD"), "root": "XAUUSD"},
    )
    assert answer is not None
    assert (answer["made"], answer["waiting"]) == (1, 1)
    assert await held(watch) == {"p2": 1}


async def test_a_read_older_than_our_last_fill_says_nothing(watch: Watch) -> None:
    """A position read before our own fill was recorded is no evidence against it, however often it is read."""
    claimed = await watch.due()
    await handed_in(watch, fill("f1", "buy", 2))
    now = (await watch.due())["token"]
    for _ in range(2):
        given = {
            "account": watch.account,
            "token": now,
            "read_from": claimed["now"],
            "lag_s": 0,
            "complete": True,
        }
        given["corrections"] = [position(0, kind="position_gone")]
        (answer,) = await watch.road.value("select engine.reconcile($1)", [given])
        assert (answer["made"], answer["waiting"]) == (0, 1)
    assert await held(watch) == {"p1": 2}


async def test_an_orphan_is_asked_to_be_canceled(watch: Watch) -> None:
    """Believed at the second read, asked for once: a cancel by the order's id, from the system, on the ordinary road."""
    account = watch.account
    await watch.road.admin.execute(
        "insert into public.orders (user_id, broker, account_id, client_order_id, venue_order_id, origin, reduce_only, symbol,"
        " root, side, type, qty, status) select user_id, broker, id, 'c1', 'w1', 'protection', true, 'EURUSD', 'EURUSD', 'sell',"
        " 'stop', 1, 'working' from public.broker_accounts where id = $1::text::uuid",
        account,
    )
    order = await watch.road.value("select id from public.orders")
    orphan = {"key": "orphan:w1:1", "kind": "orphan", "symbol": "EURUSD", "root": "EURUSD", "told": "told"}
    orphan |= {"doubtful": True, "order": {"id": str(order)}}
    made = [(await handed_in(watch, orphan) or {})["made"] for _ in range(2)]
    asked = await watch.road.admin.fetch(
        "select d.action, d.lane, e.source, e.payload #>> '{intent,order_id}' as named, c.event_id = e.id as noted"
        " from public.deliveries d join public.webhook_events e on e.id = d.event_id"
        " join public.corrections c on c.account_id = d.account_id where d.account_id = $1::text::uuid",
        account,
    )
    assert made == [0, 1]
    assert [tuple(row) for row in asked] == [("cancel", "urgent", "system", str(order), True)]


async def test_a_close_of_ours_gets_its_number_with_its_fill(watch: Watch) -> None:
    """It was taken, and the broker did not tell its order: the fill that is ours by our own name fills it, and no other
    order comes of it. The books tell since when the close waits."""
    await handed_in(watch, fill("f1", "buy", 2))
    await watch.road.admin.execute(
        "insert into public.orders (user_id, broker, account_id, client_order_id, origin, kind, reduce_only, symbol, root, side,"
        " type, qty, status) select user_id, broker, id, 'c1', 'flatten', 'close', true, 'EURUSD', 'EURUSD', 'sell', 'market',"
        " 2, 'working' from public.broker_accounts where id = $1::text::uuid",
        watch.account,
    )
    claimed = await watch.due()
    books = await watch.road.value("select engine.books($1::text::uuid, $2)", watch.account, claimed["token"])
    (close,) = (each for each in books["orders"] if each["client_order_id"] == "c1")
    assert close["created_at"] is not None
    closing = fill("f2", "sell", 2, effect="close")
    closing["fill"]["client_order_id"], closing["order"] = "c1", None
    assert (await handed_in(watch, closing) or {})["made"] == 1
    assert await held(watch) == {}
    orders = await watch.road.admin.fetch(
        "select client_order_id, venue_order_id, status::text, filled_qty from public.orders where side = 'sell'"
    )
    assert [tuple(row) for row in orders] == [("c1", "of2", "filled", 2)]


async def test_an_order_beside_a_fill_that_came_after_the_read_waits(watch: Watch) -> None:
    """The books that were compared did not have the position yet that a stop at the broker protects: whose it is shows at the
    next read. It was adopted as somebody else's, and stayed when the position was gone."""
    claimed = await watch.due()
    await handed_in(watch, fill("f1", "buy", 1), claimed=claimed)
    stop = fill("f2", "sell", 1)["order"] | {
        "type": "stop",
        "stop_price": 1,
        "reduce_only": True,
        "status": "working",
    }
    unknown = {
        "key": "order_unknown:of2",
        "kind": "order_unknown",
        "symbol": "EURUSD",
        "root": "EURUSD",
        "told": "told",
        "order": stop,
    }
    assert await handed_in(watch, unknown, claimed=claimed) == {
        "account": watch.account,
        "made": 0,
        "waiting": 1,
    }
    assert (await handed_in(watch, unknown) or {})["made"] == 1


async def test_an_entry_that_fills_later_is_measured_again(road: Road) -> None:
    """A waiting entry with a stop in pips fills after its answer: the watch is told how far its exits belong from the average,
    and where they stand by our last word. What was said of its stop while it waited is not measured, nor what has none."""
    trader = await road.trader(broker="tradelocker")
    watch = await Watch.of(road, trader.account)
    pips, far = {"mode": "pips", "value": 50}, {"mode": "rr", "value": 2}

    async def waiting(number: str, **request: Any) -> None:
        await road.accept(trader)
        (claimed,) = await road.claim(1)
        leg = {**ENTRY, "type": "limit", "price": D("1.1"), "stop_loss": D("1.095"), "request": request}
        (command,) = (await road.open_one(claimed, leg))["commands"]
        told = {
            "venue_order_id": number,
            "status": "working",
            "stop_loss": D("1.095"),
            "take_profit": D("1.11"),
        }
        assert await road.record(claimed, [filled(command["id"], 0, [], **told)])

    for number, request in (("of1", {"sl": pips, "tp": far}), ("of2", {"sl": {"mode": "none"}}), ("of3", {})):
        await waiting(number, **request)
    for number in "123":
        await handed_in(watch, fill(f"f{number}", "buy", 1, position=f"p{number}"))
    (guard,) = (await watch.due())["guards"]
    assert guard["anchor"] == {
        "sl": pips,
        "tp": far,
        "stop": D("1.095"),
        "target": D("1.11"),
        "is_first": True,
    }
    assert (guard["entry_price"], guard["qty"], guard["order_status"]) == (D("1.1"), 1, "filled")


async def test_a_doubt_lasts_longer_than_its_key(watch: Watch) -> None:
    """What is asked for anew every minute has another key by then. Where lists lag for two minutes it is the same doubt all
    the same, and believed when they cannot lag any more: then the account is read, and compared."""
    earlier = (
        "with m as (update engine.account_marks set began_at = began_at - interval '1 minute')"
        " update engine.reconciled set believed_at = believed_at - interval '1 minute',"
        " suspects = jsonb_build_object('d', (suspects ->> 'd')::timestamptz - interval '1 minute')"
    )
    made, woken = [], []
    for minute in range(3):
        found = position(2, kind="position_unknown", key=f"d:{minute}", doubt="d")
        claimed = await watch.due()
        woken.append(claimed["woken"])
        made.append((await handed_in(watch, found, claimed=claimed, lag_s=120) or {})["made"])
        await watch.hand_in(claimed, datetime.now(UTC), 1)
        await watch.road.admin.execute(earlier)
    assert (made, woken) == ([0, 0, 1], [False, False, True])
    assert (await watch.due())["woken"] is False


async def test_money_that_no_fill_explains_is_looked_at_again(watch: Watch) -> None:
    """The balance has fallen and nothing is open: perhaps a trade between two reads, whose fills are listed late. They are
    asked for once more, in 15 s; a look before does not take that away, the look then does."""
    began = datetime.now(UTC) - timedelta(seconds=40)
    await watch.read(began, 10_000)
    assert await watch.road.value("select count(believed_at) from engine.reconciled") == 0
    await watch.read(began + timedelta(seconds=20), 9_990)
    asked = "select extract(epoch from believed_at - $1)::integer from engine.reconciled"
    assert await watch.road.admin.fetchval(asked, began) == 35
    await watch.road.admin.execute(
        "update engine.reconciled set believed_at = believed_at + interval '1 minute'"
    )
    await handed_in(watch)
    assert await watch.road.admin.fetchval(asked, began) == 95
    await watch.road.admin.execute(
        "update engine.reconciled set believed_at = clock_timestamp(), agreed_at = null"
    )
    claimed = await watch.due()
    assert claimed["woken"] is True
    await handed_in(watch, claimed=claimed)
    assert (await watch.due())["woken"] is False


async def test_a_doubt_is_looked_at_when_it_can_be_believed(watch: Watch) -> None:
    """Nothing is open by that read, so the account would be read in half a minute: it is in ten seconds."""
    claimed = await watch.due()
    await handed_in(watch, position(2, kind="position_unknown"), claimed=claimed, lag_s=10)
    await watch.hand_in(claimed, datetime.now(UTC), 1)
    due = datetime.fromisoformat((await watch.marks())["due_at"])
    assert 5 < (due - datetime.now(UTC)).total_seconds() <= 10


async def test_the_fence(watch: Watch) -> None:
    """A reader whose lease somebody else has now gets no books and corrects nothing."""
    old = await watch.due()
    assert await handed_in(watch, fill("f1", "buy", 2), token=old["token"]) is None
    assert (
        await watch.road.value("select engine.books($1::text::uuid, $2)", watch.account, old["token"]) is None
    )
    assert await held(watch) == {}


@pytest.mark.parametrize(
    ("policy", "level", "flattens"), [("adopt", "warning", 0), ("alert", "error", 0), ("flatten", "error", 1)]
)
async def test_what_follows_is_the_traders_choice(
    watch: Watch, policy: str, level: str, flattens: int
) -> None:
    """The books follow in any case; asked to, we raise the alarm, or close what is not ours, in the urgent lane, once."""
    await watch.road.set("public.broker_accounts", watch.account, on_drift=policy)
    await handed_in(
        watch, {**fill("f1", "buy", 2), "foreign": True}, {**fill("f2", "buy", 2), "foreign": True}
    )
    await handed_in(watch, {**fill("f3", "buy", 2), "foreign": True})
    assert await held(watch) == {"p1": 6}
    levels = await watch.road.value(
        "select jsonb_agg(distinct level) from public.logs where type = 'position_changed' and message like '%told'"
    )
    lanes = await watch.road.value(
        "select coalesce(jsonb_agg(lane), '[]') from public.deliveries where action = 'flatten'"
    )
    assert (levels, lanes) == ([level], ["urgent"] * flattens)
    assert await watch.road.value(
        "select drift from public.broker_accounts where id = $1::text::uuid", watch.account
    ) >= D("2.9")


async def test_who_wants_to_know_is_told_that_a_position_changed(watch: Watch) -> None:
    """A fill of another hand, and a position that no fill explains, are news of the class `position`; an order that came
    and went is not."""
    order = {
        "venue_order_id": "oX",
        "symbol": "EURUSD",
        "root": "EURUSD",
        "side": "buy",
        "type": "limit",
        "qty": 1,
    }
    order |= {"status": "working", "origin": "broker", "price": 1}
    placed = {
        "key": "order_unknown:oX",
        "kind": "order_unknown",
        "symbol": "EURUSD",
        "root": "EURUSD",
        "told": "placed",
    }
    await handed_in(watch, fill("x1", "buy", 1), {**placed, "order": order})
    told = await watch.road.column(
        "select o.body ->> 'message' from engine.outbox o where o.body ->> 'class' = 'position' order by o.id"
    )
    assert [each.split(": ", 1)[1] for each in told] == ["told"]
