"""Several targets at each broker's simulator: limit orders there, or closed by us. Real processes, real logins."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest

from local.demo.people import endpoint_url
from local.keys.files import KeyFiles
from tests.conformance.simulators import running_simulator
from tests.integration.test_books_brokers import CASES, Case, becomes, begin, mover
from tests.integration.test_worker_connections import send
from tests.support.clusters import Database
from tests.support.connections import Customer, fleet_worker
from tests.support.stacks import RunningStack
from tests.support.trading import PATIENCE_S, until

TRADELOCKER, TOPSTEPX, METATRADER = CASES
KINDS: tuple[tuple[str, ...], ...] = ((), ("positions",))
"""The workers of an account: one that executes, one that watches."""
EXITS = (
    "select coalesce(string_agg(trim_scale(qty) || ' at ' || trim_scale(price), ', ' order by price), '')"
    " from public.orders where reduce_only and type = 'limit' and status = 'working'"
)
OPEN = "select coalesce(sum(trim_scale(qty)), 0) from public.positions where closed_at is null"


async def shows(database: Database, question: str, answer: str) -> None:
    """Wait until the database answers so; its accounts are read when they are due."""

    async def there() -> bool:
        return database.sql(question) == answer

    await until(there, 3 * PATIENCE_S)


def targets(case: Case, *portions: str) -> list[dict[str, Any]]:
    """Targets two, four, ... steps away."""
    return [
        {"mode": "offset", "value": str(2 * (n + 1) * case.step), "portion": portion}
        for n, portion in enumerate(portions)
    ]


async def test_limit_exits_follow_an_entry_that_is_filled_in_two_parts(
    stack: RunningStack, trader: Customer, files: KeyFiles
) -> None:
    """Half of a waiting entry is filled: the two nearest targets go to the broker. Both workers die, the rest is filled
    meanwhile: others place the last target, none twice. One target is reached: the stop is fitted to what is left. Others
    take the place of those that are left, and the stop stays. It fires: every target is gone."""
    sql, case = stack.database.sql, TOPSTEPX
    comes = partial(becomes, stack.database)
    with running_simulator(case.place.broker, "--no-limits") as venue:
        move = mover(venue, case)
        urls = {case.place.broker: venue.url}
        with (
            fleet_worker(stack.database, files, urls) as executes,
            fleet_worker(stack.database, files, urls, "positions") as watches,
        ):
            url = await begin(trader, case)
            move(0)
            venue.fault("partial_fill", value="0.5", operation="place")
            alert = {
                "action": "open",
                "side": "buy",
                "symbol": case.symbol,
                "type": "limit",
                **case.qty,
                "qty": 4,
            }
            stop = {"mode": "price", "value": str(case.bid - 10 * case.step)}
            tp = targets(case, "0.25", "0.25", "0.5")
            road = await send(trader, url, **alert, price=str(case.bid - case.step), sl=stop, tp=tp)
            assert [each["outcome"] for each in road.deliveries] == ["executed"], road.deliveries
            move(-2)
            await comes(EXITS, "1 at 25000.25, 1 at 25010.25")
            executes.kill()
            watches.kill()
        move(-2)
        with (
            fleet_worker(stack.database, files, urls),
            fleet_worker(stack.database, files, urls, "positions"),
        ):
            await comes(EXITS, "1 at 25000.25, 1 at 25010.25, 2 at 25020.25")
            await comes(OPEN, "4")
            move(1)
            await comes(EXITS, "1 at 25010.25, 2 at 25020.25")
            await comes(f"{OPEN} and stop_loss is not null", "3")
            stops = "select trim_scale(qty - filled_qty) from public.orders where status = 'working' and stop_price > 0"
            await comes(stops, "3")
            others = [
                {"mode": "offset", "value": str(n * case.step), "portion": portion}
                for n, portion in ((8, "0.4"), (10, "0.6"))
            ]
            road = await send(trader, url, action="modify", symbol=case.symbol, tp=others)
            assert [each["outcome"] for each in road.deliveries] == ["executed"], road.deliveries
            await comes(EXITS, "1 at 25030.25, 2 at 25040.25")
            await comes(f"{OPEN} and stop_loss is not null", "3")
            move(-11)
            await comes(OPEN, "0")
            await comes(
                "select count(*) from public.orders where status in ('working', 'partially_filled')", "0"
            )
            books = [each for each in venue.state().values() if each.get("positions")]
    assert books == []
    placed = (
        "select string_agg(trim_scale(qty)::text, ' ' order by id) from public.orders"
        " where reduce_only and leg = 0 and type = 'limit'"
    )
    assert sql(placed) == "1 1 2"
    told = "select string_agg(split_part(message, ': ', 2), ' | ' order by id) from public.logs where type = 'target_set'"
    assert sql(told).startswith("2 of the entry is filled")
    assert sql("select engine.invariant_rows()::text ~ '[1-9]'") == "f"


async def begin_on(trader: Customer, case: Case, mode: str) -> str:
    """Connect, enable an account of this kind, make an endpoint; its address."""
    connection = await trader.connect(case.place, case.secret, case.user)
    assert (await trader.checked(connection))["status"] == "connected"
    account = next(each for each in await trader.accounts(connection) if each["margin_mode"] == mode)
    await trader.call("enable_account", p_account_id=account["id"])
    endpoint = await trader.call(
        "create_endpoint", p_broker=case.place.broker, p_name="T", p_account_ids=[account["id"]]
    )
    return await endpoint_url(trader.login, trader.client, endpoint)


async def by_modify(
    trader: Customer, url: str, case: Case, alert: dict[str, Any], tp: list[dict[str, Any]]
) -> None:
    """The position first, its targets by a change of it."""
    for each in (alert, {"action": "modify", "symbol": case.symbol, "tp": tp}):
        road = await send(trader, url, **each)
        assert [done["outcome"] for done in road.deliveries] == ["executed"], road.deliveries


async def by_entry(
    trader: Customer, url: str, case: Case, alert: dict[str, Any], tp: list[dict[str, Any]]
) -> None:
    """The entry comes with its targets."""
    road = await send(trader, url, **alert, tp=tp)
    assert [done["outcome"] for done in road.deliveries] == ["executed"], road.deliveries


@pytest.mark.parametrize(
    ("case", "mode", "ask"),
    [(TRADELOCKER, "hedging", by_modify), (METATRADER, "netting", by_entry)],
    ids=["tradelocker", "metatrader"],
)
async def test_the_broker_holds_one_target_and_we_see_to_the_nearer_ones(
    stack: RunningStack, trader: Customer, files: KeyFiles, case: Case, mode: str, ask: Callable[..., Any]
) -> None:
    """The farthest is the position's own. The first is reached: its part is closed, once. The market comes to the second
    while both workers are dead (kill -9): others close that part, once. The broker's own target closes what is left."""
    sql = stack.database.sql
    # Where an account's own limits leave a read every four seconds, asking for more would use them up.
    comes = partial(shows if case is METATRADER else becomes, stack.database)
    with running_simulator(case.place.broker, "--no-limits") as venue, ExitStack() as at_work:
        move = mover(venue, case)
        workers = [
            at_work.enter_context(fleet_worker(stack.database, files, {case.place.broker: venue.url}, *kinds))
            for kinds in KINDS
        ]
        url = await begin_on(trader, case, mode)
        move(0)
        stop = {"mode": "price", "value": str(case.bid - 10 * case.step)}
        alert = {"action": "open", "side": "buy", "symbol": case.symbol, **case.qty, "sl": stop}
        await ask(trader, url, case, alert, targets(case, "0.5", "0.3", "0.2"))
        far = case.bid + case.spread + 6 * case.step
        await comes(f"select take_profit = {far} from public.positions where closed_at is null", "t")
        move(3)
        await comes(OPEN, "0.05")
        for each in workers:
            each.kill()
        move(5)
        for kinds in KINDS:
            at_work.enter_context(fleet_worker(stack.database, files, {case.place.broker: venue.url}, *kinds))
        await comes(OPEN, "0.02")
        move(7)
        await comes(OPEN, "0")
        await comes("select count(*) from public.orders where status in ('working', 'partially_filled')", "0")
        books = [each for each in venue.state().values() if each.get("positions")]
    assert books == []
    closed = (
        "select string_agg(trim_scale(qty)::text, ' ' order by id) from public.fills where effect = 'close'"
    )
    assert sql(closed) == "0.05 0.03 0.02"
    asked = "select string_agg(d.outcome::text, ' ') from public.deliveries d join public.webhook_events e on e.id = d.event_id"
    assert sql(f"{asked} where e.source = 'system' and d.action = 'reduce'") == "executed executed"
    assert sql("select engine.invariant_rows()::text ~ '[1-9]'") == "f"
