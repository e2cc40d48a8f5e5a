"""kill -9 and SIGSTOP of a worker at every step of the pipeline, for every action: never two orders, and one."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass

import pytest

from local.scratch import ScratchCluster
from tests.integration.chaos.accidents import (
    SETTLED_S,
    TASKS,
    UNTIL_RELEASED_S,
    Aftermath,
    Stage,
    Step,
    kill_at,
    stage,
    stop_in_write,
)
from tests.support.processes import Running
from tests.support.trading import until

SHOWN = {
    Step.CLAIMED: {"lease_expired"},
    Step.WRITTEN: {"lease_expired", "absent", "resend"},
    Step.SENDING: {"lease_expired", "found"},
    Step.ARRIVED: {"lease_expired", "found"},
    Step.ANSWERED: {"lease_expired", "found"},
    Step.RECORDED: set[str](),
}


def shown(step: Step, action: str) -> set[str]:
    """What the trace must show, or the accident did not happen where it was meant to."""
    if (step, action) == (Step.RECORDED, "reverse"):
        return {"lease_expired", "absent", "resend"}  # its second leg: begun and never sent
    # A flatten reads first, so its write waits behind the others': the lock does not let it come further.
    return SHOWN[Step.CLAIMED if (step, action) == (Step.WRITTEN, "flatten") else step]


@dataclass(frozen=True)
class Accident:
    """How every action ended, and whether our books agree with themselves."""

    step: Step
    ends: dict[str, Aftermath]
    invariants: dict[str, int]


async def killed(cluster: ScratchCluster, step: Step) -> Accident:
    """kill -9 at the step; a second worker goes on."""
    async with stage(cluster) as scene:
        with scene.worker() as first:
            await scene.prepare()
            await kill_at(scene, step, first)
        with scene.worker():
            return Accident(step, await scene.aftermath(), await scene.invariants())


async def stopped(cluster: ScratchCluster, step: Step) -> Accident:
    """SIGSTOP at the step until a second worker has ended everything; then SIGCONT."""
    async with stage(cluster) as scene:
        with scene.worker() as first:
            await scene.prepare()
            if step is Step.WRITTEN:
                await stop_in_write(scene, first, signal.SIGSTOP, forget=False)
            else:
                scene.fault("late", UNTIL_RELEASED_S)
                await scene.alerts()
                await scene.all_received()
                first.send(signal.SIGSTOP)
                scene.release()
            with scene.worker():
                before = await scene.aftermath()
                first.send(signal.SIGCONT)
                await _has_given_up(scene, first)
                after = await scene.aftermath()
            assert first.stop() == 0
        assert after == before
        return Accident(step, after, await scene.invariants())


async def _has_given_up(scene: Stage, running: Running) -> None:
    """Wait until the old holder has said of each delivery that it is not its own any more."""

    async def said() -> bool:
        lines = [line for line in running.lines if "lease lost" in line or "the lease was lost" in line]
        return len(lines) >= len(scene.traders)

    await until(said, SETTLED_S)


def _is_right(accident: Accident, action: str) -> None:
    """One order per leg at the broker, and book, positions and outcome as without the accident."""
    end = accident.ends[action]
    assert end.delivery["outcome"] == "executed", end.delivery
    assert shown(accident.step, action) <= end.steps, end.delivery
    assert list(end.applied.values()) == [1] * end.task.legs, (end.applied, end.delivery)
    # Only what was proven absent was sent again, and here all of that had never left the worker.
    assert end.received == end.applied, (end.received, end.delivery)
    assert (end.held_at_broker, end.held) == (end.task.held, end.task.held), end
    assert end.broker["orders"] == [], end
    assert accident.invariants == {}


@pytest.fixture(scope="module", params=list(Step))
def kill(request: pytest.FixtureRequest, cluster: ScratchCluster) -> Accident:
    """All actions under way at once when the worker is killed at one step."""
    return asyncio.run(killed(cluster, request.param))


@pytest.fixture(scope="module", params=[Step.WRITTEN, Step.ARRIVED])
def stop(request: pytest.FixtureRequest, cluster: ScratchCluster) -> Accident:
    """All actions under way at once when the worker sleeps past its lease."""
    return asyncio.run(stopped(cluster, request.param))


@pytest.mark.parametrize("action", TASKS)
def test_killed_worker_never_doubles_and_loses_nothing(kill: Accident, action: str) -> None:
    """After kill -9 the next worker ends the alert: one order per leg, asked about or provably unsent."""
    _is_right(kill, action)


@pytest.mark.parametrize("action", TASKS)
def test_worker_stopped_past_its_lease_neither_sends_nor_records(stop: Accident, action: str) -> None:
    """The second worker ends the alert; the first, awake again with a go in its hands, changes nothing."""
    _is_right(stop, action)
