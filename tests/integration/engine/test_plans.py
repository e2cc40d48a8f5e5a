"""Plans that do not depend on statistics, and costs that do not depend on history."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from tests.integration.engine.road import Road, Trader

WAITING = 100_000


async def backlog(road: Road, trader: Trader, rows: int) -> None:
    """Rows waiting in the trader's queue, never analysed: the statistics still say the table is empty."""
    await road.admin.execute("alter table engine.queue set (autovacuum_enabled = off)")
    await road.admin.execute("analyze engine.queue")
    await road.admin.execute(
        """
        insert into engine.queue (id, account_id, user_id, executor, lane, state, is_exit, symbol)
        select 1000000 + g, $1::text::uuid, $2::text::uuid, 'fleet', 'normal', 'waiting', g % 50 = 0, 'EURUSD'
        from generate_series(1, $3::integer) g
        """,
        *(trader.account, trader.user, rows),
    )


async def best(work: Callable[[], Awaitable[object]], tries: int = 7) -> float:
    """The shortest of several runs, in ms: what the work costs when nobody disturbs it."""
    times = []
    for _ in range(tries):
        began = time.perf_counter()
        await work()
        times.append((time.perf_counter() - began) * 1000)
    return min(times)


async def rows_read(road: Road, work: Callable[[], Awaitable[object]]) -> int:
    """Rows of the queue that the worker's statements have looked at: a busy machine changes nothing in it."""
    text = "select coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) from pg_stat_xact_all_tables where relid = $1::regclass"
    async with road.worker.transaction():
        before = await road.worker.fetchval(text, "engine.queue")
        await work()
        return int(await road.worker.fetchval(text, "engine.queue") - before)


async def test_claim_does_not_see_the_backlog(road: Road) -> None:
    """With 100,000 waiting rows and stale statistics a claim, a rescue and a heartbeat look at some dozens of them."""
    hoarder, trader = await road.trader(), await road.trader(accounts=20)
    await road.accept(hoarder)
    for _ in range(10):
        await road.accept(trader)
    await road.claim(1)  # plans are made while the queue is nearly empty
    await backlog(road, hoarder, WAITING)
    # Behind a head that hangs every exit is looked at: none does, however long all this took.
    await road.admin.execute(
        "update engine.queue set held_since = held_since + interval '1 hour' where state = 'claimed'"
    )
    assert await rows_read(road, lambda: road.claim(1, lane="urgent")) < 100
    assert await rows_read(road, lambda: road.claim(8)) < 100
    assert await rows_read(road, road.rescue) < 100
    beat = "select engine.heartbeat('w1', '{1}', 1000)"
    assert await rows_read(road, lambda: road.worker.fetchval(beat)) < 100
    for claimed in await road.claim(16):
        await road.deny(claimed)


async def test_recording_does_not_see_history(road: Road) -> None:
    """Opening and recording a trade of a user with 200,000 old orders and commands costs what it cost before."""
    trader = await road.trader()
    await road.limit(trader, max_open_trades=100_000, max_trades_per_day=100_000)

    async def trade() -> None:
        number = await road.value("select count(*) from public.fills")
        await road.trade(trader, position=f"p{number}")
        await road.admin.execute(
            "update public.positions set qty = 0, closed_at = now() where closed_at is null"
        )

    before = await best(trade)
    await road.admin.execute(
        """
        insert into public.orders (
          user_id, broker, account_id, client_order_id, origin, symbol, root, side, type, qty, status
        )
        select $1::text::uuid, 'paper', $2::text::uuid, 'h' || g, 'alert', 'EURUSD', 'EURUSD', 'buy', 'market', 1,
          'filled'
        from generate_series(1, 200000) g
        """,
        *(trader.user, trader.account),
    )
    await road.admin.execute(
        """
        insert into engine.commands (
          delivery_id, account_id, user_id, leg, kind, client_order_id, root, is_entry, request, state
        )
        select -g, $2::text::uuid, $1::text::uuid, 0, 'place', 'h' || g, 'EURUSD', true, '{}', 'accepted'
        from generate_series(1, 200000) g
        """,
        *(trader.user, trader.account),
    )
    assert await best(trade) < before * 3 + 10
