"""What a guard asks for is planned with the stop that its read has seen, though that is recorded a moment later."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.integration.engine.road import ENTRY, Json, Road, Trader, fill, filled
from tests.integration.engine.watching import Watch

D = Decimal
MOVE = {
    "action": "modify",
    "symbol": "EURUSD",
    "position_id": "p1",
    "sl": {"mode": "price", "value": D("1.09")},
}


async def guarded(road: Road, trader: Trader) -> None:
    """A lot bought with a stop that trails, which stands at 1.08 in our books."""
    await road.accept(trader)
    (claimed,) = await road.claim(1)
    kept = {"trail": {"mode": "offset", "value": D("0.01")}, "be": None, "time_exit_s": None, "ladder": None}
    leg = {**ENTRY, "qty": 1, "stop_loss": D("1.08"), "guard": kept}
    (command,) = (await road.open_one(claimed, leg))["commands"]
    assert await road.record(claimed, [filled(command["id"], 1, [fill("f1", "p1", qty=1)])])
    await stands(road, "1.08")


async def stands(road: Road, stop: str) -> None:
    """The stop by our books, as of now."""
    text = "update public.positions set stop_loss = $1, as_of = clock_timestamp()"
    await road.admin.execute(text, D(stop))


async def moved(road: Road, trader: Trader, claimed: Json, seen: str) -> Any:
    """The guard asks for 1.09 after a read that has shown another stop; the one that whoever moves it plans with."""
    (guard,) = claimed["guards"]
    act = {"kind": "move", "told": "it trails.", "intent": MOVE, "stands": D(seen)}
    said = guard | {"act": act, "blind": False, "ended": None, "exits": None}
    result = {"account": trader.account, "token": claimed["token"], "guards": [said]}
    assert await road.worker.fetchval("select engine.keep_guards($1)", [result]) == 1
    (delivery,) = await road.claim()
    assert delivery["delivery"]["action"] == "modify"
    (position,) = delivery["positions"]
    return position["stop_loss"]


@pytest.mark.parametrize("seen", ["1.07", "1.085"])
async def test_planned_with_what_was_read(road: Road, seen: str) -> None:
    """A stop moved by hand before the read is known to whoever moves it next: by our older books the move would be none,
    and be skipped."""
    trader = await road.trader()
    await guarded(road, trader)
    watch = await Watch.of(road, trader.account, "paper")
    assert await moved(road, trader, await watch.due(), seen) == D(seen)


async def test_what_came_since_the_read_is_younger(road: Road) -> None:
    """A change of ours that was answered while the account was read stays in the books: the read may not show it."""
    trader = await road.trader()
    await guarded(road, trader)
    watch = await Watch.of(road, trader.account, "paper")
    claimed = await watch.due()
    await stands(road, "1.095")
    assert await moved(road, trader, claimed, "1.07") == D("1.095")
