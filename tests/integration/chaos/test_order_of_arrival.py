"""One account, alerts close together: whatever hangs or competes, they are executed as they arrived."""

from __future__ import annotations

import asyncio
from decimal import Decimal as D

import pytest

from local.scratch import ScratchCluster
from tests.integration.chaos.accidents import BUY, CLOSE, HANG_S, SETTLED_S, net, stage
from tests.support.trading import new_trader, until

ALERTS = 50
A_SECOND_LATER = 1.0
"""Not a wait for anything: when the trader's second alert comes is part of the story."""


async def test_two_workers_keep_the_order_of_arrival(cluster: ScratchCluster) -> None:
    """50 alerts for one account, two workers: the broker gets them in the order of arrival, each once."""
    async with stage(cluster) as scene:
        trader = scene.traders["all"] = await new_trader(scene.database, scene.connection, server="SIM")
        events = []
        with scene.worker(), scene.worker():
            for number in range(ALERTS):
                events.append(await trader.alert(**{**BUY, "qty": 0.01}, tag=f"n{number}"))
            done = [await trader.delivery(event, SETTLED_S) for event in events]
        assert [row["outcome"] for row in done] == ["executed"] * ALERTS
        orders = {row["client_order_id"]: row["delivery_id"] for row in await trader.rows("orders")}
        arrived = [orders[each["client_order_id"]] for each in scene.log()]
        assert arrived == [row["id"] for row in done]
        assert net(scene.book(trader)["positions"]) == D("0.5")
        assert await scene.invariants() == {}


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        ("hang_before", HANG_S),
        ("hang_after_accept", HANG_S),
        ("hang_before", "6"),
        ("hang_after_accept", "60"),
    ],
)
async def test_open_then_close_while_the_broker_hangs(
    cluster: ScratchCluster, fault: str, seconds: str
) -> None:
    """A close a second after an open that hangs at the broker, for longer than we wait, too: flat at the end."""
    async with stage(cluster) as scene:
        trader = scene.traders["all"] = await new_trader(scene.database, scene.connection, server="SIM")
        with scene.worker(request_timeout_ms=6000):
            scene.fault(fault, seconds)
            opened = await trader.alert(**BUY)
            await scene.all_received()
            scene.heal()
            await asyncio.sleep(A_SECOND_LATER)
            closed = await trader.alert(**CLOSE)
            outcomes = [(await trader.delivery(event, SETTLED_S))["outcome"] for event in (opened, closed)]

            async def flat() -> bool:
                return bool(scene.book(trader)["positions"] == [])

            await until(flat)
        assert outcomes == ["executed", "executed"]
        assert [each["applied"] for each in scene.log()] == [True, True]
        assert [row["closed_at"] is not None for row in await trader.rows("positions")] == [True]
        assert await scene.invariants() == {}
