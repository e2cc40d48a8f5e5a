"""What a drill may ask for of its synthetic accounts."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.integration.engine.road import Road
from tests.integration.engine.watching import Watch


async def test_a_twin_armed_during_a_read_is_read_again_at_once(road: Road) -> None:
    """A read that began before its limits and its day were set says nothing of them: the next one begins when it ends,
    not half a minute later.
    """
    trader = await road.trader(broker="tradelocker")
    watch = await Watch.of(road, trader.account)
    run = await road.value(
        "with run as (insert into public.drill_runs (user_id, account_id, status, token, lease_until) select user_id, id,"
        " 'running', 7, now() + interval '1 minute' from public.broker_accounts where id = $1::text::uuid returning *),"
        " twin as (insert into engine.drill_twins (user_id, run_id, connection_id) select r.user_id, r.id, a.connection_id"
        " from run r join public.broker_accounts a on a.id = r.account_id) select id from run",
        trader.account,
    )
    begun = await watch.due()
    await road.worker.execute(
        "select engine.arm_twin($1, 7, $2::text::uuid, '{\"limits\": []}')", run, trader.account
    )
    await watch.hand_in(begun, datetime.now(UTC), 10_000)
    assert await watch.claim() is not None
