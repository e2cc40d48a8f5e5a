"""A stop that trails at a broker's simulator: moved there by steps, fired there, closed in our books. Real processes."""

from __future__ import annotations

from decimal import Decimal as D
from functools import partial

import pytest

from local.keys.files import KeyFiles
from shared import codec
from tests.conformance.simulators import running_simulator
from tests.integration.test_books_brokers import CASES, Case, becomes, begin, mover
from tests.integration.test_worker_connections import send
from tests.support.connections import Customer, fleet_worker
from tests.support.stacks import RunningStack


@pytest.mark.parametrize("case", CASES, ids=[each.place.broker for each in CASES])
async def test_a_stop_trails_at_the_broker(
    stack: RunningStack, trader: Customer, files: KeyFiles, case: Case
) -> None:
    """The market rises by four steps and falls back: the stop, two steps behind, is moved up at the broker and fires
    there above the entry; the trade is closed with a profit and nothing is left standing."""
    sql = stack.database.sql

    comes = partial(becomes, stack.database)
    with running_simulator(case.place.broker, "--no-limits") as venue:
        move = mover(venue, case)
        with (
            fleet_worker(stack.database, files, {case.place.broker: venue.url}),
            fleet_worker(stack.database, files, {case.place.broker: venue.url}, "positions"),
        ):
            url = await begin(trader, case)
            move(0)
            trail = {"mode": "offset", "value": str(2 * case.step), "step": str(case.step)}
            alert = {"action": "open", "side": "buy", "symbol": case.symbol, "ref_price": str(case.bid)}
            road = await send(trader, url, **alert, **case.qty, trail=trail)
            assert [each["outcome"] for each in road.deliveries] == ["executed"], road.deliveries
            move(4)
            await comes(
                f"select stop_loss > {case.bid} from public.positions where closed_at is null order by id limit 1",
                "t",
            )
            move(1)
            await comes("select count(*) from public.positions where closed_at is null", "0")
            await comes("select count(*) from engine.guards where ended_at is null", "0")
            await comes(
                "select count(*) from public.orders where status in ('working', 'partially_filled')", "0"
            )
            books = [each for each in venue.state().values() if each.get("positions")]
    assert books == []
    fills = codec.decode(sql("select jsonb_agg(to_jsonb(f) order by id) from public.fills f"))
    assert [each["effect"] for each in fills] == ["open", "close"], fills
    assert D(str(fills[1]["realised"])) > 0
    moved = "select count(*) from public.webhook_events e where source = 'system' and payload #>> '{intent,action}' = 'modify'"
    assert sql(moved) == "1"
    assert sql("select engine.invariant_rows()::text ~ '[1-9]'") == "f"
