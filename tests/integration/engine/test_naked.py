"""Which stop a position should have by what was written ahead, and what is kept and asked for while it has none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from tests.integration.engine.road import ENTRY, Json, Road, Trader, fill, filled
from tests.integration.engine.watching import Watch, held

D = Decimal
AT = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)


async def entered(
    road: Road, trader: Trader, stop: str | None, qty: int = 1, side: str = "buy", **intent: Any
) -> Json:
    """An entry with this stop, filled; its delivery."""
    await road.accept(trader, side=side, **intent)
    (claimed,) = await road.claim(1)
    leg = {**ENTRY, "qty": qty, "side": side, "stop_loss": None if stop is None else D(stop)}
    (command,) = (await road.open_one(claimed, leg))["commands"]
    fills = [fill(f"f{command['id']}", "p1", qty=qty, side=side)]
    assert await road.record(claimed, [filled(command["id"], qty, fills)])
    return claimed


async def changed(road: Road, trader: Trader, protection: Json, outcome: str = "accepted") -> None:
    """A change of the position's protection, with this outcome."""
    await road.accept(trader, action="modify", sl={"mode": "price", "value": 1.09})
    (claimed,) = await road.claim(1)
    named = {"venue_position_id": "p1", "protection": protection}
    leg = {**ENTRY, "kind": "protect", "venue_position_id": "p1", "request": named}
    (command,) = (await road.open_one(claimed, leg))["commands"]
    told = {"id": command["id"], "outcome": outcome}
    assert await road.record(claimed, [told], outcome="executed" if outcome == "accepted" else "rejected")


async def wanted(road: Road, seen: str | None = None, ago_s: int = -60) -> tuple[Any, Any]:
    """The stop that the position should have, and whether our words ask for it."""
    found = await road.value(
        "select to_jsonb(engine.stop_wanted(p, $1, clock_timestamp() - $2 * interval '1 second'))"
        " || jsonb_build_object('is_bare', engine.opened_bare(p)) from public.positions p",
        *(None if seen is None else D(seen), ago_s),
    )
    assert not (found["is_bare"] and found["is_asked"]), "the short answer is never another one"
    return found["stop"], found["is_asked"]


async def test_the_last_word_counts(road: Road) -> None:
    """The entry's stop, then that of the last change that the broker accepted; taken away by a change there is none; what
    stood there after our last word is the word of whoever moved it."""
    trader = await road.trader()
    await entered(road, trader, "1.095")
    assert await wanted(road) == (D("1.095"), True)
    await changed(road, trader, {"stop_loss": D("1.097")})
    assert await wanted(road) == (D("1.097"), True)
    await changed(road, trader, {"stop_loss": D("1.099")}, "rejected")
    await changed(road, trader, {"take_profit": D("1.2"), "clear_stop_loss": False})
    assert await wanted(road) == (D("1.097"), True)
    assert await wanted(road, "1.08") == (D("1.08"), True), "moved by hand, later"
    assert await wanted(road, "1.08", 3600) == (D("1.097"), True), "as it was before our change"
    await changed(road, trader, {"clear_stop_loss": True})
    assert await wanted(road) == (None, False)


@pytest.mark.parametrize(("side", "tightest"), [("buy", "1.096"), ("sell", "1.094")])
async def test_of_several_entries_the_tightest(road: Road, side: str, tightest: str) -> None:
    """What is set again is never looser than what was asked for; where a part was to have none nothing is asked; a change
    means all of it."""
    trader = await road.trader()
    await entered(road, trader, "1.094", side=side)
    await entered(road, trader, "1.096", side=side)
    assert await wanted(road) == (D(tightest), True)
    await entered(road, trader, None, side=side)
    assert (await wanted(road))[1] is False
    await changed(road, trader, {"stop_loss": D("1.09")})
    assert await wanted(road) == (D("1.09"), True)


async def test_an_entry_that_was_changed_while_it_waited(road: Road) -> None:
    """Its last stop counts."""
    trader = await road.trader()
    claimed = await entered(road, trader, "1.095")
    order = await road.value("select id from public.orders where delivery_id = $1", claimed["delivery"]["id"])
    await road.accept(trader, action="modify", sl={"mode": "price", "value": 1.09})
    (change,) = await road.claim(1)
    request = {"protection": {"stop_loss": D("1.093")}}
    leg = {**ENTRY, "kind": "modify", "order_id": order, "request": request}
    (command,) = (await road.open_one(change, leg))["commands"]
    assert await road.record(change, [{"id": command["id"], "outcome": "accepted"}])
    assert await wanted(road) == (D("1.093"), True)


async def test_what_was_opened_elsewhere_has_no_word(road: Road) -> None:
    """Nobody has asked us for its stop."""
    trader = await road.trader()
    await entered(road, trader, "1.095")
    await road.admin.execute("update public.orders set origin = 'broker'")
    assert await wanted(road) == (None, False)


@pytest.mark.parametrize(
    ("rows", "rules"),
    [
        ([], (False, None)),
        ([{"stop_required": "false"}], (False, None)),
        ([{"stop_required": "true"}], (True, "close")),
        ([{"stop_required": "true", "naked_policy": "alarm"}], (True, "alarm")),
        ([{"naked_policy": "close"}, {"naked_policy": "alarm", "broker": "paper"}], (False, "close")),
        ([{"stop_required": "true", "naked_policy": "alarm"}, {"broker": "paper"}], (True, "alarm")),
        ([{"naked_policy": "close", "broker": "topstepx"}], (False, None)),
    ],
    ids=str,
)
async def test_the_policy_in_force(road: Road, rows: list[Json], rules: tuple[bool, str | None]) -> None:
    """Closed where a stop is required, unless the limits that require it say alarm; of several scopes close wins."""
    trader = await road.trader()
    for row in rows:
        await road.limit(trader, **row)
    found = await road.value(
        "select to_jsonb(engine.naked_rules(a)) from public.broker_accounts a where id = $1::text::uuid",
        trader.account,
    )
    assert (found["required"], found["policy"]) == rules


class Reader:
    """The reader of the trader's account."""

    def __init__(self, road: Road, trader: Trader, watch: Watch) -> None:
        self.road, self.account, self.watch = road, trader.account, watch

    @classmethod
    async def of(cls, road: Road, trader: Trader) -> Reader:
        return cls(road, trader, await Watch.of(road, trader.account, "paper"))

    async def claimed(self) -> Json:
        """The account, claimed again."""
        return await self.watch.due()

    async def keep(self, claimed: Json, *spells: Json, bare: bool = False) -> list[Json]:
        """engine.keep_naked for one read."""
        shown = [{"position_id": "p1", "side": "buy"}] if bare else []
        result = {"account": self.account, "token": claimed["token"], "at": AT, "bare": shown}
        answer: list[Json] = await self.road.worker.fetchval(
            "select engine.keep_naked($1)", [result | {"spells": list(spells)}]
        )
        return answer


def spell(naked: Json, kind: str | None = "stop", **more: Any) -> Json:
    """What a worker hands in about a naked position."""
    intent = {"action": "modify", "symbol": "EURUSD", "position_id": "p1", "scope": "symbol"}
    intent |= {"sl": {"mode": "price", "value": D("1.095")}} if kind == "stop" else {"action": "close"}
    act = (
        None if kind is None else {"kind": kind, "told": f"{kind} it.", "stop": D("1.095"), "intent": intent}
    )
    return {"id": naked["id"], "version": naked["version"], "failures": 0, "ended": None, "alarm": None} | {
        "act": act, **more
    }  # fmt: skip


async def test_asked_for_once(road: Road) -> None:
    """A naked position is noted once, its stop asked for once by the ordinary road, however often the answer is lost; while
    that is under way and when it is over is seen with it."""
    trader = await road.trader()
    await entered(road, trader, "1.095")
    reader = await Reader.of(road, trader)
    claimed = await reader.claimed()
    assert claimed["naked"] == []
    for _ in range(2):
        assert await reader.keep(claimed, bare=True) == []
    claimed = await reader.claimed()
    (naked,) = claimed["naked"]
    assert (naked["stop"], naked["is_asked"], naked["policy"], naked["asked"]) == (
        D("1.095"),
        True,
        None,
        None,
    )
    assert (naked["row_open"], naked["is_busy"], naked["has_stood"], naked["symbol"]) == (
        True,
        False,
        False,
        "EURUSD",
    )
    for _ in range(2):
        await reader.keep(claimed, spell(naked))
    (naked,) = (await reader.claimed())["naked"]
    assert (naked["asked"]["kind"], naked["asked"]["outcome"], naked["is_changing"]) == ("stop", None, True)
    (change,) = await road.claim()
    assert (change["event"]["source"], change["delivery"]["action"], change["delivery"]["lane"]) == (
        "system", "modify", "normal"
    )  # fmt: skip
    await road.deny(change)
    (naked,) = (await reader.claimed())["naked"]
    assert (naked["asked"]["outcome"], naked["asked"]["reason"]) == ("denied", "no_quote")
    (line,) = await road.column("select message from public.logs where type = 'stop_again'")
    assert line == f"L{trader.account[:8]}: stop it."
    assert await road.broken() == {}


async def test_who_sets_the_stop_plans_with_what_the_read_has_seen(road: Road) -> None:
    """Our books still show the stop, the read's figures come a moment later: whoever takes the change at once knows that it is
    gone. Else nothing was to be changed, and the position stayed as it was until it was asked for again."""
    trader = await road.trader()
    await entered(road, trader, "1.095")
    reader = await Reader.of(road, trader)
    await reader.keep(await reader.claimed(), bare=True)
    await road.admin.execute("update public.positions set stop_loss = 1.095")
    claimed = await reader.claimed()
    await reader.keep(claimed, spell(claimed["naked"][0], None))
    assert await road.column("select stop_loss from public.positions") == [D("1.095")]
    claimed = await reader.claimed()
    await reader.keep(claimed, spell(claimed["naked"][0]))
    (change,) = await road.claim()
    assert [each["stop_loss"] for each in change["positions"]] == [None]


async def test_the_close_is_urgent_and_told(road: Road) -> None:
    """In the urgent lane, without ending what waits; the trader is told at once, outside too, and not again with each try."""
    trader = await road.trader()
    await entered(road, trader, "1.095")
    await road.accept(trader, symbol="GBPUSD")
    reader = await Reader.of(road, trader)
    await reader.keep(await reader.claimed(), bare=True)
    for _ in range(2):
        claimed = await reader.claimed()
        await reader.keep(claimed, spell(claimed["naked"][0], "close", failures=1))
        (close,) = await road.claim(lane="urgent")
        await road.deny(close)
    kinds = await road.column("select type from public.logs where type like 'naked%' order by id")
    assert kinds == ["naked_closes", "naked_closes_tried"]
    (told,) = await road.column("select body from engine.outbox where subject like 'empire.log.naked%'")
    assert (told["class"], told["level"]) == ("naked", "error")
    assert len(await road.claim()) == 1, "the alert that waits goes on"


async def test_the_alarm_is_told_once(road: Road) -> None:
    """By the watch, and then no more by those who look for positions that the watch does not come to."""
    trader = await road.trader()
    await road.limit(trader, stop_required="true", naked_policy="alarm")
    await entered(road, trader, "1.095")
    reader = await Reader.of(road, trader)
    await reader.keep(await reader.claimed(), bare=True)
    for _ in range(2):
        claimed = await reader.claimed()
        await reader.keep(claimed, spell(claimed["naked"][0], None, alarm="EURUSD has no stop."))
    await road.admin.execute("update public.positions set opened_at = opened_at - interval '1 minute'")
    maintenance = await road.another("empire_maintenance")
    assert (await maintenance.fetchval("select engine.raise_alarms(100)"))["naked"] == 0
    lines = await road.column("select message from public.logs where type = 'naked'")
    assert lines == [f"L{trader.account[:8]}: EURUSD has no stop. Set one or close it in Paper."]


async def test_what_needs_no_stop_is_said(road: Road) -> None:
    """Neither asked for nor required: the reader hears so and does not ask again; required, it is noted."""
    trader = await road.trader()
    await entered(road, trader, None)
    reader = await Reader.of(road, trader)
    claimed = await reader.claimed()
    assert await reader.keep(claimed, bare=True) == [{"account": trader.account, "position_id": "p1"}]
    await road.limit(trader, stop_required="true")
    assert await reader.keep(claimed, bare=True) == []
    (naked,) = (await reader.claimed())["naked"]
    assert (naked["required"], naked["is_asked"], naked["stop"], naked["policy"]) == (
        True,
        False,
        None,
        "close",
    )


async def test_where_nothing_is_to_be_kept_nobody_is_waited_for(road: Road) -> None:
    """An account whose position needs no stop is not locked, and a lock on it held by its orders is not waited for; what is
    naked is kept under the account's lock."""
    trader, other = await road.trader(), await road.trader()
    await entered(road, trader, None)
    await entered(road, other, "1.095")
    reader, naked = await Reader.of(road, trader), await Reader.of(road, other)
    seen, bare = await reader.claimed(), await naked.claimed()
    await road.worker.execute("set lock_timeout = '200ms'")
    async with road.admin.transaction():
        await road.admin.execute("select from public.broker_accounts for no key update")
        assert await reader.keep(seen, bare=True) == [{"account": trader.account, "position_id": "p1"}]
        with pytest.raises(asyncpg.LockNotAvailableError):
            await naked.keep(bare, bare=True)
    await naked.keep(bare, bare=True)
    assert await road.column("select account_id::text from engine.naked") == [other.account]


async def test_while_something_is_under_way_nothing_begins(road: Road) -> None:
    """A command of ours on the symbol, or something urgent of the account, may be why."""
    trader = await road.trader()
    await entered(road, trader, "1.095")
    reader = await Reader.of(road, trader)
    await road.accept(trader, action="close")
    (claimed,) = await road.claim()
    await road.open_one(claimed, {**ENTRY, "kind": "close", "side": "sell", "venue_position_id": "p1"})
    seen = await reader.claimed()
    assert await reader.keep(seen, bare=True) == []
    assert await road.value("select count(*) from engine.naked") == 0
    await road.record(
        claimed, [{"id": await road.value("select max(id) from engine.commands"), "outcome": "rejected"}]
    )
    await road.intend(trader, action="flatten")
    assert await reader.keep(seen, bare=True) == []
    assert await road.value("select count(*) from engine.naked") == 0
    (flat,) = await road.claim(lane="urgent")
    await road.deny(flat)
    await reader.keep(seen, bare=True)
    assert await road.value("select count(*) from engine.naked") == 1


async def test_what_goes_again_and_again_is_set_less_often(road: Road) -> None:
    """A stop that stood for a while and went again: how often in a row it was asked for goes on to count."""
    trader = await road.trader()
    await entered(road, trader, "1.095")
    reader = await Reader.of(road, trader)
    await reader.keep(await reader.claimed(), bare=True)
    claimed = await reader.claimed()
    await reader.keep(claimed, spell(claimed["naked"][0], failures=3))
    claimed = await reader.claimed()
    await reader.keep(claimed, spell(claimed["naked"][0], None, failures=3, ended="its stop stands"))
    (change,) = await road.claim()
    await road.deny(change)
    claimed = await reader.claimed()
    assert claimed["naked"] == []
    await reader.keep(claimed, bare=True)
    (naked,) = (await reader.claimed())["naked"]
    assert (naked["failures"], naked["asked"]["kind"]) == (3, "stop")
    await road.admin.execute(
        "update engine.naked set ended_at = ended_at - interval '11 minutes' where ended_at is not null"
    )
    claimed = await reader.claimed()
    await reader.keep(claimed, spell(naked, None, ended="its stop stands"))
    await road.admin.execute(
        "update engine.naked set ended_at = ended_at - interval '11 minutes' where ended_at is not null"
    )
    await reader.keep(claimed, bare=True)
    (naked,) = (await reader.claimed())["naked"]
    assert (naked["failures"], naked["asked"]) == (0, None)


@pytest.mark.parametrize(("ago_s", "next_s"), [(0, 3), (4, 6), (11, 30)])
async def test_it_is_read_when_something_is_to_be_decided(road: Road, ago_s: int, next_s: int) -> None:
    """At an account that is read every half a minute: 3 and 10 seconds after the first read without a stop."""
    trader = await road.trader()
    await entered(road, trader, "1.095")
    reader = await Reader.of(road, trader)
    claimed = await reader.claimed()
    await reader.keep(claimed, bare=True)
    now = datetime.now(UTC)
    await road.admin.execute("update engine.naked set since = $1", now - timedelta(seconds=ago_s))
    await reader.watch.hand_in(claimed, now, 10_000, positions=[held()], every_s=30)
    assert await reader.watch.is_due_in(next_s, now)
