"""The door: who may come in, what is refused and how, what happens to a resend."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from tests.integration.engine.road import Road


def ago(**age: float) -> str:
    """An ISO time before now; negative = in the future."""
    return (datetime.now(UTC) - timedelta(**age)).isoformat()


async def test_same_alert_four_times_at_once(road: Road) -> None:
    """One event; the other three are told the original id and its number of deliveries."""
    trader = await road.trader(accounts=2)
    await road.set("public.webhook_endpoints", trader.endpoint, max_entries_per_day=1)
    lines = [await road.another("empire_edge") for _ in range(4)]
    answers = await asyncio.gather(*(road.ingest(trader, line, top={"id": "same"}) for line in lines))
    assert sorted(answer["status"] for answer in answers) == ["accepted", *["duplicate"] * 3]
    assert len({answer["event_id"] for answer in answers}) == 1
    assert {answer["deliveries"] for answer in answers} == {2}
    assert await road.value("select count(*) from public.deliveries") == 2
    assert await road.broken() == {}


async def test_id_reused_with_another_body(road: Road) -> None:
    """409 id_reused, kept in the inbox; the first body is still answered duplicate."""
    trader = await road.trader()
    first = await road.ingest(trader, top={"id": "a"})
    other = await road.ingest(trader, top={"id": "a"}, qty=2)
    assert (other["http"], other["error"]) == (409, "id_reused")
    assert await road.value(
        "select reason::text from public.webhook_events where id = $1", other["event_id"]
    ) == ("id_reused")
    again = await road.ingest(trader, top={"id": "a"})
    assert (again["status"], again["event_id"]) == ("duplicate", first["event_id"])


async def test_fixed_message_without_id_executes_on_both_days(road: Road) -> None:
    """Within the window a repetition is a duplicate; a day later the same bytes are a new alert."""
    trader = await road.trader()
    first = await road.ingest(trader, top={"id": None})
    assert (await road.ingest(trader, top={"id": None}))["status"] == "duplicate"
    await road.admin.execute("update engine.dedupe set expires_at = now() - interval '1 day'")
    second = await road.ingest(trader, top={"id": None})
    assert second["status"] == "accepted"
    assert second["event_id"] > first["event_id"]


@pytest.mark.parametrize(
    ("top", "days"), [({"id": "x"}, 90), ({"id": None, "ts": "now"}, 90), ({"id": None}, 60 / 86_400)]
)
async def test_how_long_an_alert_is_remembered(road: Road, top: dict[str, Any], days: float) -> None:
    """By id, or by its bytes when they carry ts: 90 days. Else for the endpoint's window."""
    trader = await road.trader()
    if top.get("ts"):
        top = {**top, "ts": ago(seconds=0)}
    await road.ingest(trader, top=top)
    kept = await road.value("select expires_at - now() from engine.dedupe")
    assert abs(kept - timedelta(days=days)) < timedelta(seconds=5)


async def test_refused_body_occupies_no_key(road: Road) -> None:
    """An alert refused for its rate can be sent again under the same id."""
    trader = await road.trader()
    await road.set("public.webhook_endpoints", trader.endpoint, alerts_per_minute=1)
    await road.accept(trader)
    await road.minute_turns()
    assert (await road.ingest(trader, top={"id": "again"}))["http"] == 429
    await road.set("public.webhook_endpoints", trader.endpoint, alerts_per_minute=100)
    assert (await road.ingest(trader, top={"id": "again"}))["status"] == "accepted"


async def test_stale_and_future(road: Road) -> None:
    """An old entry is 409 stale, an old exit is accepted, the future is refused for both."""
    trader = await road.trader()
    old = await road.ingest(trader, top={"ts": ago(seconds=130)})
    assert (old["http"], old["error"]) == (409, "stale")
    assert re.search(r"13\d seconds old, this endpoint accepts 60", old["message"])
    late = await road.ingest(trader, top={"ts": ago(seconds=120)})
    assert "Use {{timenow}}" in late["message"]
    exit_ = await road.ingest(trader, top={"ts": ago(days=3)}, action="close")
    assert exit_["status"] == "accepted"
    for action in ("open", "close"):
        future = await road.ingest(trader, top={"ts": ago(seconds=-90)}, action=action)
        assert (future["http"], future["error"]) == (422, "ts_in_future")


async def test_expiry_counts_from_the_firing_time(road: Road) -> None:
    """expires_at = ts + max_age_s for entries; an exit never expires."""
    trader = await road.trader()
    entry = await road.accept(trader, top={"ts": ago(seconds=50)})
    exit_ = await road.accept(trader, top={"ts": ago(seconds=50)}, action="reduce")
    left = await road.value("select expires_at - now() from public.deliveries where event_id = $1", entry)
    assert timedelta(seconds=5) < left < timedelta(seconds=10)
    assert await road.value("select expires_at from public.deliveries where event_id = $1", exit_) is None


async def test_what_is_not_ours_is_the_same_401(road: Road) -> None:
    """Unknown endpoint, unreadable id, wrong version, disabled endpoint, suspended user: one answer, no trace."""
    trader = await road.trader()
    answers = [
        await road.ingest(trader, over={"endpoint_id": "00000000-0000-0000-0000-000000000000"}),
        await road.ingest(trader, over={"endpoint_id": "nonsense"}),
        await road.ingest(trader, over={"token_version": 2}),
        await road.ingest(trader, over={"token_version": 0}),
        await road.ingest(trader, over={"token_version": None}),
    ]
    await road.set("public.webhook_endpoints", trader.endpoint, enabled=False)
    answers.append(await road.ingest(trader))
    await road.set("public.webhook_endpoints", trader.endpoint, enabled=True)
    await road.set("public.profiles", trader.user, status="suspended")
    answers.append(await road.ingest(trader, action="close"))
    assert [answer["http"] for answer in answers] == [401] * len(answers)
    assert len({json.dumps(answer) for answer in answers}) == 1
    assert await road.value("select count(*) from public.webhook_events") == 0


async def test_rotated_version_lives_a_day(road: Road) -> None:
    """After a rotation the previous version works until previous_valid_until, the one before never."""
    trader = await road.trader()
    await road.set(
        "public.webhook_endpoints",
        trader.endpoint,
        token_version=3,
        previous_valid_until="now() + ('24h'::interval)",
    )
    assert (await road.ingest(trader, over={"token_version": 2}))["http"] == 202
    assert (await road.ingest(trader, over={"token_version": 3}))["http"] == 202
    assert (await road.ingest(trader, over={"token_version": 1}))["http"] == 401
    await road.set(
        "public.webhook_endpoints", trader.endpoint, previous_valid_until="now() - ('1s'::interval)"
    )
    assert (await road.ingest(trader, over={"token_version": 2}))["http"] == 401


async def test_signature_and_address(road: Road) -> None:
    """A wrong signature never passes, a missing one only where none is required; an unknown address fails lists."""
    trader = await road.trader()
    assert (await road.ingest(trader, over={"signature_valid": False}))["error"] == "signature_invalid"
    await road.set("public.webhook_endpoints", trader.endpoint, require_signature=True)
    assert (await road.ingest(trader))["http"] == 401
    assert (await road.ingest(trader, over={"signature_valid": True}))["http"] == 202
    await road.set(
        "public.webhook_endpoints", trader.endpoint, require_signature=False, allow_cidrs="{10.0.0.0/8}"
    )
    for address, error in ((None, "address_unknown"), ("no address", "address_unknown")):
        assert (await road.ingest(trader, over={"client_ip": address}))["error"] == error
    refused = await road.ingest(trader, over={"client_ip": "192.168.0.1"})
    assert (refused["http"], refused["error"]) == (403, "address_not_allowed")
    assert (await road.ingest(trader, over={"client_ip": "10.1.2.3"}))["http"] == 202


async def test_broker_is_an_assertion(road: Road) -> None:
    """The endpoint decides the broker; a path or body that says another is refused with the field's path."""
    trader = await road.trader()
    for wrong in (
        await road.ingest(trader, broker="tradelocker"),
        await road.ingest(trader, over={"broker": "metatrader"}),
        await road.ingest(trader, over={"broker": "metatrader"}, broker="paper"),
    ):
        assert (wrong["http"], wrong["error"]) == (422, "broker_mismatch")
        assert wrong["details"][0]["path"] == "intent.broker"
    assert (await road.ingest(trader, over={"broker": "paper"}, broker="paper"))["http"] == 202


async def test_accounts_narrow_and_never_widen(road: Road) -> None:
    """By number, label or id, only the endpoint's own; a foreign one refuses the whole alert."""
    trader, other = await road.trader(accounts=3), await road.trader()
    outside = await road.account(trader)
    await road.admin.execute(
        "delete from public.webhook_endpoint_accounts where account_id = $1::text::uuid", outside
    )
    one, two, _ = trader.accounts
    narrowed = await road.accept(trader, accounts=[f"N{one[:8]}", f"L{two[:8]}", one])
    assert set(
        await road.column("select account_id::text from public.deliveries where event_id = $1", narrowed)
    ) == {one, two}
    for names in ([other.account], [outside], [one, "nobody"], [], "all", {"a": 1}):
        refused = await road.ingest(trader, accounts=names)
        assert (refused["http"], refused["details"][0]["path"]) == (422, "intent.accounts"), names


async def test_ceilings_of_the_endpoint_spare_exits(road: Road) -> None:
    """allowed_actions binds what can open; a close passes whatever the list says."""
    trader = await road.trader()
    await road.set("public.webhook_endpoints", trader.endpoint, allowed_actions="{open}")
    assert (await road.ingest(trader, action="reverse"))["error"] == "endpoint_limit"
    assert (await road.ingest(trader, action="close"))["http"] == 202
    assert (await road.ingest(trader, action="open"))["http"] == 202


async def test_refusals_of_the_edge_are_kept(road: Road) -> None:
    """What the edge function found wrong is the answer, and stands in the inbox."""
    trader = await road.trader()
    details = [{"path": "intent.qty", "message": "must be a number"}]
    answer = await road.ingest(
        trader, over={"payload": None, "refusal": {"status": 400, "error": "unreadable", "details": details}}
    )
    assert (answer["http"], answer["error"], answer["details"]) == (400, "unreadable", details)
    row = await road.admin.fetchrow("select * from public.webhook_events where id = $1", answer["event_id"])
    assert row is not None
    assert (row["status"], row["processed"], row["payload"]) == ("refused", True, None)


async def test_edge_cannot_act_for_another(road: Road) -> None:
    """The owner is derived from the credential: naming users, accounts or events in the argument changes nothing."""
    trader, victim = await road.trader(), await road.trader()
    names = {"user_id": victim.user, "account_id": victim.account, "source": "system", "event_id": 1}
    answer = await road.ingest(trader, over=names)
    assert answer["http"] == 202
    assert await road.column("select distinct user_id::text from public.deliveries") == [trader.user]
    assert (await road.ingest(trader, accounts=[victim.account]))["http"] == 422


HOSTILE: list[dict[str, Any]] = [
    {"over": {"payload": None}},
    {"over": {"payload": []}},
    {"over": {"payload": {"intent": "open"}}},
    {"over": {"body": "x" * 40_000}},
    {"over": {"body_sha256": None}},
    {"over": {"body_sha256": "../.."}},
    {"over": {"token_version": 10**30}},
    {"over": {"signature_valid": "perhaps"}},
    {"over": {"refusal": {"status": 500, "error": None, "details": None}}},
    {"over": {"refusal": {"status": "many"}}},
    {"action": "explode"},
    {"side": "up"},
    {"dry_run": "perhaps"},
    {"top": {"ts": "2026-02-31T00:00:00Z"}},
    {"top": {"ts": "yesterday-ish"}},
    {"top": {"ts": "294277-01-01T00:00:00Z"}},
    {"top": {"id": "i" * 5_000}},
    {"symbol": "S" * 12_000},
]


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda h: json.dumps(h)[:40])
async def test_no_input_is_our_fault(road: Road, hostile: dict[str, Any]) -> None:
    """Whatever stands in the argument, the answer is a 2xx or 4xx, never an error of the database."""
    trader = await road.trader()
    answer = await road.ingest(trader, **hostile)
    assert 200 <= answer["http"] < 500
    assert await road.broken() == {}


async def test_nul_is_class_22(road: Road) -> None:
    """A NUL cannot even become the argument; its SQLSTATE is of class 22, which the edge function answers with 400."""
    with pytest.raises(asyncpg.DataError) as caught:
        await road.edge.fetchval(r"""select engine.ingest('[{"body": "\u0000"}]'::text::jsonb)""")
    assert str(caught.value.sqlstate).startswith("22")
