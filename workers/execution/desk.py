"""What the stages share: the store, the brokers, and the group commits of write and record."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from shared.brokers.registry import Registry
from shared.settings import WorkerSettings
from shared.store.port import Store
from shared.store.rows import Begun, Deferral, Execution, Opened, Plan, Recorded
from workers.gather import Gather
from workers.leases import Leases


@dataclass(frozen=True, slots=True)
class Desk:
    """One per worker process."""

    store: Store
    brokers: Registry
    settings: WorkerSettings
    opening: Gather[Plan, Opened]
    beginning: Gather[tuple[int, int], Begun]
    recording: Gather[Execution, Recorded]
    deferring: Gather[Deferral, None]
    stopping: asyncio.Event
    leases: Leases


def desk_for(
    store: Store, brokers: Registry, settings: WorkerSettings, stopping: asyncio.Event, leases: Leases
) -> Desk:
    """The desk over a store."""
    limit, timeout_ms = settings.worker_batch, settings.request_timeout_ms

    async def open_orders(plans: list[Plan]) -> list[Opened]:
        opened = await store.open_orders(plans=plans, begin=True, request_timeout_ms=timeout_ms)
        by_id = {each.delivery_id: each for each in opened}
        return [by_id[plan.delivery_id] for plan in plans]

    async def begin_send(commands: list[tuple[int, int]]) -> list[Begun]:
        begun = await store.begin_send(commands=commands, request_timeout_ms=timeout_ms)
        by_id = {each.id: each for each in begun}
        return [by_id[command] for command, _ in commands]

    async def record(results: list[Execution]) -> list[Recorded]:
        recorded = await store.record_executions(results=results)
        by_id = {each.delivery_id: each for each in recorded}
        return [by_id[result.delivery_id] for result in results]

    async def defer(deliveries: list[Deferral]) -> list[None]:
        await store.defer(deliveries=deliveries)
        return [None] * len(deliveries)

    return Desk(
        store=store,
        brokers=brokers,
        settings=settings,
        opening=Gather(open_orders, lambda plan: plan.delivery_id, limit),
        beginning=Gather(begin_send, lambda command: command[0], limit),
        recording=Gather(record, lambda result: result.delivery_id, limit),
        deferring=Gather(defer, lambda deferral: deferral.delivery_id, limit),
        stopping=stopping,
        leases=leases,
    )
