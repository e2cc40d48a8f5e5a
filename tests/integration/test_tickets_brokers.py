"""A broker that gives what is left of a position a new number with every partial close: whose it is outlives every worker."""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from local.demo.people import endpoint_url
from local.keys.files import KeyFiles
from shared.models.market import Instrument
from tests.conformance.harness import accepted, close_of, sent
from tests.conformance.simulators import Operator, running_simulator
from tests.integration.test_books_brokers import CASES, becomes, mover, the_hand
from tests.integration.test_worker_connections import send
from tests.support.connections import Customer, fleet_worker
from tests.support.stacks import RunningStack

MT4 = CASES[2]
HELD = "select coalesce(string_agg(venue_position_id || ' ' || qty, ', '), 'flat') from public.positions where closed_at is null"


async def begin(trader: Customer, venue: Operator) -> tuple[str, str]:
    """Connect and enable the account with MetaTrader 4; the endpoint's address and the account's number."""
    connection = await trader.connect(MT4.place, MT4.secret, MT4.user)
    assert (await trader.checked(connection))["status"] == "connected"
    number = next(login for login, book in venue.state().items() if book["kind"] == "mt4")
    rows = await trader.accounts(connection)
    account = next(each["id"] for each in rows if each["account_id"] == number)
    await trader.call("enable_account", p_account_id=account)
    endpoint = await trader.call(
        "create_endpoint", p_broker=MT4.place.broker, p_name="T", p_account_ids=[account]
    )
    return await endpoint_url(trader.login, trader.client, endpoint), number


async def by_hand(venue: Operator, number: str, parts: int) -> None:
    """Somebody else closes 0.01 lots of the account's one position so many times."""
    async with the_hand(venue, MT4, number) as hand:
        instrument = await hand.instrument(MT4.symbol)
        assert isinstance(instrument, Instrument)
        for _ in range(parts):
            (held,) = (await hand.snapshot()).positions
            accepted(await hand.execute(sent(close_of(instrument, held, D("0.01")))))


@pytest.mark.parametrize("commented", [True, False], ids=["comments", "no comments"])
async def test_tickets_outlive_the_workers(
    stack: RunningStack, trader: Customer, files: KeyFiles, commented: bool
) -> None:
    """Parts are closed by an alert and by hand, the workers that knew the position are gone, others begin: it is the same
    position with every fill of it, nothing was taken for somebody else's, and it is closed for good by an alert. The rest was
    taken for a position placed elsewhere, and what had closed a part hung on a position that never was."""
    sql = stack.database.sql
    with running_simulator("metatrader", "--no-limits", "--accounts", "3") as venue:
        if not commented:
            venue.fault("strip_comment", operation="close", times=None)
        with fleet_worker(stack.database, files, {"metatrader": venue.url}):
            url, number = await begin(trader, venue)
            mover(venue, MT4)(0)
            alert = {"symbol": MT4.symbol, "qty_mode": "lots"}
            for intent in ({"action": "open", "side": "buy", "qty": 0.05}, {"action": "reduce", "qty": 0.01}):
                road = await send(trader, url, **alert, **intent)
                assert [each["outcome"] for each in road.deliveries] == ["executed"], road.deliveries
        first = sql("select venue_position_id from public.positions")
        await by_hand(venue, number, 2)
        with fleet_worker(stack.database, files, {"metatrader": venue.url}, "positions"):
            await becomes(stack.database, HELD, f"{first} 0.02")
        kept = sql("select count(*) || ' ' || string_agg(distinct position_id, ' ') from engine.tickets")
        await by_hand(venue, number, 1)
        with (
            fleet_worker(stack.database, files, {"metatrader": venue.url}, "positions"),
            fleet_worker(stack.database, files, {"metatrader": venue.url}),
        ):
            await becomes(stack.database, HELD, f"{first} 0.01")
            road = await send(trader, url, action="close", symbol=MT4.symbol)
            assert [each["outcome"] for each in road.deliveries] == ["executed"], road.deliveries
            await becomes(stack.database, HELD, "flat")
        books = venue.state()[number]
    assert books["positions"] == []
    assert kept == f"3 {first}"
    assert sql("select string_agg(distinct position_id, ' ') from public.fills") == first
    assert sql("select string_agg(effect || ' ' || qty, ', ' order by id) from public.fills") == (
        "open 0.05, close 0.01, close 0.01, close 0.01, close 0.01, close 0.01"
    )
    assert sql("select string_agg(distinct kind, ' ') from public.corrections") == "fill"
    assert sql("select count(*) from engine.adjustments") == "0"
    assert sql("select engine.invariant_rows()::text ~ '[1-9]'") == "f"
