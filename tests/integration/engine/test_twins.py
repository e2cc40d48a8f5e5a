"""What a drill may ask for of its synthetic accounts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from tests.integration.engine.road import Road
from tests.integration.engine.watching import Watch


async def test_a_twin_armed_during_a_read_is_read_again_at_once(road: Road) -> None:
    """A read that began before its limits and its day were set says nothing of them: the next one begins when it ends,
    not half a minute later.
    """
    trader = await road.trader(broker="tradelocker")
    watch = await Watch.of(road, trader.account)
    run = await _run(road, trader.account)
    await road.admin.execute(
        "insert into engine.drill_twins (user_id, run_id, connection_id)"
        " select user_id, $2, connection_id from public.broker_accounts where id = $1::text::uuid",
        *(trader.account, run),
    )
    begun = await watch.due()
    await road.worker.execute(
        "select engine.arm_twin($1, 7, $2::text::uuid, '{\"limits\": []}')", run, trader.account
    )
    await watch.hand_in(begun, datetime.now(UTC), 10_000)
    assert await watch.claim() is not None


async def test_the_day_of_a_twin_ends_in_half_a_day(road: Road) -> None:
    """Whenever a drill runs, no day ends in it: a limit of the day would be shown as one that does not fire."""
    trader = await road.trader(broker="tradelocker")
    book = {"id": str(uuid4()), "margin_mode": "netting", "balance": "100000", "terms": {}}
    twin = {
        "user_id": str(uuid4()),
        "connection_id": str(uuid4()),
        "broker": "paper",
        "environment": "simulated",
    }
    await road.worker.execute(
        "select engine.open_twin($1, 7, $2)",
        *(
            await _run(road, trader.account),
            {**twin, "server": "drill", "login": "D", "books": [book]},
        ),
    )
    left = await road.value(
        "select engine.day_began(timezone, reset_time, engine.trading_day(timezone, reset_time, now()) + 1) - now()"
        " from public.broker_accounts where id = $1::text::uuid",
        book["id"],
    )
    assert timedelta(hours=11.9) < left < timedelta(hours=12.1)


async def _run(road: Road, account: str) -> int:
    """A drill that a worker has claimed under the token 7."""
    run: int = await road.value(
        "insert into public.drill_runs (user_id, account_id, status, token, lease_until)"
        " select user_id, id, 'running', 7, now() + interval '1 minute' from public.broker_accounts"
        " where id = $1::text::uuid returning id",
        account,
    )
    return run
