"""The fence: an older lease can do nothing, and what may be sent may be sent once."""

from __future__ import annotations

import asyncio

import pytest

from tests.integration.engine.road import Json, Road, fill, filled


@pytest.fixture
async def lost(road: Road) -> Json:
    """A claim whose lease ran out and whose delivery somebody else has claimed since."""
    await road.accept(await road.trader())
    (claimed,) = await road.claim()
    await road.open_one(claimed, begin=False)
    await road.lose_leases()
    assert (await road.rescue())["rearmed"] == 1
    (again,) = await road.claim(worker="w2")
    assert again["token"] > claimed["token"]
    assert [each["state"] for each in again["commands"]] == ["pending"]
    return claimed


async def test_old_token_writes_nothing(road: Road, lost: Json) -> None:
    """It can neither open nor begin, record, defer, release nor bury."""
    command = await road.value("select id from engine.commands")
    one = {"delivery_id": lost["delivery"]["id"], "token": lost["token"]}
    assert (await road.open_one(lost)) == {
        **await road.open_one(lost),
        "verdict": "lost",
        "reason": "lease_lost",
    }
    assert (await road.begin(command, lost["token"])) == {"id": command, "go": False, "reason": "lease_lost"}
    assert await road.record(lost, [filled(command, 1, [fill("f")])]) is False
    deferral = {**one, "ms": 0, "reason": "position_unknown", "numbers": {}, "trace": []}
    assert await road.worker.fetchval("select engine.defer($1)", [deferral]) == []
    assert await road.worker.fetchval("select engine.release($1)", [one]) == 0
    assert not await road.worker.fetchval("select engine.dead_letter($1, $2, 'e', $3)", *one.values(), [])
    assert await road.value("select count(*) from public.fills") == 0
    assert await road.column("select state::text from engine.commands") == ["pending"]


async def test_heartbeat_keeps_and_never_revives(road: Road) -> None:
    """A live lease is extended for its worker; one that ran out is lost, even if nobody has taken it."""
    await road.accept(await road.trader())
    (claimed,) = await road.claim()
    token = claimed["token"]

    async def beat(worker: str = "w1") -> list[int]:
        answer: Json = await road.worker.fetchval(
            "select engine.heartbeat($1, $2, 60000)", worker, [token, 999]
        )
        return list(answer["alive"])

    assert await beat() == [token]
    assert await road.value("select lease_until > now() + interval '50 s' from engine.queue")
    assert await beat("w2") == []
    await road.lose_leases()
    assert await beat() == []
    assert (await road.open_one(claimed))["verdict"] == "lost"


async def test_only_one_may_send(road: Road) -> None:
    """begin_send of one command from four connections at once: exactly one go."""
    await road.accept(await road.trader())
    (claimed,) = await road.claim()
    opened = await road.open_one(claimed, begin=False)
    command = opened["commands"][0]["id"]
    lines = [await road.another("empire_worker") for _ in range(4)]
    answers = await asyncio.gather(*(road.begin(command, claimed["token"], line) for line in lines))
    assert [answer["go"] for answer in answers].count(True) == 1
    assert await road.value("select sends from engine.commands") == 1


async def test_expired_lease_may_record_and_not_send(road: Road) -> None:
    """Nobody took it yet: what was sent is recorded, because it is true; nothing more is sent."""
    await road.accept(await road.trader())
    (claimed,) = await road.claim()
    opened = await road.open_one(claimed)
    command = opened["commands"][0]["id"]
    await road.lose_leases()
    assert (await road.begin(command, claimed["token"]))["reason"] == "lease_lost"
    assert await road.record(claimed, [filled(command, 1, [fill("f")])])
    assert await road.broken() == {}


async def test_what_is_being_sent_is_not_given_back(road: Road) -> None:
    """A draining worker releases what it has not begun; a command under way stays with it."""
    trader = await road.trader(accounts=2)
    await road.accept(trader)
    begun, idle = await road.claim()
    await road.open_one(begun)
    both = [{"delivery_id": each["delivery"]["id"], "token": each["token"]} for each in (begun, idle)]
    assert await road.worker.fetchval("select engine.release($1)", both) == 1
    deferral = {**both[0], "ms": 0, "reason": "position_unknown", "numbers": {}, "trace": []}
    assert await road.worker.fetchval("select engine.defer($1)", [deferral]) == []
    assert [each["delivery"]["id"] for each in await road.claim()] == [idle["delivery"]["id"]]


async def test_repeated_record_is_refused(road: Road) -> None:
    """Recording again after a lost answer writes nothing twice."""
    await road.accept(await road.trader())
    (claimed,) = await road.claim()
    opened = await road.open_one(claimed)
    results = [filled(opened["commands"][0]["id"], 1, [fill("f")])]
    assert await road.record(claimed, results) is True
    assert await road.record(claimed, results) is False
    assert await road.value("select count(*) from public.fills") == 1
    assert await road.value("select count(*) from engine.outbox") == 1
