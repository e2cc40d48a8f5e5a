"""Write ahead: the hard limits hold under the locks, whatever a worker believes."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from tests.integration.engine.road import CLOSE, ENTRY, EXIT, Json, Road, Trader, fill, filled, outcome


async def claimed_one(road: Road, trader: Trader, **intent: Any) -> Json:
    """An alert, accepted and claimed."""
    await road.accept(trader, **intent)
    (claimed,) = await road.claim(1)
    return claimed


async def verdict(road: Road, trader: Trader, *legs: Json, **intent: Any) -> tuple[str, str | None]:
    """What open_orders says to a new alert; what is refused is ended."""
    claimed = await claimed_one(road, trader, **intent)
    answer = await road.open_one(claimed, *legs)
    if answer["verdict"] == "denied":
        await road.record(claimed, outcome="denied", reason=answer["reason"])
    return answer["verdict"], answer.get("reason")


async def test_order_and_command_exist_before_anything_is_sent(road: Road) -> None:
    """open_orders commits order, command and reservation; go = true belongs to this holder alone."""
    trader = await road.trader()
    claimed = await claimed_one(road, trader, tag="T")
    answer = await road.open_one(claimed, {**ENTRY, "tag": "T", "stop_loss": 1.05})
    (command,) = answer["commands"]
    assert command["go"] is True
    order = await road.admin.fetchrow("select * from public.orders where id = $1", command["order_id"])
    assert order is not None
    assert (order["status"], order["origin"], order["reduce_only"], order["tag"]) == (
        "submitting",
        "alert",
        False,
        "T",
    )
    assert order["client_order_id"] == command["client_order_id"]
    assert len(order["client_order_id"]) <= 26
    row = await road.admin.fetchrow("select * from engine.commands where id = $1", command["id"])
    assert row is not None
    assert (row["state"], row["token"], row["sends"]) == ("submitting", claimed["token"], 1)
    assert row["send_deadline"] > row["submitted_at"]
    assert await road.column("select trades from engine.scope_counters order by scope") == [1, 1]


async def test_longest_client_order_id_fits_the_tightest_broker(road: Road) -> None:
    """26 characters, even for the largest delivery id there can be."""
    trader = await road.trader()
    await road.admin.execute("select setval('public.deliveries_id_seq', 9223372036854775806)")
    answer = await road.open_one(await claimed_one(road, trader), {**ENTRY, "leg": 255})
    assert len(answer["commands"][0]["client_order_id"]) == 26


async def test_asked_again_answers_the_same(road: Road) -> None:
    """A repetition after a lost answer returns the same commands and lets nobody send a second time."""
    trader = await road.trader()
    claimed = await claimed_one(road, trader)
    first, second = await road.open_one(claimed), await road.open_one(claimed)
    keep = ("id", "order_id", "client_order_id")
    assert [first["commands"][0][name] for name in keep] == [second["commands"][0][name] for name in keep]
    assert (first["commands"][0]["go"], second["commands"][0]["go"]) == (True, False)
    assert await road.value("select count(*) from public.orders") == 1
    assert await road.column("select distinct trades from engine.scope_counters") == [1]


async def test_hundred_alerts_at_a_limit_of_ten(road: Road) -> None:
    """100 accounts of one user, 4 workers at once: exactly 10 are opened, the rest denied with the numbers."""
    trader = await road.trader(accounts=100)
    await road.limit(trader, max_trades_per_day=10)
    await road.accept(trader)
    claimed = await road.claim(100)
    lines = [await road.another("empire_worker") for _ in range(4)]
    parts = [claimed[n::4] for n in range(4)]
    batches = [
        (line, part[n : n + 5]) for line, part in zip(lines, parts, strict=True) for n in range(0, 25, 5)
    ]
    by_line: dict[Any, list[list[Json]]] = {}
    for line, batch in batches:
        by_line.setdefault(line, []).append(batch)

    async def work(line: Any) -> list[Json]:
        return [each for batch in by_line[line] for each in await road.open(batch, connection=line)]

    answers = [each for part in await asyncio.gather(*map(work, lines)) for each in part]
    assert [each["verdict"] for each in answers].count("opened") == 10
    denied = [each for each in answers if each["verdict"] == "denied"]
    assert {each["reason"] for each in denied} == {"max_trades_per_day"}
    assert denied[0]["numbers"] == {"value": 11, "limit": 10}
    assert await road.value("select count(*) from public.orders") == 10
    assert await road.value("select trades from engine.scope_counters where scope = 'paper'") == 10


@pytest.mark.parametrize(
    ("scope", "passes"),
    [({}, 2), ({"broker": "paper"}, 2), ({"account_id": "first"}, 5), ({"broker": "topstepx"}, 6)],
)
async def test_scope_of_a_limit(road: Road, scope: dict[str, str], passes: int) -> None:
    """A limit of the user or broker counts all its accounts, one of an account only that one."""
    trader = await road.trader(accounts=2)
    values = {name: trader.account if value == "first" else value for name, value in scope.items()}
    await road.limit(trader, max_trades_per_day=2, **values)
    opened = 0
    for _ in range(3):
        await road.accept(trader)
        claimed = await road.claim()
        for each, answer in zip(claimed, await road.open(claimed), strict=True):
            opened += answer["verdict"] == "opened"
            await road.record(each, [filled(c["id"], 1, []) for c in answer.get("commands", [])])
    assert opened == passes


async def test_paper_and_live_are_counted_apart(road: Road) -> None:
    """Practice has limits too, and never uses up the room of real money."""
    trader = await road.trader()
    live = await road.account(trader, broker="tradelocker")
    await road.limit(trader, max_trades_per_day=1, max_open_trades=1)
    await road.accept(trader, accounts=[trader.account])
    await road.accept(trader, accounts=[live])
    claimed = await road.claim()
    assert [each["verdict"] for each in await road.open(claimed)] == ["opened", "opened"]
    assert await road.column(
        "select scope from engine.scope_counters where trades = 1 order by scope"
    ) == sorted(["live", "paper", "tradelocker", trader.account, live])


async def test_open_trades(road: Road) -> None:
    """Positions and entries in flight count together; a reverse frees the room it needs."""
    trader = await road.trader(accounts=2)
    await road.limit(trader, max_open_trades=2)
    one, two = trader.accounts
    await road.trade(trader, accounts=[one])
    flying = await claimed_one(road, trader, accounts=[two])
    assert (await road.open_one(flying))["verdict"] == "opened"
    third = await claimed_one(road, trader, accounts=[one])
    answer = await road.open_one(third)
    assert (answer["reason"], answer["numbers"]) == ("max_open_trades", {"value": 3, "limit": 2})
    reverse = [{**CLOSE, "leg": 0}, {**ENTRY, "leg": 1, "side": "sell", "after_fill": True}]
    assert (await road.open_one(third, *reverse))["verdict"] == "opened"


async def test_concurrent_positions_in_one_batch(road: Road) -> None:
    """Each plan of a batch sees what those before it took."""
    trader = await road.trader(accounts=5)
    await road.limit(trader, max_concurrent_positions=3)
    await road.accept(trader)
    answers = await road.open(await road.claim())
    assert [each["verdict"] for each in answers] == ["opened"] * 3 + ["denied"] * 2


async def test_open_trades_limit_knows_no_time_zone(road: Road) -> None:
    """Two accounts whose trading days differ share the user's room: at once on two connections, one passes."""
    trader = await road.trader(accounts=2)
    await road.set("public.broker_accounts", trader.accounts[0], timezone="Pacific/Kiritimati")
    await road.set("public.broker_accounts", trader.accounts[1], timezone="Pacific/Pago_Pago")
    await road.limit(trader, max_open_trades=1)
    await road.accept(trader)
    claimed = await road.claim()
    other = await road.another("empire_worker")
    answers = await asyncio.gather(road.open(claimed[0]), road.open(claimed[1], connection=other))
    assert sorted(each["verdict"] for (each,) in answers) == ["denied", "opened"]


@pytest.mark.parametrize(
    ("leg", "reason"),
    [
        ({"qty": 2.1}, "max_order_size"),
        ({"qty": 2, "worst_loss": 500.01}, "max_risk_per_trade"),
        ({"qty": 2, "worst_loss": 500}, None),
    ],
)
async def test_size_and_ceiling_of_loss(road: Road, leg: Json, reason: str | None) -> None:
    """The tightest order size of limits and endpoint; 5 % of 10,000 a trade unless stated; touching is allowed."""
    trader = await road.trader()
    await road.limit(trader, max_order_qty=3)
    await road.set("public.webhook_endpoints", trader.endpoint, max_qty=2)
    assert await verdict(road, trader, {**ENTRY, **leg}) == ("denied" if reason else "opened", reason)


async def _kill(road: Road, trader: Trader) -> None:
    await road.set("public.profiles", trader.user, trading_halted=True)


async def _suspend(road: Road, trader: Trader) -> None:
    await road.set("public.profiles", trader.user, status="suspended")


async def _disable(road: Road, trader: Trader) -> None:
    await road.set("public.broker_accounts", trader.account, trading_enabled=False)


async def _lock(road: Road, trader: Trader) -> None:
    await road.set("public.broker_accounts", trader.account, locked_until="now() + ('1h'::interval)")


async def _endpoint(road: Road, trader: Trader) -> None:
    await road.set("public.webhook_endpoints", trader.endpoint, enabled=False)


async def _expire(road: Road, _: Trader) -> None:
    await road.admin.execute(
        "update public.deliveries set expires_at = now() - interval '7 s' where outcome is null"
    )


STOPS = [
    (_kill, "kill_switch"),
    (_suspend, "kill_switch"),
    (_disable, "account_disabled"),
    (_lock, "account_locked"),
    (_endpoint, "endpoint_disabled"),
    (_expire, "stale"),
]


@pytest.mark.parametrize(("stop", "reason"), STOPS, ids=[stop.__name__ for stop, _ in STOPS])
async def test_what_stops_entries_stops_no_exit(road: Road, stop: Any, reason: str) -> None:
    """A switch thrown after the claim denies the entry, at writing and at sending; exits pass all of them."""
    trader = await road.trader()
    await road.trade(trader)
    exit_, entry, later = [
        await claimed_one_more(road, trader, action) for action in ("reduce", "open", "open")
    ]
    written = await road.open_one(later, begin=False)
    await stop(road, trader)
    assert (await road.open_one(entry))["reason"] == reason
    begun = await road.begin(written["commands"][0]["id"], later["token"])
    assert (begun["go"], begun["reason"]) == (False, reason)
    answer = await road.open_one(exit_, EXIT)
    assert answer["commands"][0]["go"] is True


async def claimed_one_more(road: Road, trader: Trader, action: str) -> Json:
    """A claimed delivery of the same account, although another is claimed: its lane is looked away from."""
    await road.accept(trader, action=action)
    await road.admin.execute("update engine.queue set state = 'waiting' where state = 'ready'")
    await road.admin.execute("drop index if exists engine.one_head_per_account_and_lane")
    await road.admin.execute("update engine.queue set state = 'ready' where state = 'waiting'")
    (claimed,) = await road.claim(1)
    return claimed


async def test_stale_says_age_and_limit(road: Road) -> None:
    """The database's clock decides; the numbers are how old it was and how old it may be."""
    trader = await road.trader()
    claimed = await claimed_one(road, trader)
    await _expire(road, trader)
    numbers = (await road.open_one(claimed))["numbers"]
    assert numbers["limit_s"] == 60
    assert 67 <= numbers["age_s"] < 80


async def test_unresolved_order_blocks_its_symbol_only(road: Road) -> None:
    """While what became of an order is unknown nothing more is opened on its symbol; others and exits go on."""
    trader = await road.trader()
    await road.trade(trader)
    unknown = await claimed_one(road, trader)
    opened = await road.open_one(unknown)
    await road.record(unknown, [outcome(opened["commands"][0]["id"], "unknown")], outcome="unknown")
    claimed = await claimed_one(road, trader)
    answer = await road.open_one(claimed)
    assert (answer["reason"], answer["numbers"]) == ("unresolved_order", {"symbol": "EURUSD"})
    assert (await road.open_one(claimed, EXIT))["verdict"] == "opened"
    await road.record(claimed, outcome="denied")
    assert await verdict(road, trader, {**ENTRY, "symbol": "XAUUSD", "root": "XAUUSD"}) == ("opened", None)


async def test_adding_risk_without_an_order_is_limited(road: Road) -> None:
    """A stop widened counts as an entry: the kill switch stops it; a tightened one passes."""
    trader = await road.trader()
    await _kill(road, trader)
    widened = {**ENTRY, "kind": "protect", "request": {"adds_risk": True}}
    assert await verdict(road, trader, widened, action="modify") == ("denied", "kill_switch")
    tightened = {**ENTRY, "kind": "protect", "request": {"adds_risk": False}}
    assert await verdict(road, trader, tightened, action="modify") == ("opened", None)
    assert await road.value("select coalesce(sum(trades), 0) from engine.scope_counters") == 0


async def test_trade_is_given_back_when_nothing_reached_the_broker(road: Road) -> None:
    """Rejected, canceled before sending, dead: released once. Accepted and unknown keep it."""
    trader = await road.trader()

    async def trades() -> int:
        return int(await road.value("select max(trades) from engine.scope_counters"))

    rejected = await claimed_one(road, trader)
    opened = await road.open_one(rejected)
    assert await trades() == 1
    await road.record(
        rejected, [outcome(opened["commands"][0]["id"], "rejected", "market_closed")], "rejected"
    )
    assert await trades() == 0
    unsent = await claimed_one(road, trader)
    await road.open_one(unsent, begin=False)
    assert await road.worker.fetchval(
        "select engine.dead_letter($1, $2, 'boom', $3)", unsent["delivery"]["id"], unsent["token"], []
    )
    assert await trades() == 0
    unknown = await claimed_one(road, trader)
    opened = await road.open_one(unknown)
    await road.record(unknown, [outcome(opened["commands"][0]["id"], "unknown")], "unknown")
    assert await trades() == 1
    assert await road.column("select outcome::text from public.deliveries order by id") == [
        "rejected", "invalid", "unknown",
    ]  # fmt: skip
    assert await road.broken() == {}


async def test_partly_rejected_keeps_its_trade(road: Road) -> None:
    """Of two entry legs one was taken: it is a trade."""
    trader = await road.trader()
    claimed = await claimed_one(road, trader)
    opened = await road.open_one(claimed, ENTRY, {**ENTRY, "leg": 1})
    first, second = (each["id"] for each in opened["commands"])
    await road.record(claimed, [filled(first, 1, [fill("f1")]), outcome(second, "rejected", "market_closed")])
    assert await road.column("select distinct trades from engine.scope_counters") == [1]


async def test_opposite_orders_of_accounts_never_deadlock(road: Road) -> None:
    """Two workers hand in the same users' accounts in opposite order, again and again: both always get through."""
    traders = [await road.trader(accounts=4) for _ in range(2)]
    for trader in traders:
        await road.limit(trader, max_trades_per_day=1000, max_open_trades=1000)
    lines = [road.worker, await road.another("empire_worker")]

    async def work(index: int) -> None:
        for _ in range(25):
            claimed = await road.claim(8, worker=f"w{index}", connection=lines[index])
            ordered = sorted(claimed, key=lambda c: str(c["delivery"]["account_id"]), reverse=bool(index))
            for each, answer in zip(ordered, await road.open(ordered, connection=lines[index]), strict=True):
                ids = [command["id"] for command in answer.get("commands", [])]
                results = [outcome(command, "rejected", "market_closed") for command in ids]
                await road.record(each, results, "rejected", connection=lines[index])

    async def send() -> None:
        for _ in range(20):
            for trader in traders:
                await road.accept(trader)

    before = await _deadlocks(road)
    await asyncio.gather(work(0), work(1), send())
    assert await _deadlocks(road) == before
    assert await road.broken() == {}


async def _deadlocks(road: Road) -> int:
    return int(await road.value("select deadlocks from pg_stat_database where datname = current_database()"))


async def test_batch_with_both_lanes_of_one_account(road: Road) -> None:
    """In one batch the second delivery of an account sees what the first wrote: both cannot close the same lot."""
    trader = await road.trader()
    await road.trade(trader)
    await road.accept(trader, action="reduce")
    (normal,) = await road.claim()
    await road.intend(trader, action="close", symbol="EURUSD", side="sell")
    (urgent,) = await road.claim(lane="urgent")
    both = sorted([normal, urgent], key=lambda each: int(each["delivery"]["id"]))
    answers = await road.open(both, EXIT)
    assert [each["verdict"] for each in answers] == ["opened", "denied"]
    assert answers[1]["reason"] == "reduce_too_large"


async def test_expiry_is_the_databases(road: Road) -> None:
    """A delivery that expires a minute from now is opened, whatever a worker's clock says."""
    trader = await road.trader()
    claimed = await claimed_one(road, trader)
    left = await road.value("select expires_at - clock_timestamp() from public.deliveries")
    assert timedelta(seconds=50) < left < timedelta(seconds=61)
    assert (await road.open_one(claimed))["verdict"] == "opened"
