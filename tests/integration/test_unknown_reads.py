"""No order is ever sized from an unknown read: the broker trades, quotes and answers, and does not say what is held."""

from __future__ import annotations

import dataclasses
import json
import uuid
from collections.abc import AsyncIterator
from decimal import Decimal as D
from typing import Any

import pytest
from msgspec.structs import replace

from tests.conformance import test_metatrader
from tests.conformance.simulators import running_simulator
from tests.integration.steps.house import House, house
from tests.support.clusters import Database

QUICK = dataclasses.replace(test_metatrader.TIMING, read_within=0.2)
LOTS = {"qty_mode": "lots", "qty": "0.05"}
RISK = {"qty_mode": "risk_pct", "qty": "1", "sl": {"mode": "pips", "value": 20}}
ENTRIES: dict[str, dict[str, Any]] = {
    "open": {"action": "open", "side": "buy", **LOTS},
    "open by risk": {"action": "open", "side": "buy", **RISK},
    "open by equity": {"action": "open", "side": "buy", "qty_mode": "equity_pct", "qty": "10"},
    "add": {"action": "add", "side": "buy", **LOTS},
    "reverse": {"action": "reverse", "side": "sell", **LOTS},
    "target": {"action": "target", "side": "buy", **LOTS},
    "modify": {"action": "modify", "sl": {"mode": "pips", "value": 30}},
}
REDUCE = {"action": "reduce", "qty_mode": "position_pct", "qty": "50"}
_SIZED = """
select d.action::text, d.outcome::text, d.reason::text, d.status::text, d.trace from public.deliveries d
where d.account_id = $1 and d.id > $2 order by d.id
"""


@pytest.fixture
async def blind(database: Database) -> AsyncIterator[House]:
    """A position of 0.10 lots that an alert has opened, known for ten seconds, at a broker whose account cannot be read."""
    options = ("--no-limits", "--accounts", str(len(test_metatrader.KINDS)))
    with running_simulator("metatrader", *options) as operator:
        place = test_metatrader.MetaTraderVenue(operator, test_metatrader.KIND_NAMES[0], timing=QUICK)
        hand = await place.connect()
        ids = {"id": str(uuid.uuid4()), "connection_id": str(uuid.uuid4())}
        account = replace(test_metatrader.account(await place.number(), place.mode), **ids)
        async with house(database, place, hand, account) as made:
            await made.price("EURUSD", D("1.09500"), D("1.09506"))
            await made.trader.alert(symbol="EURUSD", **(ENTRIES["open"] | {"qty": "0.10"}))
            await made.carry_out()
            await made.read()
            assert await made.difference() == ""
            for table in ("broker_accounts", "positions"):
                await made.trader.connection.execute(
                    f"update public.{table} set freshness = 'stale', as_of = now() - interval '10 seconds'"
                )
            place.fault("error_before", "reads", times=None)
            yield made
        for each in place.opened:
            await each.close()


async def decided(made: House, after: int) -> list[dict[str, Any]]:
    """What became of the deliveries after that one."""
    rows = await made.trader.connection.fetch(_SIZED, made.account.id, after)
    return [{**row, "trace": json.loads(row["trace"])} for row in rows]


async def test_no_order_is_sized_from_an_unknown_read(blind: House) -> None:
    """Entries of every kind are denied for what is not known, an exit by a share waits; the broker gets nothing to do. When it
    can be read again the exit is half of what is held."""
    connection = blind.trader.connection
    last = await connection.fetchval("select max(id) from public.deliveries")
    written = len(blind.place.operator.log())
    for intent in ENTRIES.values():
        await blind.trader.alert(symbol="EURUSD", **intent)
        await blind.carry_out()
    await blind.trader.alert(symbol="EURUSD", **REDUCE)
    await blind.carry_out()
    *entries, exit_ = await decided(blind, last)
    assert len(blind.place.operator.log()) == written
    assert [each["outcome"] for each in entries] == ["denied"] * len(ENTRIES), entries
    assert {each["reason"] for each in entries} <= {"position_unknown", "balance_unknown"}
    assert exit_["status"] == "queued", exit_
    blind.place.clear()
    (held,) = (await blind.hand.snapshot()).positions
    assert held.qty == D("0.10")
    await blind.read()
    await blind.later()
    await blind.carry_out()
    (held,) = (await blind.hand.snapshot()).positions
    assert held.qty == D("0.05"), (await decided(blind, last))[-1]
    await _sized_by_what_was_read(blind)


async def _sized_by_what_was_read(made: House) -> None:
    """Whatever was planned was planned after a read that worked, or by figures that were fresh."""
    planned = 0
    for each in await decided(made, 0):
        known: dict[str, Any] = {}
        for step in each["trace"]:
            if step["stage"] == "resolve":
                known = step["detail"]
            elif (step["stage"], step["outcome"]) == ("size", "planned"):
                planned += 1
                assert not known.get("unread"), each
                assert known.get("read_now") or known.get("money_age_s") is not None, each
    assert planned >= 2
