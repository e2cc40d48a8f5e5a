"""Rules with an amount, asked again under the locks: what fits alone and not together is admitted once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from tests.integration.engine.road import ENTRY, TIMEOUT_MS, Json, Road, Trader
from tests.integration.engine.watching import Watch, later, rule


def room(left: Any, key: str = "loss", owner: str = "account", **more: Any) -> Json:
    """What a rule left after the order, as a worker says it."""
    numbers = {"value": "300", "limit": "360", "distance": str(left), "scope": "user", "currency": "USD"}
    return {
        "owner": owner, "key": key, "seen": 0, "left": left, "reason": "daily_loss", "touch": True, "drift": None,
        "falls": False, "numbers": numbers, **more,
    }  # fmt: skip


def risk(*rooms: Json, account: Json | None = None, user: Json | None = None, **more: Any) -> Json:
    """Plan.risk."""
    return {
        "equity": 10_000, "as_of": datetime.now(UTC) - timedelta(seconds=1), "rooms": list(rooms), "cool_down": [],
        "takes": {"account": account or {}, "user": user or {}}, "loss": {}, "notional_usd": {}, **more,
    }  # fmt: skip


async def open_all(
    line: asyncpg.Connection, claimed: Sequence[Json], at_stake: Json, *, begin: bool = True, **leg: Any
) -> list[Json]:
    """engine.open_orders of one entry for each, all with the same at stake."""
    plans = [
        {
            "delivery_id": c["delivery"]["id"],
            "token": c["token"],
            "legs": [{**ENTRY, **leg}],
            "risk": at_stake,
        }
        for c in claimed
    ]
    answer: list[Json] = await line.fetchval(
        "select engine.open_orders($1, $2, $3)", plans, begin, TIMEOUT_MS
    )
    return answer


async def two_at_once(road: Road, trader: Trader, plan: Json, **second: Any) -> list[Json]:
    """Two alerts of one account, decided before either was written, opened by two sessions at the same moment."""
    await road.accept(trader)
    await road.accept(trader)
    (first,) = await road.claim(1)
    later = first["delivery"]["id"] + 1
    # Of a lane one is held at a time; an account has two lanes.
    await road.admin.execute(
        "update engine.queue q set lane = 'urgent', state = 'claimed', token = 4711, worker = 'w2', lease_until = f.lease_until"
        " from engine.queue f where q.id = $1 and f.id = $2",
        *(later, first["delivery"]["id"]),
    )
    lines = [await road.another("empire_worker") for _ in range(2)]
    answers = await asyncio.gather(
        open_all(lines[0], [first], plan, begin=False),
        open_all(lines[1], [{"delivery": {"id": later}, "token": 4711}], plan, begin=False, **second),
    )
    return sorted((each for (each,) in answers), key=lambda each: str(each["verdict"]))


async def test_a_hundred_accounts_share_one_exposure(road: Road) -> None:
    """Two workers, 100 alerts at once over 100 accounts, dollars for ten of them: exactly ten are opened."""
    trader = await road.trader(accounts=100)
    await road.accept(trader)
    lines = [await road.another("empire_worker") for _ in range(2)]
    batches: list[list[Json]] = []
    for _ in range(10):
        batches.append(await road.claim(10, worker=f"w{len(batches) % 2}"))
    # Each was decided when nothing was at stake: of 1,000 dollars its own 100 leave 900.
    plan = risk(room(900, "notional", "user", touch=False, reason="exposure"), user={"notional": 100})
    answers = await asyncio.gather(*[_each(line, batches[n::2], plan) for n, line in enumerate(lines)])
    found = [each for answer in answers for each in answer]
    assert len(found) == 100
    assert sum(each["verdict"] == "opened" for each in found) == 10
    denied = next(each for each in found if each["verdict"] == "denied")
    assert (denied["reason"], denied["numbers"]["since"], denied["numbers"]["distance"]) == (
        "exposure",
        1_000,
        -100,
    )
    assert await road.value("select total from engine.stakes where key = 'paper:notional'") == 1_000


async def _each(line: asyncpg.Connection, batches: Sequence[Sequence[Json]], plan: Json) -> list[Json]:
    return [answer for batch in batches for answer in await open_all(line, batch, plan)]


async def test_two_that_fit_alone_and_not_together(road: Road) -> None:
    """Two entries of one account's day, both decided before either was written: exactly one is opened."""
    trader = await road.trader()
    await road.accept(trader)
    (first,) = await road.claim(1)
    plan = risk(room(60), account={"loss": 100})
    (opened,) = await open_all(road.worker, [first], plan)
    assert opened["verdict"] == "opened"
    # As if the other had been claimed at the same moment: it has seen nothing at stake either.
    await road.deny(first)
    await road.accept(trader)
    (second,) = await road.claim(1)
    (denied,) = await open_all(road.worker, [second], plan, root="XAUUSD")
    assert (denied["verdict"], denied["reason"]) == ("denied", "daily_loss")
    assert (denied["numbers"]["value"], denied["numbers"]["distance"]) == (400, -40)
    assert second["stakes"] is None  # nobody has limits here: the claim does not look
    known = risk(room(60, seen=100), account={"loss": 100})
    (opened,) = await open_all(road.worker, [second], known, root="XAUUSD")
    assert opened["verdict"] == "opened"


@pytest.mark.parametrize(("left", "verdict"), [(100, "denied"), (Decimal("100.01"), "opened")])
async def test_touching_is_reaching(road: Road, left: Any, verdict: str) -> None:
    """What others took since may leave a cent, but not nothing."""
    trader = await road.trader()
    await road.admin.execute(
        "insert into engine.stakes (owner, key, total) values ($1::text::uuid, 'loss', 100)", trader.account
    )
    await road.accept(trader)
    (claimed,) = await road.claim(1)
    (answer,) = await open_all(road.worker, [claimed], risk(room(left)))
    assert answer["verdict"] == verdict


@pytest.mark.parametrize(
    ("drift", "equity", "verdict"),
    [("down", 9_950, "opened"), ("down", 9_940, "denied"), ("up", 10_060, "denied"), ("up", 9_000, "opened")],
)
async def test_money_that_moved_since(road: Road, drift: str, equity: int, verdict: str) -> None:
    """The account was read again after the worker looked: what it lost (or won) since is gone from the room."""
    trader = await road.trader()
    await road.accept(trader)
    (claimed,) = await road.claim(1)
    plan = risk(room(60, drift=drift))
    watch = Watch(road, trader.account)
    await watch.read(datetime.now(UTC), 10_000, equity)
    (answer,) = await open_all(road.worker, [claimed], plan)
    assert answer["verdict"] == verdict


async def test_opposite_sides_of_two_accounts(road: Road) -> None:
    """A buy on one account and a sell on another at the same moment, both seen alone: one of them is opened."""
    trader = await road.trader(accounts=2)
    await road.accept(trader)
    claimed = await road.claim(2)
    lines = [await road.another("empire_worker") for _ in range(2)]

    def plan(side: str, other: str) -> Json:
        nothing = room(
            0, f"EURUSD:{other}", "user", touch=False, reason="opposite_elsewhere", numbers={"side": side}
        )
        return risk(nothing, user={f"EURUSD:{side}": 1})

    answers = await asyncio.gather(
        open_all(lines[0], claimed[:1], plan("buy", "sell")),
        open_all(lines[1], claimed[1:], plan("sell", "buy"), side="sell"),
    )
    assert sorted(each[0]["verdict"] for each in answers) == ["denied", "opened"]
    (denied,) = [each[0] for each in answers if each[0]["verdict"] == "denied"]
    assert denied["reason"] == "opposite_elsewhere"


async def test_paper_takes_no_room_from_real_money(road: Road) -> None:
    """What a paper account has at stake is not seen by the trader's real accounts."""
    trader = await road.trader()
    real = await road.account(trader, "tradelocker")
    await rule(road, trader.user, {"exposure": {"per_symbol_usd": 1000}})
    await road.accept(trader)
    by_account = {each["delivery"]["account_id"]: each for each in await road.claim(2)}
    for account, amount in ((trader.account, 700), (real, 200)):
        await open_all(road.worker, [by_account[account]], risk(user={"notional": amount}))
    for account in (trader.account, real):
        await road.deny(by_account[account])
    await road.accept(trader)
    seen = {each["delivery"]["account_id"]: each["stakes"]["user"] for each in await road.claim(2)}
    assert seen == {trader.account: {"notional": 700}, real: {"notional": 200}}


async def test_a_loss_told_since_cools_down(road: Road) -> None:
    """A losing exit that was recorded after the worker looked: the entry waits like every other."""
    trader = await road.trader()
    watch = Watch(road, trader.account)
    await road.accept(trader)
    (claimed,) = await road.claim(1)
    plan = risk(cool_down=[{"scope": "user", "after_losses": 1, "minutes": 30}])
    now = datetime.now(UTC)
    await watch.fill(later(now, minutes=-5), 0, effect="open")
    await watch.fill(later(now, minutes=-1), 10, commission=12)  # a gain that its costs have eaten
    (denied,) = await open_all(road.worker, [claimed], plan)
    assert (denied["verdict"], denied["reason"], denied["numbers"]["value"]) == ("denied", "cool_down", 1)
    until = datetime.fromisoformat(denied["numbers"]["until"])
    assert abs((until - later(now, minutes=29)).total_seconds()) < 1


async def test_who_has_no_rules_pays_nothing(road: Road) -> None:
    """Without rules a claim brings neither state nor stakes, and opening writes none."""
    trader = await road.trader()
    await road.limit(trader, max_trades_per_day=5)
    claimed = await road.trade(trader)
    assert claimed["risk"] is None
    assert claimed["limits"]["rule_sets"] == []
    counted = "select (select count(*) from engine.stakes) + (select count(*) from engine.reservations)"
    assert await road.value(counted) == 0


async def test_margin_that_two_have_and_not_together(road: Road) -> None:
    """Each alone would use 30 % of 10,000 and 50 % are allowed: of two sessions at once exactly one opens."""
    trader = await road.trader()
    limits = [
        {"scope": "user", "max_pct": 80, "margin": 3_000, "seen": 0},
        {"scope": "account", "max_pct": 50, "margin": 3_000, "seen": 0},
    ]
    plan = risk(margin_use=limits, account={"margin": 3_000})
    denied, opened = await two_at_once(road, trader, plan, root="XAUUSD")
    assert (opened["verdict"], denied["reason"]) == ("opened", "margin_use")
    assert denied["numbers"] == {
        "value": 60, "limit": 50, "distance": -10, "margin": 6_000, "equity": 10_000, "currency": "USD",
        "scope": "account", "since": 3_000,
    }  # fmt: skip
    assert await road.value("select total from engine.stakes where key = 'margin'") == 3_000


@pytest.mark.parametrize(("equity", "verdict"), [(6_000, "opened"), (5_999, "denied"), (0, "denied")])
async def test_margin_of_an_equity_that_fell_since(road: Road, equity: int, verdict: str) -> None:
    """3,000 of margin are half of 6,000, which is allowed, and more than half of what is less."""
    trader = await road.trader()
    await road.accept(trader)
    (claimed,) = await road.claim(1)
    await Watch(road, trader.account).read(datetime.now(UTC), 10_000, equity)
    limit = {"scope": "user", "max_pct": 50, "margin": 3_000, "seen": 0}
    (answer,) = await open_all(road.worker, [claimed], risk(margin_use=[limit]))
    assert answer["verdict"] == verdict


async def test_the_same_order_of_two_sessions(road: Road) -> None:
    """Two alerts for the same at the same moment, neither seen by the other: one is opened, whatever their symbol says."""
    trader = await road.trader()
    window = {"scope": "user", "window_s": 10, "root": "EURUSD", "side": "buy"}
    denied, opened = await two_at_once(road, trader, risk(duplicates=[window]))
    assert (opened["verdict"], denied["reason"]) == ("opened", "duplicate_intent")
    assert denied["numbers"] == {"limit": 10, "twin": opened["delivery_id"], "scope": "user"}


@pytest.mark.parametrize("other", ["root", "side", "window", "refused"])
async def test_what_is_no_twin(road: Road, other: str) -> None:
    """Another symbol, another side, one before the window and one that the broker refused are not the same order."""
    trader = await road.trader()
    await road.accept(trader)
    (first,) = await road.claim(1)
    (opened,) = (await road.open_one(first, begin=True))["commands"]
    await road.record(
        first,
        [{"id": opened["id"], "outcome": "rejected" if other == "refused" else "accepted", "reason": None}],
        outcome="rejected" if other == "refused" else "executed",
    )
    if other == "window":
        await road.admin.execute(
            "update public.deliveries set created_at = created_at - interval '10 seconds'"
        )
    await road.accept(trader)
    (second,) = await road.claim(1)
    window = {"scope": "user", "window_s": 10, "root": "EURUSD", "side": "buy"}
    leg = {"root": {"root": "XAUUSD"}, "side": {"side": "sell"}}.get(other, {})
    plan = risk(duplicates=[{**window, **leg}])
    (answer,) = await open_all(road.worker, [second], plan, **leg)
    assert answer["verdict"] == "opened"


async def test_a_day_that_won_since_is_capped(road: Road) -> None:
    """What one day may earn is asked again with the equity as it was read since: 100 may still be won, and are."""
    trader = await road.trader()
    cap = room(100, "", reason="consistency", touch=False, drift="up")
    for equity, verdict in ((10_100, "opened"), (Decimal("10100.01"), "denied")):
        await road.accept(trader, symbol="XAUUSD" if verdict == "denied" else "EURUSD")
        (claimed,) = await road.claim(1)
        await Watch(road, trader.account).read(datetime.now(UTC), 10_000, equity)
        (answer,) = await open_all(road.worker, [claimed], risk(cap), root=f"R{verdict}")
        assert answer["verdict"] == verdict
        await road.deny(claimed)
