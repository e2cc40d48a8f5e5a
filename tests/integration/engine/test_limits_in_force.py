"""Which limits count, and from which moment on."""

from __future__ import annotations

from tests.integration.engine.road import Road, Trader


async def allowed(road: Road, trader: Trader) -> object:
    """The largest order that the limits in force allow."""
    return await road.value("select (engine.limits_of($1::text::uuid)).max_order_qty::text", trader.account)


async def test_a_limit_counts_for_a_transaction_that_began_before_it(road: Road) -> None:
    """Whoever waited for a lock while a limit was set finds it, although its own clock is older."""
    trader = await road.trader()
    await road.limit(trader, max_order_qty=2)
    other = await road.another("supabase_admin")
    async with other.transaction():
        await other.execute("select now()")
        await road.admin.execute("update public.risk_settings set superseded_at = clock_timestamp()")
        await road.limit(trader, max_order_qty=1)
        found = await other.fetchval("select max_order_qty from engine.account_limits")
    assert found == 1


async def test_a_clock_set_back_changes_nothing(road: Road) -> None:
    """A limit set an hour "later" than the clock now says is in force, and the one it replaced is not."""
    trader = await road.trader()
    await road.limit(trader, max_order_qty=2)
    later = "now() + interval '1 hour'"
    await road.admin.execute(f"update public.risk_settings set superseded_at = {later}")
    await road.limit(trader, max_order_qty=1)
    await road.admin.execute(
        f"update public.risk_settings set created_at = {later}, effective_from = {later} where superseded_at is null"
    )
    assert await allowed(road, trader) == "1"


async def test_what_waits_takes_its_place_at_its_time(road: Road) -> None:
    """The row in force counts until its end, the one that waits from then on: at no moment none or both."""
    trader = await road.trader()
    await road.limit(trader, max_order_qty=1)
    await road.admin.execute("update public.risk_settings set ends_at = now() + interval '1 hour'")
    await road.limit(trader, max_order_qty=5)
    waiting = (
        "update public.risk_settings set effective_from = now() + interval '1 hour' where ends_at is null"
    )
    await road.admin.execute(waiting)
    assert await allowed(road, trader) == "1"
    an_hour = "interval '1 hour'"
    await road.admin.execute(
        f"update public.risk_settings set effective_from = effective_from - {an_hour},"
        f" created_at = created_at - {an_hour}, ends_at = ends_at - {an_hour}"
    )
    assert await allowed(road, trader) == "5"
