"""Plays the scenes one after another on a fresh or running stack and ends with one line of numbers."""

from __future__ import annotations

import secrets as random
import statistics
import time

import httpx

from local.console.session import rows
from local.demo import broker_scenes, live_scenes, risk_scenes, scenes
from local.demo.people import keep_demo_login, new_trader, with_account
from local.demo.venue import paper_venue, simulated_brokers
from local.status import Installation

SCENES = (
    *scenes.SCENES,
    *broker_scenes.SCENES,
    *live_scenes.PROFIT,
    *broker_scenes.RISKED_SCENES,
    *live_scenes.SCENES,
    *broker_scenes.ENDING,
    *risk_scenes.SCENES,
)


async def play(found: Installation, started: float) -> str:
    """Every scene; returns the closing line. `started`: by time.monotonic(). Raises PromiseBroken."""
    await keep_demo_login(found)
    run = random.token_hex(3)
    trader = await new_trader(found, f"demo-{run}@empire.example", "Demo")
    far = await with_account(trader.login, trader.client, "Demo far away", server="SIM")
    stranger = await new_trader(found, f"stranger-{run}@empire.example", "Other")
    async with (
        paper_venue(found) as venue,
        simulated_brokers(found) as brokers,
        httpx.AsyncClient(timeout=3) as http,
    ):
        stage = scenes.Stage(found, trader, far, stranger, venue, brokers, http)
        for number, (title, scene) in enumerate(SCENES, 1):
            print(f"\n{number}. {title}")
            for line in await scene(stage):
                stage.show(line)
    filled = await rows(trader.client.table("orders").select("id").eq("status", "filled"))
    return (
        f"demo ok: {stage.alerts} alerts, {len(filled)} orders filled, "
        f"p50 {statistics.median(stage.latencies_ms):.1f} ms alert to order, "
        f"{time.monotonic() - started:.0f} s from start"
    )
