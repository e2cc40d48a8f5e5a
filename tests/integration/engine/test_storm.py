"""Everything at once: senders, flattens, workers that die, rescuers and settlers, until all is done."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import asyncpg

from tests.integration.engine.road import ENTRY, EXIT, Json, Road, Trader, fill, filled, outcome

ALERTS, SENDERS, WORKERS = 240, 3, 3


class Storm:
    """The parties of one storm; each works on connections of its own."""

    def __init__(self, road: Road, watcher: asyncpg.Connection, traders: list[Trader], seed: int) -> None:
        self.road, self.watcher, self.traders, self.dice = road, watcher, traders, random.Random(seed)
        self.sending = SENDERS
        self._watching = asyncio.Lock()

    async def send(self, edge: asyncpg.Connection, boss: asyncpg.Connection) -> None:
        """Alerts of every kind to one or all accounts; now and then a flatten by hand or a kill switch."""
        for _ in range(ALERTS // SENDERS):
            trader, chance = self.dice.choice(self.traders), self.dice.random()
            if chance < 0.05:
                given = {"user_id": trader.user, "source": "dashboard", "accounts": trader.accounts}
                await boss.fetchval(
                    "select engine.accept_intent($1)", {**given, "intent": {"action": "flatten"}}
                )
            elif chance < 0.08:
                await boss.fetchval("select private.stop_entries($1::text[]::uuid[])", trader.accounts)
            else:
                action = self.dice.choice(["open", "open", "add", "reverse", "reduce", "close", "cancel"])
                some = {"accounts": [self.dice.choice(trader.accounts)]} if chance < 0.5 else {}
                await self.road.accept_on(
                    trader, edge, action=action, symbol=self.dice.choice(["EURUSD", "XAUUSD"]), **some
                )
        self.sending -= 1

    async def work(self, name: str, line: asyncpg.Connection) -> None:
        """Claim, open, send, record; sometimes die with the lease at a place of chance."""
        while self.sending or await self.left():
            for lane in ("urgent", "normal"):
                for claimed in await self.road.claim(8, lane, name, line):
                    await self._one(claimed, line)

    async def _one(self, claimed: Json, line: asyncpg.Connection) -> None:
        if self.dice.random() < 0.1:
            return
        opened: Json = {"verdict": "denied", "reason": "no_quote"}
        if self.dice.random() < 0.8:
            leg = EXIT if claimed["delivery"]["action"] in ("reduce", "close", "flatten") else ENTRY
            root = claimed["delivery"]["symbol"] or "EURUSD"
            (opened,) = await self.road.open(claimed, {**leg, "root": root, "symbol": root}, connection=line)
        if self.dice.random() < 0.1:
            return
        results = [self._answer(command, claimed) for command in opened.get("commands", []) if command["go"]]
        await self.road.record(claimed, results, "denied", opened.get("reason"), connection=line)

    def _answer(self, command: Json, claimed: Json) -> Json:
        name = self.dice.choice(["filled", "filled", "rejected", "unknown"])
        number = command["id"]
        if name != "filled":
            return outcome(number, name, "market_closed" if name == "rejected" else None)
        at = claimed["delivery"]["account_id"]
        is_exit = claimed["delivery"]["action"] in ("reduce", "close", "flatten")
        done: dict[str, Any] = {"effect": "close", "side": "sell"} if is_exit else {}
        return filled(number, 1, [fill(f"f{number}", f"{claimed['delivery']['symbol']}-{at}", **done)])

    async def recover(self, line: asyncpg.Connection) -> None:
        """Leases run out, rescuers rescue, the settler gets every kind of answer."""
        while self.sending or await self.left():
            await self.road.admin.execute(
                "update engine.queue set lease_until = now() - interval '1 s' where state = 'claimed'"
                " and held_since < now() - interval '100 ms'"
            )
            await line.fetchval("select engine.rescue(50)")
            await self.road.deadlines_passed()
            for asked in await self.road.unsettled(line):
                verdict = self.dice.choice(["found", "absent", "cannot_tell"])
                found = self._answer({"id": asked["command"]["id"]}, await self._claimed(asked))
                await self.road.settle(asked, verdict, found)

    async def _claimed(self, asked: Json) -> Json:
        row = await self.road.value(
            "select to_jsonb(d) from public.deliveries d where id = $1", asked["command"]["delivery_id"]
        )
        return {"delivery": row}

    async def left(self) -> int:
        """Deliveries that are not done."""
        async with self._watching:
            return int(await self.watcher.fetchval("select count(*) from engine.queue"))


async def test_storm(road: Road) -> None:
    """No deadlock, no sleeper, nothing twice: every delivery ends, every view is empty, counters add up."""
    traders = [await road.trader(accounts=4) for _ in range(3)]
    for trader in traders:
        await road.limit(trader, max_trades_per_day=1000, max_open_trades=1000)
    storm = Storm(road, await road.another("supabase_admin"), traders, seed=2)
    await road.admin.execute("select pg_stat_reset()")
    async with asyncio.timeout(300):
        await asyncio.gather(
            *[
                storm.send(await road.another("empire_edge"), await road.another("supabase_admin"))
                for _ in range(SENDERS)
            ],
            *[storm.work(f"w{n}", await road.another("empire_worker")) for n in range(WORKERS)],
            storm.recover(await road.another("empire_worker")),
        )
    assert await road.broken() == {}
    assert await road.value("select deadlocks from pg_stat_database where datname = current_database()") == 0
    assert await road.column("select distinct status::text from public.deliveries") == ["done"]
    assert await road.value("select count(*) from public.webhook_events where not processed") == 0
    reserved = await road.value(
        "select count(*) from engine.commands c cross join jsonb_array_elements(c.reserved) where c.reserved is not null"
    )
    assert await road.value("select sum(trades) from engine.scope_counters") == reserved
    sent = await road.value(
        "select count(distinct delivery_id) from engine.commands where is_entry and state in ('accepted', 'unknown')"
    )
    assert reserved == 2 * sent
