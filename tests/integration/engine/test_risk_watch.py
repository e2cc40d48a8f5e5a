"""Who reads which account next, and what a read or a failed read becomes."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal as D
from typing import Any

import pytest

from tests.integration.engine.road import Road
from tests.integration.engine.watching import Watch, held, later, rule


@pytest.fixture
async def watch(road: Road) -> Watch:
    """A trader's only account."""
    trader = await road.trader(broker="tradelocker")
    return await Watch.of(road, trader.account)


async def test_one_reader_an_account(road: Road) -> None:
    """Ten workers ask at once: each of forty accounts goes to one of them."""
    await road.trader(accounts=40)
    lines = [await road.another("empire_worker") for _ in range(10)]
    rows = await asyncio.gather(
        *[
            line.fetch("select engine.watched_accounts($1, 10, 12000, '{}')", f"w{n}")
            for n, line in enumerate(lines)
        ]
    )
    taken = [row[0]["account"]["id"] for each in rows for row in each]
    assert len(taken) == len(set(taken)) == 40


async def test_the_fence(road: Road, watch: Watch) -> None:
    """What a reader hands in under a lease that somebody else has now is not written."""
    old = await watch.due()
    new = await watch.due()
    now = datetime.now(UTC)
    await watch.hand_in(old, now, 1)
    assert (
        await road.value(
            "select balance from public.broker_accounts where id = $1::text::uuid", watch.account
        )
        == 10_000
    )
    await watch.hand_in(new, now, 9_500)
    assert (
        await road.value(
            "select balance from public.broker_accounts where id = $1::text::uuid", watch.account
        )
        == 9_500
    )
    assert (await watch.marks())["token"] is None


async def test_a_login_is_read_as_often_as_its_limits_sustain(road: Road) -> None:
    """Four accounts are due; three share a login whose broker counts by the login. Its three reads at once are begun,
    then one a minute, whoever waits longest; the other login is read as ever."""
    trader = await road.trader(accounts=4, broker="topstepx")
    *together, alone = trader.accounts
    await road.admin.execute(
        "update public.broker_accounts set connection_id = $1::text::uuid where id = any ($2::text[]::uuid[])",
        *(together[0], together),
    )

    async def begun() -> list[str]:
        text = "select engine.watched_accounts('w', 100, 12000, $1)"
        return [row[0]["account"]["id"] for row in await road.worker.fetch(text, {"topstepx": 60})]

    async def due() -> None:
        for n, account in enumerate(trader.accounts):
            await road.admin.execute(
                "update engine.account_marks set lease_until = null, due_at = now() - $2::integer * interval '1 second'"
                " where account_id = $1::text::uuid",
                *(account, n),
            )

    assert sorted(await begun()) == sorted(trader.accounts)
    await due()
    assert await begun() == [alone]
    await road.admin.execute("update engine.read_credits set at = at - interval '61 seconds'")
    await due()
    assert await begun() == [alone, together[2]]
    await due()
    assert await begun() == [alone]


async def test_open_accounts_every_second_idle_ones_every_thirty(road: Road) -> None:
    """An account that was just read is due in half a minute; with a position it is due after a second."""
    trader = await road.trader()
    watch = await Watch.of(road, trader.account, "paper")
    now = datetime.now(UTC)
    await watch.read(now, 10_000)
    assert await watch.claim() is None
    due = datetime.fromisoformat((await watch.marks())["due_at"])
    assert 25 < (due - now).total_seconds() < 40
    await road.trade(trader)
    before = datetime.now(UTC)
    await watch.read(before, 10_000, positions=[held()])
    assert await watch.is_due_in(1, before)
    await road.admin.execute("update engine.account_marks set due_at = now()")
    claimed = await watch.claim()
    assert claimed is not None
    assert [each["venue_position_id"] for each in claimed["positions"]] == ["p1"]


@pytest.mark.parametrize("executed", ["it read the account, too", "it did not"])
async def test_what_was_opened_on_an_idle_account_is_looked_at(road: Road, executed: str) -> None:
    """Our own order has filled since the last read, which is half a minute from the next: a second after it the account
    is read, also where whoever executed the order has seen it open. Who asks for no look at everything that is open is
    not told of it."""
    trader = await road.trader()
    watch = await Watch.of(road, trader.account, "paper")
    await watch.read(datetime.now(UTC), 10_000)
    await road.trade(trader)
    # As if it had only just been read, however long the trade took.
    await road.admin.execute("update engine.account_marks set read_at = now() + interval '1 minute'")
    assert await watch.claim() is None
    if executed == "it read the account, too":
        await road.admin.execute("update engine.account_marks set at = now(), is_flat = false")
    await road.admin.execute("update engine.account_marks set read_at = now() - interval '1 second'")
    assert (
        await road.worker.fetch("select engine.watched_accounts('w', 100, 12000, '{}', p_look => false)")
        == []
    )
    claimed = await watch.claim()
    assert claimed is not None
    assert [each["venue_position_id"] for each in claimed["positions"]] == ["p1"]


async def test_an_idle_account_is_read_at_its_reset(road: Road, watch: Watch) -> None:
    """Its reset is ten seconds ahead: that is when it is due, not in thirty."""
    before = await road.value("select now()")
    await road.admin.execute(
        "update public.broker_accounts set reset_time = (($1::timestamptz + interval '10 s') at time zone 'UTC')::time",
        before,
    )
    await watch.read(datetime.now(UTC), 10_000)
    due = datetime.fromisoformat((await watch.marks())["due_at"])
    assert 8 < (due - before).total_seconds() < 11


@pytest.mark.parametrize("obstacle", ["disabled", "edge"])
async def test_who_is_not_ours_to_read(road: Road, watch: Watch, obstacle: str) -> None:
    """A disconnected login, and an account of a trader's own device, are not read by the fleet."""
    column = "status" if obstacle == "disabled" else "executor"
    await road.set("public.broker_connections", watch.account, **{column: obstacle})
    assert await watch.claim() is None


async def test_what_could_not_be_read_grows_old(road: Road) -> None:
    """A failed read changes no figure: account and positions become stale, then unknown, and fresh by a read only."""
    trader = await road.trader()
    await road.trade(trader)
    watch = await Watch.of(road, trader.account, "paper")
    now = datetime.now(UTC)

    async def figures() -> tuple[object, ...]:
        row = await road.admin.fetchrow(
            "select a.balance, a.freshness::text, p.qty, p.freshness::text from public.broker_accounts a"
            " join public.positions p on p.account_id = a.id"
        )
        assert row is not None
        return tuple(row)

    await watch.read(now, 9_990, positions=[held()])
    for freshness, expected in (("stale", "stale"), ("unknown", "unknown"), ("stale", "unknown")):
        claimed = await watch.due()
        mark = {
            "token": claimed["token"],
            "account": watch.account,
            "freshness": freshness,
            "error": "no answer",
        }
        before = datetime.now(UTC)
        await road.worker.execute("select engine.record_marks($1)", [mark])
        assert await figures() == (9_990, expected, 1, expected)
        assert await watch.is_due_in(1, before)  # not asked again at once
    await watch.read(later(now, seconds=1), 9_991, positions=[held()])
    assert (await figures())[:2] == (9_991, "fresh")


async def test_value_and_protection_are_taken_as_said(road: Road) -> None:
    """Open profit and stops of a position come from the read; its quantity does not, and an older read changes nothing."""
    trader = await road.trader()
    await road.trade(trader)
    watch = await Watch.of(road, trader.account, "paper")
    now = datetime.now(UTC)
    told = held(qty=7, unrealized_pnl=12.5, stop_loss=1.05)
    await watch.read(now, 10_000, positions=[told, held("unheard of")])
    await watch.read(later(now, seconds=-30), 10_000, positions=[{**told, "unrealized_pnl": 99}])
    row = await road.admin.fetchrow("select qty, unrealized_pnl, stop_loss from public.positions")
    assert row is not None
    assert tuple(row) == (1, D("12.5"), D("1.05"))
    assert await road.broken() == {}


async def test_the_average_price_is_the_brokers(road: Road) -> None:
    """A broker that averages in its own way: its price is ours from the next read on, where the read shows the quantity
    that we have; of another quantity, or without a price, ours stays."""
    trader = await road.trader()
    watch = await Watch.of(road, trader.account, "paper")
    await road.trade(trader)
    text = "select side, qty, entry_price from public.positions where account_id = $1::text::uuid"

    async def after(**said: Any) -> D:
        await watch.read(datetime.now(UTC), 10_000, positions=[held(**said)])
        return D((await road.admin.fetchrow(text, trader.account))["entry_price"])

    ours = await road.admin.fetchrow(text, trader.account)
    position = await road.value(
        "select venue_position_id from public.positions where account_id = $1::text::uuid", trader.account
    )
    same = {"position": position, "side": ours["side"], "qty": D(ours["qty"])}
    assert await after(**same) == ours["entry_price"]
    assert await after(**same, entry_price=D("1.23457")) == D("1.23457")
    assert await after(**{**same, "qty": D(ours["qty"]) + 1}, entry_price=D("1.5")) == D("1.23457")
    assert await after(**same, entry_price=0) == D("1.23457")


async def test_limits_and_state_come_with_the_account(road: Road) -> None:
    """A watched account brings the rules of all three scopes and what they need; without limits neither."""
    trader = await road.trader()
    watch = await Watch.of(road, trader.account, "paper")
    claimed = await watch.due()
    assert (claimed["limits"], claimed["risk"]) == (None, None)
    loss = {"daily_loss": {"limit": 500, "unit": "usd"}, "spread": None}
    await rule(road, trader.user, loss)
    await rule(road, trader.user, {"max_qty": {"per_account": 3}}, account_id=watch.account)
    await rule(road, trader.user, {"max_qty": {"per_account": 9}}, broker="tradelocker")
    now = datetime.now(UTC)
    await watch.read(now, 10_000)
    claimed = await watch.due()
    assert claimed["limits"]["rule_sets"] == [
        {"scope": "account", "rules": {"max_qty": {"per_account": 3}}},
        {"scope": "user", "rules": {"daily_loss": {"limit": 500, "unit": "usd"}}},
    ]
    assert claimed["risk"]["day"]["start_equity"] == 10_000
    assert claimed["risk"]["initial_balance"] == 10_000
