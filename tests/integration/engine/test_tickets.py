"""engine.tickets_of and engine.keep_tickets: what is known of a position's numbers when every worker has gone."""

from __future__ import annotations

from tests.integration.engine.road import Json, Road
from tests.integration.engine.test_books import fill, handed_in, position
from tests.integration.engine.watching import Watch

MINUTES = "select extract(epoch from now() - (engine.tickets_of($1::text::uuid) ->> 'since')::timestamptz)::integer / 60"


async def known(road: Road, account: str) -> Json:
    """What a worker is told."""
    found: Json = await road.value("select engine.tickets_of($1::text::uuid)", account)
    return found


async def test_what_was_kept_first_stands(road: Road) -> None:
    """Two workers that find something else of a ticket go on with the same; asked again nothing changes; it is of one
    account."""
    one, other = await road.trader(broker="metatrader"), await road.trader(broker="metatrader")
    keep = "select engine.keep_tickets($1::text::uuid, $2)"
    first = await road.value(keep, one.account, {"205": "100", "310": "100"})
    assert first == {"205": "100", "310": "100"}
    stands = await road.value(keep, one.account, {"310": "101", "400": "101"})
    assert stands == {"310": "100", "400": "101"}
    assert (await known(road, one.account))["tickets"] == {"205": "100", "310": "100", "400": "101"}
    assert (await known(road, other.account))["tickets"] == {}


async def test_history_is_asked_from_when_the_account_was_known(road: Road) -> None:
    """From ten minutes before the books agreed with the broker last, however long ago that is; before they ever did, since the
    account is ours."""
    trader = await road.trader(broker="metatrader")
    watch = await Watch.of(road, trader.account)
    await road.admin.execute("update public.broker_accounts set created_at = now() - interval '9 days'")
    assert await road.value(MINUTES, watch.account) == 9 * 24 * 60
    await handed_in(watch)
    await road.admin.execute("update engine.reconciled set agreed_at = now() - interval '5 days'")
    assert await road.value(MINUTES, watch.account) == 5 * 24 * 60 + 10


async def test_books_tell_what_was_opened(road: Road) -> None:
    """Of a position that fills have opened the lots, whatever was closed of it since; of one that was there before us none. Of
    both whether they are open."""
    trader = await road.trader(broker="metatrader")
    watch = await Watch.of(road, trader.account)
    await handed_in(watch, fill("f1", "buy", 3), fill("f2", "sell", 1, effect="close"))
    await handed_in(watch, fill("f3", "buy", 2, position="p2"), fill("f4", "sell", 2, "close", "p2"))
    await road.admin.execute("update public.fills set created_at = now() - interval '5 minutes'")
    for _ in range(2):
        await handed_in(watch, position(4, position="p3", kind="position_unknown"))
    told = await known(road, watch.account)
    assert told["positions"] == {"p1": 3, "p2": 2, "p3": None}
    assert sorted(told["open"]) == ["p1", "p3"]
