"""Alerts at three simulated brokers while workers are killed and brokers fail: never two orders, none lost."""

from __future__ import annotations

import pytest

from tests.integration.chaos.brokers import Plan, play
from tests.integration.chaos.weather import Climate
from tests.support.stacks import RunningStack

SECONDS = 12.0
SETTLE_S = 25.0
SHORT = Climate(spell_s=1.0, accident_s=4.0, hang_s=(1.0, 3.0), slow_proof=False)


@pytest.mark.parametrize("seed", [1])
async def test_every_order_at_the_broker_is_the_one_of_its_trace(stack: RunningStack, seed: int) -> None:
    """Each alert is 0 or 1 order a leg at its broker, as our books say; what is in doubt is still within its time."""
    plan = Plan(seed=seed, logins=1, alerts=20, seconds=SECONDS, settle_s=SETTLE_S, climate=SHORT)
    played = await play(stack, plan)
    told = played.told
    assert told.faultless, told
    # It was a storm, and there was trade in it.
    assert played.faults > 0
    assert played.kills + played.stops > 0
    assert told.outcomes["executed"] > 0
    assert told.orders > 0
