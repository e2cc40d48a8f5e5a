"""The accounts of one alert wait a moment for one another before they are written."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from shared import clock
from shared.models import enums
from shared.models.enums import Action, Lane
from shared.store.rows import AccountRow, Claimed, Delivery, Event
from workers.execution.together import WITHIN_S, Together, groups


async def test_the_last_one_lets_all_go() -> None:
    """Nobody goes on before the last has arrived; then all do in one turn of the loop."""
    together, gone = Together(3), list[int]()

    async def one(number: int) -> None:
        await together.arrive()
        gone.append(number)

    tasks = [asyncio.create_task(one(number)) for number in (1, 2)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert gone == []
    await one(3)
    await asyncio.sleep(0)
    assert sorted(gone) == [1, 2, 3]
    await asyncio.gather(*tasks)


async def test_one_that_leaves_is_not_waited_for() -> None:
    """A delivery that was refused, or goes on without writing, frees the others at once."""
    together = Together(2)
    waiting = asyncio.create_task(together.arrive())
    await asyncio.sleep(0)
    together.leave()
    await asyncio.sleep(0)
    assert waiting.done()


async def test_one_that_does_not_come_is_waited_for_only_for_a_moment() -> None:
    """A broker that hangs holds the others of its alert for WITHIN_S; who comes later does not wait at all."""
    together, began = Together(3), clock.monotonic()
    await together.arrive()
    assert clock.monotonic() - began >= WITHIN_S * 0.9
    late = asyncio.create_task(together.arrive())
    await asyncio.sleep(0)
    assert late.done()


async def test_one_that_gives_up_while_it_waits_disturbs_nobody() -> None:
    """A canceled delivery does not keep the others."""
    together = Together(3)
    first, second = asyncio.create_task(together.arrive()), asyncio.create_task(together.arrive())
    await asyncio.sleep(0)
    first.cancel()
    await together.arrive()
    await second
    assert first.cancelled() or first.cancelling()


def test_only_the_accounts_of_one_alert_are_a_group() -> None:
    """An alert of one account waits for nobody, and neither does what is urgent."""
    batch = [
        _claimed(delivery=1, event=1),
        _claimed(delivery=2, event=2),
        _claimed(delivery=3, event=2),
        _claimed(delivery=4, event=3, lane=Lane.URGENT),
        _claimed(delivery=5, event=3, lane=Lane.URGENT),
    ]
    assert groups(batch).keys() == {2}


def _claimed(delivery: int, event: int, lane: Lane = Lane.NORMAL) -> Claimed:
    now = datetime(2026, 11, 25, tzinfo=UTC)
    row = AccountRow(
        id=f"a{delivery}", user_id="u", connection_id="c", broker=enums.Broker.PAPER, account_id="1", currency="USD",
        margin_mode=enums.MarginMode.NETTING, trading_enabled=True, halt_epoch=0, freshness=enums.Freshness.FRESH,
        environment="simulated",
    )  # fmt: skip
    told = Delivery(delivery, event, "u", row.id, lane, Action.OPEN, 0)
    return Claimed(told, 1, now, Event(event, "tradingview", "", now), row)
