"""The accounts of one alert: they wait for one another before they are written, and once more before they leave."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from shared.models import enums
from shared.models.enums import Action, Lane
from shared.store.rows import AccountRow, Claimed, Delivery, Event
from tests.support.leaps import leaping
from workers.execution.together import AT_MOST_S, QUIET_S, Together, groups

HANGS_S = 60.0
"""Nobody waits so long, on a busy machine, too."""


async def arrived(meeting: Together, after_s: float = 0.0) -> tuple[float, Together | None]:
    """One that comes after a while: how long it then waited, and whom it went on with."""
    loop = asyncio.get_running_loop()
    came: asyncio.Future[None] = loop.create_future()
    loop.call_later(after_s, came.set_result, None)
    await came
    began = loop.time()
    others = await meeting.arrive()
    return loop.time() - began, others


async def test_when_the_last_has_come_all_go_at_once() -> None:
    """Nobody waits for a time to pass, and all of them meet again."""
    meeting = Together(3)
    order: list[str] = []

    async def one(name: str) -> Together | None:
        others = await meeting.arrive()
        order.append(name)
        return others

    again = await asyncio.gather(one("a"), one("b"), one("c"))
    assert order == ["a", "b", "c"]
    assert again[0] is not None
    assert len(set(again)) == 1
    second = await asyncio.gather(*(arrived(again[0]) for _ in range(3)))
    assert [others is not None for _, others in second] == [True] * 3


async def test_who_leaves_is_not_waited_for() -> None:
    """The others of one that was denied go on when all of them are there; the next time it is not counted."""
    meeting = Together(3)
    waiting = [asyncio.create_task(meeting.arrive()) for _ in range(2)]
    meeting.leave()
    again = await asyncio.gather(*waiting)
    assert again[0] is not None
    assert again[0] is again[1]
    async with asyncio.timeout(HANGS_S):
        await asyncio.gather(again[0].arrive(), again[0].arrive())


def test_one_that_does_not_come_holds_nobody_up_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others go when nobody else has come for a while; the late one goes alone, and waits for nothing."""

    async def meet() -> None:
        meeting = Together(3)
        waited = await asyncio.gather(arrived(meeting), arrived(meeting))
        assert [each for each, _ in waited] == pytest.approx([QUIET_S] * 2)
        assert await arrived(meeting) == (0, None)

    leaping(monkeypatch, meet())


def test_while_others_keep_coming_they_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each that comes makes those who are there wait a little longer: all of them go on together."""

    async def meet() -> None:
        meeting, half = Together(5), QUIET_S / 2
        came = await asyncio.gather(*(arrived(meeting, after_s=half * number) for number in range(4)))
        assert len({others for _, others in came}) == 1
        assert came[0][0] == pytest.approx(3 * half + QUIET_S)

    leaping(monkeypatch, meet())


def test_nobody_waits_longer_than_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many keep coming: the first goes after that time, and who comes later is late."""

    async def meet() -> None:
        meeting, apart = Together(100), QUIET_S / 2
        came = await asyncio.gather(*(arrived(meeting, apart * number) for number in range(20)))
        assert came[0][0] == pytest.approx(AT_MOST_S)
        assert came[0][1] is not None
        assert came[-1][1] is None

    leaping(monkeypatch, meet())


async def test_one_that_is_stopped_while_it_waits_is_not_met_again() -> None:
    """A task that is cancelled at a meeting is not waited for at the next."""
    meeting = Together(3)
    stopped, goes = asyncio.create_task(meeting.arrive()), asyncio.create_task(meeting.arrive())
    await asyncio.sleep(0)
    stopped.cancel()
    await asyncio.gather(stopped, return_exceptions=True)
    meeting.leave()
    again = await goes
    assert again is not None
    async with asyncio.timeout(HANGS_S):
        await again.arrive()


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
