"""Exits given as distances from an entry that is filled later, and in parts, at each broker's simulator. Real processes."""

from __future__ import annotations

from functools import partial

import pytest

from local.keys.files import KeyFiles
from tests.conformance.simulators import running_simulator
from tests.integration.test_books_brokers import CASES, Case, becomes, begin, mover
from tests.integration.test_ladders_brokers import shows
from tests.integration.test_worker_connections import send
from tests.support.connections import Customer, fleet_worker
from tests.support.stacks import RunningStack

STANDS = (
    "select trim_scale(qty) || ' ' || trim_scale(stop_loss) || ' ' || trim_scale(take_profit)"
    " from public.positions where closed_at is null"
)

WAITS = (
    "select trim_scale(sum(qty - filled_qty) filter (where type = 'stop')) || ' ' ||"
    " trim_scale(sum(qty - filled_qty) filter (where type = 'limit'))"
    " from public.orders where status = 'working' and reduce_only"
)
"""What stands at the broker to close it: stops and targets, each of which is an order there."""


@pytest.mark.parametrize(
    ("case", "kind"),
    [(CASES[0], "limit"), (CASES[1], "limit"), (CASES[2], "stop")],
    ids=["tradelocker in two parts", "topstepx in two parts", "metatrader slipped"],
)
async def test_exits_stand_where_the_average_of_the_whole_entry_says(
    stack: RunningStack, trader: Customer, files: KeyFiles, case: Case, kind: str
) -> None:
    """Half of a limit entry is filled at once and better than asked for, the rest later at its price; or all of a stop entry
    behind a gap. Stop and target are as far from the average as they were asked to be, for all of it; each is moved once."""
    sql = stack.database.sql
    # Where an account's own limits leave a read every four seconds, asking for more would use them up.
    comes = partial(shows if kind == "stop" else becomes, stack.database)
    ask = case.bid + case.spread
    with running_simulator(case.place.broker, "--no-limits") as venue:
        move = mover(venue, case)
        with (
            fleet_worker(stack.database, files, {case.place.broker: venue.url}),
            fleet_worker(stack.database, files, {case.place.broker: venue.url}, "positions"),
        ):
            url = await begin(trader, case)
            move(0)
            if kind == "limit":
                venue.fault("partial_fill", value="0.5", operation="place")
            road = await send(
                trader,
                url,
                action="open",
                side="buy",
                symbol=case.symbol,
                type=kind,
                price=str(ask + case.step),
                **case.qty,
                sl={"mode": "offset", "value": str(10 * case.step)},
                tp=[{"mode": "offset", "value": str(20 * case.step)}],
            )
            assert [each["outcome"] for each in road.deliveries] == ["executed"], road.deliveries
            move(1 if kind == "limit" else 3)
            average = ask + (case.step / 2 if kind == "limit" else 3 * case.step)
            qty = f"{case.qty['qty']}"
            stop, target = average - 10 * case.step, average + 20 * case.step
            await comes(STANDS, f"{qty} {stop.normalize():f} {target.normalize():f}")
            await comes("select count(*) from engine.guards where ended_at is null", "0")
            if kind == "limit":
                await comes(WAITS, f"{qty} {qty}")
            await comes("select count(*) from public.deliveries where status not in ('done', 'dead')", "0")
    assert sql("select count(*) from public.logs where type = 'stop_moved'") in ("0", "1")
    assert sql("select engine.invariant_rows()::text ~ '[1-9]'") == "f"
